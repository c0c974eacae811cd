//! An image in the making: its lists, and which of the strings in them are known already.

use std::collections::HashMap;

use crate::bytes::{equal, hash_from};
use crate::compile::image_builder::ImageBuilder;
use crate::table::image::Span;
use crate::table::schema::{PARTS, Part, StringId, TEXT_LISTS, TEXTS, Template};

/// No text begins so far behind.
const VACANT: StringId = StringId { start: u32::MAX, length: 0 };

/// `shared` strings stand once however often they come; two handles of the same shared string are equal. So are lists of
/// the same shared strings.
pub(crate) struct TableBuilder {
    pub(crate) image: ImageBuilder,
    /// An open-addressed hash table, of a power of two of slots.
    shared: Vec<StringId>,
    shared_count: usize,
    /// Of the hash: nobody who writes a document knows the collisions of its own hash.
    seed: u64,
    known_lists: HashMap<Vec<StringId>, Span>,
}

impl TableBuilder {
    /// `seed` is to be hard to choose.
    pub(crate) fn new(seed: u64) -> Self {
        TableBuilder {
            image: ImageBuilder::new(),
            shared: Vec::new(),
            shared_count: 0,
            seed,
            known_lists: HashMap::new(),
        }
    }

    pub(crate) fn add(&mut self, text: &str) -> StringId {
        let start = self.image.len(TEXTS);
        self.image.append_bytes(TEXTS, text.as_bytes());
        StringId { start, length: text.len() as u32 }
    }

    pub(crate) fn shared(&mut self, text: &str) -> StringId {
        if (self.shared_count + 1) * 4 > self.shared.len() * 3 {
            let larger = vec![VACANT; (self.shared.len() * 2).max(64)];
            for known in std::mem::replace(&mut self.shared, larger) {
                if known != VACANT {
                    let slot = self.slot(self.bytes(known));
                    self.fill(slot, known);
                }
            }
        }
        let slot = self.slot(text.as_bytes());
        if let Some(known) = self.shared.get(slot)
            && *known != VACANT
        {
            return *known;
        }
        let added = self.add(text);
        self.fill(slot, added);
        self.shared_count += 1;
        added
    }

    fn fill(&mut self, slot: usize, text: StringId) {
        self.shared.get_mut(slot).into_iter().for_each(|slot| *slot = text);
    }

    /// The slot of a shared text, or the vacant one that is for it.
    fn slot(&self, text: &[u8]) -> usize {
        let mask = self.shared.len().wrapping_sub(1);
        let mut at = hash_from(self.seed, text) as usize & mask;
        while let Some(known) = self.shared.get(at)
            && *known != VACANT
            && !equal(self.bytes(*known), text)
        {
            at = (at + 1) & mask;
        }
        at
    }

    pub(crate) fn list<'t>(&mut self, strings: impl IntoIterator<Item = &'t str>) -> Span {
        let strings: Vec<StringId> = strings.into_iter().map(|text| self.shared(text)).collect();
        if let Some(known) = self.known_lists.get(&strings) {
            return *known;
        }
        let added = self.image.append(TEXT_LISTS, strings.iter().copied());
        self.known_lists.insert(strings, added);
        added
    }

    pub(crate) fn template(&mut self, parts: Vec<Part>) -> Template {
        Template(self.image.append(PARTS, parts))
    }

    pub(crate) fn parts(&self, template: Template) -> impl Iterator<Item = Part> + '_ {
        self.image.span(PARTS, template.0)
    }

    pub(crate) fn get(&self, text: StringId) -> &str {
        std::str::from_utf8(self.bytes(text)).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn bytes(&self, text: StringId) -> &[u8] {
        self.image.bytes(TEXTS, text.start, text.start.saturating_add(text.length))
    }

    /// What has been collected, as part of a table.
    #[cfg(test)]
    pub(crate) fn strings(self) -> crate::table::strings::Strings {
        let reader = crate::table::image::ImageReader::new(self.image.finish(0).into());
        reader.and_then(|(reader, _)| crate::table::strings::Strings::read(&reader)).unwrap_or_default()
    }
}

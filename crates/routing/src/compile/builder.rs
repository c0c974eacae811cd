//! The table while it is built: its rows, and which strings it already has.

use std::collections::HashMap;

use hashbrown::HashTable;

use crate::bytes::{equal, hash_from};
use crate::compile::image_builder::ImageBuilder;
use crate::table::image::Span;
use crate::table::schema::{PARTS, Part, StringId, TEXT_LISTS, TEXTS, Template};

/// Collects rows and strings.
///
/// A *shared* string is stored once, however often it is added, so that two shared strings are equal exactly if their ids
/// are. Lists of shared strings are stored once too.
pub(crate) struct TableBuilder {
    pub(crate) image: ImageBuilder,
    shared: HashTable<StringId>,
    /// Seeds the hash of strings. It is the hash of the document, so nobody can write a document whose strings collide.
    seed: u64,
    known_lists: HashMap<Vec<StringId>, Span>,
}

impl TableBuilder {
    /// `seed` must be hard to choose for whoever writes the document.
    pub(crate) fn new(seed: u64) -> Self {
        TableBuilder { image: ImageBuilder::new(), shared: HashTable::new(), seed, known_lists: HashMap::new() }
    }

    /// Adds a string, even if the table has it already.
    pub(crate) fn add(&mut self, text: &str) -> StringId {
        let start = self.image.len(TEXTS);
        self.image.append_bytes(TEXTS, text.as_bytes());
        StringId { start, length: text.len() as u32 }
    }

    /// Returns the shared string of this text.
    pub(crate) fn shared(&mut self, text: &str) -> StringId {
        let hash = hash_from(self.seed, text.as_bytes());
        if let Some(known) = self.shared.find(hash, |known| equal(self.bytes(*known), text.as_bytes())) {
            return *known;
        }
        let added = self.add(text);
        let TableBuilder { image, shared, seed, .. } = self;
        shared.insert_unique(hash, added, |known| hash_from(*seed, bytes(image, *known)));
        added
    }

    /// Returns the list of these shared strings.
    pub(crate) fn list<'t>(&mut self, texts: impl IntoIterator<Item = &'t str>) -> Span {
        let ids: Vec<StringId> = texts.into_iter().map(|text| self.shared(text)).collect();
        if let Some(known) = self.known_lists.get(&ids) {
            return *known;
        }
        let added = self.image.append(TEXT_LISTS, ids.iter().copied());
        self.known_lists.insert(ids, added);
        added
    }

    /// Adds a template.
    pub(crate) fn template(&mut self, parts: Vec<Part>) -> Template {
        Template { parts: self.image.append(PARTS, parts) }
    }

    /// Returns the parts of a template.
    pub(crate) fn parts(&self, template: Template) -> impl Iterator<Item = Part> + '_ {
        self.image.span(PARTS, template.parts)
    }

    /// Returns the text of a string.
    pub(crate) fn get(&self, id: StringId) -> &str {
        std::str::from_utf8(self.bytes(id)).unwrap_or_default()
    }

    /// Returns the bytes of a string.
    #[inline]
    pub(crate) fn bytes(&self, id: StringId) -> &[u8] {
        bytes(&self.image, id)
    }

    /// Returns the strings that were collected, as a table has them.
    #[cfg(test)]
    pub(crate) fn strings(self) -> crate::table::strings::Strings {
        let reader = crate::table::image::ImageReader::new(self.image.finish(0).into());
        reader.and_then(|(reader, _)| crate::table::strings::Strings::read(&reader)).unwrap_or_default()
    }
}

fn bytes(image: &ImageBuilder, id: StringId) -> &[u8] {
    image.bytes(TEXTS, id.start, id.start.saturating_add(id.length))
}

//! All of a table's strings in one place, with lists of strings and the parts of templates, each named by a small handle.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::image::{Reader, Rows, Span, Writer, row};
use crate::octets;
use crate::template::{Part, Template};
use crate::tree::hash_from;

row! {
    /// A string of the table.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
    pub(crate) struct Text {
        start: u32,
        length: u32,
    }
}

#[derive(Debug, Default)]
pub(crate) struct Texts {
    all: Rows<u8>,
    lists: Rows<Text>,
    parts: Rows<Part>,
}

impl Texts {
    pub(crate) fn read(image: &mut Reader) -> Option<Self> {
        Some(Texts { all: image.list()?, lists: image.list()?, parts: image.list()? })
    }

    pub(crate) fn octets(&self, text: Text) -> &[u8] {
        self.all.octets(text.start, text.start.saturating_add(text.length))
    }

    pub(crate) fn get(&self, text: Text) -> &str {
        std::str::from_utf8(self.octets(text)).unwrap_or_default()
    }

    pub(crate) fn list(&self, list: Span) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        self.lists.span(list).map(|text| self.get(text))
    }

    /// One of a list.
    pub(crate) fn at(&self, list: Span, index: u32) -> Option<&str> {
        let at = list.start.checked_add(index).filter(|at| *at < list.end)?;
        self.lists.get(at).map(|text| self.get(text))
    }

    /// Of a list of pairs.
    pub(crate) fn pairs(&self, list: Span) -> impl Iterator<Item = (&str, &str)> {
        let mut texts = self.list(list);
        std::iter::from_fn(move || texts.next().zip(texts.next()))
    }

    /// The place of a text in a sorted list.
    pub(crate) fn position(&self, list: Span, text: &[u8]) -> Option<usize> {
        let (mut low, mut high) = (list.start, list.end);
        while low < high {
            let middle = low + (high - low) / 2;
            match octets::compare(self.octets(self.lists.get(middle)?), text) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Some((middle - list.start) as usize),
            }
        }
        None
    }

    pub(crate) fn parts(&self, template: Template) -> impl ExactSizeIterator<Item = Part> + Clone + '_ {
        self.parts.span(template.0)
    }
}

/// No text begins so far behind.
const VACANT: Text = Text { start: u32::MAX, length: 0 };

/// Collects strings. `shared` ones stand once however often they come; two handles of the same shared string
/// are equal. So are lists of the same shared strings.
#[derive(Default)]
pub(crate) struct TextsBuilder {
    all: String,
    /// An open-addressed hash table, of a power of two of slots.
    shared: Vec<Text>,
    shared_count: usize,
    /// Of the hash: nobody who writes a document knows the collisions of its own hash.
    seed: u64,
    lists: Vec<Text>,
    known_lists: HashMap<Vec<Text>, Span>,
    parts: Vec<Part>,
}

impl TextsBuilder {
    /// `seed` is to be hard to choose.
    pub(crate) fn new(seed: u64) -> Self {
        TextsBuilder { seed, ..TextsBuilder::default() }
    }

    /// Makes room for so many octets of texts.
    pub(crate) fn reserve(&mut self, octets: usize) {
        self.all.reserve(octets);
    }

    pub(crate) fn add(&mut self, text: &str) -> Text {
        let start = self.all.len() as u32;
        self.all.push_str(text);
        Text { start, length: text.len() as u32 }
    }

    pub(crate) fn shared(&mut self, text: &str) -> Text {
        if (self.shared_count + 1) * 4 > self.shared.len() * 3 {
            let larger = vec![VACANT; (self.shared.len() * 2).max(64)];
            for known in std::mem::replace(&mut self.shared, larger) {
                if known != VACANT {
                    let slot = self.slot(self.get(known));
                    self.fill(slot, known);
                }
            }
        }
        let slot = self.slot(text);
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

    fn fill(&mut self, slot: usize, text: Text) {
        self.shared.get_mut(slot).into_iter().for_each(|slot| *slot = text);
    }

    /// The slot of a shared text, or the vacant one that is for it.
    fn slot(&self, text: &str) -> usize {
        let mask = self.shared.len().wrapping_sub(1);
        let mut at = hash_from(self.seed, text.as_bytes()) as usize & mask;
        while let Some(known) = self.shared.get(at)
            && *known != VACANT
            && self.get(*known) != text
        {
            at = (at + 1) & mask;
        }
        at
    }

    pub(crate) fn list<'t>(&mut self, texts: impl IntoIterator<Item = &'t str>) -> Span {
        let texts: Vec<Text> = texts.into_iter().map(|text| self.shared(text)).collect();
        if let Some(known) = self.known_lists.get(&texts) {
            return *known;
        }
        let added = Span::append(&mut self.lists, texts.iter().copied());
        self.known_lists.insert(texts, added);
        added
    }

    pub(crate) fn template(&mut self, parts: Vec<Part>) -> Template {
        Template(Span::append(&mut self.parts, parts))
    }

    pub(crate) fn parts(&self, template: Template) -> &[Part] {
        template.0.of(&self.parts)
    }

    pub(crate) fn get(&self, text: Text) -> &str {
        let start = text.start as usize;
        self.all.get(start..start + text.length as usize).unwrap_or_default()
    }

    pub(crate) fn size(&self) -> usize {
        Writer::size(self.all.as_bytes()) + Writer::size(&self.lists) + Writer::size(&self.parts)
    }

    pub(crate) fn write(&self, image: &mut Writer) {
        image.text(&self.all);
        image.list(&self.lists);
        image.list(&self.parts);
    }

    /// What has been collected, as part of a table.
    #[cfg(test)]
    pub(crate) fn texts(&self) -> Texts {
        let mut image = Writer::new(0, self.size());
        self.write(&mut image);
        let reader = Reader::new(image.finish().into());
        reader.and_then(|(mut reader, _)| Texts::read(&mut reader)).unwrap_or_default()
    }
}

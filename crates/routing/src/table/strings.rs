//! All of a table's strings in one place, with lists of strings and the parts of templates, each named by a small handle.

use crate::bytes::equal;
use crate::table::image::{ImageReader, Rows, Span};
use crate::table::schema::{PARTS, Part, StringId, TEXT_LISTS, TEXTS, Template};

#[derive(Debug, Default)]
pub(crate) struct Strings {
    all: Rows<u8>,
    lists: Rows<StringId>,
    parts: Rows<Part>,
}

impl Strings {
    pub(crate) fn read(image: &ImageReader) -> Option<Self> {
        Some(Strings { all: image.list(TEXTS)?, lists: image.list(TEXT_LISTS)?, parts: image.list(PARTS)? })
    }

    pub(crate) fn bytes(&self, text: StringId) -> &[u8] {
        self.all.bytes(text.start, text.start.saturating_add(text.length))
    }

    pub(crate) fn get(&self, text: StringId) -> &str {
        std::str::from_utf8(self.bytes(text)).unwrap_or_default()
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
        let mut strings = self.list(list);
        std::iter::from_fn(move || strings.next().zip(strings.next()))
    }

    /// The place of a text in a sorted list.
    pub(crate) fn position(&self, list: Span, text: &[u8]) -> Option<usize> {
        let (mut low, mut high) = (list.start, list.end);
        while low < high {
            let middle = low + (high - low) / 2;
            let known = self.bytes(self.lists.get(middle)?);
            if equal(known, text) {
                return Some((middle - list.start) as usize);
            }
            match known < text {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        None
    }

    pub(crate) fn parts(&self, template: Template) -> impl ExactSizeIterator<Item = Part> + Clone + '_ {
        self.parts.span(template.0)
    }
}

//! All strings of a table in one place, with the lists of strings and the parts of templates.
//!
//! Other rows refer to a string by its [`StringId`], to a list of strings by a [`Span`], and to the parts of a template
//! by a [`Template`].

use crate::bytes::equal;
use crate::table::image::{ImageReader, Rows, Span};
use crate::table::schema::{PARTS, Part, StringId, TEXT_LISTS, TEXTS, Template};

/// The strings of a table.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    /// The bytes of all strings, one after the other.
    all: Rows<u8>,
    lists: Rows<StringId>,
    parts: Rows<Part>,
}

impl Strings {
    /// Returns the strings of an image; `None` if the image is cut short.
    pub(crate) fn read(image: &ImageReader) -> Option<Self> {
        Some(Strings { all: image.list(TEXTS)?, lists: image.list(TEXT_LISTS)?, parts: image.list(PARTS)? })
    }

    /// Returns the bytes of a string.
    pub(crate) fn bytes(&self, id: StringId) -> &[u8] {
        self.all.bytes(id.start, id.start.saturating_add(id.length))
    }

    /// Returns the text of a string.
    pub(crate) fn get(&self, id: StringId) -> &str {
        std::str::from_utf8(self.bytes(id)).unwrap_or_default()
    }

    /// Returns the strings of a list.
    pub(crate) fn list(&self, list: Span) -> impl DoubleEndedIterator<Item = &str> {
        self.lists.span(list).map(|id| self.get(id))
    }

    /// Returns the string at an index of a list.
    pub(crate) fn at(&self, list: Span, index: u32) -> Option<&str> {
        let at = list.start.checked_add(index).filter(|at| *at < list.end)?;
        self.lists.get(at).map(|id| self.get(id))
    }

    /// Returns the pairs of a list that holds pairs of strings.
    pub(crate) fn pairs(&self, list: Span) -> impl Iterator<Item = (&str, &str)> {
        let mut strings = self.list(list);
        std::iter::from_fn(move || strings.next().zip(strings.next()))
    }

    /// Returns the index of a text in a sorted list.
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

    /// Returns the parts of a template.
    pub(crate) fn parts(&self, template: Template) -> impl Iterator<Item = Part> + '_ {
        self.parts.span(template.parts)
    }
}

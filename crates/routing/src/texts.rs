//! All of a table's strings in one allocation, and all parts of its templates in another, each named by a small handle.

use std::collections::HashMap;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::template::{Part, Template};

/// A string of the table.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize, BorshDeserialize,
)]
pub(crate) struct Text {
    start: u32,
    length: u32,
}

#[derive(Debug, Default, BorshSerialize, BorshDeserialize)]
pub(crate) struct Texts {
    all: String,
    parts: Vec<Part>,
}

impl Texts {
    pub(crate) fn get(&self, text: Text) -> &str {
        let start = text.start as usize;
        self.all.get(start..start.saturating_add(text.length as usize)).unwrap_or_default()
    }

    pub(crate) fn parts(&self, template: Template) -> &[Part] {
        self.parts.get(template.range()).unwrap_or_default()
    }
}

/// Collects strings. `shared` ones stand once however often they come; two handles of the same shared string
/// are equal.
#[derive(Default)]
pub(crate) struct TextsBuilder {
    texts: Texts,
    shared: HashMap<Box<str>, Text>,
}

impl TextsBuilder {
    pub(crate) fn add(&mut self, text: &str) -> Text {
        let start = self.texts.all.len() as u32;
        self.texts.all.push_str(text);
        Text { start, length: text.len() as u32 }
    }

    pub(crate) fn shared(&mut self, text: &str) -> Text {
        if let Some(known) = self.shared.get(text) {
            return *known;
        }
        let added = self.add(text);
        self.shared.insert(text.into(), added);
        added
    }

    pub(crate) fn template(&mut self, parts: &[Part]) -> Template {
        let start = self.texts.parts.len();
        self.texts.parts.extend_from_slice(parts);
        Template::new(start..self.texts.parts.len())
    }

    pub(crate) fn texts(&self) -> &Texts {
        &self.texts
    }

    pub(crate) fn get(&self, text: Text) -> &str {
        self.texts.get(text)
    }

    pub(crate) fn finish(self) -> Texts {
        let mut texts = self.texts;
        texts.all.shrink_to_fit();
        texts.parts.shrink_to_fit();
        texts
    }
}

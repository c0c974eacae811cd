//! All of a table's strings in one allocation, each named by a small handle.

use std::collections::HashMap;

/// A string of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Text {
    start: u32,
    length: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Texts(Box<str>);

impl Texts {
    pub(crate) fn get(&self, text: Text) -> &str {
        let start = text.start as usize;
        self.0.get(start..start + text.length as usize).unwrap_or_default()
    }
}

/// Collects strings. `shared` ones stand once however often they come; two handles of the same shared string
/// are equal.
#[derive(Default)]
pub(crate) struct TextsBuilder {
    all: String,
    shared: HashMap<Box<str>, Text>,
}

impl TextsBuilder {
    pub(crate) fn add(&mut self, text: &str) -> Text {
        let start = self.all.len() as u32;
        self.all.push_str(text);
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

    pub(crate) fn get(&self, text: Text) -> &str {
        let start = text.start as usize;
        self.all.get(start..start + text.length as usize).unwrap_or_default()
    }

    pub(crate) fn finish(self) -> Texts {
        Texts(self.all.into())
    }
}

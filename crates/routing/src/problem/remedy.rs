//! The edit that a message proposes, as data.
//!
//! Editors can offer it, and a test applies it: what a message says to write must be accepted, and mean what was meant.

use std::fmt;

use super::quote::Abridge;
use crate::limits;

/// An edit of the document, at the [`Place`](super::Place) of its problem.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// The value is written as this text.
    Value(String),
    /// In the text of the value, a part is replaced: where it first stands alone as a word, or else where it stands first.
    Part {
        /// The part that is replaced.
        found: String,
        /// The text that replaces it. It is empty if the part is deleted.
        write: String,
    },
    /// In the text of the value, a part is replaced that stands at its end.
    End {
        /// The part that is replaced.
        found: String,
        /// The text that replaces it.
        write: String,
    },
    /// The key gets another name.
    Key(String),
    /// The value is taken out, with its key.
    TakeOut,
    /// In the object of the key, some keys are taken out and an entry is added.
    Entry {
        /// The names of the keys that are taken out.
        take_out: Vec<String>,
        /// The entry in YAML, such as `match: GET /orders`.
        write: String,
    },
}

impl Remedy {
    pub(super) fn value(write: &str) -> Option<Self> {
        Some(Remedy::Value(write.to_owned()))
    }

    pub(super) fn part(found: &str, write: &str) -> Option<Self> {
        Some(Remedy::Part { found: found.to_owned(), write: write.to_owned() })
    }

    pub(super) fn end(found: &str, write: &str) -> Option<Self> {
        Some(Remedy::End { found: found.to_owned(), write: write.to_owned() })
    }

    /// Returns whether a message quotes all of the texts in full.
    pub(super) fn is_short(&self) -> bool {
        let is_short = |text: &String| text.chars().nth(limits::QUOTED).is_none();
        match self {
            Remedy::Value(write) | Remedy::Key(write) => is_short(write),
            Remedy::Part { found, write } | Remedy::End { found, write } => is_short(found) && is_short(write),
            Remedy::TakeOut => true,
            Remedy::Entry { take_out, write } => take_out.iter().all(is_short) && is_short(write),
        }
    }
}

/// A path as written, and as a message proposes to write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathEdit {
    path: String,
    write: String,
}

impl PathEdit {
    pub(crate) fn new(path: &str, write: &str) -> Self {
        PathEdit { path: path.to_owned(), write: write.to_owned() }
    }

    pub(super) fn remedy(&self) -> Option<Remedy> {
        Remedy::end(&self.path, &self.write)
    }
}

impl fmt::Display for PathEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.write)
    }
}

impl Abridge for PathEdit {
    fn abridge(&mut self) {
        self.path.abridge();
        self.write.abridge();
    }
}

impl Abridge for Option<PathEdit> {
    fn abridge(&mut self) {
        self.iter_mut().for_each(PathEdit::abridge);
    }
}

/// What a message proposes in place of a text: another text, or words that describe one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instead {
    /// The text to write.
    Text(String),
    /// A description, if the text can't be known.
    Words(String),
}

impl Instead {
    pub(super) fn remedy(&self) -> Option<Remedy> {
        match self {
            Instead::Text(text) => Remedy::value(text),
            Instead::Words(_) => None,
        }
    }
}

impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Instead::Text(text) => write!(f, "\"{text}\""),
            Instead::Words(words) => f.write_str(words),
        }
    }
}

impl Abridge for Instead {
    fn abridge(&mut self) {
        match self {
            Instead::Text(text) | Instead::Words(text) => text.abridge(),
        }
    }
}

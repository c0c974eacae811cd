//! A file's text with the name that messages use for it.

pub mod files;
pub mod position;

use std::sync::Arc;

/// A text and its name.
#[derive(Debug)]
pub struct Source {
    pub name: String,
    pub text: String,
    /// The byte at which each line begins.
    lines: Vec<usize>,
}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        let mut text = text.into();
        // A byte order mark does not count as a column.
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        let lines = text.split_inclusive('\n').scan(0, |at, line| Some(std::mem::replace(at, *at + line.len())));
        Arc::new(Self { name: name.into(), lines: lines.collect(), text })
    }

    /// Returns a line without its line ending; lines count from 1.
    pub fn line(&self, line: usize) -> Option<&str> {
        let begin = *self.lines.get(line.checked_sub(1)?)?;
        self.text[begin..].lines().next()
    }
}

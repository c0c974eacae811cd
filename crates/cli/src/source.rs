//! A text with the name that messages call it by, and positions in it.

pub mod files;
pub mod position;

use std::sync::Arc;

/// A text and its name.
#[derive(Debug)]
pub struct Source {
    pub name: String,
    pub text: String,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        let mut text = text.into();
        // A byte order mark takes no column.
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        let lines = text.split_inclusive('\n').scan(0, |at, line| Some(std::mem::replace(at, *at + line.len())));
        Arc::new(Self { name: name.into(), lines: lines.collect(), text })
    }

    /// A line without its end; lines count from 1.
    pub fn line(&self, line: usize) -> Option<&str> {
        let begin = *self.lines.get(line.checked_sub(1)?)?;
        self.text[begin..].lines().next()
    }
}

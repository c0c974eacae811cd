//! Parts of messages: how a value is described, which known word the user may have meant, and rows of cells.

use std::borrow::Cow;
use std::fmt::Write as _;

use ksvc_routing::limits::QUOTED;

use crate::yaml::{Node, Value};

/// Describes a value: `the number 7`.
pub(crate) fn describe(node: &Node) -> String {
    match &node.value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Number(number) => format!("the number {number}"),
        Value::Text { text, .. } => format!("the string {:?}", short(text)),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "an object".to_owned(),
    }
}

/// Returns what a message quotes of a text: at most [`QUOTED`] characters, as in the messages of the routing core.
pub(crate) fn short(text: &str) -> Cow<'_, str> {
    let cut = text.char_indices().nth(QUOTED).and_then(|(at, _)| text.get(..at));
    cut.map_or(Cow::Borrowed(text), |cut| Cow::Owned(format!("{cut}…")))
}

/// Lists words: `` `a`, `b` ``.
pub(crate) fn quote_all(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// Returns the word that resembles `found` most, if one does.
pub(crate) fn nearest<'w>(found: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let found = found.to_lowercase();
    let distance = |word: &'w str| (strsim::damerau_levenshtein(&found, &word.to_lowercase()), word);
    let nearest = words.into_iter().map(distance).min_by_key(|(distance, _)| *distance);
    // One mistake in every four letters.
    nearest.filter(|(distance, word)| *distance <= word.len().div_ceil(4)).map(|(_, word)| word)
}

/// Returns a number with its noun: `1 error`, `2 errors`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Formats rows of cells. Each column is as wide as its widest cell.
pub fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a string can't fail.
            let _ = write!(line, "{cell:<width$}  ");
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

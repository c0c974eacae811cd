//! Parts of messages: how a value is described, which known word the user may have meant, what names of users look like in
//! a line, and rows of cells.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

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
pub fn quote_all(words: &[&str]) -> String {
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

/// Returns a text of a user as it is printed in a line: control characters and their like are written as in Rust, such as
/// `\n` and `\u{1b}`. So the text can't begin a line of its own or change what a terminal shows. Two colons at its
/// beginning would be a command for GitHub's runner if they begin a line, so the first of them is written as `\u{3a}`.
pub fn clean(text: &str) -> Cow<'_, str> {
    let begin = text.len() - text.trim_start().len();
    let is_command = text[begin..].starts_with("::");
    if !is_command && !text.contains(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for (index, c) in text.char_indices() {
        if is_unprintable(c) {
            shown.extend(c.escape_default());
        } else if is_command && index == begin {
            shown.push_str("\\u{3a}");
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Returns whether a character is not shown, but changes how the text around it is shown: a control character, a separator
/// of lines or paragraphs, or one that sets the direction of writing.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}

/// Returns the reason of an error of the system, without the number that the system has for it.
pub fn reason(error: &io::Error) -> String {
    let reason = error.to_string();
    reason.split(" (os error ").next().unwrap_or(&reason).to_owned()
}

/// Returns a number with its noun: `1 error`, `2 errors`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Formats rows of cells, with `clean` texts. Each column is as wide as its widest cell.
pub fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let rows: Vec<_> = rows.iter().map(|row| row.each_ref().map(|cell| clean(cell))).collect();
    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for row in &rows {
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

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn a_text_of_a_user_stays_in_its_line_and_is_no_command() {
        for (text, expected) in [
            ("GET /größe/{id} → 🎉", "GET /größe/{id} → 🎉"),
            ("a\r\n::error::b\tc", "a\\r\\n::error::b\\tc"),
            ("\u{1b}[31m\u{9b}\u{7f}\u{85}", "\\u{1b}[31m\\u{9b}\\u{7f}\\u{85}"),
            ("a\u{2028}b\u{202e}c\u{2066}", "a\\u{2028}b\\u{202e}c\\u{2066}"),
            ("::error::a", "\\u{3a}:error::a"),
            (" \u{3000}::error::a", " \u{3000}\\u{3a}:error::a"),
            ("\n::error::a", "\\n\\u{3a}:error::a"),
            ("a::b", "a::b"),
        ] {
            assert_eq!(clean(text), expected);
        }
    }
}

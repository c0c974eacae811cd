//! What a message quotes of the user's document. It is cut, so that no message is long, whatever the document holds.

use std::borrow::Cow;
use std::fmt;

use crate::limits;

/// Returns what a message quotes of a text: at most [`limits::QUOTED`] characters.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    let cut = text.char_indices().nth(limits::QUOTED).and_then(|(at, _)| text.get(..at));
    cut.map_or(Cow::Borrowed(text), |cut| Cow::Owned(format!("{cut}…")))
}

/// Cuts the user's text in a field of a problem. Most types of fields hold no such text, and stay as they are.
pub(super) trait Abridge {
    fn abridge(&mut self) {}
}

impl Abridge for String {
    fn abridge(&mut self) {
        if let Cow::Owned(cut) = quoted(self) {
            *self = cut;
        }
    }
}

impl Abridge for Option<String> {
    fn abridge(&mut self) {
        self.iter_mut().for_each(String::abridge);
    }
}

/// The names in a list are cut, and so is the list.
impl Abridge for Vec<String> {
    fn abridge(&mut self) {
        /// How many names a message lists.
        const LISTED: usize = 20;
        if self.len() > LISTED {
            self.truncate(LISTED);
            self.push("…".to_owned());
        }
        self.iter_mut().for_each(String::abridge);
    }
}

impl Abridge for bool {}
impl Abridge for usize {}
impl Abridge for u16 {}
impl Abridge for char {}
impl Abridge for &'static str {}
impl Abridge for Option<&'static str> {}
impl Abridge for &'static [&'static str] {}
impl Abridge for Vec<&'static str> {}
impl Abridge for ShortText {}

/// A text that quotes the document and is short already, such as `the string "ord…"`. Unlike a `String`, it is not cut,
/// so it keeps its closing quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortText(pub(crate) String);

impl fmt::Display for ShortText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Words in a message: "`a`, `b` or `c`".
pub(super) struct Listed<'a, T>(pub(super) &'a [T]);

impl<T: AsRef<str>> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.0.iter().enumerate() {
            let before = match index {
                0 => "",
                _ if index + 1 == self.0.len() => " or ",
                _ => ", ",
            };
            write!(f, "{before}`{}`", word.as_ref())?;
        }
        Ok(())
    }
}

/// A character that nobody can see, as a message names it: `U+00A0 (no-break space)`.
pub(super) struct Invisible(pub(super) char);

impl fmt::Display for Invisible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Invisible(character) = *self;
        let name = match character {
            '\u{a0}' => "no-break space",
            '\u{ad}' => "soft hyphen",
            '\u{200b}' => "zero width space",
            '\u{200c}' => "zero width non-joiner",
            '\u{200d}' => "zero width joiner",
            '\u{200e}' => "left-to-right mark",
            '\u{200f}' => "right-to-left mark",
            '\u{2028}' => "line separator",
            '\u{2029}' => "paragraph separator",
            '\u{202f}' => "narrow no-break space",
            '\u{2060}' => "word joiner",
            '\u{3000}' => "ideographic space",
            '\u{feff}' => "byte order mark",
            _ if character.is_whitespace() => "a kind of space",
            _ => "an invisible character",
        };
        write!(f, "U+{:04X} ({name})", u32::from(character))
    }
}

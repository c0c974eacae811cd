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

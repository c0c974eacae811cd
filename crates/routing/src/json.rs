//! Where the values of a document lie: a cursor that goes over JSON once, and finds where each value begins and ends.
//! Nothing of it is kept or copied. What a number is, and a string with escapes, is for `serde_json` to say.
//!
//! A document may have a hundred thousand routes, which a gateway's main thread reads while it does nothing else. So
//! octets are looked at eight at a time, and what nobody asks for is passed over, however little it is JSON.

use std::borrow::Cow;

use crate::octets::marks;

/// The document can't be read any further; `node::fault` knows why.
pub(crate) struct Stop;

/// A place in a document.
#[derive(Clone, Copy)]
pub(crate) struct Json<'a> {
    text: &'a str,
    at: usize,
}

/// What begins at a place.
pub(crate) enum Begin<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    List,
    Object,
}

impl<'a> Json<'a> {
    /// In a document, that many octets from its beginning.
    pub(crate) fn new(text: &'a str, at: usize) -> Self {
        Json { text, at }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The next octet that is not white space.
    #[inline(always)]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            let octet = *self.text.as_bytes().get(self.at)?;
            if octet > b' ' || !is_space(octet) {
                return Some(octet);
            }
            self.at += 1;
        }
    }

    /// Goes past the octet that comes next.
    #[inline(always)]
    pub(crate) fn advance(&mut self) {
        self.at += 1;
    }

    /// Whether nothing comes any more.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Goes into a list or an object, and past everything else.
    pub(crate) fn begin(&mut self) -> Result<Begin<'a>, Stop> {
        Ok(match self.peek().ok_or(Stop)? {
            b'"' => Begin::Text(self.string()?),
            b'[' => {
                self.at += 1;
                Begin::List
            }
            b'{' => {
                self.at += 1;
                Begin::Object
            }
            b'n' => {
                let () = read(self.scalar())?;
                Begin::Null
            }
            b't' | b'f' => Begin::Bool(read(self.scalar())?),
            _ => Begin::Number(read(self.scalar())?),
        })
    }

    /// The string that comes next.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, Stop> {
        if self.peek() != Some(b'"') {
            return Err(Stop);
        }
        let start = self.at;
        self.at += 1;
        let end = self.at + plain(self.rest());
        if let Some(text) = self.text.get(self.at..end)
            && self.text.as_bytes().get(end) == Some(&b'"')
        {
            self.at = end + 1;
            return Ok(Cow::Borrowed(text));
        }
        self.at = start;
        self.pass_string()?;
        read(self.text.as_bytes().get(start..self.at).unwrap_or_default()).map(Cow::Owned)
    }

    /// Goes past the next value.
    pub(crate) fn pass(&mut self) -> Result<(), Stop> {
        let mut open = 0_usize;
        loop {
            match self.peek().ok_or(Stop)? {
                b'"' => self.pass_string()?,
                b',' | b':' if open > 0 => {
                    self.at += 1;
                    continue;
                }
                b'[' | b'{' => {
                    self.at += 1;
                    open += 1;
                }
                b']' | b'}' => {
                    self.at += 1;
                    open = open.checked_sub(1).ok_or(Stop)?;
                }
                _ if self.scalar().is_empty() => return Err(Stop),
                _ => {}
            }
            if open == 0 {
                return Ok(());
            }
        }
    }

    #[inline(always)]
    fn pass_string(&mut self) -> Result<(), Stop> {
        self.at += 1;
        loop {
            self.at += plain(self.rest());
            match self.text.as_bytes().get(self.at).ok_or(Stop)? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }

    /// What stands up to the next octet that ends it.
    fn scalar(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let end = rest.iter().position(|&octet| is_space(octet) || matches!(octet, b',' | b':' | b']' | b'}'));
        let (scalar, _) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or_default();
        self.at += scalar.len();
        scalar
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

/// What the library makes of one value.
#[cold]
fn read<T: serde::de::DeserializeOwned>(value: &[u8]) -> Result<T, Stop> {
    serde_json::from_slice(value).map_err(|_| Stop)
}

fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\n' | b'\r')
}

/// How many octets come before a quote, a backslash or a control character.
#[inline]
fn plain(octets: &[u8]) -> usize {
    let (words, last) = octets.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = marks(word, b'"', b'"') | marks(word, b'\\', b'\\') | marks(word, 0, 0x1f);
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let ends = |&octet: &u8| matches!(octet, b'"' | b'\\' | 0..b' ');
    octets.len() - last.len() + last.iter().position(ends).unwrap_or(last.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_octets_end_where_the_first_other_one_stands() {
        for length in 0..40 {
            for at in 0..length {
                for (octet, ends) in
                    [(b'"', true), (b'\\', true), (0, true), (0x1f, true), (b' ', false), (0x7f, false)]
                {
                    for fill in [b'a', 0x80, 0xff, b'!', b'#', b'[', b']', b' '] {
                        let octets = [&vec![fill; at][..], &[octet], &vec![fill; length - at - 1]].concat();
                        assert_eq!(plain(&octets), if ends { at } else { length }, "{octets:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_passed_over_ends_where_it_does() {
        for value in [r#""a\"b\\""#, "[]", r#"{"a": [1, {"]": "}"}]}"#, "-1.5e3", "null", r#"["\\", "\"]"]"#] {
            for behind in ["", ",", " ]", "}"] {
                let text = format!(" {value}{behind}");
                let mut json = Json::new(&text, 0);
                assert!(json.pass().is_ok(), "{text}");
                assert_eq!(json.at(), 1 + value.len(), "{text}");
            }
        }
        for text in ["", "]", ",", r#"""#, r#""\"#, "[", r#"{"a": [}"#] {
            assert!(Json::new(text, 0).pass().is_err(), "{text}");
        }
    }
}

//! The document as JSON, taken apart one level at a time.
//!
//! `serde_json` finds where each value begins and ends ([`RawValue`]). Nothing is copied except strings with escapes, the
//! keys of an object keep their order, and repeated keys stay visible. Why this is our own code and not a `Deserialize` of the configuration: `serde`
//! stops at the first error, and an operator needs all errors at once, each with its place.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::limits;
use crate::problem::{ProblemKind, quoted};

/// A JSON value. The members of a list or an object are not parsed yet.
pub(crate) enum JsonValue<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    List(Members<&'a RawValue>),
    Object(Members<(Cow<'a, str>, &'a RawValue)>),
}

/// The members of a list or an object: the first of them, and how many there are.
pub(crate) struct Members<T> {
    pub(crate) first: Vec<T>,
    pub(crate) count: usize,
}

impl<'a> JsonValue<'a> {
    /// Parses one level of a value, and keeps at most `most` members of a list or an object.
    ///
    /// Returns `None` if a string has an escape that is no character, or a number is too large: [`RawValue`] accepts
    /// both. [`check`] then returns the error with its position.
    pub(crate) fn parse(raw: &'a RawValue, most: usize) -> Option<Self> {
        raw.deserialize_any(Level { most }).ok()
    }

    /// Returns what a message calls this value.
    pub(crate) fn described(&self) -> String {
        match self {
            JsonValue::Null => "nothing".into(),
            JsonValue::Bool(value) => format!("the boolean {value}"),
            JsonValue::Number(value) => format!("the number {value}"),
            JsonValue::Text(value) => format!("the string {:?}", quoted(value)),
            JsonValue::List(_) => "a list".into(),
            JsonValue::Object(_) => "an object".into(),
        }
    }
}

/// Reads one level of a value.
struct Level {
    most: usize,
}

impl<'de> Visitor<'de> for Level {
    type Value = JsonValue<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(JsonValue::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(JsonValue::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(JsonValue::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(JsonValue::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(JsonValue::Number(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(JsonValue::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(JsonValue::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut first = Vec::new();
        while first.len() < self.most {
            match list.next_element()? {
                Some(element) => first.push(element),
                None => return Ok(JsonValue::List(Members { count: first.len(), first })),
            }
        }
        let mut count = first.len();
        while list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(JsonValue::List(Members { first, count }))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut first = Vec::new();
        while first.len() < self.most {
            match object.next_entry()? {
                Some((Text(key), value)) => first.push((key, value)),
                None => return Ok(JsonValue::Object(Members { count: first.len(), first })),
            }
        }
        let mut count = first.len();
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(JsonValue::Object(Members { first, count }))
    }
}

/// A string that is borrowed from the document where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Finds the end of the document, and checks the syntax on the way. A document that may have more values than
/// [`limits::VALUES`] is checked in full.
pub(crate) fn parse(document: &[u8]) -> Result<&RawValue, ProblemKind> {
    // Every value but the first has a byte before it that is not its own.
    if document.len() > 2 * limits::VALUES {
        return check(document);
    }
    serde_json::from_slice(document).or_else(|_| check(document))
}

/// Parses every value of the document. Returns an error if the document is not JSON, or has more values than
/// [`limits::VALUES`].
pub(crate) fn check(document: &[u8]) -> Result<&RawValue, ProblemKind> {
    let left = Cell::new(Some(limits::VALUES));
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    let checked = Checked(&left).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    checked.and_then(|()| serde_json::from_slice(document)).map_err(|error| match left.get() {
        None => ProblemKind::TooManyValues { limit: limits::VALUES },
        Some(_) => ProblemKind::NotJson { message: error.to_string() },
    })
}

/// Parses a value and everything in it, and keeps nothing. The cell holds how many values may still come.
#[derive(Clone, Copy)]
struct Checked<'l>(&'l Cell<Option<usize>>);

impl<'de> DeserializeSeed<'de> for Checked<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.set(self.0.get().and_then(|left| left.checked_sub(1)));
        if self.0.get().is_none() {
            return Err(D::Error::custom("too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while object.next_key::<Text<'_>>()?.is_some() {
            object.next_value_seed(self)?;
        }
        Ok(())
    }
}

//! From JSON to the document as written, without ever giving up: a value that can't be read becomes a
//! problem with its place, and everything beside it is read all the same.
//!
//! `object!` and `choice!` define a part of the document once: its type, its reader, and its JSON Schema.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::document::suggest::most_like;
use crate::document::value::JsonValue;
use crate::limits;
use crate::problem::{Place, ProblemKind, Problems, ShortText, Step, quoted};

/// A key of the document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Key<T> {
    #[default]
    Absent,
    /// The key is there, but has an error, which is reported. If the error is that the key is repeated, this is its first
    /// value.
    Broken(Option<T>),
    Set(T),
}

impl<T> Key<T> {
    pub(crate) fn get(&self) -> Option<&T> {
        match self {
            Key::Set(value) => Some(value),
            Key::Absent | Key::Broken(_) => None,
        }
    }

    /// Returns the value that was read first, even if the key is repeated.
    pub(crate) fn into_first(self) -> Option<T> {
        match self {
            Key::Set(value) => Some(value),
            Key::Broken(value) => value,
            Key::Absent => None,
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        matches!(self, Key::Broken(_))
    }

    pub(crate) fn is_present(&self) -> bool {
        !matches!(self, Key::Absent)
    }
}

/// One value, or a list of them: `match: GET /a` and `match: [GET /a, GET /b]`. An element that can't be
/// read is `None`, so that the others keep their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OneOrMany<T> {
    One(T),
    Many(Vec<Option<T>>),
}

/// A value, or `false` or `null` to turn off what another place has set. A null in a list does not outlive a JSON Merge
/// Patch (RFC 7396), and that is what `kubectl edit` sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrOff<T> {
    Off,
    On(T),
}

pub(crate) trait Read<'a>: Sized {
    /// What a message calls such a value.
    const EXPECTED: &'static str;
    /// Whether it is an object whose keys are known.
    const HAS_KEYS: bool = false;

    /// `None` after the problem has been reported.
    fn read(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self>;

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value;
}

/// Reads the values of a document, and collects the problems with their places.
#[derive(Default)]
pub(crate) struct DocumentReader {
    place: Vec<Step>,
    pub(crate) problems: Problems,
    /// The key that limits the length of texts.
    key: &'static str,
    /// The key that limits the number of members of the next value; empty where there is no such limit.
    limited: &'static str,
    /// How many unknown keys have been compared with the known ones.
    likenesses: usize,
}

impl DocumentReader {
    /// Reads a value; returns `None` after a problem was reported.
    pub(crate) fn value<'a, T: Read<'a>>(&mut self, raw: &'a RawValue) -> Option<T> {
        let limit = limits::elements(std::mem::take(&mut self.limited));
        let limit = if T::HAS_KEYS { Some(limits::KEYS) } else { limit };
        // Without a limit no list and no object belongs here, so none of its members is needed.
        let value = JsonValue::parse(raw, limit.unwrap_or(0));
        let (found, of) = match &value {
            JsonValue::List(elements) if !T::HAS_KEYS => (elements.count, "elements"),
            JsonValue::Object(entries) => (entries.count, if T::HAS_KEYS { "keys" } else { "names" }),
            _ => (0, ""),
        };
        match limit.filter(|limit| found > *limit) {
            Some(limit) => {
                self.report(ProblemKind::TooMany { found, of, limit, write: "take some out" });
                None
            }
            None => T::read(value, self),
        }
    }

    pub(crate) fn report(&mut self, kind: ProblemKind) {
        self.problems.report(Place::new(&self.place), kind);
    }

    pub(crate) fn enter(&mut self, key: &'static str) {
        self.place.push(Step::Key(Cow::Borrowed(key)));
    }

    pub(crate) fn leave(&mut self) {
        self.place.pop();
    }

    pub(crate) fn at<T>(&mut self, step: Step, read: impl FnOnce(&mut Self) -> T) -> T {
        self.place.push(step);
        let value = read(self);
        self.place.pop();
        value
    }

    /// Tells that something else belongs here; always `None`.
    #[cold]
    pub(crate) fn wrong_type<'a, T: Read<'a>>(&mut self, found: &JsonValue<'a>) -> Option<T> {
        let expected = T::EXPECTED;
        self.report(match found {
            JsonValue::Null => ProblemKind::NoValue { expected },
            found => {
                let write = match found {
                    JsonValue::Bool(_) | JsonValue::Number(_) if expected.starts_with("a string") => "it in quotes",
                    JsonValue::Text(text) if is_bool_or_whole_number(text) => "it without quotes",
                    _ => expected,
                };
                ProblemKind::WrongType { expected, found: ShortText(found.described()), write }
            }
        });
        None
    }

    /// Reads the value of a key into its field. A repeated key is an error, and only its first value is read.
    pub(crate) fn field<'a, T: Read<'a>>(&mut self, key: &'static str, raw: &'a RawValue, field: &mut Key<T>) {
        self.at(Step::Key(Cow::Borrowed(key)), |reader| {
            if field.is_present() {
                reader.report(ProblemKind::RepeatedKey { key: key.to_owned() });
                *field = Key::Broken(std::mem::take(field).into_first());
                return;
            }
            (reader.key, reader.limited) = (key, key);
            *field = reader.value(raw).map_or(Key::Broken(None), Key::Set);
        });
    }

    /// Tells a key that does not belong here; the known one that it is like.
    pub(crate) fn unknown(&mut self, key: &str, known: &'static [&'static str]) -> Option<&'static str> {
        // What a table's own key was meant for must be known: it may bear on all routes.
        let is_compared = self.place.is_empty() || self.likenesses < limits::LIKENESSES;
        self.likenesses += usize::from(!self.place.is_empty());
        let like = if is_compared { most_like(key, known) } else { None };
        let kind = ProblemKind::UnknownKey { key: quoted(key).into_owned(), like, known };
        self.at(Step::named(key), |reader| reader.report(kind));
        like
    }

    /// Whether a text may be so long; tells if not.
    fn is_short(&mut self, of: &'static str, text: &str, limit: impl FnOnce(&'static str) -> usize) -> bool {
        let bytes = text.len();
        if bytes <= limits::NAME {
            return true;
        }
        let limit = limit(self.key);
        if bytes > limit {
            self.report(ProblemKind::TooLong { of, bytes, limit });
        }
        bytes <= limit
    }

    pub(crate) fn missing(&mut self, key: &'static str, write: &'static str) {
        self.report(ProblemKind::MissingKey { key, write });
    }
}

fn is_bool_or_whole_number(text: &str) -> bool {
    matches!(text, "true" | "false") || (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
}

impl<'a> Read<'a> for Cow<'a, str> {
    const EXPECTED: &'static str = "a string";

    fn read(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            JsonValue::Text(text) => reader.is_short("text", &text, limits::text).then_some(text),
            other => reader.wrong_type(&other),
        }
    }

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "string"})
    }
}

impl<'a> Read<'a> for bool {
    const EXPECTED: &'static str = "true or false";

    fn read(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            JsonValue::Bool(value) => Some(value),
            other => reader.wrong_type(&other),
        }
    }

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "boolean"})
    }
}

/// A whole number; Istio hands every number on as a double.
impl<'a> Read<'a> for u16 {
    const EXPECTED: &'static str = "a whole number, such as 308";

    fn read(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            JsonValue::Number(value) if value.fract() == 0.0 && (0.0..=65535.0).contains(&value) => Some(value as u16),
            other => reader.wrong_type(&other),
        }
    }

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "integer"})
    }
}

/// As above.
impl<'a> Read<'a> for u32 {
    const EXPECTED: &'static str = "a whole number, such as 600";

    fn read(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            JsonValue::Number(value) if value.fract() == 0.0 && (0.0..=4_294_967_295.0).contains(&value) => {
                Some(value as u32)
            }
            other => reader.wrong_type(&other),
        }
    }

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "integer", "minimum": 0})
    }
}

/// What few routes have takes little room in all others.
impl<'a, T: Read<'a>> Read<'a> for Box<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    const HAS_KEYS: bool = T::HAS_KEYS;

    fn read(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
        T::read(value, reader).map(Box::new)
    }

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value {
        T::schema()
    }
}

impl<'a, T: Read<'a>> Read<'a> for OrOff<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    const HAS_KEYS: bool = T::HAS_KEYS;

    fn read(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            JsonValue::Null | JsonValue::Bool(false) => Some(OrOff::Off),
            value => T::read(value, reader).map(OrOff::On),
        }
    }

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value {
        serde_json::json!({"oneOf": [T::schema(), {"type": "null"}, {"enum": [false]}]})
    }
}

/// A list; an element that can't be read is `None`, so that the others keep their places.
impl<'a, T: Read<'a>> Read<'a> for Vec<Option<T>> {
    const EXPECTED: &'static str = "a list";

    fn read(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            JsonValue::List(elements) => {
                let read = |(index, raw)| reader.at(Step::Index(index), |reader| reader.value(raw));
                Some(elements.first.into_iter().enumerate().map(read).collect())
            }
            other => reader.wrong_type(&other),
        }
    }

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "array", "items": T::schema()})
    }
}

impl<'a, T: Read<'a>> Read<'a> for OneOrMany<T> {
    const EXPECTED: &'static str = "a string or a list of strings";

    fn read(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            JsonValue::List(_) => Vec::read(value, reader).map(OneOrMany::Many),
            JsonValue::Text(_) => T::read(value, reader).map(OneOrMany::One),
            other => reader.wrong_type(&other),
        }
    }

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value {
        serde_json::json!({"oneOf": [T::schema(), {"type": "array", "items": T::schema(), "minItems": 1}]})
    }
}

/// Keys that the user chooses, such as headers by name; a value that can't be read is `None`.
impl<'a, T: Read<'a>> Read<'a> for Vec<(Cow<'a, str>, Option<T>)> {
    const EXPECTED: &'static str = "an object";

    fn read(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            JsonValue::Object(entries) => {
                let read = |(name, raw): (Cow<'a, str>, _)| {
                    let value = reader.at(Step::named(&name), |reader| {
                        if reader.is_short("name", &name, |_| limits::NAME) { reader.value(raw) } else { None }
                    });
                    (name, value)
                };
                Some(entries.first.into_iter().map(read).collect())
            }
            other => reader.wrong_type(&other),
        }
    }

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "object", "additionalProperties": T::schema()})
    }
}

/// An object with known keys, each defined once: `"key" field: Type`. `, required "what to write"` after
/// the type makes its absence a problem.
macro_rules! object {
    (
        $(#[doc = $about:literal])*
        pub struct $name:ident<$life:lifetime> called $expected:literal {
            $(
                $(#[doc = $doc:literal])*
                $key:literal $field:ident: $type:ty $(, required $write:literal)?;
            )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Default)]
        pub struct $name<$life> {
            $( $(#[doc = $doc])* pub $field: $crate::document::read::Key<$type>, )*
            /// Of each key that does not belong here, the known one that it is like.
            pub unknown: Vec<Option<&'static str>>,
        }

        impl $name<'_> {
            pub const KEYS: &'static [&'static str] = &[$($key),*];
        }

        impl<$life> $crate::document::read::Read<$life> for $name<$life> {
            const EXPECTED: &'static str = $expected;
            const HAS_KEYS: bool = true;

            fn read(
                value: $crate::document::value::JsonValue<$life>,
                reader: &mut $crate::document::read::DocumentReader,
            ) -> Option<Self> {
                let $crate::document::value::JsonValue::Object(entries) = value else {
                    return reader.wrong_type::<Self>(&value);
                };
                let mut this = Self::default();
                for (key, value) in entries.first {
                    match &*key {
                        $( $key => reader.field($key, value, &mut this.$field), )*
                        _ => this.unknown.push(reader.unknown(&key, Self::KEYS)),
                    }
                }
                $( $(
                    if !this.$field.is_present() {
                        reader.missing($key, $write);
                    }
                )? )*
                Some(this)
            }

            #[cfg(feature = "schema")]
            fn schema() -> serde_json::Value {
                let properties = [
                    $( ($key, <$type as $crate::document::read::Read<$life>>::schema(), concat!($($doc, "\n"),*)), )*
                ];
                let required: &[&str] = &[$( $( { let _ = $write; $key }, )? )*];
                $crate::document::read::object_schema(properties, required)
            }
        }
    };
}
pub(crate) use object;

#[cfg(feature = "schema")]
pub(crate) fn object_schema<const N: usize>(
    properties: [(&str, serde_json::Value, &str); N],
    required: &[&str],
) -> serde_json::Value {
    let described = properties.map(|(key, mut schema, about)| {
        if let Some(keywords) = schema.as_object_mut() {
            keywords.insert(
                "description".into(),
                about.replace('\n', " ").split_whitespace().collect::<Vec<_>>().join(" ").into(),
            );
        }
        (key.to_owned(), schema)
    });
    let properties: serde_json::Map<_, _> = described.into_iter().collect();
    let mut schema = serde_json::json!({"type": "object", "additionalProperties": false, "properties": properties});
    if let (Some(keywords), false) = (schema.as_object_mut(), required.is_empty()) {
        keywords.insert("required".into(), required.into());
    }
    schema
}

/// One of a few words, each defined once.
macro_rules! choice {
    (
        $(#[doc = $about:literal])*
        pub enum $name:ident { $($word:literal $variant:ident,)* }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($variant,)* }

        impl<'a> $crate::document::read::Read<'a> for $name {
            const EXPECTED: &'static str = concat!("a string: ", $crate::document::read::choice!(@list $($word)*));

            fn read(
                value: $crate::document::value::JsonValue<'a>,
                reader: &mut $crate::document::read::DocumentReader,
            ) -> Option<Self> {
                match value {
                    $( $crate::document::value::JsonValue::Text(word) if word == $word => Some(Self::$variant), )*
                    $crate::document::value::JsonValue::Text(other) => {
                        reader.report($crate::problem::ProblemKind::NoSuchChoice {
                            found: other.into_owned(),
                            choices: &[$($word),*],
                        });
                        None
                    }
                    other => reader.wrong_type(&other),
                }
            }

            #[cfg(feature = "schema")]
            fn schema() -> serde_json::Value {
                serde_json::json!({"enum": [$($word),*]})
            }
        }
    };
    (@list $first:literal $($rest:literal)*) => { concat!("`", $first, "`" $(, " or `", $rest, "`")*) };
}
pub(crate) use choice;

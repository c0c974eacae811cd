//! Reads JSON values into the types of the configuration.
//!
//! Reading never stops at an error. A value with an error is reported with its place and becomes [`Key::Broken`], or `None`
//! in a list, and everything around it is still read. So a user sees all errors at once.
//!
//! The macros `object!` and `choice!` define a part of the document in one place: its type, how it is read, and its JSON
//! Schema.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::document::value::{JsonValue, Members};
use crate::foreign::suggest::similar_key;
use crate::foreign::{self, invisible, keys};
use crate::limits;
use crate::problem::{Place, ProblemKind, Problems, Severity, ShortText, Step, quoted};

/// The value of one key of the document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Key<T> {
    /// The document does not have the key.
    #[default]
    Absent,
    /// The document does not have the key, but an unknown key that was probably meant to be this one. The unknown key
    /// has been reported.
    Misspelt,
    /// The document has the key, but with an error, which has been reported. If the error is that the key is written more
    /// than once, this holds its first value. Otherwise it holds `None`.
    Broken(Option<T>),
    /// The key has this value.
    Set(T),
}

impl<T> Key<T> {
    /// Returns the value; `None` if the key is absent or has an error.
    pub(crate) fn get(&self) -> Option<&T> {
        match self {
            Key::Set(value) => Some(value),
            Key::Absent | Key::Misspelt | Key::Broken(_) => None,
        }
    }

    /// Returns the value that was read first, even if the key is repeated.
    pub(crate) fn into_first(self) -> Option<T> {
        match self {
            Key::Set(value) => Some(value),
            Key::Broken(value) => value,
            Key::Absent | Key::Misspelt => None,
        }
    }

    /// Returns whether the key is in the document, but with an error. It may be misspelt.
    pub(crate) fn is_broken(&self) -> bool {
        matches!(self, Key::Broken(_) | Key::Misspelt)
    }

    /// Returns whether the key is in the document, with or without an error in its value.
    pub(crate) fn is_present(&self) -> bool {
        matches!(self, Key::Set(_) | Key::Broken(_))
    }

    /// Returns whether the document has neither the key nor a misspelling of it.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Key::Absent)
    }
}

/// One value or a list of values: `match: GET /a` or `match: [GET /a, GET /b]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OneOrMany<T> {
    /// A value that is not in a list.
    One(T),
    /// The elements of a list. An element with an error is `None`, so that the others keep their indexes.
    Many(Vec<Option<T>>),
}

/// A value that can also be turned off, with `false` or `null`.
///
/// `false` is accepted because a `null` inside a list does not survive a JSON Merge Patch (RFC 7396), which is what
/// `kubectl edit` sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrOff<T> {
    /// The document says `false` or `null`.
    Off,
    /// The document has this value.
    On(T),
}

/// A type that can be read from a JSON value.
pub(crate) trait FromJson<'a>: Sized {
    /// The words with which an error message describes what is expected, such as `a string`.
    const EXPECTED: &'static str;

    /// Whether this is an object with a fixed set of keys.
    const HAS_KEYS: bool = false;

    /// Reads a value. Returns `None` if the value has an error, which has then been reported.
    fn from_json(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self>;

    /// Returns the JSON Schema of these values.
    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value;
}

/// Reads the values of a document and collects the problems with their places.
#[derive(Default)]
pub(crate) struct DocumentReader {
    /// The steps from the root of the document to the value that is being read.
    place: Vec<Step>,
    pub(crate) problems: Problems,
    /// The last known key on the way to the value that is being read. It limits the length of strings.
    key: &'static str,
    /// How many members the next value may have if it is a list or an object with free keys; `None` if it may be neither.
    member_limit: Option<usize>,
    /// Whether a value could not be parsed although its syntax is right: see [`JsonValue::parse`].
    pub(crate) is_malformed: bool,
    /// How many unknown keys have been compared with the known keys.
    compared_keys: usize,
}

impl DocumentReader {
    /// Reads a value. Returns `None` if the value has an error, which has then been reported.
    pub(crate) fn value<'a, T: FromJson<'a>>(&mut self, raw: &'a RawValue) -> Option<T> {
        let member_limit = self.member_limit.take();
        let limit = if T::HAS_KEYS { Some(limits::KEYS) } else { member_limit };
        // Without a limit, neither a list nor an object is valid here, and one member is enough for a message.
        let Some(value) = JsonValue::parse(raw, limit.unwrap_or(1)) else {
            self.is_malformed = true;
            return None;
        };
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
            None if T::EXPECTED.starts_with("a string")
                && matches!(value, JsonValue::Object(_))
                && self.key == "match" =>
            {
                match keys::element(raw) {
                    Some(write) => {
                        self.report(ProblemKind::MatchObject { write });
                        None
                    }
                    None => T::from_json(value, self),
                }
            }
            None => T::from_json(value, self),
        }
    }

    /// Reports a problem of the value that is being read.
    pub(crate) fn report(&mut self, kind: ProblemKind) {
        self.problems.report(Place::new(&self.place), kind);
    }

    /// Calls `read` for a value that is one step further into the document.
    pub(crate) fn within<T>(&mut self, step: Step, read: impl FnOnce(&mut Self) -> T) -> T {
        self.place.push(step);
        let value = read(self);
        self.place.pop();
        value
    }

    /// Reports that the value has the wrong type. Always returns `None`.
    pub(crate) fn wrong_type<'a, T: FromJson<'a>>(&mut self, found: &JsonValue<'a>) -> Option<T> {
        let expected = T::EXPECTED;
        self.report(match found {
            JsonValue::Null => ProblemKind::NoValue { expected },
            found => {
                let write = match found {
                    JsonValue::Bool(_) | JsonValue::Number(_) if expected.starts_with("a string") => {
                        "it in quotes".into()
                    }
                    JsonValue::Text(text) if is_bool_or_whole_number(text) => "it without quotes".into(),
                    JsonValue::Object(entries) if expected.starts_with("a string") => match unquoted_parameter(entries)
                    {
                        Some(parameter) => format!("it in quotes: \"{parameter}\""),
                        None => expected.into(),
                    },
                    _ => expected.into(),
                };
                let write = ShortText(write);
                ProblemKind::WrongType { expected, found: ShortText(found.described()), write }
            }
        });
        None
    }

    /// Reads the value of a key into its field. A repeated key is an error, and only its first value is read.
    pub(crate) fn field<'a, T: FromJson<'a>>(&mut self, key: &'static str, raw: &'a RawValue, field: &mut Key<T>) {
        self.within(Step::Key(Cow::Borrowed(key)), |reader| {
            if field.is_present() {
                reader.report(ProblemKind::RepeatedKey { key: key.to_owned() });
                *field = Key::Broken(std::mem::take(field).into_first());
                return;
            }
            (reader.key, reader.member_limit) = (key, limits::elements(key));
            *field = reader.value(raw).map_or(Key::Broken(None), Key::Set);
        });
    }

    /// Reports all keys of an object that are not known. Returns for each of them the known key that it was probably
    /// meant to be, and the known keys whose values are parts of what was reported.
    #[cold]
    pub(crate) fn unknown_keys(
        &mut self,
        entries: &[(Cow<'_, str>, &RawValue)],
        known: &'static [&'static str],
    ) -> (Vec<Option<&'static str>>, Vec<&'static str>) {
        // The number of comparisons is limited, except for keys of the table itself: such a key may affect all routes, so
        // it matters which key it was meant to be.
        let is_compared = |reader: &Self| reader.place.is_empty() || reader.compared_keys < limits::LIKENESSES;
        let foreign = if is_compared(self) { keys::find(entries, known) } else { Vec::new() };
        let mut likes = Vec::new();
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&&**key)) {
            let found = foreign.iter().find(|found| found.keys.contains(&&**key));
            let like = match found {
                Some(found) => found.like,
                None if is_compared(self) => similar_key(key, known),
                None => None,
            };
            self.compared_keys += usize::from(!self.place.is_empty());
            likes.push(like);
            let kind = match found {
                // Keys that together make one entry are reported once, at the first of them.
                Some(found) if found.keys.first() != Some(&&**key) => continue,
                Some(found) => found.kind.clone(),
                None => match invisible::in_key(key, known) {
                    Some(kind) => kind,
                    None => ProblemKind::UnknownKey { key: quoted(key).into_owned(), like, known },
                },
            };
            self.within(Step::named(key), |reader| reader.report(kind));
        }
        (likes, foreign.iter().filter_map(|found| found.replaced).collect())
    }

    /// Reports that a required key is missing.
    pub(crate) fn missing(&mut self, key: &'static str, write: &'static str) {
        self.report(ProblemKind::MissingKey { key, write });
    }

    /// Returns whether a string has no invisible character that its key does not allow, and is no template that was not
    /// filled in. Reports it otherwise.
    fn check_characters(&mut self, text: &str) -> bool {
        let problem = foreign::text(self.key, text);
        let is_readable = problem.as_ref().is_none_or(|kind| kind.severity() == Severity::Warning);
        problem.into_iter().for_each(|kind| self.report(kind));
        is_readable
    }

    /// Returns whether a string has at most `limit` bytes. Reports it otherwise.
    fn check_length(&mut self, of: &'static str, text: &str, limit: usize) -> bool {
        let bytes = text.len();
        if bytes > limit {
            self.report(ProblemKind::TooLong { of, bytes, limit });
        }
        bytes <= limit
    }
}

/// Returns a parameter that YAML reads as an object, because it is not in quotes: `{id}` is an object with the key `id`.
fn unquoted_parameter(entries: &Members<(Cow<'_, str>, &RawValue)>) -> Option<String> {
    match &entries.first[..] {
        [(name, value)] if entries.count == 1 && value.get() == "null" && !name.is_empty() => {
            Some(format!("{{{}}}", quoted(name)))
        }
        _ => None,
    }
}

fn is_bool_or_whole_number(text: &str) -> bool {
    matches!(text, "true" | "false") || (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
}

impl<'a> FromJson<'a> for Cow<'a, str> {
    const EXPECTED: &'static str = "a string";

    fn from_json(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            JsonValue::Text(text) => {
                let is_short = reader.check_length("text", &text, limits::text(reader.key));
                (is_short && reader.check_characters(&text)).then_some(text)
            }
            other => reader.wrong_type(&other),
        }
    }

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value {
        serde_json::json!({"type": "string"})
    }
}

impl<'a> FromJson<'a> for bool {
    const EXPECTED: &'static str = "true or false";

    fn from_json(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
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

/// Reads a whole number. It may be written as `308.0`, because Istio passes every number on as a double.
impl<'a> FromJson<'a> for u16 {
    const EXPECTED: &'static str = "a whole number, such as 308";

    fn from_json(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
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

/// Reads a whole number, like the implementation for `u16`.
impl<'a> FromJson<'a> for u32 {
    const EXPECTED: &'static str = "a whole number, such as 600";

    fn from_json(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
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

/// Reads the same as `T`. A key that few routes have is boxed, so that it takes little memory in all other routes.
impl<'a, T: FromJson<'a>> FromJson<'a> for Box<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    const HAS_KEYS: bool = T::HAS_KEYS;

    fn from_json(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
        T::from_json(value, reader).map(Box::new)
    }

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value {
        T::schema()
    }
}

impl<'a, T: FromJson<'a>> FromJson<'a> for OrOff<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    const HAS_KEYS: bool = T::HAS_KEYS;

    fn from_json(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            JsonValue::Null | JsonValue::Bool(false) => Some(OrOff::Off),
            value => T::from_json(value, reader).map(OrOff::On),
        }
    }

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value {
        serde_json::json!({"oneOf": [T::schema(), {"type": "null"}, {"enum": [false]}]})
    }
}

/// Reads a list. An element with an error is `None`, so that the others keep their indexes.
impl<'a, T: FromJson<'a>> FromJson<'a> for Vec<Option<T>> {
    const EXPECTED: &'static str = "a list";

    fn from_json(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            JsonValue::List(elements) => {
                let read = |(index, raw)| reader.within(Step::Index(index), |reader| reader.value(raw));
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

impl<'a, T: FromJson<'a>> FromJson<'a> for OneOrMany<T> {
    const EXPECTED: &'static str = "a string or a list of strings";

    fn from_json(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            JsonValue::List(_) => Vec::from_json(value, reader).map(OneOrMany::Many),
            JsonValue::Text(_) => T::from_json(value, reader).map(OneOrMany::One),
            other => reader.wrong_type(&other),
        }
    }

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value {
        serde_json::json!({"oneOf": [T::schema(), {"type": "array", "items": T::schema(), "minItems": 1}]})
    }
}

/// Reads an object whose keys the user chooses, such as headers by name. A value with an error is `None`.
impl<'a, T: FromJson<'a>> FromJson<'a> for Vec<(Cow<'a, str>, Option<T>)> {
    const EXPECTED: &'static str = "an object";

    fn from_json(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
        match value {
            JsonValue::Object(entries) => {
                let read = |(name, raw): (Cow<'a, str>, _)| {
                    let value = reader.within(Step::named(&name), |reader| {
                        if reader.check_length("name", &name, limits::NAME) { reader.value(raw) } else { None }
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

/// Defines an object with a fixed set of keys: its type, how it is read, and its JSON Schema.
///
/// This definition
///
/// ```text
/// object! {
///     /// Where a redirect leads to.
///     #[expected = "an object with `to`"]
///     pub struct Redirect<'a> {
///         /// Template of the location.
///         #[key = "to", required = "where it leads, such as `to: /v2/{id}`"]
///         pub to: Key<Cow<'a, str>>,
///         /// Status code.
///         #[key = "status"]
///         pub status: Key<u16>,
///     }
/// }
/// ```
///
/// expands to the same struct with one more field, and to an implementation of [`FromJson`]:
///
/// ```text
/// #[derive(Debug, Default)]
/// pub struct Redirect<'a> {
///     pub to: Key<Cow<'a, str>>,
///     pub status: Key<u16>,
///     pub unknown: Vec<Option<&'static str>>,
/// }
///
/// impl Redirect<'_> {
///     pub const KEYS: &'static [&'static str] = &["to", "status"];
/// }
///
/// impl<'a> FromJson<'a> for Redirect<'a> {
///     const EXPECTED: &'static str = "an object with `to`";
///     const HAS_KEYS: bool = true;
///
///     fn from_json(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
///         let JsonValue::Object(entries) = value else { return reader.wrong_type::<Self>(&value) };
///         let mut this = Self::default();
///         let mut has_unknown = false;
///         for (key, value) in &entries.first {
///             match &**key {
///                 "to" => reader.field("to", value, &mut this.to),
///                 "status" => reader.field("status", value, &mut this.status),
///                 _ => has_unknown = true,
///             }
///         }
///         if has_unknown {
///             let (likes, replaced) = reader.unknown_keys(&entries.first, Self::KEYS);
///             this.unknown = likes;
///             if this.to.is_absent() && this.unknown.contains(&Some("to")) || replaced.contains(&"to") {
///                 this.to = Key::Misspelt;
///             }
///             /* The same for `status`. */
///         }
///         if this.to.is_absent() {
///             reader.missing("to", "where it leads, such as `to: /v2/{id}`");
///         }
///         Some(this)
///     }
///
///     fn schema() -> serde_json::Value { /* The descriptions are the doc comments of the fields. */ }
/// }
/// ```
macro_rules! object {
    (
        $(#[doc = $about:literal])*
        #[expected = $expected:literal]
        pub struct $name:ident<$life:lifetime> {
            $(
                $(#[doc = $doc:literal])*
                #[key = $key:literal $(, required = $write:literal)?]
                pub $field:ident: Key<$type:ty>,
            )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Default)]
        pub struct $name<$life> {
            $( $(#[doc = $doc])* pub $field: $crate::document::read::Key<$type>, )*
            /// One element for each key of the document that is not in [`KEYS`](Self::KEYS): the known key that is similar
            /// to it, or `None` if none is.
            pub unknown: Vec<Option<&'static str>>,
        }

        impl $name<'_> {
            /// The names of all keys that this object can have.
            pub const KEYS: &'static [&'static str] = &[$($key),*];
        }

        impl<$life> $crate::document::read::FromJson<$life> for $name<$life> {
            const EXPECTED: &'static str = $expected;
            const HAS_KEYS: bool = true;

            fn from_json(
                value: $crate::document::value::JsonValue<$life>,
                reader: &mut $crate::document::read::DocumentReader,
            ) -> Option<Self> {
                let $crate::document::value::JsonValue::Object(entries) = value else {
                    return reader.wrong_type::<Self>(&value);
                };
                let mut this = Self::default();
                let mut has_unknown = false;
                for (key, value) in &entries.first {
                    match &**key {
                        $( $key => reader.field($key, value, &mut this.$field), )*
                        _ => has_unknown = true,
                    }
                }
                if has_unknown {
                    let (likes, replaced) = reader.unknown_keys(&entries.first, Self::KEYS);
                    this.unknown = likes;
                    $( if this.$field.is_absent() && this.unknown.contains(&Some($key)) || replaced.contains(&$key) {
                        this.$field = $crate::document::read::Key::Misspelt;
                    } )*
                }
                $( $(
                    if this.$field.is_absent() {
                        reader.missing($key, $write);
                    }
                )? )*
                Some(this)
            }

            #[cfg(feature = "schema")]
            fn schema() -> serde_json::Value {
                let properties = [
                    $( ($key, <$type as $crate::document::read::FromJson<$life>>::schema(), concat!($($doc, "\n"),*)), )*
                ];
                let required: &[&str] = &[$( $( { let _ = $write; $key }, )? )*];
                $crate::document::read::object_schema(properties, required)
            }
        }
    };
}
pub(crate) use object;

/// Returns the JSON Schema of an object with these keys. A property is a key, the schema of its value, and its doc comment,
/// which becomes its description.
#[cfg(feature = "schema")]
pub(crate) fn object_schema<const N: usize>(
    properties: [(&str, serde_json::Value, &str); N],
    required: &[&str],
) -> serde_json::Value {
    let described = properties.map(|(key, mut schema, doc)| {
        if let Some(keywords) = schema.as_object_mut() {
            let description = doc.split_whitespace().collect::<Vec<_>>().join(" ");
            keywords.insert("description".into(), description.into());
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

/// Defines a value that is one of a few words: its type, how it is read, and its JSON Schema.
///
/// This definition
///
/// ```text
/// choice! {
///     pub enum TrailingSlash {
///         Strict = "strict",
///         Ignore = "ignore",
///     }
/// }
/// ```
///
/// expands to
///
/// ```text
/// #[derive(Debug, Clone, Copy, PartialEq, Eq)]
/// pub enum TrailingSlash {
///     Strict,
///     Ignore,
/// }
///
/// impl<'a> FromJson<'a> for TrailingSlash {
///     const EXPECTED: &'static str = "a string: `strict` or `ignore`";
///
///     fn from_json(value: JsonValue<'a>, reader: &mut DocumentReader) -> Option<Self> {
///         match value {
///             JsonValue::Text(word) if word == "strict" => Some(Self::Strict),
///             JsonValue::Text(word) if word == "ignore" => Some(Self::Ignore),
///             /* Everything else is reported. */
///         }
///     }
///
///     fn schema() -> serde_json::Value { json!({"enum": ["strict", "ignore"]}) }
/// }
/// ```
macro_rules! choice {
    (
        $(#[doc = $about:literal])*
        pub enum $name:ident {
            $( $(#[doc = $doc:literal])* $variant:ident = $word:literal, )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $( $(#[doc = $doc])* $variant, )*
        }

        impl<'a> $crate::document::read::FromJson<'a> for $name {
            const EXPECTED: &'static str = concat!("a string: ", $crate::document::read::choice!(@list $($word)*));

            fn from_json(
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
    // Lists words in a message: "`strict` or `ignore`".
    (@list $first:literal $($rest:literal)*) => { concat!("`", $first, "`" $(, " or `", $rest, "`")*) };
}
pub(crate) use choice;

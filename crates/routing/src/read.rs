//! From JSON to the document as written, without ever giving up: a value that can't be read becomes a
//! problem with its place, and everything beside it is read all the same.
//!
//! `object!` and `choice!` define a part of the document once: its type, its reader, and its JSON Schema.

use std::borrow::Cow;

use crate::limits;
use crate::node::{Entries, Node, Stop};
use crate::problem::{self, Place, Problems, Step, What, quoted};

/// A key of the document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Key<T> {
    #[default]
    Absent,
    /// Written, but it can't be read; the problem is told.
    Broken,
    Set(T),
}

impl<T> Key<T> {
    pub(crate) fn get(&self) -> Option<&T> {
        match self {
            Key::Set(value) => Some(value),
            Key::Absent | Key::Broken => None,
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        matches!(self, Key::Broken)
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

    /// `None` after the problem has been told.
    fn read(node: Node<'_, '_, 'a>, reader: &mut Reader) -> Result<Option<Self>, Stop>;

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value;
}

/// An object that can be read into the memory of another.
pub(crate) trait ReadAgain<'a>: Read<'a> {
    fn read_again(&mut self, node: Node<'_, '_, 'a>, reader: &mut Reader) -> Result<Option<()>, Stop>;
}

/// Knows where it stands in the document and collects what is wrong.
#[derive(Default)]
pub(crate) struct Reader {
    place: Vec<Step>,
    pub(crate) problems: Problems,
    /// The routes under the first key for them.
    pub(crate) routes: Option<FoundRoutes>,
    /// The key that says how long texts may be.
    key: &'static str,
    /// The key that says how many elements the next value may have; of most values, none.
    pub(crate) limited: &'static str,
    /// How many unknown keys have been compared with the known ones.
    likenesses: usize,
}

/// A list of routes that has been passed over.
#[derive(Clone, Copy)]
pub(crate) struct FoundRoutes {
    /// Where in the document the first of them stands.
    pub(crate) at: usize,
    pub(crate) count: usize,
}

/// What had been told before a value was read, in case that it does not count.
pub(crate) struct Mark {
    problems: problem::Mark,
    likenesses: usize,
}

impl Reader {
    /// Begins a list or an object: how many elements it may have, and what has been told so far.
    pub(crate) fn begin(&mut self) -> (usize, Mark) {
        let limit = limits::elements(std::mem::take(&mut self.limited));
        (limit, Mark { problems: self.problems.mark(), likenesses: self.likenesses })
    }

    pub(crate) fn tell(&mut self, what: What) {
        self.problems.tell(Place::new(&self.place), what);
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
    pub(crate) fn wrong_type<'a, T: Read<'a>>(&mut self, found: &Node<'_, '_, 'a>) -> Result<Option<T>, Stop> {
        let expected = T::EXPECTED;
        self.tell(match found {
            Node::Null => What::NoValue { expected },
            found => {
                let write = match found {
                    Node::Bool(_) | Node::Number(_) if expected.starts_with("a string") => "it in quotes",
                    Node::Text(text) if is_bool_or_whole_number(text) => "it without quotes",
                    _ => expected,
                };
                What::WrongType { expected, found: found.described(), write }
            }
        });
        Ok(None)
    }

    /// Reads the value of a key into its field; a repeated key leaves the field broken.
    pub(crate) fn field<'a, T: Read<'a>>(
        &mut self,
        key: &'static str,
        entries: &mut Entries<'_, 'a>,
        field: &mut Key<T>,
    ) -> Result<(), Stop> {
        self.at(Step::Key(Cow::Borrowed(key)), |reader| {
            if field.is_present() {
                reader.tell(What::RepeatedKey { key: key.to_owned() });
                *field = Key::Broken;
                return entries.skip();
            }
            (reader.key, reader.limited) = (key, key);
            *field = entries.value(reader)?.map_or(Key::Broken, Key::Set);
            Ok(())
        })
    }

    /// Whether so many elements may stand here. If not, that is told, and nothing of what has been told of them.
    pub(crate) fn holds(&mut self, found: usize, of: &'static str, limit: usize, mark: Mark) -> bool {
        if found > limit {
            self.problems.forget(mark.problems);
            self.likenesses = mark.likenesses;
            self.tell(What::TooMany { found, of, limit, write: "take some out" });
        }
        found <= limit
    }

    /// Tells a key that does not belong here; the known one that it is like.
    pub(crate) fn unknown(&mut self, key: &str, known: &'static [&'static str]) -> Option<&'static str> {
        // What a table's own key was meant for must be known: it may bear on all routes.
        let is_compared = self.place.is_empty() || self.likenesses < limits::LIKENESSES;
        self.likenesses += usize::from(!self.place.is_empty());
        let like = if is_compared { most_like(key, known) } else { None };
        let what = What::UnknownKey { key: quoted(key).into_owned(), like, known };
        self.at(Step::named(key), |reader| reader.tell(what));
        like
    }

    /// Whether a text may be so long; tells if not.
    fn is_short(&mut self, of: &'static str, text: &str, limit: impl FnOnce(&'static str) -> usize) -> bool {
        let octets = text.len();
        if octets <= limits::NAME {
            return true;
        }
        let limit = limit(self.key);
        if octets > limit {
            self.tell(What::TooLong { of, octets, limit });
        }
        octets <= limit
    }

    pub(crate) fn missing(&mut self, key: &'static str, write: &'static str) {
        self.tell(What::MissingKey { key, write });
    }
}

fn is_bool_or_whole_number(text: &str) -> bool {
    matches!(text, "true" | "false") || (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
}

/// The known key that was probably meant: the same letters, or one or two edits away.
fn most_like(key: &str, known: &[&'static str]) -> Option<&'static str> {
    if key.chars().nth(limits::LIKE).is_some() {
        return None;
    }
    let letters = |text: &str| -> Vec<char> {
        text.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
    };
    let key = letters(key);
    let (distance, like) =
        known.iter().map(|candidate| (edits(&key, &letters(candidate)), *candidate)).min_by_key(|(d, _)| *d)?;
    // A long key may be off by more than a short one.
    (distance <= 1 + key.len().min(12) / 6 && distance < key.len()).then_some(like)
}

/// The optimal string alignment distance: insertions, deletions, replacements, and neighbours swapped.
fn edits(a: &[char], b: &[char]) -> usize {
    if a.len().abs_diff(b.len()) > 3 {
        return usize::MAX;
    }
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, cb) in b.iter().enumerate() {
            let mut cost = (at(&above, j) + usize::from(ca != cb)).min(at(&row, j) + 1).min(at(&above, j + 1) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(cb) && b.get(j - 1) == Some(ca);
            if swapped {
                cost = cost.min(at(&before, j - 1) + 1);
            }
            row.push(cost);
        }
        before = std::mem::replace(&mut above, row);
    }
    at(&above, b.len())
}

impl<'a> Read<'a> for Cow<'a, str> {
    const EXPECTED: &'static str = "a string";

    fn read(node: Node<'_, '_, 'a>, reader: &mut Reader) -> Result<Option<Self>, Stop> {
        match node {
            Node::Text(text) => Ok(reader.is_short("text", &text, limits::text).then_some(text)),
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

    fn read(node: Node<'_, '_, 'a>, reader: &mut Reader) -> Result<Option<Self>, Stop> {
        match node {
            Node::Bool(value) => Ok(Some(value)),
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

    fn read(node: Node<'_, '_, 'a>, reader: &mut Reader) -> Result<Option<Self>, Stop> {
        match node {
            Node::Number(value) if value.fract() == 0.0 && (0.0..=65535.0).contains(&value) => Ok(Some(value as u16)),
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

    fn read(node: Node<'_, '_, 'a>, reader: &mut Reader) -> Result<Option<Self>, Stop> {
        match node {
            Node::Number(value) if value.fract() == 0.0 && (0.0..=4_294_967_295.0).contains(&value) => {
                Ok(Some(value as u32))
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

    fn read(node: Node<'_, '_, 'a>, reader: &mut Reader) -> Result<Option<Self>, Stop> {
        Ok(T::read(node, reader)?.map(Box::new))
    }

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value {
        T::schema()
    }
}

impl<'a, T: Read<'a>> Read<'a> for OrOff<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    const HAS_KEYS: bool = T::HAS_KEYS;

    fn read(node: Node<'_, '_, 'a>, reader: &mut Reader) -> Result<Option<Self>, Stop> {
        match node {
            Node::Null | Node::Bool(false) => Ok(Some(OrOff::Off)),
            node => Ok(T::read(node, reader)?.map(OrOff::On)),
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

    fn read(node: Node<'_, '_, 'a>, reader: &mut Reader) -> Result<Option<Self>, Stop> {
        match node {
            Node::List(elements) => {
                let mut list = Vec::new();
                while let Some(element) = elements.next(reader)? {
                    list.push(element);
                }
                Ok(Some(list))
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

    fn read(node: Node<'_, '_, 'a>, reader: &mut Reader) -> Result<Option<Self>, Stop> {
        match node {
            Node::List(_) => Ok(Vec::read(node, reader)?.map(OneOrMany::Many)),
            Node::Text(_) => Ok(T::read(node, reader)?.map(OneOrMany::One)),
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

    fn read(node: Node<'_, '_, 'a>, reader: &mut Reader) -> Result<Option<Self>, Stop> {
        match node {
            Node::Object(entries) => {
                let mut named = Vec::new();
                while let Some(name) = entries.key()? {
                    let value = reader.at(Step::named(&name), |reader| {
                        if reader.is_short("name", &name, |_| limits::NAME) {
                            entries.value(reader)
                        } else {
                            entries.skip().map(|()| None)
                        }
                    })?;
                    named.push((name, value));
                }
                Ok(Some(named))
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
            $( $(#[doc = $doc])* pub $field: $crate::read::Key<$type>, )*
            /// Of each key that does not belong here, the known one that it is like.
            pub unknown: Vec<Option<&'static str>>,
        }

        impl $name<'_> {
            pub const KEYS: &'static [&'static str] = &[$($key),*];
        }

        impl<$life> $crate::read::Read<$life> for $name<$life> {
            const EXPECTED: &'static str = $expected;
            const HAS_KEYS: bool = true;

            fn read(
                node: $crate::node::Node<'_, '_, $life>,
                reader: &mut $crate::read::Reader,
            ) -> Result<Option<Self>, $crate::node::Stop> {
                let mut this = Self::default();
                Ok($crate::read::ReadAgain::read_again(&mut this, node, reader)?.map(|()| this))
            }

            #[cfg(feature = "schema")]
            fn schema() -> serde_json::Value {
                let properties = [
                    $( ($key, <$type as $crate::read::Read<$life>>::schema(), concat!($($doc, "\n"),*)), )*
                ];
                let required: &[&str] = &[$( $( { let _ = $write; $key }, )? )*];
                $crate::read::object_schema(properties, required)
            }
        }

        impl<$life> $crate::read::ReadAgain<$life> for $name<$life> {
            fn read_again(
                &mut self,
                node: $crate::node::Node<'_, '_, $life>,
                reader: &mut $crate::read::Reader,
            ) -> Result<Option<()>, $crate::node::Stop> {
                $( self.$field = $crate::read::Key::Absent; )*
                self.unknown.clear();
                let $crate::node::Node::Object(entries) = node else {
                    return reader.wrong_type::<Self>(&node).map(|_| None);
                };
                while let Some(key) = entries.key()? {
                    match &*key {
                        $( $key => reader.field($key, entries, &mut self.$field)?, )*
                        _ => {
                            self.unknown.push(reader.unknown(&key, Self::KEYS));
                            entries.skip()?;
                        }
                    }
                }
                $( $(
                    if !self.$field.is_present() {
                        reader.missing($key, $write);
                    }
                )? )*
                Ok(Some(()))
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

        impl<'a> $crate::read::Read<'a> for $name {
            const EXPECTED: &'static str = concat!("a string: ", $crate::read::choice!(@list $($word)*));

            fn read(
                node: $crate::node::Node<'_, '_, 'a>,
                reader: &mut $crate::read::Reader,
            ) -> Result<Option<Self>, $crate::node::Stop> {
                match node {
                    $( $crate::node::Node::Text(word) if word == $word => Ok(Some(Self::$variant)), )*
                    $crate::node::Node::Text(other) => {
                        reader.tell($crate::problem::What::NoSuchChoice {
                            found: other.into_owned(),
                            choices: &[$($word),*],
                        });
                        Ok(None)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_that_was_meant_is_found() {
        let known = ["hosts", "basePath", "name", "namespace", "routes"];
        for (written, meant) in [
            ("hsots", Some("hosts")),
            ("host", Some("hosts")),
            ("base_path", Some("basePath")),
            ("BASEPATH", Some("basePath")),
            ("basPath", Some("basePath")),
            ("nmae", Some("name")),
            ("note", None),
            ("timeout", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(most_like(written, &known), meant, "{written}");
        }
    }
}

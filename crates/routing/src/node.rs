//! A JSON value as it comes out of the document, piece by piece: nothing of it is kept but what its reader takes. Strings
//! are borrowed, keys stand in order, repeated ones come again.
//!
//! What is read is known by `Place` alone, so that all of a document's types share one parser.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::limits;
use crate::problem::{Step, What, quoted};
use crate::read::{Read, Reader};

/// A value. Of a list or an object, the reader takes what it wants; the rest is skipped.
pub(crate) enum Node<'n, 's, 'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    List(&'n mut Elements<'s, 'a>),
    Object(&'n mut Entries<'s, 'a>),
}

impl Node<'_, '_, '_> {
    /// What a message calls it.
    pub(crate) fn described(&self) -> String {
        match self {
            Node::Null => "nothing".into(),
            Node::Bool(value) => format!("the boolean {value}"),
            Node::Number(value) => format!("the number {value}"),
            Node::Text(value) => format!("the string {:?}", quoted(value)),
            Node::List(_) => "a list".into(),
            Node::Object(_) => "an object".into(),
        }
    }
}

/// The document can't be read any further; why, is known to the parser.
pub(crate) struct Stop;

/// The elements of a list.
pub(crate) struct Elements<'s, 'a> {
    list: &'s mut dyn List<'a>,
    count: usize,
    most: usize,
}

impl<'a> Elements<'_, 'a> {
    /// The next element, itself `None` if it can't be read; `None` behind the last one, and behind as many as there may
    /// be.
    pub(crate) fn next<T: Read<'a>>(&mut self, reader: &mut Reader) -> Result<Option<Option<T>>, Stop> {
        if self.count >= self.most {
            return Ok(None);
        }
        let element = reader.at(Step::Index(self.count), |reader| {
            let mut slot = Slot { reader, value: None };
            self.list.next(&mut slot).map(|is_there| is_there.then_some(slot.value))
        })?;
        self.count += usize::from(element.is_some());
        Ok(element)
    }

    /// Skips those that are left; how many there are in all.
    pub(crate) fn count(&mut self, reader: &mut Reader) -> Result<usize, Stop> {
        while self.list.next(&mut Skipped(reader))? {
            self.count += 1;
        }
        Ok(self.count)
    }
}

/// The keys of an object, with their values.
pub(crate) struct Entries<'s, 'a> {
    object: &'s mut dyn Object<'a>,
    count: usize,
    most: usize,
}

impl<'a> Entries<'_, 'a> {
    /// The next key, whose value has to be taken or skipped; `None` behind the last one, and behind as many as there may
    /// be.
    pub(crate) fn key(&mut self) -> Result<Option<Cow<'a, str>>, Stop> {
        if self.count >= self.most {
            return Ok(None);
        }
        let key = self.object.key()?;
        self.count += usize::from(key.is_some());
        Ok(key)
    }

    pub(crate) fn value<T: Read<'a>>(&mut self, reader: &mut Reader) -> Result<Option<T>, Stop> {
        let mut slot = Slot { reader, value: None };
        self.object.value(&mut slot)?;
        Ok(slot.value)
    }

    pub(crate) fn skip(&mut self, reader: &mut Reader) -> Result<(), Stop> {
        self.object.value(&mut Skipped(reader))
    }

    /// Reads the value of a key into a place of its own.
    pub(crate) fn put(&mut self, place: &mut dyn Place<'a>) -> Result<(), Stop> {
        self.object.value(place)
    }

    /// Skips those that are left; how many there are in all.
    fn count(&mut self, reader: &mut Reader) -> Result<usize, Stop> {
        while self.object.key()?.is_some() {
            self.skip(reader)?;
            self.count += 1;
        }
        Ok(self.count)
    }
}

/// Reads a document, or says why it can't be read at all.
pub(crate) fn read<'a, T: Read<'a>>(document: &'a str, reader: &mut Reader) -> Result<Option<T>, What> {
    let mut slot = Slot { reader, value: None };
    parse(document, &mut slot)?;
    Ok(slot.value)
}

/// Reads a document into a place of its own.
pub(crate) fn parse<'a>(document: &'a str, place: &mut dyn Place<'a>) -> Result<(), What> {
    whole(serde_json::Deserializer::from_str(document), place)
}

/// Why a document that is no text can't be read.
pub(crate) fn fault(document: &[u8], reader: &mut Reader) -> Option<What> {
    whole(serde_json::Deserializer::from_slice(document), &mut Skipped(reader)).err()
}

fn whole<'a, R: serde_json::de::Read<'a>>(
    mut deserializer: serde_json::Deserializer<R>,
    place: &mut dyn Place<'a>,
) -> Result<(), What> {
    let read = Parser(place).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    read.map_err(|error| match place.reader().values_left {
        None => What::TooManyValues { limit: limits::VALUES },
        Some(_) => What::NotJson { message: error.to_string() },
    })
}

/// Where a value goes.
pub(crate) trait Place<'a> {
    fn reader(&mut self) -> &mut Reader;

    fn put(&mut self, node: Node<'_, '_, 'a>) -> Result<(), Stop>;
}

/// A value that somebody asks for. `None` after a problem has been told.
struct Slot<'r, T> {
    reader: &'r mut Reader,
    value: Option<T>,
}

impl<'a, T: Read<'a>> Place<'a> for Slot<'_, T> {
    fn reader(&mut self) -> &mut Reader {
        self.reader
    }

    fn put(&mut self, node: Node<'_, '_, 'a>) -> Result<(), Stop> {
        let reader = &mut *self.reader;
        self.value = match node {
            Node::List(elements) => {
                let (most, mark) = reader.begin();
                elements.most = most;
                let value = T::read(Node::List(elements), reader)?;
                let count = elements.count(reader)?;
                if reader.holds(count, "elements", most, mark) { value } else { None }
            }
            Node::Object(entries) => {
                let (most, mark) = reader.begin();
                let (of, most) = if T::HAS_KEYS { ("keys", limits::KEYS) } else { ("names", most) };
                entries.most = most;
                let value = T::read(Node::Object(entries), reader)?;
                let count = entries.count(reader)?;
                if reader.holds(count, of, most, mark) { value } else { None }
            }
            scalar => {
                reader.limited = "";
                T::read(scalar, reader)?
            }
        };
        Ok(())
    }
}

/// A value that nobody asks for.
struct Skipped<'r>(&'r mut Reader);

impl<'a> Place<'a> for Skipped<'_> {
    fn reader(&mut self) -> &mut Reader {
        self.0
    }

    fn put(&mut self, node: Node<'_, '_, 'a>) -> Result<(), Stop> {
        match node {
            Node::List(elements) => elements.count(self.0).map(drop),
            Node::Object(entries) => entries.count(self.0).map(drop),
            Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) => Ok(()),
        }
    }
}

trait List<'a> {
    /// Whether there was one more element.
    fn next(&mut self, place: &mut dyn Place<'a>) -> Result<bool, Stop>;
}

trait Object<'a> {
    fn key(&mut self) -> Result<Option<Cow<'a, str>>, Stop>;

    fn value(&mut self, place: &mut dyn Place<'a>) -> Result<(), Stop>;
}

/// Elements or entries as the parser has them, and why there are no more.
struct Parsed<A, E> {
    access: A,
    error: Option<E>,
}

impl<A, E: Error> Parsed<A, E> {
    fn new(access: A) -> Self {
        Parsed { access, error: None }
    }

    fn kept<T>(&mut self, result: impl FnOnce(&mut A) -> Result<T, E>) -> Result<T, Stop> {
        result(&mut self.access).map_err(|error| {
            self.error = Some(error);
            Stop
        })
    }

    fn ended(self, result: Result<(), Stop>) -> Result<(), E> {
        result.map_err(|Stop| self.error.unwrap_or_else(|| E::custom("stopped")))
    }
}

impl<'a, A: SeqAccess<'a>> List<'a> for Parsed<A, A::Error> {
    fn next(&mut self, place: &mut dyn Place<'a>) -> Result<bool, Stop> {
        self.kept(|list| list.next_element_seed(Parser(place))).map(|element| element.is_some())
    }
}

impl<'a, A: MapAccess<'a>> Object<'a> for Parsed<A, A::Error> {
    fn key(&mut self) -> Result<Option<Cow<'a, str>>, Stop> {
        self.kept(A::next_key).map(|key| key.map(|Name(name)| name))
    }

    fn value(&mut self, place: &mut dyn Place<'a>) -> Result<(), Stop> {
        self.kept(|object| object.next_value_seed(Parser(place)))
    }
}

/// Reads one value, and those in it.
struct Parser<'p, 'a>(&'p mut dyn Place<'a>);

impl<'a> Parser<'_, 'a> {
    fn put<E: Error>(self, scalar: Node<'_, '_, 'a>) -> Result<(), E> {
        self.0.put(scalar).map_err(|Stop| E::custom("stopped"))
    }
}

impl<'a> DeserializeSeed<'a> for Parser<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        if !self.0.reader().count() {
            return Err(D::Error::custom("too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Parser<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.put(Node::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.put(Node::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.put(Node::Number(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.put(Node::Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.put(Node::Number(value))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'a str) -> Result<(), E> {
        self.put(Node::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.put(Node::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, list: A) -> Result<(), A::Error> {
        let mut list = Parsed::new(list);
        let result = self.0.put(Node::List(&mut Elements { list: &mut list, count: 0, most: usize::MAX }));
        list.ended(result)
    }

    fn visit_map<A: MapAccess<'a>>(self, object: A) -> Result<(), A::Error> {
        let mut object = Parsed::new(object);
        let result = self.0.put(Node::Object(&mut Entries { object: &mut object, count: 0, most: usize::MAX }));
        object.ended(result)
    }
}

/// A key, borrowed where it has no escapes (`Cow`'s own impl always copies).
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(value)))
            }

            fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(value.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

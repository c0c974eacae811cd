//! A JSON value as it comes out of the document, piece by piece: nothing of it is kept but what its reader takes. Strings
//! are borrowed, keys stand in order, repeated ones come again.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::limits;
use crate::problem::{Step, What, quoted};
use crate::read::{Read, Reader};

/// A value. Of a list or an object, the reader takes what it wants; the rest is skipped.
pub(crate) enum Node<'n, 'a, S: Source<'a>> {
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    List(&'n mut Elements<S::List>),
    Object(&'n mut Entries<S::Object>),
}

/// Where elements and entries come from.
pub(crate) trait Source<'a> {
    type Error: Error;
    type List: SeqAccess<'a, Error = Self::Error>;
    type Object: MapAccess<'a, Error = Self::Error>;
}

impl<'a, S: Source<'a>> Node<'_, 'a, S> {
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

/// The elements of a list.
pub(crate) struct Elements<A> {
    list: A,
    count: usize,
    most: usize,
}

impl<'a, A: SeqAccess<'a>> Elements<A> {
    /// The next element, itself `None` if it can't be read; `None` behind the last one, and behind as many as there may
    /// be.
    pub(crate) fn next<T: Read<'a>>(&mut self, reader: &mut Reader) -> Result<Option<Option<T>>, A::Error> {
        if self.count >= self.most {
            return Ok(None);
        }
        let element = reader.at(Step::Index(self.count), |reader| self.list.next_element_seed(ValueOf::new(reader)))?;
        self.count += usize::from(element.is_some());
        Ok(element)
    }

    /// Skips those that are left; how many there are in all.
    pub(crate) fn count(&mut self, reader: &mut Reader) -> Result<usize, A::Error> {
        while self.list.next_element_seed(ValueOf::<Skipped>::new(reader))?.is_some() {
            self.count += 1;
        }
        Ok(self.count)
    }
}

/// The keys of an object, with their values.
pub(crate) struct Entries<A> {
    object: A,
    count: usize,
    most: usize,
}

impl<'a, A: MapAccess<'a>> Entries<A> {
    /// The next key, whose value has to be taken or skipped; `None` behind the last one, and behind as many as there may
    /// be.
    pub(crate) fn key(&mut self) -> Result<Option<Cow<'a, str>>, A::Error> {
        if self.count >= self.most {
            return Ok(None);
        }
        let key = self.object.next_key()?;
        self.count += usize::from(key.is_some());
        Ok(key.map(|Name(name)| name))
    }

    pub(crate) fn value<T: Read<'a>>(&mut self, reader: &mut Reader) -> Result<Option<T>, A::Error> {
        self.object.next_value_seed(ValueOf::new(reader))
    }

    pub(crate) fn skip(&mut self, reader: &mut Reader) -> Result<(), A::Error> {
        self.value::<Skipped>(reader).map(drop)
    }

    /// Skips those that are left; how many there are in all.
    fn count(&mut self, reader: &mut Reader) -> Result<usize, A::Error> {
        while self.object.next_key::<Name<'a>>()?.is_some() {
            self.skip(reader)?;
            self.count += 1;
        }
        Ok(self.count)
    }
}

/// Reads a document, or says why it can't be read at all.
pub(crate) fn read<'a, T: Read<'a>>(document: &'a str, reader: &mut Reader) -> Result<Option<T>, What> {
    whole(serde_json::Deserializer::from_str(document), reader)
}

/// Why a document that is no text can't be read.
pub(crate) fn fault(document: &[u8], reader: &mut Reader) -> Option<What> {
    whole::<Skipped, _>(serde_json::Deserializer::from_slice(document), reader).err()
}

fn whole<'a, T: Read<'a>, R: serde_json::de::Read<'a>>(
    mut deserializer: serde_json::Deserializer<R>,
    reader: &mut Reader,
) -> Result<Option<T>, What> {
    let value = ValueOf::new(reader).deserialize(&mut deserializer);
    let value = value.and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| match reader.values_left {
        None => What::TooManyValues { limit: limits::VALUES },
        Some(_) => What::NotJson { message: error.to_string() },
    })
}

/// Reads one value, and those in it. `None` after a problem has been told.
pub(crate) struct ValueOf<'r, T>(&'r mut Reader, PhantomData<T>);

impl<'r, T> ValueOf<'r, T> {
    pub(crate) fn new(reader: &'r mut Reader) -> Self {
        ValueOf(reader, PhantomData)
    }
}

impl<'a, T: Read<'a>> DeserializeSeed<'a> for ValueOf<'_, T> {
    type Value = Option<T>;

    #[inline]
    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        if !self.0.count() {
            return Err(D::Error::custom("too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'a, T: Read<'a>> ValueOf<'_, T> {
    #[inline]
    fn scalar<E: Error>(self, node: Node<'_, 'a, Scalar<E>>) -> Result<Option<T>, E> {
        self.0.limited = "";
        T::read(node, self.0)
    }
}

impl<'a, T: Read<'a>> Visitor<'a> for ValueOf<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        self.scalar(Node::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        self.scalar(Node::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        self.scalar(Node::Number(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        self.scalar(Node::Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        self.scalar(Node::Number(value))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'a str) -> Result<Self::Value, E> {
        self.scalar(Node::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
        self.scalar(Node::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, list: A) -> Result<Self::Value, A::Error> {
        let reader = self.0;
        let (most, mark) = reader.begin();
        let mut elements = Elements { list, count: 0, most };
        let value = T::read(Node::<ListOf<A>>::List(&mut elements), reader)?;
        let count = elements.count(reader)?;
        Ok(if reader.holds(count, "elements", most, mark) { value } else { None })
    }

    fn visit_map<A: MapAccess<'a>>(self, object: A) -> Result<Self::Value, A::Error> {
        let reader = self.0;
        let (most, mark) = reader.begin();
        let (of, most) = if T::HAS_KEYS { ("keys", limits::KEYS) } else { ("names", most) };
        let mut entries = Entries { object, count: 0, most };
        let value = T::read(Node::<ObjectOf<A>>::Object(&mut entries), reader)?;
        let count = entries.count(reader)?;
        Ok(if reader.holds(count, of, most, mark) { value } else { None })
    }
}

/// A value that nobody asks for.
pub(crate) struct Skipped;

impl<'a> Read<'a> for Skipped {
    const EXPECTED: &'static str = "anything";

    fn read<S: Source<'a>>(_: Node<'_, 'a, S>, _: &mut Reader) -> Result<Option<Self>, S::Error> {
        Ok(Some(Skipped))
    }

    #[cfg(feature = "schema")]
    fn schema() -> serde_json::Value {
        true.into()
    }
}

/// Nothing is in it.
struct Scalar<E>(PhantomData<E>);

impl<'a, E: Error> Source<'a> for Scalar<E> {
    type Error = E;
    type List = Nothing<E>;
    type Object = Nothing<E>;
}

struct ListOf<A>(PhantomData<A>);

impl<'a, A: SeqAccess<'a>> Source<'a> for ListOf<A> {
    type Error = A::Error;
    type List = A;
    type Object = Nothing<A::Error>;
}

struct ObjectOf<A>(PhantomData<A>);

impl<'a, A: MapAccess<'a>> Source<'a> for ObjectOf<A> {
    type Error = A::Error;
    type List = Nothing<A::Error>;
    type Object = A;
}

/// There is none.
pub(crate) struct Nothing<E>(Infallible, PhantomData<E>);

impl<'a, E: Error> SeqAccess<'a> for Nothing<E> {
    type Error = E;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, _: T) -> Result<Option<T::Value>, E> {
        match self.0 {}
    }
}

impl<'a, E: Error> MapAccess<'a> for Nothing<E> {
    type Error = E;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, _: K) -> Result<Option<K::Value>, E> {
        match self.0 {}
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, _: V) -> Result<V::Value, E> {
        match self.0 {}
    }
}

/// A key, borrowed where it has no escapes (`Cow`'s own impl always copies).
pub(crate) struct Name<'a>(pub(crate) Cow<'a, str>);

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

//! A JSON value as it comes out of the document, piece by piece: nothing of it is kept but what its reader takes. Strings
//! are borrowed, keys stand in order, repeated ones come again.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::json::{Begin, Json};
use crate::limits;
use crate::problem::{Step, What, quoted};
use crate::read::{Read, ReadAgain, Reader};

pub(crate) use crate::json::Stop;

/// A value. Of a list or an object, the reader takes what it wants; the rest is passed over.
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

/// Reads a document: `None` after a problem has been told.
pub(crate) fn read<'a, T: Read<'a>>(document: &'a str, reader: &mut Reader) -> Result<Option<T>, Stop> {
    let mut json = Json::new(document, 0);
    let value = value(&mut json, reader)?;
    if json.is_at_end() { Ok(value) } else { Err(Stop) }
}

/// Reads the next value: `None` after a problem has been told.
fn value<'a, T: Read<'a>>(json: &mut Json<'a>, reader: &mut Reader) -> Result<Option<T>, Stop> {
    value_with(json, reader, T::HAS_KEYS, T::read)
}

#[inline(always)]
fn value_with<'a, T>(
    json: &mut Json<'a>,
    reader: &mut Reader,
    has_keys: bool,
    read: impl FnOnce(Node<'_, '_, 'a>, &mut Reader) -> Result<Option<T>, Stop>,
) -> Result<Option<T>, Stop> {
    let scalar = match json.begin()? {
        Begin::List => {
            let (most, mark) = reader.begin();
            let mut elements = Elements(Members::new(json, b']', most));
            let value = read(Node::List(&mut elements), reader)?;
            let count = elements.count()?;
            return Ok(if reader.holds(count, "elements", most, mark) { value } else { None });
        }
        Begin::Object => {
            let (most, mark) = reader.begin();
            let (of, most) = if has_keys { ("keys", limits::KEYS) } else { ("names", most) };
            let mut entries = Entries(Members::new(json, b'}', most));
            let value = read(Node::Object(&mut entries), reader)?;
            let count = entries.count()?;
            return Ok(if reader.holds(count, of, most, mark) { value } else { None });
        }
        Begin::Null => Node::Null,
        Begin::Bool(value) => Node::Bool(value),
        Begin::Number(value) => Node::Number(value),
        Begin::Text(value) => Node::Text(value),
    };
    reader.limited = "";
    read(scalar, reader)
}

/// What stands in a list or an object, between commas.
struct Members<'s, 'a> {
    json: &'s mut Json<'a>,
    /// What stands behind the last one.
    end: u8,
    has_ended: bool,
    /// How many of them have been gone to.
    count: usize,
    /// How many of them are read, and the rest passed over.
    most: usize,
}

impl<'s, 'a> Members<'s, 'a> {
    fn new(json: &'s mut Json<'a>, end: u8, most: usize) -> Self {
        Members { json, end, has_ended: false, count: 0, most }
    }

    /// Goes to the next one; false behind the last one.
    fn next(&mut self) -> Result<bool, Stop> {
        if self.has_ended {
            return Ok(false);
        }
        match self.json.peek() {
            Some(octet) if octet == self.end => {
                self.has_ended = true;
                self.json.advance();
                return Ok(false);
            }
            Some(b',') if self.count > 0 => self.json.advance(),
            Some(_) if self.count == 0 => {}
            _ => return Err(Stop),
        }
        self.count += 1;
        Ok(true)
    }

    /// As above, as long as there may be more of them.
    fn next_to_read(&mut self) -> Result<bool, Stop> {
        Ok(self.count < self.most && self.next()?)
    }
}

/// The elements of a list.
pub(crate) struct Elements<'s, 'a>(Members<'s, 'a>);

impl<'s, 'a> Elements<'s, 'a> {
    /// Of the list at a place that has been found before.
    pub(crate) fn of(json: &'s mut Json<'a>, most: usize) -> Self {
        Elements(Members::new(json, b']', most))
    }

    /// Where the next one stands.
    pub(crate) fn at(&self) -> usize {
        self.0.json.at()
    }

    /// The next element, itself `None` if it can't be read; `None` behind the last one, and behind as many as there may
    /// be.
    pub(crate) fn next<T: Read<'a>>(&mut self, reader: &mut Reader) -> Result<Option<Option<T>>, Stop> {
        let index = self.0.count;
        if !self.0.next_to_read()? {
            return Ok(None);
        }
        reader.at(Step::Index(index), |reader| value(self.0.json, reader)).map(Some)
    }

    /// As above, into the memory of another one; whether it could be read.
    pub(crate) fn next_again<T: ReadAgain<'a>>(
        &mut self,
        element: &mut T,
        reader: &mut Reader,
    ) -> Result<Option<bool>, Stop> {
        let index = self.0.count;
        if !self.0.next_to_read()? {
            return Ok(None);
        }
        let read = reader.at(Step::Index(index), |reader| {
            value_with(self.0.json, reader, T::HAS_KEYS, |node, reader| element.read_again(node, reader))
        });
        Ok(Some(read?.is_some()))
    }

    /// Passes over those that are left; how many there are in all.
    pub(crate) fn count(&mut self) -> Result<usize, Stop> {
        while self.0.next()? {
            self.0.json.pass()?;
        }
        Ok(self.0.count)
    }
}

/// The keys of an object, with their values.
pub(crate) struct Entries<'s, 'a>(Members<'s, 'a>);

impl<'a> Entries<'_, 'a> {
    /// The next key, whose value has to be taken or skipped; `None` behind the last one, and behind as many as there may
    /// be.
    pub(crate) fn key(&mut self) -> Result<Option<Cow<'a, str>>, Stop> {
        if !self.0.next_to_read()? {
            return Ok(None);
        }
        let key = self.0.json.string()?;
        self.colon()?;
        Ok(Some(key))
    }

    fn colon(&mut self) -> Result<(), Stop> {
        if self.0.json.peek() != Some(b':') {
            return Err(Stop);
        }
        self.0.json.advance();
        Ok(())
    }

    pub(crate) fn value<T: Read<'a>>(&mut self, reader: &mut Reader) -> Result<Option<T>, Stop> {
        value(self.0.json, reader)
    }

    pub(crate) fn skip(&mut self) -> Result<(), Stop> {
        self.0.json.pass()
    }

    /// Passes over those that are left; how many there are in all.
    fn count(&mut self) -> Result<usize, Stop> {
        while self.0.next()? {
            self.0.json.pass()?;
            self.colon()?;
            self.0.json.pass()?;
        }
        Ok(self.0.count)
    }
}

/// Looks at all of a document, and says why it can't be read.
pub(crate) fn fault(document: &[u8]) -> Option<What> {
    let left = Cell::new(Some(limits::VALUES));
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    let read = Checked(&left).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    let error = read.err()?;
    Some(match left.get() {
        None => What::TooManyValues { limit: limits::VALUES },
        Some(_) => What::NotJson { message: error.to_string() },
    })
}

/// Reads one value, and those in it, of which there may be so many: for nothing but what is wrong with them.
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
        while object.next_key::<IgnoredAny>()?.is_some() {
            object.next_value_seed(self)?;
        }
        Ok(())
    }
}

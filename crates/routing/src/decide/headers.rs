//! Changes to headers: the user's operations, compiled, and the list of changes that is made of them.

use std::borrow::Cow;

use crate::bytes::equal;
use crate::decide::template::Filling;
use crate::path::Hazard;
use crate::table::schema::{Operation, StringId, Template};
use crate::table::strings::Strings;

/// An operation for one request, its template filled in.
#[derive(Debug)]
pub(crate) enum Rendered<'v> {
    Remove(StringId),
    Set(StringId, Value<'v>),
    Add(StringId, Value<'v>),
}

#[derive(Debug)]
pub(crate) enum Value<'v> {
    Literal(StringId),
    Made(Cow<'v, [u8]>),
}

impl Rendered<'_> {
    pub(crate) fn borrowed(&self) -> Rendered<'_> {
        match self {
            Rendered::Remove(name) => Rendered::Remove(*name),
            Rendered::Set(name, value) => Rendered::Set(*name, value.borrowed()),
            Rendered::Add(name, value) => Rendered::Add(*name, value.borrowed()),
        }
    }
}

impl Value<'_> {
    fn borrowed(&self) -> Value<'_> {
        match self {
            Value::Literal(text) => Value::Literal(*text),
            Value::Made(bytes) => Value::Made(Cow::Borrowed(bytes)),
        }
    }
}

impl Operation {
    /// Fills the template in. Where the path has not captured what it names, a header that would be set is
    /// removed, so that no client can choose it, and none is added.
    pub(crate) fn render(self, strings: &Strings, filling: &Filling<'_>) -> Result<Option<Rendered<'static>>, Hazard> {
        Ok(match self {
            Operation::Remove(name) => Some(Rendered::Remove(name)),
            Operation::Set(name, template) => Some(match value(template, strings, filling)? {
                Some(value) => Rendered::Set(name, value),
                None => Rendered::Remove(name),
            }),
            Operation::Add(name, template) => {
                value(template, strings, filling)?.map(|value| Rendered::Add(name, value))
            }
        })
    }

    /// The template, where it has one.
    pub(crate) fn template(self) -> Option<Template> {
        match self {
            Operation::Remove(_) => None,
            Operation::Set(_, template) | Operation::Add(_, template) => Some(template),
        }
    }

    pub(crate) fn name(self) -> StringId {
        let (Operation::Remove(name) | Operation::Set(name, _) | Operation::Add(name, _)) = self;
        name
    }

    /// As the document has it.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Operation::Remove(_) => "remove",
            Operation::Set(..) => "set",
            Operation::Add(..) => "add",
        }
    }

    /// As it could have been written.
    pub(crate) fn described(self, strings: &Strings) -> String {
        let (key, name) = (self.key(), strings.get(self.name()));
        match self.template() {
            Some(template) => format!("{key} {name}: {}", template.described(strings)),
            None => format!("{key} {name}"),
        }
    }
}

fn value(template: Template, strings: &Strings, filling: &Filling<'_>) -> Result<Option<Value<'static>>, Hazard> {
    if let Some(text) = template.literal(strings) {
        return Ok(Some(Value::Literal(text)));
    }
    let Some(value) = template.render(strings, filling)? else { return Ok(None) };
    // Where unsafe paths are allowed, a captured value can hold any byte of `:path`.
    if value.iter().any(u8::is_ascii_control) {
        return Err(Hazard::InvalidByte);
    }
    Ok(Some(Value::Made(value.trim_ascii().to_vec().into())))
}

/// A list of changes in the making, together with the headers that they are for.
pub(crate) struct Changes<'a, 'h> {
    headers: &'h [(&'h [u8], &'h [u8])],
    list: &'h mut Vec<Change<'a>>,
}

impl<'a, 'h> Changes<'a, 'h> {
    pub(crate) fn new(headers: &'h [(&'h [u8], &'h [u8])], list: &'h mut Vec<Change<'a>>) -> Self {
        Changes { headers, list }
    }

    pub(crate) fn set(&mut self, name: &'a str, value: Cow<'a, [u8]>) {
        self.forget(name);
        self.list.push(Change::Set(name, value));
    }

    pub(crate) fn add(&mut self, name: &'a str, value: Cow<'a, [u8]>) {
        self.list.push(Change::Add(name, value));
    }

    pub(crate) fn remove(&mut self, name: &'a str) {
        self.forget(name);
        if self.headers.iter().any(|(key, _)| equal(key, name.as_bytes())) {
            self.list.push(Change::Remove(name));
        }
    }

    /// Takes back what was to become of a header: each change that is left costs a call to the host.
    fn forget(&mut self, name: &str) {
        self.list.retain(|change| change.name() != name);
    }

    pub(crate) fn carry_out(&mut self, strings: &'a Strings, rendered: Rendered<'a>) {
        let bytes = |value| match value {
            Value::Literal(text) => strings.get(text).as_bytes().into(),
            Value::Made(bytes) => bytes,
        };
        match rendered {
            Rendered::Remove(name) => self.remove(strings.get(name)),
            Rendered::Set(name, value) => self.set(strings.get(name), bytes(value)),
            Rendered::Add(name, value) => self.add(strings.get(name), bytes(value)),
        }
    }

    /// The values that a header will have.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let kept = !self.list.iter().any(|change| change.name() == name && !matches!(change, Change::Add(..)));
        let there = self.headers.iter().filter(move |(key, _)| kept && equal(key, name.as_bytes()));
        there.map(|(_, value)| *value).chain(self.written(name))
    }

    /// The values that the changes give to a header.
    pub(crate) fn written(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let new = self.list.iter().filter(move |change| change.name() == name);
        new.filter_map(|change| match change {
            Change::Set(_, value) | Change::Add(_, value) => Some(&**value),
            Change::Remove(_) => None,
        })
    }
}

impl Change<'_> {
    pub(crate) fn borrowed(&self) -> Change<'_> {
        match self {
            Change::Set(name, value) => Change::Set(name, Cow::Borrowed(value)),
            Change::Add(name, value) => Change::Add(name, Cow::Borrowed(value)),
            Change::Remove(name) => Change::Remove(name),
        }
    }

    /// The header's name, in lower case.
    pub fn name(&self) -> &str {
        match self {
            Change::Set(name, _) | Change::Add(name, _) | Change::Remove(name) => name,
        }
    }
}

/// Carries changes out on headers that are the filter's own.
pub(crate) fn apply(changes: Vec<Change<'_>>, headers: &mut OwnHeaders<'_>) {
    for change in changes {
        if !matches!(change, Change::Add(..)) {
            headers.retain(|(name, _)| name != change.name());
        }
        match change {
            Change::Set(name, value) | Change::Add(name, value) => {
                headers.push((name.to_owned().into(), value.into_owned().into()));
            }
            Change::Remove(_) => {}
        }
    }
}

/// A change to the headers of a request or a response. They are carried out one after the other.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// Replaces every value that the header has.
    Set(&'a str, Cow<'a, [u8]>),
    /// Leaves the values that the header has, and adds one.
    Add(&'a str, Cow<'a, [u8]>),
    /// Removes every value; only for headers that are there.
    Remove(&'a str),
}

/// Headers of an answer of the filter's own.
pub(crate) type OwnHeaders<'a> = Vec<(Cow<'a, str>, Cow<'a, [u8]>)>;

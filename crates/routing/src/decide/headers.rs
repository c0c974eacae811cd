//! Changes to headers.
//!
//! The document asks for [`Operation`]s. For one request, their templates are filled in ([`RenderedOperation`]).
//! [`Changes`] turns these, and the filter's own changes, into a list of [`Change`]s, which has no more of them than
//! necessary.

use std::borrow::Cow;

use crate::bytes::equal;
use crate::decide::template::TemplateValues;
use crate::path::Hazard;
use crate::table::schema::{Operation, StringId, Template};
use crate::table::strings::Strings;

/// A change to the headers of a request or a response. Names are in lower case. Changes must be made one after the
/// other, in their order.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// Replaces all values of the header by one; adds the header if the message has none.
    Set(&'a str, Cow<'a, [u8]>),
    /// Adds a value to those that the header has.
    Add(&'a str, Cow<'a, [u8]>),
    /// Removes all values. The message has the header; otherwise there is no such change.
    Remove(&'a str),
}

impl Change<'_> {
    pub(crate) fn reborrow(&self) -> Change<'_> {
        match self {
            Change::Set(name, value) => Change::Set(name, Cow::Borrowed(value)),
            Change::Add(name, value) => Change::Add(name, Cow::Borrowed(value)),
            Change::Remove(name) => Change::Remove(name),
        }
    }

    /// Returns the header's name, in lower case.
    pub fn name(&self) -> &str {
        match self {
            Change::Set(name, _) | Change::Add(name, _) | Change::Remove(name) => name,
        }
    }
}

/// The headers of an answer of the filter: names in lower case, and values.
pub(crate) type AnswerHeaders<'a> = Vec<(Cow<'a, str>, Cow<'a, [u8]>)>;

/// An operation whose template is filled in for one request.
#[derive(Debug)]
pub(crate) enum RenderedOperation<'v> {
    Remove(StringId),
    Set(StringId, HeaderValue<'v>),
    Add(StringId, HeaderValue<'v>),
}

/// The value of a header that an operation writes.
#[derive(Debug)]
pub(crate) enum HeaderValue<'v> {
    /// A string of the table, which is the same for every request.
    Literal(StringId),
    /// A value that a template has made for this request.
    Rendered(Cow<'v, [u8]>),
}

impl RenderedOperation<'_> {
    pub(crate) fn reborrow(&self) -> RenderedOperation<'_> {
        match self {
            RenderedOperation::Remove(name) => RenderedOperation::Remove(*name),
            RenderedOperation::Set(name, value) => RenderedOperation::Set(*name, value.reborrow()),
            RenderedOperation::Add(name, value) => RenderedOperation::Add(*name, value.reborrow()),
        }
    }
}

impl HeaderValue<'_> {
    fn reborrow(&self) -> HeaderValue<'_> {
        match self {
            HeaderValue::Literal(id) => HeaderValue::Literal(*id),
            HeaderValue::Rendered(bytes) => HeaderValue::Rendered(Cow::Borrowed(bytes)),
        }
    }
}

impl Operation {
    /// Fills the template in. If the template names a parameter that the path has not captured, a header that would be
    /// set is removed instead, so that no client can choose its value; and a header that would be added is not, so the
    /// result is `None`.
    pub(crate) fn render(
        self,
        strings: &Strings,
        values: &TemplateValues<'_>,
    ) -> Result<Option<RenderedOperation<'static>>, Hazard> {
        Ok(match self {
            Operation::Remove(name) => Some(RenderedOperation::Remove(name)),
            Operation::Set(name, template) => Some(match render_value(template, strings, values)? {
                Some(value) => RenderedOperation::Set(name, value),
                None => RenderedOperation::Remove(name),
            }),
            Operation::Add(name, template) => {
                render_value(template, strings, values)?.map(|value| RenderedOperation::Add(name, value))
            }
        })
    }
}

/// Fills in the template of a header's value. Returns `None` if the path has not captured a parameter that it names.
fn render_value(
    template: Template,
    strings: &Strings,
    values: &TemplateValues<'_>,
) -> Result<Option<HeaderValue<'static>>, Hazard> {
    if let Some(text) = template.literal(strings) {
        return Ok(Some(HeaderValue::Literal(text)));
    }
    let Some(value) = template.render(strings, values)? else { return Ok(None) };
    // If unsafe paths are allowed, a captured value can have any byte that `:path` can have.
    if value.iter().any(u8::is_ascii_control) {
        return Err(Hazard::InvalidByte);
    }
    Ok(Some(HeaderValue::Rendered(value.trim_ascii().to_vec().into())))
}

/// Builds a list of changes for a message's headers.
pub(crate) struct Changes<'a, 'h> {
    /// The headers as they came.
    headers: &'h [(&'h [u8], &'h [u8])],
    list: &'h mut Vec<Change<'a>>,
}

impl<'a, 'h> Changes<'a, 'h> {
    /// Appends changes to a list, which may already have some.
    pub(crate) fn new(headers: &'h [(&'h [u8], &'h [u8])], list: &'h mut Vec<Change<'a>>) -> Self {
        Changes { headers, list }
    }

    /// Replaces all values of a header.
    pub(crate) fn set(&mut self, name: &'a str, value: Cow<'a, [u8]>) {
        self.cancel(name);
        self.list.push(Change::Set(name, value));
    }

    /// Adds a value to a header.
    pub(crate) fn add(&mut self, name: &'a str, value: Cow<'a, [u8]>) {
        self.list.push(Change::Add(name, value));
    }

    /// Removes all values of a header.
    pub(crate) fn remove(&mut self, name: &'a str) {
        self.cancel(name);
        if self.headers.iter().any(|(key, _)| equal(key, name.as_bytes())) {
            self.list.push(Change::Remove(name));
        }
    }

    /// Drops the earlier changes to a header, because each change costs a call to the host.
    fn cancel(&mut self, name: &str) {
        self.list.retain(|change| change.name() != name);
    }

    /// Applies an operation.
    pub(crate) fn apply(&mut self, strings: &'a Strings, operation: RenderedOperation<'a>) {
        let bytes = |value| match value {
            HeaderValue::Literal(id) => strings.bytes(id).into(),
            HeaderValue::Rendered(bytes) => bytes,
        };
        match operation {
            RenderedOperation::Remove(name) => self.remove(strings.get(name)),
            RenderedOperation::Set(name, value) => self.set(strings.get(name), bytes(value)),
            RenderedOperation::Add(name, value) => self.add(strings.get(name), bytes(value)),
        }
    }

    /// Returns the values that a header has after the changes.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let keeps_old = !self.list.iter().any(|change| change.name() == name && !matches!(change, Change::Add(..)));
        let old = self.headers.iter().filter(move |(key, _)| keeps_old && equal(key, name.as_bytes()));
        old.map(|(_, value)| *value).chain(self.new_values(name))
    }

    /// Returns the values that the changes give to a header.
    pub(crate) fn new_values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let changes = self.list.iter().filter(move |change| change.name() == name);
        changes.filter_map(|change| match change {
            Change::Set(_, value) | Change::Add(_, value) => Some(&**value),
            Change::Remove(_) => None,
        })
    }
}

/// Applies changes to the headers of an answer of the filter.
pub(crate) fn apply_changes(changes: Vec<Change<'_>>, headers: &mut AnswerHeaders<'_>) {
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

//! Conditions of a route beside method and path: header values and query parameters.

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::path::decoded;
use crate::request::Head;
use crate::table::image::Rows;
use crate::table::schema::{Condition, Conditions, Expected};
use crate::table::strings::Strings;

impl Conditions {
    /// The first condition that does not hold. Without a head, those on headers count as held: a preflight can't
    /// have the headers of the request that it asks for.
    pub(crate) fn failing(
        self,
        all: &Rows<Condition>,
        strings: &Strings,
        head: Option<&Head<'_>>,
        query: &Query<'_>,
    ) -> Option<Failing> {
        let header = head.and_then(|head| {
            all.span(self.headers).find(|condition| !match condition.expected {
                Expected::Present => head.has(strings.get(condition.name)),
                Expected::Equal(value) => head.equals(strings.get(condition.name), strings.bytes(value)),
            })
        });
        if let Some(condition) = header {
            return Some(Failing { part: "header", condition });
        }
        let parameter = all.span(self.query).find(|condition| !match (
            condition.expected,
            query.value(strings.bytes(condition.name)),
        ) {
            (_, None) => false,
            (Expected::Present, Some(_)) => true,
            (Expected::Equal(value), Some(found)) => decoded(found).eq(strings.bytes(value).iter().copied()),
        });
        parameter.map(|condition| Failing { part: "query parameter", condition })
    }
}

/// A condition that does not hold.
pub(crate) struct Failing {
    part: &'static str,
    condition: Condition,
}

impl Failing {
    /// In the user's words.
    pub(crate) fn described(&self, strings: &Strings) -> String {
        let (part, name) = (self.part, strings.get(self.condition.name));
        match self.condition.expected {
            Expected::Present => format!("{part} `{name}` is not present"),
            Expected::Equal(value) => format!("{part} `{name}` is not \"{}\"", strings.get(value)),
        }
    }
}

/// The query of a request. It is taken apart when the first condition asks for it, once for all routes.
pub(crate) struct Query<'q> {
    text: &'q [u8],
    /// Sorted by name, the first of each name.
    parameters: OnceCell<Vec<Parameter<'q>>>,
}

/// A decoded name, and its value, still encoded.
type Parameter<'q> = (Cow<'q, [u8]>, &'q [u8]);

impl<'q> Query<'q> {
    pub(crate) fn new(text: Option<&'q [u8]>) -> Self {
        Query { text: text.unwrap_or_default(), parameters: OnceCell::new() }
    }

    /// The value of the first parameter of a name, as Envoy's own matcher takes it.
    fn value(&self, name: &[u8]) -> Option<&'q [u8]> {
        let parameters = self.parameters.get_or_init(|| {
            let mut parameters: Vec<_> = self.text.split(|&b| b == b'&').filter_map(parameter).collect();
            parameters.sort_by(|(a, _), (b, _)| a.cmp(b));
            parameters.dedup_by(|(later, _), (first, _)| later == first);
            parameters
        });
        let at = parameters.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        parameters.get(at).map(|(_, value)| *value)
    }
}

fn parameter(text: &[u8]) -> Option<Parameter<'_>> {
    let mut halves = text.splitn(2, |&b| b == b'=');
    let name = halves.next().filter(|name| !name.is_empty())?;
    let name = if name.contains(&b'%') { Cow::Owned(decoded(name).collect()) } else { Cow::Borrowed(name) };
    Some((name, halves.next().unwrap_or_default()))
}

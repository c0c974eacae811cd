//! Checks the conditions that a route has besides method and path: on headers and on query parameters.

use std::borrow::Cow;
use std::cell::OnceCell;

use crate::path::percent_decode;
use crate::request::Head;
use crate::table::image::Rows;
use crate::table::schema::{Condition, Conditions, Expected};
use crate::table::strings::Strings;

impl Conditions {
    /// Returns the number of conditions: those on headers, and those on the query.
    pub(crate) fn counts(self) -> (usize, usize) {
        (self.headers.len(), self.query.len())
    }

    /// Returns the first condition that the request does not fulfil. Without a head, conditions on headers count as
    /// fulfilled, because a preflight can't have the headers of the request that it announces.
    pub(crate) fn first_failed(
        self,
        all: &Rows<Condition>,
        strings: &Strings,
        head: Option<&Head<'_>>,
        query: &Query<'_>,
    ) -> Option<FailedCondition> {
        let header = head.and_then(|head| {
            all.span(self.headers).find(|condition| !match condition.expected {
                Expected::Present => head.has(strings.get(condition.name)),
                Expected::Equal(value) => head.equals(strings.get(condition.name), strings.bytes(value)),
            })
        });
        if let Some(condition) = header {
            return Some(FailedCondition { part: "header", condition });
        }
        let parameter = all.span(self.query).find(|condition| !match (
            condition.expected,
            query.value(strings.bytes(condition.name)),
        ) {
            (_, None) => false,
            (Expected::Present, Some(_)) => true,
            (Expected::Equal(value), Some(found)) => percent_decode(found).eq(strings.bytes(value).iter().copied()),
        });
        parameter.map(|condition| FailedCondition { part: "query parameter", condition })
    }
}

/// A condition that the request does not fulfil.
pub(crate) struct FailedCondition {
    /// The part of the request that the condition is about: `header` or `query parameter`.
    pub(crate) part: &'static str,
    pub(crate) condition: Condition,
}

/// The query of a request. It is parsed when the first condition asks for a parameter, once for all routes.
pub(crate) struct Query<'q> {
    text: &'q [u8],
    /// The first parameter of each name, sorted by name.
    parameters: OnceCell<Vec<Parameter<'q>>>,
}

/// The decoded name of a query parameter, and its value, which is still percent-encoded.
type Parameter<'q> = (Cow<'q, [u8]>, &'q [u8]);

impl<'q> Query<'q> {
    /// Takes the query as it came, without the `?`.
    pub(crate) fn new(text: Option<&'q [u8]>) -> Self {
        Query { text: text.unwrap_or_default(), parameters: OnceCell::new() }
    }

    /// Returns the value of the first parameter with a name. Envoy's own matcher uses the first one too.
    fn value(&self, name: &[u8]) -> Option<&'q [u8]> {
        let parameters = self.parameters.get_or_init(|| {
            let mut parameters: Vec<_> = self.text.split(|&b| b == b'&').filter_map(parse_parameter).collect();
            parameters.sort_by(|(a, _), (b, _)| a.cmp(b));
            parameters.dedup_by(|(later, _), (first, _)| later == first);
            parameters
        });
        let at = parameters.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        parameters.get(at).map(|(_, value)| *value)
    }
}

/// Parses one parameter, such as `name=value`. Returns `None` if its name is empty.
fn parse_parameter(text: &[u8]) -> Option<Parameter<'_>> {
    let mut halves = text.splitn(2, |&b| b == b'=');
    let name = halves.next().filter(|name| !name.is_empty())?;
    let name = if name.contains(&b'%') { Cow::Owned(percent_decode(name).collect()) } else { Cow::Borrowed(name) };
    Some((name, halves.next().unwrap_or_default()))
}

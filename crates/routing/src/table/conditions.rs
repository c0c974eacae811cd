//! Checks the conditions that a route has besides method and path: on headers, on cookies and on query parameters.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::cmp::Ordering;

use crate::path::form_decode;
use crate::request::Head;
use crate::table::image::{Rows, Span};
use crate::table::schema::{Condition, Conditions, Expected};
use crate::table::strings::Strings;

impl Conditions {
    /// Returns the number of conditions: those on headers and cookies, and those on the query.
    pub(crate) fn counts(self) -> (usize, usize) {
        (self.headers.len() + self.cookies.len(), self.query.len())
    }

    /// Returns the first condition that the request does not fulfil.
    pub(crate) fn first_failed(
        self,
        all: &Rows<Condition>,
        strings: &Strings,
        request: &ConditionValues<'_>,
        header_conditions: HeaderConditions,
    ) -> Option<FailedCondition> {
        let failed = |part, conditions: Span, is_met: &dyn Fn(Condition) -> bool| {
            let condition = all.span(conditions).find(|condition| !is_met(*condition))?;
            Some(FailedCondition { part, condition })
        };
        if header_conditions == HeaderConditions::Checked {
            let of_head = failed("header", self.headers, &|condition| condition.is_met(strings, request.headers()))
                .or_else(|| failed("cookie", self.cookies, &|condition| condition.is_met(strings, request.cookies())));
            if of_head.is_some() {
                return of_head;
            }
        }
        failed("query parameter", self.query, &|condition| condition.is_met(strings, request.parameters()))
    }
}

/// How conditions on headers and cookies are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderConditions {
    /// The request must fulfil them.
    Checked,
    /// They count as fulfilled, because a preflight can't have the headers of the request that it announces.
    Fulfilled,
}

impl Condition {
    fn is_met(self, strings: &Strings, values: &NamedValues<'_>) -> bool {
        values.get(strings.bytes(self.name)).is_some_and(|value| match self.expected {
            Expected::Present => true,
            Expected::Equal(expected) => value == strings.bytes(expected),
            Expected::Prefix(prefix) => value.starts_with(strings.bytes(prefix)),
        })
    }
}

/// A condition that the request does not fulfil.
pub(crate) struct FailedCondition {
    /// The part of the request that the condition is about: `header`, `cookie` or `query parameter`.
    pub(crate) part: &'static str,
    pub(crate) condition: Condition,
}

/// The parts of a request that conditions are about. Each of them is taken apart when the first condition asks for it,
/// once for all routes, so that many conditions do not each search a long head.
pub(crate) struct ConditionValues<'q> {
    head: Head<'q>,
    query: &'q [u8],
    headers: OnceCell<NamedValues<'q>>,
    cookies: OnceCell<NamedValues<'q>>,
    parameters: OnceCell<NamedValues<'q>>,
}

impl<'q> ConditionValues<'q> {
    /// Takes the query as it came, without the `?`.
    pub(crate) fn new(head: Head<'q>, query: Option<&'q [u8]>) -> Self {
        ConditionValues {
            head,
            query: query.unwrap_or_default(),
            headers: OnceCell::new(),
            cookies: OnceCell::new(),
            parameters: OnceCell::new(),
        }
    }

    /// Returns the headers. The values of a repeated header are joined by commas and count as one value, as in Envoy's
    /// own matchers.
    fn headers(&self) -> &NamedValues<'q> {
        self.headers.get_or_init(|| {
            let headers = self.head.headers().iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Borrowed(*value)));
            NamedValues::new(headers.collect(), |first, later| {
                let joined = first.to_mut();
                joined.push(b',');
                joined.extend_from_slice(later);
            })
        })
    }

    /// Returns the first cookie of each name.
    fn cookies(&self) -> &NamedValues<'q> {
        self.cookies.get_or_init(|| {
            let pairs = self.head.values("cookie").flat_map(|cookies| cookies.split(|&b| b == b';'));
            NamedValues::new(pairs.filter_map(parse_cookie).collect(), |_, _| {})
        })
    }

    /// Returns the first query parameter of each name, decoded. Envoy's own matcher uses the first one too.
    fn parameters(&self) -> &NamedValues<'q> {
        self.parameters.get_or_init(|| {
            let parameters = self.query.split(|&b| b == b'&').filter_map(parse_parameter);
            NamedValues::new(parameters.collect(), |_, _| {})
        })
    }
}

/// A name and its value.
type NamedValue<'q> = (Cow<'q, [u8]>, Cow<'q, [u8]>);

/// Values by name.
struct NamedValues<'q> {
    /// Each name occurs once. They are sorted by `order`.
    sorted: Vec<NamedValue<'q>>,
}

impl<'q> NamedValues<'q> {
    /// Sorts the values. `merge` gets the first value of a name, to change it, and each later value.
    fn new(mut values: Vec<NamedValue<'q>>, merge: impl Fn(&mut Cow<'q, [u8]>, &[u8])) -> Self {
        values.sort_by(|(a, _), (b, _)| order(a, b));
        values.dedup_by(|(later, value), (name, first)| {
            let is_repeated = later == name;
            if is_repeated {
                merge(first, value);
            }
            is_repeated
        });
        NamedValues { sorted: values }
    }

    fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let at = self.sorted.binary_search_by(|(known, _)| order(known, name)).ok()?;
        self.sorted.get(at).map(|(_, value)| &**value)
    }
}

/// The order of names: by length first, because lengths are quick to compare.
fn order(a: &[u8], b: &[u8]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Parses one cookie, such as `name=value`. Spaces and tabs around it do not count, and one pair of double quotes around
/// the value is taken off. Returns `None` if there is no `=`, or no name.
fn parse_cookie(mut pair: &[u8]) -> Option<NamedValue<'_>> {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = pair {
        pair = rest;
    }
    let (name, value) = split_at_equals(pair)?;
    let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    (!name.is_empty()).then(|| (name.into(), unquoted.unwrap_or(value).into()))
}

/// Parses and decodes one query parameter, such as `name=value`. Returns `None` if its name is empty.
fn parse_parameter(text: &[u8]) -> Option<NamedValue<'_>> {
    let (name, value) = split_at_equals(text).unwrap_or((text, b""));
    (!name.is_empty()).then(|| (form_decode(name), form_decode(value)))
}

/// Splits a text at its first `=`. Returns `None` if it has none.
fn split_at_equals(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&b| b == b'=')?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

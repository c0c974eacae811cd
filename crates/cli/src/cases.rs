//! Route tables as tests: the file of cases, each a request and what is expected to become of it.
//!
//! ```yaml
//! cases:
//!   - name: an order is found by its id
//!     request: {method: GET, url: https://api.example.com/orders/42, headers: {x-beta: "true"}}
//!     response: {headers: {server: nginx}}
//!     expect: {outcome: route, authority: orders.shop.example.com, requestHeaders: {x-beta: null}}
//! ```
//!
//! A case compares what its `expect` names with the fields of an `Explanation`, `requestHeaders` and
//! `responseHeaders` header by header. `response` is what the service would answer. The file may hold a
//! `pluginConfig:` too.

mod read;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::request::Request;
use crate::source::Source;
use crate::source::position::Span;

pub use read::read;

#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub source: Arc<Source>,
    /// Where the case begins.
    pub at: Span,
    pub request: Request,
    /// The request's, as it is written.
    pub url: String,
    /// Headers with which the service would answer.
    pub response: Vec<(Vec<u8>, Vec<u8>)>,
    pub expect: Vec<Expected>,
}

/// One thing that is expected.
#[derive(Debug)]
pub struct Expected {
    /// `status`, or `requestHeaders` or `responseHeaders` with a header's name.
    pub field: &'static str,
    pub header: Option<String>,
    /// Null where the header must be absent.
    pub value: Value,
    pub at: Span,
}

/// What came of it instead.
#[derive(Debug, PartialEq)]
pub struct Mismatch {
    /// `status` or `requestHeaders.x-beta`.
    pub field: String,
    pub expected: Value,
    /// `None` where there is no such field.
    pub actual: Option<Value>,
    pub at: Span,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let absent = |value: &Value| if value.is_null() { "none".to_owned() } else { value.to_string() };
        let actual = self.actual.as_ref().map_or_else(|| "none".to_owned(), absent);
        write!(f, "{}: expected {}, got {actual}", self.field, absent(&self.expected))
    }
}

impl Case {
    /// Compares with the fields that `explain --format json` prints; empty when all is as expected.
    pub fn compare(&self, actual: &serde_json::Map<String, Value>) -> Vec<Mismatch> {
        let compared = self.expect.iter().filter_map(|expected| {
            let field = actual.get(expected.field);
            expected.compare(match &expected.header {
                Some(header) => field.and_then(|headers| headers.get(header)),
                None => field,
            })
        });
        compared.collect()
    }

    /// What is expected of a field that is not one of headers.
    pub fn expected(&self, field: &str) -> Option<&Value> {
        self.expect.iter().find(|expected| expected.field == field).map(|expected| &expected.value)
    }

    pub fn expected_text(&self, field: &str) -> Option<&str> {
        self.expected(field).and_then(Value::as_str)
    }
}

impl Expected {
    /// Compares with what was found, which is `None` where there is no such field or header.
    pub fn compare(&self, found: Option<&Value>) -> Option<Mismatch> {
        let same = match found {
            Some(found) if self.header.is_some() => elements(&self.value) == elements(found),
            Some(found) => same(&self.value, found),
            None => self.value.is_null(),
        };
        (!same).then(|| Mismatch {
            field: match &self.header {
                Some(header) => format!("{}.{header}", self.field),
                None => self.field.to_owned(),
            },
            expected: self.value.clone(),
            actual: found.cloned(),
            at: self.at,
        })
    }
}

/// The elements of a header's value: repeated headers are one with commas (RFC 9110, section 5.3). `None` for null.
fn elements(value: &Value) -> Option<Vec<&str>> {
    let lines = match value {
        Value::Null => return None,
        Value::Array(lines) => lines.as_slice(),
        line => std::slice::from_ref(line),
    };
    let lines = lines.iter().map(|line| line.as_str().unwrap_or_default());
    Some(lines.flat_map(|line| line.split(',')).map(str::trim).collect())
}

/// Equal but for the way of writing: `404.0` is 404, a list of one value is that value.
fn same(expected: &Value, actual: &Value) -> bool {
    let single = |value: &Value| match value {
        Value::Array(items) if items.len() == 1 => items[0].clone(),
        other => other.clone(),
    };
    let (expected, actual) = (single(expected), single(actual));
    match (expected.as_f64(), actual.as_f64()) {
        (Some(expected), Some(actual)) => expected == actual,
        _ => expected == actual,
    }
}

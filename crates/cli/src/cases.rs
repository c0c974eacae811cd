//! Test cases for route tables. Each case has a request and the expected decision about it.
//!
//! ```yaml
//! cases:
//!   - name: an order is found by its id
//!     request: {method: GET, url: https://api.example.com/orders/42, headers: {x-beta: "true"}}
//!     response: {headers: {server: nginx}}
//!     expect: {outcome: route, authority: orders.shop.example.com, requestHeaders: {x-beta: null}}
//! ```
//!
//! Only the fields that `expect` names are compared with those of the `Explanation`; of `requestHeaders` and
//! `responseHeaders`, only the headers that are named. `response` is the response of the service. The file may hold a
//! `pluginConfig:` too.

mod read;
mod run;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::source::Source;
use crate::source::position::Span;
use ksvc_explanation::request::Request;

pub use read::{load, read};
pub use run::{Outcome, run};

/// A case.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub source: Arc<Source>,
    /// Where the case begins.
    pub at: Span,
    pub request: Request,
    /// The URL of the request as it is written.
    pub url: String,
    /// The headers of the response of the service.
    pub response: Vec<(Vec<u8>, Vec<u8>)>,
    pub expect: Vec<Expected>,
}

/// The expected value of a field or a header.
#[derive(Debug)]
pub struct Expected {
    /// The name of the field, such as `status` or `requestHeaders`.
    pub field: &'static str,
    /// The name of the header, if the field is `requestHeaders` or `responseHeaders`.
    pub header: Option<String>,
    /// Null if the header must be absent.
    pub value: Value,
    pub at: Span,
}

/// A field or a header whose value is not the expected one.
#[derive(Debug, PartialEq)]
pub struct Mismatch {
    /// The field, such as `status`, or the header, such as `requestHeaders.x-beta`.
    pub field: String,
    pub expected: Value,
    /// `None` if there is no such field.
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
    /// Compares the case with the fields that `explain --format json` prints. Returns nothing if all are as expected.
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

    /// Returns the expected value of a field that does not hold headers.
    pub fn expected(&self, field: &str) -> Option<&Value> {
        self.expect.iter().find(|expected| expected.field == field).map(|expected| &expected.value)
    }

    pub fn expected_text(&self, field: &str) -> Option<&str> {
        self.expected(field).and_then(Value::as_str)
    }
}

impl Expected {
    /// Compares the expected value with the value that was found; `None` means that there is no such field or header.
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

/// Returns the elements of a header's value, because a repeated header means the same as one header with commas
/// (RFC 9110, section 5.3). Returns `None` for null.
fn elements(value: &Value) -> Option<Vec<&str>> {
    let lines = match value {
        Value::Null => return None,
        Value::Array(lines) => lines.as_slice(),
        line => std::slice::from_ref(line),
    };
    let lines = lines.iter().map(|line| line.as_str().unwrap_or_default());
    Some(lines.flat_map(|line| line.split(',')).map(str::trim).collect())
}

/// Returns whether two values mean the same: `404.0` is 404, and a list of one value is that value.
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

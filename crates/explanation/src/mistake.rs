//! The small mistake in a request that finds no route.

use ksvc_routing::{Decision, Outcome, RouteTable};

use crate::request::Request;

/// Returns the mistake, if a route is found without it. `decision` is that of the table about the request.
pub(crate) fn mistake(table: &RouteTable, decision: &Decision<'_>, request: &Request) -> Option<&'static str> {
    let Decision::Answer(answer) = decision else { return None };
    match answer.outcome {
        Outcome::MethodNotAllowed => in_method(table, request),
        // A route that is chosen and still not found has captured the name of a service that it may not forward to.
        Outcome::NotFound if answer.chosen.is_none() => in_path(table, request),
        _ => None,
    }
}

fn in_method(table: &RouteTable, request: &Request) -> Option<&'static str> {
    let changed = Request { method: request.method.to_ascii_uppercase(), ..request.clone() };
    let is_found = changed != *request && finds(table, &changed);
    is_found.then_some("methods are case-sensitive, and a route serves this one in upper case")
}

fn in_path(table: &RouteTable, request: &Request) -> Option<&'static str> {
    let whole = request.path.as_deref()?;
    let (path, query) = whole.split_at(whole.iter().position(|byte| *byte == b'?').unwrap_or(whole.len()));
    let finds_at = |path: &[u8]| {
        let path = Some([path, query].concat());
        path != request.path && finds(table, &Request { path, ..request.clone() })
    };
    if path.strip_suffix(b"/").is_some_and(finds_at) {
        Some("a route matches the path without the `/` at its end")
    } else if finds_at(&[path, b"/"].concat()) {
        Some("a route matches the path with a `/` at its end")
    } else if finds_at(&path.to_ascii_lowercase()) {
        Some("paths are case-sensitive, and a route matches this one in lower case")
    } else {
        None
    }
}

/// Returns whether the table has a route for a request.
fn finds(table: &RouteTable, request: &Request) -> bool {
    let headers = request.header_refs();
    let outcome = table.decide(&request.head(&headers), || false).outcome();
    matches!(outcome, Outcome::Route | Outcome::Redirect | Outcome::Respond)
}

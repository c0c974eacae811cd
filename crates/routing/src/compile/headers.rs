//! Compiles headers: those of conditions, those of fixed responses, and changes to the headers of requests and
//! responses.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Compiler;
use crate::bytes::is_token;
use crate::compile::template::TemplateKind;
use crate::document::config::HeaderOperations;
use crate::document::read::Key;
use crate::knative;
use crate::problem::{Place, ProblemKind};
use crate::table::image::Span;
use crate::table::schema::{OPERATIONS, Operation, StringId, Template};

/// Names and values as written. A value is `None` if it can't be read.
pub(super) type Written<'a> = Key<Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>>;

/// Returns the reason why a header, whose name is in lower case, can't be used in a place; `None` if it can.
type Forbidden = fn(&str) -> Option<&'static str>;

type MakeOperation = fn(StringId, Template) -> Operation;

impl Compiler {
    /// Checks headers. Returns the valid ones with their names in lower case, and whether all are valid.
    pub(super) fn headers<'h>(
        &mut self,
        headers: &'h Written<'_>,
        place: &dyn Fn() -> Place,
        forbidden: Forbidden,
    ) -> (Vec<(StringId, &'h str)>, bool) {
        let mut valid = Vec::new();
        let mut are_valid = !headers.is_broken();
        let mut names = BTreeSet::new();
        for (name, value) in headers.get().into_iter().flatten() {
            let lower = name.to_ascii_lowercase();
            let error = if let Some(error) = name_error(name, &lower, forbidden) {
                Some(error)
            } else if value.as_deref().is_some_and(|value| !is_header_value(value)) {
                Some(ProblemKind::HeaderValue { name: name.to_string() })
            } else if !names.insert(lower.clone()) {
                Some(ProblemKind::HeaderRepeated { name: lower.clone() })
            } else {
                None
            };
            match (error, value) {
                (None, Some(value)) => valid.push((self.builder.shared(&lower), &**value)),
                (None, None) => are_valid = false,
                (Some(kind), _) => {
                    self.report(place().named(name), kind);
                    are_valid = false;
                }
            }
        }
        (valid, are_valid)
    }

    /// Compiles changes to headers. Returns the valid ones in the order in which they are made, and whether all are
    /// valid. `name_errors` returns the errors of a name in a template.
    pub(super) fn operations(
        &mut self,
        written: &Key<Box<HeaderOperations<'_>>>,
        place: &dyn Fn() -> Place,
        forbidden: Forbidden,
        name_errors: &dyn Fn(&str) -> Vec<ProblemKind>,
    ) -> (Span, bool) {
        let Some(written) = written.get() else { return (Span::default(), !written.is_broken()) };
        let mut operations = Vec::new();
        let mut are_valid = written.unknown.is_empty() && !written.remove.is_broken();
        let mut removed = BTreeSet::new();
        for (index, name) in written.remove.get().into_iter().flatten().enumerate() {
            let Some(name) = name else {
                are_valid = false;
                continue;
            };
            let lower = name.to_ascii_lowercase();
            let repeated = !removed.insert(lower.clone());
            let error = name_error(name, &lower, forbidden)
                .or_else(|| repeated.then(|| ProblemKind::HeaderRepeated { name: lower.clone() }));
            match error {
                Some(kind) => {
                    self.report(place().key("remove").index(index), kind);
                    are_valid = false;
                }
                None => operations.push(Operation::Remove(self.builder.shared(&lower))),
            }
        }
        let set: MakeOperation = Operation::Set;
        for (key, headers, operation) in [("set", &written.set, set), ("add", &written.add, Operation::Add)] {
            let (headers, headers_are_valid) = self.headers(headers, &|| place().key(key), forbidden);
            are_valid &= headers_are_valid;
            for (name, value) in headers {
                let header = self.builder.get(name).to_owned();
                let problems = &mut self.reader.problems;
                let mut report = |kind| problems.report(place().key(key).named(&header), kind);
                match Template::compile(value, TemplateKind::HeaderValue, &mut self.builder, name_errors, &mut report) {
                    Some(template) => operations.push(operation(name, template)),
                    None => are_valid = false,
                }
            }
        }
        (self.builder.image.append(OPERATIONS, operations), are_valid)
    }
}

fn name_error(name: &str, lower: &str, forbidden: Forbidden) -> Option<ProblemKind> {
    match forbidden(lower) {
        Some(reason) => Some(ProblemKind::HeaderForbidden { name: lower.to_owned(), reason }),
        None => (!is_token(name)).then(|| ProblemKind::HeaderName { found: name.to_owned() }),
    }
}

/// Forbids the headers of a routed request that can't be changed.
pub(super) fn forbidden_in_request(name: &str) -> Option<&'static str> {
    match name {
        "host" | ":authority" => Some("is the request's host, which `service` and `host` set"),
        ":path" => Some("is the request's path, which `rewritePath` sets"),
        "x-forwarded-host" => Some("is always the host that the client asked for"),
        _ if name.starts_with(':') => Some("is not a header but a part of the request itself"),
        _ => forbidden_in_message(name).or_else(|| forbidden_by_knative(name)),
    }
}

/// Forbids the headers of a response that can't be changed.
pub(super) fn forbidden_in_response(name: &str) -> Option<&'static str> {
    match name {
        "host" => Some("belongs to requests"),
        _ if name.starts_with(':') => Some("is not a header but a part of the response itself"),
        _ => forbidden_in_message(name).or_else(|| forbidden_by_knative(name)),
    }
}

fn forbidden_by_knative(name: &str) -> Option<&'static str> {
    knative::is_internal_header(name).then_some("is for Knative's own components")
}

/// Forbids the headers that a condition can't be about.
pub(super) fn forbidden_in_condition(name: &str) -> Option<&'static str> {
    (name == "host").then_some("is the request's host, and `hosts` is the key for it")
}

/// Forbids the headers that a fixed response can't have.
pub(super) fn forbidden_in_answer(name: &str) -> Option<&'static str> {
    match name {
        "host" => Some("belongs to requests"),
        _ => forbidden_in_message(name),
    }
}

/// Forbids the headers that only an HTTP server or proxy itself can set.
fn forbidden_in_message(name: &str) -> Option<&'static str> {
    match name {
        "content-length" | "transfer-encoding" | "trailer" => Some("is set by Envoy"),
        "connection" | "keep-alive" | "proxy-connection" | "te" | "upgrade" => Some("concerns one connection only"),
        _ => None,
    }
}

/// Returns whether a text is a valid header value (RFC 9110, section 5.5). It may have characters beyond ASCII, but no
/// white space at its ends.
fn is_header_value(value: &str) -> bool {
    value.trim() == value && !value.chars().any(char::is_control)
}

//! Headers by name, in conditions, in answers, and in what is done to the headers of others: checked alike.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Compiler;
use crate::bytes::is_token;
use crate::compile::template::Literal;
use crate::document::config::HeaderOperations;
use crate::document::read::Key;
use crate::knative;
use crate::problem::{Place, ProblemKind};
use crate::table::image::Span;
use crate::table::schema::{OPERATIONS, Operation, StringId, Template};

/// Headers as they are written; a value that can't be read is `None`.
type Written<'a> = Key<Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>>;

type MakeOperation = fn(StringId, Template) -> Operation;

impl Compiler {
    /// The headers that can be used, with their names in lower case, and whether these are all. `forbidden`
    /// says why a name has no place here.
    pub(super) fn headers<'h>(
        &mut self,
        headers: &'h Written<'_>,
        place: &dyn Fn() -> Place,
        forbidden: fn(&str) -> Option<&'static str>,
    ) -> (Vec<(StringId, &'h str)>, bool) {
        let mut usable = Vec::new();
        let mut whole = !headers.is_broken();
        let mut names = BTreeSet::new();
        for (name, value) in headers.get().into_iter().flatten() {
            let lower = name.to_ascii_lowercase();
            let fault = if let Some(fault) = name_fault(name, &lower, forbidden) {
                Some(fault)
            } else if value.as_deref().is_some_and(|value| !is_header_value(value)) {
                Some(ProblemKind::HeaderValue { name: name.to_string() })
            } else if !names.insert(lower.clone()) {
                Some(ProblemKind::HeaderRepeated { name: lower.clone() })
            } else {
                None
            };
            match (fault, value) {
                (None, Some(value)) => usable.push((self.builder.shared(&lower), &**value)),
                (None, None) => whole = false,
                (Some(kind), _) => {
                    self.report(place().named(name), kind);
                    whole = false;
                }
            }
        }
        (usable, whole)
    }

    /// What is to be done to headers, in the order in which it is done, and whether that is all. Names in the values
    /// are judged by `faults`.
    pub(super) fn operations(
        &mut self,
        written: &Key<Box<HeaderOperations<'_>>>,
        place: &dyn Fn() -> Place,
        forbidden: fn(&str) -> Option<&'static str>,
        faults: &dyn Fn(&str) -> Vec<ProblemKind>,
    ) -> (Span, bool) {
        let Some(written) = written.get() else { return (Span::default(), !written.is_broken()) };
        let mut operations = Vec::new();
        let mut whole = written.unknown.is_empty() && !written.remove.is_broken();
        let mut removed = BTreeSet::new();
        for (index, name) in written.remove.get().into_iter().flatten().enumerate() {
            let Some(name) = name else {
                whole = false;
                continue;
            };
            let lower = name.to_ascii_lowercase();
            let repeated = !removed.insert(lower.clone());
            let fault = name_fault(name, &lower, forbidden)
                .or_else(|| repeated.then(|| ProblemKind::HeaderRepeated { name: lower.clone() }));
            match fault {
                Some(kind) => {
                    self.report(place().key("remove").index(index), kind);
                    whole = false;
                }
                None => operations.push(Operation::Remove(self.builder.shared(&lower))),
            }
        }
        let set: MakeOperation = Operation::Set;
        for (key, headers, operation) in [("set", &written.set, set), ("add", &written.add, Operation::Add)] {
            let (headers, headers_are_whole) = self.headers(headers, &|| place().key(key), forbidden);
            whole &= headers_are_whole;
            for (name, value) in headers {
                let header = self.builder.get(name).to_owned();
                let problems = &mut self.reader.problems;
                let mut report = |kind| problems.report(place().key(key).named(&header), kind);
                match Template::compile(value, Literal::Header, &mut self.builder, faults, &mut report) {
                    Some(template) => operations.push(operation(name, template)),
                    None => whole = false,
                }
            }
        }
        (self.builder.image.append(OPERATIONS, operations), whole)
    }
}

fn name_fault(name: &str, lower: &str, forbidden: fn(&str) -> Option<&'static str>) -> Option<ProblemKind> {
    match forbidden(lower) {
        Some(reason) => Some(ProblemKind::HeaderForbidden { name: lower.to_owned(), reason }),
        None => (!is_token(name)).then(|| ProblemKind::HeaderName { found: name.to_owned() }),
    }
}

/// Why a header of a routed request can't be changed.
pub(super) fn forbidden_in_request(name: &str) -> Option<&'static str> {
    match name {
        "host" | ":authority" => Some("is the request's host, which `service` and `host` set"),
        ":path" => Some("is the request's path, which `rewritePath` sets"),
        "x-forwarded-host" => Some("is always the host that the client asked for"),
        _ if name.starts_with(':') => Some("is not a header but a part of the request itself"),
        _ => forbidden_in_message(name).or_else(|| forbidden_by_knative(name)),
    }
}

/// Why a header of a response can't be changed.
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

/// Why a header can't be asked for in a condition.
pub(super) fn forbidden_in_condition(name: &str) -> Option<&'static str> {
    (name == "host").then_some("is the request's host, and `hosts` is the key for it")
}

/// Why a header can't be set in an answer.
pub(super) fn forbidden_in_answer(name: &str) -> Option<&'static str> {
    match name {
        "host" => Some("belongs to requests"),
        _ => forbidden_in_message(name),
    }
}

/// Why nobody but a server can set a header.
fn forbidden_in_message(name: &str) -> Option<&'static str> {
    match name {
        "content-length" | "transfer-encoding" | "trailer" => Some("is set by Envoy"),
        "connection" | "keep-alive" | "proxy-connection" | "te" | "upgrade" => Some("concerns one connection only"),
        _ => None,
    }
}

/// RFC 9110, section 5.5, in ASCII and beyond, without white space at its ends.
fn is_header_value(value: &str) -> bool {
    value.trim() == value && !value.chars().any(char::is_control)
}

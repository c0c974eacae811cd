//! The tables of a gateway, and what they do with a request: the first table that does not leave it untouched decides.

use ksvc_routing::{Answer, ConsideredRoute, Decision, Head, OutOfScope, Outcome, RouteTable, UnsafePart, Untouched};
use serde_json::{Value, json};

use crate::decision::{Explanation, explain_decision};
use crate::mistake::mistake;
use crate::nearest::nearest_routes;
use crate::request::Request;

/// A table, with the words in which a user knows it.
#[derive(Debug, Clone)]
pub struct NamedTable<'t> {
    pub table: &'t RouteTable,
    pub name: &'t str,
    /// The file and the line of the table.
    pub file: &'t str,
    pub line: usize,
    /// `hosts` and `basePath` as they are written.
    pub hosts: Vec<&'t str>,
    pub base_path: &'t str,
}

impl NamedTable<'_> {
    /// Returns the file and the line.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    fn to_json(&self) -> Value {
        json!({"name": self.name, "file": self.file, "line": self.line})
    }
}

/// A decision about a request, and the reasons for it.
#[derive(Debug)]
pub struct Reasons<'t> {
    pub decision: Explanation,
    /// The table that decides, if there are several.
    pub table: Option<&'t NamedTable<'t>>,
    /// The tables that were asked before it.
    pub passed: Vec<Passed<'t>>,
    /// Why the request is left untouched or is unsafe, or what would have to change so that a route is found.
    pub reason: Option<String>,
    pub unsafe_part: Option<UnsafePart<'t>>,
    pub considered: Vec<ConsideredRoute<'t>>,
    /// The methods and the path, and the name of each of the nearest routes.
    pub nearest: Vec<(String, &'t str)>,
}

/// A table that left the request to the next one.
#[derive(Debug)]
pub struct Passed<'t> {
    pub table: &'t NamedTable<'t>,
    pub outcome: &'static str,
    pub reason: Option<String>,
}

/// Returns the index of the table that decides about a request. If every table leaves it untouched, it is that of the
/// first table in whose scope the request is, or else of the first table.
pub fn deciding<'t>(tables: impl IntoIterator<Item = &'t RouteTable>, request: &Request) -> usize {
    let headers = request.header_refs();
    let mut in_scope = None;
    for (index, table) in tables.into_iter().enumerate() {
        match table.decide(&request.head(&headers), || false) {
            Decision::Untouched(Untouched::OutOfScope) => {}
            Decision::Untouched(Untouched::PassThrough) => in_scope = in_scope.or(Some(index)),
            Decision::Forward(_) | Decision::Answer(_) => return index,
        }
    }
    in_scope.unwrap_or(0)
}

/// Explains what the tables, in the order in which the gateway asks them, do with a request. `None` if there are none.
/// `head` is that of the request.
pub fn explain<'t>(tables: &'t [NamedTable<'t>], request: &Request, head: &'t Head<'t>) -> Option<Reasons<'t>> {
    let index = deciding(tables.iter().map(|named| named.table), request);
    let named = tables.get(index)?;
    let explained = named.table.explain(head);
    Some(Reasons {
        decision: explain_decision(named.table, &explained.decision, request, &[]),
        table: (tables.len() > 1).then_some(named),
        passed: tables[..index].iter().map(|table| Passed::new(table, head)).collect(),
        reason: reason(named, &explained.decision, head)
            .or_else(|| mistake(named.table, &explained.decision, request).map(str::to_owned)),
        unsafe_part: match explained.decision.outcome() {
            Outcome::UnsafePath => named.table.unsafe_part(head),
            _ => None,
        },
        // A route that is chosen and still not found has captured the name of a service that it may not forward to.
        nearest: match &explained.decision {
            Decision::Answer(answer) if answer.outcome == Outcome::NotFound && answer.chosen.is_none() => {
                nearest(named, request)
            }
            _ => Vec::new(),
        },
        considered: explained.considered,
    })
}

impl<'t> Passed<'t> {
    fn new(table: &'t NamedTable<'t>, head: &Head<'_>) -> Self {
        let decision = table.table.decide(head, || false);
        Self { table, outcome: decision.outcome().as_str(), reason: reason(table, &decision, head) }
    }
}

/// Returns why a request is left untouched or is unsafe.
fn reason(table: &NamedTable<'_>, decision: &Decision<'_>, head: &Head<'_>) -> Option<String> {
    match decision {
        Decision::Untouched(Untouched::OutOfScope) => Some(match table.table.out_of_scope(head)? {
            OutOfScope::NoPath => "the request has no path".to_owned(),
            OutOfScope::Host if table.table.host_count() == 0 => {
                "no host is in scope, because the table is missing or has an error outside its routes".to_owned()
            }
            OutOfScope::Host => {
                let host = String::from_utf8_lossy(head.authority.unwrap_or_default());
                format!("the host {host:?} is not in `hosts`, which has {}", table.hosts.join(", "))
            }
            OutOfScope::BasePath => {
                format!("the path is not below `basePath`, which is {}", table.base_path)
            }
            OutOfScope::Probe => "it is Knative's own probe of this host".to_owned(),
            OutOfScope::Challenge => "it is a challenge for a certificate, which Knative answers".to_owned(),
            OutOfScope::Server => "`OPTIONS *` is about the server, not about a path".to_owned(),
            _ => return None,
        }),
        Decision::Untouched(_) => Some("no route matches, and `onNoMatch` is `passThrough`".to_owned()),
        Decision::Answer(answer) if answer.outcome == Outcome::UnsafePath => Some(detail(answer)),
        _ => None,
    }
}

/// Returns the reason that the filter tells the client: in JSON, or to a gRPC client as the message of the status.
fn detail(answer: &Answer<'_>) -> String {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let in_json = body["detail"].as_str().map(str::to_owned);
    in_json.unwrap_or_else(|| String::from_utf8_lossy(&answer.body).into_owned())
}

fn nearest<'t>(named: &NamedTable<'t>, request: &Request) -> Vec<(String, &'t str)> {
    let path = String::from_utf8_lossy(request.path.as_deref().unwrap_or_default());
    let lines = nearest_routes(named.table, named.base_path, &path);
    lines.into_iter().map(|line| (format!("{} {}", line.methods, line.path), line.route)).collect()
}

impl Reasons<'_> {
    /// Returns the object that `ksvc-router explain --format json` prints.
    pub fn to_json(&self) -> Value {
        let mut object = self.decision.to_json();
        if let Some(table) = self.table {
            object["table"] = table.to_json();
            object["passed"] = self
                .passed
                .iter()
                .map(|passed| {
                    let mut of = passed.table.to_json();
                    of["outcome"] = passed.outcome.into();
                    of["reason"] = passed.reason.clone().into();
                    of
                })
                .collect();
        }
        if let Some(reason) = &self.reason {
            object["reason"] = reason.as_str().into();
        }
        if let Some(part) = &self.unsafe_part {
            let text = String::from_utf8_lossy(part.bytes);
            object["unsafe"] = json!({"index": part.index, "text": text, "bytes": part.bytes, "what": part.what});
        }
        if !self.considered.is_empty() {
            object["considered"] = self
                .considered
                .iter()
                .map(|c| json!({"route": c.route, "match": c.matched, "result": c.result.to_string()}))
                .collect();
        }
        if !self.nearest.is_empty() {
            object["nearest"] =
                self.nearest.iter().map(|(path, route)| json!({"path": path, "route": route})).collect();
        }
        object
    }
}

//! `explain FILE METHOD URL`: prints the decision about a request, and the reasons.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::Path;

use ksvc_explanation::decision::{Explanation, explain_decision};
use ksvc_explanation::nearest::nearest_routes;
use ksvc_explanation::request::Request;
use ksvc_router_cli::load::load_tables;
use ksvc_router_cli::message::as_text;
use ksvc_router_cli::tables::{Table, Tables};
use ksvc_router_cli::words::clean;
use ksvc_routing::{ConsideredRoute, Decision, Head, OutOfScope, Outcome, UnsafePart, Untouched};
use serde_json::{Value, json};

use super::{CallError, Report, pretty, refuse};
use ksvc_router_cli::args::Format;

pub(super) fn request(method: OsString, url: &OsStr, headers: &[OsString]) -> Result<Request, CallError> {
    let mut request = Request::new(method.into_encoded_bytes(), url.as_encoded_bytes());
    for line in headers {
        request.add_header_line(line.as_encoded_bytes()).map_err(CallError::Header)?;
    }
    Ok(request)
}

pub(super) fn run(file: &Path, request: &Request, format: Format) -> Result<Report, CallError> {
    let tables = match load_tables(&[file.to_owned()])? {
        Ok(configurations) => Tables::new(configurations),
        Err(messages) => return Ok(refuse(&messages, format)),
    };
    let errors = tables.errors();
    let mut err = as_text(&errors);
    if !errors.is_empty() {
        err += "The configuration has errors. This is what a gateway that starts with it does.\n";
    }
    if request.authority.is_none() {
        err += "The URL has no host; write it as https://HOST/PATH.\n";
    }

    let headers = request.header_refs();
    let head = request.head(&headers);
    let (index, tables) = (tables.deciding(request), tables.as_slice());
    let Some(table) = tables.get(index) else { return Ok(Report { err, ..Report::default() }) };
    let explained = table.compiled.table.explain(&head);
    let explanation = explain_decision(&table.compiled.table, &explained.decision, request, &[]);
    let reasons = Reasons {
        table: (tables.len() > 1).then_some(table),
        passed: tables[..index].iter().map(|table| Passed::new(table, &head)).collect(),
        reason: reason(table, &explained.decision, &head),
        unsafe_part: match explained.decision.outcome() {
            Outcome::UnsafePath => table.compiled.table.unsafe_part(&head),
            _ => None,
        },
        considered: &explained.considered,
        nearest: match explained.decision.outcome() {
            Outcome::NotFound => nearest(table, request),
            _ => Vec::new(),
        },
    };
    let out = match format {
        Format::Text => reasons.as_lines(&explanation),
        _ => pretty(&reasons.to_json(&explanation)),
    };
    Ok(Report { out, err, success: errors.is_empty() })
}

/// What is known of a decision beside the decision itself.
struct Reasons<'a> {
    /// The table that decides, if there are several.
    table: Option<&'a Table>,
    /// The tables that were asked before it.
    passed: Vec<Passed<'a>>,
    reason: Option<String>,
    unsafe_part: Option<UnsafePart<'a>>,
    considered: &'a [ConsideredRoute<'a>],
    /// The methods and the path, and the name of each of the nearest routes.
    nearest: Vec<(String, &'a str)>,
}

/// A table that left the request to the next one.
struct Passed<'a> {
    table: &'a Table,
    outcome: &'static str,
    reason: Option<String>,
}

impl<'a> Passed<'a> {
    fn new(table: &'a Table, head: &Head<'_>) -> Self {
        let decision = table.compiled.table.decide(head, || false);
        Self { table, outcome: decision.outcome().as_str(), reason: reason(table, &decision, head) }
    }
}

/// Returns why a request is left untouched or is unsafe.
fn reason(table: &Table, decision: &Decision<'_>, head: &Head<'_>) -> Option<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let key = |key: &str| table.configuration.node.as_ref().and_then(|node| node.get(key));
    match decision {
        Decision::Untouched(Untouched::OutOfScope) => Some(match table.compiled.table.out_of_scope(head)? {
            OutOfScope::NoPath => "the request has no path".to_owned(),
            OutOfScope::Host => {
                let hosts = key("hosts").map(|hosts| hosts.items()).unwrap_or_default();
                let hosts: Vec<&str> = hosts.iter().filter_map(|host| host.text()).collect();
                let host = text(head.authority.unwrap_or_default());
                format!("the host {host:?} is not in `hosts`, which has {}", hosts.join(", "))
            }
            OutOfScope::BasePath => {
                let base = key("basePath").and_then(|base| base.text()).unwrap_or_default();
                format!("the path is not below `basePath`, which is {base}")
            }
            OutOfScope::Probe => "it is Knative's own probe of this host".to_owned(),
            OutOfScope::Challenge => "it is a challenge for a certificate, which Knative answers".to_owned(),
            OutOfScope::Server => "`OPTIONS *` is about the server, not about a path".to_owned(),
            _ => return None,
        }),
        Decision::Untouched(_) => Some("no route matches, and `onNoMatch` is `passThrough`".to_owned()),
        Decision::Answer(answer) if answer.outcome == Outcome::UnsafePath => {
            // The filter tells the client the reason in the same words.
            let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            body["detail"].as_str().map(str::to_owned)
        }
        _ => None,
    }
}

fn nearest<'t>(table: &'t Table, request: &Request) -> Vec<(String, &'t str)> {
    let path = String::from_utf8_lossy(request.path.as_deref().unwrap_or_default());
    let base = table.configuration.node.as_ref().and_then(|node| node.text_at("basePath")).unwrap_or_default();
    let lines = nearest_routes(&table.compiled.table, base, &path);
    lines.into_iter().map(|line| (format!("{} {}", line.methods, line.path), line.route)).collect()
}

impl Reasons<'_> {
    fn to_json(&self, explanation: &Explanation) -> Value {
        let mut object = explanation.to_json();
        let named = |table: &Table| json!({"name": table.name(), "file": table.configuration.source.name, "line": table.configuration.at.start.line});
        if let Some(table) = self.table {
            object["table"] = named(table);
            object["passed"] = self
                .passed
                .iter()
                .map(|passed| {
                    let mut of = named(passed.table);
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

    /// Formats the fields and their values in two columns, then the routes in the order in which they were considered.
    fn as_lines(&self, explanation: &Explanation) -> String {
        let mut rows: Vec<(&str, String)> = Vec::new();
        for Passed { table, outcome, reason } in &self.passed {
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            rows.push(("passed", format!("{} ({}): {outcome}{reason}", table.name(), table.place())));
        }
        rows.extend(self.table.map(|table| ("table", format!("{} ({})", table.name(), table.place()))));
        let object = explanation.to_json();
        for (field, value) in object.as_object().into_iter().flatten() {
            rows.extend(field_rows(explanation, field, value));
        }
        rows.extend(self.reason.clone().map(|reason| ("reason", reason)));
        if let Some(UnsafePart { index, bytes, what }) = &self.unsafe_part {
            let shown = match bytes {
                [] => String::new(),
                [byte] => format!(" (0x{byte:02X})"),
                more => format!(" ({})", String::from_utf8_lossy(more)),
            };
            rows.push(("byte", format!("{index}{shown}: {what}")));
        }
        let mut out = String::new();
        for (field, value) in rows {
            // Writing to a string can't fail.
            let _ = writeln!(out, "{field:<10} {}", clean(&value));
        }
        let considered = self.considered.iter().map(|c| (named(c.matched, c.route), c.result.to_string()));
        out += &listed("considered", &considered.collect::<Vec<_>>());
        let nearest = self.nearest.iter().map(|(path, route)| (path.clone(), (*route).to_owned()));
        out += &listed("nearest", &nearest.collect::<Vec<_>>());
        out
    }
}

/// Returns the rows of a field of the explanation.
fn field_rows<'f>(explanation: &Explanation, field: &'f str, value: &Value) -> Vec<(&'f str, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match value {
        Value::Object(_) if field == "requestHeaders" => {
            let changes = explanation.changes.iter().filter(|(of, _)| *of == "request");
            let changes = changes.filter_map(|(_, change)| change.split_once(' '));
            let verbs = ["set", "add", "remove"];
            let row = |(verb, header): (&str, &str)| {
                verbs.into_iter().find(|known| *known == verb).map(|verb| (verb, header.to_owned()))
            };
            changes.filter_map(row).collect()
        }
        Value::Object(headers) if field == "responseHeaders" => {
            let lines = headers.iter().flat_map(|(name, value)| {
                let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                values.iter().map(move |value| format!("{name}: {}", value.as_str().unwrap_or_default()))
            });
            lines.map(|line| ("response", line)).collect()
        }
        Value::Object(params) => {
            params.iter().map(|(name, value)| ("param", format!("{name} = {}", text(value)))).collect()
        }
        Value::String(text) => vec![(field, text.clone())],
        other => vec![(field, other.to_string())],
    }
}

/// Returns the name of a route that was considered. A `match` that can't be read has no text; then the name is the place
/// of the route.
fn named(matched: &str, route: &str) -> String {
    match matched {
        "" => route.to_owned(),
        matched if matched == route => matched.to_owned(),
        matched => format!("{matched} ({route})"),
    }
}

/// Formats rows of two columns under a title; nothing if there are no rows.
fn listed(title: &str, rows: &[(String, String)]) -> String {
    let rows: Vec<_> = rows.iter().map(|(left, right)| (clean(left), clean(right))).collect();
    let width = rows.iter().map(|(left, _)| left.chars().count()).max().unwrap_or_default();
    let mut out = if rows.is_empty() { String::new() } else { format!("{title}\n") };
    for (left, right) in rows {
        // Writing to a string can't fail.
        let _ = writeln!(out, "  {left:<width$}  {right}");
    }
    out
}

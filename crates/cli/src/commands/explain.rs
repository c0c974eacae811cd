//! `explain FILE METHOD URL`: prints the decision about a request, and the routes that were considered.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::Path;

use ksvc_router_cli::explanation::{Explanation, explain_decision};
use ksvc_router_cli::message::{Message, as_text};
use ksvc_router_cli::request::Request;
use ksvc_routing::ConsideredRoute;
use serde_json::Value;

use super::{CallError, Report, load_one, pretty, refuse};
use crate::args::Format;

pub(super) fn request(method: OsString, url: &OsStr, headers: &[OsString]) -> Result<Request, CallError> {
    let mut request = Request::new(method.into_encoded_bytes(), url.as_encoded_bytes());
    for line in headers {
        request.add_header_line(line.as_encoded_bytes()).map_err(CallError::Header)?;
    }
    Ok(request)
}

pub(super) fn run(file: &Path, request: &Request, format: Format) -> Result<Report, CallError> {
    let configuration = match load_one(file)? {
        Ok(configuration) => configuration,
        Err(messages) => return Ok(refuse(&messages, format)),
    };
    let (compiled, messages) = configuration.compile();
    let errors: Vec<Message> = messages.into_iter().filter(Message::is_error).collect();
    let mut err = as_text(&errors);
    if !errors.is_empty() {
        err += "The configuration has errors. This is what a gateway that starts with it does.\n";
    }
    if request.authority.is_none() {
        err += "The URL has no host; write it as https://HOST/PATH.\n";
    }

    let headers = request.header_refs();
    let explained = compiled.table.explain(&request.head(&headers));
    let explanation = explain_decision(&compiled.table, &explained.decision, request, &[]);
    let out = match format {
        Format::Text => as_lines(&explanation, &explained.considered),
        _ => pretty(&explanation.to_json()),
    };
    Ok(Report { out, err, success: errors.is_empty() })
}

/// Formats the fields and their values in two columns, then the routes in the order in which they were considered.
fn as_lines(explanation: &Explanation, considered: &[ConsideredRoute<'_>]) -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    let object = explanation.to_json();
    for (field, value) in object.as_object().into_iter().flatten() {
        match value {
            Value::Object(_) if field == "requestHeaders" => {
                let changes = explanation.changes.iter().filter(|(of, _)| *of == "request");
                let changes = changes.filter_map(|(_, change)| change.split_once(' '));
                rows.extend(changes.map(|(verb, header)| (verb, header.to_owned())));
            }
            Value::Object(headers) if field == "responseHeaders" => {
                for (name, value) in headers {
                    let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                    let line = |value: &Value| format!("{name}: {}", value.as_str().unwrap_or_default());
                    rows.extend(values.iter().map(|value| ("response", line(value))));
                }
            }
            Value::Object(params) => {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                rows.extend(params.iter().map(|(name, value)| ("param", format!("{name} = {}", text(value)))));
            }
            Value::String(text) => rows.push((field, text.clone())),
            other => rows.push((field, other.to_string())),
        }
    }
    let mut out = String::new();
    for (field, value) in rows {
        // Writing to a string can't fail.
        let _ = writeln!(out, "{field:<10} {value}");
    }

    // A `match` that can't be read has no text; then the name is the place of the route.
    let name = |c: &ConsideredRoute<'_>| match c.matched {
        "" => c.route.to_owned(),
        matched if matched == c.route => matched.to_owned(),
        matched => format!("{matched} ({})", c.route),
    };
    let width = considered.iter().map(|c| name(c).chars().count()).max().unwrap_or_default();
    if !considered.is_empty() {
        out += "considered\n";
    }
    for c in considered {
        let _ = writeln!(out, "  {:<width$}  {}", name(c), c.result);
    }
    out
}

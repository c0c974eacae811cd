//! `explain FILE METHOD URL`: prints the decision about a request, and the reasons.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::Path;

use ksvc_explanation::decision::Explanation;
use ksvc_explanation::gateway::{NamedTable, Passed, Reasons, explain};
use ksvc_explanation::request::Request;
use ksvc_router_cli::load::load_tables;
use ksvc_router_cli::message::as_text;
use ksvc_router_cli::tables::{Table, Tables};
use ksvc_router_cli::words::clean;
use ksvc_routing::UnsafePart;
use serde_json::Value;

use super::{CallError, Report, pretty, refuse};
use ksvc_router_cli::args::Format;

pub(super) fn request(method: OsString, url: &OsStr, headers: &[OsString]) -> Result<Request, CallError> {
    let request = Request::checked(method.into_encoded_bytes(), url.as_encoded_bytes());
    let mut request = request.map_err(CallError::Method)?;
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

    let named: Vec<NamedTable<'_>> = tables.as_slice().iter().map(Table::named).collect();
    let headers = request.header_refs();
    let head = request.head(&headers);
    let Some(reasons) = explain(&named, request, &head) else { return Ok(Report { err, ..Report::default() }) };
    let out = match format {
        Format::Text => as_lines(&reasons),
        _ => pretty(&reasons.to_json()),
    };
    Ok(Report { out, err, success: errors.is_empty() })
}

/// Formats the fields and their values in two columns, then the routes in the order in which they were considered.
fn as_lines(reasons: &Reasons<'_>) -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    for Passed { table, outcome, reason } in &reasons.passed {
        let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        rows.push(("passed", format!("{} ({}): {outcome}{reason}", table.name, table.place())));
    }
    rows.extend(reasons.table.map(|table| ("table", format!("{} ({})", table.name, table.place()))));
    let object = reasons.decision.to_json();
    for (field, value) in object.as_object().into_iter().flatten() {
        rows.extend(field_rows(&reasons.decision, field, value));
    }
    rows.extend(reasons.reason.clone().map(|reason| ("reason", reason)));
    if let Some(UnsafePart { index, bytes, what }) = &reasons.unsafe_part {
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
    let considered = reasons.considered.iter().map(|c| (named(c.matched, c.route), c.result.to_string()));
    out += &listed("considered", &considered.collect::<Vec<_>>());
    let nearest = reasons.nearest.iter().map(|(path, route)| (path.clone(), (*route).to_owned()));
    out += &listed("nearest", &nearest.collect::<Vec<_>>());
    out
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

//! Messages in the formats of other programs: workflow commands of GitHub Actions, and SARIF 2.1.0.

use std::fmt::Write as _;
use std::path::Path;

use ksvc_routing::Severity;
use serde_json::{Value, json};

use crate::catalogue;
use crate::message::{Message, Other};
use crate::source::position::{Position, Span};
use crate::words::clean;

/// Returns messages as workflow commands, which GitHub Actions shows beside the lines of a pull request
/// (<https://docs.github.com/actions/reference/workflow-commands-for-github-actions>).
pub fn as_github(messages: &[Message]) -> String {
    let mut text = String::new();
    for message in messages {
        let Span { start, end } = message.span;
        let file = escape_property(relative(&message.source.name));
        // Writing to a string can't fail.
        let _ = write!(text, "::{} file={file},line={},col={}", message.severity_word(), start.line, start.column);
        if let Some(end) = last_column(message.span) {
            let _ = write!(text, ",endLine={},endColumn={end}", start.line);
        } else if end.line > start.line {
            let _ = write!(text, ",endLine={}", end.line);
        }
        let words = escape_data(&clean(&message.words()));
        let _ = writeln!(text, ",title={}::{words} [{}]", escape_property(message.code), message.code);
    }
    text
}

pub(crate) fn escape_data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

pub(crate) fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Returns the column of the last character of a span on one line.
fn last_column(span: Span) -> Option<usize> {
    (span.end.line == span.start.line && span.end.column > span.start.column).then(|| span.end.column - 1)
}

/// Returns messages as a log in the Static Analysis Results Interchange Format
/// (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>).
pub fn as_sarif(messages: &[Message]) -> Value {
    let kinds: Vec<_> =
        catalogue::kinds().into_iter().filter(|kind| messages.iter().any(|m| m.code == kind.code)).collect();
    let rules = kinds.iter().map(|kind| {
        json!({
            "id": kind.code,
            "shortDescription": {"text": first_sentence(kind.explanation)},
            "fullDescription": {"text": kind.explanation},
            "help": {"text": kind.explanation, "markdown": kind.explanation},
            "defaultConfiguration": {"level": level(kind.severity)},
        })
    });
    let results = messages.iter().map(|message| {
        let mut result = json!({
            "ruleId": message.code,
            "level": level(message.severity),
            "message": {"text": message.words()},
            "locations": [location(&message.source.name, message.span)],
        });
        if let Some(index) = kinds.iter().position(|kind| kind.code == message.code) {
            result["ruleIndex"] = index.into();
        }
        if let Some(Other { source, at, place }) = &message.other {
            let mut other = location(&source.name, Span::point(*at));
            other["id"] = 1.into();
            other["message"] = json!({"text": place});
            result["relatedLocations"] = json!([other]);
        }
        result
    });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "ksvc-router",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.collect::<Value>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Value>(),
        }],
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn first_sentence(text: &str) -> &str {
    text.find(". ").map_or(text, |end| &text[..=end])
}

fn location(file: &str, span: Span) -> Value {
    let Position { line, column } = span.start;
    let mut region = json!({"startLine": line, "startColumn": column});
    if !span.is_empty() {
        region["endLine"] = span.end.line.into();
        region["endColumn"] = span.end.column.into();
    }
    json!({"physicalLocation": {"artifactLocation": {"uri": uri(file)}, "region": region}})
}

/// Returns the path of a file as a URI: relative to the working folder for a file below it.
fn uri(file: &str) -> String {
    let file = relative(file);
    let mut uri = if file.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in file.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            other => {
                // Writing to a string can't fail.
                let _ = write!(uri, "%{other:02X}");
            }
        }
    }
    uri
}

/// Returns a path relative to the working folder, if the file is below it.
pub(crate) fn relative(file: &str) -> &str {
    let folder = std::env::current_dir().unwrap_or_default();
    let below = Path::new(file).strip_prefix(&folder).ok().and_then(Path::to_str).unwrap_or(file);
    below.strip_prefix("./").unwrap_or(below)
}

//! Reads the configuration out of the protobuf `Any` in an Envoy configuration, and reports if it would not reach the
//! plugin as JSON text.
//!
//! Envoy unwraps only StringValue and BytesValue. For every other message the plugin gets the bytes of its protobuf
//! encoding, whatever Envoy's documentation says of Struct (seen on 1.36.4, 1.39.3 and 1.40.0).

use std::fmt;
use std::sync::Arc;

use crate::kind::{MessageKind, UNDELIVERED_TABLE, UNKNOWN_MANIFEST_KEY};
use crate::source::position::{Position, Span};
use crate::yaml::{self, Node, Origin, Value, YamlProblem};

const STRING_VALUE: &str = "google.protobuf.StringValue";
const BYTES_VALUE: &str = "google.protobuf.BytesValue";

/// An error that keeps a configuration from the plugin.
#[derive(Debug, Clone)]
pub struct DeliveryError {
    pub at: Span,
    pub what: Undelivered,
}

/// Why a configuration would not reach the plugin as it is written. `Display` also says what to write instead.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Undelivered {
    /// The configuration is under a key that is meant as `pluginConfig`.
    Misspelt { key: String },
    /// The configuration is beside `spec`.
    Misplaced,
    /// The message is not a StringValue but a message of this type, or of no type.
    Type { found: Option<String> },
    /// A StringValue whose value is not text.
    NotText,
    /// Text that is not JSON, with the JSON parser's message.
    NotJson { message: String },
    /// JSON text that this program does not read, such as lists nested a hundred levels deep.
    Unread(YamlProblem),
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remedy = format_args!(
            "write `type.googleapis.com/{STRING_VALUE}`, and below `value: |` the configuration as JSON text"
        );
        match self {
            Self::Misspelt { key } => write!(f, "unknown key `{key}`; did you mean `pluginConfig`?"),
            Self::Misplaced => f.write_str("unknown key `pluginConfig`; write it below `spec`"),
            Self::Type { found: Some(found) } if found == BYTES_VALUE => {
                write!(f, "a BytesValue holds base64, which can't be checked here; {remedy}")
            }
            Self::Type { found: Some(found) } => write!(
                f,
                "Envoy hands a `{found}` to the plugin in protobuf's encoding, which is not JSON, so the table would never \
                 load; {remedy}"
            ),
            Self::Type { found: None } => write!(f, "Envoy does not accept `configuration` without `@type`; {remedy}"),
            Self::NotText => f.write_str(
                "a StringValue holds text, but this value is not text; write `value: |` and below it the configuration as \
                 JSON text",
            ),
            Self::NotJson { message } => write!(
                f,
                "the plugin gets this text as it is, and it is not JSON: {message}; write JSON, with every key and string \
                 in double quotes and no comma after the last element"
            ),
            Self::Unread(problem) => problem.fmt(f),
        }
    }
}

impl Undelivered {
    pub(crate) fn kind(&self) -> MessageKind {
        match self {
            Self::Misspelt { .. } | Self::Misplaced => UNKNOWN_MANIFEST_KEY,
            _ => UNDELIVERED_TABLE,
        }
    }
}

/// Returns the configuration in a protobuf `Any`, whose message is under `value`, and why it would not reach the
/// plugin.
pub(super) fn read(any: &Node) -> (Option<Arc<Node>>, Vec<DeliveryError>) {
    let value = any.get("value").filter(|value| !value.is_null());
    let kind = any.get("@type");
    let name = kind.and_then(|kind| kind.text()).and_then(|url| url.rsplit('/').next());
    let mut errors = Vec::new();
    if name != Some(STRING_VALUE) {
        let what = Undelivered::Type { found: name.map(str::to_owned) };
        errors.push(DeliveryError { at: kind.map_or(any.span, |kind| kind.span), what });
    } else if let Some(value) = value.filter(|value| value.text().is_none()) {
        errors.push(DeliveryError { at: value.span, what: Undelivered::NotText });
    }
    let node = match value.map(|value| (&value.value, value.span)) {
        Some((Value::Text { .. }, _)) if name == Some(BYTES_VALUE) => None,
        Some((Value::Text { text, style }, span)) => read_text(text, Origin::of_text(text, *style, span), &mut errors),
        _ => value.cloned(),
    };
    (node, errors)
}

/// Reads the configuration from the text that the plugin gets. The text is read as YAML even though it has to be JSON:
/// that gives positions, and the other errors in it can be reported too.
fn read_text(text: &str, origin: Origin, errors: &mut Vec<DeliveryError>) -> Option<Arc<Node>> {
    let read = yaml::parse(text, origin);
    let is_empty = matches!(&read, Ok(documents) if documents.is_empty());
    match serde_json::from_str::<serde_json::Value>(text) {
        Err(error) if !is_empty => {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default().to_owned();
            let at = origin.span(Span::point(position(text, &error)));
            errors.push(DeliveryError { at, what: Undelivered::NotJson { message } });
        }
        _ => errors.extend(
            read.as_ref()
                .err()
                .map(|error| DeliveryError { at: error.at, what: Undelivered::Unread(error.what.clone()) }),
        ),
    }
    read.ok().and_then(|documents| documents.into_iter().next())
}

/// Returns the position of a JSON error, whose column is a number of bytes.
fn position(text: &str, error: &serde_json::Error) -> Position {
    let line = error.line().max(1);
    let bytes = error.column().saturating_sub(1);
    let before = text.lines().nth(line - 1).and_then(|line| line.get(..bytes));
    Position { line, column: before.map_or(bytes, |before| before.chars().count()) + 1 }
}

//! How the JSON text of a table is written, so that people can read it and a change of a route is a change of its line.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;
use serde_saphyr::LitStr;

/// Returns a table as JSON with one key, and one route, on a line.
pub(super) fn json(table: &Value) -> String {
    let Value::Object(entries) = table else { return table.to_string() + "\n" };
    let entry = |(key, value): (&String, &Value)| {
        let key = Value::from(key.as_str());
        match value {
            Value::Array(routes) if key == "routes" && !routes.is_empty() => {
                let routes: Vec<String> = routes.iter().map(|route| format!("    {route}")).collect();
                format!("  {key}: [\n{}\n  ]", routes.join(",\n"))
            }
            value => format!("  {key}: {value}"),
        }
    };
    let entries: Vec<String> = entries.iter().map(entry).collect();
    format!("{{\n{}\n}}\n", entries.join(",\n"))
}

/// Serializes a value for YAML, with the text of a table as a literal block.
pub(super) struct Readable<'v>(pub(super) &'v Value);

impl Serialize for Readable<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::String(text) if is_block(text) => LitStr(text).serialize(serializer),
            Value::Array(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Readable(item))?;
                }
                list.end()
            }
            Value::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, &Readable(value))?;
                }
                map.end()
            }
            other => other.serialize(serializer),
        }
    }
}

/// Returns whether a literal block of YAML is read as this text again: each line is written as it is, and one line ending
/// stands at the end.
fn is_block(text: &str) -> bool {
    let is_plain =
        |c: char| c == '\n' || !(c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}'));
    let body = text.strip_suffix('\n').unwrap_or_default();
    body.contains('\n') && !body.ends_with('\n') && text.starts_with('{') && text.chars().all(is_plain)
}

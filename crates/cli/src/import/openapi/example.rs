//! Values for the parameters of an operation: those of its examples, or else plausible ones of its type.

use serde_json::Value;

use super::document::Located;
use super::operation::Parameter;
use super::reference::Resolver;

/// How many schemas are looked at for one parameter. A schema can refer to itself many times.
const SCHEMAS: usize = 64;

/// Returns values for a parameter, the best one first. There is at least one that no document has, because a request with
/// `me` in place of an id may be another operation's.
pub(super) fn values(parameter: Option<&Parameter>, name: &str, resolver: &mut Resolver) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(parameter) = parameter {
        examples(&parameter.written, &mut found, resolver);
        let of_content = parameter.written.get("content").and_then(|content| {
            let media = content.node.entries().first().map(|entry| content.with(&entry.value))?;
            examples(&media, &mut found, resolver);
            media.get("schema")
        });
        if let Some(schema) = parameter.written.get("schema").or(of_content) {
            let mut remaining = SCHEMAS;
            of_schema(&schema, &mut found, resolver, &mut remaining);
        }
    }
    let word: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let word = if word.is_empty() { "value".to_owned() } else { word.to_ascii_lowercase() };
    found.extend(["1".to_owned(), format!("{word}-1"), format!("example-{word}-7"), "x9".to_owned(), "7z4".to_owned()]);
    found.retain(|value| !value.is_empty());
    let mut seen = std::collections::HashSet::new();
    found.retain(|value| seen.insert(value.clone()));
    found
}

/// Adds the examples that an object has: `example`, and those of `examples`, by name or, in a schema, as a list.
fn examples(value: &Located, found: &mut Vec<String>, resolver: &mut Resolver) {
    found.extend(value.get("example").and_then(|example| as_text(&example.node.to_value())));
    let Some(named) = value.get("examples") else { return };
    found.extend(named.items().filter_map(|example| as_text(&example.node.to_value())));
    for entry in named.node.entries() {
        let Some(example) = resolver.resolve(&named.with(&entry.value)) else { continue };
        // From OpenAPI 3.2 on, `dataValue` is the value and `serializedValue` its form in a request.
        let value = ["value", "dataValue"].into_iter().find_map(|key| example.get(key));
        found.extend(value.and_then(|value| as_text(&value.node.to_value())));
    }
}

/// Adds the values that a schema says, and one of its type. `remaining` is the number of schemas that are still looked at.
fn of_schema(schema: &Located, found: &mut Vec<String>, resolver: &mut Resolver, remaining: &mut usize) {
    let Some(fewer) = remaining.checked_sub(1) else { return };
    *remaining = fewer;
    let Some(schema) = resolver.resolve(schema) else { return };
    examples(&schema, found, resolver);
    for key in ["const", "default"] {
        found.extend(schema.get(key).and_then(|value| as_text(&value.node.to_value())));
    }
    found.extend(schema.node.list("enum").iter().take(8).filter_map(|value| as_text(&value.to_value())));
    for key in ["allOf", "oneOf", "anyOf"] {
        for alternative in schema.node.list(key) {
            of_schema(&schema.with(alternative), found, resolver, remaining);
        }
    }
    // In OpenAPI 3.1, a type may be a list such as `[string, "null"]`.
    let kind = schema.node.get("type").map(|kind| kind.items().first().unwrap_or(kind).text().unwrap_or_default());
    let number = |key: &str| schema.node.get(key).and_then(|value| value.to_value().as_f64());
    match kind.unwrap_or_default() {
        "integer" => found.push((number("minimum").unwrap_or(1.0).max(1.0)).ceil().to_string()),
        "number" => found.push(number("minimum").unwrap_or(1.0).max(1.0).to_string()),
        "boolean" => found.push("true".to_owned()),
        "string" => found.extend(of_format(schema.node.text_at("format").unwrap_or_default()).map(str::to_owned)),
        "array" => {
            if let Some(items) = schema.get("items") {
                of_schema(&items, found, resolver, remaining);
            }
        }
        _ => {}
    }
}

/// Returns a value for a format of JSON Schema or of OpenAPI's registry.
fn of_format(format: &str) -> Option<&'static str> {
    Some(match format {
        "uuid" => "123e4567-e89b-42d3-a456-426614174000",
        "date" => "2026-01-31",
        "date-time" => "2026-01-31T12:00:00Z",
        "time" => "12:00:00Z",
        "duration" => "P1D",
        "email" | "idn-email" => "user@example.com",
        "hostname" | "idn-hostname" => "host.example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        "byte" => "aGVsbG8=",
        "int32" | "int64" => "1",
        _ => return None,
    })
}

/// Returns a value as a parameter has it in the style `simple`: the elements of a list joined by commas.
fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(items) => Some(items.iter().filter_map(as_text).collect::<Vec<_>>().join(",")),
        Value::Object(fields) => {
            let pairs = fields.iter().filter_map(|(name, value)| Some(format!("{name},{}", as_text(value)?)));
            Some(pairs.collect::<Vec<_>>().join(","))
        }
    }
}

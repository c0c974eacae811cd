//! The bytes that Envoy hands to the plugin. Their hash tells which table a gateway serves.
//!
//! Own code: istiod makes JSON of `pluginConfig` by Go's `jsonpb`, which sorts keys, turns every number into a float, and
//! escapes `<`, `>` and `&`. No crate writes JSON like this, and one byte more would be another hash.

use std::fmt::Write as _;

use serde_json::Value;

/// Returns the text that istiod makes of a `pluginConfig`.
pub(crate) fn as_istiod(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(number.as_f64().unwrap_or_default(), out),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(entries) => {
            let mut entries: Vec<(&String, &Value)> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, value)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(key, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

/// Writes a number as Go's `encoding/json` does: the shortest digits, with an exponent only if it is very small or very
/// large.
fn write_number(number: f64, out: &mut String) {
    let size = number.abs();
    // Writing to a string can't fail.
    let _ = if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{number:e}");
        let positive = text.contains('e') && !text.contains("e-");
        write!(out, "{}", if positive { text.replace('e', "e+") } else { text })
    } else {
        write!(out, "{number}")
    };
}

/// Writes a string as Go's `encoding/json` does, with the escapes for HTML.
fn write_string(text: &str, out: &mut String) {
    // `Display` of a JSON string writes it with quotes and the escapes of JSON.
    for character in Value::from(text).to_string().chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::as_istiod;

    #[test]
    fn keys_are_sorted_and_numbers_are_floats() {
        let table = json!({"b": [308, 1.0, 0.5, -0.25], "a": {"z": true, "Z": null}, "ä": "x"});
        assert_eq!(as_istiod(&table), r#"{"a":{"Z":null,"z":true},"b":[308,1,0.5,-0.25],"ä":"x"}"#);
    }

    #[test]
    fn numbers_have_an_exponent_where_go_writes_one() {
        let numbers = json!([1e21, 1e20, 1e-7, 1e-6, 1.5e300, 0, 1e-9]);
        assert_eq!(as_istiod(&numbers), "[1e+21,100000000000000000000,1e-7,0.000001,1.5e+300,0,1e-9]");
    }

    #[test]
    fn strings_have_the_escapes_of_html() {
        assert_eq!(as_istiod(&json!("<a href=\"x\">&\n\u{2028}")), r#""\u003ca href=\"x\"\u003e\u0026\n\u2028""#);
    }
}

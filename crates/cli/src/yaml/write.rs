//! Writes values as YAML text that `kubectl` and [`parse`](super::parse) read as the same values.

use serde::Serialize;
use serde_saphyr::ser_options;

/// Returns the YAML text of a value. The keys stand in the order of the value.
pub fn write(value: &impl Serialize) -> Result<String, serde_saphyr::ser::Error> {
    // A long text stays on its line, so that a change of a word is a change of one line.
    let options = ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(value, options)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::write;
    use crate::yaml::{Origin, parse};

    #[test]
    fn what_is_written_is_read_as_the_same_values() {
        let words = [
            "",
            "y",
            "Y",
            "n",
            "N",
            "yes",
            "No",
            "on",
            "ON",
            "off",
            "true",
            "False",
            "null",
            "Null",
            "~",
            "1",
            "-1",
            "0x1F",
            "0o7",
            "017",
            "1e3",
            "1_000",
            ".5",
            "5.",
            "+.inf",
            ".nan",
            "1:30",
            "190:20:30",
            "2026-11-26",
            "<<",
            "=",
            "-",
            "- a",
            "?",
            ": ",
            "a: b",
            "a #b",
            "#a",
            "*",
            "*a",
            "&a",
            "!a",
            "|",
            ">",
            "%a",
            "@a",
            "`a",
            "{id}",
            "{",
            "[a]",
            "GET /a/{id}",
            "a\nb",
            "a\n",
            "\n",
            " a",
            "a ",
            "\t",
            "\u{0}",
            "\u{85}",
            "a\u{a0}b",
            "\u{feff}",
            "\u{2028}",
            "ä",
            "🎉",
            "\"",
            "'",
            "\\",
            "'a'",
            "---",
            "...",
            "a\r\nb",
        ];
        let wrong: Vec<_> = words
            .iter()
            .flat_map(|word| [json!({"key": word}), json!({*word: 1}), json!([word])])
            .filter(|value| {
                let text = write(value).unwrap();
                let read = parse(&text, Origin::File).map(|documents| documents[0].to_value());
                read.ok().as_ref() != Some(value)
            })
            .collect();
        assert_eq!(wrong, [Value::Null; 0]);
    }
}

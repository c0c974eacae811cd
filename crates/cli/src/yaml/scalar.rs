//! Resolves a word without quotes by the rules of `kubectl`, so that `no` is a boolean here if and only if it is a
//! boolean in the cluster.
//!
//! Own code because YAML crates follow YAML 1.2. Source: `resolve.go` of go.yaml.in/yaml/v2, which sigs.k8s.io/yaml and
//! so `kubectl` use. It is YAML 1.1 with the deviations noted below.

use serde_json::Number;

/// The meaning of a plain scalar.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Resolved {
    Null,
    Bool(bool),
    Number(Number),
    /// A number that JSON can't represent: infinity or NaN.
    NotJson,
    Text,
}

/// Resolves the plain scalar `word`.
pub(super) fn resolve(word: &str) -> Resolved {
    match word {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Resolved::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Resolved::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Resolved::NotJson,
        _ if matches!(word.trim_start_matches(['+', '-']), ".inf" | ".Inf" | ".INF") && word.len() <= 5 => {
            return Resolved::NotJson;
        }
        _ => {}
    }
    let number = match word.as_bytes()[0] {
        b'.' => fraction(word),
        b'0'..=b'9' | b'+' | b'-' => {
            let digits = word.replace('_', "");
            integer(&digits).or_else(|| float(&digits))
        }
        _ => None,
    };
    number.map_or(Resolved::Text, Resolved::Number)
}

/// Returns whether a word is a boolean in YAML 1.1 and a string in YAML 1.2.
pub(super) fn is_boolean_of_yaml_1_1_only(word: &str) -> bool {
    word.len() <= 3 && matches!(resolve(word), Resolved::Bool(_))
}

/// Parses an integer of at most 64 bits, with Go's base prefixes: `0x1F`, `0b11`, `0o17` and `017`.
fn integer(digits: &str) -> Option<Number> {
    let (negative, unsigned) = match digits.as_bytes().first()? {
        b'-' => (true, &digits[1..]),
        b'+' => (false, &digits[1..]),
        _ => (false, digits),
    };
    let (radix, unsigned) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &unsigned[2..]),
        [b'0', b'b' | b'B', ..] => (2, &unsigned[2..]),
        [b'0', b'o' | b'O', ..] => (8, &unsigned[2..]),
        [b'0', _, ..] => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    if !unsigned.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return None;
    }
    let magnitude = u64::from_str_radix(unsigned, radix).ok()?;
    if negative { Some(0i64.checked_sub_unsigned(magnitude)?.into()) } else { Some(magnitude.into()) }
}

/// Parses `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`. A number too large for a double is text.
fn float(digits: &str) -> Option<Number> {
    let numeric = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let value: f64 = numeric.then(|| digits.parse().ok()).flatten()?;
    Number::from_f64(value)
}

/// Parses a number with a leading dot. There go-yaml does not remove underscores, and Go's parser accepts each of them
/// only between two digits.
fn fraction(word: &str) -> Option<Number> {
    let between =
        word.as_bytes().windows(3).filter(|w| w[1] == b'_').all(|w| w[0].is_ascii_digit() && w[2].is_ascii_digit());
    if !between || word.starts_with("._") || word.ends_with('_') {
        return None;
    }
    float(&word.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use super::{Resolved, resolve};

    fn json(word: &str) -> String {
        match resolve(word) {
            Resolved::Null => "null".into(),
            Resolved::Bool(value) => value.to_string(),
            Resolved::Number(number) => number.to_string(),
            Resolved::NotJson => "not JSON".into(),
            Resolved::Text => format!("{word:?}"),
        }
    }

    /// Each expected value is the output of sigs.k8s.io/yaml v1.6.0.
    #[test]
    fn plain_words_mean_what_kubectl_makes_of_them() {
        for (word, meaning) in [
            ("yes", "true"),
            ("y", "true"),
            ("On", "true"),
            ("NO", "false"),
            ("n", "false"),
            ("off", "false"),
            ("yEs", r#""yEs""#),
            ("~", "null"),
            ("", "null"),
            ("Null", "null"),
            ("0o14", "12"),
            ("014", "12"),
            ("089", "89.0"),
            ("0_7", "7"),
            ("1_000", "1000"),
            ("0x1F", "31"),
            ("0x_1F", "31"),
            ("-0x1F", "-31"),
            ("0b11", "3"),
            ("0B11", "3"),
            ("-0b11", "-3"),
            ("+1", "1"),
            ("1.", "1.0"),
            ("1e3", "1000.0"),
            (".5", "0.5"),
            (".1_0", "0.1"),
            ("._5", r#""._5""#),
            ("1_0.5", "10.5"),
            ("_1", r#""_1""#),
            ("1e400", r#""1e400""#),
            ("0x1p4", r#""0x1p4""#),
            ("18446744073709551615", "18446744073709551615"),
            ("99999999999999999999", "1e+20"),
            ("2001-01-01", r#""2001-01-01""#),
            ("12:30", r#""12:30""#),
            ("1.2.3", r#""1.2.3""#),
            ("-", r#""-""#),
            (".infx", r#"".infx""#),
            ("-.inf", "not JSON"),
            (".nan", "not JSON"),
        ] {
            assert_eq!(json(word), meaning, "{word}");
        }
    }
}

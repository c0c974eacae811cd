//! Spellings from elsewhere, and what to write here instead.
//!
//! Users know other routers, and other tools write into their files. What they write is often not valid here, or is
//! valid and means something else. The functions of this folder take a text of the document and return the problem
//! that says what to write:
//!
//! - `methods` and `paths` look at an element of `match`;
//! - `templates` looks at `rewritePath` and the location of a redirect;
//! - `keys` looks at the keys of an object;
//! - `invisible` finds characters that nobody can see;
//! - `suggest` finds the known word that is similar to an unknown one.

pub(crate) mod invisible;
pub(crate) mod keys;
pub(crate) mod methods;
pub(crate) mod paths;
pub(crate) mod suggest;
pub(crate) mod templates;

use crate::problem::ProblemKind;

/// Looks at the text that is the value of a key, or is in a list or an object under the key. Returns its problem if it
/// has invisible characters, or if it is a template that no tool has filled in.
pub(crate) fn text(key: &str, text: &str) -> Option<ProblemKind> {
    if text.bytes().all(|byte| byte.is_ascii() && !matches!(byte, b'{' | b'$')) {
        return None;
    }
    let is_literal = match key {
        "match" | "name" | "body" => return None,
        "basePath" | "rewritePath" | "set" | "add" | "headers" | "cookies" | "query" => true,
        _ => false,
    };
    if let Some(problem) = unfilled(text).filter(|_| key != "hostTemplate") {
        return Some(problem);
    }
    // The names of headers and methods may begin with `$`.
    let is_name = matches!(key, "allowMethods" | "allowHeaders" | "exposeHeaders" | "remove");
    let has_placeholder =
        ["{{ ", "${", "$("].iter().any(|opening| text.contains(opening)) || text.starts_with('$') && !is_name;
    if !is_literal && !matches!(key, "hostTemplate" | "to") && has_placeholder {
        return Some(ProblemKind::Unfilled { found: text.to_owned() });
    }
    if is_literal { invisible::in_literal(text) } else { invisible::in_word(text) }
}

/// Returns the problem of a text with an expression of Go's template language, as in Helm's charts: `{{ .Values.x }}`.
pub(crate) fn unfilled(text: &str) -> Option<ProblemKind> {
    let is_expression = |inside: &str| {
        let inside = inside.trim_start_matches('-').trim_start();
        let word = inside.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        const WORDS: [&str; 14] = [
            "include", "template", "if", "else", "end", "range", "with", "define", "block", "tpl", "default", "quote",
            "required", "printf",
        ];
        let is_field =
            inside.strip_prefix(['.', '$']).is_some_and(|name| name.starts_with(|c: char| c.is_alphabetic()));
        is_field || (WORDS.contains(&word) && inside.len() > word.len() && !inside.starts_with(&format!("{word}}}}}")))
    };
    let found = text.split("{{").skip(1).any(is_expression) && text.contains("}}");
    found.then(|| ProblemKind::Unfilled { found: text.to_owned() })
}

/// Returns whether a text can be the name of a parameter.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

//! Looks at the methods of an element of `match`, and at its form as a whole.

use super::suggest::similar_word;
use super::{invisible, paths};
use crate::bytes::is_token;
use crate::problem::ProblemKind;

/// The methods that Envoy accepts over HTTP/1.1, from 1.36 to 1.40. It answers 400 to all others before any filter
/// runs. Source: `isMethodValid` in Envoy's `source/common/http/http1/balsa_parser.cc`. `MSEARCH` is spelt like this
/// there: `M-SEARCH` is refused.
const KNOWN_TO_ENVOY: [&str; 34] = [
    "ACL",
    "BIND",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DELETE",
    "GET",
    "HEAD",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "MSEARCH",
    "NOTIFY",
    "OPTIONS",
    "PATCH",
    "POST",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "PUT",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "TRACE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

/// The methods of RFC 9110, section 9.3, and of RFC 5789. The others of Envoy's list are rarely meant.
const STANDARD: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// Returns whether RFC 9110, section 9.3, or RFC 5789 defines a method.
pub(crate) fn is_standard(method: &str) -> bool {
    STANDARD.contains(&method)
}

/// Returns whether a word means every method in other routers. Here this is `ANY`.
pub(crate) fn means_any(word: &str) -> bool {
    word != "ANY" && (word == "*" || word.eq_ignore_ascii_case("all") || word.eq_ignore_ascii_case("any"))
}

/// Returns the warning about a method that is a token, but is probably not the one that was meant, or that Envoy refuses
/// over HTTP/1.1. Of the other methods beside it, none is proposed.
pub(crate) fn method(found: &str, others: &[&str]) -> Option<ProblemKind> {
    if is_standard(found) || KNOWN_TO_ENVOY.contains(&found) {
        return None;
    }
    let found = found.to_owned();
    let upper = found.to_ascii_uppercase();
    if is_standard(&upper) {
        return Some(ProblemKind::MethodCase { found, is_beside: others.contains(&&*upper) });
    }
    if KNOWN_TO_ENVOY.contains(&&*upper) {
        let like = KNOWN_TO_ENVOY.into_iter().find(|known| *known == upper).filter(|like| !others.contains(like));
        return Some(ProblemKind::RefusedMethod { found, like });
    }
    // `QUERY` is a method in its own right (Envoy takes it from 1.40 on).
    let like = if found == "QUERY" { None } else { similar_word(&upper, &STANDARD) };
    let like = like.filter(|like| !others.contains(like));
    Some(ProblemKind::RefusedMethod { found, like })
}

/// Looks at an element of `match` that has not the form of methods, one space and a path, or whose form nobody can see.
/// Returns the problem, whose message proposes only elements that are good, and the part of the text that is the path.
pub(crate) fn element<'t>(text: &'t str, is_good: &dyn Fn(&str) -> bool) -> Option<(ProblemKind, Option<&'t str>)> {
    // Nearly all elements are like this, and reading them must be fast.
    if text.split_once(' ').is_some_and(|(methods, path)| {
        let are_standard = methods == "ANY" || methods.split('|').all(is_standard);
        are_standard && path.starts_with('/') && paths::is_usual(path)
    }) {
        return None;
    }
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !text.contains("{{");
    if is_plain
        && !text.contains(" HTTP/")
        && text.split_once(" /").is_some_and(|(methods, _)| methods.split('|').all(is_method))
    {
        return None;
    }
    if let Some(problem) = super::unfilled(text) {
        return Some((problem, None));
    }
    let has_control = text.chars().any(char::is_control);
    // In the path of an element that has the form, such a character may be meant.
    let methods = text.split(' ').next().unwrap_or_default().chars().count();
    let hidden = invisible::find(text).filter(|(position, _)| *position <= methods || !has_form(text));
    let shown = invisible::visible(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let shown = if has_control || hidden.is_some() { shown } else { text.to_owned() };
    let rule = rule(&shown);
    let shown = rule.clone().unwrap_or(shown);
    let form = other_form(&shown);
    let write = match &form {
        Some((methods, path)) => {
            methods.as_ref().zip(paths::translated(path)).map(|(methods, path)| format!("{methods} {path}"))
        }
        None if rule.is_some() => rule.clone(),
        // A break inside a path may be any character.
        None => Some(shown.clone()).filter(|shown| shown.split(' ').count() == 2),
    };
    let write = write.filter(|write| write != text && is_good(write));
    let problem = match hidden {
        _ if has_control => ProblemKind::ControlCharacter { write },
        Some((position, character)) => ProblemKind::Invisible { character, position, write },
        None if rule.is_some() => ProblemKind::MatchForm { found: text.to_owned(), write },
        // Methods that are joined by `|` have messages of their own.
        None if form
            .is_some_and(|(methods, path)| methods.is_some() && (write.is_some() || !is_joined(text, path))) =>
        {
            ProblemKind::MatchForm { found: text.to_owned(), write }
        }
        None => return None,
    };
    // What can't be translated is no path for certain.
    if rule.is_some() || hidden.is_some() && problem.remedy().is_none() {
        return Some((problem, None));
    }
    Some((problem, path_of(text).filter(|path| !has_control && path.len() < text.len())))
}

/// Translates a rule of Traefik, such as ``Method(`GET`) && PathPrefix(`/orders`)``, and the first line of a request, such as
/// `GET /orders HTTP/1.1`.
fn rule(text: &str) -> Option<String> {
    if let Some((element, version)) = text.rsplit_once(" HTTP/") {
        let is_version = matches!(version, "1.0" | "1.1" | "2" | "2.0" | "3");
        return Some(element.to_owned()).filter(|_| is_version);
    }
    let argument = |name: &str| {
        let (_, after) = text.split_once(name)?.1.split_once(['`', '"', '\''])?;
        after.split(['`', '"', '\'']).next()
    };
    let methods = if text.contains("Method(") { argument("Method(")? } else { "ANY" };
    match (argument("PathPrefix("), argument("Path(")) {
        (Some(prefix), _) => Some(format!("{methods} {}/{{**rest}}", prefix.trim_end_matches('/'))),
        (None, Some(path)) => Some(format!("{methods} {path}")),
        (None, None) => None,
    }
}

/// Returns whether an element is one or more methods, a space and a path.
pub(crate) fn has_form(text: &str) -> bool {
    text.split_once(' ').is_some_and(|(methods, path)| path.starts_with('/') && methods.split('|').all(is_token))
}

/// Splits an element in the form of another router, such as `GET, POST /orders`. Returns the methods as they are written here,
/// if they can be known, and the path. Returns `None` if the element has no such form.
fn other_form(text: &str) -> Option<(Option<String>, &str)> {
    let path = path_of(text)?;
    let before = text.strip_suffix(path)?;
    // The usual form, with or without errors that have messages of their own.
    let is_usual = before.ends_with(' ') && before.trim_end_matches(' ').split('|').all(is_method);
    (!is_usual && !before.trim().is_empty()).then(|| (methods_of(before), path.trim()))
}

/// Returns whether the text before a path is words that are joined by `|`.
fn is_joined(text: &str, path: &str) -> bool {
    let methods = text.strip_suffix(path).unwrap_or(text).trim_end_matches(' ');
    !methods.contains([' ', ',', ';', ':', '&'])
}

/// Returns whether a word is a method as it is written here.
fn is_method(word: &str) -> bool {
    is_token(word) && !means_any(word) && !is_label(word)
}

/// Returns whether a word is the name of the key, as in `match:GET /orders`.
fn is_label(word: &str) -> bool {
    word.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("match"))
}

/// Returns the part of an element that begins with the path: at the first `/`, or at a URL, or at `^/`.
fn path_of(text: &str) -> Option<&str> {
    // Behind methods alone, as in `GET/POST /orders`.
    let spaced =
        text.char_indices().find(|(at, c)| *c == '/' && text.get(..*at).is_some_and(|before| before.ends_with(' ')));
    if let Some((at, _)) = spaced
        && text.get(..at)?.split([' ', '/', ',', '|']).all(|word| word.is_empty() || is_method_word(word))
    {
        return text.get(at..);
    }
    let slash = text.find('/')?;
    let (before, _) = text.split_at_checked(slash)?;
    // A path without its slash at the start, such as `orders/7` or `https://api.example.com`, or the `^` of `^/orders`.
    let word = before.rfind(|c: char| c.is_whitespace() || matches!(c, ',' | '|')).map_or(0, |at| at + 1);
    let start = before.get(word..)?;
    let is_method = start.split([':', '=', '|', ',', ';']).all(|word| word.is_empty() || is_method_word(word));
    text.get(if is_method { slash } else { word }..)
}

fn is_method_word(word: &str) -> bool {
    let upper = word.to_ascii_uppercase();
    means_any(word) || upper == "ANY" || upper == "MATCH" || KNOWN_TO_ENVOY.contains(&&*upper)
}

/// Reads the methods in a text such as `GET, POST ` or `match: get|post `. Returns them as they are written here.
pub(crate) fn methods_of(text: &str) -> Option<String> {
    let is_between = |c: char| {
        c.is_whitespace()
            || matches!(c, ',' | ';' | '|' | '&' | '+' | '/' | ':' | '=' | '"' | '\'' | '[' | ']' | '(' | ')')
    };
    let mut methods: Vec<String> = Vec::new();
    for word in text.split(is_between).filter(|word| !word.is_empty()) {
        let upper = word.to_ascii_uppercase();
        let is_noise = matches!(&*upper, "OR" | "AND") || (upper == "MATCH" && methods.is_empty());
        let method = match () {
            () if is_noise => continue,
            () if means_any(word) => "ANY".to_owned(),
            () if upper == "ANY" || is_standard(&upper) || KNOWN_TO_ENVOY.contains(&&*upper) => upper,
            () => similar_word(&upper, &STANDARD)?.to_owned(),
        };
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    match &methods[..] {
        [] => None,
        // `ANY` includes all others.
        _ if methods.iter().any(|method| method == "ANY") => Some("ANY".to_owned()),
        _ => Some(methods.join("|")),
    }
}

/// Returns an element of `match` for methods and a path as other routers have them in keys of their own.
pub(crate) fn element_of(methods: &str, path: &str) -> Option<String> {
    Some(format!("{} {}", methods_of(methods)?, paths::translated(path)?))
}

//! Fuzzes templates of forwarded paths, of the location of redirects and of header values. The result is compared with
//! that of a simple implementation.

use ksvc_routing::{Outcome, compile};
use serde_json::{Value, json};

use crate::common::{HOST, Request, Seen, lossy, request};
use crate::input::{Input, decide_and_explain};
use crate::slow::{is_unsafe, normal_text};

const MATCH: &str = "GET /{a}/p{b}s/{*rest}";

/// The input has a byte of settings and these lines: the template, and the request's `:path`.
pub fn templates(data: &[u8]) {
    let mut input = Input(data);
    let settings = input.next();
    let Some(template) = input.line() else { return };
    let (kind, allow) = (settings & 3, settings & 4 > 0);
    let mut route = json!({ "match": MATCH, "name": "the route" });
    if kind == 2 {
        route["redirect"] = json!({ "to": template, "status": 302 });
    } else {
        route["host"] = json!("x.example.com");
    }
    match kind {
        0 => route["requestHeaders"] = json!({ "set": { "x-test": template } }),
        1 => route["responseHeaders"] = json!({ "add": { "x-test": template } }),
        2 => {}
        _ => route["rewritePath"] = json!(template),
    }
    let document = json!({ "hosts": [HOST], "unsafePaths": if allow { "allow" } else { "reject" }, "routes": [route] });
    let compiled = compile(document.to_string().as_bytes());
    let request = Request { path: Some(input.0.to_vec()), ..request("GET", "") };
    decide_and_explain(&compiled.table, &request);
    if !compiled.is_good() {
        return;
    }
    let seen = request.on(&compiled.table);
    let Some(chosen) = &seen.chosen else { return };
    let parts = parts(template, kind < 2);
    let captured = |name: &str| chosen.params.iter().find(|(known, _)| known == name).map(|(_, value)| &**value);
    let expected = parts.iter().map(|part| match part {
        Part::Literal(text) if kind == 3 => normal_text(text),
        Part::Literal(text) => text.clone(),
        Part::Name(name) if name == ":route" => "the route".to_owned(),
        Part::Name(name) => captured(name).unwrap_or_else(|| panic!("the route has no capture {name}")).to_owned(),
    });
    let expected = expected.collect::<String>();
    let path = input.0.split(|&b| b == b'?').next().unwrap_or_default();
    let query = lossy(&input.0[path.len()..]);
    // Bytes that are not UTF-8 were replaced in what is seen, so the results can't be compared.
    let comparable = input.0.is_ascii();
    let message = || format!("{expected:?}\n{request:?}\n{seen:?}\n{document}");
    let has_control = expected.bytes().any(|b| b.is_ascii_control());
    match kind {
        3 => {
            assert!(allow || seen.outcome == Outcome::UnsafePath || !is_unsafe(expected.as_bytes()), "{}", message());
            if seen.outcome == Outcome::Route && comparable {
                let forwarded = seen.path.clone().unwrap_or_else(|| lossy(input.0));
                assert_eq!(forwarded, format!("{expected}{query}"), "{}", message());
            }
            if comparable {
                let refused = !allow && is_unsafe(expected.as_bytes());
                assert_eq!(seen.outcome == Outcome::UnsafePath, refused, "{}", message());
            }
        }
        2 => {
            let leads_away = expected.starts_with("//") || expected.starts_with("/\\");
            assert_eq!(seen.outcome == Outcome::UnsafePath, leads_away || has_control, "{}", message());
            if seen.outcome == Outcome::Redirect && comparable {
                let (before, fragment) = expected.find('#').map_or((&*expected, ""), |at| expected.split_at(at));
                let query = if expected.contains('?') { "" } else { &query };
                assert_eq!(seen.answers("location"), Some(&*format!("{before}{query}{fragment}")), "{}", message());
            }
        }
        _ => {
            let literal = parts.iter().all(|part| matches!(part, Part::Literal(_)));
            assert_eq!(seen.outcome == Outcome::UnsafePath, has_control && !literal, "{}", message());
            if seen.outcome == Outcome::Route && comparable {
                compare_header(
                    &request,
                    &compiled.table,
                    &seen,
                    kind,
                    if literal { &expected } else { expected.trim_ascii() },
                    &document,
                );
            }
        }
    }
}

/// Compares the header that the template makes.
fn compare_header(
    request: &Request,
    table: &ksvc_routing::RouteTable,
    seen: &Seen,
    kind: u8,
    expected: &str,
    document: &Value,
) {
    let value = match kind {
        0 => seen.sets("x-test").map(str::to_owned),
        _ => request.answered_with(table, &[]).into_iter().find(|(name, _)| name == "x-test").map(|(_, value)| value),
    };
    assert_eq!(value.as_deref(), Some(expected), "{request:?}\n{document}");
}

enum Part {
    Literal(String),
    Name(String),
}

/// Parses a valid template, letter by letter.
fn parts(template: &str, names_route: bool) -> Vec<Part> {
    let mut parts = vec![Part::Literal(String::new())];
    let mut letters = template.chars().peekable();
    while let Some(letter) = letters.next() {
        let double = matches!(letter, '{' | '}') && letters.peek() == Some(&letter);
        if letter == '{' && !double {
            let name = letters.by_ref().take_while(|letter| *letter != '}').collect::<String>();
            assert!(names_route || name != ":route");
            parts.push(Part::Name(name));
            parts.push(Part::Literal(String::new()));
            continue;
        }
        if double {
            letters.next();
        }
        if let Some(Part::Literal(text)) = parts.last_mut() {
            text.push(letter);
        }
    }
    parts.retain(|part| !matches!(part, Part::Literal(text) if text.is_empty()));
    parts
}

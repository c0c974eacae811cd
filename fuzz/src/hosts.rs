//! Fuzzes hosts: which hosts a document may contain, and which requests are in the scope of a table, compared with a
//! simple implementation of both rules.

use ksvc_routing::{Outcome, compile};
use serde_json::json;

use crate::common::{Request, request};
use crate::input::{Input, decide_and_explain};
use crate::slow::host_matches;

/// The input has these lines: the entries of `hosts`, an empty line, the `host` of a target, and the request's
/// `:authority`.
pub fn hosts(data: &[u8]) {
    let mut input = Input(data);
    let mut entries = Vec::new();
    loop {
        match input.line() {
            Some("") => break,
            Some(entry) => entries.push(entry),
            None => return,
        }
    }
    let Some(target) = input.line() else { return };
    let route = json!({ "match": "ANY /{*rest}", "host": target });
    let document = json!({ "hosts": entries, "onNoMatch": "passThrough", "routes": [route] });
    let compiled = compile(document.to_string().as_bytes());
    let expected_good =
        !entries.is_empty() && entries.iter().all(|entry| is_public_host(entry)) && is_authority(target);
    assert_eq!(compiled.is_good(), expected_good, "{:#?}\n{document}", compiled.problems);

    let request = Request { authority: Some(input.0.to_vec()), ..request("GET", "/a") };
    decide_and_explain(&compiled.table, &request);
    if compiled.is_good() {
        let seen = request.on(&compiled.table);
        let in_scope = entries.iter().any(|entry| host_matches(entry, input.0));
        let readable = !input.0.is_empty() && input.0.is_ascii();
        let expected = match (in_scope, readable) {
            (true, true) => Outcome::Route,
            (true, false) => Outcome::UnsafePath,
            (false, _) => Outcome::OutOfScope,
        };
        assert_eq!(seen.outcome, expected, "{request:?}\n{document}");
        assert!(expected != Outcome::Route || seen.authority == target.to_ascii_lowercase());
    }
}

/// Returns whether this is `*` or a host without a port. A name may begin with `*.`.
fn is_public_host(text: &str) -> bool {
    let suffix = text.strip_prefix("*.").filter(|suffix| !suffix.starts_with('['));
    text == "*" || is_address(suffix.unwrap_or(text))
}

/// Returns whether this is a host, with or without a port from 1 to 65535.
fn is_authority(text: &str) -> bool {
    let with_port = text.rsplit_once(':').filter(|(host, _)| !host.starts_with('[') || host.ends_with(']'));
    match with_port {
        Some((host, port)) => {
            let digits = !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
            let number = port.trim_start_matches('0');
            digits && number.len() <= 5 && (1..=65535).contains(&number.parse().unwrap_or(0)) && is_address(host)
        }
        None => is_address(text),
    }
}

/// Returns whether this is an IPv6 address in brackets, or labels separated by dots.
fn is_address(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        let letters = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        letters && !label.is_empty() && label.len() < 64 && !label.starts_with('-') && !label.ends_with('-')
    };
    text.len() < 254 && text.split('.').all(is_label)
}

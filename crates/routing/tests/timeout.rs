//! Tests `timeout` of a route.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{HOST, bad, good, request};
use ksvc_routing::{Outcome, compile};
use serde_json::{Value, json};

const HEADER: &str = "x-envoy-upstream-rq-timeout-ms";

fn document(timeout: &Value, other: &Value) -> Value {
    let mut route = json!({ "match": "ANY /a", "host": "a.example.net", "timeout": timeout });
    route.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    json!({ "hosts": [HOST], "requestHeaders": { "set": { HEADER: "7" } }, "routes": [route] })
}

/// Returns the timeout that the request gets.
fn milliseconds(timeout: &str) -> Option<String> {
    let seen = request("GET", "/a").on(&good(&document(&json!(timeout), &json!({}))));
    seen.sets(HEADER).map(str::to_owned)
}

#[test]
fn a_timeout_is_a_whole_number_and_a_unit() {
    for (timeout, expected) in
        [("30s", "30000"), ("1500ms", "1500"), ("2m", "120000"), ("0s", "0"), ("0ms", "0"), ("1440m", "86400000")]
    {
        assert_eq!(milliseconds(timeout).as_deref(), Some(expected), "{timeout}");
    }
}

#[test]
fn the_routes_other_headers_are_set_beside_it() {
    let other = json!({ "requestHeaders": { "set": { "x-a": "1" }, "remove": ["x-b"] } });
    let table = good(&document(&json!("5s"), &other));
    let seen = request("GET", "/a").header("x-b", "1").on(&table);
    assert_eq!((seen.sets(HEADER), seen.sets("x-a"), seen.removed.len()), (Some("5000"), Some("1"), 1));
    assert!(table.routes()[0].extras.iter().any(|extra| extra == "request set x-envoy-upstream-rq-timeout-ms: 5000"));
}

/// What a message says to write is accepted, and means what was meant.
#[test]
fn a_message_about_a_timeout_has_a_remedy_that_holds() {
    for (timeout, written) in [
        (json!("1.5s"), Some(("1500ms", "1500"))),
        (json!("0.5m"), Some(("30s", "30000"))),
        (json!("1h"), Some(("60m", "3600000"))),
        (json!("24h"), Some(("1440m", "86400000"))),
        (json!("1m30s"), Some(("90s", "90000"))),
        (json!("1h 5m"), Some(("65m", "3900000"))),
        (json!("10sec"), Some(("10s", "10000"))),
        (json!("10 s"), Some(("10s", "10000"))),
        (json!("10S"), Some(("10s", "10000"))),
        (json!("2 minutes"), Some(("2m", "120000"))),
        (json!(" 5s"), Some(("5s", "5000"))),
        (json!(30), Some(("30s", "30000"))),
        (json!("30"), Some(("30s", "30000"))),
        (json!(0), Some(("0s", "0"))),
        (json!(300_000), Some(("300000ms", "300000"))),
        (json!("1.0005s"), None),
        (json!("25h"), None),
        (json!("-5s"), None),
        (json!(1.5), None),
        (json!("99999999999999999999"), None),
        (json!("99999999999999999999s"), None),
        (json!("infinity"), None),
        (json!("none"), None),
        (json!(""), None),
        (json!("s"), None),
        (json!("5x"), None),
        (json!("5ms5"), None),
    ] {
        let compiled = compile(document(&timeout, &json!({})).to_string().as_bytes());
        let problems = compiled.problems.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(problems.len(), 1, "{timeout} {problems:?}");
        match written {
            Some((written, expected)) => {
                assert!(problems[0].contains(&format!("write `{written}`")), "{}", problems[0]);
                assert_eq!(milliseconds(written).as_deref(), Some(expected), "{timeout}");
            }
            None => assert!(problems[0].contains("`0s` for no timeout"), "{}", problems[0]),
        }
        let broken = request("GET", "/a").on(&bad(&document(&timeout, &json!({}))));
        assert_eq!(broken.outcome, Outcome::BrokenRoute);
    }
}

#[test]
fn a_timeout_longer_than_a_day_is_an_error() {
    for timeout in ["1441m", "86401s", "86400001ms", "18446744073709551615m"] {
        let compiled = compile(document(&json!(timeout), &json!({})).to_string().as_bytes());
        let message = compiled.problems[0].to_string();
        assert!(message.contains("`1440m`") && message.contains("`0s`"), "{message}");
    }
}

#[test]
fn a_timeout_beside_its_own_header_or_without_a_service_is_an_error() {
    for (other, code) in [
        (json!({ "requestHeaders": { "set": { "X-Envoy-Upstream-RQ-Timeout-MS": "1" } } }), "timeout-twice"),
        (json!({ "requestHeaders": { "add": { HEADER: "1" } } }), "timeout-twice"),
        (json!({ "requestHeaders": { "remove": [HEADER] } }), "timeout-twice"),
        (json!({ "timeout": [] }), "wrong-type"),
        (json!({ "timeout": null }), "no-value"),
    ] {
        let compiled = compile(document(&json!("5s"), &other).to_string().as_bytes());
        let codes = compiled.problems.iter().map(|problem| problem.kind.code()).collect::<Vec<_>>();
        assert_eq!(codes, [code], "{other}");
    }
    let respond = json!({ "hosts": [HOST],
        "routes": [{ "match": "GET /a", "respond": { "status": 200 }, "timeout": "5s" }] });
    let compiled = compile(respond.to_string().as_bytes());
    assert_eq!(compiled.problems[0].kind.code(), "misplaced-key");
}

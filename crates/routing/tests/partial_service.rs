//! Tests how a bad document is served if the process has no good document before it: what can be served is served, and
//! no request is routed to where the corrected document would not have sent it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

#[path = "common/broken.rs"]
mod broken;
mod common;
#[path = "common/slow.rs"]
mod slow;

use broken::Broken;
use common::{HOST, bad, request, seeded_rng};
use ksvc_routing::{Outcome, compile};
use serde_json::{Value, json};
use slow::{random_request, random_table};

#[test]
fn a_request_goes_where_the_good_document_sends_it_or_nowhere() {
    let (mut rng, seed) = seeded_rng();
    eprintln!("KSVC_ROUTING_SEED={seed}");
    for _ in 0..5_000 {
        let table = random_table(&mut rng);
        let Some(broken) = Broken::random(&mut rng, &table) else { continue };
        for _ in 0..15 {
            broken.check(&random_request(&mut rng, &table).header("k-network-hash", "1"));
        }
    }
}

/// Makes a document with a good route, `GET /good`, and the given routes.
fn with_routes(routes: &[Value]) -> Value {
    let mut all = vec![json!({ "match": "GET /good", "service": "good" })];
    all.extend_from_slice(routes);
    json!({ "hosts": [HOST], "domain": "example.com", "namespace": "shop", "routes": all })
}

#[test]
fn a_route_with_an_error_is_broken_and_all_others_are_served() {
    for route in [
        json!({ "match": "GET /a", "service": "s", "unknown": 1 }),
        json!({ "match": "GET /a", "servise": "s" }),
        json!({ "match": "GET /a", "service": 1 }),
        json!({ "match": "GET /a", "service": "s", "name": [] }),
        json!({ "match": "GET /a", "service": "s", "namespace": "Not_A_Name" }),
        json!({ "match": "GET /a", "service": "s", "tag": 1 }),
        json!({ "match": "GET /a", "service": "s", "rewritePath": "/{x}" }),
        json!({ "match": "GET /a", "service": "s", "timeout": "soon" }),
        json!({ "match": "GET /a", "service": "s", "host": "x.example.com" }),
        json!({ "match": "GET /a" }),
        json!({ "match": "GET /a", "host": "a b" }),
        json!({ "match": "GET /a", "redirect": { "to": "/x", "status": 200 } }),
        json!({ "match": "GET /a", "redirect": { "to": "/x", "code": 301 } }),
        json!({ "match": "GET /a", "respond": { "status": "200" } }),
        json!({ "match": "GET /a", "respond": { "status": 200, "headers": { ":x": "1" } } }),
        json!({ "match": "GET /a", "respond": { "status": 200 }, "rewritePath": "/x" }),
        json!({ "match": "GET /a", "service": "s", "when": [] }),
        json!({ "match": "GET /a", "service": "s", "when": { "body": {} } }),
        json!({ "match": ["GET /a", "GET /b/{"], "service": "s" }),
    ] {
        let table = bad(&with_routes(std::slice::from_ref(&route)));
        assert_eq!(request("GET", "/a").on(&table).outcome, Outcome::BrokenRoute, "{route}");
        assert_eq!(request("GET", "/a").on(&table).status, 503, "{route}");
        assert_eq!(request("GET", "/good").on(&table).authority, "good.shop.example.com", "{route}");
        assert_eq!(request("GET", "/other").on(&table).outcome, Outcome::NotFound, "{route}");
        assert_eq!(request("GET", "/a").host("x.example.com").on(&table).outcome, Outcome::OutOfScope, "{route}");
    }
}

#[test]
fn both_of_two_duplicate_routes_are_broken() {
    let first = json!({ "match": ["GET /a/{x}", "GET /b"], "service": "first" });
    for second in ["GET /a/{y}", "HEAD|GET /%61/{x}"] {
        let table = bad(&with_routes(&[first.clone(), json!({ "match": second, "service": "second" })]));
        for path in ["/a/1", "/b"] {
            assert_eq!(request("GET", path).on(&table).outcome, Outcome::BrokenRoute, "{second} {path}");
        }
        assert_eq!(request("GET", "/good").on(&table).outcome, Outcome::Route);
    }
}

#[test]
fn a_route_with_unreadable_conditions_catches_its_requests() {
    let broken = json!({ "match": "GET /a", "service": "beta", "when": { "headers": { "x-beta": true } } });
    let table = bad(&with_routes(&[json!({ "match": "GET /a", "service": "s" }), broken]));
    assert_eq!(request("GET", "/a").on(&table).outcome, Outcome::BrokenRoute);
}

#[test]
fn an_unreadable_match_catches_what_stands_before_it_and_everything_below() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("GET /a/{id", &["GET /a/1", "HEAD /a/1/2", "GET /a", "GET /a/"], &["POST /a/1", "GET /b/1", "GET /ab"]),
        (
            "GET /a/{x}/b/{y",
            &["GET /a/1/b", "GET /a/1/b/", "GET /a/1/b/2/3"],
            &["GET /a/1", "GET /a/1/c", "PUT /a/1/b"],
        ),
        ("GET /v{x}.{y}/{", &["GET /v1.2", "GET /v1.2/3"], &["GET /v1", "GET /1.2/3"]),
        ("GET|PUT /a/b/{x}{y}/c", &["PUT /a/b/1", "GET /a/b/c/d"], &["GET /a/c", "POST /a/b/1"]),
        ("GET /a/{*rest}/b", &["GET /a/1/b"], &["GET /c"]),
        ("G@T /a/{id", &["GET /a/1", "POST /a/1"], &["GET /b/1"]),
        ("GET", &["GET /a/1", "HEAD /b"], &["POST /a/1"]),
    ];
    for (text, broken, served) in cases {
        let table = bad(&with_routes(&[json!({ "match": text, "service": "s" })]));
        for (expected, requests) in [(true, broken), (false, served)] {
            for line in *requests {
                let (method, path) = line.split_once(' ').unwrap();
                let outcome = request(method, path).on(&table).outcome;
                assert_eq!(outcome == Outcome::BrokenRoute, expected, "{text}: {line} is {outcome:?}");
            }
        }
        assert_eq!(request("GET", "/good").on(&table).outcome, Outcome::Route, "{text}");
    }
}

#[test]
fn an_unreadable_match_comes_before_an_equal_pattern() {
    let broken = json!({ "match": "GET /a/{id", "service": "s" });
    for equal in [
        json!({ "match": "GET /a/{*rest}", "service": "rest" }),
        json!({ "match": "ANY /a/{*rest}", "service": "rest" }),
        json!({ "match": "GET /a/{*rest}", "service": "rest", "when": { "headers": { "x-a": "1" } } }),
    ] {
        for routes in [[broken.clone(), equal.clone()], [equal.clone(), broken.clone()]] {
            let seen = request("GET", "/a/1").header("x-a", "1").on(&bad(&with_routes(&routes)));
            assert_eq!(seen.outcome, Outcome::BrokenRoute, "{equal}");
        }
    }
}

#[test]
fn an_unreadable_segment_comes_after_literals_and_before_everything_else() {
    let broken = json!({ "match": "GET /a/{x.json", "service": "s" });
    let table = bad(&with_routes(&[
        broken,
        json!({ "match": "GET /a", "service": "exact" }),
        json!({ "match": "GET /a/b", "service": "literal" }),
        json!({ "match": "GET /a/v{x}", "service": "mixed" }),
        json!({ "match": "GET /a/{x}", "service": "plain" }),
        json!({ "match": "GET /{**x}", "service": "all" }),
    ]));
    for (path, authority) in [
        ("/a", Some("exact.shop.example.com")),
        ("/a/b", Some("literal.shop.example.com")),
        ("/a/v1", None),
        ("/a/1", None),
        ("/a/1/2", None),
        ("/a/b/c", None),
        ("/a/", None),
        ("/b", Some("all.shop.example.com")),
    ] {
        let seen = request("GET", path).on(&table);
        match authority {
            Some(authority) => assert_eq!(seen.authority, authority, "{path}"),
            None => assert_eq!(seen.outcome, Outcome::BrokenRoute, "{path}"),
        }
    }
}

#[test]
fn with_an_unreadable_scope_all_traffic_is_left_unchanged() {
    for (key, values) in [
        ("hosts", [json!(null), json!([]), json!("api.example.com"), json!({}), json!([7])]),
        ("basePath", [json!(null), json!(7), json!("faas"), json!([]), json!("/a/{b}")]),
    ] {
        for value in values {
            let mut document = with_routes(&[]);
            document[key] = value;
            let table = bad(&document);
            for path in ["/good", "/faas/good", "/", "/a//b"] {
                assert_eq!(request("GET", path).on(&table).outcome, Outcome::OutOfScope, "{document}");
            }
        }
    }
}

#[test]
fn an_error_of_the_table_breaks_the_routes_that_it_affects() {
    let routes = json!([
        { "match": "GET /service", "service": "s" },
        { "match": "GET /own", "service": "s", "namespace": "billing" },
        { "match": "GET /host", "host": "x.other.example.com" },
        { "match": "GET /rewritten", "host": "x.other.example.com", "rewritePath": "/v2" },
        { "match": "GET /respond", "respond": { "status": 204 } },
    ]);
    let all = ["/service", "/own", "/host", "/rewritten", "/respond", "/none"];
    for (key, value, broken) in [
        ("namespace", json!("Not_A_Name"), &["/service"][..]),
        ("namespace", json!(7), &["/service"]),
        ("domain", json!("exa mple"), &["/service", "/own"]),
        ("domain", json!(null), &["/service", "/own"]),
        ("hostTemplate", json!("{service}.{nope}"), &["/service", "/own"]),
        ("stripBasePath", json!("yes"), &["/service", "/own", "/host"]),
        ("onNoMatch", json!("nope"), &["/none"]),
        ("trailingSlash", json!("nope"), &["/service", "/own", "/host", "/rewritten", "/respond"]),
        ("unsafePaths", json!("nope"), &["/service", "/own", "/host", "/rewritten", "/respond"]),
        ("unheard-of", json!(1), &["/service", "/own", "/host", "/rewritten", "/respond"]),
        ("routes", json!({}), &all),
        ("routes", json!(null), &all),
        ("name", json!("no name!"), &[]),
        ("denyDirect", json!("yes"), &[]),
    ] {
        let mut document = json!({ "hosts": [HOST], "domain": "example.com", "namespace": "shop", "routes": routes });
        document[key] = value;
        let table = bad(&document);
        for path in all {
            let outcome = request("GET", path).on(&table).outcome;
            let may_be_broken = path == "/none" && outcome == Outcome::BrokenRoute;
            assert!(
                may_be_broken || broken.contains(&path) == (outcome == Outcome::BrokenRoute),
                "{path} {outcome:?}\n{document}"
            );
        }
        assert_eq!(request("GET", "/service").host("x.example.com").on(&table).outcome, Outcome::OutOfScope);
    }
}

#[test]
fn with_garbage_all_traffic_is_left_unchanged() {
    for document in
        ["", " \n", "null", "[]", "7", "\"x\"", "{", "{\"hosts\":[\"api.example.com\"]", "\u{0}\u{1}", "hosts: []"]
    {
        let compiled = compile(document.as_bytes());
        assert!(!compiled.is_good() && !compiled.problems.is_empty(), "{document:?}");
        for path in ["/", "/a/b", "//", "*"] {
            assert_eq!(request("GET", path).on(&compiled.table).outcome, Outcome::OutOfScope, "{document:?}");
        }
    }
}

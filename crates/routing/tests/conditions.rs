//! Tests the conditions of routes: on headers, on cookies and on the query.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{HOST, Request, good, request};
use ksvc_routing::{Considered, Problem, Remedy, RouteTable, compile};
use serde_json::{Value, json};

/// Makes a table with a route for each `when` at one path. The routes are `r0`, `r1` and so on, in the order of the
/// file. The last one has no conditions.
fn document(conditions: &[Value]) -> Value {
    let mut all = conditions.to_vec();
    all.push(json!({}));
    let route = |(index, when)| json!({ "match": "ANY /a", "service": format!("r{index}"), "when": when });
    let routes = all.iter().enumerate().map(route).collect::<Vec<_>>();
    json!({ "hosts": [HOST], "domain": "example.com", "namespace": "shop", "routes": routes })
}

fn table(conditions: &[Value]) -> RouteTable {
    good(&document(conditions))
}

/// Returns whether a request meets a condition.
fn meets(when: Value, request: &Request) -> bool {
    request.on(&table(&[when])).authority == "r0.shop.example.com"
}

#[test]
fn a_value_that_ends_in_a_star_is_a_prefix() {
    let sent = |value: &str| {
        let cookie = format!("x={value}");
        request("GET", &format!("/a?x={value}")).header("x", value).header("cookie", &cookie)
    };
    for (expected, value, met) in [
        ("GoogleHC*", "GoogleHC/1.0", true),
        ("GoogleHC*", "GoogleHC", true),
        ("GoogleHC*", "googlehc/1.0", false),
        ("GoogleHC*", "xGoogleHC", false),
        ("GoogleHC*", "Google", false),
        ("*/*", "*/*", true),
        ("*/*", "*/json", true),
        ("*/*", "text/html", false),
        ("**", "*", true),
        ("**", "a", false),
        ("*", "", true),
        ("a*b", "a*b", true),
        ("a*b", "aXb", false),
        ("", "", true),
        ("", "a", false),
    ] {
        for part in ["headers", "cookies", "query"] {
            assert_eq!(meets(json!({ part: { "x": expected } }), &sent(value)), met, "{part} {expected} {value}");
        }
    }
}

/// A cookie can fulfil each condition that has no error: one with the value in quotes. And following a remedy works.
#[test]
fn a_condition_on_a_cookie_without_an_error_can_be_fulfilled() {
    let bytes = ["\"", "x", " ", "\t", ";", "=", "ä", "\n", "*"];
    let mut texts = vec![String::new()];
    for _ in 0..3 {
        texts = texts.iter().flat_map(|text| bytes.map(|byte| format!("{text}{byte}"))).chain(texts.clone()).collect();
        texts.sort();
        texts.dedup();
    }
    let (mut fulfilled, mut remedies) = (0, 0);
    for text in &texts {
        for (name, value) in [("a", &**text), (text, "x")] {
            let document = document(&[json!({ "cookies": { name: value } })]);
            let compiled = compile(document.to_string().as_bytes());
            let problems = compiled.problems.iter().map(Problem::to_string).collect::<Vec<_>>();
            if compiled.is_good() {
                let sent = request("GET", "/a").header("cookie", &format!("b=2; {name}=\"{value}\""));
                assert_eq!(sent.on(&compiled.table).authority, "r0.shop.example.com", "{name:?} {value:?}");
                fulfilled += 1;
            } else {
                let cannot_be = |text: &str| text.contains([';', '\n']);
                let has_no_name = name.is_empty() || name.contains('=') || name.starts_with([' ', '\t']);
                assert!(cannot_be(value) || cannot_be(name) || has_no_name, "{problems:?}");
            }
            for problem in compiled.problems.iter().filter(|problem| problem.kind.code() == "quoted-cookie") {
                let Some(Remedy::Value(write)) = &problem.remedy else { continue };
                let mended = self::document(&[json!({ "cookies": { name: write } })]);
                let mended = compile(mended.to_string().as_bytes());
                assert!(mended.problems.is_empty(), "{value} {write} {:?}", mended.problems);
                let sent = request("GET", "/a").header("cookie", &format!("{name}={value}"));
                assert_eq!(sent.on(&mended.table).authority, "r0.shop.example.com", "{value:?} {write:?}");
                remedies += 1;
            }
        }
    }
    assert!(fulfilled > 100 && remedies > 5, "{fulfilled} {remedies}");
}

#[test]
fn the_first_cookie_of_a_name_counts() {
    for (cookies, value) in [
        (&["a=1"][..], Some("1")),
        (&["b=2; a=1"], Some("1")),
        (&["b=2;a=1"], Some("1")),
        (&["b=2; \t a=1 \t;c=3"], Some("1")),
        (&["a=1; a=2"], Some("1")),
        (&["a=1", "a=2"], Some("1")),
        (&["b=2", "a=1"], Some("1")),
        (&["a=\"1\""], Some("1")),
        (&["a=\"\"1\"\""], Some("\"1\"")),
        (&["a=\"1"], Some("\"1")),
        (&["a=\""], Some("\"")),
        (&["a=\"\""], Some("")),
        (&["a="], Some("")),
        (&["a=1=2"], Some("1=2")),
        (&["a=%31+1"], Some("%31+1")),
        (&["a"], None),
        (&["A=1"], None),
        (&["aa=1; xa=1"], None),
        (&["=a"], None),
        // Of white space, only spaces and tabs do not count.
        (&["b=2;\x0ca=1"], None),
        (&["a=1\x0c"], Some("1\x0c")),
        (&["a=1\r\n; b=2"], Some("1\r\n")),
        (&["\n a=1"], None),
        (&[""], None),
        (&[], None),
    ] {
        let sent = cookies.iter().fold(request("GET", "/a"), |sent, cookie| sent.header("cookie", cookie));
        assert_eq!(meets(json!({ "cookies": { "a": "*" } }), &sent), value.is_some(), "{cookies:?}");
        for expected in ["1", "2", "", "1=2", "%31+1"] {
            let met = meets(json!({ "cookies": { "a": expected } }), &sent);
            assert_eq!(met, value == Some(expected), "{cookies:?} {expected}");
        }
    }
}

#[test]
fn a_plus_in_the_query_of_a_request_is_a_space() {
    for (query, met) in [
        ("q=a%20b", true),
        ("q=a+b", true),
        ("%71=a+b", true),
        ("q=a%2Bb", false),
        ("q=a%2bb", false),
        ("x=1&q=a+b&q=2", true),
        ("q=2&q=a+b", false),
    ] {
        assert_eq!(meets(json!({ "query": { "q": "a b" } }), &request("GET", &format!("/a?{query}"))), met, "{query}");
    }
    assert!(meets(json!({ "query": { "a b": "1" } }), &request("GET", "/a?a+b=1")));
    assert!(!meets(json!({ "query": { "a b": "1" } }), &request("GET", "/a?a%2Bb=1")));
    // In the configuration, a plus is a plus, and a warning says so.
    for (when, key) in [(json!({ "query": { "q": "a+b" } }), "q"), (json!({ "query": { "a+b": "*" } }), "\"a+b\"")] {
        let compiled = compile(document(std::slice::from_ref(&when)).to_string().as_bytes());
        let problems = compiled.problems.iter().map(Problem::to_string).collect::<Vec<_>>();
        assert!(problems.len() == 1 && problems[0].contains(key) && problems[0].contains("\"a b\""), "{problems:?}");
        assert!(!meets(when.clone(), &request("GET", "/a?q=a+b&a+b=1")), "{when}");
        assert!(meets(when, &request("GET", "/a?q=a%2Bb&a%2Bb=1")));
    }
}

#[test]
fn conditions_on_headers_and_cookies_count_more_than_those_on_the_query() {
    let by_query = json!({ "query": { "v": "1", "w": "1", "x": "1" } });
    let sent = request("GET", "/a?v=1&w=1&x=1").header("x-a", "1").header("cookie", "c=1");
    for by_head in [json!({ "headers": { "x-a": "1" } }), json!({ "cookies": { "c": "1" } })] {
        assert_eq!(sent.on(&table(&[by_query.clone(), by_head.clone()])).authority, "r1.shop.example.com");
        assert_eq!(sent.on(&table(&[by_head.clone(), by_query.clone()])).authority, "r0.shop.example.com");
        let both = json!({ "headers": { "x-a": "1" }, "cookies": { "c": "1" } });
        assert_eq!(sent.on(&table(&[by_head.clone(), both])).authority, "r1.shop.example.com");
        let mut more = by_head.clone();
        more["query"] = json!({ "v": "*" });
        assert_eq!(sent.on(&table(&[by_head, more])).authority, "r1.shop.example.com");
    }
    // Headers and cookies count alike, so the order in the file decides.
    let (header, cookie) = (json!({ "headers": { "x-a": "1" } }), json!({ "cookies": { "c": "1" } }));
    assert_eq!(sent.on(&table(&[header.clone(), cookie.clone()])).authority, "r0.shop.example.com");
    assert_eq!(sent.on(&table(&[cookie, header])).authority, "r0.shop.example.com");
}

#[test]
fn a_preflight_request_need_not_meet_conditions_on_headers_and_cookies() {
    let mut document = document(&[json!({ "cookies": { "c": "1" }, "headers": { "x": "1*" }, "query": { "v": "1" } })]);
    document["routes"][0]["cors"] = json!({ "allowOrigins": ["https://app.example.com"] });
    let table = good(&document);
    let preflight = |path: &str| {
        let sent = request("OPTIONS", path).header("origin", "https://app.example.com");
        sent.header("access-control-request-method", "PUT").on(&table).route().to_owned()
    };
    assert_eq!((preflight("/a?v=1").as_str(), preflight("/a?v=2").as_str()), ("ANY /a", "ANY /a"));
    let chosen = |path: &str| {
        let sent = request("OPTIONS", path).header("origin", "https://app.example.com");
        sent.header("access-control-request-method", "PUT").on(&table).chosen.unwrap().index
    };
    assert_eq!((chosen("/a?v=1"), chosen("/a?v=2")), (0, 1));
}

/// A route is shadowed exactly if every request that meets its conditions also meets those of a route before it.
#[test]
fn a_route_behind_one_with_a_wider_condition_is_a_warning() {
    let is_shadowed = |first: &str, second: &str, part: &str| {
        let document = document(&[json!({ part: { "x": first } }), json!({ part: { "x": second } })]);
        let compiled = compile(document.to_string().as_bytes());
        let codes = compiled.problems.iter().map(|problem| problem.kind.code()).collect::<Vec<_>>();
        assert!(codes.is_empty() || codes == ["shadowed-route"], "{codes:?}");
        !codes.is_empty()
    };
    for part in ["headers", "cookies", "query"] {
        for (first, second, expected) in [
            ("*", "1", true),
            ("*", "1*", true),
            ("1*", "1", true),
            ("1*", "12", true),
            ("1*", "12*", true),
            ("12*", "1*", false),
            ("12*", "1", false),
            ("1*", "2", false),
            ("1*", "*", false),
            ("1", "1*", false),
            ("1", "*", false),
        ] {
            assert_eq!(is_shadowed(first, second, part), expected, "{part} {first} {second}");
        }
    }
    // The same name of a header and of a cookie are two things.
    let document = document(&[json!({ "headers": { "x": "*" } }), json!({ "cookies": { "x": "1" } })]);
    assert!(compile(document.to_string().as_bytes()).problems.is_empty());
}

#[test]
fn equal_conditions_are_an_error() {
    for when in [
        json!({ "cookies": { "a": "1", "b": "x*" } }),
        json!({ "headers": { "a": "1*" } }),
        json!({ "query": { "a": "1*" } }),
    ] {
        let compiled = compile(document(&[when.clone(), when.clone()]).to_string().as_bytes());
        let codes = compiled.problems.iter().map(|problem| problem.kind.code()).collect::<Vec<_>>();
        assert_eq!(codes, ["duplicate-route"], "{when}");
    }
}

#[test]
fn conditions_are_described_as_they_are_written() {
    let when = json!({
        "headers": { "X-A": "a*", "x-b": "1" },
        "cookies": { "C": "1", "d": "*" },
        "query": { "q": "a \"b\"", "r": "*" },
    });
    let table = table(&[when]);
    let lines = table.routes();
    let described = [
        "header x-a = \"a*\"",
        "header x-b = \"1\"",
        "cookie C = \"1\"",
        "cookie d",
        "query q = \"a \\\"b\\\"\"",
        "query r",
    ];
    let mut conditions = lines[0].conditions.clone();
    conditions.sort_by_key(|condition| described.iter().position(|known| known == condition));
    assert_eq!(conditions, described);
    for (sent, failed) in [
        (request("GET", "/a"), "header `x-a` does not begin with \"a\""),
        (request("GET", "/a").header("x-a", "a").header("x-b", "1"), "cookie `C` is not \"1\""),
        (
            request("GET", "/a").header("x-a", "a").header("x-b", "1").header("cookie", "C=1"),
            "cookie `d` is not present",
        ),
    ] {
        sent.with_head(|head| {
            let explanation = table.explain(head);
            assert_eq!(explanation.considered[0].result, Considered::ConditionFails(failed.to_owned()));
        });
    }
}

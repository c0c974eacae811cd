//! Tests of each limit: a document at the limit is good. A document one step beyond it has an error that names the
//! limit, and is served like every other bad document.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod common;

use std::time::Instant;

use common::{HOST, good, request};
use ksvc_routing::{Compiled, Outcome, compile, limits};
use serde_json::{Map, Value, json};

fn document(changes: &[(&str, Value)]) -> Value {
    let mut document = json!({ "hosts": [HOST], "routes": [] });
    for (key, value) in changes {
        document[key] = value.clone();
    }
    document
}

/// Returns a document with `GET /good` and these routes. Routes without a target go to `a.example.com`.
fn routes(routes: impl IntoIterator<Item = Value>) -> Value {
    let good = [json!({ "match": "GET /good", "host": "good.example.com" })];
    let routes = good.into_iter().chain(routes).map(|mut route| {
        if route.get("redirect").or(route.get("respond")).is_none() {
            route.as_object_mut().unwrap().entry("host").or_insert(json!("a.example.com"));
        }
        route
    });
    document(&[("routes", routes.collect())])
}

fn compiled(document: &Value) -> Compiled {
    compile(document.to_string().as_bytes())
}

fn messages(compiled: &Compiled) -> Vec<String> {
    compiled.problems.iter().map(ToString::to_string).collect()
}

/// Checks a limit with documents of a given size: at the limit the document is good, and one more gives this message.
/// Returns the document beyond the limit, compiled.
fn holds(limit: usize, make: impl Fn(usize) -> Value, message: &str) -> Compiled {
    let within = compiled(&make(limit));
    assert!(within.is_good(), "{limit}: {:?}", messages(&within));
    let beyond = compiled(&make(limit + 1));
    assert_eq!(messages(&beyond), [message]);
    assert!(!beyond.is_good());
    beyond
}

fn outcome(compiled: &Compiled, method: &str, path: &str) -> Outcome {
    request(method, path).on(&compiled.table).outcome
}

/// Asserts that `GET /good` is served, and that `GET /a` has this outcome.
fn serves_the_rest(compiled: &Compiled, other: Outcome) {
    assert_eq!(outcome(compiled, "GET", "/good"), Outcome::Route);
    assert_eq!(outcome(compiled, "GET", "/a"), other);
}

fn names(count: usize) -> Map<String, Value> {
    (0..count).map(|n| (format!("x-{n}"), json!("1"))).collect()
}

#[test]
fn document_of_more_bytes_is_not_read() {
    let text =
        |bytes: usize| format!("{{\"hosts\":[\"{HOST}\"],\"routes\":[]}}{}", " ".repeat(bytes))[..bytes].to_owned();
    assert!(compile(text(limits::DOCUMENT).as_bytes()).is_good());
    let beyond = compile(text(limits::DOCUMENT + 1).as_bytes());
    let message = "the configuration has 16777217 bytes, more than 16777216, and is not read; write fewer routes, or several tables";
    assert_eq!(messages(&beyond), [message]);
    assert!(!beyond.is_good() && !beyond.name_is_readable);
    assert_eq!(outcome(&beyond, "GET", "/a"), Outcome::OutOfScope);
}

#[test]
fn document_of_more_values_is_not_read() {
    // Five values are always there: the document, `hosts`, one host, `routes` and `note`.
    let text = |values: usize| {
        let hosts = vec!["0"; values - 5].join(",");
        format!("{{\"hosts\":[\"{HOST}\"],\"routes\":[],\"note\":[{hosts}]}}")
    };
    let within = compile(text(limits::VALUES).as_bytes());
    assert!(messages(&within)[0].starts_with("note: unknown key"), "{:?}", messages(&within));
    let beyond = compile(text(limits::VALUES + 1).as_bytes());
    let message =
        "the configuration has more than 2000000 values, and is not read; write fewer routes, or several tables";
    assert_eq!(messages(&beyond), [message]);
    assert_eq!(outcome(&beyond, "GET", "/a"), Outcome::OutOfScope);
}

#[test]
fn an_object_of_more_keys_is_not_read() {
    let unknown = |count: usize| {
        let mut route = names(count - 2);
        route.insert("match".into(), json!("GET /a"));
        route.insert("host".into(), json!("a.example.com"));
        compiled(&routes([Value::Object(route)]))
    };
    assert_eq!(messages(&unknown(limits::KEYS)).len(), limits::KEYS - 2);
    let beyond = unknown(limits::KEYS + 1);
    assert_eq!(messages(&beyond), ["routes[1]: 257 keys, more than 256; take some out"]);
    serves_the_rest(&beyond, Outcome::BrokenRoute);
}

#[test]
fn with_more_routes_none_is_known() {
    let make = |count| {
        let route = |n| json!({ "match": format!("GET /a{n}"), "host": "a.example.com" });
        document(&[("routes", (0..count).map(route).collect())])
    };
    let beyond = holds(limits::ROUTES, make, "routes: 100001 elements, more than 100000; take some out");
    assert_eq!(outcome(&beyond, "GET", "/a1"), Outcome::BrokenRoute);
}

#[test]
fn with_more_hosts_there_is_no_scope() {
    let make = |count| {
        let others = (1..count).map(|n| format!("h{n}.example.com"));
        document(&[("hosts", std::iter::once(HOST.to_owned()).chain(others).collect())])
    };
    let beyond = holds(limits::HOSTS, make, "hosts: 10001 elements, more than 10000; take some out");
    assert_eq!(outcome(&beyond, "GET", "/a"), Outcome::OutOfScope);
}

#[test]
fn a_route_of_more_matches_is_broken() {
    let make = |count| routes([json!({ "match": (0..count).map(|n| format!("GET /a/{n}")).collect::<Vec<_>>() })]);
    let beyond = holds(limits::MATCHES, make, "routes[1].match: 1001 elements, more than 1000; take some out");
    serves_the_rest(&beyond, Outcome::BrokenRoute);
}

#[test]
fn methods_of_a_match_are_limited() {
    let make = |count| {
        let methods = (0..count).map(|n| format!("M{n}")).collect::<Vec<_>>().join("|");
        routes([json!({ "match": format!("{methods} /a") })])
    };
    let message = "routes[1].match: 65 methods, more than 64; write `ANY`, and let the service tell them apart";
    let beyond = holds(limits::METHODS_OF_A_MATCH, make, message);
    serves_the_rest(&beyond, Outcome::BrokenRoute);
    // The shortest methods, as many as fit into a `match`: an earlier version took very long for these.
    let most = format!("{}A /a", "A|".repeat(4090));
    let beyond = compiled(&routes([json!({ "match": most })]));
    assert_eq!(messages(&beyond), [message.replace("65", "4091")]);
}

#[test]
fn with_more_methods_no_route_is_known() {
    // `GET` and `HEAD` are among the methods of every table.
    let make = |count| routes((2..count).map(|n| json!({ "match": format!("M{n} /a") })));
    let message = "routes: 1025 different methods, more than 1024; write fewer, or several tables";
    let beyond = holds(limits::METHODS, make, message);
    assert_eq!(outcome(&beyond, "GET", "/good"), Outcome::BrokenRoute);
    assert_eq!(messages(&compiled(&make(70_002))), [message.replace("1025", "70002")]);
}

#[test]
fn with_more_matches_in_total_no_route_is_known() {
    let make = |count| {
        let paths: Vec<String> = (1..count).map(|n| format!("GET /a/{n}")).collect();
        routes(paths.chunks(limits::MATCHES).map(|paths| json!({ "match": paths })))
    };
    let message = "routes: 100001 elements of all `match`es together, more than 100000; write fewer, or several tables";
    let beyond = holds(limits::PATTERNS, make, message);
    assert_eq!(outcome(&beyond, "GET", "/good"), Outcome::BrokenRoute);
}

#[test]
fn with_more_methods_of_all_matches_no_route_is_known() {
    let methods: Vec<String> = (0..50).map(|n| format!("M{n}")).collect();
    let make = |count: usize| {
        let route = |n| json!({ "match": format!("{} /a/{n}", methods.join("|")) });
        // `GET /good` counts as one.
        let last = json!({ "match": format!("{} /b", methods[..(count - 1) % 50].join("|")) });
        routes((0..(count - 1) / 50).map(route).chain([last]))
    };
    let message = "routes: 500001 methods of all `match`es together, more than 500000; write fewer, or several tables";
    let within = compiled(&make(limits::CANDIDATES));
    assert!(within.is_good(), "{:?}", messages(&within));
    let beyond = compiled(&routes(
        (0..limits::CANDIDATES / 50).map(|n| json!({ "match": format!("{} /a/{n}", methods.join("|")) })),
    ));
    assert_eq!(messages(&beyond), [message]);
    assert_eq!(outcome(&beyond, "GET", "/good"), Outcome::BrokenRoute);
}

#[test]
fn segments_of_a_match_are_limited() {
    let make = |count| routes([json!({ "match": format!("GET {}", "/a".repeat(count)) })]);
    let message = "routes[1].match: the path has 257 segments, more than 256; shorten it, or end it with `{*rest}`";
    let beyond = holds(limits::SEGMENTS, make, message);
    serves_the_rest(&beyond, Outcome::BrokenRoute);
}

#[test]
fn routes_with_conditions_at_one_path_are_limited() {
    let route =
        |n: usize| json!({ "match": "GET /a", "host": "a.example.com", "when": { "headers": { "x": n.to_string() } } });
    let make = |count| routes((0..count).map(route).chain([json!({ "match": "GET /a", "host": "b.example.com" })]));
    let message = "routes[257].match: is one of 257 routes with conditions at this path for GET, more than 256, and comes after \
                   the first 256; use different paths, or let the service decide";
    let beyond = holds(limits::CONDITIONAL, make, message);
    serves_the_rest(&beyond, Outcome::BrokenRoute);
    let with = |value: &str| request("GET", "/a").header("x", value).on(&beyond.table);
    assert_eq!(with("0").authority, "a.example.com");
    assert_eq!(with("255").authority, "a.example.com");
    // The route for this request is beyond the limit. The route without conditions must not get the request instead.
    assert_eq!(with("256").outcome, Outcome::BrokenRoute);
    // Other methods and other paths are counted separately.
    let others =
        (0..256).map(|n| json!({ "match": ["POST /a", "GET /b"], "when": { "query": { "x": n.to_string() } } }));
    good(&routes((0..256).map(route).chain(others)));
}

#[test]
fn duplicates_beyond_the_limit_break_both_routes() {
    let route = |n: usize| json!({ "match": "GET /a", "when": { "headers": { "x": n.to_string() } } });
    let beyond = compiled(&routes((0..300).map(route).chain([route(7)])));
    assert!(
        messages(&beyond)
            .iter()
            .any(|message| message.starts_with("routes[301].match: is a duplicate of routes[8].match"))
    );
    assert_eq!(request("GET", "/a").header("x", "7").on(&beyond.table).outcome, Outcome::BrokenRoute);
    assert_eq!(request("GET", "/a").header("x", "8").on(&beyond.table).outcome, Outcome::Route);
}

#[test]
fn unreadable_routes_are_not_reported_for_their_number() {
    let route = |n: usize| json!({ "match": "GET /a/{", "when": { "headers": { "x": n.to_string() } } });
    let beyond = compiled(&routes((0..300).map(route)));
    assert_eq!(messages(&beyond).len(), 300);
    for value in ["0", "299", "none"] {
        assert_eq!(request("GET", "/a/b").header("x", value).on(&beyond.table).outcome, Outcome::BrokenRoute);
    }
}

#[test]
fn names_of_an_object_are_limited() {
    for (place, route) in [
        ("when.headers", (|names| json!({ "when": { "headers": names } })) as fn(Map<String, Value>) -> Value),
        ("when.cookies", |names| json!({ "when": { "cookies": names } })),
        ("when.query", |names| json!({ "when": { "query": names } })),
        ("requestHeaders.set", |names| json!({ "requestHeaders": { "set": names } })),
        ("requestHeaders.add", |names| json!({ "requestHeaders": { "add": names } })),
        ("respond.headers", |names| json!({ "respond": { "status": 200, "headers": names } })),
    ] {
        let make = |count| {
            let mut route = route(names(count));
            route["match"] = json!("GET /a");
            routes([route])
        };
        let message = format!("routes[1].{place}: 101 names, more than 100; take some out");
        serves_the_rest(&holds(limits::HEADERS, make, &message), Outcome::BrokenRoute);
    }
    let make = |count| {
        let names: Vec<String> = names(count).into_iter().map(|(name, _)| name).collect();
        routes([json!({ "match": "GET /a", "requestHeaders": { "remove": names } })])
    };
    let message = "routes[1].requestHeaders.remove: 101 elements, more than 100; take some out";
    serves_the_rest(&holds(limits::HEADERS, make, message), Outcome::BrokenRoute);
}

#[test]
fn elements_of_cors_are_limited() {
    for key in ["allowOrigins", "allowMethods", "allowHeaders", "exposeHeaders"] {
        let make = |count| {
            let element = |n| if key == "allowOrigins" { format!("https://h{n}.example.com") } else { format!("x{n}") };
            let mut cors = json!({ "allowOrigins": ["https://a.example.com"] });
            cors[key] = (0..count).map(element).collect();
            routes([json!({ "match": "GET /a", "cors": cors })])
        };
        let message = format!("routes[1].cors.{key}: 1001 elements, more than 1000; take some out");
        serves_the_rest(&holds(limits::CORS, make, &message), Outcome::BrokenRoute);
    }
}

#[test]
fn texts_are_limited() {
    type Make = fn(String) -> Value;
    let a = |bytes: usize, begin: &str| format!("{begin}{}", "a".repeat(bytes - begin.len()));
    for (limit, place, begin, make) in [
        (limits::TEXT, "match", "GET /", (|text| json!({ "match": text })) as Make),
        (limits::TEXT, "match[0]", "GET /", |text| json!({ "match": [text] })),
        (limits::TEXT, "rewritePath", "/", |text| json!({ "match": "GET /a", "rewritePath": text })),
        (limits::TEXT, "redirect.to", "/", |text| json!({ "match": "GET /a", "redirect": { "to": text } })),
        (
            limits::TEXT,
            "requestHeaders.set.x",
            "",
            |text| json!({ "match": "GET /a", "requestHeaders": { "set": { "x": text } } }),
        ),
        (limits::TEXT, "when.query.x", "", |text| json!({ "match": "GET /a", "when": { "query": { "x": text } } })),
        (limits::NAME, "name", "", |text| json!({ "match": "GET /a", "name": text })),
        (
            limits::NAME,
            "requestHeaders.remove[0]",
            "",
            |text| json!({ "match": "GET /a", "requestHeaders": { "remove": [text] } }),
        ),
        (
            limits::BODY,
            "respond.body",
            "",
            |text| json!({ "match": "GET /a", "respond": { "status": 200, "body": text } }),
        ),
    ] {
        let make = |bytes| routes([make(a(bytes, begin))]);
        let message = format!("routes[1].{place}: the text has {} bytes, more than {limit}; shorten it", limit + 1);
        serves_the_rest(&holds(limit, make, &message), Outcome::BrokenRoute);
    }
    let make = |bytes| document(&[("name", json!(a(bytes, "")))]);
    let beyond = holds(limits::NAME, make, "name: the text has 257 bytes, more than 256; shorten it");
    assert!(!beyond.name_is_readable);
    for key in ["when", "requestHeaders"] {
        let inner = if key == "when" { "headers" } else { "set" };
        let make = |bytes| routes([json!({ "match": "GET /a", key: { inner: { a(bytes, ""): "1" } } })]);
        let message = format!(
            "routes[1].{key}.{inner}[\"{}…\"]: the name has 257 bytes, more than 256; shorten it",
            "a".repeat(200)
        );
        serves_the_rest(&holds(limits::NAME, make, &message), Outcome::BrokenRoute);
    }
}

/// Each placeholder is not compared with each segment of each `match`.
#[test]
fn many_placeholders_take_little_more_time_than_one() {
    let deep = (0..limits::SEGMENTS - 2).map(|segment| format!("{{p{segment}}}/")).collect::<String>();
    let matches = (0..limits::MATCHES).map(|n| format!("GET /m{n}/{deep}{{a}}")).collect::<Vec<_>>();
    let seconds = |key: &str, name: &str, count: usize| {
        let text = format!("/{}", format!("{{{name}}}").repeat(count));
        let document = routes([json!({ "match": matches, key: text })]);
        let start = Instant::now();
        drop(compiled(&document));
        start.elapsed().as_secs_f64()
    };
    for (key, name) in [("service", "a"), ("rewritePath", "a"), ("rewritePath", "b")] {
        let (one, many) = (seconds(key, name, 1), seconds(key, name, 2_500));
        assert!(many < 1.6 * one, "{key} {name}: {one} s, {many} s");
    }
}

#[test]
fn problems_beyond_the_limit_are_counted() {
    let make = |count| compiled(&routes((0..count).map(|n| json!({ "match": format!("GET /a{n}/{{b") }))));
    let within = make(limits::PROBLEMS);
    assert_eq!((within.problems.len(), within.more_problems), (limits::PROBLEMS, 0));
    let beyond = make(limits::PROBLEMS + 1);
    assert_eq!((beyond.problems.len(), beyond.more_problems), (limits::PROBLEMS, 1));
    // A route is broken even if its problem is not kept.
    for index in [0, limits::PROBLEMS - 1, limits::PROBLEMS] {
        assert_eq!(outcome(&beyond, "GET", &format!("/a{index}/b")), Outcome::BrokenRoute);
    }
    serves_the_rest(&beyond, Outcome::NotFound);
}

#[test]
fn a_route_is_broken_even_if_its_error_is_not_kept() {
    let many = vec![json!(0); limits::PROBLEMS + 500];
    let late = json!({ "match": "GET /late", "host": "a b" });
    let twice = json!({ "match": "GET /twice", "host": "a.example.com" });
    let alone = json!({ "match": "GET /alone", "host": "a.example.com" });
    let document = document(&[("routes", many.into_iter().chain([late, twice.clone(), alone, twice]).collect())]);
    let beyond = compiled(&document);
    assert_eq!((beyond.problems.len(), beyond.more_problems), (limits::PROBLEMS, 502));
    for path in ["/late", "/twice"] {
        assert_eq!(outcome(&beyond, "GET", path), Outcome::BrokenRoute, "{path}");
    }
    assert_eq!(outcome(&beyond, "GET", "/alone"), Outcome::Route);
    assert_eq!(beyond.table.route_count(), 1);
}

#[test]
fn errors_are_kept_before_warnings() {
    let warned = (0..2000).map(|n| json!({ "match": format!("GET /a{n}"), "host": "A.example.com" }));
    let warnings = compiled(&routes(warned.clone()));
    assert_eq!((warnings.problems.len(), warnings.more_problems), (limits::PROBLEMS, 1000));
    assert!(warnings.is_good());
    let both = compiled(&routes(warned.chain([json!({ "match": "GET /b", "host": "a b" })])));
    assert_eq!((both.problems.len(), both.more_problems), (limits::PROBLEMS, 1001));
    assert_eq!(both.problems.iter().filter(|problem| problem.is_error()).count(), 1);
    assert!(!both.is_good());
}

/// There is an error for each pattern and each name. Only those that are kept are made.
#[test]
fn names_that_no_pattern_captures_are_counted() {
    let patterns: Vec<String> = (0..1000).map(|n| format!("GET /a{n}")).collect();
    let beyond =
        compiled(&routes([json!({ "match": patterns, "rewritePath": format!("/{}", "{nope}".repeat(1000)) })]));
    assert_eq!(beyond.problems.len() + beyond.more_problems, 1_000_000);
    assert_eq!(beyond.problems.len(), limits::PROBLEMS);
    serves_the_rest(&beyond, Outcome::NotFound);
    assert_eq!(outcome(&beyond, "GET", "/a1"), Outcome::BrokenRoute);
}

#[test]
fn quotes_are_cut_between_characters() {
    for (count, cut) in [(limits::QUOTED, ""), (limits::QUOTED + 1, "…")] {
        let text = "ü".repeat(count);
        let shown = "ü".repeat(limits::QUOTED);
        let found = compiled(&document(&[("onNoMatch", json!(text)), (&text, json!(1)), ("hosts", json!(text))]));
        let messages = messages(&found);
        assert!(
            messages[0].starts_with(&format!("hosts: expected a list, found the string \"{shown}{cut}\"")),
            "{messages:?}"
        );
        assert!(messages[1].starts_with(&format!("onNoMatch: \"{shown}{cut}\" is not")), "{messages:?}");
        assert!(messages[2].starts_with(&format!("[\"{shown}{cut}\"]: unknown key `{shown}{cut}`;")), "{messages:?}");
    }
}

#[test]
fn no_message_is_long() {
    let long = "{a".repeat(4000);
    let names: String = (0..250).map(|n| format!("/{{{}{n}}}", "c".repeat(20))).collect();
    let route = |value: Value| {
        let mut route = json!({ "match": "GET /a", "host": "a.example.com" });
        value.as_object().unwrap().iter().for_each(|(key, value)| route[key] = value.clone());
        route
    };
    let found = compiled(&routes([
        route(json!({ "match": format!("GET /{long}") })),
        route(json!({ "match": long })),
        route(json!({ "match": format!("{}@ /a", "M".repeat(8000)) })),
        route(json!({ "match": format!("GET {names}"), "rewritePath": "/{nope}" })),
        route(json!({ "match": "GET /b", "host": long })),
        route(json!({ "match": "GET /c", "rewritePath": long })),
        route(json!({ "match": "GET /d", "when": { "headers": { &long: "1" } } })),
        route(json!({ "match": "GET /e", "cors": { "allowOrigins": [long] } })),
        route(json!({ "match": "GET /f", "namespace": long })),
    ]));
    assert!(found.problems.len() >= 9);
    for message in messages(&found) {
        assert!(message.len() < 1000, "{message}");
    }
}

#[test]
fn a_known_key_is_proposed_only_while_the_search_is_quick() {
    let like = |key: String| messages(&compiled(&document(&[(&key, json!(1))])))[0].contains("did you mean");
    assert!(like(format!("host_s{}", "_".repeat(58))));
    assert!(!like(format!("host_s{}", "_".repeat(59))));
    // Their routes are broken, whichever key was meant.
    let route = |n| json!({ "match": format!("GET /a{n}"), "host": "a.example.com", "whenn": 1 });
    let many = compiled(&routes((0..1500).map(route)));
    assert_eq!(many.problems.len() + many.more_problems, 1500);
    assert_eq!(outcome(&many, "GET", "/a1400"), Outcome::BrokenRoute);
    serves_the_rest(&many, Outcome::NotFound);
}

//! All errors of a document are reported at once. Each message has the place of the error, quotes what the user wrote,
//! and proposes what to write instead.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use ksvc_routing::{CATALOGUE, CatalogueEntry, Example, Outcome, Severity, compile};
use serde_json::{Value, json};

/// Returns place, severity and message of all problems of a document, in their order.
fn problems(document: &str) -> Vec<(String, Severity, String)> {
    let compiled = compile(document.as_bytes());
    let problems = compiled
        .problems
        .iter()
        .map(|problem| (problem.place.to_string(), problem.severity(), problem.kind.to_string()));
    let problems = problems.collect::<Vec<_>>();
    let errors = problems.iter().filter(|(_, severity, _)| *severity == Severity::Error).count();
    assert_eq!(compiled.is_good(), errors == 0);
    problems
}

/// Returns whether a message says what to do: after a `;`, `write` or `expected`, or as a question.
fn has_remedy(message: &str) -> bool {
    [";", "write", "expected", "?"].iter().any(|word| message.contains(word))
}

/// Compares the problems of a document with the expected ones, each given by its place and a part of its message.
/// Returns every difference.
fn differences(document: &str, severity: Severity, expected: &[(&str, &str)]) -> Vec<String> {
    let mut left = problems(document);
    let mut differences = Vec::new();
    for (place, part) in expected {
        let is_it = |(at, found, message): &(String, Severity, String)| {
            at == place && *found == severity && message.contains(part)
        };
        match left.iter().position(is_it).map(|found| left.remove(found)) {
            Some((.., message)) if has_remedy(&message) => {}
            Some((.., message)) => differences.push(format!("no remedy: {message}")),
            None => differences.push(format!("{place} has no {severity:?} with {part:?}")),
        }
    }
    differences.extend(left.iter().map(|problem| format!("not expected: {problem:?}")));
    if !differences.is_empty() {
        differences.push(document.to_owned());
    }
    differences
}

fn check(document: &str, severity: Severity, expected: &[(&str, &str)]) {
    check_all([(document.to_owned(), expected)], severity);
}

fn check_all<'a>(cases: impl IntoIterator<Item = (String, &'a [(&'a str, &'a str)])>, severity: Severity) {
    let cases = cases.into_iter().flat_map(|(document, expected)| differences(&document, severity, expected));
    let differences = cases.collect::<Vec<_>>();
    assert!(differences.is_empty(), "{differences:#?}");
}

fn errors(document: &Value, expected: &[(&str, &str)]) {
    check(&document.to_string(), Severity::Error, expected);
}

fn warnings(document: &Value, expected: &[(&str, &str)]) {
    check(&document.to_string(), Severity::Warning, expected);
}

/// Checks documents with one error each.
fn each_has_one_error<'a>(cases: impl IntoIterator<Item = (Value, &'a str, &'a str)>) {
    let cases = cases.into_iter().map(|(document, place, part)| (document.to_string(), [(place, part)]));
    let cases = cases.collect::<Vec<_>>();
    check_all(cases.iter().map(|(document, expected)| (document.clone(), &expected[..])), Severity::Error);
}

/// Returns a good document with other values for some keys. `null` removes a key.
fn with(keys: Value) -> Value {
    let routes = json!([{ "match": "GET /a/{id}", "service": "orders" }]);
    let mut document =
        json!({ "hosts": ["api.example.com"], "domain": "example.com", "namespace": "shop", "routes": routes });
    for (key, value) in keys.as_object().unwrap() {
        match value {
            Value::Null => drop(document.as_object_mut().unwrap().remove(key)),
            value => document[key] = value.clone(),
        }
    }
    document
}

fn with_routes(routes: Value) -> Value {
    with(json!({ "routes": routes }))
}

/// Returns a document with one route, `GET /a/{id}` to a service, with other values for some keys. `null` removes a
/// key.
fn with_route(keys: Value) -> Value {
    let mut route = json!({ "match": "GET /a/{id}", "service": "orders" });
    for (key, value) in keys.as_object().unwrap() {
        match value {
            Value::Null => drop(route.as_object_mut().unwrap().remove(key)),
            value => route[key] = value.clone(),
        }
    }
    with_routes(json!([route]))
}

#[test]
fn good_documents_have_no_problems() {
    for document in [
        with(json!({})),
        with_routes(json!([])),
        with(json!({ "name": "shop_1-a", "hosts": ["a.example.com", "*.b.example.com"], "basePath": "/faas/v1" })),
        with(json!({ "hosts": ["*"], "onNoMatch": "passThrough" })),
        with(json!({ "hosts": ["localhost", "10.0.0.1", "[::1]"] })),
        with(
            json!({ "hostTemplate": "{service}-{namespace}.{domain}", "trailingSlash": "ignore", "unsafePaths": "reject" }),
        ),
        with(json!({ "basePath": "/faas", "stripBasePath": true, "stripInternalHeaders": false, "denyDirect": true })),
        with(
            json!({ "domain": null, "namespace": null, "routes": [{ "match": "GET /", "host": "x.example.net:8080" }] }),
        ),
        with(json!({ "unsafePaths": "allow", "routes": [{ "match": "GET //a/../%2F", "service": "s" }] })),
        with_route(
            json!({ "match": ["GET|POST /a", "ANY /b/{x}.json", "REPORT /c/{*rest}", "PUT /é/{{x}}/%20/100%25"] }),
        ),
        with_route(json!({ "tag": "canary", "namespace": "billing", "name": "Orders, all of them" })),
        with_route(json!({ "when": { "headers": { "X-Beta": "true", "y": "*" }, "query": { "v": "2" } } })),
        with_route(json!({ "rewritePath": "/v2/{id}/{{x}}" })),
        with_route(json!({ "service": null, "redirect": { "to": "https://x.example.com/{id}?a=b", "status": 301 } })),
        with_route(json!({ "service": null, "respond": { "status": 200, "headers": { "x-a": "b" }, "body": "é" } })),
        with_routes(json!([
            { "match": "GET /users/{id}", "service": "a" },
            { "match": "GET /users/{*rest}", "service": "b" },
            { "match": "HEAD /users/{id}", "service": "c" },
            { "match": "ANY /users/{name}", "service": "d" },
            { "match": "GET /users/{id}", "service": "e", "when": { "query": { "v": "2" } } },
            { "match": "GET /users/{id}/", "service": "f" },
            { "match": "GET /users/{id}.json", "service": "g" },
        ])),
    ] {
        check(&document.to_string(), Severity::Error, &[]);
    }
}

#[test]
fn a_document_must_be_an_object_in_json() {
    for (document, part) in
        [("", "empty"), (" \n", "empty"), ("null", ""), ("[]", "hosts"), ("7", "hosts"), ("\"x\"", "hosts")]
    {
        check(document, Severity::Error, &[("", part)]);
    }
    for document in ["{", "hosts: [a]", "{} x"] {
        let found = problems(document);
        assert!(matches!(&*found, [(place, _, message)] if place.is_empty() && message.contains("JSON")), "{found:?}");
    }
    check("{}", Severity::Error, &[("", "`hosts` is missing"), ("", "`routes` is missing")]);
    assert!(!compile(b"{\"name\":\"\xff\"}").is_good());
}

#[test]
fn errors_of_the_tables_keys() {
    let cases = [
        (json!({ "hosts": null }), "", "`hosts` is missing"),
        (json!({ "routes": null }), "", "`routes` is missing"),
        (json!({ "hosts": [] }), "hosts", "empty"),
        (json!({ "hosts": "api.example.com" }), "hosts", "list"),
        (json!({ "hosts": [7] }), "hosts[0]", "7"),
        (json!({ "hosts": ["api.example.com", "a b"] }), "hosts[1]", "a b"),
        (json!({ "hosts": ["https://api.example.com"] }), "hosts[0]", "api.example.com"),
        (json!({ "hosts": ["api.example.com/x"] }), "hosts[0]", "api.example.com/x"),
        (json!({ "hosts": ["api.example.com:80"] }), "hosts[0]", "api.example.com"),
        (json!({ "hosts": ["a.*.example.com"] }), "hosts[0]", "*"),
        (json!({ "hosts": ["*example.com"] }), "hosts[0]", "*.example.com"),
        (json!({ "hosts": [""] }), "hosts[0]", "empty"),
        (json!({ "basePath": "faas" }), "basePath", "/faas"),
        (json!({ "basePath": "/a/{b}" }), "basePath", "{b}"),
        (json!({ "basePath": "/a?b" }), "basePath", "/a?b"),
        (json!({ "basePath": "/a//b" }), "basePath", "/a//b"),
        (json!({ "basePath": "/a/../b" }), "basePath", "/a/../b"),
        (json!({ "basePath": 7 }), "basePath", "7"),
        (json!({ "domain": "exa mple.com" }), "domain", "exa mple.com"),
        (json!({ "domain": ["example.com"] }), "domain", "string"),
        (json!({ "namespace": "Shop" }), "namespace", "Shop"),
        (json!({ "hostTemplate": "{service}.{ns}.{domain}" }), "hostTemplate", "{ns}"),
        (json!({ "hostTemplate": "{namespace}.{domain}" }), "hostTemplate", "{service}"),
        (json!({ "hostTemplate": "{service}.{domain" }), "hostTemplate", "brace"),
        (json!({ "stripBasePath": "true" }), "stripBasePath", "true"),
        (json!({ "stripInternalHeaders": 1 }), "stripInternalHeaders", "1"),
        (json!({ "denyDirect": "no" }), "denyDirect", "no"),
        (json!({ "onNoMatch": "404" }), "onNoMatch", "`notFound` or `passThrough`"),
        (json!({ "trailingSlash": "Ignore" }), "trailingSlash", "`ignore`"),
        (json!({ "unsafePaths": true }), "unsafePaths", "`reject`"),
        (json!({ "name": "my table" }), "name", "my table"),
        (json!({ "name": "" }), "name", "letters"),
        (json!({ "routes": {} }), "routes", "list"),
        (json!({ "routes": [7] }), "routes[0]", "7"),
        (json!({ "basepath": "/a" }), "basepath", "`basePath`"),
        (json!({ "rooutes": [] }), "rooutes", "`routes`"),
        (json!({ "frobnicate": 1 }), "frobnicate", "the keys here are"),
    ];
    each_has_one_error(cases.map(|(keys, place, part)| (with(keys), place, part)));
    // Only a route whose host contains them needs these keys.
    errors(&with(json!({ "domain": null })), &[("routes[0].service", "`domain`")]);
    errors(&with(json!({ "namespace": null })), &[("routes[0].service", "`namespace`")]);
}

#[test]
fn errors_of_a_route() {
    let cases = [
        (json!({ "match": null }), "routes[0]", "`match` is missing"),
        (json!({ "match": [] }), "routes[0].match", "empty"),
        (json!({ "match": 7 }), "routes[0].match", "7"),
        (json!({ "match": ["GET /a", 7] }), "routes[0].match[1]", "7"),
        (json!({ "service": null }), "routes[0]", "no target"),
        (json!({ "host": "x.example.com" }), "routes[0]", "`service` and `host`"),
        (json!({ "service": 7 }), "routes[0].service", "7"),
        (json!({ "service": "Orders" }), "routes[0].service", "Orders"),
        (json!({ "service": "a.b" }), "routes[0].service", "a.b"),
        (json!({ "service": "a".repeat(64) }), "routes[0].service", "63"),
        (json!({ "service": "a".repeat(60), "tag": "canary" }), "routes[0].service", "63"),
        (json!({ "namespace": "-x" }), "routes[0].namespace", "-x"),
        (json!({ "tag": "Canary" }), "routes[0].tag", "Canary"),
        (json!({ "name": "" }), "routes[0].name", "empty"),
        (json!({ "name": "a\nb" }), "routes[0].name", "control"),
        (json!({ "servce": "x", "service": null, "host": "a.example.com" }), "routes[0].servce", "`service`"),
        (json!({ "service": null, "host": "a b" }), "routes[0].host", "a b"),
        (json!({ "service": null, "host": "http://a.example.com" }), "routes[0].host", "a.example.com"),
        (json!({ "service": null, "host": "a.example.com:99999" }), "routes[0].host", "99999"),
        (json!({ "service": null, "host": "*.example.com" }), "routes[0].host", "*"),
        (json!({ "service": null, "host": "a.example.com", "tag": "x" }), "routes[0].tag", "`service`"),
        (json!({ "service": null, "host": "a.example.com", "namespace": "x" }), "routes[0].namespace", "`service`"),
        (
            json!({ "service": null, "respond": { "status": 200 }, "rewritePath": "/" }),
            "routes[0].rewritePath",
            "`host`",
        ),
        (json!({ "service": null, "redirect": {} }), "routes[0].redirect", "`to` is missing"),
        (json!({ "service": null, "redirect": "/b" }), "routes[0].redirect", "`to`"),
        (json!({ "service": null, "redirect": { "to": "/b", "status": 300 } }), "routes[0].redirect.status", "308"),
        (json!({ "service": null, "redirect": { "to": "/b", "status": "301" } }), "routes[0].redirect.status", "301"),
        (json!({ "service": null, "redirect": { "to": "/{x}" } }), "routes[0].redirect.to", "{x}"),
        (
            json!({ "service": null, "redirect": { "to": "https://{id}.example.com/" } }),
            "routes[0].redirect.to",
            "{id}",
        ),
        (json!({ "service": null, "redirect": { "to": "{id}://example.com/" } }), "routes[0].redirect.to", "{id}"),
        (json!({ "service": null, "redirect": { "to": "//{id}/x" } }), "routes[0].redirect.to", "{id}"),
        (json!({ "service": null, "redirect": { "to": "/b", "code": 301 } }), "routes[0].redirect.code", "`status`"),
        (json!({ "service": null, "respond": {} }), "routes[0].respond", "`status` is missing"),
        (json!({ "service": null, "respond": { "status": 99 } }), "routes[0].respond.status", "99"),
        (json!({ "service": null, "respond": { "status": 101 } }), "routes[0].respond.status", "101"),
        (json!({ "service": null, "respond": { "status": 600 } }), "routes[0].respond.status", "600"),
        (json!({ "service": null, "respond": { "status": 204, "body": "x" } }), "routes[0].respond.body", "204"),
        (json!({ "service": null, "respond": { "status": 200, "body": 7 } }), "routes[0].respond.body", "7"),
        (json!({ "rewritePath": "v2" }), "routes[0].rewritePath", "/v2"),
        (json!({ "rewritePath": "/{x}" }), "routes[0].rewritePath", "{id}"),
        (json!({ "rewritePath": "/{*id}" }), "routes[0].rewritePath", "{id}"),
        (json!({ "rewritePath": "/{id" }), "routes[0].rewritePath", "/{id"),
        (json!({ "rewritePath": "/a?b={id}" }), "routes[0].rewritePath", "?"),
        (json!({ "rewritePath": 7 }), "routes[0].rewritePath", "7"),
        (json!({ "when": "x" }), "routes[0].when", "`headers`"),
        (json!({ "when": { "header": {} } }), "routes[0].when.header", "`headers`"),
        (json!({ "when": { "headers": { "x": true } } }), "routes[0].when.headers.x", "quotes"),
        (json!({ "when": { "query": { "v": 2 } } }), "routes[0].when.query.v", "quotes"),
        (json!({ "when": { "query": { "": "2" } } }), "routes[0].when.query[\"\"]", "name"),
        (json!({ "when": { "headers": { "a b": "1" } } }), "routes[0].when.headers[\"a b\"]", "a b"),
        (json!({ "when": { "cookies": { "": "1" } } }), "routes[0].when.cookies[\"\"]", "name"),
        (json!({ "when": { "cookies": { "a=b": "1" } } }), "routes[0].when.cookies[\"a=b\"]", "`=`"),
        (json!({ "when": { "cookies": { "a": "1; b=2" } } }), "routes[0].when.cookies.a", "`;`"),
        (json!({ "when": { "cookies": { "a": 1 } } }), "routes[0].when.cookies.a", "quotes"),
        (json!({ "when": { "cookies": ["a=1"] } }), "routes[0].when.cookies", "object"),
        (json!({ "when": { "headers": { ":path": "1" } } }), "routes[0].when.headers[\":path\"]", ":path"),
        (json!({ "when": { "headers": { "x": "a\nb" } } }), "routes[0].when.headers.x", "control"),
    ];
    each_has_one_error(cases.map(|(keys, place, part)| (with_route(keys), place, part)));
    for (name, part) in [(":status", ":status"), ("Host", "host"), ("a b", "a b")] {
        let respond = json!({ "status": 200, "headers": { name: "x" } });
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric());
        let place = if plain {
            format!("routes[0].respond.headers.{name}")
        } else {
            format!("routes[0].respond.headers[{name:?}]")
        };
        errors(&with_route(json!({ "service": null, "respond": respond })), &[(&place, part)]);
    }
}

#[test]
fn errors_of_a_match() {
    let cases = [
        ("/orders", "ANY /orders"),
        ("GET", "GET /orders"),
        ("GET orders", "\"/orders\""),
        (" /orders", "method"),
        ("GET  /orders", "/orders"),
        ("G@T /a", "G@T"),
        ("GET,POST /a", "GET|POST"),
        ("GET| /a", "GET|"),
        ("GET|GET /a", "GET"),
        ("ANY|GET /a", "ANY"),
        ("GET /a/{id", "{id"),
        ("GET /a/id}", "id}"),
        ("GET /a/{}", "{}"),
        ("GET /a/{a b}", "{a b}"),
        ("GET /a/{id}/{id}", "{id}"),
        ("GET /a/{x}{y}", "{x}{y}"),
        ("GET /a/{x}{y}", "{x}{y}"),
        ("GET /a/v{*rest}", "v{*rest}"),
        ("GET /a/{*rest}/b", "{*rest}"),
        ("GET /a/{rest...}", "{**rest}"),
        ("GET /a/{id:[0-9]+}", "{id}"),
    ];
    let alone = |(text, part)| (with_route(json!({ "match": text })), "routes[0].match", part);
    each_has_one_error(cases.map(alone));
    let listed = |(text, part)| (with_route(json!({ "match": ["GET /fine", text] })), "routes[0].match[1]", part);
    each_has_one_error(cases.map(listed));
}

#[test]
fn a_template_is_checked_against_every_match_of_its_route() {
    for (other, part) in [("GET /b/{name}", "it captures `{name}`"), ("GET /c", "captures nothing")] {
        for patterns in [["GET /a/{id}", other], [other, "GET /a/{id}"]] {
            let route = with_route(json!({ "match": patterns, "rewritePath": "/{id}" }));
            errors(&route, &[("routes[0].rewritePath", part)]);
            errors(&route, &[("routes[0].rewritePath", other)]);
        }
    }
}

#[test]
fn a_message_about_duplicate_routes_names_both() {
    for (first, second) in [
        (json!({ "match": "GET /a/{x}" }), json!({ "match": "GET /a/{y}" })),
        (json!({ "match": "GET /a" }), json!({ "match": "GET|POST /%61" })),
        (json!({ "match": "ANY /a/{*x}" }), json!({ "match": "ANY /a/{*y}" })),
        (json!({ "match": "GET /é{x}" }), json!({ "match": "GET /%c3%a9{x}" })),
        (
            json!({ "match": "GET /a", "when": { "headers": { "X-A": "1", "y": "*" }, "query": { "v": "1" } } }),
            json!({ "match": "GET /a", "when": { "query": { "v": "1" }, "headers": { "Y": "*", "x-a": "1" } } }),
        ),
    ] {
        let mut routes = json!([{ "match": "GET /other" }, first, second]);
        for (index, route) in routes.as_array_mut().unwrap().iter_mut().enumerate() {
            route["service"] = json!(format!("s{index}"));
        }
        let found = problems(&with_routes(routes.clone()).to_string());
        assert!(!found.is_empty() && found.iter().all(|(_, severity, _)| *severity == Severity::Error), "{found:?}");
        let (place, _, message) = &found[0];
        let both = format!("{place} {message}");
        for index in [1, 2] {
            let text = routes[index]["match"].as_str().unwrap();
            assert!(both.contains(&format!("routes[{index}]")), "{both}");
            assert!(both.contains(text) || place.contains(&format!("[{index}]")), "{both}");
        }
    }
    let twice = with_route(json!({ "match": ["GET /a", "GET /%61"] }));
    assert_eq!(problems(&twice.to_string())[0].1, Severity::Error);
}

#[test]
fn keys_written_twice() {
    check(
        r#"{"hosts":["a.example.com"],"hosts":["b.example.com"],"routes":[]}"#,
        Severity::Error,
        &[("hosts", "twice")],
    );
    check(
        r#"{"hosts":["a.example.com"],"routes":[{"match":"GET /a","host":"x.example.com","host":"y.example.com"}]}"#,
        Severity::Error,
        &[("routes[0].host", "twice")],
    );
    errors(
        &with_route(json!({ "when": { "headers": { "X-A": "1", "x-a": "2" } } })),
        &[("routes[0].when.headers.x-a", "twice")],
    );
}

#[test]
fn a_document_with_warnings_is_good() {
    let cluster_local = "s.shop.svc.cluster.local";
    warnings(&with_route(json!({ "service": null, "host": cluster_local })), &[("routes[0].host", cluster_local)]);
    warnings(
        &with_route(json!({ "service": null, "host": "s.shop.svc.cluster.local:80" })),
        &[("routes[0].host", cluster_local)],
    );
    let by_domain = with(json!({ "domain": "svc.cluster.local", "routes": [{ "match": "GET /a", "service": "s" }] }));
    warnings(&by_domain, &[("routes[0].service", cluster_local)]);
    warnings(&with(json!({ "hosts": ["API.example.com"] })), &[("hosts[0]", "api.example.com")]);
    warnings(&with(json!({ "domain": "Example.com" })), &[("domain", "example.com")]);
    warnings(&with_route(json!({ "service": null, "host": "A.example.com" })), &[("routes[0].host", "a.example.com")]);
    warnings(&with(json!({ "hosts": ["*"] })), &[("hosts[0]", "passThrough")]);
    for (value, part) in
        [("\"1\"", "write \"1\""), ("\"\"1\"\"", "take the quotes out"), ("\"1*\"", "take the quotes out")]
    {
        let when = json!({ "cookies": { "a": value } });
        warnings(&with_route(json!({ "when": when })), &[("routes[0].when.cookies.a", part)]);
    }
    warnings(&with(json!({ "hosts": ["*"], "onNoMatch": "notFound" })), &[("hosts[0]", "passThrough")]);
}

#[test]
fn a_route_that_can_never_be_chosen_is_a_warning() {
    for path in ["/a//b", "/a/../b", "/./a", "/a%2Fb", "/a/%5c", "/%00", "/..;x/a", "/a/%2e%2E", "/{x}%2f"] {
        warnings(&with_route(json!({ "match": format!("GET {path}") })), &[("routes[0].match", "never")]);
        let allowed =
            with(json!({ "unsafePaths": "allow", "routes": [{ "match": format!("GET {path}"), "service": "s" }] }));
        warnings(&allowed, &[]);
    }
    // With `allowEncodedSlash`, an encoded slash counts as a slash for the other rules.
    for (path, remedy) in [
        ("/a%2Fb", "`unsafePaths: allowEncodedSlash`"),
        ("/{x}%2f", "`unsafePaths: allowEncodedSlash`"),
        ("/..%2Fa", "`unsafePaths: allow`"),
        ("/a%2F%2Fb", "`unsafePaths: allow`"),
        ("/a%2F/b", "`unsafePaths: allow`"),
        ("/{x}%2F..%2F{y}", "`unsafePaths: allow`"),
        ("/a%2Fb%5C", "`unsafePaths: allow`"),
        ("/..;{x}", "`unsafePaths: allow`"),
    ] {
        let route = json!([{ "match": format!("GET {path}"), "service": "s" }]);
        warnings(&with_routes(route.clone()), &[("routes[0].match", remedy)]);
        let expected = [("routes[0].match", remedy)];
        let is_allowed = remedy.contains("Slash");
        let document = with(json!({ "unsafePaths": "allowEncodedSlash", "routes": route }));
        warnings(&document, if is_allowed { &[] } else { &expected });
    }
    // Every request that the last route matches is matched by the first one, which comes before it.
    let shadowed = with_routes(json!([
        { "match": "GET /a", "service": "first", "when": { "headers": { "x": "*" } } },
        { "match": "GET /b", "service": "other" },
        { "match": "GET /a", "service": "second", "when": { "headers": { "x": "1" } } },
    ]));
    warnings(&shadowed, &[("routes[2].match", "routes[0].match (\"GET /a\")")]);
    let not_shadowed = with_routes(json!([
        { "match": "GET /a", "service": "first", "when": { "headers": { "x": "1" } } },
        { "match": "GET /a", "service": "second", "when": { "headers": { "x": "*" } } },
        { "match": "GET /a", "service": "third" },
    ]));
    warnings(&not_shadowed, &[]);
}

/// Makes a document with a route that has a template over `{**rest}`.
fn with_rest(path: &str, key: &str, template: &str, unsafe_paths: &str) -> Value {
    let target = match key {
        "rewritePath" => json!({ "match": path, "service": "s", "rewritePath": template }),
        _ => json!({ "match": path, "redirect": { "to": template } }),
    };
    with(json!({ "unsafePaths": unsafe_paths, "routes": [target] }))
}

/// There is a warning exactly if a request without a rest is refused, and none for the pattern that the message proposes.
#[test]
fn a_template_that_fails_for_every_empty_rest_is_a_warning() {
    let templates = [
        "/{rest}/index",
        "/{rest}",
        "/v2/{rest}",
        "/v2/{rest}/x",
        "/v2-{rest}/x",
        "/{rest}{rest}/",
        "/.{rest}/x",
        "/{rest}.",
        "/{a}/{rest}/{a}",
        "/{a}{rest}",
        "/%2F{rest}/x",
        "/x//{rest}",
        "/{rest}//",
        "/%2E/{rest}",
        "//{a}",
        "/",
        "/é /{rest}/",
    ];
    let mut warned = 0;
    for key in ["rewritePath", "redirect.to"] {
        for unsafe_paths in ["reject", "allowEncodedSlash", "allow"] {
            for template in templates.iter().filter(|template| key == "rewritePath" || !template.starts_with("//")) {
                let template = if key == "rewritePath" { (*template).to_owned() } else { template.replace("é ", "e") };
                let document = with_rest("GET /x/{a}/{**rest}", key, &template, unsafe_paths);
                let table = common::good(&document);
                let refused = |path: &str| common::request("GET", path).on(&table).outcome == Outcome::UnsafePath;
                let (all, empty) = (refused("/x/1/2"), refused("/x/1"));
                assert_eq!(empty, refused("/x/1/"), "{document}");
                let found = compile(document.to_string().as_bytes()).problems;
                let codes = found.iter().map(|problem| problem.kind.code()).collect::<Vec<_>>();
                let expected = match (all, empty) {
                    (true, _) => &["refused-rewrite"][..],
                    (false, true) => &["empty-rest"],
                    (false, false) => &[],
                };
                assert_eq!(codes, expected, "{document}");
                if codes == ["empty-rest"] {
                    assert!(
                        found[0]
                            .to_string()
                            .contains("write `{*rest}` in `match`, and a route of its own for `/x/{a}`")
                    );
                    let mended = with_rest("GET /x/{a}/{*rest}", key, &template, unsafe_paths);
                    check(&mended.to_string(), Severity::Warning, &[]);
                    warned += 1;
                }
            }
        }
    }
    assert!(warned > 10, "{warned}");
    let root = with_rest("GET /{**rest}", "rewritePath", "/{rest}/index", "reject");
    warnings(&root, &[("routes[0].rewritePath", "a request for `/` is always")]);
}

#[test]
fn every_error_is_reported_at_once() {
    let document = json!({
        "hosts": ["api.example.com", "a b"],
        "basePath": "faas",
        "trailingSlash": "no",
        "extra": 1,
        "routes": [
            { "match": "GET /a/{id", "service": "Bad", "rewritePath": "x", "more": 1 },
            { "match": ["GET /b", "P@ST /b"], "service": "s", "host": "t" },
            7,
            { "match": "GET /c", "service": "s" },
            { "service": "s", "when": { "headers": { "a b": 1 } } },
            { "match": "GET /d", "respond": { "status": 7, "headers": { "host": "x" } } },
            { "match": "GET /d", "redirect": { "to": "/{x}", "status": 7 } },
        ],
    });
    let found = problems(&document.to_string());
    let places = found.iter().map(|(place, ..)| &**place).collect::<std::collections::BTreeSet<_>>();
    for place in [
        "hosts[1]",
        "basePath",
        "trailingSlash",
        "extra",
        "routes[0].match",
        "routes[0].service",
        "routes[0].rewritePath",
        "routes[0].more",
        "routes[1].match[1]",
        "routes[1]",
        "routes[2]",
        "routes[3].service",
        "routes[4]",
        "routes[4].when.headers[\"a b\"]",
        "routes[5].respond.status",
        "routes[5].respond.headers.host",
        "routes[6].redirect.to",
        "routes[6].redirect.status",
    ] {
        assert!(places.contains(place), "{place} is not among {found:#?}");
    }
    let order =
        found.iter().filter_map(|(place, ..)| place.strip_prefix("routes[")?.chars().next()).collect::<Vec<_>>();
    assert!(order.is_sorted(), "{found:#?}");
}

/// Whichever error is corrected first, no new error appears, because all errors were reported at once.
#[test]
fn correcting_an_error_reveals_no_other_error() {
    let errors: &[(&str, serde_json::Value, serde_json::Value)] = &[
        ("service", json!("Bad_Name"), json!("good")),
        ("namespace", json!("Bad_Name"), json!("shop")),
        ("tag", json!("UPPER"), json!("canary")),
        ("rewritePath", json!("x?y"), json!("/x")),
        ("name", json!(7), json!("name")),
        ("match", json!("GET /{a"), json!("GET /a")),
        ("when", json!({ "headers": { "a b": "1" } }), json!({})),
    ];
    let document = |corrected: usize| {
        let mut route = serde_json::Map::new();
        for (index, (key, bad, good)) in errors.iter().enumerate() {
            let value = if corrected & (1 << index) == 0 { bad } else { good };
            route.insert((*key).into(), value.clone());
        }
        json!({ "hosts": ["api.example.com"], "domain": "example.com", "routes": [route] })
    };
    let problems = |corrected: usize| {
        let compiled = ksvc_routing::compile(document(corrected).to_string().as_bytes());
        compiled.problems.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    for corrected in 0..1usize << errors.len() {
        let reported = problems(corrected);
        for next in (0..errors.len()).filter(|next| corrected & (1 << next) == 0) {
            for problem in problems(corrected | 1 << next) {
                assert!(
                    reported.contains(&problem),
                    "after correcting `{}`, there is a new problem: {problem}\n{reported:#?}",
                    errors[next].0
                );
            }
        }
    }
    assert_eq!(problems((1 << errors.len()) - 1), Vec::<String>::new());
}

/// A code is words in lower case, joined by `-`.
fn is_code(code: &str) -> bool {
    code.split('-').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()))
}

#[test]
fn every_kind_has_a_code_of_its_own() {
    let mut codes = std::collections::BTreeSet::new();
    for CatalogueEntry { name, code, .. } in CATALOGUE {
        assert!(is_code(code), "{name}: {code}");
        assert!(codes.insert(code), "{name} has the code of another kind: {code}");
    }
    // Users write these codes in their own files, so they do not change.
    for code in ["duplicate-route", "shadowed-route"] {
        assert!(codes.contains(&code), "{code}");
    }
    for not_a_code in ["", "Host", "invalid_host", "-host", "invalid--host"] {
        assert!(!is_code(not_a_code), "{not_a_code}");
    }
}

#[test]
fn every_kind_is_explained_in_a_few_sentences() {
    let mut groups: Vec<&str> = CATALOGUE.iter().map(|entry| entry.group).collect();
    groups.dedup();
    let distinct = groups.iter().collect::<std::collections::BTreeSet<_>>().len();
    assert_eq!(groups.len(), distinct, "kinds of one group are neighbours: {groups:?}");
    for CatalogueEntry { name, explanation, .. } in CATALOGUE {
        let sentences = explanation.matches(". ").count() + 1;
        assert!(explanation.ends_with('.') && sentences <= 3, "{name}: {explanation}");
        assert!(!explanation.contains("  ") && !explanation.contains('\n'), "{name}: {explanation}");
    }
}

#[test]
fn a_message_in_the_catalogue_is_that_of_a_problem() {
    for CatalogueEntry { name, example, .. } in CATALOGUE {
        if let Example::Message(message) = example {
            assert!(has_remedy(&message()), "{name}: {}", message());
        }
    }
}

#[test]
fn a_prefix_whose_own_path_goes_to_another_rest_is_reported() {
    let table = |base: &str, routes: &[(&str, &str)]| {
        let routes = routes.iter().map(|(pattern, host)| json!({ "match": pattern, "host": host })).collect::<Vec<_>>();
        json!({ "hosts": ["api.example.com"], "basePath": base, "routes": routes })
    };
    let (back, front) = ("back.example.com", "front.example.com");
    for (routes, place, part) in [
        (vec![("ANY /api/{*rest}", back), ("ANY /{*rest}", front)], "routes[0].match", "`/v1/api` and `/v1/api/`"),
        (vec![("ANY /{**rest}", front), ("GET /api/{*rest}", back)], "routes[1].match", "\"GET /api/{**rest}\""),
        (vec![("ANY /a/{x}/{*rest}", back), ("ANY /a/{*rest}", front)], "routes[0].match", "\"ANY /a/{x}/{**rest}\""),
        (vec![("GET /api/{*rest}", back), ("ANY /api/", back), ("ANY /{*r}", front)], "routes[0].match", "`/v1/api`,"),
        (vec![("GET|PUT /api/{*rest}", back), ("PUT /{*r}", front)], "routes[0].match", "\"GET|PUT /api/{**rest}\""),
        (vec![("ANY /api/{*rest}", back), ("PUT /{*r}", front)], "routes[0].match", "\"ANY /api/{**rest}\""),
    ] {
        warnings(&table("/v1", &routes), &[(place, part)]);
        // The remedy is accepted, and nothing is left to say.
        let mended = routes.iter().map(|(pattern, host)| (pattern.replace("{*rest}", "{**rest}"), *host));
        let mended = mended.collect::<Vec<_>>();
        warnings(&table("/v1", &mended.iter().map(|(pattern, host)| (&**pattern, *host)).collect::<Vec<_>>()), &[]);
    }
    for deliberate in [
        vec![("ANY /api/{*rest}", back), ("ANY /api", front), ("ANY /{*rest}", front)],
        vec![("ANY /api/{*rest}", back), ("ANY /api/{**rest}", front)],
        vec![("GET /api/{*rest}", back), ("POST /{*rest}", front)],
        vec![("ANY /api/{*rest}", back), ("ANY /{page}", front)],
        vec![("ANY /{*rest}", back)],
    ] {
        warnings(&table("/v1", &deliberate), &[]);
    }
    // With an empty rest, the rewritten path would have an empty segment, and every request would get 400.
    let mut rewritten = table("/v1", &[("ANY /api/{*rest}", back), ("ANY /{*rest}", front)]);
    rewritten["routes"][0]["rewritePath"] = json!("/x/{rest}/y");
    warnings(&rewritten, &[("routes[0].match", "write a `match` of its own")]);
}

//! Tests what happens to the headers of requests and responses: CORS, the user's own changes, and `Location`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{HOST, Request, Seen, bad, good, request};
use ksvc_routing::{Head, Outcome, RouteTable};
use serde_json::{Value, json};

const APP: &str = "https://app.example.com";

fn document(keys: Value, routes: Value) -> Value {
    let mut document = json!({ "hosts": [HOST], "domain": "example.com", "namespace": "shop", "routes": routes });
    document.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    document
}

fn table(keys: Value, routes: Value) -> RouteTable {
    good(&document(keys, routes))
}

fn cors() -> Value {
    json!({ "allowOrigins": [APP] })
}

fn preflight(method: &str, path: &str) -> Request {
    request("OPTIONS", path).header("origin", APP).header("access-control-request-method", method)
}

/// Returns the value of a header.
fn value<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
}

#[test]
fn a_table_without_changes_to_responses_leaves_them_unchanged() {
    let table = table(json!({ "requestHeaders": { "remove": ["x"] } }), json!([{ "match": "GET /a", "service": "s" }]));
    assert!(!table.changes_responses());
    let sent = [(":status", "200"), ("access-control-allow-origin", "*"), ("location", "http://s.shop.example.com/")];
    let received = request("GET", "/a").header("origin", APP).answered_with(&table, &sent);
    assert_eq!(received.len(), sent.len());
    assert_eq!(preflight("GET", "/a").on(&table).outcome, Outcome::Route);
}

#[test]
fn a_preflight_request_has_an_origin_and_a_valid_method() {
    let table = table(json!({ "cors": cors() }), json!([{ "match": "ANY /a", "service": "s" }]));
    let with = |origin: Option<&str>, asked: Option<&str>| {
        let mut sent = request("OPTIONS", "/a");
        for (name, value) in [("origin", origin), ("access-control-request-method", asked)] {
            sent = value.into_iter().fold(sent, |sent, value| sent.header(name, value));
        }
        sent.on(&table).outcome
    };
    assert_eq!(with(Some(APP), Some("PUT")), Outcome::Preflight);
    assert_eq!(with(Some("null"), Some("PUT")), Outcome::Preflight);
    for (origin, asked) in [(None, Some("PUT")), (Some(APP), None), (Some(""), Some("PUT")), (Some(APP), Some("P T"))] {
        assert_eq!(with(origin, asked), Outcome::Route, "{origin:?} {asked:?}");
    }
    assert_eq!(preflight("", "/a").on(&table).outcome, Outcome::Route);
    let mut other = preflight("PUT", "/a");
    other.method = Some(b"GET".to_vec());
    assert_eq!(other.on(&table).outcome, Outcome::Route);
}

#[test]
fn a_preflight_response_lists_the_methods_with_the_same_cors() {
    let equal = json!({ "allowOrigins": [APP] });
    let table = table(
        json!({ "cors": cors() }),
        json!([
            { "match": "GET /a/{x}", "service": "s" },
            { "match": "PUT /a/{x}", "service": "s", "cors": equal },
            { "match": "POST /a/{x}", "service": "s", "cors": null },
            { "match": "PATCH /a/{x}", "service": "s", "cors": { "allowOrigins": ["*"] } },
            { "match": "DELETE /a/{*rest}", "service": "s" },
            { "match": "DELETE /a/1", "service": "s", "cors": null },
        ]),
    );
    let methods = |method: &str, path: &str| {
        preflight(method, path).on(&table).answers("access-control-allow-methods").map(str::to_owned)
    };
    assert_eq!(methods("GET", "/a/2").as_deref(), Some("DELETE, GET, HEAD, PUT"));
    // At the more specific path, `DELETE` has no CORS.
    assert_eq!(methods("GET", "/a/1").as_deref(), Some("GET, HEAD, PUT"));
    assert_eq!(methods("PATCH", "/a/2").as_deref(), Some("PATCH"));
    assert_eq!(preflight("POST", "/a/2").on(&table).outcome, Outcome::Route);
}

#[test]
fn a_preflight_request_ignores_a_trailing_slash_if_the_table_does() {
    let keys = json!({ "cors": cors(), "trailingSlash": "ignore" });
    let table = table(keys, json!([{ "match": "GET /a", "service": "s" }, { "match": "PUT /a/", "service": "s" }]));
    for (method, path) in [("PUT", "/a"), ("GET", "/a/"), ("GET", "/a")] {
        let seen = preflight(method, path).on(&table);
        assert_eq!(seen.answers("access-control-allow-methods"), Some("GET, HEAD, PUT"), "{method} {path}");
    }
}

#[test]
fn allow_lists_options_only_if_cors_applies() {
    let allow = |keys: Value, own: Value| {
        let mut route = json!({ "match": "GET /a", "service": "s" });
        route.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        request("PUT", "/a").on(&table(keys, json!([route]))).answers("allow").unwrap().to_owned()
    };
    assert_eq!(allow(json!({}), json!({})), "GET, HEAD");
    assert_eq!(allow(json!({}), json!({ "cors": null })), "GET, HEAD");
    assert_eq!(allow(json!({}), json!({ "cors": cors() })), "GET, HEAD, OPTIONS");
    assert_eq!(allow(json!({ "cors": cors() }), json!({})), "GET, HEAD, OPTIONS");
}

#[test]
fn error_responses_have_cors_headers() {
    let routes = json!([{ "match": "GET /a/{x}/w{y}", "service": "s", "rewritePath": "/.{y}" }]);
    let table = table(json!({ "cors": cors() }), routes);
    for (method, path, status) in
        [("GET", "/none", 404), ("PUT", "/a/1/w2", 405), ("GET", "/a//", 400), ("GET", "/a/1/w.", 400)]
    {
        let seen = request(method, path).header("origin", APP).on(&table);
        assert_eq!((seen.status, seen.answers("access-control-allow-origin")), (status, Some(APP)), "{path}");
        assert_eq!(seen.answers("vary"), Some("Origin"));
    }
    let seen = request("GET", "/none").header("origin", "https://evil.example").on(&table);
    assert_eq!((seen.answers("access-control-allow-origin"), seen.answers("vary")), (None, Some("Origin")));
}

#[test]
fn a_broken_cors_breaks_the_routes_that_use_it() {
    let routes = json!([
        { "match": "GET /table", "service": "s" },
        { "match": "GET /own", "service": "s", "cors": cors() },
        { "match": "GET /off", "service": "s", "cors": null },
        { "match": "GET /respond", "respond": { "status": 200 } },
        { "match": "OPTIONS /{*all}", "service": "options", "cors": null },
    ]);
    for broken in [
        json!({ "cors": 7 }),
        json!({ "cors": { "allowOrigins": [] } }),
        json!({ "cors": { "allowOrigins": ["x"] } }),
        json!({ "cors": { "allowOrigins": ["*"], "allowCredentials": true } }),
        json!({ "cors": { "allowOrigins": [APP], "maxAge": "1" } }),
        json!({ "cors": { "allowOrigins": [APP], "max": 1 } }),
        json!({ "corss": cors() }),
    ] {
        let table = bad(&document(broken.clone(), routes.clone()));
        let outcome = |path: &str| request("GET", path).on(&table).outcome;
        let outcomes = ["/table", "/respond", "/own", "/off"].map(outcome);
        use Outcome::{BrokenRoute, Route};
        assert_eq!(outcomes, [BrokenRoute, BrokenRoute, Route, Route], "{broken}");
        // The gateway would have answered each of these, or may have, so they are not forwarded.
        for (method, path) in [("GET", "/table"), ("PUT", "/table"), ("GET", "/respond")] {
            assert_eq!(preflight(method, path).on(&table).status, 503, "{broken} {method} {path}");
        }
        // The only route for this path has no CORS, whatever the table has.
        assert_eq!(preflight("PUT", "/none").on(&table).authority, "options.shop.example.com");
        assert_eq!(preflight("GET", "/own").on(&table).outcome, Outcome::Preflight);
        // The more specific path comes first.
        assert_eq!(preflight("GET", "/off").on(&table).authority, "s.shop.example.com");
    }
}

#[test]
fn a_preflight_request_for_a_route_with_unreadable_cors_is_not_forwarded() {
    for own in [json!({ "cors": 7 }), json!({ "corss": cors() }), json!({ "unheard-of": 1 })] {
        let mut route = json!({ "match": "PUT /a", "service": "s" });
        route.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        let table = bad(&document(json!({}), json!([route, { "match": "OPTIONS /a", "service": "options" }])));
        // Nothing serves `GET`, so the CORS of the first route of the path decides.
        for announced in ["PUT", "GET"] {
            assert_eq!(preflight(announced, "/a").on(&table).outcome, Outcome::BrokenRoute, "{own}");
        }
    }
}

#[test]
fn a_broken_route_with_readable_cors_answers_with_cors_headers() {
    let routes = json!([{ "match": "GET /a", "service": "s", "tag": 7 }]);
    let table = bad(&document(json!({ "cors": cors() }), routes));
    let seen = request("GET", "/a").header("origin", APP).on(&table);
    assert_eq!((seen.status, seen.answers("access-control-allow-origin")), (503, Some(APP)));
}

#[test]
fn broken_header_operations_break_the_routes_that_they_affect() {
    let routes = json!([
        { "match": "GET /{x}/service", "service": "s" },
        { "match": "GET /redirect", "redirect": { "to": "/x" } },
    ]);
    for (key, value, redirect) in [
        ("requestHeaders", json!({ "set": { "host": "x" } }), Outcome::Redirect),
        ("requestHeaders", json!({ "set": { "x-a": "{unknown}" } }), Outcome::Redirect),
        ("requestHeaders", json!({ "sett": {} }), Outcome::Redirect),
        ("requestHeaders", json!([]), Outcome::Redirect),
        ("responseHeaders", json!({ "remove": ["a b"] }), Outcome::BrokenRoute),
        ("responseHeaders", json!({ "add": { "x-a": "{unknown}" } }), Outcome::BrokenRoute),
        ("rewriteLocation", json!("yes"), Outcome::Redirect),
    ] {
        let table = bad(&document(json!({ key: value }), routes.clone()));
        assert_eq!(request("GET", "/1/service").on(&table).outcome, Outcome::BrokenRoute, "{key} {value}");
        assert_eq!(request("GET", "/redirect").on(&table).outcome, redirect, "{key} {value}");
    }
}

#[test]
fn a_name_that_no_route_captures_is_an_error_unless_a_match_is_unreadable() {
    let set = json!({ "requestHeaders": { "set": { "x-a": "{id}" } } });
    let is_reported = |routes: Value| {
        let compiled = ksvc_routing::compile(document(set.clone(), routes).to_string().as_bytes());
        compiled.problems.iter().any(|problem| problem.kind.code() == "parameter-of-no-route")
    };
    assert!(is_reported(json!([{ "match": "GET /a", "service": "s" }])));
    assert!(!is_reported(json!([{ "match": "GET /a", "service": "s" }, { "match": "GET /b/{id}", "service": "s" }])));
    assert!(!is_reported(json!([{ "match": "GET /a/{id", "service": "s" }])));
    assert!(!is_reported(json!([])));
}

/// Returns the values that a header of the forwarded request gets.
fn sets(seen: &Seen, name: &str) -> Vec<String> {
    let both = seen.set.iter().chain(&seen.added);
    both.filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
}

#[test]
fn a_captured_value_can_not_add_another_header() {
    for side in ["requestHeaders", "responseHeaders"] {
        let keys = json!({ "unsafePaths": "allow", side: { "set": { "x-a": "<{id}>" } } });
        let table = table(keys, json!([{ "match": "GET /a/{id}", "service": "s" }]));
        for byte in ["\r\nset-cookie: a=b", "\n", "\r", "\0", "\t", "\x7f"] {
            let seen = request("GET", &format!("/a/x{byte}y")).on(&table);
            assert_eq!((seen.outcome, seen.status), (Outcome::UnsafePath, 400), "{byte:?}");
        }
        assert_eq!(request("GET", "/a/%0d%0a").on(&table).outcome, Outcome::Route);
    }
    let keys = json!({ "unsafePaths": "allow", "requestHeaders": { "set": { "x-a": "{id}" } } });
    let seen = request("GET", "/a/ x ").on(&table(keys, json!([{ "match": "GET /a/{id}", "service": "s" }])));
    assert_eq!(sets(&seen, "x-a"), ["x"]);
}

#[test]
fn a_header_with_several_operations_is_changed_once() {
    let keys = json!({ "requestHeaders": { "set": { "x-a": "table" }, "remove": ["x-b", "x-c"] } });
    let own = json!({ "set": { "x-a": "own" }, "remove": ["x-b"] });
    let table = table(keys, json!([{ "match": "GET /a", "service": "s", "requestHeaders": own }]));
    let seen = request("GET", "/a").header("x-b", "1").header("x-b", "2").on(&table);
    assert_eq!(sets(&seen, "x-a"), ["own"]);
    assert_eq!(seen.removed, ["x-b"]);
}

#[test]
fn a_header_that_the_filter_sets_can_be_removed() {
    let keys =
        json!({ "basePath": "/faas", "stripBasePath": true, "requestHeaders": { "remove": ["x-forwarded-prefix"] } });
    let table = table(keys, json!([{ "match": "GET /a", "service": "s" }]));
    assert_eq!(request("GET", "/faas/a").on(&table).sets("x-forwarded-prefix"), None);
    let seen = request("GET", "/faas/a").header("x-forwarded-prefix", "/evil").on(&table);
    assert_eq!((seen.sets("x-forwarded-prefix"), &*seen.removed), (None, &["x-forwarded-prefix".to_owned()][..]));
}

#[test]
fn cors_headers_are_set_after_the_changes_of_the_user() {
    let changes = json!({ "set": { "access-control-allow-origin": "*", "vary": "accept" } });
    let keys = json!({ "cors": cors(), "responseHeaders": changes });
    let table = table(keys, json!([{ "match": "GET /a", "service": "s" }]));
    let received = request("GET", "/a").header("origin", APP).answered_with(&table, &[("vary", "origin")]);
    assert_eq!(value(&received, "access-control-allow-origin"), Some(APP));
    let vary = received.iter().filter(|(name, _)| name == "vary").map(|(_, value)| &**value).collect::<Vec<_>>();
    assert_eq!(vary, ["accept", "Origin"]);
}

#[test]
fn vary_is_left_unchanged_if_it_already_covers_origin() {
    let table = table(json!({ "cors": cors() }), json!([{ "match": "GET /a", "service": "s" }]));
    for vary in ["Origin", "accept,ORIGIN", "*", "a, origin ,b"] {
        assert_eq!(request("GET", "/a").answered_with(&table, &[("vary", vary)]), [("vary".into(), vary.into())]);
    }
    for vary in ["x-origin", "", "original"] {
        assert_eq!(request("GET", "/a").answered_with(&table, &[("vary", vary)]).len(), 2, "{vary}");
    }
}

#[test]
fn the_public_scheme_is_the_one_that_the_client_used() {
    let table = table(json!({ "rewriteLocation": true }), json!([{ "match": "GET /a", "service": "s" }]));
    let location = |proto: Option<&str>, scheme: Option<&str>| {
        let named = [(&b":scheme"[..], scheme), (b"x-forwarded-proto", proto)];
        let headers = named.into_iter().filter_map(|(name, value)| Some((name, value?.as_bytes()))).collect::<Vec<_>>();
        let mut head = Head::read(&headers);
        head.method = Some(b"GET");
        head.authority = Some(b"API.example.com:8443");
        head.path = Some(b"/a");
        let ksvc_routing::Decision::Forward(forward) = table.decide(&head, || false) else { panic!("not forwarded") };
        let plan = forward.response.unwrap();
        let changes = table.respond(&plan, &[(b"location", b"http://s.shop.example.com/b")]);
        let [ksvc_routing::Change::Set("location", location)] = &*changes else { panic!("{changes:?}") };
        common::lossy(location)
    };
    for (proto, scheme, expected) in [
        (Some("https"), Some("http"), "https"),
        (Some("http"), Some("https"), "http"),
        (Some("HTTPS, http"), None, "https"),
        (Some("wss"), Some("http"), "http"),
        (None, Some("http"), "http"),
        (None, None, "https"),
    ] {
        assert_eq!(location(proto, scheme), format!("{expected}://API.example.com:8443/b"), "{proto:?} {scheme:?}");
    }
}

#[test]
fn arbitrary_bytes_in_a_response_do_no_harm() {
    let keys = json!({ "basePath": "/faas", "stripBasePath": true, "rewriteLocation": true, "cors": cors() });
    let table = table(keys, json!([{ "match": "GET /a", "service": "s" }]));
    request("GET", "/faas/a").with_head(|head| {
        let ksvc_routing::Decision::Forward(forward) = table.decide(head, || false) else { panic!("not forwarded") };
        let plan = forward.response.unwrap();
        for location in [&b""[..], b"/", b"//", b"http:", b"http://", b"https://\xff", b"/\xff\xfe", b"%", b"http:///a"]
        {
            let changes = table.respond(&plan, &[(b"location", location), (b"vary", b"\xff,\xfe"), (b"", b"")]);
            assert!(!changes.is_empty(), "{location:?}");
        }
    });
}

//! Tests what a service learns about the public URL, and how its `Location` is turned back into the public one.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{HOST, Request, good, request};
use ksvc_routing::{Outcome, RouteTable};
use serde_json::{Value, json};

fn table(keys: Value, routes: Value) -> RouteTable {
    let mut document = json!({ "hosts": [HOST], "domain": "example.com", "namespace": "shop", "routes": routes });
    document.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    good(&document)
}

fn removed(request: &Request, table: &RouteTable) -> Vec<String> {
    let mut removed = request.on(table).removed;
    removed.sort_unstable();
    removed
}

#[test]
fn a_client_can_not_claim_another_public_url() {
    let routes = json!([
        { "match": "ANY /plain", "service": "s" },
        { "match": "ANY /rewritten", "service": "s", "rewritePath": "/v2" },
        { "match": "ANY /host", "host": "other.example.net" },
    ]);
    for keys in [json!({}), json!({ "stripInternalHeaders": false }), json!({ "rewriteLocation": true })] {
        let table = table(keys, routes.clone());
        for path in ["/plain", "/rewritten", "/host"] {
            let sent = request("GET", path).header("x-forwarded-prefix", "//evil.example").header("accept", "*/*");
            let sent = sent.header("forwarded", "host=evil.example").header("forwarded", "host=evil.example");
            assert_eq!(removed(&sent, &table), ["forwarded", "x-forwarded-prefix"], "{path}");
            let sent = request("GET", path).header("forwarded-for", "1").header("x-forwarded-prefixes", "/a");
            assert!(removed(&sent, &table).is_empty(), "{path}");
        }
        let untouched = request("GET", "/plain").host("other.example.com").header("forwarded", "host=evil.example");
        assert_eq!(untouched.on(&table).outcome, Outcome::OutOfScope);
    }
}

#[test]
fn a_users_own_changes_are_made_after_the_removals() {
    let own = json!({ "set": { "x-forwarded-prefix": "/shop" }, "add": { "forwarded": "proto=https" } });
    let table = table(json!({}), json!([{ "match": "ANY /a", "service": "s", "requestHeaders": own }]));
    let seen = request("GET", "/a").header("x-forwarded-prefix", "/x").header("forwarded", "host=x").on(&table);
    assert_eq!(seen.sets("x-forwarded-prefix"), Some("/shop"));
    assert_eq!(
        (&*seen.removed, &*seen.added),
        (&["forwarded".to_owned()][..], &[("forwarded".to_owned(), "proto=https".to_owned())][..],)
    );
}

/// Returns the prefix that the service is told.
fn prefix(table: &RouteTable, path: &str) -> Option<String> {
    let seen = request("GET", path).header("x-forwarded-prefix", "/forged").on(table);
    assert_eq!(seen.outcome, Outcome::Route, "{path}");
    let prefix = seen.sets("x-forwarded-prefix").map(str::to_owned);
    assert_eq!(seen.removed.len(), usize::from(prefix.is_none()), "{path}");
    prefix
}

#[test]
fn what_a_rewrite_takes_off_in_front_of_the_rest_is_a_prefix() {
    let routes = json!([
        { "match": "ANY /api/{*rest}", "service": "s", "rewritePath": "/{rest}" },
        { "match": "ANY /t/{tenant}/{*rest}", "service": "s", "rewritePath": "/{rest}" },
        { "match": "ANY /all/{**rest}", "service": "s", "rewritePath": "/{rest}" },
        { "match": "ANY /more/{*rest}", "service": "s", "rewritePath": "/v2/{rest}" },
        { "match": "ANY /after/{*rest}", "service": "s", "rewritePath": "/{rest}/x" },
        { "match": "ANY /other/{tenant}/{*rest}", "service": "s", "rewritePath": "/{tenant}" },
        { "match": ["ANY /mixed/{*last}", "ANY /plain/{last}"], "service": "s", "rewritePath": "/{last}" },
        { "match": "ANY /{*rest}", "service": "s", "rewritePath": "/{rest}" },
    ]);
    for (base, strip) in [("", false), ("/faas", false), ("/faas", true)] {
        let mut keys = json!({ "stripBasePath": strip });
        if !base.is_empty() {
            keys["basePath"] = json!(base);
        }
        let table = table(keys, routes.clone());
        for (path, expected) in [
            ("/api/a/b", Some("/api")),
            ("/%61pi/a", Some("/api")),
            ("/api/a?x=/y", Some("/api")),
            ("/t/acme%2d1/a", Some("/t/acme-1")),
            ("/all/a/b", Some("/all")),
            ("/all/", Some("/all")),
            ("/all", Some("/all")),
            ("/more/a", None),
            ("/after/a", None),
            ("/other/x/a", None),
            ("/mixed/a", Some("/mixed")),
            ("/plain/a", None),
            ("/x/y", Some("")),
        ] {
            let expected = expected.map(|prefix| format!("{base}{prefix}")).filter(|prefix| !prefix.is_empty());
            assert_eq!(prefix(&table, &format!("{base}{path}")), expected, "{base}{path}");
        }
    }
}

/// With unsafe paths, a prefix can't name another host.
#[test]
fn a_prefix_is_in_normal_form_and_never_names_a_host() {
    let routes = json!([{ "match": "ANY //{host}/{*rest}", "service": "s", "rewritePath": "/{rest}" },
        { "match": "ANY /a/{x}/{*rest}", "service": "s", "rewritePath": "/{rest}" }]);
    let table = table(json!({ "unsafePaths": "allow" }), routes);
    assert_eq!(prefix(&table, "//evil.example/a"), None);
    assert_eq!(prefix(&table, "/a/b c\t/x"), Some("/a/b%20c%09".to_owned()));
}

/// Returns the location that the client gets.
fn location(table: &RouteTable, sent: &Request, location: &str) -> String {
    let received = sent.answered_with(table, &[("location", location)]);
    received.into_iter().find(|(name, _)| name == "location").unwrap().1
}

fn https(authority: &str, path: &str) -> Request {
    request("GET", path).host(authority).header("x-forwarded-proto", "https")
}

#[test]
fn a_location_on_the_requests_own_host_and_port_gets_the_prefix() {
    let keys = json!({ "basePath": "/faas", "stripBasePath": true, "rewriteLocation": true });
    let table = table(keys, json!([{ "match": "ANY /{*rest}", "service": "s" }]));
    for (authority, sent, expected) in [
        (HOST, "https://api.example.com/items/8", "https://api.example.com/faas/items/8"),
        (HOST, "http://api.example.com/items/8", "http://api.example.com/faas/items/8"),
        (HOST, "//api.example.com/items/8", "//api.example.com/faas/items/8"),
        (HOST, "HTTPS://API.Example.com/x?y#z", "HTTPS://API.Example.com/faas/x?y#z"),
        (HOST, "https://api.example.com", "https://api.example.com/faas"),
        (HOST, "https://api.example.com?a=/faas", "https://api.example.com/faas?a=/faas"),
        (HOST, "https://api.example.com/faas/items/8", "https://api.example.com/faas/items/8"),
        (HOST, "https://api.example.com/f%61as/items/8", "https://api.example.com/f%61as/items/8"),
        (HOST, "https://api.example.com/faasx", "https://api.example.com/faas/faasx"),
        (HOST, "https://api.example.com:443/x", "https://api.example.com:443/faas/x"),
        (HOST, "http://api.example.com:80/x", "http://api.example.com:80/faas/x"),
        (HOST, "//api.example.com:443/x", "//api.example.com:443/faas/x"),
        (HOST, "https://api.example.com:80/x", "https://api.example.com:80/x"),
        (HOST, "https://api.example.com:8443/x", "https://api.example.com:8443/x"),
        (HOST, "https://user@api.example.com/x", "https://user@api.example.com/x"),
        (HOST, "https://xapi.example.com/x", "https://xapi.example.com/x"),
        (HOST, "ftp://api.example.com/x", "ftp://api.example.com/x"),
        ("api.example.com:8443", "https://api.example.com:8443/x", "https://api.example.com:8443/faas/x"),
        ("api.example.com:8443", "https://api.example.com/x", "https://api.example.com/x"),
        ("api.example.com:443", "https://api.example.com/x", "https://api.example.com/faas/x"),
        // The target's host, and a path alone.
        (HOST, "http://s.shop.example.com:8080/x", "https://api.example.com/faas/x"),
        (HOST, "/x", "/faas/x"),
        (HOST, "x", "x"),
    ] {
        assert_eq!(location(&table, &https(authority, "/faas/a"), sent), expected, "{authority} {sent}");
    }
}

#[test]
fn without_a_prefix_a_location_on_the_own_host_stays() {
    let table = table(json!({ "rewriteLocation": true }), json!([{ "match": "ANY /{*rest}", "service": "s" }]));
    for sent in ["https://api.example.com/items/8", "/items/8", "//api.example.com/x"] {
        assert_eq!(location(&table, &https(HOST, "/a"), sent), sent);
    }
}

#[test]
fn a_prefix_that_a_rewrite_has_taken_off_is_put_back() {
    let routes = json!([
        { "match": "ANY /t/{tenant}/{*rest}", "service": "s", "rewritePath": "/{rest}" },
        { "match": "ANY /more/{*rest}", "service": "s", "rewritePath": "/v2/{rest}" },
        { "match": "ANY /{*rest}", "service": "s", "rewritePath": "/{rest}" },
    ]);
    let table = table(json!({ "basePath": "/faas", "rewriteLocation": true }), routes);
    for (path, sent, expected) in [
        ("/faas/t/acme/a", "http://s.shop.example.com/b", "https://api.example.com/faas/t/acme/b"),
        ("/faas/t/acme/a", "https://api.example.com/b", "https://api.example.com/faas/t/acme/b"),
        ("/faas/t/acme/a", "/b?c", "/faas/t/acme/b?c"),
        ("/faas/t/acme/a", "/faas/t/acme/b", "/faas/t/acme/b"),
        ("/faas/t/acme/a", "/faas/b", "/faas/t/acme/faas/b"),
        ("/faas/x", "/b", "/faas/b"),
        ("/faas/more/a", "/b", "/b"),
        ("/faas/more/a", "http://s.shop.example.com/b", "http://s.shop.example.com/b"),
        ("/faas/more/a", "https://api.example.com/b", "https://api.example.com/b"),
    ] {
        assert_eq!(location(&table, &https(HOST, path), sent), expected, "{path} {sent}");
    }
}

//! Why a request is out of scope, and which part of a path is unsafe.

use ksvc_routing::{Decision, Head, OutOfScope, Outcome, RouteTable, UnsafePart, Untouched, compile};

fn table(rest: &str) -> RouteTable {
    let document = format!(
        r#"{{"hosts": ["api.example.com"], "domain": "example.com", "namespace": "shop",
            "routes": [
                {{"match": "ANY /a", "service": "orders"}},
                {{"match": "ANY /b/{{b}}", "service": "{{b}}", "namespace": "billing"}}
            ]{rest}}}"#
    );
    compile(document.as_bytes()).table
}

fn headers<'a>(method: &'a str, host: &'a str, path: &'a str) -> Vec<(&'a [u8], &'a [u8])> {
    vec![(b":method", method.as_bytes()), (b":authority", host.as_bytes()), (b":path", path.as_bytes())]
}

#[test]
fn a_request_out_of_scope_has_a_reason() {
    let faas = r#", "basePath": "/faas""#;
    let deny = r#", "denyDirect": true"#;
    let both = r#", "denyDirect": true, "basePath": "/faas""#;
    for (rest, method, host, path, probe, reason) in [
        ("", "GET", "other.example.com", "/a", false, OutOfScope::Host),
        ("", "GET", "orders.shop.example.com", "/a", false, OutOfScope::Host),
        (faas, "GET", "api.example.com:443", "/faast/a", false, OutOfScope::BasePath),
        ("", "OPTIONS", "api.example.com", "*", false, OutOfScope::Server),
        (deny, "GET", "orders.shop.example.com", "/healthz", true, OutOfScope::Probe),
        (deny, "GET", "orders.shop.example.com", "/a", true, OutOfScope::Probe),
        (deny, "GET", "orders.shop.example.com", "/.well-known/acme-challenge/x", false, OutOfScope::Challenge),
        (deny, "GET", "x.billing.example.com", "/a", true, OutOfScope::Probe),
        (deny, "GET", "x.billing.example.com", "/.well-known/acme-challenge/x", false, OutOfScope::Challenge),
        (deny, "GET", "www.example.com", "/a", true, OutOfScope::Host),
        (both, "GET", "api.example.com", "/other", false, OutOfScope::BasePath),
        (both, "GET", "api.example.com", "/other", true, OutOfScope::BasePath),
        (both, "GET", "api.example.com", "/.well-known/acme-challenge/x", false, OutOfScope::BasePath),
    ] {
        let table = table(rest);
        let mut headers = headers(method, host, path);
        if probe {
            headers.push((b"k-network-probe", b"probe"));
        }
        let head = Head::read(&headers);
        let decision = table.decide(&head, || false);
        assert!(matches!(decision, Decision::Untouched(Untouched::OutOfScope)), "{host}{path}");
        assert_eq!(table.out_of_scope(&head), Some(reason), "{host}{path}");
    }
    assert_eq!(table("").out_of_scope(&Head::read(&Vec::new())), Some(OutOfScope::NoPath));
    for (rest, host) in [("", "api.example.com"), (deny, "orders.shop.example.com")] {
        assert_eq!(table(rest).out_of_scope(&Head::read(&headers("GET", host, "/a"))), None, "{host}");
    }
}

/// The part is where the path says it is, and the path before it is safe.
#[test]
fn the_unsafe_part_of_a_path_is_located() {
    for (path, index, bytes, what) in [
        ("/a/b%2Fc?x=%2F", 4, "%2F", "an encoded slash"),
        ("/a%2fb", 2, "%2f", "an encoded slash"),
        ("/a/%5c", 3, "%5c", "an encoded backslash"),
        ("/%00", 1, "%00", "an encoded NUL"),
        ("/a\\b", 2, "\\", "a backslash"),
        ("/a#b", 2, "#", "a fragment"),
        ("/a/%zz", 3, "%zz", "a malformed percent-escape"),
        ("/a/%4", 3, "%4", "a malformed percent-escape"),
        ("/a b", 2, " ", "a control or non-ASCII byte"),
        ("/a\tb", 2, "\t", "a control or non-ASCII byte"),
        ("/a//b", 3, "", "an empty path segment"),
        ("/a/../b", 3, "..", "a dot segment"),
        ("/a/%2E./b", 3, "%2E.", "a dot segment"),
        ("/a/.;x/b", 3, ".;x", "a dot segment"),
        ("/.a/./b", 4, ".", "a dot segment"),
        ("a", 0, "", "a path that does not begin with a slash"),
    ] {
        let table = table("");
        let headers = headers("GET", "api.example.com", path);
        let head = Head::read(&headers);
        let part = UnsafePart { index, bytes: bytes.as_bytes(), what };
        assert_eq!(table.unsafe_part(&head), Some(part), "{path}");
    }
    let umlaut = headers("GET", "api.example.com", "/ä");
    let part = UnsafePart { index: 1, bytes: b"\xc3", what: "a control or non-ASCII byte" };
    assert_eq!(table("").unsafe_part(&Head::read(&umlaut)), Some(part));
    let safe = headers("GET", "api.example.com", "/a/%41?x=%2F");
    assert_eq!(table("").unsafe_part(&Head::read(&safe)), None);
}

/// Whatever two bytes are in a path, `unsafe_part` finds a part if and only if the path is refused.
#[test]
fn every_unsafe_path_has_an_unsafe_part() {
    let table = table("");
    for first in 0..=255u8 {
        for second in 0..=255u8 {
            for end in ["/b", "f", ""] {
                let path = [b"/a/", &[first, second][..], end.as_bytes()].concat();
                let headers: Vec<(&[u8], &[u8])> =
                    vec![(b":method", b"GET"), (b":authority", b"api.example.com"), (b":path", &path)];
                let head = Head::read(&headers);
                let is_refused = table.decide(&head, || false).outcome() == Outcome::UnsafePath;
                let part = table.unsafe_part(&head);
                assert_eq!(part.is_some(), is_refused, "{path:?}");
                let starts =
                    part.is_none_or(|part| path.get(part.index..).is_some_and(|rest| rest.starts_with(part.bytes)));
                assert!(starts, "{path:?}");
            }
        }
    }
}

//! Tests what happens to a request after its route was found: the forwarded authority, path and headers, and the
//! responses that are made in the gateway. Also tests the headers and hosts that clients must not control.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod common;

use common::{HOST, Request, good, request};
use ksvc_routing::{Outcome, RouteTable};
use serde_json::{Value, json};

/// Makes a table with these routes. `keys` are added to the table's own keys.
fn table(keys: Value, routes: Value) -> RouteTable {
    let mut document = json!({ "hosts": [HOST], "domain": "example.com", "namespace": "shop", "routes": routes });
    document.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    good(&document)
}

/// Makes a table with one route, which matches `pattern`.
fn one(keys: Value, mut route: Value, pattern: &str) -> RouteTable {
    route["match"] = json!(pattern);
    table(keys, json!([route]))
}

#[test]
fn the_authority_is_the_host_of_the_target_in_lower_case_without_the_port_of_the_request() {
    for (keys, route, authority) in [
        (json!({}), json!({ "service": "orders" }), "orders.shop.example.com"),
        (json!({}), json!({ "service": "orders", "namespace": "billing" }), "orders.billing.example.com"),
        (json!({}), json!({ "service": "orders", "tag": "canary" }), "canary-orders.shop.example.com"),
        (json!({ "domain": "Example.COM" }), json!({ "service": "orders" }), "orders.shop.example.com"),
        (
            json!({ "hostTemplate": "{service}-{namespace}.{domain}" }),
            json!({ "service": "orders" }),
            "orders-shop.example.com",
        ),
        (json!({}), json!({ "host": "Legacy.Other.example.com" }), "legacy.other.example.com"),
        (json!({}), json!({ "host": "legacy.example.com:8443" }), "legacy.example.com:8443"),
    ] {
        let seen = request("GET", "/a").host("api.example.com:8080").on(&one(keys, route, "GET /a"));
        assert_eq!(seen.authority, authority);
        assert_eq!(seen.sets(":authority"), Some(authority));
    }
}

#[test]
fn the_forwarded_path_is_rewritten_or_stripped_or_unchanged() {
    let base = || json!({ "basePath": "/faas" });
    let strip = || json!({ "basePath": "/faas", "stripBasePath": true });
    let plain = || json!({});
    let to = |path: &str| json!({ "rewritePath": path });
    // Keys of the table, route, pattern, path of the request, forwarded path. If both paths are equal, nothing is
    // changed.
    for (keys, route, pattern, path, forwarded) in [
        (plain(), plain(), "GET /a/{id}", "/a/%7E%c3%a9?x=%2f&y", "/a/%7E%c3%a9?x=%2f&y"),
        (base(), plain(), "GET /a", "/faas/a", "/faas/a"),
        (base(), plain(), "GET /a", "/f%61as/a", "/f%61as/a"),
        (strip(), plain(), "GET /a/{id}", "/faas/a/%7e?q=/faas", "/a/%7e?q=/faas"),
        (strip(), plain(), "GET /a", "/f%61as/a", "/a"),
        (strip(), plain(), "GET /", "/faas", "/"),
        (strip(), plain(), "GET /", "/faas?x", "/?x"),
        (strip(), plain(), "GET /", "/faas/", "/"),
        (strip(), to("/v2"), "GET /a", "/faas/a?x=1", "/v2?x=1"),
        (plain(), to("/v2/{rest}"), "GET /a/{*rest}", "/a/b/c%20d/?x", "/v2/b/c%20d/?x"),
        (plain(), to("/{id}/of/{kind}.json"), "GET /{kind}/{id}.xml", "/a%3Ab/%41%2e.xml", "/%41%2e/of/a%3Ab.json"),
        (plain(), to("/{{{id}}}"), "GET /a/{id}", "/a/1", "/%7B1%7D"),
        (plain(), to("/é/100%25"), "GET /a", "/a", "/%C3%A9/100%25"),
        (plain(), to("/{id}/{id}"), "GET /a/{id}", "/a/1?", "/1/1?"),
    ] {
        let mut route = route;
        route["service"] = json!("s");
        let seen = request("GET", path).on(&one(keys.clone(), route.clone(), pattern));
        let changed = (path != forwarded).then_some(forwarded);
        let message = format!("{keys} {route} {pattern} {path}");
        assert_eq!(seen.outcome, Outcome::Route, "{message}");
        assert_eq!(seen.path.as_deref(), changed, "{message}");
        assert_eq!(seen.sets(":path"), changed, "{message}");
        assert_eq!(seen.sets("x-envoy-original-path"), changed.map(|_| path), "{message}");
        let stripped = keys["stripBasePath"] == true && route["rewritePath"].is_null();
        assert_eq!(seen.sets("x-forwarded-prefix"), stripped.then_some("/faas"), "{message}");
    }
}

#[test]
fn the_forwarded_host_is_the_original_authority_whatever_the_client_sent() {
    let table = one(json!({}), json!({ "service": "s" }), "GET /a");
    for authority in ["api.example.com", "API.example.com:8443", "api.example.com."] {
        let seen = request("GET", "/a").host(authority).header("x-forwarded-host", "evil.example").on(&table);
        assert_eq!(seen.sets("x-forwarded-host"), Some(authority));
    }
}

#[test]
fn an_unsafe_rewritten_path_is_refused() {
    let unsafe_for = |keys: Value, path: &str| {
        let route = json!({ "service": "s", "rewritePath": "/x/{a}{b}" });
        request("GET", path).on(&one(keys, route, "GET /{a}/{b}")).outcome
    };
    for path in ["/./.", "/%2e/a"] {
        assert_eq!(unsafe_for(json!({}), path), Outcome::UnsafePath, "as it came: {path}");
    }
    let joined = json!({ "service": "s", "rewritePath": "/x/{a}.{b}/" });
    let refused = |path: &str, keys: Value| request("GET", path).on(&one(keys, joined.clone(), "GET /v{a}/w{b}"));
    assert_eq!(refused("/v1/w2", json!({})).sets(":path"), Some("/x/1.2/"));
    // Each part alone is harmless.
    let dots = json!({ "service": "s", "rewritePath": "/x/.{b}" });
    let seen = request("GET", "/a/w.?q").on(&one(json!({}), dots.clone(), "GET /a/w{b}"));
    assert_eq!((seen.outcome, seen.status), (Outcome::UnsafePath, 400));
    let allowed = request("GET", "/a/w.?q").on(&one(json!({ "unsafePaths": "allow" }), dots, "GET /a/w{b}"));
    assert_eq!(allowed.sets(":path"), Some("/x/..?q"));
}

#[test]
fn captured_values_are_as_they_are_in_the_request() {
    for (pattern, path, params) in [
        ("GET /{a}/{b}", "/%41/%e2%82%ac", &[("a", "%41"), ("b", "%e2%82%ac")][..]),
        ("GET /{name}.json", "/a.json.json", &[("name", "a.json")]),
        ("GET /é{name}", "/%c3%a9x", &[("name", "x")]),
        ("GET /{name}%7E", "/x~", &[("name", "x")]),
        ("GET /a/{*rest}", "/a/b/%63/?x", &[("rest", "b/%63/")]),
        ("GET /a", "/a", &[]),
    ] {
        let seen = request("GET", path).on(&one(json!({}), json!({ "service": "s" }), pattern));
        assert_eq!(seen.params(), params, "{pattern} {path}");
    }
}

#[test]
fn a_route_without_a_name_is_named_after_its_first_match() {
    let table = table(
        json!({}),
        json!([
            { "match": ["GET /a", "GET /b"], "service": "s" },
            { "match": "GET /c", "service": "s", "name": "third" },
        ]),
    );
    let names = ["/a", "/b", "/c"].map(|path| request("GET", path).on(&table).route().to_owned());
    assert_eq!(names, ["GET /a", "GET /a", "third"]);
    assert_eq!(request("GET", "/b").on(&table).chosen.unwrap().matched, "GET /b");
}

#[test]
fn a_redirect_keeps_the_query_unless_it_has_one() {
    for (redirect, path, status, location) in [
        (json!({ "to": "/b" }), "/a/1", 308, "/b"),
        (json!({ "to": "/b/{id}", "status": 301 }), "/a/%7e1?x=1&y", 301, "/b/%7e1?x=1&y"),
        (json!({ "to": "/b?id={id}", "status": 302 }), "/a/1?x=1", 302, "/b?id=1"),
        (
            json!({ "to": "https://new.example.com/b/{id}", "status": 303 }),
            "/a/1?x",
            303,
            "https://new.example.com/b/1?x",
        ),
        (json!({ "to": "/b#part", "status": 307 }), "/a/1?x", 307, "/b?x#part"),
    ] {
        let seen = request("GET", path).on(&one(json!({}), json!({ "redirect": redirect }), "GET /a/{id}"));
        assert_eq!((seen.outcome, seen.status), (Outcome::Redirect, status));
        assert_eq!(seen.answers("location"), Some(location));
        assert_eq!(seen.route(), "GET /a/{id}");
    }
}

#[test]
fn a_captured_value_never_redirects_to_another_host() {
    let table = one(json!({}), json!({ "redirect": { "to": "/{rest}" } }), "GET /a/{*rest}");
    for path in ["/a//evil.example", "/a/%2Fevil.example", "/a/%5cevil.example"] {
        assert_eq!(request("GET", path).on(&table).outcome, Outcome::UnsafePath, "{path}");
    }
    let allow = one(json!({ "unsafePaths": "allow" }), json!({ "redirect": { "to": "/{rest}" } }), "GET /a/{*rest}");
    for path in ["/a//evil.example", "/a/\\evil.example"] {
        let seen = request("GET", path).on(&allow);
        let location = seen.answers("location").unwrap_or_default();
        assert!(!location.starts_with("//") && !location.starts_with("/\\"), "{path} leads to {location}");
    }
}

#[test]
fn respond_answers_as_written() {
    let respond =
        json!({ "status": 410, "headers": { "content-type": "text/plain", "X-Why": "moved" }, "body": "gone é\n" });
    let seen = request("GET", "/a?x").on(&one(json!({}), json!({ "respond": respond }), "GET /a"));
    assert_eq!((seen.outcome, seen.status, &*seen.body), (Outcome::Respond, 410, "gone é\n"));
    assert_eq!(seen.answers("content-type"), Some("text/plain"));
    assert_eq!(seen.answers("x-why"), Some("moved"));
    let bare = request("GET", "/a").on(&one(json!({}), json!({ "respond": { "status": 204 } }), "GET /a"));
    assert_eq!((bare.status, bare.body.is_empty(), bare.headers.is_empty()), (204, true, true));
}

/// Makes each error response of the filter: a table, a request and the status of the response.
fn errors() -> Vec<(RouteTable, Request, u16)> {
    let keys = || json!({ "denyDirect": true });
    let table = || one(keys(), json!({ "service": "secret" }), "POST /secret/{x}");
    let broken = json!({ "hosts": [HOST], "routes": [{ "match": "GET /secret" }] });
    let with_secrets = |request: Request| request.header("x-secret", "secret").header("cookie", "secret");
    vec![
        (table(), with_secrets(request("GET", "/other-secret?secret")), 404),
        (table(), with_secrets(request("GET", "/secret/1")), 405),
        (table(), with_secrets(request("GET", "/secret/%zz")), 400),
        (table(), with_secrets(request("GET", "/").host("secret.shop.example.com")), 404),
        (common::bad(&broken), with_secrets(request("GET", "/secret")), 503),
    ]
}

#[test]
fn errors_are_problem_details_and_never_echo_the_request() {
    for (table, request, status) in errors() {
        let seen = request.on(&table);
        assert_eq!(seen.status, status, "{request:?}");
        assert_eq!(seen.answers("content-type"), Some("application/problem+json"));
        let body: Value = serde_json::from_str(&seen.body).unwrap();
        let body = body.as_object().unwrap();
        assert_eq!(body["status"], status);
        for key in ["title", "detail"] {
            assert!(body[key].as_str().is_some_and(|text| !text.is_empty()), "{request:?} {body:?}");
        }
        let all = format!("{body:?}{:?}", seen.headers);
        assert!(!all.contains("secret") && !all.contains("api.example"), "{request:?} {all}");
        assert_eq!(seen.answers("allow").is_some(), status == 405);
    }
}

#[test]
fn errors_to_grpc_clients_are_grpc_statuses() {
    for (table, request, status) in errors() {
        for content_type in ["application/grpc", "application/grpc+proto"] {
            let seen = request.clone().header("content-type", content_type).on(&table);
            assert_eq!(seen.status, status, "{request:?}");
            assert!(!seen.body.contains('{') && !seen.body.contains("secret"), "{:?}", seen.body);
            assert_ne!(seen.answers("content-type"), Some("application/problem+json"));
        }
        let other = request.clone().header("content-type", "application/grpc-web").on(&table);
        assert_eq!(other.answers("content-type"), Some("application/problem+json"));
        assert_eq!(other.grpc_status, request.header("content-type", "application/json").on(&table).grpc_status);
    }
}

const INTERNAL: [&str; 10] = [
    "k-original-host",
    "k-network-probe",
    "k-network-hash",
    "k-proxy-request",
    "k-passthrough-lb",
    "k-kubelet-probe",
    "knative-serving-tag",
    "knative-serving-default-route",
    "knative-serving-revision",
    "knative-serving-namespace",
];

#[test]
fn internal_headers_are_removed_only_from_routed_requests() {
    let strips = table(
        json!({}),
        json!([
            { "match": "GET /a", "service": "s" },
            { "match": "GET /b", "redirect": { "to": "/a" } },
        ]),
    );
    let keeps = one(json!({ "stripInternalHeaders": false }), json!({ "service": "s" }), "GET /a");
    for name in INTERNAL {
        let sent = |path: &str| request("GET", path).header("x-other", "1").header(name, "1").header(name, "2");
        assert_eq!(sent("/a").on(&strips).removed, [name]);
        assert!(sent("/a").on(&keeps).removed.is_empty(), "{name}");
        assert!(sent("/c").on(&strips).removed.is_empty(), "{name}");
        assert!(sent("/a").host("x.example.com").on(&strips).removed.is_empty(), "{name}");
    }
    let mut all = request("GET", "/a");
    for name in INTERNAL {
        all = all.header(name, "");
    }
    let mut removed = all.on(&strips).removed;
    removed.sort_unstable();
    let mut expected = INTERNAL;
    expected.sort_unstable();
    assert_eq!(removed, expected);
    assert!(request("GET", "/a").header("k-other", "1").on(&strips).removed.is_empty());
}

#[test]
fn the_user_agent_of_a_probe_is_removed() {
    let table = one(json!({}), json!({ "service": "s" }), "GET /a");
    for (agent, removed) in [
        ("kube-probe/1.36", true),
        ("kube-probe/", true),
        ("Knative-Ingress-Probe", true),
        ("Knative-Activator-Probe/1", true),
        ("Knative-Autoscaling-Probes", true),
        ("Knative-", false),
        ("a Knative-Ingress-Probe", false),
        ("curl/8.0", false),
        ("my-kube-probe/1", false),
        ("kube-probe", false),
    ] {
        let seen = request("GET", "/a").header("user-agent", agent).on(&table);
        assert_eq!(seen.removed == ["user-agent"], removed, "{agent}");
    }
}

/// Makes a table with `denyDirect`. Its targets are a service, a host with a port, and a host that is also public.
fn denying(hosts: &[&str]) -> RouteTable {
    let routes = json!([
        { "match": "GET /a", "service": "s" },
        { "match": "GET /b", "host": "other.example.net:8443" },
        { "match": "GET /c", "host": HOST },
    ]);
    table(json!({ "denyDirect": true, "hosts": hosts, "onNoMatch": "passThrough" }), routes)
}

#[test]
fn direct_requests_to_targets_are_denied() {
    use Outcome::{DeniedDirect, OutOfScope, PassThrough, Route};
    let exact = denying(&[HOST]);
    let targets = [
        "s.shop.example.com",
        "S.Shop.example.com:443",
        "s.shop.example.com.",
        "other.example.net",
        "other.example.net:1",
    ];
    for host in targets {
        let asked = |path: &str| request("GET", path).host(host);
        assert_eq!(asked("/anything//..").on(&exact).outcome, DeniedDirect, "{host}");
        assert_eq!(asked("/").on(&exact).status, 404);
        // The exceptions, and requests that resemble them but are denied.
        assert_eq!(asked("/.well-known/acme-challenge/token").on(&exact).outcome, OutOfScope);
        assert_eq!(asked("/.well-known/acme-challenges").on(&exact).outcome, DeniedDirect);
        assert_eq!(asked("/healthz").header("k-network-probe", "probe").on(&exact).outcome, OutOfScope);
        assert_eq!(asked("/healthz").on(&exact).outcome, DeniedDirect);
        assert_eq!(asked("/").already_routed().on(&exact).outcome, OutOfScope);
        // A client can set this header itself.
        assert_eq!(asked("/").header("x-forwarded-host", HOST).on(&exact).outcome, DeniedDirect);
    }
    assert_eq!(request("GET", "/a").on(&exact).outcome, Route);
    assert_eq!(request("GET", "/d").on(&exact).outcome, PassThrough);
    assert_eq!(request("GET", "/").host("unknown.example.com").on(&exact).outcome, OutOfScope);
    // The host of a target is public if `hosts` has it by name or by suffix, but not if `hosts` has only `*`.
    assert_eq!(request("GET", "/a").host("s.shop.example.com").on(&denying(&["*.example.com"])).outcome, Route);
    assert_eq!(request("GET", "/a").host("s.shop.example.com").on(&denying(&["*"])).outcome, DeniedDirect);
    assert_eq!(request("GET", "/a").host("public.example.com").on(&denying(&["*"])).outcome, Route);
}

#[test]
fn every_spelling_that_envoy_accepts_for_the_host_of_a_target_is_denied() {
    for port in ["", ":80", ".", ".:80", ":80:1", ":x:80", "::80", ":"] {
        let host = format!("s.shop.example.com{port}");
        assert_eq!(request("GET", "/a").host(&host).on(&denying(&[HOST])).outcome, Outcome::DeniedDirect, "{host}");
    }
}

#[test]
fn a_certificate_challenge_to_the_host_of_a_target_always_passes() {
    for hosts in [[HOST], ["*"]] {
        let challenge = request("GET", "/.well-known/acme-challenge/token").host("s.shop.example.com");
        assert_eq!(challenge.on(&denying(&hosts)).outcome, Outcome::OutOfScope, "{hosts:?}");
    }
}

/// What is behind the gateway may resolve a dot segment, decode a slash, or treat a backslash like one.
#[test]
fn a_path_that_only_begins_like_a_certificate_challenge_is_denied() {
    for rest in
        ["..%2f..%2fadmin", "../../admin", "..;/..;/admin", "%2e%2e/%2e%2e/admin", "..\\admin", "/x", "a%00", "%"]
    {
        let asked = request("GET", &format!("/.well-known/acme-challenge/{rest}")).host("s.shop.example.com");
        assert_eq!(asked.on(&denying(&[HOST])).outcome, Outcome::DeniedDirect, "{rest}");
    }
}

#[test]
fn a_probe_to_a_public_host_is_handled_like_any_request() {
    let public = table(json!({}), json!([{ "match": "GET /healthz", "service": "s" }]));
    let seen = request("GET", "/healthz").header("k-network-probe", "probe").on(&public);
    assert_eq!(seen.outcome, Outcome::Route);
    assert_eq!(seen.removed, ["k-network-probe"]);
}

/// Knative's proxies answer a probe themselves, on every path. Of two headers, they look at the first.
#[test]
fn a_probe_has_exactly_one_header_with_the_value_probe() {
    use Outcome::{DeniedDirect, OutOfScope};
    let table = denying(&[HOST]);
    let paths = ["/healthz", "/", "/anything//..", "/.well-known/knative/revision/shop/s-00001", "/healthz?a"];
    for path in paths {
        for (values, outcome) in [
            (&["probe"][..], OutOfScope),
            (&[], DeniedDirect),
            (&[""], DeniedDirect),
            (&["x"], DeniedDirect),
            (&["Probe"], DeniedDirect),
            (&["probe,probe"], DeniedDirect),
            (&["probe", "probe"], DeniedDirect),
            (&["x", "probe"], DeniedDirect),
            (&["probe", "x"], DeniedDirect),
            (&["x", "x", "probe"], DeniedDirect),
        ] {
            let sent = |host: &str| {
                let sent = request("GET", path).host(host);
                values.iter().fold(sent, |sent, value| sent.header("k-network-probe", value)).on(&table).outcome
            };
            assert_eq!(sent("s.shop.example.com:80"), outcome, "{path} {values:?}");
            // The `host` of a route may be no KSVC.
            let other = if path == "/healthz" { outcome } else { DeniedDirect };
            assert_eq!(sent("other.example.net"), other, "{path} {values:?}");
        }
    }
}

/// A host that is the target of a `service` and of a `host` is that of a KSVC.
#[test]
fn a_probe_to_the_host_of_a_ksvc_is_never_touched() {
    let routes = |service: &str| {
        json!([
            { "match": "GET /a/{a}", "service": service },
            { "match": "GET /b", "host": "s.shop.example.com" },
            { "match": "GET /c", "host": "other.example.net" },
        ])
    };
    for keys in [
        json!({ "denyDirect": true }),
        json!({ "hosts": ["*"], "onNoMatch": "passThrough" }),
        json!({ "hosts": ["*"] }),
        json!({ "hosts": ["*.example.com", "*.net"] }),
        json!({ "hosts": ["*"], "denyDirect": true }),
    ] {
        for service in ["s", "{a}"] {
            let table = table(keys.clone(), routes(service));
            let probe = |host: &str| request("GET", "/x").host(host).header("k-network-probe", "probe").on(&table);
            assert_eq!(probe("s.shop.example.com").outcome, Outcome::OutOfScope, "{keys} {service}");
            assert_ne!(probe("other.example.net").outcome, Outcome::OutOfScope, "{keys} {service}");
        }
    }
}

#[test]
fn a_redirect_never_has_a_control_byte() {
    let allowing = table(
        json!({ "unsafePaths": "allow" }),
        json!([{ "match": "GET /r/{**rest}", "redirect": { "to": "/{rest}" } }]),
    );
    assert_eq!(request("GET", "/r/\t/evil.example").on(&allowing).outcome, Outcome::UnsafePath);
    assert_eq!(request("GET", "/r//evil.example").on(&allowing).outcome, Outcome::UnsafePath);
    assert_eq!(request("GET", "/r/fine").on(&allowing).outcome, Outcome::Redirect);
}

#[test]
fn a_path_without_a_slash_matches_nothing() {
    let allowing = table(
        json!({ "unsafePaths": "allow" }),
        json!([{ "match": "GET /", "service": "s" }, { "match": "GET /a", "service": "s" }]),
    );
    assert_eq!(request("GET", "a").on(&allowing).outcome, Outcome::NotFound);
    assert_eq!(request("GET", "").on(&allowing).outcome, Outcome::Route);
}

#[test]
fn without_deny_direct_direct_requests_pass() {
    let table = one(json!({}), json!({ "service": "s" }), "GET /a");
    assert_eq!(request("GET", "/a").host("s.shop.example.com").on(&table).outcome, Outcome::OutOfScope);
}

#[test]
fn a_request_that_another_table_has_routed_is_left_unchanged() {
    let table = one(json!({ "hosts": ["*"] , "onNoMatch": "passThrough" }), json!({ "service": "s" }), "ANY /{*all}");
    assert_eq!(request("GET", "/a").already_routed().on(&table).outcome, Outcome::OutOfScope);
    assert_eq!(request("GET", "/a").header("x-forwarded-host", "x").on(&table).outcome, Outcome::Route);
}

#[test]
fn a_probe_to_the_host_of_a_ksvc_is_never_changed() {
    for hosts in ["*", "*.example.com"] {
        let table =
            one(json!({ "hosts": [hosts], "onNoMatch": "passThrough" }), json!({ "service": "s" }), "ANY /{*all}");
        for path in ["/healthz", "/", "/.well-known/knative/revision/shop/s-00001"] {
            let probe = request("GET", path).host("s.shop.example.com:80").header("k-network-probe", "probe");
            assert_eq!(probe.on(&table).outcome, Outcome::OutOfScope, "{hosts} {path}");
        }
    }
}

#[test]
fn a_request_without_a_path_or_about_the_server_is_out_of_scope() {
    let table = one(json!({}), json!({ "service": "s" }), "ANY /{*all}");
    assert_eq!(request("OPTIONS", "*").on(&table).outcome, Outcome::OutOfScope);
    assert_eq!(request("GET", "*").on(&table).outcome, Outcome::UnsafePath);
    let mut connect = request("CONNECT", "");
    connect.path = None;
    assert_eq!(connect.on(&table).outcome, Outcome::OutOfScope);
}

#[test]
fn a_malformed_request_in_scope_is_refused() {
    let table = one(json!({ "hosts": ["*"], "onNoMatch": "passThrough" }), json!({ "service": "s" }), "ANY /{*all}");
    let mut no_method = request("GET", "/a");
    no_method.method = None;
    let mut no_host = request("GET", "/a");
    no_host.authority = None;
    let mut bytes = request("GET", "/a");
    bytes.path = Some(b"/a\xff".to_vec());
    for unreadable in [no_method, no_host, bytes] {
        let seen = unreadable.on(&table);
        assert_eq!((seen.outcome, seen.status), (Outcome::UnsafePath, 400), "{unreadable:?}");
    }
}

#[test]
fn templates_make_no_more_bytes_than_envoy_accepts_in_headers() {
    let routes = json!([
        { "match": "GET /path/{id}", "host": "a.example.net", "rewritePath": format!("/{}", "{id}".repeat(100)) },
        { "match": "GET /to/{id}", "redirect": { "to": format!("/{}", "{id}".repeat(100)) } },
        { "match": "GET /sent/{id}", "host": "a.example.net",
          "requestHeaders": { "set": { "x-a": "{id}".repeat(60), "x-b": "{id}".repeat(40) } } },
        { "match": "GET /got/{id}", "host": "a.example.net",
          "responseHeaders": { "set": { "x-a": "{id}".repeat(60), "x-b": "{id}".repeat(40) } } },
    ]);
    let table = table(json!({}), routes);
    for (path, outcome) in
        [("path", Outcome::Route), ("to", Outcome::Redirect), ("sent", Outcome::Route), ("got", Outcome::Route)]
    {
        let with_value = |length: usize| request("GET", &format!("/{path}/{}", "x".repeat(length))).on(&table);
        assert_eq!(with_value(614).outcome, outcome, "{path}");
        let refused = with_value(615);
        assert_eq!((refused.outcome, refused.status), (Outcome::UnsafePath, 400), "{path}");
    }
}

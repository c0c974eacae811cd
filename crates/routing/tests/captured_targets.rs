//! Tests targets whose `service`, `namespace` or `tag` is captured from the path.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod common;

use common::{HOST, Seen, bad, good, request, seeded_rng};
use ksvc_routing::{Outcome, RouteTable, compile};
use serde_json::{Value, json};

fn document(keys: Value, route: Value) -> Value {
    let mut document = json!({ "hosts": [HOST], "domain": "example.com", "namespace": "shop", "routes": [route] });
    document.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    document
}

/// Makes a table that serves every KSVC of some namespaces with one route, and a second route behind it.
fn cluster(keys: Value, allowed: Value) -> RouteTable {
    let route = json!({ "match": "ANY /{ns}/{svc}/{*rest}", "service": "{svc}", "namespace": "{ns}" });
    let mut document = document(keys, route);
    document["allowNamespaces"] = allowed;
    document["routes"].as_array_mut().unwrap().push(json!({ "match": "ANY /{*rest}", "service": "fallback" }));
    good(&document)
}

fn authority(table: &RouteTable, path: &str) -> String {
    request("GET", path).on(table).authority
}

#[test]
fn one_route_serves_every_service_of_the_allowed_namespaces() {
    let table = cluster(json!({}), json!(["shop", "team-*"]));
    let seen = request("GET", "/shop/orders/7?a=b").on(&table);
    assert_eq!((&*seen.authority, seen.outcome), ("orders.shop.example.com", Outcome::Route));
    assert_eq!(seen.params(), [("ns", "shop"), ("svc", "orders"), ("rest", "7")]);
    assert_eq!(authority(&table, "/team-a/orders/7"), "orders.team-a.example.com");
    assert_eq!(authority(&table, "/shop/canary-orders/7"), "canary-orders.shop.example.com");
    let any = cluster(json!({}), json!(["*"]));
    assert_eq!(authority(&any, "/kube-system/x/7"), "x.kube-system.example.com");
}

/// A request to a name that can't be a service, or to a namespace that is not allowed, is answered like one to a
/// function that does not exist.
#[test]
fn what_is_no_label_or_not_allowed_is_answered_with_404() {
    let long = "a".repeat(64);
    let paths = [
        ("/shop/Orders/7", "upper case"),
        ("/shop/-orders/7", "a hyphen at the start"),
        ("/shop/orders-/7", "a hyphen at the end"),
        ("/shop/or_ders/7", "an underscore"),
        ("/shop/orders.admin/7", "a dot"),
        ("/shop/orders:80/7", "a port"),
        ("/shop/%6frders/7", "an escape"),
        ("/shop/@evil/7", "a user"),
        (&format!("/shop/{long}/7"), "64 bytes"),
        ("/other/orders/7", "a namespace that is not listed"),
        ("/team/orders/7", "a namespace without the prefix"),
        ("/team-/orders/7", "the prefix alone"),
        ("/xshop/orders/7", "a longer namespace"),
        ("/Shop/orders/7", "upper case in the namespace"),
        ("/team-a.b/orders/7", "a dot in the namespace"),
    ];
    let cors = json!({ "allowOrigins": ["https://app.example.com"] });
    for keys in [json!({}), json!({ "onNoMatch": "passThrough" }), json!({ "cors": cors })] {
        let table = cluster(keys.clone(), json!(["shop", "team-*"]));
        for (path, why) in paths {
            let seen = request("GET", path).on(&table);
            assert_eq!((seen.outcome, seen.status), (Outcome::NotFound, 404), "{why}");
            assert_eq!(seen.chosen.unwrap().index, 0, "{why}");
            assert!(!seen.body.contains("rders"), "{}", seen.body);
            let preflight = request("OPTIONS", path).header("origin", "https://app.example.com");
            let preflight = preflight.header("access-control-request-method", "PUT").on(&table);
            assert_eq!((preflight.outcome, preflight.status), (Outcome::NotFound, 404), "{why}");
            let allowed_origin = preflight.answers("access-control-allow-origin");
            assert_eq!(allowed_origin.is_some(), keys["cors"].is_object(), "{why}");
        }
        assert_eq!(authority(&table, &format!("/shop/{}/7", "a".repeat(63))).len(), 63 + ".shop.example.com".len());
    }
}

#[test]
fn literal_text_and_captured_values_make_one_label() {
    let made = |keys: Value, route: Value, path: &str| {
        let mut route = route;
        route["match"] = json!("ANY /{a}/{b}");
        authority(&good(&document(keys, route)), path)
    };
    let none = || json!({});
    assert_eq!(made(none(), json!({ "service": "api-{a}-{b}" }), "/x/y"), "api-x-y.shop.example.com");
    assert_eq!(
        made(none(), json!({ "service": "orders", "tag": "{a}" }), "/canary/y"),
        "canary-orders.shop.example.com"
    );
    assert_eq!(made(none(), json!({ "service": "{a}{b}", "tag": "v{b}" }), "/x/1"), "v1-x1.shop.example.com");
    let team = || json!({ "allowNamespaces": ["team-*"] });
    assert_eq!(made(team(), json!({ "service": "s", "namespace": "team-{a}" }), "/x/y"), "s.team-x.example.com");
    let template = json!({ "hostTemplate": "{namespace}.svc-{service}.{domain}" });
    assert_eq!(made(template, json!({ "service": "{a}" }), "/x/y"), "shop.svc-x.example.com");
    // The text around the values counts for the length of the label.
    let long = |length: usize| made(none(), json!({ "service": "api-{a}" }), &format!("/{}/y", "x".repeat(length)));
    assert_eq!((long(59).is_empty(), long(60).is_empty()), (false, true));
    let tagged = json!({ "service": "orders", "tag": "{a}" });
    let long = |length: usize| made(none(), tagged.clone(), &format!("/{}/y", "x".repeat(length)));
    assert_eq!((long(56).is_empty(), long(57).is_empty()), (false, true));
    let affixed = json!({ "hostTemplate": "{service}-x.{namespace}.{domain}" });
    let long =
        |length: usize| made(affixed.clone(), json!({ "service": "{a}" }), &format!("/{}/y", "x".repeat(length)));
    assert_eq!((long(61).is_empty(), long(62).is_empty()), (false, true));
    // A host has at most 253 bytes.
    let domain = json!({ "domain": format!("{}.com", vec!["x".repeat(60); 3].join(".")) });
    let long = |length: usize| made(domain.clone(), json!({ "service": "{a}" }), &format!("/{}/y", "x".repeat(length)));
    assert_eq!((long(61).len(), long(62).is_empty()), (253, true));
}

/// Returns the codes of all problems.
fn codes(document: &Value) -> Vec<&'static str> {
    compile(document.to_string().as_bytes()).problems.iter().map(|problem| problem.kind.code()).collect()
}

#[test]
fn a_captured_target_needs_what_keeps_it_within_limits() {
    let service = || json!({ "match": "ANY /{a}/{*rest}", "service": "{a}" });
    let both = || json!({ "match": "ANY /{n}/{a}/{*rest}", "service": "{a}", "namespace": "{n}" });
    let list = || json!({ "allowNamespaces": ["shop"] });
    for (keys, route, expected) in [
        (json!({}), service(), &[][..]),
        (list(), both(), &[]),
        (json!({}), both(), &["namespaces-not-listed"]),
        (json!({ "allowNamespaces": [] }), both(), &["no-namespaces"]),
        (json!({ "allowNamespaces": ["Shop"] }), both(), &["invalid-allowed-namespace"]),
        (json!({ "allowNamespaces": ["a*b"] }), both(), &["invalid-allowed-namespace"]),
        (json!({ "allowNamespaces": ["-*"] }), both(), &["invalid-allowed-namespace"]),
        (json!({ "allowNamespaces": "shop" }), both(), &["wrong-type"]),
        (json!({ "allowNamespace": ["shop"] }), both(), &["unknown-key"]),
        (json!({ "allowNamespaces": ["*"] }), both(), &["every-namespace"]),
        (json!({ "allowNamespaces": ["*"], "denyDirect": true }), both(), &["direct-hosts-unknown"]),
        (json!({ "allowNamespaces": ["*"], "denyDirect": true }), service(), &["namespaces-not-captured"]),
        (json!({ "allowNamespaces": ["*"] }), service(), &["namespaces-not-captured"]),
        (list(), service(), &["namespaces-not-captured"]),
        (json!({ "allowNamespaces": ["team-*"] }), service(), &["namespaces-not-captured"]),
        (
            list(),
            json!({ "match": "ANY /{n}", "service": "s", "namespace": "{n}", "tag": "T" }),
            &["invalid-dns-label"],
        ),
        (json!({ "hostTemplate": "{service}-{namespace}.{domain}" }), service(), &["host-template-for-captures"]),
        (json!({ "hostTemplate": "{service}.{domain}" }), service(), &["host-template-for-captures"]),
        (
            json!({ "hostTemplate": "{service}.{domain}", "allowNamespaces": ["shop"] }),
            both(),
            &["host-template-for-captures"],
        ),
        (json!({ "hostTemplate": "{service}{service}.{namespace}.x" }), service(), &["host-template-for-captures"]),
        (json!({ "hostTemplate": "x-{service}.{namespace}-y.{domain}" }), service(), &[]),
        (json!({}), json!({ "match": "ANY /{*rest}", "service": "{rest}" }), &["rest-in-host"]),
        (json!({}), json!({ "match": "ANY /{*rest}", "service": "{*rest}" }), &["rest-in-host"]),
        (json!({}), json!({ "match": "ANY /{*rest}", "service": "s", "tag": "x{rest}" }), &["rest-in-host"]),
        (list(), json!({ "match": "ANY /{*rest}", "service": "s", "namespace": "{rest}" }), &["rest-in-host"]),
        (json!({}), json!({ "match": "ANY /{a}", "service": "{*a}" }), &["rest-in-template"]),
        (json!({}), json!({ "match": "ANY /{a}", "service": "{b}" }), &["unknown-parameter"]),
        (json!({}), json!({ "match": ["ANY /{a}", "ANY /x"], "service": "{a}" }), &["unknown-parameter"]),
        (json!({}), json!({ "match": "ANY /{a}", "service": "{a" }), &["host-braces"]),
        (json!({}), json!({ "match": "ANY /{a}", "service": "a}" }), &["host-braces"]),
        (json!({}), json!({ "match": "ANY /{a}", "service": "s", "tag": "{a" }), &["host-braces"]),
        (json!({}), json!({ "match": "ANY /{a}", "service": "s", "namespace": "{a" }), &["host-braces"]),
        (json!({}), json!({ "match": "ANY /{a}", "service": "-{a}" }), &["invalid-dns-label"]),
        (json!({}), json!({ "match": "ANY /{a}", "service": "{a}-" }), &["invalid-dns-label"]),
        (json!({}), json!({ "match": "ANY /{a}", "service": "A{a}" }), &["invalid-dns-label"]),
        (json!({}), json!({ "match": "ANY /{a}", "service": "{a}.b" }), &["invalid-dns-label"]),
        (json!({}), json!({ "match": "ANY /{a}", "service": "{{a}}" }), &["invalid-dns-label"]),
        (
            json!({}),
            json!({ "match": "ANY /{a}", "service": format!("{}{{a}}", "x".repeat(63)) }),
            &["invalid-dns-label"],
        ),
        (
            json!({}),
            json!({ "match": "ANY /{a}", "service": format!("{}{{a}}", "x".repeat(60)), "tag": "t1" }),
            &["host-too-long"],
        ),
        (json!({ "domain": "svc.cluster.local" }), service(), &["cluster-local-host"]),
        (json!({}), json!({ "match": "ANY /{a}", "host": "x.example.com", "tag": "{a}" }), &["misplaced-key"]),
    ] {
        let document = document(keys, route);
        assert_eq!(codes(&document), expected, "{document}");
    }
}

#[test]
fn an_error_in_allow_namespaces_breaks_the_routes_with_a_captured_namespace() {
    for (key, value) in [
        ("allowNamespaces", json!([7, "shop"])),
        ("allowNamespaces", json!(["shop", "Shop"])),
        ("allowNamespaces", json!([])),
        ("allowNamespace", json!(["shop"])),
    ] {
        let mut document = document(json!({}), json!({ "match": "ANY /n/{n}", "service": "s", "namespace": "{n}" }));
        document[key] = value;
        document["routes"].as_array_mut().unwrap().push(json!({ "match": "ANY /s/{s}", "service": "{s}" }));
        let table = bad(&document);
        assert_eq!(request("GET", "/n/shop").on(&table).outcome, Outcome::BrokenRoute, "{document}");
        assert_eq!(request("GET", "/s/x").on(&table).outcome, Outcome::Route, "{document}");
    }
}

#[test]
fn a_location_on_a_captured_target_is_turned_back() {
    let table = cluster(json!({ "rewriteLocation": true }), json!(["shop"]));
    let sent = request("GET", "/shop/orders/7").header("x-forwarded-proto", "https");
    for (location, expected) in [
        ("http://orders.shop.example.com/shop/orders/8", "https://api.example.com/shop/orders/8"),
        ("http://other.shop.example.com/8", "http://other.shop.example.com/8"),
    ] {
        assert_eq!(sent.answered_with(&table, &[("location", location)])[0].1, expected);
    }
}

#[test]
fn a_captured_target_is_described_as_it_is_written() {
    let route = json!({ "match": "ANY /{namespace}/{svc}/{tag}", "service": "{svc}", "namespace": "{namespace}",
        "tag": "{tag}", "rewritePath": "/{svc}" });
    let table = good(&document(json!({ "allowNamespaces": ["shop"] }), route));
    assert_eq!(table.routes()[0].target, "{tag}-{svc}.{namespace}.example.com path /{svc}");
    let swapped = json!({ "match": "ANY /{namespace}/{service}", "service": "{namespace}", "namespace": "{service}" });
    let table = good(&document(json!({ "allowNamespaces": ["shop"] }), swapped));
    assert_eq!(table.routes()[0].target, "{namespace}.{service}.example.com");
}

fn denied(table: &RouteTable, host: &str) -> bool {
    let Seen { outcome, .. } = request("GET", "/x").host(host).on(table);
    assert!(matches!(outcome, Outcome::DeniedDirect | Outcome::OutOfScope), "{host} {outcome:?}");
    let probe = request("GET", "/x").host(host).header("k-network-probe", "probe").on(table).outcome;
    assert_eq!(probe, Outcome::OutOfScope, "{host}");
    outcome == Outcome::DeniedDirect
}

#[test]
fn deny_direct_covers_the_hosts_that_captured_values_could_make() {
    let table = cluster(json!({ "denyDirect": true }), json!(["shop", "team-*"]));
    for host in [
        "a.shop.example.com",
        "A.Shop.Example.com:443",
        "canary-a.shop.example.com",
        "a.team-1.example.com.",
        "fallback.shop.example.com",
    ] {
        assert!(denied(&table, host), "{host}");
    }
    for host in [
        "a.other.example.com",
        "a.team-.example.com",
        "a.b.shop.example.com",
        "shop.example.com",
        "a_b.shop.example.com",
        "a.shop.example.org",
        "a.shop.example.com.evil",
        "-a.shop.example.com",
        "example.com",
        "",
    ] {
        assert!(!denied(&table, host), "{host}");
    }
    let any = cluster(json!({ "denyDirect": true }), json!(["*"]));
    assert!(!denied(&any, "a.other.example.com") && denied(&any, "fallback.shop.example.com"));
    let route = json!({ "match": "ANY /{a}", "service": "{a}-api", "tag": "t" });
    let table = good(&document(json!({ "denyDirect": true }), route));
    assert!(denied(&table, "t-x-api.shop.example.com") && !denied(&table, "x-api.shop.example.com"));
    assert!(!denied(&table, "t-x-api.other.example.com") && !denied(&table, "t-api.shop.example.com"));
}

#[test]
fn deny_direct_covers_the_hosts_that_are_known_in_spite_of_an_error() {
    let route = |key: &str, value: Value| {
        let mut route = json!({ "match": "ANY /{ns}/{svc}", "service": "{svc}", "namespace": "{ns}" });
        route[key] = value;
        route
    };
    let good = || route("tag", json!("t"));
    for (allowed, route) in [
        (json!(["shop", "BAD NS"]), good()),
        (json!(["shop", 7]), good()),
        (json!(["-*", "sh*"]), good()),
        (json!(["shop"]), route("rewritePath", json!("/{unknown}"))),
        (json!(["shop"]), route("host", json!("x.example.com"))),
        (json!(["shop"]), route("unheard-of", json!(1))),
        (json!(["shop"]), route("match", json!(["ANY /{ns}/{svc}", "ANY /x/{"]))),
    ] {
        let host = if route["tag"].is_string() { "t-orders.shop.example.com" } else { "orders.shop.example.com" };
        let document = document(json!({ "denyDirect": true, "allowNamespaces": allowed }), route);
        let table = bad(&document);
        assert!(denied(&table, host), "{document}");
        assert!(!denied(&table, "t-orders.other.example.com"), "{document}");
        assert_eq!(request("GET", "/shop/orders").on(&table).outcome, Outcome::BrokenRoute, "{document}");
    }
}

/// A host that a request reaches through the table can't be reached directly, and a host that is denied directly can be
/// reached through the table.
#[test]
fn deny_direct_covers_exactly_what_requests_can_reach() {
    let (mut rng, seed) = seeded_rng();
    eprintln!("KSVC_ROUTING_SEED={seed}");
    let services = ["{a}", "x{a}", "{a}x", "{a}-{b}", "{a}{b}", "x-{a}-x-{b}-x", "xx"];
    let namespaces = ["shop", "{n}", "x{n}", "{n}-x"];
    let templates = ["{service}.{namespace}.{domain}", "x{namespace}.{service}-x.{domain}", "{service}.x.{namespace}"];
    let values = ["x", "xx", "-", "x-x", "shop"];
    let pick = |rng: &mut fastrand::Rng, from: &[&str]| from[rng.usize(..from.len())].to_owned();
    let (mut denials, mut passes) = (0, 0);
    for _ in 0..60 {
        let (service, namespace) = (pick(&mut rng, &services), pick(&mut rng, &namespaces));
        let mut route = json!({ "match": "ANY /{a}/{b}/{n}/{c}", "service": service, "namespace": namespace });
        if rng.bool() {
            route["tag"] = json!(pick(&mut rng, &["x", "{c}", "x{c}"]));
        }
        let template = pick(&mut rng, &templates);
        let keys = json!({ "denyDirect": true, "allowNamespaces": ["shop", "x*"], "hostTemplate": template });
        let table = good(&document(keys, route.clone()));
        for _ in 0..20 {
            let [a, b, n, c] = [(); 4].map(|()| pick(&mut rng, &values));
            let host = authority(&table, &format!("/{a}/{b}/{n}/{c}"));
            assert!(host.is_empty() || denied(&table, &host), "{host} {route}");
        }
        for _ in 0..10 {
            let label = (0..rng.usize(1..6)).map(|_| pick(&mut rng, &["x", "x", "-", "s"])).collect::<String>();
            let namespace = pick(&mut rng, &["shop", "xshop", "shop-x", "x-x", "other"]);
            let host = template.replace("{service}", &label).replace("{namespace}", &namespace);
            let host = host.replace("{domain}", "example.com");
            let is_denied = denied(&table, &host);
            *(if is_denied { &mut denials } else { &mut passes }) += 1;
            assert_eq!(is_denied, can_be_reached(&table, &route, &label, &namespace, &host), "{host} {route}");
        }
    }
    assert!(denials > 5 && passes > 5, "{denials} {passes}");
}

/// Returns whether some request reaches a host: it tries all parts of the host's labels as values.
fn can_be_reached(table: &RouteTable, route: &Value, label: &str, namespace: &str, host: &str) -> bool {
    let texts = [&route["service"], &route["namespace"], &route["tag"]].map(|text| text.as_str().unwrap_or_default());
    let parts = |name: &str, of: &str| {
        if !texts.iter().any(|text| text.contains(name)) {
            return vec!["x".to_owned()];
        }
        let ranges = (0..of.len()).flat_map(|start| (start + 1..=of.len()).map(move |end| start..end));
        let parts = ranges.map(|range| of[range].to_owned()).collect::<std::collections::BTreeSet<_>>();
        parts.into_iter().collect()
    };
    let (first, second, third) = (parts("{a}", label), parts("{b}", label), parts("{c}", label));
    parts("{n}", namespace).iter().any(|n| {
        first.iter().any(|a| {
            second.iter().any(|b| third.iter().any(|c| authority(table, &format!("/{a}/{b}/{n}/{c}")) == host))
        })
    })
}

//! Documents beyond all reason: taken or refused with a message, never with a trap, and the next good one is served.
//! A Kubernetes object holds 1.5 MiB; what is larger can only come past the API server.

use serde_json::{Map, Value, json};
use testenv::wasm_host::{Level, Process};

use crate::{Doing, ORDERS, PLUGIN, configured, lines, shop, shop_with, target};

fn with_routes(count: usize, route: impl Fn(usize) -> Value) -> String {
    shop_with(&json!({ "routes": (0..count).map(route).collect::<Vec<_>>() })).to_string()
}

/// One route with this `match`.
fn with_match(text: &str) -> String {
    with_routes(1, |_| json!({ "match": text, "service": "orders" }))
}

/// Hands the document to a new process. How many errors it logs; the next document must be served.
fn errors(what: &str, document: &str) -> usize {
    let _doing = Doing(|| what.to_owned());
    let process = Process::new();
    let root = process.vm(&[]).root(PLUGIN);
    let (accepted, counts) = root.configure_counted(document);
    assert!(accepted);
    let errors = lines(&process, Level::Error).len();
    println!(
        "{what}: {} kB, {} M instructions, {} MiB of memory, {errors} lines of errors",
        document.len() / 1000,
        counts.instructions / 1_000_000,
        root.vm().memory() >> 20
    );
    assert!(root.configure(shop().to_string()));
    assert_eq!(target(&root, "/faas/orders/1"), ORDERS);
    errors
}

#[test]
fn large_tables_are_taken() {
    let route = |n: usize| json!({ "match": format!("GET /a{n}/{{id}}"), "service": "orders" });
    let hosts: Vec<_> = (0..100_000).map(|n| format!("h{n}.example.com")).collect();
    let when: Map<_, _> = (0..20_000).map(|n| (format!("x-{n}"), json!("1"))).collect();
    let captures: String = (0..250).map(|n| format!("/{{c{n}}}")).collect();
    for (what, document) in [
        ("100,000 routes", with_routes(100_000, route)),
        ("100,000 hosts", shop_with(&json!({ "hosts": hosts })).to_string()),
        (
            "20,000 conditions",
            with_routes(1, |_| json!({ "match": "GET /a", "service": "orders", "when": { "headers": when } })),
        ),
        (
            "10,000 routes of one path",
            with_routes(
                10_000,
                |n| json!({ "match": "GET /a", "service": "orders", "when": { "headers": { "x": n.to_string() } } }),
            ),
        ),
        ("250 captures", with_match(&format!("GET {captures}"))),
        ("a literal of 1 MB", with_match(&format!("GET /{}", "a".repeat(1_000_000)))),
        (
            "a body of 16 MB",
            with_routes(
                1,
                |_| json!({ "match": "GET /a", "respond": { "status": 200, "body": "b".repeat(16_000_000) } }),
            ),
        ),
    ] {
        assert_eq!(errors(what, &document), 0, "{what}");
    }
}

#[test]
fn documents_that_can_not_be_read_are_told() {
    let segments: String = (0..1000).map(|n| format!("/{{c{n}}}")).collect();
    let route = |n: usize| json!({ "match": format!("GET /a{n}/{{id"), "service": "orders" });
    for (what, document) in [
        ("16 MB of garbage", "a".repeat(16_000_000)),
        ("16 MB of spaces", " ".repeat(16_000_000)),
        ("16 MB of nested lists", "[".repeat(16_000_000)),
        ("a million nested objects", "{\"routes\":".repeat(1_000_000)),
        ("1,000 captures", with_match(&format!("GET {segments}"))),
        ("1,000,000 slashes", with_match(&format!("GET {}", "/".repeat(1_000_000)))),
        ("1,000,000 open braces", with_match(&format!("GET /{}{{", "{{".repeat(500_000)))),
        ("15,000 wrong routes", with_routes(15_000, route)),
        ("15,000 duplicates", with_routes(15_000, |_| json!({ "match": "GET /a", "service": "orders" }))),
    ] {
        assert!(errors(what, &document) > 0, "{what}");
    }
}

/// The path that is forwarded may be longer than Envoy takes headers (60 KiB), and the memory that it took is kept.
#[test]
fn path_that_a_template_grows_hundredfold_is_made() {
    let route = |_| json!({ "match": "GET /{*rest}", "service": "orders", "rewritePath": format!("/{}", "{rest}".repeat(100)) });
    let (_process, root) = configured(&shop_with(&json!({ "routes": [route(0)] })));
    let exchange = crate::api(&root, "GET", &format!("/faas/{}", "a".repeat(60_000)));
    assert_eq!(exchange.header(":path").map(|path| path.len()), Some(6_000_001));
    println!("{} MiB of memory", root.vm().memory() >> 20);
}

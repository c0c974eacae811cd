//! Documents of unreasonable size or shape. The module accepts them or logs their errors, never traps, and serves the
//! next good document. A Kubernetes object holds 1.5 MiB; larger documents can only come from elsewhere.

use module_host::{Level, Process};
use serde_json::{Map, Value, json};

use crate::{Doing, ORDERS, PLUGIN, configured, lines, shop, shop_with, target};

fn with_routes(count: usize, route: impl Fn(usize) -> Value) -> String {
    shop_with(&json!({ "routes": (0..count).map(route).collect::<Vec<_>>() })).to_string()
}

/// Returns a table with one route that has this `match`.
fn with_match(text: &str) -> String {
    with_routes(1, |_| json!({ "match": text, "service": "orders" }))
}

/// The limits for any document: a worker waits for at most some seconds, and memory is for the table.
const INSTRUCTIONS: u64 = 12_000_000_000;
const MEMORY: usize = 300 << 20;
const LOG: usize = 200_000;

/// Configures a new process with the document, and then with a good one, which must be served. Returns how many errors
/// the document logs.
fn errors(what: &str, document: &str) -> usize {
    let _doing = Doing(|| what.to_owned());
    let process = Process::new();
    let root = process.vm(&[]).root(PLUGIN);
    let (accepted, counts) = root.configure_counted(document);
    assert!(accepted);
    let errors = lines(&process, Level::Error).len();
    let log: usize = process.logs().iter().map(|log| log.text.len()).sum();
    let memory = root.vm().memory();
    println!(
        "{what}: {} kB, {} M instructions, {} MiB of memory, {errors} lines of errors, {log} bytes of log",
        document.len() / 1000,
        counts.instructions / 1_000_000,
        memory >> 20
    );
    assert!(counts.instructions < INSTRUCTIONS, "{what}: {} instructions", counts.instructions);
    assert!(memory < MEMORY, "{what}: {memory} bytes of memory");
    assert!(errors <= 101 && log < LOG, "{what}: {errors} lines of errors, {log} bytes of log");
    assert!(root.configure(shop().to_string()));
    assert_eq!(target(&root, "/faas/orders/1"), ORDERS);
    errors
}

fn when(name: &str, value: usize) -> Value {
    json!({ "match": "GET /a", "service": "orders", "when": { "headers": { name: value.to_string() } } })
}

#[test]
fn large_tables_are_accepted() {
    let route = |n: usize| json!({ "match": format!("GET /a{n}/{{id}}"), "service": "orders" });
    let hosts: Vec<_> = (0..10_000).map(|n| format!("h{n}.example.com")).collect();
    let methods: String = (0..64).map(|n| format!("|M{n}")).collect();
    let conditions: Map<_, _> = (0..100).map(|n| (format!("x-{n}"), json!("1"))).collect();
    let captures: String = (0..250).map(|n| format!("/{{c{n}}}")).collect();
    let respond = |body: String| json!({ "match": "GET /a", "respond": { "status": 200, "body": body } });
    for (what, document) in [
        ("100,000 routes", with_routes(100_000, route)),
        ("10,000 hosts", shop_with(&json!({ "hosts": hosts })).to_string()),
        (
            "500,000 methods of matches",
            with_routes(7_812, |n| json!({ "match": format!("{} /a{n}", &methods[1..]), "service": "orders" })),
        ),
        (
            "100 conditions",
            with_routes(1, |_| json!({ "match": "GET /a", "service": "orders", "when": { "headers": conditions } })),
        ),
        ("256 routes of one path", with_routes(256, |n| when("x", n))),
        ("250 captures", with_match(&format!("GET {captures}"))),
        ("a literal of 8 kB", with_match(&format!("GET /{}", "a".repeat(8_000)))),
        (
            "15 bodies of 1 MiB",
            with_routes(15, |n| {
                let mut route = respond("b".repeat(1 << 20));
                route["match"] = json!(format!("GET /a{n}"));
                route
            }),
        ),
    ] {
        assert_eq!(errors(what, &document), 0, "{what}");
    }
}

#[test]
fn documents_that_can_not_be_read_log_errors() {
    let segments: String = (0..1000).map(|n| format!("/{{c{n}}}")).collect();
    let route = |n: usize| json!({ "match": format!("GET /a{n}/{{id"), "service": "orders" });
    for (what, document) in [
        ("16 MB of garbage", "a".repeat(16_000_000)),
        ("16 MB of spaces", " ".repeat(16_000_000)),
        ("16 MB of nested lists", "[".repeat(16_000_000)),
        ("64 MB of spaces", " ".repeat(64_000_000)),
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

/// Each of them has once stalled a worker, filled memory or the log, or trapped.
#[test]
fn documents_whose_compiled_form_would_be_huge_log_errors() {
    let list = |bytes: usize, element: &str| {
        let elements = vec![element; bytes / (element.len() + 1)].join(",");
        shop_with(&json!({ "routes": "ROUTES" })).to_string().replace("\"ROUTES\"", &format!("[{elements}]"))
    };
    let methods = |count: usize| (0..count).map(|n| format!("M{n}")).collect::<Vec<_>>();
    let patterns: Vec<_> = (0..1000).map(|n| format!("GET /a{n}")).collect();
    let nope = format!("/{}", "{nope}".repeat(1000));
    let rewrite = |_| json!({ "match": patterns, "service": "orders", "rewritePath": nope });
    let unknown: Map<_, _> = (0..100_000).map(|n| (format!("k{n}"), json!(1))).collect();
    let unknown_of_route = |n: usize| {
        let keys = (0..200).map(|key| (format!("headerz{key}"), json!(1)));
        let mut route = json!({ "match": format!("GET /a{n}"), "service": "orders" });
        route.as_object_mut().expect("an object").extend(keys);
        route
    };
    let table_header = |n: usize| (format!("x-{n}"), json!(nope));
    let set: Map<_, _> = (0..100).map(table_header).collect();
    for (what, document) in [
        ("70,000 methods in one match", with_match(&format!("{} /a", methods(70_000).join("|")))),
        ("70,000 methods in 70,000 routes", {
            let methods = methods(70_000);
            with_routes(70_000, |n| json!({ "match": format!("{} /a", methods[n]), "service": "orders" }))
        }),
        ("1,000 patterns and 1,000 unknown names", with_routes(1, rewrite)),
        ("90 times 1,000 patterns and 1,000 unknown names", with_routes(90, rewrite)),
        ("900 times 1,000 patterns", with_routes(900, |_| json!({ "match": patterns, "service": "orders" }))),
        ("1 MB of numbers for routes", list(1_000_000, "0")),
        ("100,000 numbers for routes", list(200_000, "0")),
        ("16 MB of numbers for routes", list(16_000_000, "0")),
        ("16 MB of objects for routes", list(16_000_000, "{}")),
        ("16 MB of lists for routes", list(16_000_000, "[0]")),
        ("5 MB of objects with a key for routes", list(5_000_000, "{\"\":0}")),
        ("64 MB of numbers for routes", list(64_000_000, "0")),
        ("a name of 64 MB", shop_with(&json!({ "name": "n".repeat(64_000_000) })).to_string()),
        ("a name of 16 MB", shop_with(&json!({ "name": "n".repeat(16_000_000) })).to_string()),
        ("a key of 16 MB", shop_with(&json!({ "n".repeat(16_000_000): 1 })).to_string()),
        ("a header of 15 MB with 1,000 wrong values", {
            let route = json!({ "match": patterns, "service": "orders", "requestHeaders": { "set": { "n".repeat(15_000_000): nope } } });
            with_routes(1, |_| route.clone())
        }),
        ("100,000 unknown keys", shop_with(&Value::Object(unknown)).to_string()),
        ("1,000,000 unknown keys", with_routes(5_000, unknown_of_route)),
        ("300,000 routes", with_routes(300_000, |n| json!({ "match": format!("GET /a{n}"), "host": "a.b" }))),
        ("10,000 routes of one path", with_routes(10_000, |n| when("x", n))),
        ("100,000 routes of one path", with_routes(100_000, |n| when("x", n))),
        ("100,000 names in templates of a table", {
            let mut document =
                shop_with(&json!({ "requestHeaders": { "set": set }, "responseHeaders": { "set": set } }));
            document["routes"] = (0..50_000).map(|n| json!({ "match": format!("GET /a{n}"), "host": "a.b" })).collect();
            document.to_string()
        }),
        ("a body of 15 MB", {
            with_routes(
                1,
                |_| json!({ "match": "GET /a", "respond": { "status": 200, "body": "b".repeat(15_000_000) } }),
            )
        }),
    ] {
        assert!(errors(what, &document) > 0, "{what}");
    }
}

/// Routes beyond the limit cost a request nothing.
#[test]
fn routes_with_conditions_at_one_path_cost_a_request_little() {
    for count in [256, 10_000] {
        let (_process, root) =
            configured(&shop_with(&json!({ "routes": (0..count).map(|n| when("x", n)).collect::<Vec<_>>() })));
        let costs = crate::api(&root, "GET", "/faas/a").finish();
        let instructions: u64 = costs.iter().map(|(_, counts)| counts.instructions).sum();
        println!("{count} routes of one path: {} instructions a request", instructions);
        assert!(instructions < 300_000, "{count}: {}", instructions);
    }
}

/// Envoy accepts no path of more than 60 KiB, and a VM would never give back the memory for a longer one.
#[test]
fn path_that_a_template_would_make_a_hundred_times_longer_is_not_built() {
    let rewrite = format!("/{}", "{rest}".repeat(100));
    let route = json!({ "match": "GET /{*rest}", "service": "orders", "rewritePath": rewrite });
    let (_process, root) = configured(&shop_with(&json!({ "routes": [route] })));
    let before = root.vm().memory();
    let exchange = crate::api(&root, "GET", &format!("/faas/{}", "a".repeat(60_000)));
    assert!(exchange.answer().is_some(), "{:?}", exchange.header(":path").map(|path| path.len()));
    drop(exchange);
    assert!(root.vm().memory() < before + (1 << 20), "{before}, {}", root.vm().memory());
}

/// Each placeholder of a template is not compared with each segment of each `match`.
#[test]
fn many_placeholders_cost_little_more_than_one() {
    let deep: String = (0..254).map(|segment| format!("{{p{segment}}}/")).collect();
    let matches: Vec<_> = (0..1_000).map(|n| format!("GET /m{n}/{deep}{{a}}")).collect();
    let instructions = |key: &str, name: &str, count: usize| {
        let template = format!("/{}", format!("{{{name}}}").repeat(count));
        let route = json!({ "match": matches, "service": "orders", key: template });
        let root = Process::new().vm(&[]).root(PLUGIN);
        let (accepted, counts) = root.configure_counted(shop_with(&json!({ "routes": [route] })).to_string());
        assert!(accepted);
        counts.instructions
    };
    for (key, name) in [("service", "a"), ("rewritePath", "a"), ("rewritePath", "b")] {
        let (one, many) = (instructions(key, name, 1), instructions(key, name, 2_500));
        println!("{key} {name}: {one} instructions for one placeholder, {many} for 2,500");
        assert!(many * 10 < one * 16, "{key} {name}: {one}, {many}");
    }
}

//! The module refuses no document, whatever its bytes, and never traps.

use module_host::{Process, Root};
use serde_json::{Value, json};

use crate::random::Random;
use crate::{Doing, ORDERS, PLUGIN, api, head, shop, shop_with, target};

/// Configures the plugin and sends some requests to the result.
fn configures(root: &Root, name: &str, document: &[u8]) {
    let _doing = Doing(|| format!("{name}: {}", document[..document.len().min(4000)].escape_ascii()));
    assert!(root.configure(document), "{name}: refused");
    for (method, path) in
        [("GET", "/faas/orders/1"), ("DELETE", "/faas/payments/a/b"), ("GET", "/"), ("PUT", "/faas//")]
    {
        api(root, method, path).response(&[(":status", "200")], false);
    }
    root.send(head("GET", "orders.shop.example.com", "/healthz"));
}

fn nested(open: &str, close: &str, depth: usize) -> String {
    open.repeat(depth) + &close.repeat(depth)
}

fn bad_documents() -> Vec<(String, Vec<u8>)> {
    let shop = shop().to_string();
    let mut documents: Vec<(String, Vec<u8>)> = [
        ("empty", String::new()),
        ("blank", "  \n\t ".to_owned()),
        ("null", "null".to_owned()),
        ("a string", "\"hosts\"".to_owned()),
        ("a number", "1e999".to_owned()),
        ("a list", "[]".to_owned()),
        ("an empty object", "{}".to_owned()),
        ("garbage", "%&/(=?`*_:;#'\u{0}\u{7f}".to_owned()),
        ("YAML", "hosts: [api.example.com]\nroutes: []\n".to_owned()),
        ("trailing text", format!("{shop} x")),
        ("two documents", format!("{shop}{shop}")),
        ("a byte-order mark", format!("\u{feff}{shop}")),
        ("half a surrogate", shop.replace("/orders", "/\\ud800orders")),
        ("a NUL in a path", shop.replace("/orders", "/\\u0000orders")),
        ("a NUL in a host", shop.replace("api.example.com", "api\\u0000.example.com")),
        ("deep lists", nested("[", "]", 200_000)),
        ("deep lists, not closed", "[".repeat(200_000)),
        ("deep objects", nested("{\"hosts\":", "}", 100_000)),
        ("deep routes", format!("{{\"hosts\":[\"*\"],\"routes\":{}}}", nested("[", "]", 100_000))),
        (
            "deep conditions",
            format!(r#"{{"hosts":["*"],"routes":[{{"when":{}}}]}}"#, nested(r#"{"headers":"#, "}", 1000)),
        ),
        ("a huge string", format!(r#"{{"hosts":["{}"],"routes":[]}}"#, "a".repeat(5_000_000))),
        (
            "a huge number",
            format!(r#"{{"hosts":["*"],"routes":[{{"respond":{{"status":{}}}}}]}}"#, "9".repeat(100_000)),
        ),
        ("many wrong routes", format!(r#"{{"hosts":["*"],"routes":[{}1]}}"#, "1,".repeat(20_000))),
        ("a long match", format!(r#"{{"hosts":["*"],"routes":[{{"match":"GET {}"}}]}}"#, "/{a}".repeat(20_000))),
        (
            "a match of braces",
            format!(r#"{{"hosts":["*"],"routes":[{{"match":"GET /{}","host":"a"}}]}}"#, "{".repeat(9_999)),
        ),
        ("many methods", format!(r#"{{"hosts":["*"],"routes":[{{"match":"{}GET /"}}]}}"#, "A|".repeat(20_000))),
        ("many unknown keys", (0..5000).map(|n| format!(r#""key{n}":{n},"#)).collect::<String>()),
    ]
    .map(|(name, document)| (name.to_owned(), document.into_bytes()))
    .into();
    let unknown = documents.pop().expect("not empty").1;
    documents.push(("many unknown keys".to_owned(), [b"{", unknown.as_slice(), b"\"routes\":[]}"].concat()));
    documents.push(("every byte".to_owned(), (0..=255).collect()));
    let mut bytes = shop.into_bytes();
    for at in ["api", "/faas", "orders", "GET", "{id}", "shop", "pong", "x-beta"] {
        let at_byte = bytes.windows(at.len()).position(|window| window == at.as_bytes()).expect("it is there");
        let mut broken = bytes.clone();
        broken[at_byte] = 0xff;
        documents.push((format!("not UTF-8 in {at}"), broken));
    }
    let step = bytes.len() / 100 + 1;
    while bytes.len() > step {
        bytes.truncate(bytes.len() - step);
        documents.push((format!("cut after {} bytes", bytes.len()), bytes.clone()));
    }
    documents
}

#[test]
fn bad_document_on_a_cold_start_is_accepted() {
    for (name, document) in bad_documents() {
        let process = Process::new();
        let root = process.vm(&[]).root(PLUGIN);
        configures(&root, &name, &document);
        assert_eq!(process.counter("wasm_filter.default.ksvc_router.config_accepted").unwrap_or_default(), 0, "{name}");
    }
}

#[test]
fn bad_document_leaves_the_good_one_serving() {
    let process = Process::new();
    let root = process.vm(&[]).root(PLUGIN);
    assert!(root.configure(shop().to_string()));
    for (name, document) in bad_documents() {
        configures(&root, &name, &document);
        assert_eq!(target(&root, "/faas/orders/1"), ORDERS, "{name}");
    }
}

#[test]
fn huge_good_document_is_accepted() {
    const ROUTES: usize = 20_000;
    let routes: Vec<_> = (0..ROUTES)
        .map(|n| json!({"match": format!("GET /api{}/things{n}/{{id}}", n % 100), "service": format!("things{n}")}))
        .collect();
    let process = Process::new();
    let root = process.vm(&[]).root(PLUGIN);
    let document = shop_with(&json!({"routes": routes})).to_string();
    let (accepted, counts) = root.configure_counted(&document);
    println!(
        "{ROUTES} routes, {} bytes: {} million instructions, {} MiB of memory",
        document.len(),
        counts.instructions / 1_000_000,
        root.vm().memory() >> 20
    );
    assert!(accepted);
    assert_eq!(target(&root, "/faas/api99/things19999/1"), "things19999.shop.example.com");
}

/// Returns tables that could make a compiler or a matcher compare everything with everything.
fn adversarial_tables() -> Vec<(&'static str, Vec<Value>)> {
    const ROUTES: usize = 3000;
    let routes = |route: fn(usize) -> Value| (0..ROUTES).map(route).collect();
    vec![
        ("plain", routes(|n| json!({"match": format!("GET /a{n}/{{id}}"), "host": "a"}))),
        (
            "one path, many conditions",
            routes(|n| json!({"match": "GET /a/{id}", "host": "a", "when": {"headers": {"x-tenant": n.to_string()}}})),
        ),
        (
            "one path, many headers",
            routes(|n| json!({"match": "GET /a/{id}", "host": "a", "when": {"headers": {format!("x-{n}"): "*"}}})),
        ),
        ("one path, many methods", routes(|n| json!({"match": format!("M{n} /a/{{id}}"), "host": "a"}))),
        ("all duplicates", routes(|_| json!({"match": "GET /a/{id}", "host": "a"}))),
        ("many prefixes", routes(|n| json!({"match": format!("GET /p{n}{{id}}"), "host": "a"}))),
        (
            "nested prefixes",
            (0..500).map(|n| json!({"match": format!("GET /{}{{id}}", "a".repeat(n + 1)), "host": "a"})).collect(),
        ),
        ("many suffixes", routes(|n| json!({"match": format!("GET /{{id}}.s{n}/x"), "host": "a"}))),
        (
            "every shape of ten segments",
            (0..1024)
                .map(|n| {
                    let segments: String = (0..10)
                        .map(|bit| if n >> bit & 1 == 0 { format!("/{{p{bit}}}") } else { "/a".to_owned() })
                        .collect();
                    json!({"match": format!("GET {segments}/end"), "host": "a"})
                })
                .collect(),
        ),
        (
            "a rest at every depth",
            (0..300).map(|n| json!({"match": format!("GET {}/{{*rest}}", "/a".repeat(n)), "host": "a"})).collect(),
        ),
        (
            "many matches in one route",
            vec![json!({"match": (0..ROUTES).map(|n| format!("GET /a{n}/{{id}}")).collect::<Vec<_>>(), "host": "a"})],
        ),
        ("all broken", routes(|n| json!({"match": format!("GET /{{{n}"), "host": "a"}))),
    ]
}

/// Envoy's threads wait meanwhile: at most some 100 milliseconds for a table of this size.
#[test]
fn adversarial_table_costs_little_to_compile_and_to_serve() {
    const TO_COMPILE: u64 = 500_000_000;
    const TO_SERVE: u64 = 2_000_000;
    let mut over_budget = Vec::new();
    for (name, routes) in adversarial_tables() {
        let process = Process::new();
        let root = process.vm(&[]).root(PLUGIN);
        let document = json!({"hosts": ["api.example.com"], "routes": routes}).to_string();
        let (accepted, counts) = root.configure_counted(&document);
        assert!(accepted, "{name}");
        let paths =
            ["/a/1", &"/a".repeat(10), &"/a".repeat(400), &format!("/{}", "a".repeat(600)), "/p2999x", "/x.s2999/x"];
        let cost = |path: &&str| -> u64 {
            let costs = api(&root, "GET", path).finish();
            costs.iter().map(|(_, counts)| counts.instructions).sum()
        };
        let request = paths.iter().map(cost).max().expect("some paths");
        println!("{name:<28}{:>12} instructions to compile, {request:>9} to serve", counts.instructions);
        if counts.instructions > TO_COMPILE || request > TO_SERVE {
            over_budget.push(name);
        }
    }
    assert!(
        over_budget.is_empty(),
        "beyond {TO_COMPILE} instructions to compile or {TO_SERVE} to serve: {over_budget:?}"
    );
}

#[test]
fn mutated_document_is_accepted() {
    const DOCUMENTS: usize = 1500;
    let words: Vec<&[u8]> = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "null",
        "true",
        "0",
        "-1",
        "1e9",
        "\"\"",
        "{}",
        "[]",
        "/",
        "//",
        "{id}",
        "{*rest}",
        "{{",
        "}}",
        "%",
        "%2F",
        "%zz",
        "*",
        "*.",
        "..",
        "GET",
        "ANY",
        "|",
        "\"hosts\"",
        "\"routes\"",
        "\"match\"",
        "\"service\"",
        "\"host\"",
        "\"name\"",
        "\"rewritePath\"",
        "\"redirect\"",
        "\"respond\"",
        "\"when\"",
        "\"status\"",
        "\"to\"",
        "\u{e9}",
        "\u{0}",
        "\\u0000",
        "\\ud800",
        ".svc.cluster.local",
        "?",
        "#",
        " ",
    ]
    .map(str::as_bytes)
    .into();
    let good = shop_with(&json!({
        "hostTemplate": "{service}.{namespace}.{domain}", "stripBasePath": true, "onNoMatch": "notFound",
        "trailingSlash": "ignore", "unsafePaths": "reject", "denyDirect": true,
    }));
    let good = good.to_string().into_bytes();
    let mut random = Random::new("MODULE_SEED");
    let process = Process::new();
    let mut root = process.vm(&[]).root(PLUGIN);
    for n in 0..DOCUMENTS {
        if n % 100 == 0 {
            // Sometimes there is no last good document.
            root = Process::new().vm(&[]).root(PLUGIN);
        }
        let mut document = good.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(document.len());
            let end = (at + random.below(20)).min(document.len());
            match random.below(6) {
                0 => document[at] = random.byte(),
                1 => _ = document.drain(at..end),
                2 => _ = document.splice(at..at, random.pick(&words).iter().copied()),
                3 => _ = document.splice(at..end, random.pick(&words).iter().copied()),
                4 => {
                    let copy = document[at..end].to_vec();
                    document.splice(end..end, copy);
                }
                _ => {
                    let from = random.below(document.len());
                    let piece = document[from..(from + 40).min(document.len())].to_vec();
                    document.splice(at..end, piece);
                }
            }
            if document.is_empty() {
                document.push(b'{');
            }
        }
        configures(&root, &format!("{n} of MODULE_SEED={}", random.seed()), &document);
    }
}

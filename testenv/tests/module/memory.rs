//! The module's memory does not grow with the number of requests, documents, streams and edits.

use serde_json::json;

use module_host::Process;

use crate::{PLUGIN, api, configured, shop_with, target};

#[test]
fn memory_is_flat_over_a_million_requests() {
    const ROUNDS: u32 = 100_000;
    const WARM: u32 = 1000;
    let (process, root) = configured(&shop_with(&json!({"denyDirect": true})));
    let kinds = [
        ("GET", "/faas/orders"),
        ("GET", "/faas/orders/42"),
        ("GET", "/faas/orders/43?expand=items"),
        ("DELETE", "/faas/payments/2026/11"),
        ("HEAD", "/faas/files/report.json"),
        ("GET", "/faas/ping"),
        ("GET", "/faas/customers/7"),
        ("DELETE", "/faas/orders/42"),
        ("GET", "/faas/orders/a%2Fb"),
        ("GET", "/elsewhere"),
    ];
    let mut warm = 0;
    for round in 0..ROUNDS {
        for (method, path) in kinds {
            api(&root, method, path);
        }
        if round == WARM {
            warm = root.vm().memory();
        }
    }
    let routed = process.counter(&crate::metric("shop", "routed"));
    assert_eq!(routed, Some(u64::from(ROUNDS) * 5));
    assert_eq!(root.vm().memory(), warm, "the memory after 1,000,000 requests, and after 10,000");
}

#[test]
fn memory_is_flat_over_a_thousand_documents() {
    let (_process, root) = configured(&shop_with(&json!({})));
    let documents =
        [shop_with(&json!({"name": "a"})).to_string(), "{".to_owned(), shop_with(&json!({"hosts": 5})).to_string()];
    let mut warm = 0;
    for round in 0..1000 {
        for document in &documents {
            assert!(root.configure(document));
            api(&root, "GET", "/faas/orders/1");
        }
        if round == 100 {
            warm = root.vm().memory();
        }
    }
    assert_eq!(root.vm().memory(), warm, "the memory after 3,000 documents, and after 300");
}

/// The filter keeps a plan for each response. If the response never comes, the plan is freed with the stream.
#[test]
fn plan_for_a_response_is_freed_with_its_stream() {
    const STREAMS: u32 = 40_000;
    let (_process, root) = configured(&shop_with(&json!({"responseHeaders": {"set": {"x-id": "{id}"}}})));
    let mut waiting = api(&root, "GET", "/faas/orders/1");
    let mut warm = 0;
    for stream in 0..STREAMS {
        drop(api(&root, "GET", "/faas/orders/2"));
        if stream == 10_000 {
            warm = root.vm().memory();
        }
    }
    assert_eq!(root.vm().memory(), warm, "the memory after {STREAMS} streams, and after 10,000");
    // Another stream has waited for its response all the time, and its plan still exists.
    assert_eq!(waiting.response(&[(":status", "200")], true).text("x-id").as_deref(), Some("1"));
}

/// A VM survives edits in Envoy without Istio, and under Istio if the agent fetches the module.
#[test]
fn table_is_freed_with_its_plugin() {
    let process = Process::new();
    let vm = process.vm(&[]);
    let large = table_of(500).to_string();
    let mut warm = 0;
    for edit in 0..30 {
        let root = vm.root(PLUGIN);
        assert!(root.configure(&large));
        assert_eq!(target(&root, "/faas/r7/1"), "s7.shop.example.com", "after {edit} edits");
        root.done();
        if edit == 10 {
            warm = vm.memory();
        }
    }
    assert_eq!(vm.memory(), warm, "the memory after 30 edits, and after 10");
}

/// Only new streams get the table of an edit. An edit is a new document for a root context, or a new root context in
/// the same VM.
#[test]
fn stream_that_began_before_an_edit_keeps_its_table() {
    let process = Process::new();
    let vm = process.vm(&[]);
    let table = |name: &str| shop_with(&json!({"responseHeaders": {"set": {"x-table": name}}})).to_string();
    let old = vm.root(PLUGIN);
    assert!(old.configure(table("first")));
    let first = api(&old, "GET", "/faas/orders/1");
    assert!(old.configure(table("second")));
    let second = api(&old, "GET", "/faas/orders/1");
    let new = vm.root(PLUGIN);
    assert!(new.configure(table("third")));
    let third = api(&new, "GET", "/faas/orders/1");
    for (mut stream, expected) in [(first, "first"), (third, "third"), (second, "second")] {
        let headers = stream.response(&[(":status", "200")], true);
        assert_eq!(headers.text("x-table").as_deref(), Some(expected));
    }
    old.done();
    let mut last = api(&new, "GET", "/faas/orders/1");
    assert_eq!(last.response(&[(":status", "200")], true).text("x-table").as_deref(), Some("third"));
}

/// Streams of an old plugin and a new one take turns in one VM, and each uses the table of its own plugin.
#[test]
fn streams_keep_the_plugin_that_they_began_with() {
    let process = Process::new();
    let vm = process.vm(&[]);
    let of = |service: &str| {
        let root = vm.root(PLUGIN);
        assert!(root.configure(shop_with(&json!({"routes": [{"match": "GET /a", "service": service}]})).to_string()));
        root
    };
    let (old, new) = (of("old"), of("new"));
    for _ in 0..3 {
        assert_eq!(target(&old, "/faas/a"), "old.shop.example.com");
        assert_eq!(target(&new, "/faas/a"), "new.shop.example.com");
    }
    old.done();
    assert_eq!(target(&new, "/faas/a"), "new.shop.example.com");
}

/// An earlier filter may answer a request. Envoy then creates a context only to write the access log, and ends it.
#[test]
fn stream_without_a_request_leaves_nothing_behind() {
    let process = Process::new();
    let vm = process.vm(&[]);
    let [first, _second] = ["first", "second"].map(|plugin| {
        let root = vm.root(plugin);
        assert!(root.configure(shop_with(&json!({})).to_string()));
        root
    });
    let mut warm = 0;
    for stream in 0..100_000 {
        first.stream_without_request();
        if stream == 10_000 {
            warm = vm.memory();
        }
    }
    assert_eq!(vm.memory(), warm, "the memory after 100,000 streams, and after 10,000");
    assert_eq!(target(&first, "/faas/orders/1"), crate::ORDERS);
}

fn table_of(routes: usize) -> serde_json::Value {
    let route = |n| json!({"match": format!("GET /r{n}/{{id}}"), "service": format!("s{n}")});
    shop_with(&json!({"routes": (0..routes).map(route).collect::<Vec<_>>()}))
}

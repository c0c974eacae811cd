//! Memory over a million requests.

use serde_json::json;

use module_host::{Head, Process};

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
        if round % 200 == 0 {
            root.tick();
        }
        if round == WARM {
            warm = root.vm().memory();
        }
    }
    root.tick();
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

/// Nobody tells the module that a stream has ended. What it keeps for a response that never comes, it lets go.
#[test]
fn responses_that_never_come_are_forgotten() {
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
    // However long another one has waited for its response, and it alone, it is not forgotten.
    root.tick();
    assert_eq!(waiting.response(&[(":status", "200")], true).text("x-id").as_deref(), Some("1"));
}

/// The same of plugins: with plain Envoy, and where the agent fetches the module, a VM lives on over edits.
#[test]
fn plugins_that_the_host_has_let_go_are_forgotten() {
    let process = Process::new();
    let vm = process.vm(&[]);
    let large = table_of(500).to_string();
    let mut warm = 0;
    for edit in 0..30 {
        let root = vm.root(PLUGIN);
        assert!(root.configure(&large));
        root.tick();
        assert_eq!(target(&root, "/faas/r7/1"), "s7.shop.example.com", "after {edit} edits");
        root.done();
        if edit == 10 {
            warm = vm.memory();
        }
    }
    assert_eq!(vm.memory(), warm, "the memory after 30 edits, and after 10");
}

/// Streams of the old table and the new, in turn, in one VM: each goes by the one that it began with.
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
        old.tick();
    }
    old.done();
    new.tick();
    assert_eq!(target(&new, "/faas/a"), "new.shop.example.com");
}

/// Envoy tells of the beginning of a stream that another filter has answered when it writes the log, and of nothing else.
#[test]
fn streams_without_a_request_are_forgotten() {
    let process = Process::new();
    let vm = process.vm(&[]);
    let [first, _second] = ["first", "second"].map(|plugin| {
        let root = vm.root(plugin);
        assert!(root.configure(shop_with(&json!({})).to_string()));
        root
    });
    let mut warm = 0;
    for stream in 100_000..200_000 {
        vm.know_stream(stream, first.id(), Head::default(), Head::default());
        vm.call("proxy_on_context_create", &[stream, first.id()]);
        vm.forget(stream);
        if stream == 110_000 {
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

//! A host that fails: each call in turn answers a status that nobody expects. Never a trap.

use module_host::{HOST_CALLS, Module, Process, Root};
use serde_json::json;

use crate::{Doing, ORDERS, PLUGIN, VERSION, api, head, shop, shop_with, target};

/// Every status of proxy-wasm but Ok, and two that it does not have.
const STATUSES: [u32; 14] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 99, u32::MAX];

/// The host calls that the module makes at all, by its imports.
fn calls() -> Vec<&'static str> {
    let imports = Module::plugin().imports();
    let made = |call: &&&'static str| imports.contains(&format!("env.{call}"));
    HOST_CALLS.iter().filter(made).copied().collect()
}

fn every_fault(mut test: impl FnMut(&'static str, u32)) {
    for call in calls() {
        for status in STATUSES {
            let _doing = Doing(|| format!("{call} answering {status}"));
            test(call, status);
        }
    }
}

fn requests(root: &Root) {
    let paths = ["/faas/orders/1", "/faas/payments/a", "/faas/nothing", "/faas//", "/faas/old/1", "/faas/ping", "/"];
    for path in paths {
        for method in ["GET", "DELETE"] {
            api(root, method, path).response(&[(":status", "200"), ("server", "nginx")], true);
        }
    }
    root.send(head("GET", "orders.shop.example.com", "/"));
}

fn document() -> String {
    let all = json!({
        "denyDirect": true,
        "rewriteLocation": true,
        "cors": {"allowOrigins": ["*"]},
        "requestHeaders": {"set": {"x-a": "b"}, "add": {"x-b": "c"}, "remove": ["accept"]},
        "responseHeaders": {"set": {"x-a": "b"}, "add": {"x-b": "c"}, "remove": ["server"]},
    });
    shop_with(&all).to_string()
}

#[test]
fn failing_from_the_start_never_traps() {
    every_fault(|call, status| {
        let process = Process::new();
        process.fail(call, status);
        for (version, document) in [("1", document()), ("2", "{".to_owned()), ("3", document())] {
            let root = process.vm(&[(VERSION, version)]).root(PLUGIN);
            assert!(root.configure(document), "refused with {call} answering {status}");
            requests(&root);
            root.tick();
            root.done();
        }
    });
}

#[test]
fn host_that_recovers_finds_the_filter_at_work() {
    let process = Process::new();
    let root = process.vm(&[]).root(PLUGIN);
    assert!(root.configure(document()));
    every_fault(|call, status| {
        process.fail(call, status);
        requests(&root);
        root.tick();
        process.heal();
        assert_eq!(target(&root, "/faas/orders/1"), ORDERS, "after {call} answered {status}");
    });
    assert!(root.configure(shop().to_string()));
    assert_eq!(target(&root, "/faas/orders/1"), ORDERS);
}

#[test]
fn configuration_during_a_failure_is_mended_by_the_next() {
    every_fault(|call, status| {
        let process = Process::new();
        process.fail(call, status);
        let root = process.vm(&[(VERSION, "1")]).root(PLUGIN);
        assert!(root.configure(document()));
        process.heal();
        let root = process.vm(&[(VERSION, "2")]).root(PLUGIN);
        assert!(root.configure(document()));
        assert_eq!(target(&root, "/faas/orders/1"), ORDERS, "after {call} answered {status}");
    });
}

/// A request whose headers can't be changed must not go half changed to wherever the old route leads.
#[test]
fn routed_request_whose_authority_cannot_be_set_does_not_pass_as_routed() {
    let process = Process::new();
    let root = process.vm(&[]).root(PLUGIN);
    assert!(root.configure(document()));
    for call in ["proxy_replace_header_map_value", "proxy_set_header_map_pairs"] {
        process.fail(call, 10);
    }
    let exchange = api(&root, "GET", "/faas/orders/1");
    let authority = exchange.header(":authority");
    let went_on_unchanged = exchange.answer().is_none() && authority.as_deref() == Some("api.example.com");
    let marked = exchange.filter_state("wasm.ksvc_router.route").is_some();
    assert!(!(went_on_unchanged && marked), "the request is marked as routed and was not");
}

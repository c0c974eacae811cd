//! Calls to Envoy that fail. The filter handles every status that Envoy can return. Some calls never fail in Envoy:
//! there the SDK panics at any status but Ok, so the VM traps, and a new VM serves the next request.

use std::panic::{AssertUnwindSafe, catch_unwind};

use module_host::{HOST_CALLS, Level, Process, Root};
use serde_json::json;

use crate::{Doing, ORDERS, PLUGIN, VERSION, api, counter, head, lines, shop, shop_with, target};

const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
const SERIALIZATION_FAILURE: u32 = 3;
const CAS_MISMATCH: u32 = 8;
const INTERNAL_FAILURE: u32 = 10;

/// Every status of proxy-wasm except Ok, and two that do not exist.
const ALL: &[u32] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 99, u32::MAX];

/// The statuses other than Ok that Envoy can return for each call, at the places where the filter makes it. None of
/// them is `InvalidMemoryAccess`: a module gets that status if it passes an address outside its memory, or if it
/// returns no memory when Envoy asks for some.
const STATUSES: [(&str, &[u32]); 14] = [
    // Envoy refuses only a map that does not exist. In its own callback, each of the two maps does.
    ("proxy_add_header_map_value", &[]),
    // Envoy refuses only an unknown type.
    ("proxy_define_metric", &[]),
    // Not found: the plugin has no configuration.
    ("proxy_get_buffer_bytes", &[NOT_FOUND]),
    // `src/host.rs` makes this call and handles every status.
    ("proxy_get_header_map_pairs", ALL),
    // Not found: there is no such property. The others: its value can't be written as bytes.
    ("proxy_get_property", &[NOT_FOUND, SERIALIZATION_FAILURE, INTERNAL_FAILURE]),
    ("proxy_get_shared_data", &[NOT_FOUND]),
    // Not found: Envoy has not given out this id. Bad argument: the metric has another type.
    ("proxy_increment_metric", &[NOT_FOUND, BAD_ARGUMENT]),
    ("proxy_log", &[]),
    ("proxy_record_metric", &[NOT_FOUND]),
    ("proxy_remove_header_map_value", &[]),
    ("proxy_replace_header_map_value", &[]),
    // `src/host.rs` makes this call and handles every status.
    ("proxy_send_local_response", ALL),
    // Not found: there is no stream, but here there is one. Bad argument: another plugin has declared this very name as
    // read-only.
    ("proxy_set_property", &[]),
    ("proxy_set_shared_data", &[CAS_MISMATCH]),
];

/// Runs a test once for every failure that Envoy can return.
fn every_failure(mut test: impl FnMut(&'static str, u32)) {
    for (call, statuses) in STATUSES {
        for &status in statuses {
            let _doing = Doing(|| format!("{call} returning {status}"));
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
fn every_call_of_the_filter_is_listed_with_its_statuses() {
    assert_eq!(STATUSES.map(|(call, _)| call), HOST_CALLS);
}

#[test]
fn no_status_that_envoy_returns_from_the_start_traps() {
    every_failure(|call, status| {
        let process = Process::new();
        process.fail(call, status);
        for (version, document) in [("1", document()), ("2", "{".to_owned()), ("3", document())] {
            let root = process.vm(&[(VERSION, version)]).root(PLUGIN);
            assert!(root.configure(document), "refused with {call} returning {status}");
            requests(&root);
            root.done();
        }
    });
}

#[test]
fn filter_routes_again_after_the_calls_recover() {
    let process = Process::new();
    let root = process.vm(&[]).root(PLUGIN);
    assert!(root.configure(document()));
    every_failure(|call, status| {
        process.fail(call, status);
        requests(&root);
        process.recover();
        assert_eq!(target(&root, "/faas/orders/1"), ORDERS, "after {call} returned {status}");
    });
    assert!(root.configure(shop().to_string()));
    assert_eq!(target(&root, "/faas/orders/1"), ORDERS);
}

#[test]
fn next_configuration_repairs_one_that_came_during_a_failure() {
    every_failure(|call, status| {
        let process = Process::new();
        process.fail(call, status);
        let root = process.vm(&[(VERSION, "1")]).root(PLUGIN);
        assert!(root.configure(document()));
        process.recover();
        let root = process.vm(&[(VERSION, "2")]).root(PLUGIN);
        assert!(root.configure(document()));
        assert_eq!(target(&root, "/faas/orders/1"), ORDERS, "after {call} returned {status}");
    });
}

/// A request that is changed only in part must not go on to its old route. Envoy answers a request at which the VM
/// traps with 503, whatever `failStrategy` is. With FAIL_RELOAD it starts a new VM for the next request.
#[test]
fn request_that_cannot_be_changed_traps_and_a_new_vm_serves_the_next() {
    for call in ["proxy_replace_header_map_value", "proxy_add_header_map_value", "proxy_set_property"] {
        let process = Process::new();
        let old = process.vm(&[]).root(PLUGIN);
        assert!(old.configure(document()));
        process.fail(call, BAD_ARGUMENT);
        assert!(catch_unwind(AssertUnwindSafe(|| api(&old, "GET", "/faas/orders/1"))).is_err(), "{call}: no trap");
        process.recover();
        let reasons = lines(&process, Level::Critical);
        assert!(reasons.iter().any(|line| line.contains("unexpected status: 2")), "{call}: {reasons:?}");

        let new = process.vm(&[]).root(PLUGIN);
        assert!(new.configure(document()));
        assert_eq!(target(&new, "/faas/orders/1"), ORDERS, "after {call} failed");
        assert_eq!(counter(&process, "shop", "config_accepted"), 1, "the new VM copies the table of the old one");
    }
}

//! Calls to Envoy that fail. The filter goes on at every status that Envoy can return. Of a call that Envoy never
//! refuses, the SDK expects no other status than Ok and panics: the VM traps then, and the next one serves.

use std::panic::{AssertUnwindSafe, catch_unwind};

use module_host::{HOST_CALLS, Level, Process, Root};
use serde_json::json;

use crate::{Doing, ORDERS, PLUGIN, VERSION, api, counter, head, lines, shop, shop_with, target};

const NOT_FOUND: u32 = 1;
const BAD_ARGUMENT: u32 = 2;
const SERIALIZATION_FAILURE: u32 = 3;
const CAS_MISMATCH: u32 = 8;
const INTERNAL_FAILURE: u32 = 10;

/// Every status of proxy-wasm but Ok, and two that it does not have.
const ALL: &[u32] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 99, u32::MAX];

/// What Envoy can return other than Ok, for each call and where the filter makes it. `InvalidMemoryAccess` is missing
/// everywhere: a module gets it that gives an address outside its memory, or no memory when Envoy asks for some.
const STATUSES: [(&str, &[u32]); 14] = [
    // There is a map to change: of the request while its headers are handled, and of the response likewise.
    ("proxy_add_header_map_value", &[]),
    // The type is one of the three.
    ("proxy_define_metric", &[]),
    // Not found: there is no configuration.
    ("proxy_get_buffer_bytes", &[NOT_FOUND]),
    // The filter's own call, which takes every status.
    ("proxy_get_header_map_pairs", ALL),
    // Not found: no such property. The others: a value that has no form as bytes.
    ("proxy_get_property", &[NOT_FOUND, SERIALIZATION_FAILURE, INTERNAL_FAILURE]),
    ("proxy_get_shared_data", &[NOT_FOUND]),
    // An id that Envoy has not given, or of another type.
    ("proxy_increment_metric", &[NOT_FOUND, BAD_ARGUMENT]),
    ("proxy_log", &[]),
    ("proxy_record_metric", &[NOT_FOUND]),
    ("proxy_remove_header_map_value", &[]),
    ("proxy_replace_header_map_value", &[]),
    // The filter's own call, which takes every status.
    ("proxy_send_local_response", ALL),
    // There is a stream to write to, and the name belongs to this filter.
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
fn host_that_recovers_finds_the_filter_at_work() {
    let process = Process::new();
    let root = process.vm(&[]).root(PLUGIN);
    assert!(root.configure(document()));
    every_failure(|call, status| {
        process.fail(call, status);
        requests(&root);
        process.heal();
        assert_eq!(target(&root, "/faas/orders/1"), ORDERS, "after {call} returned {status}");
    });
    assert!(root.configure(shop().to_string()));
    assert_eq!(target(&root, "/faas/orders/1"), ORDERS);
}

#[test]
fn configuration_during_a_failure_is_mended_by_the_next() {
    every_failure(|call, status| {
        let process = Process::new();
        process.fail(call, status);
        let root = process.vm(&[(VERSION, "1")]).root(PLUGIN);
        assert!(root.configure(document()));
        process.heal();
        let root = process.vm(&[(VERSION, "2")]).root(PLUGIN);
        assert!(root.configure(document()));
        assert_eq!(target(&root, "/faas/orders/1"), ORDERS, "after {call} returned {status}");
    });
}

/// A request that is changed in part must not go to wherever its old route leads. Envoy answers the request at which a
/// VM traps with 503, whatever `failStrategy` says, and with FAIL_RELOAD it starts a new VM for the next one.
#[test]
fn request_that_cannot_be_changed_traps_and_a_new_vm_serves_the_next() {
    for call in ["proxy_replace_header_map_value", "proxy_add_header_map_value", "proxy_set_property"] {
        let process = Process::new();
        let old = process.vm(&[]).root(PLUGIN);
        assert!(old.configure(document()));
        process.fail(call, BAD_ARGUMENT);
        assert!(catch_unwind(AssertUnwindSafe(|| api(&old, "GET", "/faas/orders/1"))).is_err(), "{call}: no trap");
        process.heal();
        let reasons = lines(&process, Level::Critical);
        assert!(reasons.iter().any(|line| line.contains("unexpected status: 2")), "{call}: {reasons:?}");

        let new = process.vm(&[]).root(PLUGIN);
        assert!(new.configure(document()));
        assert_eq!(target(&new, "/faas/orders/1"), ORDERS, "after {call} failed");
        assert_eq!(counter(&process, "shop", "config_accepted"), 1, "the new VM follows what the old one judged");
    }
}

//! The metrics and log lines that operators see: names, values, and when they change.

use module_host::{Level, Process, Root};
use serde_json::json;

use crate::{PLUGIN, VERSION, api, configured, counter, gauge, head, lines, metric, shop, shop_with};

const COUNTERS: [&str; 10] = [
    "routed",
    "not_found",
    "method_not_allowed",
    "unsafe_path",
    "preflight",
    "denied_direct",
    "answered",
    "broken_route",
    "config_accepted",
    "config_rejected",
];
const GAUGES: [&str; 3] = ["routes", "config_degraded", "config_hash"];

/// Sends one request for each counter of requests, except those of broken routes and preflights.
fn one_of_each(root: &Root) {
    api(root, "GET", "/faas/orders/1");
    api(root, "GET", "/faas/nothing");
    api(root, "DELETE", "/faas/orders/1");
    api(root, "GET", "/faas//");
    api(root, "GET", "/faas/old/1");
    api(root, "GET", "/faas/ping");
    api(root, "GET", "/elsewhere");
    root.send(head("GET", "orders.shop.example.com", "/faas/orders/1"));
}

const OF_EACH: [(&str, u64); 8] = [
    ("routed", 1),
    ("not_found", 1),
    ("method_not_allowed", 1),
    ("unsafe_path", 1),
    ("answered", 2),
    ("denied_direct", 1),
    ("broken_route", 0),
    ("preflight", 0),
];

fn assert_counted(process: &Process, times: u64) {
    for (name, count) in OF_EACH {
        assert_eq!(counter(process, "shop", name), count * times, "{name}");
    }
}

#[test]
fn metrics_have_names_that_istio_turns_into_labels() {
    let (process, _root) = configured(&shop());
    let mut expected: Vec<String> = COUNTERS.iter().chain(&GAUGES).map(|name| metric("shop", name)).collect();
    expected.sort();
    let found: Vec<String> = process.metrics().into_keys().collect();
    assert_eq!(found, expected);
    for name in COUNTERS {
        assert!(process.counter(&metric("shop", name)).is_some(), "{name} is a counter");
    }
    for name in GAUGES {
        assert!(process.gauge(&metric("shop", name)).is_some(), "{name} is a gauge");
    }
}

/// The last twelve digits of the hash in the log line are the gauge in hexadecimal.
#[test]
fn the_hash_is_that_of_the_document_that_is_served() {
    let (process, root) = configured(&shop());
    let served = gauge(&process, "shop", "config_hash");
    assert!(served > 0 && served < 1 << 48);
    let logged = lines(&process, Level::Info);
    assert!(logged[0].contains(&format!("{served:012x}, ")), "{served:x} {logged:?}");
    // A bad document leaves the last good one in place, and its hash too.
    assert!(root.configure(shop_with(&json!({"routes": [{"match": "GET /a"}]})).to_string()));
    assert_eq!(gauge(&process, "shop", "config_hash"), served);
    assert!(root.configure(shop_with(&json!({"name": "other"})).to_string()));
    assert_eq!(gauge(&process, "shop", "config_hash"), 0);
    assert!(gauge(&process, "other", "config_hash") > 0);
}

#[test]
fn table_without_a_name_is_the_default_one() {
    let (process, _root) = configured(&shop_with(&json!({"name": null})));
    assert_eq!(gauge(&process, "default", "routes"), 8);
    assert_eq!(counter(&process, "default", "config_accepted"), 1);
}

#[test]
fn request_is_counted_at_once() {
    let (process, root) = configured(&shop_with(&json!({"denyDirect": true})));
    for times in 1..4 {
        one_of_each(&root);
        assert_counted(&process, times);
    }
    root.done();
    assert_counted(&process, 3);
}

#[test]
fn counters_of_an_old_table_are_not_lost_by_an_edit() {
    let (process, root) = configured(&shop_with(&json!({"denyDirect": true})));
    one_of_each(&root);
    assert!(root.configure(shop_with(&json!({"name": "other", "denyDirect": true})).to_string()));
    one_of_each(&root);
    root.done();
    assert_counted(&process, 1);
    assert_eq!(counter(&process, "other", "routed"), 1);
}

#[test]
fn threads_add_up() {
    let process = Process::new();
    let document = shop_with(&json!({"denyDirect": true})).to_string();
    let roots: Vec<Root> = (0..3)
        .map(|_| {
            let root = process.vm(&[(VERSION, "1")]).root(PLUGIN);
            assert!(root.configure(&document));
            root
        })
        .collect();
    roots.iter().for_each(one_of_each);
    roots.into_iter().for_each(Root::done);
    assert_counted(&process, 3);
    assert_eq!(counter(&process, "shop", "config_accepted"), 1);
    assert_eq!(gauge(&process, "shop", "routes"), 8);
}

#[test]
fn broken_route_is_counted() {
    let process = Process::new();
    let root = process.vm(&[]).root(PLUGIN);
    assert!(root.configure(shop_with(&json!({"routes": [{"match": "GET /a"}]})).to_string()));
    assert_eq!(api(&root, "GET", "/faas/a").answer().map(|answer| answer.status), Some(503));
    root.done();
    assert_eq!(counter(&process, "shop", "broken_route"), 1);
}

#[test]
fn preflight_is_counted() {
    let (process, root) = configured(&shop_with(&json!({"cors": {"allowOrigins": ["https://app.example.com"]}})));
    let page = [("origin", "https://app.example.com"), ("access-control-request-method", "GET")];
    let request = [(":authority", "api.example.com"), (":path", "/faas/orders"), (":method", "OPTIONS")];
    let exchange = root.request(&[&request[..], &page].concat());
    assert_eq!(exchange.answer().map(|answer| answer.status), Some(204));
    drop(exchange);
    root.done();
    assert_eq!((counter(&process, "shop", "preflight"), counter(&process, "shop", "routed")), (1, 0));
}

#[test]
fn metrics_are_defined_once_per_vm() {
    let (process, root) = configured(&shop());
    let before = process.metrics();
    let (_, counts) = root.configure_counted(shop().to_string());
    assert_eq!(counts.calls.get("proxy_define_metric"), None, "defined again by the second document");
    for _ in 0..100 {
        let costs = api(&root, "GET", "/faas/orders/1").finish();
        assert!(costs.iter().all(|(_, counts)| !counts.calls.contains_key("proxy_define_metric")));
    }
    assert_eq!(before.len(), process.metrics().len());
}

#[test]
fn request_is_counted_by_one_host_call() {
    let (_process, root) = configured(&shop());
    for path in ["/faas/orders/1", "/faas/nothing", "/faas//", "/faas/ping"] {
        let costs = api(&root, "GET", path).finish();
        let counts = costs.iter().flat_map(|(_, counts)| &counts.calls).filter(|(call, _)| call.contains("metric"));
        assert_eq!(counts.collect::<Vec<_>>(), [(&"proxy_increment_metric", &1)], "{path}");
    }
}

#[test]
fn nothing_is_logged_per_request() {
    let (process, root) = configured(&shop_with(&json!({"denyDirect": true})));
    process.clear_logs();
    one_of_each(&root);
    let loud: Vec<_> = process.logs().into_iter().filter(|log| log.level > Level::Debug).collect();
    assert_eq!(loud, []);
}

#[test]
fn accepted_document_logs_one_line() {
    let (process, _root) = configured(&shop());
    let logged = lines(&process, Level::Info);
    assert_eq!(logged.len(), 1, "{logged:?}");
    let size = shop().to_string().len().to_string();
    for part in ["8", "api.example.com", &size] {
        let hosts = part == "api.example.com" && logged[0].contains("1 host");
        assert!(logged[0].contains(part) || hosts, "{part} is not in: {}", logged[0]);
    }
}

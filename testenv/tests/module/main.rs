//! Tests of the module that is released, `dist/plugin.wasm`, in a small proxy-wasm host instead of Envoy: everything
//! that Envoy can do and clients can send, faster and more extreme than Envoy itself allows. `cargo xtask build` builds
//! the module.

mod budget;
mod callbacks;
mod cases;
mod documents;
mod failing_host;
mod hostile_requests;
mod limits;
mod memory;
mod metrics;
#[allow(dead_code, reason = "other tests share this file, and none needs all of it")]
#[path = "../common/random.rs"]
mod random;
mod shared_data;
mod surface;
mod versions;

use module_host::{Exchange, Head, Level, Process, Root, Verdict};
use serde_json::{Value, json};

/// Envoy's name for the plugin under Istio.
const PLUGIN: &str = "istio-system.ksvc-router~istio-translated-wasmplugin";

/// The environment variable that istiod sets to a new value at every edit.
const VERSION: &str = "ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION";

/// Returns a good table with every kind of route.
fn shop() -> Value {
    json!({
        "name": "shop",
        "hosts": ["api.example.com"],
        "basePath": "/faas",
        "domain": "example.com",
        "namespace": "shop",
        "routes": [
            {"match": "GET /orders", "service": "orders"},
            {"match": "GET /orders/{id}", "service": "orders"},
            {"match": "GET /orders/{id}", "service": "orders", "tag": "beta", "when": {"headers": {"x-beta": "true"}}},
            {"match": ["POST /orders", "PUT|PATCH /orders/{id}"], "service": "orders-write"},
            {"match": "GET /files/{name}.json", "service": "files"},
            {"match": "ANY /payments/{*rest}", "service": "payments", "namespace": "billing", "rewritePath": "/v2/{rest}"},
            {"match": "GET /old/{id}", "redirect": {"to": "https://api.example.com/faas/orders/{id}"}},
            {"match": "GET /ping", "respond": {"status": 200, "body": "pong"}},
        ],
    })
}

/// Returns [`shop`] with other values for some keys. Null removes a key.
fn shop_with(changes: &Value) -> Value {
    let mut document = shop();
    for (key, value) in changes.as_object().expect("changes are an object") {
        match value {
            Value::Null => _ = document.as_object_mut().expect("an object").remove(key),
            value => document[key] = value.clone(),
        }
    }
    document
}

/// Configures one VM of a new process, without a resource version.
fn configured(document: &Value) -> (Process, Root) {
    let process = Process::new();
    let root = process.vm(&[]).root(PLUGIN);
    assert!(root.configure(document.to_string()));
    (process, root)
}

/// Returns a request as the filters in Envoy get it.
fn head(method: &str, authority: &str, path: &str) -> Head {
    Head::new(&[
        (":authority", authority),
        (":path", path),
        (":method", method),
        (":scheme", "https"),
        ("user-agent", "curl/8.0"),
        ("accept", "*/*"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "5a7f4d6c-36a1-4f0e-8f5c-6a1d2b3c4d5e"),
    ])
}

/// Sends a request to the public host.
fn api(root: &Root, method: &str, path: &str) -> Exchange {
    root.send(head(method, "api.example.com", path))
}

/// Returns the host to which a GET of this path is routed, or else what happened to it.
fn target(root: &Root, path: &str) -> String {
    let exchange = api(root, "GET", path);
    match (&exchange.verdict, exchange.filter_state("wasm.ksvc_router.route")) {
        (Verdict::Continue, Some(_)) => exchange.header(":authority").unwrap_or_default(),
        (Verdict::Continue, None) => "untouched".to_owned(),
        (Verdict::Answered(response), _) => response.status.to_string(),
        (Verdict::Paused, _) => "paused".to_owned(),
    }
}

const ORDERS: &str = "orders.shop.example.com";

/// Returns the full name of one of the plugin's metrics.
fn metric(table: &str, name: &str) -> String {
    format!("wasm_filter.{table}.ksvc_router.{name}")
}

fn counter(process: &Process, table: &str, name: &str) -> u64 {
    process.counter(&metric(table, name)).unwrap_or_default()
}

fn gauge(process: &Process, table: &str, name: &str) -> u64 {
    process.gauge(&metric(table, name)).unwrap_or_default()
}

/// Prints what a test was doing, if it panics.
struct Doing<F: Fn() -> String>(F);

impl<F: Fn() -> String> Drop for Doing<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("with {}", (self.0)());
        }
    }
}

/// Returns the log lines of this level.
fn lines(process: &Process, level: Level) -> Vec<String> {
    let logs = process.logs().into_iter();
    logs.filter(|log| log.level == level).map(|log| log.text).collect()
}

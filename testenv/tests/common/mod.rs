//! Tables, requests and checks that several test programs share.

pub(crate) mod protocols;

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testenv::http1::{Request, Response};
use testenv::stand_in::Report;
use testenv::{repository, yaml};

/// Returns the table of `wasm-plugin.yaml`, which users start from.
pub(crate) fn sample_table() -> Result<Value> {
    yaml::plugin_config(&repository().join("wasm-plugin.yaml"))
}

/// Returns a table with these routes for `api.example.com/faas`.
pub(crate) fn table(routes: Value) -> Value {
    json!({"hosts": ["api.example.com"], "basePath": "/faas", "domain": "example.com", "namespace": "shop", "routes": routes})
}

/// Returns a table with one route, from `GET /faas/orders/{id}` to this service.
pub(crate) fn orders_table(service: &str) -> Value {
    table(json!([{"match": "GET /orders/{id}", "service": service}]))
}

/// Sends a request for `/faas/orders/1`.
pub(crate) fn orders(to: SocketAddr) -> Result<Response> {
    Request::get("api.example.com", "/faas/orders/1").send(to)
}

/// Returns the stand-in's report of the request that reached it. It is an error if the gateway itself has answered.
pub(crate) fn report(response: &Response) -> Result<Report> {
    ensure!(response.status == 200, "status {}: {}", response.status, response.text());
    serde_json::from_slice(&response.body).with_context(|| response.text())
}

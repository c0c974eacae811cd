//! Tables, requests and clients that the tests of several layers share.

pub(crate) mod protocols;

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testenv::http1::{Request, Response};
use testenv::stand_in::Report;
use testenv::{repository, yaml};

/// The table that users begin with.
pub(crate) fn sample_table() -> Result<Value> {
    yaml::plugin_config(&repository().join("wasm-plugin.yaml"))
}

pub(crate) fn table(routes: Value) -> Value {
    json!({"hosts": ["api.example.com"], "basePath": "/faas", "domain": "example.com", "namespace": "shop", "routes": routes})
}

pub(crate) fn orders_table(service: &str) -> Value {
    table(json!([{"match": "GET /orders/{id}", "service": service}]))
}

pub(crate) fn orders(to: SocketAddr) -> Result<Response> {
    Request::get("api.example.com", "/faas/orders/1").send(to)
}

/// What reached the stand-in; an error where the gateway answered by itself.
pub(crate) fn report(response: &Response) -> Result<Report> {
    ensure!(response.status == 200, "answered {}: {}", response.status, response.text());
    serde_json::from_slice(&response.body).with_context(|| response.text())
}

//! The access log of a gateway, with the objects of docs/monitoring.md: as JSON lines.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testenv::http1::Request;
use testenv::istio::ingress::Setup;
use testenv::{repository, yaml};

use crate::common::table;
use crate::tracing::{documented, with_settings};
use crate::{Env, tests, wasm_plugin};

tests! { a_gateway_writes_the_documented_fields_as_json }

const ORDERS: &str = "orders.shop.example.com";

/// Returns the mesh configuration of `monitoring/access-log.yaml`.
fn mesh_config() -> Result<Value> {
    Ok(yaml::read(&repository().join("monitoring/access-log.yaml"))?["meshConfig"].take())
}

/// Returns the setting of the Telemetry object that names the provider of the JSON log.
fn setting() -> Result<Value> {
    let blocks = documented("## Fields of the access log")?;
    blocks.into_iter().find(|block| block["accessLogging"].is_array()).context("no setting")
}

fn a_gateway_writes_the_documented_fields_as_json(env: &Env) -> Result<()> {
    let namespace = "access-log";
    let mesh = mesh_config()?;
    let istiod = env.plane.another_istiod("istiod-access-log", &mesh)?;
    let gateway = Setup::new(namespace).start_under(&env.plane, &istiod)?;
    gateway.serve_http(&[ORDERS], env.stand_in.address())?;
    let name = r#"says "hello" to 東京"#;
    let table = table(json!([
        {"match": "GET /orders/{id}", "service": "orders"},
        {"match": "GET /broken/{id}", "service": "orders", "rewritePath": "/{unknown}"},
        {"name": name, "match": "GET /hello", "respond": {"status": 200}},
    ]));
    gateway.apply_plugin(&wasm_plugin(&gateway, &table)?)?;
    env.plane.cluster().apply(&[with_settings(namespace, &setting()?)?])?;
    gateway.eventually("the gateway has the format", || {
        Ok(gateway.admin_get("/config_dump?resource=dynamic_listeners")?.contains("\"json_format\""))
    })?;

    let labels = &mesh["extensionProviders"][0]["envoyFileAccessLog"]["logFormat"]["labels"];
    let fields: BTreeSet<&String> = labels.as_object().context("labels")?.keys().collect();
    let lines = || gateway.log().lines().filter(|line| line.starts_with('{')).map(str::to_owned).collect::<Vec<_>>();
    for (number, (method, path, status, route, authority, details)) in [
        ("GET", "/faas/orders/1?by=me", 200, json!("GET /orders/{id}"), ORDERS, "via_upstream"),
        ("GET", "/faas/broken/1", 503, json!("GET /broken/{id}"), "api.example.com", "brokenRoute"),
        ("GET", "/faas/hello", 200, json!(name), "api.example.com", "respond"),
        ("GET", "/faas/nothing", 404, json!(null), "api.example.com", "notFound"),
        ("DELETE", "/faas/orders/1", 405, json!(null), "api.example.com", "methodNotAllowed"),
    ]
    .into_iter()
    .enumerate()
    {
        let response = Request::new(method, "api.example.com", path).send(gateway.address())?;
        gateway.eventually("the gateway has written the line", || Ok(lines().len() > number))?;
        let line: Value = serde_json::from_str(&lines()[number])?;
        ensure!(line.as_object().context("an object")?.keys().collect::<BTreeSet<_>>() == fields, "{line}");
        let expected = json!({
            "method": method, "path": path, "host": "api.example.com", "response_code": status, "response_flags": "-",
            "route": route, "authority": authority, "response_code_details": details,
            "bytes_received": 0, "bytes_sent": response.body.len(),
        });
        for (field, value) in expected.as_object().into_iter().flatten() {
            ensure!(line[field] == *value, "{field}: {line}");
        }
    }
    Ok(())
}

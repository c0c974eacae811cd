//! Bad documents, at every time and in every place: as much as possible is served, and nothing else on the gateway is
//! affected.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testenv::http1::Request;
use testenv::istio::IngressGateway;
use testenv::istio::ingress::Setup;
use testenv::istio::objects;

use crate::common::{orders, orders_table, report, table};
use crate::{Env, tests, wasm_plugin};

tests! {
    a_bad_document_in_a_running_gateway_keeps_the_table,
    a_bad_document_on_a_new_gateway_serves_what_can_be_served,
    a_plugin_deleted_and_made_again_with_a_bad_document_never_misroutes,
    a_bad_document_does_not_affect_another_table,
    a_policy_made_while_a_document_is_bad_is_enforced,
}

const ORDERS: &str = "orders.shop.example.com";

/// Returns a table with one good route and one broken one.
fn half_good() -> Value {
    table(json!([
        {"match": "GET /orders/{id}", "service": "orders"},
        {"match": "GET /broken/{id}", "service": "orders", "rewritePath": "/{unknown}"},
    ]))
}

fn get(gateway: &IngressGateway, path: &str) -> Result<testenv::http1::Response> {
    Request::get("api.example.com", path).send(gateway.address())
}

/// Checks that Envoy has refused nothing that istiod sent, neither a listener nor a plugin.
pub(crate) fn check_nothing_was_refused(gateway: &IngressGateway) -> Result<()> {
    let counters = gateway.stats("(update_rejected|config_fail|config_conflict)$")?;
    ensure!(counters.iter().all(|(_, count)| *count == 0), "Envoy has refused something: {counters:?}");
    Ok(())
}

fn a_bad_document_in_a_running_gateway_keeps_the_table(env: &Env) -> Result<()> {
    let gateway = env.gateway("bad-edit", &[ORDERS])?;
    gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table("orders"))?)?;
    gateway.apply_plugin(&wasm_plugin(&gateway, &half_good())?)?;
    for _ in 0..10 {
        ensure!(report(&orders(gateway.address())?)?.authority == ORDERS);
        ensure!(get(&gateway, "/faas/broken/1")?.status == 404, "the last good table has no such route");
    }
    let metric = |name: &str| gateway.metric(&format!("ksvc_router_{name}{{wasm_filter=\"default\"}}"));
    gateway.eventually("the gauge says degraded, and one document was rejected", || {
        Ok(metric("config_degraded")? == Some(1) && metric("config_rejected")? == Some(1))
    })?;
    let log = gateway.log();
    ensure!(
        log.matches("routes[1].rewritePath").count() == 1,
        "the log does not contain every error once, with its place:\n{log}"
    );

    gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table("orders"))?)?;
    gateway.eventually("the gauge no longer says degraded", || Ok(metric("config_degraded")? == Some(0)))?;
    check_nothing_was_refused(&gateway)
}

fn a_bad_document_on_a_new_gateway_serves_what_can_be_served(env: &Env) -> Result<()> {
    let gateway = env.gateway("bad-start", &[ORDERS])?;
    gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table("orders"))?)?;
    gateway.apply_plugin(&wasm_plugin(&gateway, &half_good())?)?;
    let ports = gateway.ports();
    drop(gateway);

    // A new pod, which gets the bad document first.
    let gateway = Setup::new("bad-start").ports(ports, 0).start(&env.plane)?;
    gateway.eventually("the good route serves", || {
        let response = orders(gateway.address());
        Ok(response.is_ok_and(|response| report(&response).is_ok_and(|report| report.authority == ORDERS)))
    })?;
    let broken = get(&gateway, "/faas/broken/1")?;
    ensure!(broken.status == 503 && broken.header("content-type") == Some("application/problem+json"), "{broken:?}");
    ensure!(report(&get(&gateway, "/other")?)?.authority == "api.example.com");
    ensure!(
        report(&Request::get("www.example.net", "/faas/broken/1").send(gateway.address())?)?.authority
            == "www.example.net"
    );
    let degraded = "ksvc_router_config_degraded{wasm_filter=\"default\"}";
    gateway.eventually("the gauge says degraded", || Ok(gateway.metric(degraded)? == Some(1)))?;
    check_nothing_was_refused(&gateway)
}

fn a_plugin_deleted_and_made_again_with_a_bad_document_never_misroutes(env: &Env) -> Result<()> {
    let gateway = env.gateway("made-again", &[ORDERS])?;
    gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table("orders"))?)?;
    gateway.delete("wasmplugin", "ksvc-router")?;
    gateway.eventually("no plugin routes the request", || {
        Ok(report(&orders(gateway.address())?)?.authority == "api.example.com")
    })?;
    gateway.apply_plugin(&wasm_plugin(&gateway, &half_good())?)?;
    // The last good table may serve, or the good part of the new one: both are allowed.
    gateway.eventually("the good route serves", || Ok(report(&orders(gateway.address())?)?.authority == ORDERS))?;
    let broken = get(&gateway, "/faas/broken/1")?.status;
    ensure!([404, 503].contains(&broken), "{broken}");
    gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table("orders"))?)?;
    ensure!(report(&orders(gateway.address())?)?.authority == ORDERS);
    check_nothing_was_refused(&gateway)
}

fn a_bad_document_does_not_affect_another_table(env: &Env) -> Result<()> {
    let gateway = env.gateway("two-tables", &[ORDERS])?;
    let plugin = |name: &str, table: Value| {
        let mut plugin = wasm_plugin(&gateway, &table)?;
        plugin["metadata"]["name"] = name.into();
        gateway.apply_plugin(&plugin)
    };
    let mut theirs = table(json!([{"match": "GET /theirs", "respond": {"status": 200, "body": "theirs"}}]));
    theirs["name"] = "theirs".into();
    theirs["basePath"] = "/other".into();
    plugin("theirs", theirs)?;
    // Istio sorts plugins by their age in seconds and then by name, so ours comes second.
    for bad in [json!({}), json!({"hosts": ["*"], "routes": "none", "name": "ours"}), half_good()] {
        plugin("z-ours", bad)?;
        ensure!(get(&gateway, "/other/theirs")?.text() == "theirs");
    }
    ensure!(report(&orders(gateway.address())?)?.authority == ORDERS);
    ensure!(get(&gateway, "/faas/broken/1")?.status == 503);
    let metric = |name: &str, table: &str| gateway.metric(&format!("ksvc_router_{name}{{wasm_filter=\"{table}\"}}"));
    gateway
        .eventually("the gauge of our table says degraded", || Ok(metric("config_degraded", "default")? == Some(1)))?;
    ensure!(metric("config_degraded", "theirs")? == Some(0));
    check_nothing_was_refused(&gateway)
}

/// If Envoy refused a document, every later policy would be void. This is why no document is ever refused.
fn a_policy_made_while_a_document_is_bad_is_enforced(env: &Env) -> Result<()> {
    let gateway = env.gateway("policy", &[ORDERS])?;
    let deny = |path: &str| {
        objects::security(
            "AuthorizationPolicy",
            "policy",
            &format!("deny{}", path.replace('/', "-")),
            json!({
                "action": "DENY",
                "rules": [{"to": [{"operation": {"hosts": ["api.example.com"], "paths": [path]}}]}],
            }),
        )
    };
    gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table("orders"))?)?;
    for (n, bad) in [json!({}), json!("text"), half_good()].into_iter().enumerate() {
        let mut plugin = wasm_plugin(&gateway, &bad)?;
        if bad.is_string() {
            plugin["spec"].as_object_mut().map(|spec| spec.remove("pluginConfig"));
        }
        // The plugin is deleted first, because `kubectl apply` would keep a key that another apply has set.
        gateway.delete("wasmplugin", "ksvc-router")?;
        gateway.apply_plugin(&plugin)?;
        let path = format!("/faas/orders/denied-{n}");
        env.plane.cluster().apply(&[deny(&path)])?;
        gateway.eventually("the policy is enforced", || Ok(get(&gateway, &path)?.status == 403))?;
        ensure!(get(&gateway, "/faas/orders/1")?.status == 200);
    }
    check_nothing_was_refused(&gateway)
}

//! The bad document, wherever and whenever it comes: what can be served is served, and nothing else of the gateway is
//! held up by it.

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
    a_bad_document_leaves_the_table_beside_it_alone,
    a_policy_made_while_a_document_is_bad_is_enforced,
}

const ORDERS: &str = "orders.shop.example.com";

/// One good route and one broken one.
fn half_good() -> Value {
    table(json!([
        {"match": "GET /orders/{id}", "service": "orders"},
        {"match": "GET /broken/{id}", "service": "orders", "rewritePath": "/{unknown}"},
    ]))
}

fn get(gateway: &IngressGateway<'_>, path: &str) -> Result<testenv::http1::Response> {
    Request::get("api.example.com", path).send(gateway.address())
}

/// Nothing that istiod sent was refused: neither a listener nor a plugin.
pub(crate) fn nothing_was_refused(gateway: &IngressGateway<'_>) -> Result<()> {
    let refused: u64 = gateway.stats("(update_rejected|config_fail|config_conflict)$")?.iter().map(|(_, n)| n).sum();
    ensure!(refused == 0, "{:?}", gateway.stats("(update_rejected|config_fail|config_conflict)$")?);
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
    gateway.eventually("degraded", || {
        Ok(metric("config_degraded")? == Some(1) && metric("config_rejected")? == Some(1))
    })?;
    let log = gateway.log();
    ensure!(log.matches("routes[1].rewritePath").count() == 1, "every error once, with its place:\n{log}");

    gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table("orders"))?)?;
    gateway.eventually("mended", || Ok(metric("config_degraded")? == Some(0)))?;
    nothing_was_refused(&gateway)
}

fn a_bad_document_on_a_new_gateway_serves_what_can_be_served(env: &Env) -> Result<()> {
    let gateway = env.gateway("bad-start", &[ORDERS])?;
    gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table("orders"))?)?;
    gateway.apply_plugin(&wasm_plugin(&gateway, &half_good())?)?;
    let ports = gateway.ports();
    drop(gateway);

    // A new pod, which finds the objects as they are.
    let gateway = Setup::new("bad-start").ports(ports, 0).start(&env.plane)?;
    gateway.eventually("the route that is good", || {
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
    gateway.eventually("degraded", || Ok(gateway.metric(degraded)? == Some(1)))?;
    nothing_was_refused(&gateway)
}

fn a_plugin_deleted_and_made_again_with_a_bad_document_never_misroutes(env: &Env) -> Result<()> {
    let gateway = env.gateway("made-again", &[ORDERS])?;
    gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table("orders"))?)?;
    gateway.delete("wasmplugin", "ksvc-router")?;
    gateway.eventually("no plugin", || Ok(report(&orders(gateway.address())?)?.authority == "api.example.com"))?;
    gateway.apply_plugin(&wasm_plugin(&gateway, &half_good())?)?;
    // The last good table, or what can be served of the new one: both are right.
    gateway.eventually("the good route", || Ok(report(&orders(gateway.address())?)?.authority == ORDERS))?;
    let broken = get(&gateway, "/faas/broken/1")?.status;
    ensure!([404, 503].contains(&broken), "{broken}");
    gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table("orders"))?)?;
    ensure!(report(&orders(gateway.address())?)?.authority == ORDERS);
    nothing_was_refused(&gateway)
}

fn a_bad_document_leaves_the_table_beside_it_alone(env: &Env) -> Result<()> {
    let gateway = env.gateway("beside", &[ORDERS])?;
    let plugin = |name: &str, table: Value| {
        let mut plugin = wasm_plugin(&gateway, &table)?;
        plugin["metadata"]["name"] = name.into();
        gateway.apply_plugin(&plugin)
    };
    let mut theirs = table(json!([{"match": "GET /theirs", "respond": {"status": 200, "body": "theirs"}}]));
    theirs["name"] = "theirs".into();
    theirs["basePath"] = "/other".into();
    plugin("theirs", theirs)?;
    // Istio has plugins in the order of their age, to the second, and then of their names: ours comes second.
    for bad in [json!({}), json!({"hosts": ["*"], "routes": "none", "name": "ours"}), half_good()] {
        plugin("z-ours", bad)?;
        ensure!(get(&gateway, "/other/theirs")?.text() == "theirs");
    }
    ensure!(report(&orders(gateway.address())?)?.authority == ORDERS);
    ensure!(get(&gateway, "/faas/broken/1")?.status == 503);
    let metric = |name: &str, table: &str| gateway.metric(&format!("ksvc_router_{name}{{wasm_filter=\"{table}\"}}"));
    gateway.eventually("ours is degraded", || Ok(metric("config_degraded", "default")? == Some(1)))?;
    ensure!(metric("config_degraded", "theirs")? == Some(0));
    nothing_was_refused(&gateway)
}

/// Trap 1: a refused document voids every later policy. So no document is ever refused.
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
        // Not by `kubectl apply`, which would keep a key that another has set.
        gateway.delete("wasmplugin", "ksvc-router")?;
        gateway.apply_plugin(&plugin)?;
        let path = format!("/faas/orders/denied-{n}");
        env.plane.cluster().apply(&[deny(&path)])?;
        gateway.eventually("the policy", || Ok(get(&gateway, &path)?.status == 403))?;
        ensure!(get(&gateway, "/faas/orders/1")?.status == 200);
    }
    nothing_was_refused(&gateway)
}

//! The hosts that Knative gives to KSVCs: domain mappings, another domain template, KSVCs without a public host.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testenv::http1::{Request, Response};
use testenv::istio::control_plane::ROOT_NAMESPACE;
use testenv::knative::function::REVISION_HEADER;
use testenv::knative::network::NODE;
use testenv::knative::objects::{GATEWAY, annotated};
use testenv::knative::serving::{DOMAIN, FLAT_HOST, LOCAL, eventually};
use testenv::stand_in::Report;

use crate::api::{Api, PATIENCE};
use crate::probes::Probes;
use crate::{Env, tests};

tests! {
    a_mapped_host_outside_the_table_bypasses_it,
    a_mapped_host_in_hosts_becomes_ready_only_if_its_root_is_served,
    a_table_for_all_hosts_covers_mapped_hosts,
    a_table_for_all_hosts_on_every_port_also_gets_requests_from_the_cluster,
    a_host_template_follows_the_template_of_knative,
    a_private_ksvc_is_not_found_and_is_reached_through_a_route_of_its_own,
}

/// The kind of domain mappings, as kubectl takes it.
const MAPPING: &str = "domainmappings.serving.knative.dev";

/// Maps a host to a KSVC.
fn map(api: &Api<'_>, host: &str, ksvc: &str) -> Result<()> {
    api.knative.cluster().apply(&[json!({
        "apiVersion": "serving.knative.dev/v1beta1",
        "kind": "DomainMapping",
        "metadata": {"namespace": api.name, "name": host},
        "spec": {"ref": {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": ksvc}},
    })])
}

/// Checks that a function has answered, and returns the host that it has seen.
fn seen_host(response: &Response) -> Result<String> {
    ensure!(response.status == 200 && response.header(REVISION_HEADER).is_some(), "{response:?}");
    Ok(serde_json::from_slice::<Report>(&response.body)?.authority)
}

/// Checks that the filter has answered 404 with this detail.
fn ensure_refused(response: &Response, detail: &str) -> Result<()> {
    ensure!(response.status == 404 && response.text().contains(detail), "not refused: {response:?}");
    Ok(())
}

const NO_ROUTE: &str = "No route matches the path of this request.";
const DENIED: &str = "This host is not served here.";

/// Checks that Envoy has answered 404, because it has no route for the host.
fn ensure_unknown_host(response: &Response) -> Result<()> {
    ensure!(response.status == 404 && response.body.is_empty(), "the host is known: {response:?}");
    Ok(())
}

fn a_mapped_host_outside_the_table_bypasses_it(env: &Env) -> Result<()> {
    let api = env.api("mapped")?;
    let mut table = api.table(json!([{"match": "GET /orders/{**path}", "service": "function"}]));
    table["denyDirect"] = true.into();
    api.apply(&table)?;
    api.serve(&[api.ksvc("function")])?;
    let mapped = "elsewhere.mapped.test";
    map(&api, mapped, "function")?;
    api.await_ready(MAPPING, mapped)?;
    let probes = Probes::of(&api, mapped)?;
    ensure!(!probes.paths.is_empty() && probes.abandoned.is_empty(), "{probes:?}");
    ensure!(seen_host(&api.send(&Request::get(mapped, "/"))?)? == mapped);
    // The table does not know this host, so `denyDirect` does not cover it.
    ensure!(seen_host(&api.send(&Request::get(mapped, "/no/route"))?)? == mapped);
    ensure_refused(&api.send(&Request::get(api.ksvc_host("function"), "/orders/1"))?, DENIED)?;
    ensure!(seen_host(&api.get("/orders/1")?)? == api.ksvc_host("function"));
    Ok(())
}

fn a_mapped_host_in_hosts_becomes_ready_only_if_its_root_is_served(env: &Env) -> Result<()> {
    let api = env.api("public")?;
    api.serve(&[api.ksvc("function")])?;
    let mut table = api.table(json!([{"match": "GET /orders/{**path}", "service": "function"}]));
    table["denyDirect"] = true.into();
    let [routed, passed] = ["routed.public.test", "passed.public.test"];
    table["hosts"] = json!([routed, passed]);
    api.apply(&table)?;
    for host in [routed, passed] {
        map(&api, host, "function")?;
        // Every probe with a response gets the 404 of a request without a route. A probe can also take too long.
        let answered = |probes: Probes| probes.failed.into_iter().filter(|failed| failed.contains("got "));
        eventually("the probe has failed", || Ok(answered(Probes::of(&api, host)?).count() > 2))?;
        let probes = Probes::of(&api, host)?;
        ensure!(probes.paths == ["/"], "{probes:?}");
        ensure!(answered(probes.clone()).all(|failed| failed.contains("got 404")), "{probes:?}");
        ensure!(seen_host(&api.send(&Request::get(host, "/orders/1"))?)? == api.ksvc_host("function"));
    }
    let ready = "jsonpath={.items[*].status.conditions[?(@.type==\"Ready\")].status}";
    let status = api.knative.cluster().kubectl(["get", "-n", &api.name, MAPPING, routed, passed, "-o", ready])?;
    ensure!(!status.contains("True"), "ready without an answer: {status}");

    // The remedies: a route for the root, or passing on what has no route.
    let mut with_root = table.clone();
    with_root["hosts"] = json!([routed]);
    with_root["routes"] = json!([{"match": "GET /{**path}", "service": "function"}]);
    api.apply(&with_root)?;
    api.await_ready(MAPPING, routed)?;
    ensure!(seen_host(&api.send(&Request::get(routed, "/"))?)? == api.ksvc_host("function"));
    table["onNoMatch"] = "passThrough".into();
    api.apply(&table)?;
    api.await_ready(MAPPING, passed)?;
    ensure!(seen_host(&api.send(&Request::get(passed, "/"))?)? == passed);
    ensure!(seen_host(&api.send(&Request::get(passed, "/orders/1"))?)? == api.ksvc_host("function"));
    Ok(())
}

fn a_table_for_all_hosts_covers_mapped_hosts(env: &Env) -> Result<()> {
    let api = env.exclusive_api("everything")?;
    let mut table = api.table(json!([{"match": "GET /orders/{**path}", "service": "function"}]));
    table["hosts"] = json!(["*"]);
    table["denyDirect"] = true.into();
    api.apply(&table)?;
    api.serve(&[api.ksvc("function")])?;
    let mapped = "mapped.everything.test";
    map(&api, mapped, "function")?;
    api.await_ready(MAPPING, mapped)?;
    let probes = Probes::of(&api, mapped)?;
    ensure!(!probes.paths.is_empty() && probes.abandoned.is_empty(), "{probes:?}");
    ensure_refused(&api.send(&Request::get(mapped, "/"))?, NO_ROUTE)?;
    ensure!(seen_host(&api.send(&Request::get(mapped, "/orders/1"))?)? == api.ksvc_host("function"));
    table["onNoMatch"] = "passThrough".into();
    api.apply(&table)?;
    ensure!(seen_host(&api.send(&Request::get(mapped, "/"))?)? == mapped);
    Ok(())
}

fn a_table_for_all_hosts_on_every_port_also_gets_requests_from_the_cluster(env: &Env) -> Result<()> {
    let api = env.exclusive_api("every-port")?;
    api.serve(&[api.ksvc("function")])?;
    let mapped = "mapped.every-port.test";
    map(&api, mapped, "function")?;
    api.await_ready(MAPPING, mapped)?;
    let local = format!("function.{}.svc.cluster.local", api.name);
    let at_local = SocketAddr::from((NODE, LOCAL));
    let from_the_cluster = |path: &str| Request::get(&local, path).send_within(PATIENCE, at_local);
    ensure!(seen_host(&from_the_cluster("/")?)? == local);

    // Without `match`, the plugin also runs on the local gateway's port.
    let mut table = api.table(json!([{"match": "GET /orders/{**path}", "service": "function"}]));
    table["hosts"] = json!(["*"]);
    let mut manifest = api.manifest(&table)?;
    if let Some(spec) = manifest["spec"].as_object_mut() {
        spec.remove("match");
    }
    api.knative.gateway().apply_plugin(&manifest)?;
    ensure_refused(&from_the_cluster("/")?, NO_ROUTE)?;
    // The local gateway does not have the public host of the KSVC.
    ensure_unknown_host(&from_the_cluster("/orders/1")?)?;
    // With it, KSVCs become ready and are routed from outside as before.
    api.serve(&[annotated(api.ksvc("another"), "initial-scale", "0")])?;
    ensure!(seen_host(&api.send(&Request::get(mapped, "/orders/1"))?)? == api.ksvc_host("function"));
    // The request for a mapped host comes through the local gateway a second time, for the KSVC's local host.
    table["hosts"] = json!([local]);
    manifest["spec"]["pluginConfig"] = table;
    api.knative.gateway().apply_plugin(&manifest)?;
    ensure_refused(&from_the_cluster("/")?, NO_ROUTE)?;
    // A connection that Envoy has kept open since before the plugin was attached stays without the plugin until it ends.
    eventually("the request for the mapped host is refused", || {
        let response = api.send(&Request::get(mapped, "/"))?;
        Ok(ensure_refused(&response, NO_ROUTE).is_ok())
    })
}

fn a_host_template_follows_the_template_of_knative(env: &Env) -> Result<()> {
    let api = env.api("flat")?;
    let mut table = api.table_to("function");
    table["hostTemplate"] = "{service}-{namespace}.{domain}".into();
    table["denyDirect"] = true.into();
    api.apply(&table)?;
    let mut function = api.ksvc("function");
    function["metadata"]["labels"] = json!({FLAT_HOST.0: FLAT_HOST.1});
    api.serve(&[function])?;
    let host = format!("function-{}.{DOMAIN}", api.name);
    let probes = Probes::of(&api, &host)?;
    ensure!(!probes.paths.is_empty() && probes.abandoned.is_empty(), "{probes:?}");
    ensure!(seen_host(&api.get("/")?)? == host);
    ensure_refused(&api.send(&Request::get(&host, "/"))?, DENIED)?;
    // With the template that Knative does not use, the gateway has no such host.
    table["hostTemplate"] = "{service}.{namespace}.{domain}".into();
    api.apply(&table)?;
    ensure_unknown_host(&api.get("/")?)
}

/// Returns an HTTPRoute on the gateway for requests from outside, which makes requests for `host` to requests for the
/// local host of a KSVC. The KSVC's own Service leads to the local gateway.
fn route_to_private(api: &Api<'_>, host: &str, ksvc: &str) -> Value {
    let local = format!("{ksvc}.{}.svc.cluster.local", api.name);
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"namespace": api.name, "name": "to-private"},
        "spec": {
            "parentRefs": [{"namespace": ROOT_NAMESPACE, "name": GATEWAY}],
            "hostnames": [host],
            "rules": [{
                "filters": [{"type": "URLRewrite", "urlRewrite": {"hostname": local}}],
                "backendRefs": [{"name": ksvc, "port": 80}],
            }],
        },
    })
}

fn a_private_ksvc_is_not_found_and_is_reached_through_a_route_of_its_own(env: &Env) -> Result<()> {
    let api = env.api("private")?;
    let host = "function.private.internal";
    let mut table = api.table(json!([
        {"match": "GET /by-service", "service": "function"},
        {"match": "GET /by-host", "host": host},
    ]));
    table["denyDirect"] = true.into();
    api.apply(&table)?;
    let mut function = annotated(annotated(api.ksvc("function"), "initial-scale", "0"), "window", "6s");
    function["metadata"]["labels"] = json!({"networking.knative.dev/visibility": "cluster-local"});
    api.serve(&[function])?;
    ensure_unknown_host(&api.get("/by-service")?)?;
    ensure_unknown_host(&api.get("/by-host")?)?;

    api.knative.cluster().apply(&[route_to_private(&api, host, "function")])?;
    ensure!(api.pods("function")?.is_empty(), "the first request would be no cold start");
    let response = api.await_status("/by-host", 200)?;
    ensure!(seen_host(&response)? == format!("function.{}.svc.cluster.local", api.name));
    let report: Report = serde_json::from_slice(&response.body)?;
    ensure!(
        report.header("forwarded").is_some_and(|value| value.contains(&format!("host={}", api.host))),
        "{report:?}"
    );
    ensure!(report.path == "/by-host", "{report:?}");
    ensure_refused(&api.send(&Request::get(host, "/"))?, DENIED)?;
    Ok(())
}

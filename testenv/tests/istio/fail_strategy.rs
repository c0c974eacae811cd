//! A module that traps, a module that refuses its configuration, and a module that is missing: what users see of each,
//! and which parts of the gateway continue to work.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testenv::http1::Request;
use testenv::istio::IngressGateway;
use testenv::istio::ingress::{Data, Setup};
use testenv::istio::objects;
use testenv::istio::registry::{Format, Registry};

use crate::common::orders_table;
use crate::{Env, tests, trap, wasm_plugin};

tests! {
    under_fail_close_one_trap_is_503_until_the_next_edit,
    under_fail_close_an_edit_restarts_the_filter_of_an_image,
    under_fail_open_one_trap_takes_the_filter_away_until_the_next_edit,
    under_fail_reload_the_filter_serves_again_within_seconds,
    a_missing_module_file_is_500_for_everything_and_voids_policies,
    a_module_file_that_goes_missing_keeps_the_last_module_and_voids_policies,
    a_refused_configuration_keeps_the_last_one_and_voids_policies,
}

/// Writes [`trap::module`] to a file. With `refuses`, it refuses every configuration that is not empty.
fn module(env: &Env, name: &str, refuses: bool) -> Result<PathBuf> {
    let file = env.plane.folder().join(format!("{name}.wasm"));
    std::fs::write(&file, trap::module(refuses)?)?;
    Ok(file)
}

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It passed the filter and reached the stand-in.
    Filtered,
    /// It reached the stand-in without passing the filter.
    Unfiltered,
    /// The gateway answered with this status.
    Status(u16),
}

/// Sends a request to the port with this number, and lets the filter trap if `traps`.
pub(crate) fn send(gateway: &IngressGateway, port: usize, traps: bool) -> Result<Outcome> {
    let request = Request::get("api.example.com", "/");
    let request = if traps { request.header("x-trap", "yes") } else { request };
    let response = request.send(gateway.at(gateway.ports()[port]))?;
    Ok(match response.status {
        200 if response.text().contains("x-filtered") => Outcome::Filtered,
        200 => Outcome::Unfiltered,
        status => Outcome::Status(status),
    })
}

/// Starts a gateway with two plain-HTTP ports and the plugin on the first.
pub(crate) fn start(env: &Env, namespace: &str, strategy: Option<&str>) -> Result<(IngressGateway, Value)> {
    let gateway = Setup::new(namespace).start(&env.plane)?;
    let ports = gateway.ports();
    gateway.serve(&[objects::http_server(ports[0]), objects::http_server(ports[1])], &[], env.stand_in.address())?;
    let mut plugin = wasm_plugin(&gateway, &json!({"edit": 1}))?;
    plugin["spec"]["url"] = format!("file://{}", module(env, namespace, false)?.display()).into();
    let spec = plugin["spec"].as_object_mut().context("the manifest has no spec")?;
    match strategy {
        Some(strategy) => spec.insert("failStrategy".to_owned(), strategy.into()),
        None => spec.remove("failStrategy"),
    };
    gateway.apply_plugin(&plugin)?;
    ensure!(send(&gateway, 0, false)? == Outcome::Filtered);
    Ok((gateway, plugin))
}

/// Sends several requests that do not trap.
fn plain(gateway: &IngressGateway, times: usize) -> Result<Vec<Outcome>> {
    (0..times).map(|_| send(gateway, 0, false)).collect()
}

/// Sends enough requests that trap to reach both workers. Each connection goes to one of the two at random.
fn trap_in_every_worker(gateway: &IngressGateway) -> Result<()> {
    ensure!(send(gateway, 0, true)? == Outcome::Status(503), "the request that traps");
    (0..32).try_for_each(|_| send(gateway, 0, true).map(drop))
}

fn check_other_port_works(gateway: &IngressGateway) -> Result<()> {
    for _ in 0..8 {
        ensure!(send(gateway, 1, true)? == Outcome::Unfiltered);
    }
    Ok(())
}

fn edit(gateway: &IngressGateway, plugin: &mut Value) -> Result<()> {
    plugin["spec"]["pluginConfig"] = json!({"edit": 2});
    gateway.apply_plugin(plugin).map(drop)
}

/// After a trap, a worker answers all its requests with 503.
fn under_fail_close_one_trap_is_503_until_the_next_edit(env: &Env) -> Result<()> {
    for (namespace, strategy) in [("fail-close", Some("FAIL_CLOSE")), ("fail-default", None)] {
        let (gateway, mut plugin) = start(env, namespace, strategy)?;
        trap_in_every_worker(&gateway)?;
        for wait in [0, 3] {
            thread::sleep(Duration::from_secs(wait));
            let outcomes = plain(&gateway, 16)?;
            ensure!(outcomes.iter().all(|outcome| *outcome == Outcome::Status(503)), "{outcomes:?}");
        }
        check_other_port_works(&gateway)?;
        edit(&gateway, &mut plugin)?;
        let outcomes = plain(&gateway, 16)?;
        ensure!(outcomes.iter().all(|outcome| *outcome == Outcome::Filtered), "{outcomes:?}");
    }
    Ok(())
}

/// An edit of a plugin with an image keeps the VMs that have not trapped.
fn under_fail_close_an_edit_restarts_the_filter_of_an_image(env: &Env) -> Result<()> {
    let registry = Registry::start(&env.plane.folder().join("registries/fail-image"))?;
    let image = registry.push_module(Format::Oci, "trap", "1", &std::fs::read(module(env, "fail-image", false)?)?)?;
    let gateway =
        Setup::new("fail-image").data(Data::Private).env("WASM_INSECURE_REGISTRIES", "*").start(&env.plane)?;
    gateway.serve_http(&[], env.stand_in.address())?;
    let mut plugin = wasm_plugin(&gateway, &json!({"edit": 1}))?;
    plugin["spec"]["url"] = format!("oci://{}", image.by_digest).into();
    plugin["spec"]["failStrategy"] = "FAIL_CLOSE".into();
    let all = |expected: Outcome| {
        gateway.eventually(&format!("both workers: {expected:?}"), || {
            Ok(plain(&gateway, 16)?.iter().all(|outcome| *outcome == expected))
        })
    };
    env.plane.cluster().apply(&[plugin.clone()])?;
    all(Outcome::Filtered)?;
    trap_in_every_worker(&gateway)?;
    all(Outcome::Status(503))?;
    plugin["spec"]["pluginConfig"] = json!({"edit": 2});
    env.plane.cluster().apply(&[plugin])?;
    all(Outcome::Filtered)
}

/// The request that traps is still answered with 503. The requests after it pass as if there were no filter.
fn under_fail_open_one_trap_takes_the_filter_away_until_the_next_edit(env: &Env) -> Result<()> {
    let (gateway, mut plugin) = start(env, "fail-open", Some("FAIL_OPEN"))?;
    trap_in_every_worker(&gateway)?;
    for wait in [0, 3] {
        thread::sleep(Duration::from_secs(wait));
        let outcomes = plain(&gateway, 16)?;
        ensure!(outcomes.iter().all(|outcome| *outcome == Outcome::Unfiltered), "{outcomes:?}");
    }
    check_other_port_works(&gateway)?;
    edit(&gateway, &mut plugin)?;
    let outcomes = plain(&gateway, 16)?;
    ensure!(outcomes.iter().all(|outcome| *outcome == Outcome::Filtered), "{outcomes:?}");
    Ok(())
}

fn under_fail_reload_the_filter_serves_again_within_seconds(env: &Env) -> Result<()> {
    let (gateway, _) = start(env, "fail-reload", Some("FAIL_RELOAD"))?;
    let mut longest = Duration::ZERO;
    for round in 0..4 {
        // The first round traps at once, the others after the filter has run for a while.
        thread::sleep(Duration::from_secs(if round == 0 { 0 } else { 2 }));
        ensure!(send(&gateway, 0, true)? == Outcome::Status(503), "the request that traps");
        let trapped = Instant::now();
        let mut refused = 0;
        gateway.within(Duration::from_secs(20), "every worker has a filter again", || {
            let outcomes = plain(&gateway, 16)?;
            refused += outcomes.iter().filter(|outcome| **outcome == Outcome::Status(503)).count();
            ensure!(!outcomes.contains(&Outcome::Unfiltered), "a request passed without the filter");
            Ok(outcomes.iter().all(|outcome| *outcome == Outcome::Filtered))
        })?;
        // Envoy replaces a VM at the very next request, unless the VM is younger than about a second.
        ensure!(round == 0 || refused == 0, "round {round}: {refused} requests after the one that trapped were 503");
        longest = longest.max(trapped.elapsed());
    }
    check_other_port_works(&gateway)?;
    let reloads = gateway.stats("vm_reload_success$")?;
    println!("every worker has a filter again at most {} ms after a trap", longest.as_millis());
    ensure!(
        reloads.iter().any(|(name, n)| name.starts_with("wasm.fail-reload.ksvc-router~") && *n >= 4),
        "{reloads:?}"
    );
    Ok(())
}

pub(crate) const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
pub(crate) const EXTENSION: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";

/// Returns the last error that istiod knows for resources of this type on the gateway of this namespace.
pub(crate) fn refusal(env: &Env, namespace: &str, resources: &str) -> Result<String> {
    let proxies: Value = serde_json::from_str(&env.plane.istiod_get("/debug/syncz")?)?;
    let name = format!("{namespace}-gateway.{namespace}");
    let proxy = proxies.as_array().and_then(|proxies| proxies.iter().find(|proxy| proxy["proxy"] == *name));
    let error = &proxy.with_context(|| format!("no {name}: {proxies}"))?["resources"][resources]["lastError"];
    Ok(error.as_str().unwrap_or_default().to_owned())
}

/// Returns how often Envoy has refused `resource` for this reason, according to its log. istiod reports only the last
/// refusal, and other tests make it send its resources again.
fn refusals(gateway: &IngressGateway, resource: &str, reason: &str) -> usize {
    let refusal = |line: &&str| line.contains("rejected: ") && line.contains(resource) && line.contains(reason);
    gateway.log().lines().filter(refusal).count()
}

/// Checks that a new policy has no effect because Envoy refuses the listener for this reason.
pub(crate) fn policies_are_void(env: &Env, gateway: &IngressGateway, reason: &str) -> Result<()> {
    let namespace = gateway.namespace();
    let before = Request::get("api.example.com", "/denied").send(gateway.address())?.status;
    let deny = objects::security(
        "AuthorizationPolicy",
        namespace,
        "deny",
        json!({
            "action": "DENY",
            "rules": [{"to": [{"operation": {"paths": ["/denied"]}}]}],
        }),
    );
    const LISTENER_REFUSED: &str = "Error adding/updating listener(s) 127.0.0.1_";
    let refused_before = refusals(gateway, LISTENER_REFUSED, reason);
    env.plane.cluster().apply(&[deny])?;
    gateway.eventually("Envoy has refused the listener", || {
        Ok(refusals(gateway, LISTENER_REFUSED, reason) > refused_before)
    })?;
    thread::sleep(Duration::from_secs(1));
    let after = Request::get("api.example.com", "/denied").send(gateway.address())?.status;
    ensure!(before == after && after != 403, "the policy is enforced: status {before} before and {after} after");
    Ok(())
}

/// This happens with an image volume if the plugin is applied before the pods have the volume.
fn a_missing_module_file_is_500_for_everything_and_voids_policies(env: &Env) -> Result<()> {
    const REASON: &str = "Invalid path: /nowhere/plugin.wasm";
    let start = |ports: [u16; 4]| -> Result<IngressGateway> {
        let gateway = Setup::new("no-file").ports(ports, 0).start(&env.plane)?;
        let servers = [objects::http_server(gateway.ports()[0]), objects::http_server(gateway.ports()[1])];
        gateway.serve(&servers, &["orders.shop.example.com"], env.stand_in.address())?;
        Ok(gateway)
    };
    let is_500 = |gateway: &IngressGateway| -> Result<()> {
        gateway.eventually("Envoy has refused the plugin", || Ok(refusals(gateway, "", REASON) > 0))?;
        gateway.eventually("the gateway answers 500", || Ok(send(gateway, 0, false)? == Outcome::Status(500)))?;
        for host in ["api.example.com", "orders.shop.example.com", "www.example.net"] {
            ensure!(Request::get(host, "/").send(gateway.address())?.status == 500, "{host}");
        }
        gateway.eventually("the access log shows the 500", || Ok(gateway.log().contains("status=500 flags=NFCF")))?;
        check_other_port_works(gateway)
    };
    let gateway = start([0; 4])?;
    ensure!(send(&gateway, 0, false)? == Outcome::Unfiltered);
    let mut plugin = wasm_plugin(&gateway, &orders_table("orders"))?;
    plugin["spec"]["url"] = "file:///nowhere/plugin.wasm".into();
    env.plane.cluster().apply(&[plugin.clone()])?;
    is_500(&gateway)?;
    policies_are_void(env, &gateway, REASON)?;
    // With an existing file, requests are routed.
    gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table("orders"))?)?;
    gateway.eventually("the route serves", || {
        Ok(Request::get("api.example.com", "/faas/orders/1").send(gateway.address())?.status == 200)
    })?;
    // A new pod.
    env.plane.cluster().apply(&[plugin])?;
    let ports = gateway.ports();
    drop(gateway);
    is_500(&start(ports)?)
}

fn a_module_file_that_goes_missing_keeps_the_last_module_and_voids_policies(env: &Env) -> Result<()> {
    const REASON: &str = "Invalid path: /nowhere/plugin.wasm";
    let (gateway, mut plugin) = start(env, "file-gone", Some("FAIL_RELOAD"))?;
    plugin["spec"]["url"] = "file:///nowhere/plugin.wasm".into();
    env.plane.cluster().apply(&[plugin])?;
    gateway.eventually("Envoy has refused the plugin", || Ok(refusals(&gateway, "", REASON) > 0))?;
    ensure!(send(&gateway, 0, false)? == Outcome::Filtered);
    policies_are_void(env, &gateway, REASON)
}

/// The module of this test does what the plugin of this project never does: it refuses its configuration.
fn a_refused_configuration_keeps_the_last_one_and_voids_policies(env: &Env) -> Result<()> {
    const REASON: &str = "Unable to create Wasm plugin refused.ksvc-router~istio-translated-wasmplugin";
    let gateway = env.gateway("refused", &[])?;
    let mut plugin = wasm_plugin(&gateway, &Value::Null)?;
    plugin["spec"]["url"] = format!("file://{}", module(env, "refused", true)?.display()).into();
    let mut empty = plugin.clone();
    empty["spec"].as_object_mut().map(|spec| spec.remove("pluginConfig"));
    gateway.apply_plugin(&empty)?;
    ensure!(send(&gateway, 0, false)? == Outcome::Filtered);
    plugin["spec"]["pluginConfig"] = json!({"bad": true});
    env.plane.cluster().apply(&[plugin])?;
    gateway.eventually("Envoy has refused the plugin", || Ok(refusal(env, "refused", EXTENSION)? == REASON))?;
    ensure!(send(&gateway, 0, false)? == Outcome::Filtered);
    policies_are_void(env, &gateway, REASON)?;
    // `istioctl proxy-status` can't show the refusal here: it finds istiod by its pods, and there are none. To connect
    // to an address, it would have to authenticate.
    let (_, output) = env.plane.istioctl(&["proxy-status"])?;
    ensure!(output.contains("no running Istio pods"), "{output}");
    Ok(())
}

//! A module that traps, a module that refuses its configuration, and a module that is not there: what a user sees, and
//! what of the gateway goes on.

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
use crate::{Env, tests, wasm_plugin};

tests! {
    under_fail_close_one_trap_is_503_until_the_next_edit,
    under_fail_close_an_edit_starts_the_filter_of_an_image_anew,
    under_fail_open_one_trap_takes_the_filter_away_until_the_next_edit,
    under_fail_reload_the_filter_serves_again_within_seconds,
    a_missing_module_file_is_500_for_everything_and_voids_policies,
    a_module_file_that_goes_missing_keeps_the_last_module_and_voids_policies,
    a_refused_configuration_keeps_the_last_one_and_voids_policies,
}

/// Traps where a request has the header `x-trap`, and marks every other one with `x-filtered`. Where it `refuses`, it
/// takes no configuration but an empty one.
fn module(env: &Env, name: &str, refuses: bool) -> Result<PathBuf> {
    let text = format!(
        r#"
        (module
          (import "env" "proxy_get_header_map_value"
            (func $get (param i32 i32 i32 i32 i32) (result i32)))
          (import "env" "proxy_add_header_map_value"
            (func $add (param i32 i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1)
          (global $next (mut i32) (i32.const 4096))
          (data (i32.const 16) "x-trap")
          (data (i32.const 32) "x-filtered")
          (data (i32.const 48) "yes")
          (func (export "proxy_abi_version_0_2_1"))
          (func (export "proxy_on_memory_allocate") (param i32) (result i32)
            (local $at i32)
            (local.set $at (global.get $next))
            (global.set $next (i32.add (global.get $next) (local.get 0)))
            (local.get $at))
          (func (export "proxy_on_context_create") (param i32 i32))
          (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
          (func (export "proxy_on_configure") (param i32 i32) (result i32)
            (if (result i32) (i32.and (i32.const {refuses}) (i32.gt_s (local.get 1) (i32.const 0)))
              (then (i32.const 0))
              (else (i32.const 1))))
          (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (if (i32.eqz (call $get (i32.const 0) (i32.const 16) (i32.const 6) (i32.const 64) (i32.const 68)))
              (then (unreachable)))
            (drop (call $add (i32.const 0) (i32.const 32) (i32.const 10) (i32.const 48) (i32.const 3)))
            (i32.const 0))
          (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
          (func (export "proxy_on_log") (param i32))
          (func (export "proxy_on_delete") (param i32)))
        "#,
        refuses = i32::from(refuses),
    );
    let file = env.plane.folder().join(format!("{name}.wasm"));
    std::fs::write(&file, wat::parse_str(text)?)?;
    Ok(file)
}

/// What came of a request: the answer's status, and whether the filter had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    Filtered,
    Unfiltered,
    Refused(u16),
}

fn send(gateway: &IngressGateway<'_>, port: usize, traps: bool) -> Result<Came> {
    let request = Request::get("api.example.com", "/");
    let request = if traps { request.header("x-trap", "yes") } else { request };
    let response = request.send(gateway.at(gateway.ports()[port]))?;
    Ok(match response.status {
        200 if response.text().contains("x-filtered") => Came::Filtered,
        200 => Came::Unfiltered,
        status => Came::Refused(status),
    })
}

/// Two plain-HTTP ports, and the plugin on the first.
fn start<'a>(env: &'a Env, namespace: &str, strategy: Option<&str>) -> Result<(IngressGateway<'a>, Value)> {
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
    ensure!(send(&gateway, 0, false)? == Came::Filtered);
    Ok((gateway, plugin))
}

fn plain(gateway: &IngressGateway<'_>, times: usize) -> Result<Vec<Came>> {
    (0..times).map(|_| send(gateway, 0, false)).collect()
}

/// Sends what traps until every worker has had one: each connection goes to either of the two.
fn trap_in_every_worker(gateway: &IngressGateway<'_>) -> Result<()> {
    ensure!(send(gateway, 0, true)? == Came::Refused(503), "the request that traps");
    (0..32).try_for_each(|_| send(gateway, 0, true).map(drop))
}

fn the_other_port_goes_on(gateway: &IngressGateway<'_>) -> Result<()> {
    for _ in 0..8 {
        ensure!(send(gateway, 1, true)? == Came::Unfiltered);
    }
    Ok(())
}

fn edited(gateway: &IngressGateway<'_>, plugin: &mut Value) -> Result<()> {
    plugin["spec"]["pluginConfig"] = json!({"edit": 2});
    gateway.apply_plugin(plugin).map(drop)
}

/// A worker that has trapped stays so, for the whole of its traffic.
fn under_fail_close_one_trap_is_503_until_the_next_edit(env: &Env) -> Result<()> {
    for (namespace, strategy) in [("fail-close", Some("FAIL_CLOSE")), ("fail-default", None)] {
        let (gateway, mut plugin) = start(env, namespace, strategy)?;
        trap_in_every_worker(&gateway)?;
        for wait in [0, 3] {
            thread::sleep(Duration::from_secs(wait));
            let came = plain(&gateway, 16)?;
            ensure!(came.iter().all(|came| *came == Came::Refused(503)), "{came:?}");
        }
        the_other_port_goes_on(&gateway)?;
        edited(&gateway, &mut plugin)?;
        let came = plain(&gateway, 16)?;
        ensure!(came.iter().all(|came| *came == Came::Filtered), "{came:?}");
    }
    Ok(())
}

/// An edit of an image's plugin keeps the VMs that are sound.
fn under_fail_close_an_edit_starts_the_filter_of_an_image_anew(env: &Env) -> Result<()> {
    let registry = Registry::start(&env.plane.folder().join("registries/fail-image"))?;
    let image = registry.push_module(Format::Oci, "trap", "1", &std::fs::read(module(env, "fail-image", false)?)?)?;
    let gateway =
        Setup::new("fail-image").data(Data::Private).env("WASM_INSECURE_REGISTRIES", "*").start(&env.plane)?;
    gateway.serve_http(&[], env.stand_in.address())?;
    let mut plugin = wasm_plugin(&gateway, &json!({"edit": 1}))?;
    plugin["spec"]["url"] = format!("oci://{}", image.by_digest).into();
    plugin["spec"]["failStrategy"] = "FAIL_CLOSE".into();
    let all =
        |came: Came| gateway.eventually("both workers", || Ok(plain(&gateway, 16)?.iter().all(|each| *each == came)));
    env.plane.cluster().apply(&[plugin.clone()])?;
    all(Came::Filtered)?;
    trap_in_every_worker(&gateway)?;
    all(Came::Refused(503))?;
    plugin["spec"]["pluginConfig"] = json!({"edit": 2});
    env.plane.cluster().apply(&[plugin])?;
    all(Came::Filtered)
}

/// The one request is answered 503 all the same; those after it pass as if there were no filter.
fn under_fail_open_one_trap_takes_the_filter_away_until_the_next_edit(env: &Env) -> Result<()> {
    let (gateway, mut plugin) = start(env, "fail-open", Some("FAIL_OPEN"))?;
    trap_in_every_worker(&gateway)?;
    for wait in [0, 3] {
        thread::sleep(Duration::from_secs(wait));
        let came = plain(&gateway, 16)?;
        ensure!(came.iter().all(|came| *came == Came::Unfiltered), "{came:?}");
    }
    the_other_port_goes_on(&gateway)?;
    edited(&gateway, &mut plugin)?;
    let came = plain(&gateway, 16)?;
    ensure!(came.iter().all(|came| *came == Came::Filtered), "{came:?}");
    Ok(())
}

fn under_fail_reload_the_filter_serves_again_within_seconds(env: &Env) -> Result<()> {
    let (gateway, _) = start(env, "fail-reload", Some("FAIL_RELOAD"))?;
    let mut longest = Duration::ZERO;
    for round in 0..4 {
        // At once, and when the filter has run for a while.
        thread::sleep(Duration::from_secs(if round == 0 { 0 } else { 2 }));
        ensure!(send(&gateway, 0, true)? == Came::Refused(503), "the request that traps");
        let trapped = Instant::now();
        let mut refused = 0;
        gateway.within(Duration::from_secs(5), "a filter in every worker", || {
            let came = plain(&gateway, 16)?;
            refused += came.iter().filter(|came| **came == Came::Refused(503)).count();
            ensure!(!came.contains(&Came::Unfiltered), "a request passed without the filter");
            Ok(came.iter().all(|came| *came == Came::Filtered))
        })?;
        // A VM is replaced for the very next request, but none that is younger than a second or so.
        ensure!(round == 0 || refused == 0, "round {round}: {refused} requests behind the one that trapped were 503");
        longest = longest.max(trapped.elapsed());
    }
    the_other_port_goes_on(&gateway)?;
    let reloads = gateway.stats("vm_reload_success$")?;
    println!("a filter in every worker {} ms after a trap, at most", longest.as_millis());
    ensure!(
        reloads.iter().any(|(name, n)| name.starts_with("wasm.fail-reload.ksvc-router~") && *n >= 4),
        "{reloads:?}"
    );
    Ok(())
}

pub(crate) const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
pub(crate) const EXTENSION: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";

/// What istiod knows of the last refusal of a gateway's resources of this type, by the gateway's namespace.
pub(crate) fn refusal(env: &Env, namespace: &str, resources: &str) -> Result<String> {
    let proxies: Value = serde_json::from_str(&env.plane.istiod_get("/debug/syncz")?)?;
    let name = format!("{namespace}-gateway.{namespace}");
    let proxy = proxies.as_array().and_then(|proxies| proxies.iter().find(|proxy| proxy["proxy"] == *name));
    let told = &proxy.with_context(|| format!("no {name}: {proxies}"))?["resources"][resources]["lastError"];
    Ok(told.as_str().unwrap_or_default().to_owned())
}

/// How often Envoy has refused something for this reason, by its log: istiod tells the last refusal alone, and what runs
/// beside a test makes it send again.
fn refusals(gateway: &IngressGateway<'_>, of: &str, why: &str) -> usize {
    let refusal = |line: &&str| line.contains("rejected: ") && line.contains(of) && line.contains(why);
    gateway.log().lines().filter(refusal).count()
}

/// A policy made now is void, and Envoy says why.
fn policies_are_void(env: &Env, gateway: &IngressGateway<'_>, why: &str) -> Result<()> {
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
    const OF: &str = "Error adding/updating listener(s) 127.0.0.1_";
    let told = refusals(gateway, OF, why);
    env.plane.cluster().apply(&[deny])?;
    gateway.eventually("a refused listener", || Ok(refusals(gateway, OF, why) > told))?;
    thread::sleep(Duration::from_secs(1));
    let after = Request::get("api.example.com", "/denied").send(gateway.address())?.status;
    ensure!(before == after && after != 403, "the policy is not void: {before}, {after}");
    Ok(())
}

/// What an image volume makes of a plugin that is applied before the pods have the volume.
fn a_missing_module_file_is_500_for_everything_and_voids_policies(env: &Env) -> Result<()> {
    const WHY: &str = "Invalid path: /nowhere/plugin.wasm";
    let start = |ports: [u16; 4]| -> Result<IngressGateway<'_>> {
        let gateway = Setup::new("no-file").ports(ports, 0).start(&env.plane)?;
        let servers = [objects::http_server(gateway.ports()[0]), objects::http_server(gateway.ports()[1])];
        gateway.serve(&servers, &["orders.shop.example.com"], env.stand_in.address())?;
        Ok(gateway)
    };
    let is_500 = |gateway: &IngressGateway<'_>| -> Result<()> {
        gateway.eventually("the refusal", || Ok(refusals(gateway, "", WHY) > 0))?;
        gateway.eventually("500", || Ok(send(gateway, 0, false)? == Came::Refused(500)))?;
        for host in ["api.example.com", "orders.shop.example.com", "www.example.net"] {
            ensure!(Request::get(host, "/").send(gateway.address())?.status == 500, "{host}");
        }
        gateway.eventually("the access log", || Ok(gateway.log().contains("status=500 flags=NFCF")))?;
        the_other_port_goes_on(gateway)
    };
    let gateway = start([0; 4])?;
    ensure!(send(&gateway, 0, false)? == Came::Unfiltered);
    let mut plugin = wasm_plugin(&gateway, &orders_table("orders"))?;
    plugin["spec"]["url"] = "file:///nowhere/plugin.wasm".into();
    env.plane.cluster().apply(&[plugin.clone()])?;
    is_500(&gateway)?;
    policies_are_void(env, &gateway, WHY)?;
    // And with a file, all is well.
    gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table("orders"))?)?;
    gateway.eventually("a route", || {
        Ok(Request::get("api.example.com", "/faas/orders/1").send(gateway.address())?.status == 200)
    })?;
    // A new pod.
    env.plane.cluster().apply(&[plugin])?;
    let ports = gateway.ports();
    drop(gateway);
    is_500(&start(ports)?)
}

fn a_module_file_that_goes_missing_keeps_the_last_module_and_voids_policies(env: &Env) -> Result<()> {
    const WHY: &str = "Invalid path: /nowhere/plugin.wasm";
    let (gateway, mut plugin) = start(env, "file-gone", Some("FAIL_RELOAD"))?;
    plugin["spec"]["url"] = "file:///nowhere/plugin.wasm".into();
    env.plane.cluster().apply(&[plugin])?;
    gateway.eventually("the refusal", || Ok(refusals(&gateway, "", WHY) > 0))?;
    ensure!(send(&gateway, 0, false)? == Came::Filtered);
    policies_are_void(env, &gateway, WHY)
}

/// Trap 1, with a module that does what this project's never does.
fn a_refused_configuration_keeps_the_last_one_and_voids_policies(env: &Env) -> Result<()> {
    const WHY: &str = "Unable to create Wasm plugin refused.ksvc-router~istio-translated-wasmplugin";
    let gateway = env.gateway("refused", &[])?;
    let mut plugin = wasm_plugin(&gateway, &Value::Null)?;
    plugin["spec"]["url"] = format!("file://{}", module(env, "refused", true)?.display()).into();
    let mut empty = plugin.clone();
    empty["spec"].as_object_mut().map(|spec| spec.remove("pluginConfig"));
    gateway.apply_plugin(&empty)?;
    ensure!(send(&gateway, 0, false)? == Came::Filtered);
    plugin["spec"]["pluginConfig"] = json!({"bad": true});
    env.plane.cluster().apply(&[plugin])?;
    gateway.eventually("the refusal", || Ok(refusal(env, "refused", EXTENSION)? == WHY))?;
    ensure!(send(&gateway, 0, false)? == Came::Filtered);
    policies_are_void(env, &gateway, WHY)?;
    // istioctl finds istiod by its pods, and there are none here; by its address it must prove who it is.
    let (_, said) = env.plane.istioctl(&["proxy-status"])?;
    ensure!(said.contains("no running Istio pods"), "{said}");
    Ok(())
}

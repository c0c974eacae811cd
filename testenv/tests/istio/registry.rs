//! The module as an image in a registry, from which the gateway's agent fetches it: the effects of a registry outage,
//! of an expired module and of an unwritable folder on the traffic.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use testenv::http1::Request;
use testenv::istio::ControlPlane;
use testenv::istio::IngressGateway;
use testenv::istio::ingress::{Data, Setup};
use testenv::istio::objects;
use testenv::istio::registry::{Format, Image, Registry};
use testenv::stand_in::StandIn;
use testenv::{metrics, plugin, repository, yaml};

use crate::common::{orders_table, report, table};
use crate::fail_strategy::{LISTENER, refusal};
use crate::prometheus::test_rules;
use crate::{Env, tests, wasm_plugin};

tests! {
    an_image_routes_by_tag_and_by_digest,
    the_digest_of_an_image_index_denies_everything,
    a_document_of_an_image_counts_once_though_every_thread_gets_it,
    a_registry_outage_does_not_affect_edits_of_a_fetched_image,
    a_registry_outage_denies_everything_where_the_image_is_always_pulled,
    a_registry_outage_denies_everything_on_a_new_gateway,
    a_registry_outage_with_fail_open_takes_the_filter_away,
    an_expired_module_voids_policies_until_a_change_after_an_edit,
    an_expired_module_and_a_registry_outage_deny_everything_at_the_next_edit,
    a_long_expiry_keeps_policies_in_force,
    a_module_in_a_file_never_expires,
    an_unwritable_data_folder_denies_everything_but_with_a_file,
    a_new_version_rolls_out_and_back_without_a_lost_request,
    edits_of_an_image_under_load_lose_and_misroute_nothing,
    the_documented_patches_fit_the_gateway_of_istioctl,
}

const HOSTS: [&str; 2] = ["one.shop.example.com", "two.shop.example.com"];
const NAME: &str = "ksvc-router";
const TAG: &str = "0.1.0";

pub(crate) fn registry(env: &Env, namespace: &str) -> Result<Registry> {
    Registry::start(&env.plane.folder().join("registries").join(namespace))
}

fn push(registry: &Registry, format: Format) -> Result<Image> {
    registry.push_module(format, NAME, TAG, &std::fs::read(plugin()?)?)
}

/// Returns the setup of a gateway that may fetch images from a registry without TLS.
pub(crate) fn setup(namespace: &str) -> Setup {
    Setup::new(namespace).data(Data::Private).env("WASM_INSECURE_REGISTRIES", "*")
}

/// Returns the setup of a gateway whose agent deletes expired modules every second, which normally happens after days.
fn short_expiry(namespace: &str, expiry: &str) -> Setup {
    setup(namespace).env("WASM_PURGE_INTERVAL", "1s").env("WASM_MODULE_EXPIRY", expiry)
}

pub(crate) fn start(env: &Env, setup: Setup) -> Result<IngressGateway> {
    let gateway = setup.start(&env.plane)?;
    gateway.serve_http(&HOSTS, env.stand_in.address())?;
    Ok(gateway)
}

/// Returns `wasm-plugin.yaml` with this image, and a table that routes to this service.
fn with_image(gateway: &IngressGateway, reference: &str, pull_policy: Option<&str>, service: &str) -> Result<Value> {
    let mut plugin = wasm_plugin(gateway, &orders_table(service))?;
    plugin["spec"]["url"] = format!("oci://{reference}").into();
    let spec = plugin["spec"].as_object_mut().context("the manifest has no spec")?;
    match pull_policy {
        Some(policy) => spec.insert("imagePullPolicy".to_owned(), policy.into()),
        None => spec.remove("imagePullPolicy"),
    };
    Ok(plugin)
}

pub(crate) fn apply(env: &Env, object: Value) -> Result<()> {
    env.plane.cluster().apply(&[object])
}

fn get(gateway: &IngressGateway, path: &str) -> Result<testenv::http1::Response> {
    Request::get("api.example.com", path).send(gateway.address())
}

/// Returns whether a condition is true several times in a row. Each time it sends a request, so that both workers are
/// asked.
fn all(mut condition: impl FnMut() -> Result<bool>) -> Result<bool> {
    for _ in 0..8 {
        if !condition()? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Waits until both workers route to this service.
pub(crate) fn routed_to(gateway: &IngressGateway, service: &str) -> Result<()> {
    let host = format!("{service}.shop.example.com");
    gateway.eventually(&format!("requests reach {host}"), || {
        all(|| Ok(report(&get(gateway, "/faas/orders/1")?).is_ok_and(|report| report.authority == host)))
    })
}

/// Waits until the gateway denies every request, in the scope of the filter or not.
fn everything_is_denied(gateway: &IngressGateway) -> Result<()> {
    gateway.eventually("every request gets 403", || all(|| Ok(get(gateway, "/faas/orders/1")?.status == 403)))?;
    ensure!(get(gateway, "/other")?.status == 403);
    ensure!(Request::get("www.example.net", "/").send(gateway.address())?.status == 403);
    ensure!(Request::get(HOSTS[0], "/").send(gateway.address())?.status == 403);
    Ok(())
}

fn deny(namespace: &str, name: &str) -> Value {
    objects::security(
        "AuthorizationPolicy",
        namespace,
        name,
        json!({
            "action": "DENY",
            "rules": [{"to": [{"operation": {"hosts": ["api.example.com"], "paths": [format!("/faas/orders/{name}")]}}]}],
        }),
    )
}

fn is_denied(gateway: &IngressGateway, name: &str) -> Result<bool> {
    Ok(get(gateway, &format!("/faas/orders/{name}"))?.status == 403)
}

fn listeners_refused(gateway: &IngressGateway) -> Result<u64> {
    Ok(gateway.stats("^listener_manager\\.lds\\.update_rejected$")?.iter().map(|(_, n)| n).sum())
}

/// Returns the file from which Envoy has loaded the module, as this process sees it.
pub(crate) fn module_file(gateway: &IngressGateway) -> Result<PathBuf> {
    let dump: Value = serde_json::from_str(&gateway.admin_get("/config_dump?resource=ecds_filters")?)?;
    let at = "/configs/0/ecds_filter/typed_config/config/vm_config/code/local/filename";
    let file = dump.pointer(at).and_then(Value::as_str).context("no file in the plugin's configuration")?;
    // The agent has a mount namespace of its own.
    Ok(format!("/proc/{}/root{file}", gateway.id()).into())
}

/// Waits until the agent has deleted the file of the module.
fn expired(gateway: &IngressGateway) -> Result<()> {
    let file = module_file(gateway)?;
    gateway.eventually("the agent has deleted the module", || Ok(!file.exists()))
}

fn an_image_routes_by_tag_and_by_digest(env: &Env) -> Result<()> {
    let registry = registry(env, "image")?;
    for (namespace, format) in [("image-docker", Format::Docker), ("image-oci", Format::Oci)] {
        let image = push(&registry, format)?;
        let gateway = start(env, setup(namespace))?;
        apply(env, with_image(&gateway, &image.by_tag, None, "one")?)?;
        routed_to(&gateway, "one")?;
        apply(env, with_image(&gateway, &image.by_digest, Some("IfNotPresent"), "two")?)?;
        routed_to(&gateway, "two")?;
    }
    Ok(())
}

/// The agent compares the digest with that of the image for its platform instead of that of the index.
fn the_digest_of_an_image_index_denies_everything(env: &Env) -> Result<()> {
    let registry = registry(env, "index")?;
    let image = registry.push_index(NAME, TAG, &std::fs::read(plugin()?)?)?;
    let gateway = start(env, setup("index"))?;
    apply(env, with_image(&gateway, &image.by_tag, Some("IfNotPresent"), "one")?)?;
    routed_to(&gateway, "one")?;
    apply(env, with_image(&gateway, &image.by_digest, Some("IfNotPresent"), "two")?)?;
    everything_is_denied(&gateway)?;
    let log = gateway.log();
    ensure!(log.contains("which does not match"), "{log}");
    Ok(())
}

/// If the agent fetches the module, it removes istiod's resource version from the VM's environment. So the VMs of an
/// image survive an edit, and documents are distinguished by their text.
fn a_document_of_an_image_counts_once_though_every_thread_gets_it(env: &Env) -> Result<()> {
    let registry = registry(env, "threads")?;
    let image = push(&registry, Format::Docker)?;
    let gateway = start(env, setup("threads"))?;
    let metric = |name: &str| gateway.metric(&format!("ksvc_router_{name}{{wasm_filter=\"default\"}}"));
    let good = |service: &str| with_image(&gateway, &image.by_digest, Some("IfNotPresent"), service);
    for (documents, service) in [(1, "one"), (2, "two"), (3, "one"), (4, "two")] {
        apply(env, good(service)?)?;
        routed_to(&gateway, service)?;
        gateway.eventually("the document is counted once", || Ok(metric("config_accepted")? == Some(documents)))?;
    }
    let mut bad = good("two")?;
    bad["spec"]["pluginConfig"] = table(json!([
        {"match": "GET /orders/{id}", "service": "one"},
        {"match": "GET /broken/{id}", "service": "one", "rewritePath": "/{unknown}"},
    ]));
    apply(env, bad)?;
    gateway.eventually("the gauge says degraded", || Ok(metric("config_degraded")? == Some(1)))?;
    routed_to(&gateway, "two")?;
    gateway.eventually("the bad document is counted once", || Ok(metric("config_rejected")? == Some(1)))?;
    ensure!(
        gateway.log().matches("routes[1].rewritePath").count() == 1,
        "the log does not contain every error once, with its place"
    );
    apply(env, good("one")?)?;
    routed_to(&gateway, "one")?;
    gateway.eventually("the gauge no longer says degraded", || Ok(metric("config_degraded")? == Some(0)))
}

fn a_registry_outage_does_not_affect_edits_of_a_fetched_image(env: &Env) -> Result<()> {
    let mut registry = registry(env, "fetched")?;
    let image = push(&registry, Format::Docker)?;
    let ways = [
        ("fetched-tag", &image.by_tag, "IfNotPresent"),
        ("fetched-digest", &image.by_digest, "IfNotPresent"),
        // A digest always names the same image, so `Always` does not fetch it again.
        ("fetched-always", &image.by_digest, "Always"),
    ];
    for (namespace, reference, pull_policy) in ways {
        registry.restart()?;
        let gateway = start(env, setup(namespace))?;
        apply(env, with_image(&gateway, reference, Some(pull_policy), "one")?)?;
        routed_to(&gateway, "one")?;
        registry.stop();
        for service in ["two", "one"] {
            apply(env, with_image(&gateway, reference, Some(pull_policy), service)?)?;
            routed_to(&gateway, service)?;
        }
    }
    Ok(())
}

/// The denial lasts until istiod sends the plugin again: by then, the agent has recorded the new version, and it uses
/// the module that it still has. Any change of any WasmPlugin makes istiod do so, including those of other tests.
fn a_registry_outage_denies_everything_where_the_image_is_always_pulled(env: &Env) -> Result<()> {
    let mut registry = registry(env, "always")?;
    let image = push(&registry, Format::Docker)?;
    let latest = registry.push_module(Format::Docker, NAME, "latest", &std::fs::read(plugin()?)?)?;
    let ways = [("always", &image.by_tag, Some("Always")), ("latest", &latest.by_tag, None)];
    for (namespace, reference, pull_policy) in ways {
        registry.restart()?;
        let gateway = start(env, setup(namespace))?;
        apply(env, with_image(&gateway, reference, pull_policy, "one")?)?;
        routed_to(&gateway, "one")?;
        registry.stop();
        ensure!(report(&get(&gateway, "/faas/orders/1")?)?.authority == HOSTS[0], "the outage shows before an edit");
        let mut edits = ["two", "one"].into_iter().cycle();
        let denied = || {
            Ok(all(|| Ok(get(&gateway, "/faas/orders/1")?.status == 403))? && get(&gateway, "/other")?.status == 403)
        };
        gateway.eventually("every request gets 403 after an edit", || {
            let service = edits.next().unwrap_or_default();
            apply(env, with_image(&gateway, reference, pull_policy, service)?)?;
            Ok(gateway.within(Duration::from_secs(2), "every request gets 403", denied).is_ok())
        })?;
        ensure!(gateway.log().contains("applying deny RBAC filter"), "{}", gateway.log());
        let service = edits.next().unwrap_or_default();
        registry.restart()?;
        apply(env, with_image(&gateway, reference, pull_policy, service)?)?;
        routed_to(&gateway, service)?;
        registry.stop();
        let mut other = wasm_plugin(&gateway, &table(json!([])))?;
        other["metadata"]["name"] = "other".into();
        other["spec"]["pluginConfig"]["basePath"] = "/another".into();
        let denials = || gateway.log().matches("applying deny RBAC filter").count();
        let before = denials();
        let service = edits.next().unwrap_or_default();
        apply(env, with_image(&gateway, reference, pull_policy, service)?)?;
        gateway.eventually("the agent denies everything again", || Ok(denials() > before))?;
        apply(env, other)?;
        routed_to(&gateway, service)?;
    }
    Ok(())
}

/// The cache of a new pod is empty, so a digest does not help.
fn a_registry_outage_denies_everything_on_a_new_gateway(env: &Env) -> Result<()> {
    let mut registry = registry(env, "new-pod")?;
    let image = push(&registry, Format::Docker)?;
    let gateway = start(env, setup("new-pod"))?;
    apply(env, with_image(&gateway, &image.by_digest, Some("IfNotPresent"), "one")?)?;
    routed_to(&gateway, "one")?;
    let ports = gateway.ports();
    drop(gateway);
    registry.stop();
    let gateway = setup("new-pod").ports(ports, 0).start(&env.plane)?;
    gateway.eventually("the listener accepts connections", || Ok(get(&gateway, "/").is_ok()))?;
    everything_is_denied(&gateway)?;
    the_alert_fires_at_the_first_failure(env, &gateway)?;
    registry.restart()?;
    apply(env, with_image(&gateway, &image.by_digest, Some("IfNotPresent"), "two")?)?;
    routed_to(&gateway, "two")
}

/// The agent's counter of this failure appears with it. The rules see it in minute 5, after which it stays as it is.
fn the_alert_fires_at_the_first_failure(env: &Env, gateway: &IngressGateway) -> Result<()> {
    let page = gateway.agent_metrics()?;
    let is_count = |metric: &str| metric.starts_with("istio_agent_wasm_config_conversion_count{");
    let counts: Vec<_> = metrics::samples(&page).filter(|(metric, _)| is_count(metric)).collect();
    ensure!(counts.iter().any(|(name, _)| name.contains("result=\"fetch_failure\"")), "{counts:?}");
    let labels = "{namespace=\"istio-system\",pod=\"gateway\",";
    let series = counts.iter().map(|(name, count)| {
        let is_failure = !["success", "no_remote_load"].iter().any(|good| name.contains(&format!("\"{good}\"")));
        let values = if is_failure { format!("_x5 {count}x30") } else { format!("{count}x36") };
        json!({"series": name.replacen('{', labels, 1), "values": values})
    });
    let fired = ["KsvcRouterModuleNotFetched", "istio-system", "gateway"];
    let series = series.collect();
    test_rules(env, series, ["namespace", "pod"], &[(4, &[]), (5, &[fired]), (14, &[fired]), (16, &[])])?;
    // A gap in what Prometheus has read is no new failure.
    let with_gap = counts.iter().map(|(name, count)| {
        json!({"series": name.replacen('{', labels, 1), "values": format!("{count}x30 stale _x3 {count}x30")})
    });
    test_rules(env, with_gap.collect(), ["namespace", "pod"], &[(36, &[]), (41, &[]), (44, &[]), (47, &[])])
}

fn a_registry_outage_with_fail_open_takes_the_filter_away(env: &Env) -> Result<()> {
    let mut registry = registry(env, "outage-open")?;
    let image = push(&registry, Format::Docker)?;
    registry.stop();
    let gateway = start(env, setup("outage-open"))?;
    let mut plugin = with_image(&gateway, &image.by_digest, Some("IfNotPresent"), "one")?;
    plugin["spec"]["failStrategy"] = "FAIL_OPEN".into();
    apply(env, plugin)?;
    gateway
        .eventually("the agent has replaced the filter", || Ok(gateway.log().contains("applying allow RBAC filter")))?;
    gateway.eventually("requests pass without the filter", || {
        all(|| Ok(report(&get(&gateway, "/faas/orders/1")?)?.authority == "api.example.com"))
    })
}

/// Starts a control plane for one test alone. With other tests, each of their changes would make istiod send its
/// resources again, and the agent would fetch the module again.
fn separate_env(env: &Env) -> Result<Env> {
    Ok(Env {
        plane: ControlPlane::start(env.plane.tools())?,
        stand_in: StandIn::start()?,
        packaging: env.packaging.clone(),
        guarded: std::sync::Mutex::default(),
    })
}

/// istiod sends listeners before plugins, so at the edit the listener still arrives before its module. The refused
/// listener is sent again at the next change.
fn an_expired_module_voids_policies_until_a_change_after_an_edit(env: &Env) -> Result<()> {
    let env = &separate_env(env)?;
    let registry = registry(env, "expired")?;
    let image = push(&registry, Format::Docker)?;
    // Long enough for the last two edits: the second one must reach Envoy before the module expires again.
    let gateway = start(env, short_expiry("expired", "20s"))?;
    apply(env, deny("expired", "before"))?;
    gateway.eventually("the policy is enforced", || is_denied(&gateway, "before"))?;
    let edit = |service: &str| {
        apply(env, with_image(&gateway, &image.by_digest, Some("IfNotPresent"), service)?)?;
        routed_to(&gateway, service)
    };
    edit("one")?;
    expired(&gateway)?;
    routed_to(&gateway, "one")?;
    ensure!(listeners_refused(&gateway)? == 0, "the expiry shows before the listener changes");

    apply(env, deny("expired", "after"))?;
    gateway.eventually("Envoy has refused the listener", || Ok(listeners_refused(&gateway)? > 0))?;
    thread::sleep(Duration::from_secs(1));
    ensure!(!is_denied(&gateway, "after")?, "the policy is enforced");
    ensure!(is_denied(&gateway, "before")?);
    crate::eventually(&gateway, "istiod knows why Envoy has refused the listener", || {
        let error = refusal(env, "expired", LISTENER)?;
        let is_listener = error.starts_with("Error adding/updating listener(s) ");
        ensure!(is_listener && error.contains("Invalid path: /var/lib/istio/data/"), "{error}");
        Ok(())
    })?;

    edit("two")?;
    edit("one")?;
    gateway.eventually("the policy is enforced", || is_denied(&gateway, "after"))
}

fn an_expired_module_and_a_registry_outage_deny_everything_at_the_next_edit(env: &Env) -> Result<()> {
    let env = &separate_env(env)?;
    let mut registry = registry(env, "expired-down")?;
    let image = push(&registry, Format::Docker)?;
    let gateway = start(env, short_expiry("expired-down", "3s"))?;
    apply(env, with_image(&gateway, &image.by_digest, Some("IfNotPresent"), "one")?)?;
    routed_to(&gateway, "one")?;
    expired(&gateway)?;
    registry.stop();
    apply(env, with_image(&gateway, &image.by_digest, Some("IfNotPresent"), "two")?)?;
    everything_is_denied(&gateway)
}

fn a_long_expiry_keeps_policies_in_force(env: &Env) -> Result<()> {
    let mut registry = registry(env, "long")?;
    let image = push(&registry, Format::Docker)?;
    let gateway = start(env, short_expiry("long", "87600h"))?;
    apply(env, with_image(&gateway, &image.by_digest, Some("IfNotPresent"), "one")?)?;
    routed_to(&gateway, "one")?;
    registry.stop();
    // Several rounds of the agent's purge.
    thread::sleep(Duration::from_secs(5));
    apply(env, deny("long", "after"))?;
    gateway.eventually("the policy is enforced", || is_denied(&gateway, "after"))?;
    apply(env, with_image(&gateway, &image.by_digest, Some("IfNotPresent"), "two")?)?;
    routed_to(&gateway, "two")?;
    ensure!(listeners_refused(&gateway)? == 0, "{}", gateway.log());
    Ok(())
}

fn a_module_in_a_file_never_expires(env: &Env) -> Result<()> {
    let gateway = start(env, short_expiry("file", "1s"))?;
    gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table("one"))?)?;
    routed_to(&gateway, "one")?;
    thread::sleep(Duration::from_secs(5));
    apply(env, deny("file", "after"))?;
    gateway.eventually("the policy is enforced", || is_denied(&gateway, "after"))?;
    gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table("two"))?)?;
    routed_to(&gateway, "two")?;
    ensure!(listeners_refused(&gateway)? == 0, "{}", gateway.log());
    Ok(())
}

fn an_unwritable_data_folder_denies_everything_but_with_a_file(env: &Env) -> Result<()> {
    let registry = registry(env, "unwritable")?;
    let image = push(&registry, Format::Docker)?;
    let gateway = start(env, setup("unwritable").data(Data::ReadOnly))?;
    gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table("one"))?)?;
    routed_to(&gateway, "one")?;
    apply(env, with_image(&gateway, &image.by_digest, Some("IfNotPresent"), "two")?)?;
    everything_is_denied(&gateway)?;
    ensure!(gateway.log().contains("read-only file system"), "{}", gateway.log());
    gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table("two"))?)?;
    routed_to(&gateway, "two")
}

fn a_new_version_rolls_out_and_back_without_a_lost_request(env: &Env) -> Result<()> {
    let registry = registry(env, "versions")?;
    let module = std::fs::read(plugin()?)?;
    let old = registry.push_module(Format::Docker, NAME, "0.1.0", &module)?;
    // The additional bytes are an empty custom section named `v`, so the code is the same but the digest is not.
    let new = registry.push_module(Format::Docker, NAME, "0.1.1", &[&module[..], &[0, 2, 1, b'v']].concat())?;
    ensure!(old.by_digest != new.by_digest);
    let gateway = start(env, setup("versions"))?;
    apply(env, with_image(&gateway, &old.by_digest, Some("IfNotPresent"), "one")?)?;
    routed_to(&gateway, "one")?;
    under_load(&gateway, || {
        [(&new, "two"), (&old, "one"), (&new, "two")].into_iter().try_for_each(|(image, service)| {
            apply(env, with_image(&gateway, &image.by_digest, Some("IfNotPresent"), service)?)?;
            routed_to(&gateway, service)
        })
    })
}

/// Good and bad documents come in turn, as in the test `edits` with a module in a file. With an image, the VMs stay.
fn edits_of_an_image_under_load_lose_and_misroute_nothing(env: &Env) -> Result<()> {
    let registry = registry(env, "image-edits")?;
    let image = push(&registry, Format::Docker)?;
    let gateway = start(env, setup("image-edits"))?;
    let edit = |service: &str| with_image(&gateway, &image.by_digest, Some("IfNotPresent"), service);
    apply(env, edit("one")?)?;
    routed_to(&gateway, "one")?;
    let rejected = || gateway.metric("ksvc_router_config_rejected{wasm_filter=\"default\"}");
    under_load(&gateway, || {
        for (n, service) in ["two", "one"].into_iter().cycle().take(12).enumerate() {
            apply(env, edit(service)?)?;
            routed_to(&gateway, service)?;
            let mut bad = edit("wrong")?;
            bad["spec"]["pluginConfig"]["note"] = n.into();
            let before = rejected()?;
            apply(env, bad)?;
            gateway.eventually("the bad document is rejected", || Ok(rejected()? > before))?;
            routed_to(&gateway, service)?;
        }
        Ok(())
    })
}

/// Sends requests while `edits` run, and checks that each reaches one of the KSVCs.
fn under_load(gateway: &IngressGateway, edits: impl FnOnce() -> Result<()>) -> Result<()> {
    let done = AtomicBool::new(false);
    let requests = || {
        let mut sent = 0;
        while !done.load(Ordering::Relaxed) {
            let report = report(&get(gateway, "/faas/orders/1")?)?;
            ensure!(HOSTS.contains(&report.authority.as_str()), "a request reached {}", report.authority);
            sent += 1;
        }
        anyhow::Ok(sent)
    };
    thread::scope(|scope| {
        let client = scope.spawn(requests);
        let result = edits();
        done.store(true, Ordering::Relaxed);
        let sent: usize = client.join().map_err(|_| anyhow!("the client panicked"))??;
        result?;
        ensure!(sent > 0, "no request ran during the edits");
        Ok(())
    })
}

/// Returns the YAML blocks of docs/install.md that contain this text.
fn documented(needle: &str) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(repository().join("docs/install.md"))?;
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let found: Vec<String> = blocks.filter(|block| block.contains(needle)).map(str::to_owned).collect();
    ensure!(!found.is_empty(), "docs/install.md has no YAML with {needle:?}");
    Ok(found)
}

/// The IstioOperators in docs/install.md make istioctl generate a Deployment with the documented settings, and the
/// documented patches add the same settings to an existing Deployment. The API server accepts both.
fn the_documented_patches_fit_the_gateway_of_istioctl(env: &Env) -> Result<()> {
    let folder = env.plane.folder();
    let generate = |operator: &str| -> Result<Value> {
        let file = folder.join("operator.yaml");
        std::fs::write(&file, operator)?;
        let (succeeded, output) = env.plane.istioctl(&["manifest", "generate", "-f", &file.display().to_string()])?;
        ensure!(succeeded, "{output}");
        let documents = output.split("\n---");
        let gateway = documents
            .filter(|text| text.contains("kind: Deployment"))
            .find(|t| t.contains("\n  name: istio-ingressgateway\n"));
        let file = folder.join("deployment.yaml");
        std::fs::write(&file, gateway.context("no Deployment of the gateway")?)?;
        yaml::read(&file)
    };
    let at = "/spec/template/spec";
    let proxy = |deployment: &Value| {
        let containers = deployment.pointer(&format!("{at}/containers")).and_then(Value::as_array);
        containers.and_then(|all| all.iter().find(|one| one["name"] == "istio-proxy")).cloned().unwrap_or_default()
    };
    let has = |deployment: &Value, what: &str| -> Result<()> {
        let text =
            format!("{}{}", proxy(deployment), deployment.pointer(&format!("{at}/volumes")).unwrap_or(&Value::Null));
        ensure!(text.contains(what), "no {what} in {deployment}");
        Ok(())
    };
    let bare = "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec:\n  profile: default\n";
    let patched = |deployment: &Value, patch: &str| -> Result<Value> {
        let cluster = env.plane.cluster();
        cluster.apply(std::slice::from_ref(deployment))?;
        let file = folder.join("patch.yaml");
        std::fs::write(&file, patch)?;
        let patch = ["patch", "deployment/istio-ingressgateway", "-n", "istio-system", "-o", "json", "--patch-file"];
        Ok(serde_json::from_str(&cluster.run(patch, &[file.as_os_str()], None)?)?)
    };
    let expiry = json!({"name": "WASM_MODULE_EXPIRY", "value": "87600h"}).to_string();
    let volume = "\"reference\":\"registry.example.com/ksvc-router@sha256:";
    let mount = "\"mountPath\":\"/var/lib/ksvc-router\"";
    for operator in documented("kind: IstioOperator")? {
        let deployment = generate(&operator)?;
        if operator.contains("WASM_MODULE_EXPIRY") {
            has(&deployment, &expiry)?;
        } else {
            has(&deployment, volume)?;
            has(&deployment, mount)?;
        }
        env.plane.cluster().apply(&[deployment])?;
        env.plane.cluster().kubectl(["delete", "deployment", "istio-ingressgateway", "-n", "istio-system"])?;
    }
    let bare = generate(bare)?;
    for patch in documented("# kubectl patch")? {
        let patched = patched(&bare, &patch)?;
        has(&patched, volume)?;
        has(&patched, mount)?;
        ensure!(proxy(&patched)["image"] == proxy(&bare)["image"], "the patch changes the image of the container");
    }
    env.plane.cluster().kubectl(["delete", "deployment", "istio-ingressgateway", "-n", "istio-system"]).map(drop)
}

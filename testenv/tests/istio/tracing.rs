//! The spans of a gateway, with the objects of docs/monitoring.md, as a real OpenTelemetry Collector receives them.

use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ksvc_router_cli::source::Source;
use serde_json::Value;
use testenv::http1::Request;
use testenv::istio::IngressGateway;
use testenv::istio::ingress::Setup;
use testenv::{page, repository, yaml};

use crate::collector::Collector;
use crate::common::orders_table;
use crate::{Env, tests, wasm_plugin};

tests! { spans_have_the_name_of_the_route_and_a_tag_with_it_from_istio_1_29_on }

const PAGE: &str = "docs/monitoring.md";
/// Returns the YAML blocks of a section of the page.
pub(crate) fn documented(heading: &str) -> Result<Vec<Value>> {
    let text = fs::read_to_string(repository().join(PAGE))?;
    let blocks = page::blocks(page::section(&text, heading)?).into_iter();
    let blocks = blocks.filter(|(language, _)| *language == "yaml");
    blocks.map(|(_, text)| yaml::parse(&Source::new(PAGE, text))).collect()
}

/// Returns `monitoring/telemetry.yaml` with these settings for a namespace. It is without its metrics, because those need
/// Istio's filter, which upstream Envoy does not have.
pub(crate) fn with_settings(namespace: &str, settings: &Value) -> Result<Value> {
    let mut telemetry = yaml::read(&repository().join("monitoring/telemetry.yaml"))?;
    telemetry["metadata"]["namespace"] = namespace.into();
    let spec = telemetry["spec"].as_object_mut().context("a spec")?;
    spec.remove("metrics");
    spec.extend(settings.as_object().context("settings")?.clone());
    Ok(telemetry)
}

/// Waits until the active listeners of a gateway have a setting with this text.
pub(crate) fn await_in_listeners(gateway: &IngressGateway, text: &str) -> Result<()> {
    gateway.eventually(&format!("the listeners have {text}"), || {
        let listeners = gateway.admin_get("/config_dump?resource=dynamic_listeners")?;
        Ok(listeners.contains(text) && !listeners.contains("\"warming_state\""))
    })?;
    // Envoy shows what its main thread has. The workers get it a moment later.
    thread::sleep(Duration::from_secs(1));
    Ok(())
}

/// Sends a request of the route, and one that no route matches.
fn send(gateway: &IngressGateway) -> Result<()> {
    for (path, expected) in [("/faas/orders/1", 200), ("/faas/nothing", 404)] {
        let status = Request::get("api.example.com", path).send(gateway.address())?.status;
        ensure!(status == expected, "{path}: {status}");
    }
    Ok(())
}

fn spans_have_the_name_of_the_route_and_a_tag_with_it_from_istio_1_29_on(env: &Env) -> Result<()> {
    let mut blocks = documented("### Tracing under Istio")?;
    let [mesh, telemetry] = &mut blocks[..] else { bail!("{} blocks instead of two", blocks.len()) };
    let collector = Collector::start(env)?;
    collector.serve(env, "tracing", &mut mesh["meshConfig"])?;
    let istiod = env.plane.another_istiod("istiod-tracing", &mesh["meshConfig"])?;

    for (namespace, version, is_named) in [("tracing", "1.29.0", true), ("tracing-before", "1.28.9", false)] {
        let setup = Setup::new(namespace).env("ISTIO_META_ISTIO_VERSION", version);
        let gateway = setup.start_under(&env.plane, &istiod)?;
        gateway.serve_http(&["orders.shop.example.com"], env.stand_in.address())?;
        gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table("orders"))?)?;
        let mut names = yaml::read(&repository().join("monitoring/span-names.yaml"))?;
        names["metadata"]["namespace"] = namespace.into();
        env.plane.cluster().apply(&[with_settings(namespace, telemetry)?, names])?;

        // istiod sends both in one push, because `kubectl apply` creates the objects at once.
        let sent = if is_named { "\"upstream_operation\"" } else { "envoy.tracers.opentelemetry" };
        await_in_listeners(&gateway, sent)?;
        let before = collector.spans()?.len();
        send(&gateway)?;
        let mut spans = Vec::new();
        gateway.eventually("three spans arrive", || {
            spans = collector.spans()?.split_off(before);
            Ok(spans.len() >= 3)
        })?;
        spans.sort();
        let span = |name: &str, tag: Option<&str>| (name.to_owned(), tag.map(str::to_owned));
        let (route, cluster) = ("GET /orders/{id}", "outbound|80||orders-00001.shop.svc.cluster.local");
        let expected = if is_named {
            [
                span(route, Some(route)),
                span("egress api.example.com", None),
                span(&format!("upstream {route}"), Some(route)),
            ]
        } else {
            // The names that Istio gives to the routes of VirtualServices, and that Envoy gives by itself.
            [
                span("catch-all.testenv.svc.cluster.local:80/*", None),
                span("orders-00001.shop.svc.cluster.local:80/*", None),
                span(&format!("router {cluster}; egress"), None),
            ]
        };
        ensure!(spans == expected, "{version}: {spans:?}");
    }
    Ok(())
}

//! The spans of a gateway, with the objects of docs/monitoring.md, as a real OpenTelemetry Collector receives them.

use anyhow::{Result, bail, ensure};
use testenv::http1::Request;
use testenv::istio::IngressGateway;
use testenv::istio::ingress::Setup;
use testenv::{page, repository, yaml};

use crate::collector::Collector;
use crate::common::orders_table;
use crate::telemetry::{await_in_listeners, with_settings};
use crate::{Env, tests, wasm_plugin};

tests! { spans_have_the_name_of_the_route_and_a_tag_with_it_from_istio_1_29_on }

/// Sends a request of the route, and one that no route matches.
fn send(gateway: &IngressGateway) -> Result<()> {
    for (path, expected) in [("/faas/orders/1", 200), ("/faas/nothing", 404)] {
        let status = Request::get("api.example.com", path).send(gateway.address())?.status;
        ensure!(status == expected, "{path}: {status}");
    }
    Ok(())
}

fn spans_have_the_name_of_the_route_and_a_tag_with_it_from_istio_1_29_on(env: &Env) -> Result<()> {
    let mut blocks = page::yaml_blocks("docs/monitoring.md", "### Tracing under Istio")?;
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

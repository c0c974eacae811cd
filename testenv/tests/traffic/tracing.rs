//! Spans. With the settings that docs/monitoring.md shows, they are named after the route and have a tag with it. The
//! test itself is the collector: Envoy sends it the spans in OpenTelemetry's protocol, OTLP over HTTP.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, bail, ensure};
use http_body_util::BodyExt;
use hyper::Response;
use hyper::header::CONTENT_TYPE;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::trace::v1 as span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use serde_json::{Value, json};
use testenv::gateway::Setup;
use testenv::http1::Request;
use testenv::stand_in::StandIn;
use testenv::{envoy, page, plugin};

use crate::common::table;
use crate::ksvc::{Ksvc, whole};

const PAGE: &str = "docs/monitoring.md";

/// Returns the value of `tracing` that the page shows for the HTTP connection manager.
fn documented_settings() -> Result<Value> {
    let block = page::yaml_blocks(PAGE, "## Distributed tracing")?.into_iter().next();
    Ok(block.context("no block")?["tracing"].take())
}

/// Returns a gateway that sends its spans to this collector.
pub(crate) fn traced(version: &str, mut tracing: Value, collector: &Ksvc) -> Result<Setup> {
    let routes = json!([
        {"match": "GET /orders/{id}", "service": "orders"},
        {"match": "GET /missing/{id}", "service": "missing"},
        {"match": "GET /broken/{id}", "service": "orders", "rewritePath": "/{unknown}"},
        {"match": "GET /ping", "respond": {"status": 200, "body": "pong"}},
        {"name": "says \"hello\" in São Paulo", "match": "GET /hello", "respond": {"status": 200}},
    ]);
    tracing["provider"] = json!({"name": "envoy.tracers.opentelemetry", "typed_config": {
        "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "service_name": "gateway",
        "http_service": {"http_uri": {"uri": "http://collector/v1/traces", "cluster": "collector", "timeout": "60s"}},
    }});
    let address = json!({"address": collector.address.ip().to_string(), "port_value": collector.address.port()});
    let cluster = json!({"name": "collector", "load_assignment": {
        "cluster_name": "collector",
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": address}}}]}],
    }});
    let setup = Setup::new(&envoy::pinned(version)?, &plugin()?, table(routes));
    Ok(setup.connection_manager("tracing", tracing).cluster(cluster).bootstrap(send_each_span_at_once))
}

fn send_each_span_at_once(bootstrap: &mut Value) {
    bootstrap["layered_runtime"] = json!({"layers": [
        {"name": "static", "static_layer": {"tracing.opentelemetry.min_flush_spans": 1}},
    ]});
}

/// Where the span's time was spent: in the gateway as a whole, or while it waited for the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Gateway,
    Service,
}

/// The name of a span and the value of its tag `ksvc_router.route`.
type Span = (String, Option<String>);

/// Waits for the next spans that Envoy sends.
pub(crate) async fn exported(collector: &mut Ksvc) -> Result<Vec<span::Span>> {
    let request = collector.call().await?.answer(Response::new(whole("")))?;
    ensure!(request.headers()[CONTENT_TYPE] == "application/x-protobuf", "{:?}", request.headers());
    let body = request.into_body().collect().await?.to_bytes();
    let scopes = ExportTraceServiceRequest::decode(body)?.resource_spans.into_iter();
    Ok(scopes.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect())
}

/// Waits for this many spans.
async fn spans(collector: &mut Ksvc, number: usize) -> Result<BTreeMap<Side, Span>> {
    let mut spans = BTreeMap::new();
    while spans.len() < number {
        for span in exported(collector).await? {
            let side = match span.kind() {
                SpanKind::Server => Side::Gateway,
                SpanKind::Client => Side::Service,
                kind => bail!("a span of the kind {kind:?}"),
            };
            let mut tags = span.attributes.into_iter().filter(|tag| tag.key == "ksvc_router.route");
            let tag = tags.next().map(|tag| match tag.value.and_then(|value| value.value) {
                Some(any_value::Value::StringValue(value)) => Ok(value),
                value => Err(anyhow!("the tag is no string: {value:?}")),
            });
            ensure!(spans.insert(side, (span.name, tag.transpose()?)).is_none(), "two spans of one kind");
        }
    }
    Ok(spans)
}

#[tokio::test]
async fn a_span_has_the_name_of_the_route_and_a_tag_with_it() -> Result<()> {
    let stand_in = StandIn::start()?;
    for version in envoy::VERSIONS.into_iter().filter(|version| *version != envoy::OLDEST) {
        let mut collector = Ksvc::start().await?;
        let gateway = traced(version, documented_settings()?, &collector)?.start(stand_in.address())?;
        let span = |name: &str, tag: Option<&str>| (name.to_owned(), tag.map(str::to_owned));
        let named = |name: &str| span(name, Some(name));
        let usual = || span("ingress", None);
        let hello = "says \"hello\" in São Paulo";
        for (method, path, status, in_gateway) in [
            ("GET", "/faas/orders/1", 200, named("GET /orders/{id}")),
            ("GET", "/faas/missing/1", 404, named("GET /missing/{id}")),
            ("GET", "/faas/broken/1", 503, named("GET /broken/{id}")),
            ("GET", "/faas/ping", 200, named("GET /ping")),
            ("GET", "/faas/hello", 200, named(hello)),
            ("GET", "/faas/nothing", 404, usual()),
            ("DELETE", "/faas/orders/1", 405, usual()),
            ("GET", "/elsewhere", 404, usual()),
        ] {
            let response = Request::new(method, "api.example.com", path).send(gateway.address())?;
            ensure!(response.status == status, "{version} {method} {path}: {} {}", response.status, response.text());
            let mut expected = BTreeMap::from([(Side::Gateway, in_gateway)]);
            if path == "/faas/orders/1" && method == "GET" {
                let in_service = span("upstream GET /orders/{id}", Some("GET /orders/{id}"));
                expected.insert(Side::Service, in_service);
            }
            let got = spans(&mut collector, expected.len()).await.with_context(|| format!("{version} {path}"))?;
            println!("{version} {method} {path}: {got:?}");
            assert_eq!(got, expected, "{version} {method} {path}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_oldest_envoy_refuses_each_of_these_settings() -> Result<()> {
    let (stand_in, collector) = (StandIn::start()?, Ksvc::start().await?);
    let settings = documented_settings()?;
    for (setting, unknown) in
        [("operation", "operation"), ("upstream_operation", "upstream_operation"), ("custom_tags", "value")]
    {
        let alone = json!({setting: settings[setting]});
        let started = traced(envoy::OLDEST, alone, &collector)?.start(stand_in.address());
        let error = started.err().with_context(|| format!("Envoy accepted {setting}"))?;
        let error = format!("{error:#}");
        ensure!(error.contains(&format!("'{unknown}') has unknown fields")), "{setting}: {error}");
    }
    // Without them, it starts.
    traced(envoy::OLDEST, json!({}), &collector)?.start(stand_in.address())?;
    Ok(())
}

//! The access log of a gateway, with the objects of docs/monitoring.md: as JSON lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testenv::http1::Request;
use testenv::istio::IngressGateway;
use testenv::istio::ingress::Setup;
use testenv::{metrics, page, repository, yaml};

use crate::collector::Collector;
use crate::common::table;
use crate::prometheus::{Sample, repeated, test_rules};
use crate::telemetry::{await_in_listeners, with_settings};
use crate::{Env, eventually, tests, wasm_plugin};

tests! {
    a_gateway_writes_the_documented_fields_as_json,
    a_collector_makes_metrics_of_the_access_log_which_the_alerts_read,
}

const PAGE: &str = "docs/monitoring.md";
const ORDERS: &str = "orders.shop.example.com";

/// Returns the mesh configuration of `monitoring/access-log.yaml`.
fn mesh_config() -> Result<Value> {
    Ok(yaml::read(&repository().join("monitoring/access-log.yaml"))?["meshConfig"].take())
}

/// Returns the setting of the Telemetry object that names the provider of the JSON log.
fn setting() -> Result<Value> {
    let blocks = page::yaml_blocks(PAGE, "## Fields of the access log")?;
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
    await_in_listeners(&gateway, "\"json_format\"")?;

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
    // The commands of the runbook that search the log find the same lines in JSON as in Istio's text format.
    let runbook = fs::read_to_string(repository().join("docs/runbook.md"))?;
    for (pattern, path) in [
        (r#"'[ "]notFound[ "]'"#, "/faas/nothing"),
        (r#"'[ "]methodNotAllowed[ "]'"#, "/faas/orders/1"),
        (r#"'(^|" |"response_code":)5[0-9][0-9][ ,}]'"#, "/faas/broken/1"),
    ] {
        ensure!(runbook.contains(&format!("grep -E {pattern} ")), "the runbook does not search for {pattern}");
        let grep = Command::new("grep").args(["-E", pattern.trim_matches('\'')]).arg(gateway.log_file()).output()?;
        let found = String::from_utf8(grep.stdout)?;
        let found: Vec<&str> = found.lines().filter(|line| line.starts_with('{')).collect();
        ensure!(matches!(found[..], [only] if only.contains(&format!("\"{path}\""))), "{pattern}: {found:?}");
    }
    Ok(())
}

/// Returns the metrics of the collector: their names and labels, and their values. The sums of durations are left out,
/// because they differ from run to run.
fn samples(collector: &Collector) -> Result<Vec<Sample>> {
    let page = collector.metrics()?;
    let samples = metrics::samples(&page).filter(|(name, _)| name.starts_with("istio_") && !name.contains("_sum{"));
    samples.map(|(name, value)| Ok((name.to_owned(), value.parse()?))).collect()
}

/// The collector has the configuration that users get. Its metrics have the names and labels that the alerts read.
fn a_collector_makes_metrics_of_the_access_log_which_the_alerts_read(env: &Env) -> Result<()> {
    let namespace = "otlp-log";
    let collector = Collector::start(env)?;
    let mut mesh = mesh_config()?;
    collector.serve(env, namespace, &mut mesh)?;
    let istiod = env.plane.another_istiod("istiod-otlp-log", &mesh)?;
    let table = table(json!([
        {"match": "GET /orders/{id}", "service": "orders"},
        {"match": "GET /broken/{id}", "service": "orders", "rewritePath": "/{unknown}"},
    ]));
    let settings = page::yaml_blocks(PAGE, "### Metrics from the access log")?.remove(0);
    // The collector adds up the requests of both.
    let [gateway, other] = [namespace, "otlp-log-of-another"].map(|namespace| -> Result<IngressGateway> {
        let gateway = Setup::new(namespace).start_under(&env.plane, &istiod)?;
        gateway.serve_http(&[ORDERS], env.stand_in.address())?;
        gateway.apply_plugin(&wasm_plugin(&gateway, &table)?)?;
        env.plane.cluster().apply(&[with_settings(namespace, &settings)?])?;
        await_in_listeners(&gateway, "OpenTelemetryAccessLogConfig")?;
        Ok(gateway)
    });
    let (gateway, other) = (gateway?, other?);

    let round = |number: i64| -> Result<Vec<Sample>> {
        for (method, path, status, times) in [
            ("GET", "/faas/orders/1", 200, 3),
            ("GET", "/faas/broken/1", 503, 2),
            ("GET", "/faas/nothing", 404, 1),
            ("DELETE", "/faas/orders/1", 405, 1),
        ] {
            for turn in 0..times {
                let address = if turn == 0 { other.address() } else { gateway.address() };
                let got = Request::new(method, "api.example.com", path).send(address)?.status;
                ensure!(got == status, "{method} {path}: {got}");
            }
        }
        let mut found = Vec::new();
        eventually(&gateway, "the collector has counted every request of a route, and no other", || {
            found = samples(&collector)?;
            for metric in ["istio_requests_total", "istio_request_duration_milliseconds_count"] {
                let metric = format!("{metric}{{");
                let counts = found.iter().filter(|(name, _)| name.starts_with(&metric));
                let counts: BTreeMap<&str, i64> = counts.map(|(name, count)| (name.as_str(), *count)).collect();
                let series = |route: &str, code: u16| {
                    format!("{metric}reporter=\"source\",request_operation=\"{route}\",response_code=\"{code}\"}}")
                };
                let (orders, broken) = (series("GET /orders/{id}", 200), series("GET /broken/{id}", 503));
                let expected = BTreeMap::from([(orders.as_str(), 3 * number), (broken.as_str(), 2 * number)]);
                ensure!(counts == expected, "{counts:?}");
            }
            Ok(())
        })?;
        Ok(found)
    };
    let (first, second) = (round(1)?, round(2)?);
    drop(collector);
    let served = Request::get("api.example.com", "/faas/orders/1").send(gateway.address())?.status;
    ensure!(served == 200, "without its collector, the gateway answers {served}");
    gateway.eventually("the JSON log has a line for each request", || {
        Ok(gateway.log().lines().filter(|line| line.starts_with('{')).count() >= 6)
    })?;
    let of_the_pod = |samples: Vec<Sample>| -> Vec<Sample> {
        let labels = "{namespace=\"istio-system\",pod=\"collector\",";
        samples.into_iter().map(|(name, value)| (name.replacen('{', labels, 1), value)).collect()
    };
    let series = repeated(&of_the_pod(first), &of_the_pod(second))?;
    let errors = ["KsvcRouterRouteErrors", "istio-system", "GET /broken/{id}"];
    test_rules(env, series, ["namespace", "request_operation"], &[(8, &[]), (16, &[errors])])
}

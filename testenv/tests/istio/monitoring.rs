//! The files of `monitoring/`. The rules are tested by promtool, with series made from the metrics that real gateways
//! exposed in several states. The dashboard is read by Grafana's own types, and a real Prometheus evaluates its queries.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testenv::http1::Request;
use testenv::istio::IngressGateway;
use testenv::{metrics, page, repository, yaml};

use crate::chart::{Outcome, outcome};
use crate::common::{orders_table, table};
use crate::dashboard::{self, Series};
use crate::prometheus::{Prometheus, RULES, Sample, changed, istio_metrics, repeated, serve_istio_metrics, test_rules};
use crate::{Env, fail_strategy, tests, wasm_plugin};

tests! {
    the_alerts_fire_on_a_real_gateways_metrics,
    the_alerts_of_routes_fire_on_series_of_istios_form,
    grafana_reads_the_dashboard_strictly,
    each_query_of_the_dashboard_has_a_value_in_a_real_prometheus,
    istiod_gives_the_metrics_of_the_gateway_the_label_of_the_route,
    prometheus_accepts_the_configuration_of_the_documentation,
}

const DASHBOARD: &str = "monitoring/grafana-dashboard.json";
const API: &str = "api.example.com";
const ABOUT_THE_PICTURE: &str = "Drawn from monitoring/grafana-dashboard.json, with the values that a real Prometheus gave \
    for its queries after five minutes of requests to two test gateways. The series of the routes are those of a fixture. \
    It is not a screenshot of Grafana.";
const UPDATE_THE_PICTURE: &str = "docs/monitoring/dashboard.svg does not show the panels of the dashboard: draw it again \
    with `UPDATE_DOCS=1 cargo xtask test --istio monitoring::each_query`";
const ORDERS: &str = "orders.shop.example.com";

/// Returns the samples of a page of metrics that the rules use, each with the labels of the pod that Prometheus adds.
fn samples(page: &str, namespace: &str, pod: &str) -> Result<Vec<Sample>> {
    let is_used = |name: &str| {
        name.starts_with("ksvc_router_")
            || name.starts_with("envoy_listener_manager_lds_update_rejected{")
            || name.contains("_vm_reload_success{")
    };
    let used = metrics::samples(page).filter(|(name, _)| is_used(name));
    let labels = format!("{{namespace=\"{namespace}\",pod=\"{pod}\",");
    used.map(|(name, value)| Ok((name.replacen('{', &labels, 1), value.parse()?))).collect()
}

/// Sends requests whose response must have this status.
fn send(gateway: &IngressGateway, method: &str, path: &str, status: u16, times: usize) -> Result<()> {
    (0..times).try_for_each(|_| {
        let got = Request::new(method, API, path).send(gateway.address())?.status;
        ensure!(got == status, "{method} {path}: {got}");
        Ok(())
    })
}

/// What Prometheus itself makes of the rules and of what gateways export in several states.
fn the_alerts_fire_on_a_real_gateways_metrics(env: &Env) -> Result<()> {
    let mut all = bad_tables(env)?;
    all.extend(crash_and_refusal(env)?);
    let degraded = ["KsvcRouterConfigDegraded", "bad-tables", "bad"];
    let differ = ["KsvcRouterPodsDiffer", "bad-tables", ""];
    let events = [
        degraded,
        differ,
        ["KsvcRouterConfigRejected", "bad-tables", "bad"],
        ["KsvcRouterBrokenRoute", "bad-tables", "bad"],
        ["KsvcRouterCrashed", "crash", "gateway"],
        ["IstioListenerRefused", "refusal", "gateway"],
    ];
    let lasting = [
        degraded,
        differ,
        ["KsvcRouterNotFoundShare", "unknown-paths", ""],
        ["KsvcRouterMethodNotAllowedShare", "wrong-methods", ""],
    ];
    // Five minutes after minute 5, pods have differed long enough. At minute 22, the counters of the events have not
    // changed for ten minutes.
    test_rules(env, all, ["namespace", "pod"], &[(4, &[degraded]), (12, &events), (22, &lasting)])
}

/// Returns the series of two pods of one namespace: `bad` gets a second bad table, and a request for a broken route, and
/// `good` serves a good table all the time. With them are the series of pods that serve a good table, each in a namespace
/// of its own, with the traffic that the namespace is named after.
fn bad_tables(env: &Env) -> Result<Vec<Value>> {
    let half_good = |service: &str| {
        table(json!([
            {"match": "GET /orders/{id}", "service": service},
            {"match": "GET /broken/{id}", "service": "orders", "rewritePath": "/{unknown}"},
        ]))
    };
    let gateway = env.gateway("alerts", &[ORDERS])?;
    let apply = |table: &Value| gateway.apply_plugin(&wasm_plugin(&gateway, table)?);
    let scrape = |namespace: &str, pod: &str| samples(&gateway.admin_get("/stats/prometheus")?, namespace, pod);
    let metric = |name: &str| {
        let value = gateway.metric(&format!("ksvc_router_{name}{{wasm_filter=\"default\"}}"))?;
        value.with_context(|| format!("no metric {name}"))
    };
    let own = |samples: Vec<Sample>| -> Vec<Sample> {
        samples.into_iter().filter(|(name, _)| name.starts_with("ksvc_router_")).collect()
    };
    // The first table has an error, so its other route is served, and requests of the broken one get 503.
    apply(&half_good("orders"))?;
    gateway.eventually("the first table is rejected", || {
        Ok(gateway.metric("ksvc_router_config_rejected{wasm_filter=\"default\"}")? == Some(1))
    })?;
    let before = own(scrape("bad-tables", "bad")?);
    ensure!(before.len() >= 13, "{before:?}");
    send(&gateway, "GET", "/faas/broken/1", 503, 1)?;
    apply(&half_good("others"))?;
    gateway
        .eventually("everything is counted", || Ok(metric("config_rejected")? == 2 && metric("broken_route")? == 1))?;
    let mut all = changed(&before, &own(scrape("bad-tables", "bad")?))?;
    apply(&orders_table("orders"))?;
    gateway.eventually("the good table is served", || Ok(metric("config_degraded")? == 0))?;
    let good = own(scrape("bad-tables", "good")?);
    all.extend(changed(&good, &good)?);

    // Good requests, requests to unknown paths, and requests with a wrong method.
    let traffic =
        [("usual-errors", 18, 1, 1), ("unknown-paths", 6, 4, 0), ("wrong-methods", 8, 0, 2), ("idle", 0, 0, 0)];
    for (namespace, routed, not_found, method_not_allowed) in traffic {
        let counts =
            || -> Result<[u64; 3]> { Ok([metric("routed")?, metric("not_found")?, metric("method_not_allowed")?]) };
        let [r, n, m] = counts()?;
        let before = own(scrape(namespace, "gateway")?);
        send(&gateway, "GET", "/faas/orders/1", 200, routed)?;
        send(&gateway, "GET", "/faas/nothing", 404, not_found)?;
        send(&gateway, "DELETE", "/faas/orders/1", 405, method_not_allowed)?;
        let expected = [r + routed as u64, n + not_found as u64, m + method_not_allowed as u64];
        gateway.eventually("every request is counted", || Ok(counts()? == expected))?;
        all.extend(repeated(&before, &own(scrape(namespace, "gateway")?))?);
    }
    // A single request to an unknown path is the whole traffic: too little for an alert about shares.
    let before = own(scrape("one-request", "gateway")?);
    let counted = metric("not_found")?;
    send(&gateway, "GET", "/faas/nothing", 404, 1)?;
    gateway.eventually("the request is counted", || Ok(metric("not_found")? == counted + 1))?;
    all.extend(changed(&before, &own(scrape("one-request", "gateway")?))?);
    Ok(all)
}

/// Returns the series of a pod in which the filter crashes, and of one in which Envoy refuses a listener.
fn crash_and_refusal(env: &Env) -> Result<Vec<Value>> {
    let (gateway, mut plugin) = fail_strategy::start(env, "alerts-crash", Some("FAIL_RELOAD"))?;
    let scrape = |namespace: &str| samples(&gateway.admin_get("/stats/prometheus")?, namespace, "gateway");
    let reloads = || -> Result<i64> {
        let reloads = scrape("crash")?.into_iter().filter(|(name, _)| name.contains("ksvc_router"));
        Ok(reloads.map(|(_, value)| value).sum())
    };
    // Envoy restarts a filter at the next request if it has run for a second.
    thread::sleep(Duration::from_secs(2));
    let (before, reloaded) = (scrape("crash")?, reloads()?);
    fail_strategy::send(&gateway, 0, true)?;
    gateway.eventually("the filter was restarted", || {
        fail_strategy::send(&gateway, 0, false)?;
        Ok(reloads()? > reloaded)
    })?;
    let mut all = changed(&before, &scrape("crash")?)?;
    let before = scrape("refusal")?;
    plugin["spec"]["url"] = "file:///nowhere/plugin.wasm".into();
    env.plane.cluster().apply(&[plugin])?;
    fail_strategy::policies_are_void(env, &gateway, "Invalid path: /nowhere/plugin.wasm")?;
    all.extend(changed(&before, &scrape("refusal")?)?);
    Ok(all)
}

/// The fixture has a route with 3 % of errors, one with 10 %, a slow one, one with a single request a minute, requests of
/// no route, and what another proxy reports about the same requests.
fn the_alerts_of_routes_fire_on_series_of_istios_form(env: &Env) -> Result<()> {
    let series = istio_metrics()?.into_iter();
    let series = series.map(|(name, value)| {
        let name = name.replacen('{', "{namespace=\"istio-system\",pod=\"gateway\",", 1);
        json!({"series": name, "values": format!("0+{value}x26")})
    });
    let errors = ["KsvcRouterRouteErrors", "istio-system", "POST /payments"];
    let latency = ["KsvcRouterRouteLatency", "istio-system", "GET /reports/{year}"];
    let firing: [(u32, &[[&str; 3]]); 3] = [(8, &[]), (13, &[errors]), (22, &[errors, latency])];
    test_rules(env, series.collect(), ["namespace", "request_operation"], &firing)
}

fn grafana_reads_the_dashboard_strictly(env: &Env) -> Result<()> {
    let read = |file: &std::path::Path| outcome(Command::new(env.packaging.read_dashboard()).arg(file));
    let Outcome { success, err, .. } = read(&repository().join(DASHBOARD))?;
    ensure!(success, "{err}");
    // The reader is strict, in the queries of panels too.
    let folder = tempfile::tempdir()?;
    let wrong = folder.path().join("wrong.json");
    for (key, instead) in [("\"gridPos\"", "\"gridPoss\""), ("\"legendFormat\"", "\"legend\"")] {
        fs::write(&wrong, fs::read_to_string(repository().join(DASHBOARD))?.replace(key, instead))?;
        let Outcome { success, err, .. } = read(&wrong)?;
        ensure!(!success && err.contains(&instead.replace('"', "'")), "{instead}: {err}");
    }
    Ok(())
}

/// Two gateways of one namespace: one with a bad table, and one with a good one. Requests get each of the filter's
/// decisions, and both tables are edited, while Prometheus reads both gateways. Istio's own metrics come from the fixture.
fn each_query_of_the_dashboard_has_a_value_in_a_real_prometheus(env: &Env) -> Result<()> {
    let (bad, good) = (env.gateway("dashboard-bad", &[ORDERS])?, env.gateway("dashboard-good", &[ORDERS])?);
    let apply = |gateway: &IngressGateway, table: &Value| gateway.apply_plugin(&wasm_plugin(gateway, table)?);
    let broken = |service: &str| {
        table(json!([
            {"match": "GET /orders/{id}", "service": service},
            {"match": "GET /broken/{id}", "service": service, "rewritePath": "/{unknown}"},
        ]))
    };
    let whole = |ping: &str| {
        let mut whole = table(json!([
            {"match": "GET /orders/{id}", "service": "orders"},
            {"match": "GET /ping", "respond": {"status": 200, "body": ping}},
        ]));
        whole["cors"] = json!({"allowOrigins": ["https://www.example.com"]});
        whole["denyDirect"] = true.into();
        whole
    };
    apply(&bad, &broken("orders"))?;
    apply(&good, &whole("one"))?;
    let istio = serve_istio_metrics()?;
    let pages = [("bad", bad.metrics_address()), ("good", good.metrics_address()), ("istio-fixture", istio.address())];
    let prometheus = Prometheus::start(&pages)?;
    good.eventually("Prometheus has read each page twice", || {
        Ok(prometheus.query("min_over_time(up[1m]) == 1 and count_over_time(up[1m]) >= 2")?.len() == pages.len())
    })?;
    send(&bad, "GET", "/faas/broken/1", 503, 5)?;
    send(&good, "GET", "/faas/orders/1", 200, 20)?;
    send(&good, "GET", "/faas/ping", 200, 3)?;
    send(&good, "GET", "/faas/nothing", 404, 8)?;
    send(&good, "DELETE", "/faas/orders/1", 405, 4)?;
    send(&good, "GET", "/faas/orders/..%2f1", 400, 2)?;
    let preflight = Request::new("OPTIONS", API, "/faas/orders/1").header("origin", "https://www.example.com");
    let preflight = preflight.header("access-control-request-method", "GET").send(good.address())?.status;
    let direct = Request::get(ORDERS, "/").send(good.address())?.status;
    ensure!((preflight, direct) == (204, 404), "{preflight} {direct}");
    apply(&bad, &broken("others"))?;
    apply(&good, &whole("two"))?;

    let dashboard: Value = serde_json::from_str(&fs::read_to_string(repository().join(DASHBOARD))?)?;
    let panels = dashboard["panels"].as_array().context("panels")?;
    let mut values = String::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().context("a title")?;
        for target in panel["targets"].as_array().context("targets")? {
            let written = target["expr"].as_str().context("a query")?;
            // Grafana replaces these variables before it sends a query.
            let query = written.replace("$namespace", ".*").replace("$__rate_interval", "2m");
            ensure!(!query.contains('$'), "{title}: {query} has an unknown variable");
            let mut results = Vec::new();
            let described = format!("{title}: {query} has a value above 0");
            good.eventually(&described, || {
                results = prometheus.query(&query)?;
                // Until there are enough samples, a quantile or a share can be NaN.
                let are_finite = results.iter().all(|(_, value)| value.is_finite());
                Ok(are_finite && results.iter().any(|(_, value)| *value > 0.0))
            })?;
            let results = results.iter().map(|(labels, value)| format!("{labels} {value:.4}"));
            writeln!(values, "| {title} | `{written}` | {} |", results.collect::<Vec<_>>().join("; "))?;
        }
    }
    println!("{values}");
    let times = if std::env::var_os("UPDATE_DOCS").is_some() {
        five_minutes(&bad, &good, |n| apply(&bad, &broken(n)).map(drop), |n| apply(&good, &whole(n)).map(drop))?
    } else {
        let now = now()?;
        (now - 20.0, now)
    };
    the_picture_shows_the_dashboard(&prometheus, &dashboard, times)
}

/// Returns the seconds since 1970.
fn now() -> Result<f64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}

/// Sends requests for five minutes, more and fewer, and edits both tables. Returns the times of the beginning and the end.
fn five_minutes(
    bad: &IngressGateway,
    good: &IngressGateway,
    edit_bad: impl Fn(&str) -> Result<()>,
    edit_good: impl Fn(&str) -> Result<()>,
) -> Result<(f64, f64)> {
    let (from, begun) = (now()?, Instant::now());
    for second in 0..300_u16 {
        // The number of requests in this second, which rises and falls in this many seconds.
        let wave = |period: f64, least: f64, most: f64| {
            let height = (1.0 - (f64::from(second) * std::f64::consts::TAU / period).cos()) / 2.0;
            (least + (most - least) * height).round() as usize
        };
        let at_times = |every: u16| usize::from(second.is_multiple_of(every));
        // For a minute, a client calls paths that do not exist.
        let unknown = if (130..190).contains(&second) { 6 } else { at_times(2) };
        send(good, "GET", "/faas/orders/1", 200, wave(140.0, 8.0, 20.0))?;
        send(good, "GET", "/faas/ping", 200, wave(100.0, 1.0, 4.0))?;
        send(good, "GET", "/faas/nothing", 404, unknown)?;
        send(good, "DELETE", "/faas/orders/1", 405, wave(90.0, 0.0, 2.0))?;
        send(good, "GET", "/faas/orders/..%2f1", 400, at_times(5))?;
        send(bad, "GET", "/faas/broken/1", 503, wave(120.0, 0.0, 3.0))?;
        match second {
            45 | 150 | 240 => edit_good(&second.to_string())?,
            90 | 200 => edit_bad(&format!("orders-{second}"))?,
            _ => {}
        }
        thread::sleep(Duration::from_secs(u64::from(second) + 1).saturating_sub(begun.elapsed()));
    }
    // The first values still look back to the time before.
    Ok((from + 20.0, from + 300.0))
}

/// Draws the dashboard with what Prometheus has at these times. With the variable UPDATE_DOCS, this becomes the picture of
/// the documentation, and without it, the picture there must have the same panels.
fn the_picture_shows_the_dashboard(prometheus: &Prometheus, dashboard: &Value, times: (f64, f64)) -> Result<()> {
    let results = |panel: &Value| {
        let targets = panel["targets"].as_array().context("targets")?.iter().map(|target| {
            let written = target["expr"].as_str().context("a query")?;
            let query = written.replace("$namespace", ".*").replace("$__rate_interval", "15s");
            if target["instant"] == true {
                let results = prometheus.query(&query)?.into_iter();
                return Ok(results.map(|(labels, value)| Series { labels, points: vec![(times.1, value)] }).collect());
            }
            prometheus.query_range(&query, times)
        });
        targets.collect()
    };
    let drawn = dashboard::draw(dashboard, ABOUT_THE_PICTURE, times, &results)?;
    let picture = repository().join("docs/monitoring/dashboard.svg");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(picture.parent().context("a folder")?)?;
        return Ok(fs::write(picture, drawn)?);
    }
    let kept = fs::read_to_string(&picture)?;
    let frames = |svg: &str| -> Vec<String> {
        svg.lines().filter(|line| line.starts_with("<rect") && line.contains("#DDDEE0")).map(str::to_owned).collect()
    };
    let frames_of_kept = frames(&kept);
    ensure!(!frames_of_kept.is_empty() && frames_of_kept == frames(&drawn), "{UPDATE_THE_PICTURE}");
    for panel in dashboard["panels"].as_array().context("panels")? {
        let title = panel["title"].as_str().context("a title")?;
        let is_in = |svg: &str| svg.lines().any(|line| line == title);
        ensure!(is_in(&kept) && is_in(&drawn), "no panel {title:?}; {UPDATE_THE_PICTURE}");
    }
    Ok(())
}

/// What istiod sends to the gateway. Envoy refuses it here, because upstream Envoy does not have Istio's filter.
fn istiod_gives_the_metrics_of_the_gateway_the_label_of_the_route(env: &Env) -> Result<()> {
    let namespace = "telemetry";
    let gateway = env.gateway(namespace, &[ORDERS])?;
    let sent = || -> Result<BTreeSet<String>> {
        let dump = env.plane.istiod_get(&format!("/debug/config_dump?proxyID={namespace}-gateway.{namespace}"))?;
        let mut metrics = BTreeSet::new();
        labelled(&serde_json::from_str(&dump)?, &mut metrics);
        Ok(metrics)
    };
    ensure!(sent()?.is_empty());
    let mut telemetry = yaml::read(&repository().join("monitoring/telemetry.yaml"))?;
    telemetry["metadata"]["namespace"] = namespace.into();
    env.plane.cluster().apply(&[telemetry])?;
    let expected =
        BTreeSet::from(["requests_total", "request_duration_milliseconds", "request_bytes"].map(str::to_owned));
    gateway.eventually("istiod has the labels of all three metrics", || Ok(sent()? == expected))
}

/// The form is checked. Whether the labels are right depends on what Kubernetes says about a pod.
fn prometheus_accepts_the_configuration_of_the_documentation(env: &Env) -> Result<()> {
    let page = fs::read_to_string(repository().join("docs/monitoring.md"))?;
    let configuration = page::block(&page, "## Installation", "yaml")?;
    let folder = tempfile::tempdir()?;
    fs::copy(repository().join(RULES), folder.path().join("prometheus-rules.yaml"))?;
    fs::write(folder.path().join("prometheus.yml"), configuration)?;
    let mut promtool = Command::new(env.packaging.promtool());
    promtool.args(["check", "config", "prometheus.yml"]).current_dir(folder.path());
    let Outcome { success, out, err } = outcome(&mut promtool)?;
    ensure!(success && out.contains("1 rule files found"), "{out}{err}");
    Ok(())
}

/// Collects the names of the metrics whose label is the route.
fn labelled(value: &Value, metrics: &mut BTreeSet<String>) {
    if value["dimensions"]["request_operation"] == "filter_state['wasm.ksvc_router.route']" {
        metrics.extend(value["name"].as_str().map(str::to_owned));
    }
    match value {
        Value::Object(keys) => keys.values().for_each(|value| labelled(value, metrics)),
        Value::Array(elements) => elements.iter().for_each(|value| labelled(value, metrics)),
        _ => {}
    }
}

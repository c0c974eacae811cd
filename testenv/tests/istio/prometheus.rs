//! The rules of `monitoring/` under promtool, a real Prometheus on loopback, and the fixture of Istio's own metrics, which
//! upstream Envoy does not have.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use testenv::http1::{Request, query_value};
use testenv::listener::Listener;
use testenv::process::{Running, find_on_path, free_ports};
use testenv::{metrics, repository};

use crate::Env;
use crate::chart::{Outcome, outcome};
use crate::dashboard::Series;

pub(crate) const RULES: &str = "monitoring/prometheus-rules.yaml";

/// The sample of a series: its name and labels, and its value.
pub(crate) type Sample = (String, i64);

/// Returns a series that has the samples of `before` for five minutes, and then those of `after`, which are the same
/// metrics. There is a sample each minute.
pub(crate) fn changed(before: &[Sample], after: &[Sample]) -> Result<Vec<Value>> {
    series(before, after, |before, after| format!("{before}x5 {after}x20"))
}

/// Returns a series that changes each minute as much as from `before` to `after`.
pub(crate) fn repeated(before: &[Sample], after: &[Sample]) -> Result<Vec<Value>> {
    series(before, after, |before, after| format!("{before}{:+}x26", after - before))
}

fn series(before: &[Sample], after: &[Sample], values: impl Fn(i64, i64) -> String) -> Result<Vec<Value>> {
    ensure!(before.len() == after.len() && !before.is_empty(), "{before:?} is followed by {after:?}");
    let pairs = before.iter().zip(after).map(|((series, before), (same, after))| {
        ensure!(series == same, "{series} is followed by {same}");
        Ok(json!({"series": series, "values": values(*before, *after)}))
    });
    pairs.collect()
}

/// Runs the rules with these series, and checks the alerts that fire in some minutes. Each alert is given with its values
/// for the labels `by`. An empty value stands for a label that the alert does not have.
pub(crate) fn test_rules(env: &Env, series: Vec<Value>, by: [&str; 2], firing: &[(u32, &[[&str; 3]])]) -> Result<()> {
    let firing: Vec<Value> = firing
        .iter()
        .map(|(minute, alerts)| {
            let samples = alerts.iter().map(|[alert, first, second]| {
                let labels = by.iter().zip([first, second]).filter(|(_, value)| !value.is_empty());
                let labels: String = labels.map(|(label, value)| format!(",{label}=\"{value}\"")).collect();
                json!({"labels": format!("{{alertname=\"{alert}\"{labels}}}"), "value": 1})
            });
            json!({
                "expr": format!("count by (alertname, {}) (ALERTS{{alertstate=\"firing\"}})", by.join(", ")),
                "eval_time": format!("{minute}m"),
                "exp_samples": samples.collect::<Vec<_>>(),
            })
        })
        .collect();
    let test = json!({
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "promql_expr_test": firing}],
    });
    let folder = tempfile::tempdir()?;
    fs::copy(repository().join(RULES), folder.path().join("rules.yaml"))?;
    fs::write(folder.path().join("test.json"), test.to_string())?;
    for arguments in [["check", "rules", "rules.yaml"], ["test", "rules", "test.json"]] {
        let mut promtool = Command::new(env.packaging.promtool());
        let Outcome { success, out, err } = outcome(promtool.args(arguments).current_dir(folder.path()))?;
        ensure!(success, "promtool {arguments:?}: {out}{err}");
    }
    Ok(())
}

/// Istio's own metrics, which upstream Envoy does not have: name, labels, and what each minute adds.
pub(crate) fn istio_metrics() -> Result<Vec<(String, i64)>> {
    let page = fs::read_to_string(repository().join("testenv/prometheus/istio-metrics-fixture.txt"))?;
    metrics::samples(&page).map(|(name, value)| Ok((name.to_owned(), value.parse()?))).collect()
}

/// Serves the fixture of Istio's metrics. Each reading adds a minute's values.
pub(crate) fn serve_istio_metrics() -> Result<Listener> {
    let metrics = istio_metrics()?;
    let mut readings = 0;
    Listener::start(move |mut connection| {
        let mut page = String::new();
        for (name, each) in &metrics {
            let _ = writeln!(page, "{name} {:.3}", *each as f64 * waves(name, readings));
        }
        readings += 1;
        // The request is short, so one reading has at least its beginning.
        let _ = connection.read(&mut [0; 4096]);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\nconnection: close\r\n";
        let _ = write!(connection, "{head}content-length: {}\r\n\r\n{page}", page.len());
    })
}

/// Returns the sum of the increases of a counter up to a reading. Each is one on average. They rise and fall with time,
/// in another phase for each route.
fn waves(name: &str, reading: usize) -> f64 {
    let (_, route) = name.split_once("request_operation=\"").unwrap_or_default();
    let phase = route.bytes().take_while(|byte| *byte != b'"').map(f64::from).sum::<f64>();
    let time = reading as f64;
    time + 7.0 * ((time / 14.0 + phase).sin() - phase.sin())
}

/// A real Prometheus on loopback, which ends when this is dropped.
pub(crate) struct Prometheus {
    address: SocketAddr,
    _process: Running,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// Starts Prometheus with the rules and these pages, each with the name of its pod.
    pub(crate) fn start(pages: &[(&str, SocketAddr)]) -> Result<Self> {
        let program = find_on_path("prometheus").context(
            "there is no `prometheus` on PATH; install it, on Debian and Ubuntu with `apt-get install prometheus`",
        )?;
        let folder = tempfile::tempdir()?;
        let targets = pages.iter().map(|(pod, address)| {
            json!({"targets": [address.to_string()], "labels": {"namespace": "istio-system", "pod": pod}})
        });
        let configuration = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [repository().join(RULES)],
            "scrape_configs": [{
                "job_name": "gateways",
                "metrics_path": "/stats/prometheus",
                "static_configs": targets.collect::<Vec<_>>(),
            }],
        });
        let file = folder.path().join("prometheus.json");
        fs::write(&file, configuration.to_string())?;
        let [port] = free_ports()?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", file.display())).arg(format!("--web.listen-address={address}"));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        let process = Running::start("prometheus", &mut command, &folder.path().join("prometheus.log"), None)?;
        let ready = || Ok(Request::get("prometheus", "/-/ready").send(address).is_ok_and(|page| page.status == 200));
        process.await_ready(Duration::from_secs(60), ready)?;
        Ok(Self { address, _process: process, _folder: folder })
    }

    /// Returns the labels and values of a query's result.
    pub(crate) fn query(&self, query: &str) -> Result<Vec<(Value, f64)>> {
        let results = self.get("query", query, "")?;
        results.into_iter().map(|result| Ok((result["metric"].clone(), sample(&result["value"])?.1))).collect()
    }

    /// Returns the series of a query's result between two times, with a value every two seconds.
    pub(crate) fn query_range(&self, query: &str, (from, to): (f64, f64)) -> Result<Vec<Series>> {
        let results = self.get("query_range", query, &format!("&start={from:.3}&end={to:.3}&step=2"))?;
        let series = results.into_iter().map(|result| {
            let samples = result["values"].as_array().context("values")?;
            let points = samples.iter().map(sample).collect::<Result<_>>()?;
            Ok(Series { labels: result["metric"].clone(), points })
        });
        series.collect()
    }

    /// Returns the results of a query from an endpoint of the API.
    fn get(&self, endpoint: &str, query: &str, more: &str) -> Result<Vec<Value>> {
        let path = format!("/api/v1/{endpoint}?query={}{more}", query_value(query));
        let response = Request::get("prometheus", path).send(self.address)?;
        ensure!(response.status == 200, "{query}: {}", response.text());
        let mut answer: Value = serde_json::from_slice(&response.body)?;
        let Value::Array(results) = answer["data"]["result"].take() else { bail!("{query}: {answer}") };
        Ok(results)
    }
}

/// Returns the time and the value of a sample.
fn sample(sample: &Value) -> Result<(f64, f64)> {
    let value = sample[1].as_str().context("a value")?.parse()?;
    Ok((sample[0].as_f64().context("a time")?, value))
}

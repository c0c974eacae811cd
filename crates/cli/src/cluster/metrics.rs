//! Reads the metrics of this filter in the page that Prometheus gets from a gateway.
//!
//! `parse` is own code: the page has one metric a line, and three of them are wanted.

use std::collections::BTreeMap;

use serde_json::Value;

use super::connect::{ClusterError, Connection, PATIENCE, reason, use_ring};
use super::objects::{name, namespace};
use super::read;

/// The page, and the part of it that is wanted.
const PAGE: &str = "stats/prometheus?filter=ksvc_router";

/// The port of a gateway's pod on which Prometheus reads the metrics.
const PORT: u16 = 15090;

/// What the gauges of a gateway say about one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gauges {
    /// The hash of the configuration that is served: its low 48 bits.
    pub hash: u64,
    /// Whether the newest configuration is bad.
    pub is_degraded: bool,
}

/// Returns the gauges by the name of the table.
///
/// With Istio's bootstrap, the name of the table is a label: `ksvc_router_config_hash{wasm_filter="shop"} 1`. Otherwise it
/// is a part of the metric's name: `envoy_wasmcustom_wasm_filter_shop_ksvc_router_config_hash{} 1`.
pub fn parse(page: &str) -> BTreeMap<String, Gauges> {
    let mut tables: BTreeMap<String, Gauges> = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let Some((metric, value)) = line.rsplit_once(' ') else { continue };
        let (name, labels) = metric.split_once('{').unwrap_or((metric, ""));
        let Some((before, gauge)) = name.split_once("ksvc_router_") else { continue };
        let label = labels.split("wasm_filter=\"").nth(1).and_then(|rest| rest.split('"').next());
        let in_name = || before.split_once("wasm_filter_").map(|(_, name)| name.trim_end_matches('_'));
        let Some(table) = label.or_else(in_name) else { continue };
        let Ok(value) = value.parse::<f64>() else { continue };
        let is_of_table = matches!(gauge, "config_hash" | "config_degraded");
        if is_of_table {
            let gauges = tables.entry(table.to_owned()).or_default();
            match gauge {
                // The gauge has at most 48 bits, which a float holds exactly.
                "config_hash" => gauges.hash = value as u64,
                _ => gauges.is_degraded = value > 0.0,
            }
        }
    }
    tables
}

/// Returns a table's name as a metric's name has it: all but letters, digits and `_` become `_`.
pub fn as_metric(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Returns the path in the API server at which it fetches a page from a pod.
pub fn pod_path(pod: &Value) -> String {
    format!("/api/v1/namespaces/{}/pods/{}:{PORT}/proxy/{PAGE}", namespace(pod), name(pod))
}

/// Reads the gauges of a pod through the API server. The inner error says why the pod can't be asked.
pub async fn from_pod(
    connection: &Connection,
    pod: &Value,
) -> Result<Result<BTreeMap<String, Gauges>, String>, ClusterError> {
    Ok(match read::get(connection, &pod_path(pod)).await? {
        Ok(page) => Ok(parse(&page)),
        Err((403, _)) => Err("the user may not `get` the resource `pods/proxy` (403)".to_owned()),
        Err((_, message)) => Err(message),
    })
}

/// Reads the gauges of a gateway at a URL: that of Envoy's admin interface, or of the port for Prometheus.
pub async fn from_url(url: &str) -> Result<BTreeMap<String, Gauges>, String> {
    use_ring();
    let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let root = with_scheme.trim_end_matches('/').trim_end_matches("/stats/prometheus");
    let client = reqwest::Client::builder().connect_timeout(PATIENCE).timeout(PATIENCE).build();
    let client = client.map_err(|error| reason(&error))?;
    let response = client.get(format!("{root}/{PAGE}")).send().await.map_err(|error| reason(&error))?;
    let status = response.status();
    let page = response.text().await.map_err(|error| reason(&error))?;
    if !status.is_success() {
        return Err(format!("{root}/{PAGE} answers {}; write the URL of Envoy's admin interface", status.as_u16()));
    }
    Ok(parse(&page))
}

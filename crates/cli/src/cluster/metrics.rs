//! Reads the metrics of this filter in the page that Prometheus gets from a gateway.
//!
//! `parse` is own code: the page has one metric a line, and three of them are wanted.

use std::collections::BTreeMap;

use serde_json::Value;

use reqwest::Url;

use super::connect::{ClusterError, Connection, PATIENCE, reason, use_ring, without_user};
use super::objects::{name, namespace};
use super::read;
use crate::percent::component;

/// The page, and the part of it that is wanted.
const PAGE: &str = "stats/prometheus";
const QUERY: &str = "filter=ksvc_router";

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
    format!(
        "/api/v1/namespaces/{}/pods/{}:{PORT}/proxy/{PAGE}?{QUERY}",
        component(namespace(pod)),
        component(name(pod))
    )
}

/// Reads the gauges of a pod through the API server. The inner error says why the pod can't be asked.
pub async fn from_pod(
    connection: &Connection,
    pod: &Value,
) -> Result<Result<BTreeMap<String, Gauges>, String>, ClusterError> {
    Ok(match read::get(connection, &pod_path(pod)).await? {
        Ok(page) => read_page(&page).ok_or_else(|| format!("the page at port {PORT} has no metrics of Envoy")),
        Err((403, _)) => Err("the user may not `get` the resource `pods/proxy` (403)".to_owned()),
        Err((_, message)) => Err(message),
    })
}

/// A gateway outside a cluster, by the URL of its metrics.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// The URL as the user wrote it, without a user and a password.
    pub shown: String,
    page: Url,
}

/// Reads the URL of a gateway: that of Envoy's admin interface, or of the page with its metrics. The scheme `http://` may
/// be left out.
pub fn gateway(text: &str) -> Result<Gateway, String> {
    let shown = without_user(text);
    // Where the password ends is not known in a URL that can't be parsed.
    let tail = shown.rsplit('@').next().unwrap_or_default().to_owned();
    let wrong =
        |why: &str| format!("`{tail}` is not the URL of a gateway: {why}; write for example `http://127.0.0.1:15000`");
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut page = Url::parse(&with_scheme).map_err(|error| wrong(&error.to_string()))?;
    if !matches!(page.scheme(), "http" | "https") {
        return Err(wrong("the scheme must be `http` or `https`"));
    }
    let root = page.path().trim_end_matches('/');
    let path = format!("{}/{PAGE}", root.strip_suffix(&format!("/{PAGE}")).unwrap_or(root));
    page.set_path(&path);
    page.set_query(Some(QUERY));
    page.set_fragment(None);
    Ok(Gateway { shown, page })
}

/// Reads the gauges of a gateway at a URL.
pub async fn from_url(gateway: &Gateway) -> Result<BTreeMap<String, Gauges>, String> {
    use_ring();
    let failed = |error: reqwest::Error| reason(&error.without_url());
    let client = reqwest::Client::builder().connect_timeout(PATIENCE).timeout(PATIENCE).build().map_err(failed)?;
    let response = client.get(gateway.page.clone()).send().await.map_err(failed)?;
    let status = response.status();
    let body = response.text().await.map_err(failed)?;
    let advice = "write the URL of Envoy's admin interface";
    if !status.is_success() {
        return Err(format!("{} answers {}; {advice}", without_user(gateway.page.as_str()), status.as_u16()));
    }
    read_page(&body).ok_or_else(|| format!("this is not Envoy's admin interface: the page has no metrics; {advice}"))
}

/// Returns the gauges in a page of metrics; `None` for another page. The page of a gateway without the plugin is empty.
fn read_page(page: &str) -> Option<BTreeMap<String, Gauges>> {
    let is_metric = |line: &str| line.rsplit_once(' ').is_some_and(|(_, value)| value.parse::<f64>().is_ok());
    let mut lines = page.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.all(is_metric).then(|| parse(page))
}

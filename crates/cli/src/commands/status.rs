//! `status [FILE]`: prints which table each gateway serves, beside the tables of a file or of the cluster.

use std::collections::BTreeMap;
use std::path::Path;

use ksvc_router_cli::cluster::connect::connect;
use ksvc_router_cli::cluster::doctor::root_namespace;
use ksvc_router_cli::cluster::metrics::{self, Gauges};
use ksvc_router_cli::cluster::objects::{PLUGINS, POD, has_labels, is_running, namespace, path};
use ksvc_router_cli::cluster::plugins::{Manifests, Plugin};
use ksvc_router_cli::cluster::read::{Places, Reader, check_namespaces};
use ksvc_router_cli::cluster::status::{Expected, Row, as_json, as_text};
use ksvc_router_cli::configuration::Configuration;
use ksvc_router_cli::load::load_tables;
use serde_json::Value;

use super::doctor::check_namespace_options;
use super::{CallError, Report, access, block_on, pretty, refuse};
use ksvc_router_cli::args::{ClusterArgs, Format};

pub(super) fn run(
    file: Option<&Path>,
    cluster: &ClusterArgs,
    labels: Option<Vec<(String, String)>>,
    admin: &[String],
    format: Format,
) -> Result<Report, CallError> {
    let tables = match file.map(|file| load_tables(&[file.to_owned()])).transpose()? {
        Some(Err(messages)) => return Ok(refuse(&messages, format)),
        Some(Ok(tables)) => Some(tables),
        None => None,
    };
    let (expected, rows) = match tables {
        Some(tables) if !admin.is_empty() => {
            let gateways = admin.iter().map(|url| metrics::gateway(url)).collect::<Result<Vec<_>, String>>();
            let gateways = gateways.map_err(|why| CallError::Status(format!("--admin: {why}")))?;
            block_on(ask_gateways(&tables, &gateways))?
        }
        tables => block_on(ask_pods(tables, cluster, labels))??,
    };
    let out = match format {
        Format::Text => as_text(&expected, &rows),
        _ => pretty(&as_json(&expected, &rows)),
    };
    Ok(Report { success: !rows.is_empty() && rows.iter().all(Row::is_current), out, ..Report::default() })
}

/// Asks the gateways at some URLs.
async fn ask_gateways(tables: &[Configuration], gateways: &[metrics::Gateway]) -> (Vec<Expected>, Vec<Row>) {
    let expected: Vec<Expected> = tables.iter().map(Expected::new).collect();
    let mut rows = Vec::new();
    for gateway in gateways {
        let gauges = metrics::from_url(gateway).await;
        let gauges = gauges.as_ref().map_err(String::as_str);
        rows.extend(expected.iter().map(|expected| Row::new(&gateway.shown, expected, gauges)));
    }
    (expected, rows)
}

/// Asks the pods that run the tables of a file, or those of the cluster.
async fn ask_pods(
    tables: Option<Vec<Configuration>>,
    cluster: &ClusterArgs,
    labels: Option<Vec<(String, String)>>,
) -> Result<(Vec<Expected>, Vec<Row>), CallError> {
    check_namespace_options(cluster)?;
    for table in tables.iter().flatten() {
        table.manifest.as_ref().map_or(Ok(()), |manifest| check_namespaces(&table.source, &manifest.document))?;
    }
    let connection = connect(&access(&cluster.access)).await?;
    let default_namespace = cluster.namespace.clone().unwrap_or(connection.namespace.clone());
    let mut reader = Reader::new(connection);
    let tables = match tables {
        Some(tables) => tables,
        None => {
            reader.read_plugins().await?;
            let manifests = Manifests::new(Vec::new(), &[], &reader.objects, &default_namespace);
            manifests.plugins().into_iter().map(|plugin| plugin.configuration).collect()
        }
    };
    if tables.is_empty() {
        let unread = PLUGINS.into_iter().find_map(|resource| reader.objects.unknown(resource));
        return Err(CallError::Status(match unread {
            Some(unread) => format!(
                "no table was found, but the {} could not be read: {}; name the file of the table",
                unread.resource.plural,
                unread.why.words()
            ),
            None => {
                "the cluster has no WasmPlugin, TrafficExtension or EnvoyFilter of this filter; name the file of the \
                     table"
                    .to_owned()
            }
        }));
    }
    let plugins: Vec<Option<Plugin>> = tables.iter().map(|table| Plugin::new(table, &default_namespace)).collect();
    if plugins.iter().any(Option::is_none) && labels.is_none() {
        return Err(CallError::Status(
            "this table is in no manifest, so the pods that serve it are not known; name their labels by `--selector`, \
             and their namespace by `--namespace`, or name a gateway by `--admin`"
                .to_owned(),
        ));
    }
    let places = Places { istio: cluster.istio_namespace.clone(), knative: String::new() };
    reader.read_mesh(&places).await?;
    let known: Vec<Plugin> = plugins.iter().flatten().cloned().collect();
    reader.read_pods(&known).await?;
    if let Some(labels) = &labels {
        reader.read_pods_with(&default_namespace, labels).await?;
    }
    if let Some(unread) = reader.objects.unknown(POD) {
        let why = unread.why.words();
        return Err(CallError::Status(format!(
            "the pods can't be read: {why}; ask for a role with the verb `list` on `pods` and `get` on `pods/proxy`, or name \
             a gateway by `--admin`"
        )));
    }
    let root = root_namespace(&reader.objects, &places.istio);
    let mut asked: BTreeMap<String, Result<BTreeMap<String, Gauges>, String>> = BTreeMap::new();
    let (mut all_expected, mut rows) = (Vec::new(), Vec::new());
    for (table, plugin) in tables.iter().zip(&plugins) {
        let expected = Expected::new(table);
        let pods: Vec<&Value> = match (plugin, &labels) {
            (Some(plugin), _) => plugin.pods(&reader.objects, &root),
            (None, Some(labels)) => reader
                .objects
                .of(POD)
                .filter(|pod| namespace(pod) == default_namespace && has_labels(pod, labels))
                .collect(),
            (None, None) => Vec::new(),
        };
        for pod in pods {
            let name = path(pod);
            if !asked.contains_key(&name) {
                let gauges = match is_running(pod) {
                    true => metrics::from_pod(&reader.connection, pod).await?,
                    false => Err("the pod does not run".to_owned()),
                };
                asked.insert(name.clone(), gauges);
            }
            let gauges = asked[&name].as_ref().map_err(String::as_str);
            rows.push(Row::new(&name, &expected, gauges));
        }
        all_expected.push(expected);
    }
    Ok((all_expected, rows))
}

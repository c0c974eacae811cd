//! What the Gateways among the files say of their ports.

use std::sync::Arc;

use crate::source::Source;
use crate::source::position::Span;
use crate::yaml::{Node, Value};

/// An Istio Gateway in one of the files.
#[derive(Debug, Clone)]
pub struct Gateway {
    pub source: Arc<Source>,
    pub name: String,
    pub(super) selector: Vec<(String, String)>,
    pub servers: Vec<Server>,
}

/// A port of a Gateway.
#[derive(Debug, Clone, Copy)]
pub struct Server {
    pub port: u64,
    /// Where plain HTTP is redirected to HTTPS.
    pub redirect: Option<Span>,
}

/// The port on which the gateway's pod listens, behind a port of its Service: Istio's and Knative's own
/// installations both map them so.
pub(crate) fn target_port(port: u64) -> u64 {
    match port {
        80 => 8080,
        443 => 8443,
        other => other,
    }
}

/// The Gateways of a document.
pub(crate) fn find(source: &Arc<Source>, document: &Node) -> Vec<Gateway> {
    let text = |key: &str| document.get(key).and_then(|value| value.text());
    match text("kind") {
        Some("List") => document
            .get("items")
            .map_or(&[][..], |items| items.items())
            .iter()
            .flat_map(|item| find(source, item))
            .collect(),
        // The Gateway API has another kind of that name, which redirects by routes.
        Some("Gateway") if text("apiVersion").is_some_and(|version| version.starts_with("networking.istio.io/")) => {
            let spec = document.get("spec");
            let servers = spec.and_then(|spec| spec.get("servers")).map_or(&[][..], |servers| servers.items());
            vec![Gateway {
                source: Arc::clone(source),
                name: path(document, &["metadata", "name"]).and_then(|name| name.text()).unwrap_or_default().to_owned(),
                selector: labels(spec.and_then(|spec| spec.get("selector"))),
                servers: servers.iter().filter_map(|server| Server::read(server)).collect(),
            }]
        }
        _ => Vec::new(),
    }
}

impl Server {
    fn read(server: &Node) -> Option<Self> {
        let redirect = path(server, &["tls", "httpsRedirect"]);
        Some(Self {
            port: number(path(server, &["port", "number"])?)?,
            redirect: redirect.filter(|value| matches!(value.value, Value::Bool(true))).map(|value| value.span),
        })
    }
}

/// The value at a path of keys.
pub(crate) fn path<'n>(node: &'n Node, keys: &[&str]) -> Option<&'n Arc<Node>> {
    let (first, rest) = keys.split_first()?;
    let value = node.get(first)?;
    if rest.is_empty() { Some(value) } else { path(value, rest) }
}

pub(crate) fn number(node: &Node) -> Option<u64> {
    match &node.value {
        Value::Number(number) => number.as_u64(),
        _ => None,
    }
}

pub(super) fn labels(node: Option<&Arc<Node>>) -> Vec<(String, String)> {
    let entries = node.map_or(&[][..], |node| node.entries());
    entries.iter().filter_map(|entry| Some((entry.key.text.clone(), entry.value.text()?.to_owned()))).collect()
}

//! Istio Gateways among the files: which ports they have, and whether they redirect plain HTTP to HTTPS.

use std::sync::Arc;

use super::shape::{Misshape, wrong_version};
use crate::source::Source;
use crate::source::position::Span;
use crate::yaml::{Node, Value};

/// The values of `apiVersion` that Istio's Gateway has.
const VERSIONS: [&str; 3] = ["networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"];

/// An Istio Gateway in one of the files.
#[derive(Debug, Clone)]
pub struct Gateway {
    pub source: Arc<Source>,
    pub name: String,
    namespace: Option<String>,
    /// The labels of the proxies that serve the Gateway.
    pub(crate) selector: Vec<(String, String)>,
    pub servers: Vec<Server>,
    /// The error in its `apiVersion`, if there is one.
    pub(crate) wrong_version: Option<Arc<Misshape>>,
}

/// An element of a Gateway's `servers`.
#[derive(Debug, Clone)]
pub struct Server {
    pub at: Span,
    pub port: u64,
    /// The hosts in lower case, without a namespace before them.
    pub hosts: Vec<String>,
    /// Whether the server decrypts HTTPS, so that filters see the requests.
    pub is_https: bool,
    /// Where the server says that plain HTTP is redirected to HTTPS, if it does.
    pub redirect: Option<Span>,
}

/// Returns the port on which the gateway's pod listens, for a port of its Service. Istio's own installation and
/// Knative's both map the ports like this.
pub(crate) fn target_port(port: u64) -> u64 {
    match port {
        80 => 8080,
        443 => 8443,
        other => other,
    }
}

/// Returns the Gateways of a document.
pub(crate) fn find(source: &Arc<Source>, document: &Node) -> Vec<Gateway> {
    match document.text_at("kind") {
        Some("List") => document.list("items").iter().flat_map(|item| find(source, item)).collect(),
        // The Gateway API has another kind of that name; it redirects with routes.
        Some("Gateway")
            if document.text_at("apiVersion").is_some_and(|version| version.starts_with("networking.istio.io/")) =>
        {
            let spec = document.get("spec");
            let name = document.at(&["metadata", "name"]).and_then(|name| name.text());
            vec![Gateway {
                source: Arc::clone(source),
                name: name.unwrap_or_default().to_owned(),
                namespace: document.at(&["metadata", "namespace"]).and_then(|name| name.text()).map(str::to_owned),
                wrong_version: wrong_version(document, "Gateway", &VERSIONS).map(Arc::new),
                selector: labels(spec.and_then(|spec| spec.get("selector"))),
                servers: spec.map_or(&[][..], |spec| spec.list("servers")).iter().filter_map(Server::read).collect(),
            }]
        }
        _ => Vec::new(),
    }
}

impl Gateway {
    /// Returns whether this is the Gateway to which Knative binds its services, unless its ConfigMap `config-istio` names
    /// another one.
    pub(crate) fn is_knatives(&self) -> bool {
        self.name == "knative-ingress-gateway" && self.namespace.as_deref() == Some("knative-serving")
    }
}

/// Returns whether a host, which may begin with `*`, covers another one.
pub(crate) fn covers(wide: &str, narrow: &str) -> bool {
    wide == narrow || wide == "*" || wide.strip_prefix('*').is_some_and(|suffix| narrow.ends_with(suffix))
}

impl Server {
    fn read(server: &Arc<Node>) -> Option<Self> {
        let redirect = server.at(&["tls", "httpsRedirect"]);
        let mode = server.at(&["tls", "mode"]).and_then(|mode| mode.text());
        let protocol = server.at(&["port", "protocol"]).and_then(|protocol| protocol.text());
        let hosts = server.list("hosts").iter().filter_map(|host| host.text());
        let is_https = protocol.is_some_and(|protocol| protocol.eq_ignore_ascii_case("HTTPS"));
        Some(Self {
            at: server.span,
            port: server.at(&["port", "number"])?.number()?,
            hosts: hosts.map(|host| host.rsplit('/').next().unwrap_or(host).to_lowercase()).collect(),
            is_https: is_https && !mode.is_some_and(|mode| mode.contains("PASSTHROUGH")),
            redirect: redirect.filter(|value| matches!(value.value, Value::Bool(true))).map(|value| value.span),
        })
    }
}

/// Returns the entries of an object whose values are strings.
pub(super) fn labels(node: Option<&Arc<Node>>) -> Vec<(String, String)> {
    let entries = node.map_or(&[][..], |node| node.entries());
    entries.iter().filter_map(|entry| Some((entry.key.text.clone(), entry.value.text()?.to_owned()))).collect()
}

//! Gateways among the files, Istio's and those of the Gateway API: which ports they have, for which hosts, and whether
//! they redirect plain HTTP to HTTPS.

use std::sync::Arc;

use super::shape::{Misshape, wrong_version};
use crate::source::Source;
use crate::source::position::Span;
use crate::yaml::{Node, Value};

/// The values of `apiVersion` that Istio's Gateway has.
const VERSIONS: [&str; 3] = ["networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3"];

/// The label with a Gateway's name on the pods that Istio deploys for a Gateway of the Gateway API.
pub(crate) const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

/// The class of the Gateways of the Gateway API that Istio serves.
const ISTIO_CLASS: &str = "istio";

/// A Gateway in one of the files.
#[derive(Debug, Clone)]
pub struct Gateway {
    pub source: Arc<Source>,
    pub name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) proxies: Proxies,
    pub servers: Vec<Server>,
    /// The error in its `apiVersion`, if there is one.
    pub(crate) wrong_version: Option<Arc<Misshape>>,
}

/// The proxies that serve a Gateway.
#[derive(Debug, Clone)]
pub(crate) enum Proxies {
    /// An Istio Gateway: the proxies with these labels.
    Selected(Vec<(String, String)>),
    /// A Gateway of the Gateway API: the pods that Istio deploys for it, which have these labels.
    Deployed(Vec<(String, String)>),
    /// A Gateway of the Gateway API with `addresses`: the pods behind the Service that these name, whatever their labels.
    Addressed,
}

/// An element of a Gateway's `servers`, or of its `listeners` in the Gateway API.
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
    let version = document.text_at("apiVersion").unwrap_or_default();
    match document.text_at("kind") {
        Some("List") => document.list("items").iter().flat_map(|item| find(source, item)).collect(),
        Some("Gateway") if version.starts_with("networking.istio.io/") => {
            let spec = document.get("spec");
            let servers = spec.map_or(&[][..], |spec| spec.list("servers"));
            vec![Gateway {
                proxies: Proxies::Selected(labels(spec.and_then(|spec| spec.get("selector")))),
                servers: servers.iter().filter_map(Server::read).collect(),
                wrong_version: wrong_version(document, "Gateway", &VERSIONS).map(Arc::new),
                ..Gateway::new(source, document)
            }]
        }
        Some("Gateway") if version.starts_with("gateway.networking.k8s.io/") => {
            let Some(spec) = document.get("spec") else { return Vec::new() };
            if spec.text_at("gatewayClassName") != Some(ISTIO_CLASS) {
                return Vec::new();
            }
            let gateway = Gateway::new(source, document);
            let mut deployed = labels(spec.at(&["infrastructure", "labels"]));
            deployed.push((GATEWAY_NAME.to_owned(), gateway.name.clone()));
            let is_addressed = !spec.list("addresses").is_empty();
            vec![Gateway {
                proxies: if is_addressed { Proxies::Addressed } else { Proxies::Deployed(deployed) },
                servers: spec.list("listeners").iter().filter_map(Server::read_listener).collect(),
                ..gateway
            }]
        }
        _ => Vec::new(),
    }
}

impl Gateway {
    /// Returns the name and the namespace of a Gateway, without its servers.
    fn new(source: &Arc<Source>, document: &Node) -> Self {
        let text = |key| document.at(&["metadata", key]).and_then(|value| value.text()).map(str::to_owned);
        Self {
            source: Arc::clone(source),
            name: text("name").unwrap_or_default(),
            namespace: text("namespace"),
            proxies: Proxies::Selected(Vec::new()),
            servers: Vec::new(),
            wrong_version: None,
        }
    }

    /// Returns whether this is a Gateway of the Gateway API.
    pub(crate) fn is_of_gateway_api(&self) -> bool {
        !matches!(self.proxies, Proxies::Selected(_))
    }

    /// Returns whether this is the Gateway to which Knative binds its services, unless its ConfigMap `config-istio` names
    /// another one.
    pub(crate) fn is_knatives(&self) -> bool {
        !self.is_of_gateway_api()
            && self.name == "knative-ingress-gateway"
            && self.namespace.as_deref() == Some("knative-serving")
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

    /// Reads a listener of the Gateway API. Redirects are in HTTPRoutes there.
    fn read_listener(listener: &Arc<Node>) -> Option<Self> {
        let protocol = listener.text_at("protocol")?;
        if !["HTTP", "HTTPS"].contains(&protocol) {
            return None;
        }
        let is_passed_through = listener.at(&["tls", "mode"]).and_then(|mode| mode.text()) == Some("Passthrough");
        Some(Self {
            at: listener.span,
            port: listener.get("port")?.number()?,
            hosts: vec![listener.text_at("hostname").filter(|host| !host.is_empty()).unwrap_or("*").to_lowercase()],
            is_https: protocol == "HTTPS" && !is_passed_through,
            redirect: None,
        })
    }
}

/// Returns the entries of an object whose values are strings.
pub(super) fn labels(node: Option<&Arc<Node>>) -> Vec<(String, String)> {
    let entries = node.map_or(&[][..], |node| node.entries());
    entries.iter().filter_map(|entry| Some((entry.key.text.clone(), entry.value.text()?.to_owned()))).collect()
}

//! Which proxies a manifest is for, and what the Gateways among the files say of their ports.

use std::sync::Arc;

use crate::manifest::{Kind, Manifest, either};
use crate::source::Source;
use crate::source::position::Span;
use crate::yaml::{Node, Value};

/// An Istio Gateway in one of the files.
#[derive(Debug, Clone)]
pub struct Gateway {
    pub source: Arc<Source>,
    pub name: String,
    selector: Vec<(String, String)>,
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

fn labels(node: Option<&Arc<Node>>) -> Vec<(String, String)> {
    let entries = node.map_or(&[][..], |node| node.entries());
    entries.iter().filter_map(|entry| Some((entry.key.text.clone(), entry.value.text()?.to_owned()))).collect()
}

/// Which proxies a manifest is for, as far as it says.
#[derive(Debug, PartialEq)]
pub(crate) struct Workloads {
    namespace: String,
    labels: Vec<(String, String)>,
    /// Kinds and names of `targetRefs`.
    targets: Vec<(String, String)>,
}

impl Workloads {
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let spec = &manifest.spec;
        let labels = labels(match manifest.kind {
            Kind::EnvoyFilter => path(spec, &["workloadSelector", "labels"]),
            Kind::WasmPlugin | Kind::TrafficExtension => path(spec, &["selector", "matchLabels"]),
        });
        let several = spec.get("targetRefs").map_or(&[][..], |targets| targets.items());
        let text = |target: &Node, key| target.get(key).and_then(|value| value.text()).unwrap_or_default().to_owned();
        let targets = several.iter().chain(spec.get("targetRef"));
        let namespace = path(&manifest.document, &["metadata", "namespace"]).and_then(|value| value.text());
        Self {
            namespace: namespace.unwrap_or("default").to_owned(),
            labels,
            targets: targets.map(|target| (text(target, "kind"), text(target, "name"))).collect(),
        }
    }

    pub(crate) fn are_all(&self) -> bool {
        self.labels.is_empty() && self.targets.is_empty()
    }

    /// Attached to a gateway of the Gateway API, whose pod listens on the ports that it is given.
    pub(crate) fn are_targets(&self) -> bool {
        !self.targets.is_empty()
    }

    /// Whether some proxy may have both. The namespace does not count: that of the mesh itself is for all others.
    pub(crate) fn may_meet(&self, other: &Self) -> bool {
        match (self.are_targets(), other.are_targets()) {
            (true, true) => {
                self.namespace == other.namespace && self.targets.iter().any(|target| other.targets.contains(target))
            }
            (false, false) => agree(&self.labels, &other.labels),
            // A gateway of the Gateway API takes selectors only where nothing targets it.
            _ => false,
        }
    }

    /// Whether a Gateway may be served by these proxies.
    pub(crate) fn may_serve(&self, gateway: &Gateway) -> bool {
        !self.are_targets() && agree(&self.labels, &gateway.selector)
    }
}

/// Whether no label has two values.
fn agree(one: &[(String, String)], other: &[(String, String)]) -> bool {
    one.iter().all(|(key, value)| other.iter().all(|(k, v)| k != key || v == value))
}

/// A manifest's `match`, as far as it concerns ports.
pub(crate) struct Ports<'m> {
    /// The elements of `match`; empty where it is not written or the filter runs on every port.
    pub(crate) numbers: Vec<(u64, Span)>,
    /// Where something lets every port in: the element without `ports`, or `spec`.
    pub(crate) every: Option<Span>,
    /// `mode: SERVER`.
    pub(crate) server_mode: Option<&'m Arc<Node>>,
}

impl<'m> Ports<'m> {
    pub(crate) fn of(manifest: &'m Manifest) -> Self {
        let mut ports = Self { numbers: Vec::new(), every: None, server_mode: None };
        if manifest.kind == Kind::EnvoyFilter {
            let patch = manifest.patch.as_ref();
            // A filter in a patch of another kind is put into the chain by some other patch.
            if patch.and_then(|patch| patch.get("applyTo")).and_then(|kind| kind.text()) != Some("HTTP_FILTER") {
                return ports;
            }
            let port = patch.and_then(|patch| path(patch, &["match", "listener", "portNumber"]));
            match port.and_then(|port| Some((number(port)?, port.span))) {
                Some(port) => ports.numbers.push(port),
                None => ports.every = patch.map(|patch| patch.span),
            }
            return ports;
        }
        let selectors = manifest.spec.get("match").map_or(&[][..], |selectors| selectors.items());
        if selectors.is_empty() {
            ports.every = Some(manifest.spec.span);
        }
        for selector in selectors {
            // Gateways count as clients.
            if let Some(mode) = selector.get("mode").filter(|mode| mode.text() == Some("SERVER")) {
                ports.server_mode = Some(mode);
                continue;
            }
            let listed = selector.get("ports").map_or(&[][..], |listed| listed.items());
            if listed.is_empty() {
                ports.every = Some(selector.span);
            }
            let numbers = listed.iter().filter_map(|port| port.get("number"));
            ports.numbers.extend(numbers.filter_map(|port| Some((number(port)?, port.span))));
        }
        ports
    }

    /// Whether some port is let in by both.
    pub(crate) fn may_meet(&self, other: &Self) -> bool {
        self.every.is_some()
            || other.every.is_some()
            || self.numbers.iter().any(|(port, _)| other.numbers.iter().any(|(number, _)| number == port))
    }
}

/// `failurePolicy` of an EnvoyFilter, `failStrategy` elsewhere.
pub(crate) fn fail_strategy(manifest: &Manifest) -> Option<&Arc<Node>> {
    match manifest.kind {
        Kind::EnvoyFilter => either(&manifest.plugin, ["failure_policy", "failurePolicy"]),
        Kind::WasmPlugin | Kind::TrafficExtension => manifest.plugin.get("failStrategy"),
    }
}

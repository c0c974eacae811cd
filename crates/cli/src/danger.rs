//! What is dangerous in a manifest around its table, however good the table is: things that Istio takes without a word
//! and that show in production.
//!
//! What Istio does was read from its sources (1.31: pilot/pkg/model/extensions.go, pkg/wasm/cache.go) and seen on a real
//! control plane.

use std::fmt;
use std::sync::Arc;

use crate::configuration::Configuration;
use crate::manifest::gateway::{Gateway, Ports, Workloads, fail_strategy, path, target_port};
use crate::manifest::{Kind, Manifest, PLUGIN_NAME, either};
use crate::message::{Message, Other};
use crate::source::Source;
use crate::source::position::Span;
use crate::yaml::Node;

/// Octets of an object as JSON that fit into the annotation in which `kubectl apply` keeps what was applied
/// (apimachinery's TotalAnnotationSizeLimitB).
const ANNOTATION_LIMIT: usize = 262_144;
/// Octets that etcd takes in one request by default.
const OBJECT_LIMIT: usize = 1_572_864;

/// One thing that is dangerous. `Display` says what, why, and what to write instead.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Danger {
    PullAlways { pinned: bool },
    LatestTag { image: String },
    NoTag { image: String },
    NoDigest { image: String },
    NoChecksum { key: &'static str },
    FailStrategy { key: &'static str, found: Option<String> },
    EarlyPhase { phase: String },
    EarlyFilter,
    EveryPort { write: &'static str },
    PlainPort { port: u64 },
    HttpsRedirect { gateway: String, port: u64, https: u64 },
    ServicePort { port: u64 },
    ServerMode,
    NetworkType,
    EveryProxy { write: &'static str },
    PluginName { key: &'static str, found: Option<String> },
    ClientSideApply { size: usize },
    TooLarge { size: usize },
    SameTableName { name: String },
    Overlap { host: String, path: String },
}

impl Danger {
    /// Whether it is sure to fail; all else is a warning.
    fn is_error(&self) -> bool {
        matches!(self, Self::TooLarge { .. })
    }
}

impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Danger::*;
        match self {
            PullAlways { pinned: false } => f.write_str(
                "`Always` asks the registry at every edit of the table, and while the registry is down an edit makes the \
                 gateway answer 403 to every request; write `IfNotPresent`",
            ),
            PullAlways { pinned: true } => f.write_str(
                "`Always` has no effect beside a digest, and without one it makes the gateway answer 403 to every request \
                 when the table is edited while the registry is down; write `IfNotPresent`",
            ),
            LatestTag { image } => write!(
                f,
                "the tag `latest` is another build tomorrow, and makes every edit of the table ask the registry unless \
                 `imagePullPolicy` says otherwise (403 for every request while it is down); write the digest of a release, \
                 `{image}@sha256:…`"
            ),
            NoTag { image } => write!(
                f,
                "an image without a tag is whatever was pushed last, so that two gateway pods may run two builds; write the \
                 digest of a release, `{image}@sha256:…`"
            ),
            NoDigest { image } => write!(
                f,
                "a tag can be pushed again, so that two gateway pods may run two builds; write the digest too, \
                 `{image}@sha256:…`"
            ),
            NoChecksum { key } => write!(
                f,
                "without a checksum whatever is served at this URL runs in the gateway; write `{key}` beside it, the output of \
                 `sha256sum plugin.wasm`"
            ),
            FailStrategy { key, found } => {
                match found {
                    None => write!(f, "`{key}` is missing, and by default one crash of the filter is a 503 for every request until the plugin is edited")?,
                    Some(found) if found == "FAIL_OPEN" => write!(f, "with `FAIL_OPEN` a crash of the filter lets requests pass unrouted until the plugin is edited, `denyDirect` included")?,
                    Some(found) => write!(f, "with `{found}` one crash of the filter is a 503 for every request until the plugin is edited")?,
                }
                write!(f, "; write `{key}: FAIL_RELOAD`")
            }
            EarlyPhase { phase } => write!(
                f,
                "in phase `{phase}` the filter runs in front of policies, which then judge the service's host and path in \
                 place of the public ones; take `phase` out"
            ),
            EarlyFilter => f.write_str(
                "this puts the filter in front of the policies, which then judge the service's host and path in place of the \
                 public ones; write `INSERT_BEFORE`, and in `match` the `subFilter` `envoy.filters.http.cors`",
            ),
            EveryPort { write } => write!(
                f,
                "the filter runs on every port of the gateway, plain HTTP included, where a Gateway with `httpsRedirect` \
                 would redirect clients to the service's host; write {write} for the HTTPS port alone, or check the Gateway \
                 together with this file"
            ),
            PlainPort { port } => write!(
                f,
                "{port} is the port of plain HTTP, where a Gateway with `httpsRedirect` would redirect clients to the \
                 service's host; leave the HTTPS port alone here, or check the Gateway together with this file"
            ),
            HttpsRedirect { gateway, port, https } => write!(
                f,
                "the filter runs on port {port} too, where the Gateway `{gateway}` has `httpsRedirect`: the redirect would \
                 name the service's host in place of the public one; name the HTTPS port alone, {https}"
            ),
            ServicePort { port } => write!(
                f,
                "Istio compares the port that the gateway's pod listens on, and behind the Service's port {port} \
                 that is {} in installs by istioctl and by Knative, where the filter would never run; write {}, unless \
                 the gateway comes from the Helm chart `gateway`, whose pods listen on {port}",
                target_port(*port),
                target_port(443),
            ),
            ServerMode => f.write_str(
                "a gateway counts as `CLIENT`, so with `SERVER` the filter never runs there; take `mode` out",
            ),
            NetworkType => f.write_str(
                "`NETWORK` is for plugins of TCP connections, and as one of these the filter routes nothing; take `type` out",
            ),
            EveryProxy { write } => write!(
                f,
                "this is for every proxy of the namespace, and in Istio's root namespace for every one of the mesh; write \
                 {write} with the labels of the gateway, such as `istio: ingressgateway`"
            ),
            PluginName { key, found } => {
                match found {
                    Some(found) => write!(f, "the plugin is called \"{found}\" here")?,
                    None => write!(f, "`{key}` is missing")?,
                }
                write!(
                    f,
                    ", and only what says `{key}: {PLUGIN_NAME}` is known as this filter's by the admission policy and in \
                     folders that are checked; write `{key}: {PLUGIN_NAME}`"
                )
            }
            ClientSideApply { size } => write!(
                f,
                "the object has {size} octets, more than the {ANNOTATION_LIMIT} that `kubectl apply` can keep in its \
                 annotation; apply it with `kubectl apply --server-side`"
            ),
            TooLarge { size } => write!(
                f,
                "the object has {size} octets, more than the {OBJECT_LIMIT} (1.5 MiB) that the API server can store; divide \
                 the table into several with `hosts` or `basePath` of their own"
            ),
            SameTableName { name } => write!(
                f,
                "another table that may run in the same gateway is called `{name}` too, so their metrics would be one; write \
                 another `name` in one of them"
            ),
            Overlap { host, path } => write!(
                f,
                "another table that may run in the same gateway takes in {host}{path} too: the first one in the filter chain \
                 (higher `priority`, else older) answers or routes these requests, and the second one never sees them as they \
                 came; write `hosts` or `basePath` that do not overlap, or one table"
            ),
        }
    }
}

/// Everything dangerous around the given tables, in the order of the tables.
pub fn dangers(configurations: &[&Configuration], gateways: &[Gateway]) -> Vec<(Danger, Message)> {
    let mut messages = Vec::new();
    let placed: Vec<Placed> = configurations.iter().filter_map(|configuration| Placed::new(configuration)).collect();
    for (index, table) in placed.iter().enumerate() {
        table.tell_alone(gateways, &mut messages);
        // Two files may hold one object, as overlays do: it is there once.
        let others = placed[..index].iter().filter(|other| other.identity != table.identity);
        for other in others.filter(|other| other.workloads.may_meet(&table.workloads)) {
            table.tell_beside(other, &mut messages);
        }
    }
    messages
}

/// A table and the manifest around it.
struct Placed<'c> {
    source: &'c Arc<Source>,
    at: Span,
    node: Option<&'c Arc<Node>>,
    manifest: &'c Manifest,
    workloads: Workloads,
    ports: Ports<'c>,
    /// Kind, namespace and name of the object, and which of its tables this is.
    identity: (Kind, Vec<String>, Span),
}

impl<'c> Placed<'c> {
    fn new(configuration: &'c Configuration) -> Option<Self> {
        let manifest = configuration.manifest.as_ref()?;
        let text =
            |key| path(&manifest.document, &["metadata", key]).and_then(|value| value.text()).unwrap_or_default();
        // An object without a name is nobody's copy.
        let name = match text("name") {
            "" => vec![configuration.source.name.clone(), format!("{:?}", manifest.document.span)],
            name => vec![text("namespace").to_owned(), name.to_owned()],
        };
        let within = if manifest.kind == Kind::EnvoyFilter { manifest.plugin.span } else { Span::START };
        Some(Self {
            source: &configuration.source,
            at: configuration.at,
            node: configuration.node.as_ref(),
            manifest,
            workloads: Workloads::of(manifest),
            ports: Ports::of(manifest),
            identity: (manifest.kind, name, within),
        })
    }

    fn tell_alone(&self, gateways: &[Gateway], messages: &mut Vec<(Danger, Message)>) {
        let mut told = Vec::new();
        self.module(&mut told);
        self.chain(&mut told);
        self.proxies(&mut told);
        self.size(&mut told);
        messages.extend(told.into_iter().map(|(at, danger)| told_at(self.source, at, danger)));
        self.ports(gateways, messages);
    }

    /// Where the module comes from.
    fn module(&self, told: &mut Vec<(Span, Danger)>) {
        let plugin = &self.manifest.plugin;
        if self.manifest.kind == Kind::EnvoyFilter {
            if let Some(remote) = path(either(plugin, ["vm_config", "vmConfig"]).unwrap_or(plugin), &["code", "remote"])
                && is_empty(remote.get("sha256"))
            {
                told.push((remote.span, Danger::NoChecksum { key: "sha256" }));
            }
            return;
        }
        let Some((url, at)) = plugin.get("url").and_then(|url| Some((url.text()?, url.span))) else { return };
        let (scheme, rest) = url.split_once("://").unwrap_or(("oci", url));
        let pinned = rest.contains("@sha256:") || !is_empty(plugin.get("sha256"));
        let policy = plugin.get("imagePullPolicy");
        if let Some(policy) = policy.filter(|policy| policy.text() == Some("Always") && scheme != "file") {
            told.push((policy.span, Danger::PullAlways { pinned }));
        }
        match scheme {
            _ if pinned => {}
            "oci" => {
                let begin = rest.rfind('/').map_or(0, |slash| slash + 1);
                let colon = rest[begin..].find(':').map(|colon| begin + colon);
                let image = format!("oci://{}", &rest[..colon.unwrap_or(rest.len())]);
                told.push((
                    at,
                    match colon.map(|colon| &rest[colon + 1..]) {
                        None => Danger::NoTag { image },
                        Some("latest") => Danger::LatestTag { image },
                        Some(_) => Danger::NoDigest { image: format!("oci://{rest}") },
                    },
                ));
            }
            "http" | "https" => told.push((at, Danger::NoChecksum { key: "sha256" })),
            _ => {}
        }
    }

    /// How the filter runs, and where in the chain.
    fn chain(&self, told: &mut Vec<(Span, Danger)>) {
        let Manifest { kind, spec, plugin, patch, .. } = self.manifest;
        let key = if *kind == Kind::EnvoyFilter { "failure_policy" } else { "failStrategy" };
        match fail_strategy(self.manifest) {
            None => told.push((plugin.span, Danger::FailStrategy { key, found: None })),
            Some(found) if found.text() != Some("FAIL_RELOAD") => {
                let name = found.text().unwrap_or_default().to_owned();
                told.push((found.span, Danger::FailStrategy { key, found: Some(name) }));
            }
            Some(_) => {}
        }
        if let Some(phase) = spec.get("phase")
            && let Some(name @ ("AUTHN" | "AUTHZ")) = phase.text()
        {
            told.push((phase.span, Danger::EarlyPhase { phase: name.to_owned() }));
        }
        if let Some(kind) = plugin.get("type").filter(|kind| kind.text() == Some("NETWORK")) {
            told.push((kind.span, Danger::NetworkType));
        }
        if let Some(mode) = self.ports.server_mode {
            told.push((mode.span, Danger::ServerMode));
        }
        let Some(patch) = patch.as_ref() else { return };
        if let Some(operation) = path(patch, &["patch", "operation"]) {
            let before = path(patch, &["match", "listener", "filterChain", "filter", "subFilter", "name"]);
            let policies = ["jwt_authn", "rbac", "ext_authz"].map(|name| format!("envoy.filters.http.{name}"));
            let last = "envoy.filters.http.rbac";
            let early = match operation.text() {
                Some("INSERT_FIRST") => true,
                // Without a filter to stand before, that is the first place.
                Some("INSERT_BEFORE") => {
                    before.is_none_or(|name| policies.iter().any(|policy| name.text() == Some(policy)))
                }
                // The last of the policies, in Istio's order.
                Some("INSERT_AFTER") => before.is_some_and(|name| {
                    name.text() != Some(last) && policies.iter().any(|policy| name.text() == Some(policy))
                }),
                _ => false,
            };
            if early {
                told.push((operation.span, Danger::EarlyFilter));
            }
        }
    }

    /// Whose filter it is.
    fn proxies(&self, told: &mut Vec<(Span, Danger)>) {
        let Manifest { kind, spec, plugin, .. } = self.manifest;
        let (keys, write) = match kind {
            Kind::EnvoyFilter => (["root_id", "rootId"], "`workloadSelector.labels`"),
            Kind::WasmPlugin | Kind::TrafficExtension => (["pluginName", "pluginName"], "`selector.matchLabels`"),
        };
        if self.workloads.are_all() {
            told.push((spec.span, Danger::EveryProxy { write }));
        }
        let name = either(plugin, keys);
        if name.is_none_or(|name| name.text() != Some(PLUGIN_NAME)) {
            let found = name.and_then(|name| name.text()).map(str::to_owned);
            told.push((name.map_or(plugin.span, |name| name.span), Danger::PluginName { key: keys[0], found }));
        }
    }

    fn size(&self, told: &mut Vec<(Span, Danger)>) {
        let at = self.manifest.document.span;
        let size = self.manifest.document.to_json().len();
        if size > OBJECT_LIMIT {
            told.push((at, Danger::TooLarge { size }));
        } else if size > ANNOTATION_LIMIT {
            told.push((at, Danger::ClientSideApply { size }));
        }
    }

    /// On which ports the filter runs, beside what the Gateways do there.
    fn ports(&self, gateways: &[Gateway], messages: &mut Vec<(Danger, Message)>) {
        let gateways: Vec<&Gateway> = gateways.iter().filter(|gateway| self.workloads.may_serve(gateway)).collect();
        // A pod of the Gateway API listens on the Gateway's own ports.
        let (plain, https) = if self.workloads.are_targets() { (80, 443) } else { (8080, 8443) };
        let mut tell = |at, danger: Danger| messages.push(told_at(self.source, at, danger));
        let mut redirects = Vec::new();
        if let Some(at) = self.ports.every {
            let all = gateways.iter().flat_map(|gateway| gateway.servers.iter().map(move |server| (*gateway, server)));
            redirects.extend(all.filter(|(_, server)| server.redirect.is_some()).map(|found| (at, found)));
            if gateways.is_empty() {
                let write = match self.manifest.kind {
                    Kind::EnvoyFilter => "`match.listener.portNumber: 8443`",
                    _ if self.workloads.are_targets() => "`match: [{ports: [{number: 443}]}]`",
                    _ => "`match: [{ports: [{number: 8443}]}]`",
                };
                tell(at, Danger::EveryPort { write });
            }
        }
        for &(port, at) in &self.ports.numbers {
            if !self.workloads.are_targets() && target_port(port) != port {
                tell(at, Danger::ServicePort { port });
                continue;
            }
            let servers: Vec<_> = gateways
                .iter()
                .flat_map(|gateway| gateway.servers.iter().map(move |server| (*gateway, server)))
                .filter(|(_, server)| target_port(server.port) == port)
                .collect();
            if servers.is_empty() && port == plain {
                tell(at, Danger::PlainPort { port });
            }
            redirects
                .extend(servers.into_iter().filter(|(_, server)| server.redirect.is_some()).map(|found| (at, found)));
        }
        for (at, (gateway, server)) in redirects {
            let port = target_port(server.port);
            let danger = Danger::HttpsRedirect { gateway: gateway.name.clone(), port, https };
            let other = server.redirect.map(|redirect| Other {
                source: Arc::clone(&gateway.source),
                at: redirect.start,
                place: "`httpsRedirect`".to_owned(),
            });
            let (danger, message) = told_at(self.source, at, danger);
            messages.push((danger, Message { other, ..message }));
        }
    }

    /// What is dangerous beside another table.
    fn tell_beside(&self, other: &Self, messages: &mut Vec<(Danger, Message)>) {
        let mut tell = |at, place, danger: Danger| {
            let note = Other { source: Arc::clone(other.source), at: place, place: "the other table".to_owned() };
            let (danger, message) = told_at(self.source, at, danger);
            messages.push((danger, Message { other: Some(note), ..message }));
        };
        let name = self.name();
        if name == other.name() {
            tell(
                self.key_place("name"),
                other.key_place("name").start,
                Danger::SameTableName { name: name.to_owned() },
            );
        }
        if let Some((host, path)) = self.ports.may_meet(&other.ports).then(|| self.overlap(other)).flatten() {
            tell(self.key_place("hosts"), other.key_place("hosts").start, Danger::Overlap { host, path });
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.node.and_then(|node| node.get(key)).and_then(|value| value.text())
    }

    fn name(&self) -> &str {
        self.text("name").unwrap_or("default")
    }

    /// Where a key of the table is, or else the table.
    fn key_place(&self, key: &str) -> Span {
        self.node.and_then(|node| node.get(key)).map_or(self.at, |value| value.span)
    }

    /// A host and a path that both tables take in.
    fn overlap(&self, other: &Self) -> Option<(String, String)> {
        let hosts = |table: &Self| -> Vec<String> {
            let hosts = table.node.and_then(|node| node.get("hosts")).map_or(&[][..], |hosts| hosts.items());
            hosts.iter().filter_map(|host| host.text()).map(str::to_ascii_lowercase).collect()
        };
        let path = longer_path(self.text("basePath").unwrap_or(""), other.text("basePath").unwrap_or(""))?;
        let others = hosts(other);
        let host = hosts(self).iter().find_map(|host| others.iter().find_map(|other| narrower_host(host, other)))?;
        Some((host, path))
    }
}

/// The narrower one of two entries of `hosts`, if a host fits both.
fn narrower_host(one: &str, other: &str) -> Option<String> {
    let takes_in = |wide: &str, narrow: &str| {
        wide == narrow || wide == "*" || wide.strip_prefix('*').is_some_and(|suffix| narrow.ends_with(suffix))
    };
    match (takes_in(one, other), takes_in(other, one)) {
        (true, _) => Some(other.to_owned()),
        (_, true) => Some(one.to_owned()),
        _ => None,
    }
}

/// The longer one of two base paths, if one is at or below the other.
fn longer_path(one: &str, other: &str) -> Option<String> {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    let below = long.strip_prefix(short)?;
    (below.is_empty() || below.starts_with('/')).then(|| long.to_owned())
}

fn is_empty(text: Option<&Arc<Node>>) -> bool {
    text.and_then(|text| text.text()).is_none_or(str::is_empty)
}

fn told_at(source: &Arc<Source>, at: Span, danger: Danger) -> (Danger, Message) {
    let text = danger.to_string();
    let message = if danger.is_error() { Message::error(source, at, text) } else { Message::warning(source, at, text) };
    (danger, message)
}

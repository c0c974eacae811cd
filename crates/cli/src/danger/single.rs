//! Dangers that one manifest shows, together with the Gateways among the files.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::placed::Placed;
use super::{ANNOTATION_LIMIT, Danger, IMAGE_DIGEST, MODULE_DIGEST, OBJECT_LIMIT, SCHEME};
use crate::manifest::gateway::{Gateway, Proxies, Server, target_port};
use crate::manifest::shape::misshapes;
use crate::manifest::{Kind, Manifest, PLUGIN_NAME};
use crate::message::{Message, Other};
use crate::source::position::Span;
use crate::yaml::Node;

impl Placed<'_> {
    /// Adds the dangers of this manifest.
    pub(super) fn check_alone(&self, gateways: &[Gateway], found: &mut Vec<(Danger, Message)>) {
        let mut alone = Vec::new();
        self.check_module(&mut alone);
        if self.manifest.kind.is_of_istio() {
            self.check_chain(&mut alone);
            self.check_proxies(&mut alone);
        }
        self.check_size(&mut alone);
        let mut reported: Vec<(Danger, Message)> =
            alone.into_iter().map(|(at, danger)| self.report(at, danger)).collect();
        if self.manifest.kind.is_of_istio() {
            self.check_ports(gateways, &mut reported);
        }
        if !misshapes(self.manifest).is_empty() {
            reported.retain(|(danger, _)| !danger.is_absence());
        }
        found.extend(reported);
    }

    /// Checks where the module comes from.
    fn check_module(&self, found: &mut Vec<(Span, Danger)>) {
        let plugin = &self.manifest.plugin;
        let plugin = match self.manifest.kind {
            Kind::EnvoyFilter => return found.extend(envoy_module_danger(plugin)),
            Kind::EnvoyExtensionPolicy => {
                let Some(source) = plugin.at(&["code", "image"]).or(plugin.at(&["code", "http"])) else { return };
                source
            }
            _ => plugin,
        };
        found.extend(plugin.get("sha256").and_then(checksum_danger));
        let Some((url, at)) = plugin.get("url").and_then(|url| Some((url.text()?, url.span))) else { return };
        if let Some(reason) = url_problem(url) {
            found.push((at, Danger::Url { found: url.to_owned(), reason }));
            return;
        }
        let (scheme, rest) = split_url(url);
        if let ("oci", Some((_, digest))) = (&*scheme, rest.split_once('@')) {
            found
                .extend(digest_danger(digest.strip_prefix("sha256:"), digest, IMAGE_DIGEST).map(|danger| (at, danger)));
        }
        let pinned = rest.contains('@') || !is_empty(plugin.get("sha256"));
        let policy = plugin.get("imagePullPolicy");
        if let Some(policy) = policy.filter(|policy| policy.text() == Some("Always") && scheme != "file") {
            found.push((policy.span, Danger::PullAlways { pinned }));
        }
        match &*scheme {
            _ if pinned => {}
            "oci" => {
                let begin = rest.rfind('/').map_or(0, |slash| slash + 1);
                let colon = rest[begin..].find(':').map(|colon| begin + colon);
                let image = format!("oci://{}", &rest[..colon.unwrap_or(rest.len())]);
                let danger = match colon.map(|colon| &rest[colon + 1..]) {
                    None => Danger::NoTag { image },
                    Some("latest") => Danger::LatestTag { image },
                    Some(_) => Danger::NoDigest { image: format!("oci://{rest}") },
                };
                found.push((at, danger));
            }
            "http" | "https" => found.push((at, Danger::NoChecksum { key: "sha256" })),
            _ => {}
        }
    }

    /// Checks how the filter runs, and at which place of the filter chain.
    fn check_chain(&self, found: &mut Vec<(Span, Danger)>) {
        let Manifest { kind, spec, plugin, patch, .. } = self.manifest;
        let key = if *kind == Kind::EnvoyFilter { "failure_policy" } else { "failStrategy" };
        match fail_strategy(self.manifest) {
            None => found.push((plugin.span, Danger::FailStrategy { key, found: None })),
            Some(strategy) if strategy.text() != Some("FAIL_RELOAD") => {
                let name = strategy.text().unwrap_or_default().to_owned();
                found.push((strategy.span, Danger::FailStrategy { key, found: Some(name) }));
            }
            Some(_) => {}
        }
        if let Some(phase) = spec.get("phase")
            && let Some(name @ ("AUTHN" | "AUTHZ")) = phase.text()
        {
            found.push((phase.span, Danger::EarlyPhase { phase: name.to_owned() }));
        }
        if let Some(kind) = plugin.get("type").filter(|kind| kind.text() == Some("NETWORK")) {
            found.push((kind.span, Danger::NetworkType));
        }
        if let Some(mode) = self.ports.server_mode {
            found.push((mode.span, Danger::ServerMode));
        }
        if let Some(operation) = patch.as_ref().and_then(|patch| early_operation(patch)) {
            found.push((operation.span, Danger::EarlyFilter));
        }
    }

    /// Checks which proxies the manifest selects, and how the plugin is called.
    fn check_proxies(&self, found: &mut Vec<(Span, Danger)>) {
        let Manifest { kind, spec, plugin, .. } = self.manifest;
        let (keys, write) = match kind {
            Kind::EnvoyFilter => (["root_id", "rootId"], "`workloadSelector.labels`"),
            _ => (["pluginName", "pluginName"], "`selector.matchLabels`"),
        };
        if self.workloads.are_all() {
            found.push((spec.span, Danger::EveryProxy { write }));
        }
        if let Some(selector) = spec.get("selector").filter(|_| self.workloads.are_targets()) {
            found.push((selector.span, Danger::TwoSelections));
        }
        let name = plugin.either(keys);
        if name.is_none_or(|name| name.text() != Some(PLUGIN_NAME)) {
            let at = name.map_or(plugin.span, |name| name.span);
            let name = name.and_then(|name| name.text()).map(str::to_owned);
            found.push((at, Danger::PluginName { key: keys[0], found: name }));
        }
    }

    fn check_size(&self, found: &mut Vec<(Span, Danger)>) {
        let at = self.manifest.document.span;
        let size = self.manifest.document.to_json().len();
        if size > OBJECT_LIMIT {
            found.push((at, Danger::TooLarge { size }));
        } else if size > ANNOTATION_LIMIT {
            found.push((at, Danger::ClientSideApply { size }));
        }
    }

    /// Checks on which ports the filter runs, and what the Gateways do on these ports.
    fn check_ports(&self, gateways: &[Gateway], found: &mut Vec<(Danger, Message)>) {
        let servers: Vec<(&Gateway, &Server)> = gateways
            .iter()
            .filter(|gateway| self.workloads.may_serve(gateway))
            .flat_map(|gateway| gateway.servers.iter().map(move |server| (gateway, server)))
            .collect();
        let mut serving = gateways.iter().filter(|gateway| self.workloads.may_serve(gateway)).peekable();
        let has_gateway = serving.peek().is_some();
        // The redirects of the Gateway API are in HTTPRoutes, so its Gateways do not show them.
        let shows_redirects = serving.any(|gateway| !gateway.is_of_gateway_api());
        // The pod of a gateway of the Gateway API listens on the Gateway's own ports.
        let (plain, https) = if self.workloads.are_targets() { (80, 443) } else { (8080, 8443) };
        let mut redirects = Vec::new();
        if let Some(at) = self.ports.every {
            redirects.extend(servers.iter().filter(|(_, server)| server.redirect.is_some()).map(|found| (at, *found)));
            if !shows_redirects {
                let write = match self.manifest.kind {
                    Kind::EnvoyFilter => "`match.listener.portNumber: 8443`",
                    _ if self.workloads.are_targets() => "`match: [{ports: [{number: 443}]}]`",
                    _ => "`match: [{ports: [{number: 8443}]}]`",
                };
                found.push(self.report(at, Danger::EveryPort { write }));
            }
        }
        for &(port, at) in &self.ports.numbers {
            let is_deployed = |(gateway, server): &(&Gateway, &Server)| {
                matches!(gateway.proxies, Proxies::Deployed(_)) && server.port == port
            };
            if !self.workloads.are_targets() && target_port(port) != port && !servers.iter().any(is_deployed) {
                found.push(self.report(at, Danger::ServicePort { port }));
                continue;
            }
            let is_on_port = |server: &Server| [server.port, target_port(server.port)].contains(&port);
            let mut on_port = servers.iter().filter(|(_, server)| is_on_port(server)).peekable();
            if on_port.peek().is_none() && has_gateway {
                found.push(self.report(at, Danger::NoPort { port, ports: listed(&servers) }));
            }
            if port == plain && !shows_redirects {
                found.push(self.report(at, Danger::PlainPort { port }));
            }
            redirects.extend(on_port.filter(|(_, server)| server.redirect.is_some()).map(|found| (at, *found)));
        }
        for (at, (gateway, server)) in redirects {
            let port = target_port(server.port);
            let danger = Danger::HttpsRedirect { gateway: gateway.name.clone(), port, https };
            let other = server.redirect.map(|redirect| Other {
                source: Arc::clone(&gateway.source),
                at: redirect.start,
                place: "`httpsRedirect`".to_owned(),
            });
            let (danger, message) = self.report(at, danger);
            found.push((danger, Message { other, ..message }));
        }
    }
}

/// Lists the ports on which the gateway's pod listens: those of HTTPS, if there are any.
fn listed(servers: &[(&Gateway, &Server)]) -> String {
    let pod_port = |gateway: &Gateway, server: &Server| match gateway.proxies {
        Proxies::Deployed(_) => server.port,
        Proxies::Selected(_) | Proxies::Addressed => target_port(server.port),
    };
    let ports = |is_wanted: fn(&Server) -> bool| -> BTreeSet<u64> {
        let servers = servers.iter().filter(|(_, server)| is_wanted(server));
        servers.map(|(gateway, server)| pod_port(gateway, server)).collect()
    };
    let https = ports(|server| server.is_https);
    let ports = if https.is_empty() { ports(|_| true) } else { https };
    ports.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")
}

/// Splits the URL of a module into its scheme in lower case, and the rest. Without a scheme it is an image.
pub(crate) fn split_url(url: &str) -> (String, &str) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("oci", url));
    (scheme.to_lowercase(), rest)
}

/// Returns what is wrong with the URL of a module, and what to write instead.
pub(crate) fn url_problem(url: &str) -> Option<&'static str> {
    let (scheme, rest) = split_url(url);
    let begins_with = |scheme: &str| url.to_lowercase().strip_prefix(scheme).is_some_and(|rest| rest.starts_with(":/"));
    if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Some("has a space or a control character; remove it");
    }
    if !url.contains("://") && ["oci", "https", "http", "file"].into_iter().any(begins_with) {
        return Some("lacks a slash after its scheme; write two before the host, and three before the path of a file");
    }
    match &*scheme {
        _ if rest.is_empty() => {
            Some("says nothing of the module; write for example `oci://registry.example.com/ksvc-router`")
        }
        "file" if !rest.starts_with('/') => Some("is not the path of a file; write it with three slashes, `file:///…`"),
        "oci" => {
            let (image, _) = rest.split_once('@').unwrap_or((rest, ""));
            let repository = image.split_once('/').map_or("", |(_, repository)| repository);
            let name = repository.split(':').next().unwrap_or_default();
            name.contains(|c: char| c.is_uppercase())
                .then_some("has capital letters, which the name of an image never has; write it in lower case")
        }
        "https" | "http" | "file" => None,
        _ => Some(SCHEME),
    }
}

/// Returns the danger of the module in Envoy's `PluginConfig`.
pub(super) fn envoy_module_danger(plugin: &Arc<Node>) -> Option<(Span, Danger)> {
    let vm = plugin.either(["vm_config", "vmConfig"]).unwrap_or(plugin);
    let remote = vm.at(&["code", "remote"])?;
    match remote.get("sha256").filter(|sum| !is_empty(Some(sum))) {
        None => Some((remote.span, Danger::NoChecksum { key: "sha256" })),
        Some(sum) => checksum_danger(sum),
    }
}

/// Returns the danger of a checksum.
fn checksum_danger(sum: &Arc<Node>) -> Option<(Span, Danger)> {
    let text = sum.text().filter(|text| !text.is_empty())?;
    digest_danger(Some(text), text, MODULE_DIGEST).map(|danger| (sum.span, danger))
}

/// Returns the danger of a digest, if it is a placeholder or no digest.
fn digest_danger(digits: Option<&str>, found: &str, write: &'static str) -> Option<Danger> {
    match digits {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b == b'0') => {
            Some(Danger::PlaceholderDigest { write })
        }
        Some(digits) if digits.len() == 64 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) => None,
        _ => Some(Danger::Digest { found: found.to_owned(), write }),
    }
}

/// Returns the `operation` of an EnvoyFilter's patch if it inserts the filter before the policies.
fn early_operation(patch: &Node) -> Option<&Arc<Node>> {
    let operation = patch.at(&["patch", "operation"])?;
    let sub_filter = patch.at(&["match", "listener", "filterChain", "filter", "subFilter", "name"]);
    // The last of the policies, in Istio's order.
    let last = "envoy.filters.http.rbac";
    let policies = ["envoy.filters.http.jwt_authn", "envoy.filters.http.ext_authz", last];
    let is_policy = |name: &Arc<Node>| name.text().is_some_and(|name| policies.contains(&name));
    let is_early = match operation.text() {
        Some("INSERT_FIRST") => true,
        // Without a filter to insert before, this is the first place too.
        Some("INSERT_BEFORE") => sub_filter.is_none_or(is_policy),
        Some("INSERT_AFTER") => sub_filter.is_some_and(|name| is_policy(name) && name.text() != Some(last)),
        _ => false,
    };
    is_early.then_some(operation)
}

fn is_empty(text: Option<&Arc<Node>>) -> bool {
    text.and_then(|text| text.text()).is_none_or(str::is_empty)
}

/// Returns what happens after a crash: `failure_policy` of an EnvoyFilter, `failStrategy` of the other kinds.
fn fail_strategy(manifest: &Manifest) -> Option<&Arc<Node>> {
    match manifest.kind {
        Kind::EnvoyFilter => manifest.plugin.either(["failure_policy", "failurePolicy"]),
        _ => manifest.plugin.get("failStrategy"),
    }
}

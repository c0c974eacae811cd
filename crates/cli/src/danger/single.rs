//! Dangers that one manifest shows, together with the Gateways among the files.

use std::sync::Arc;

use super::placed::Placed;
use super::{ANNOTATION_LIMIT, Danger, OBJECT_LIMIT};
use crate::manifest::gateway::{Gateway, Server, target_port};
use crate::manifest::{Kind, Manifest, PLUGIN_NAME};
use crate::message::{Message, Other};
use crate::source::position::Span;
use crate::yaml::Node;

impl Placed<'_> {
    /// Adds the dangers of this manifest.
    pub(super) fn check_alone(&self, gateways: &[Gateway], found: &mut Vec<(Danger, Message)>) {
        let mut alone = Vec::new();
        self.check_module(&mut alone);
        self.check_chain(&mut alone);
        self.check_proxies(&mut alone);
        self.check_size(&mut alone);
        found.extend(alone.into_iter().map(|(at, danger)| self.report(at, danger)));
        self.check_ports(gateways, found);
    }

    /// Checks where the module comes from.
    fn check_module(&self, found: &mut Vec<(Span, Danger)>) {
        let plugin = &self.manifest.plugin;
        if self.manifest.kind == Kind::EnvoyFilter {
            let vm = plugin.either(["vm_config", "vmConfig"]).unwrap_or(plugin);
            if let Some(remote) = vm.at(&["code", "remote"])
                && is_empty(remote.get("sha256"))
            {
                found.push((remote.span, Danger::NoChecksum { key: "sha256" }));
            }
            return;
        }
        let Some((url, at)) = plugin.get("url").and_then(|url| Some((url.text()?, url.span))) else { return };
        let (scheme, rest) = url.split_once("://").unwrap_or(("oci", url));
        let pinned = rest.contains("@sha256:") || !is_empty(plugin.get("sha256"));
        let policy = plugin.get("imagePullPolicy");
        if let Some(policy) = policy.filter(|policy| policy.text() == Some("Always") && scheme != "file") {
            found.push((policy.span, Danger::PullAlways { pinned }));
        }
        match scheme {
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
            Kind::WasmPlugin | Kind::TrafficExtension => (["pluginName", "pluginName"], "`selector.matchLabels`"),
        };
        if self.workloads.are_all() {
            found.push((spec.span, Danger::EveryProxy { write }));
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
        let has_gateway = gateways.iter().any(|gateway| self.workloads.may_serve(gateway));
        // The pod of a gateway of the Gateway API listens on the Gateway's own ports.
        let (plain, https) = if self.workloads.are_targets() { (80, 443) } else { (8080, 8443) };
        let mut redirects = Vec::new();
        if let Some(at) = self.ports.every {
            redirects.extend(servers.iter().filter(|(_, server)| server.redirect.is_some()).map(|found| (at, *found)));
            if !has_gateway {
                let write = match self.manifest.kind {
                    Kind::EnvoyFilter => "`match.listener.portNumber: 8443`",
                    _ if self.workloads.are_targets() => "`match: [{ports: [{number: 443}]}]`",
                    _ => "`match: [{ports: [{number: 8443}]}]`",
                };
                found.push(self.report(at, Danger::EveryPort { write }));
            }
        }
        for &(port, at) in &self.ports.numbers {
            if !self.workloads.are_targets() && target_port(port) != port {
                found.push(self.report(at, Danger::ServicePort { port }));
                continue;
            }
            let mut on_port = servers.iter().filter(|(_, server)| target_port(server.port) == port).peekable();
            if on_port.peek().is_none() && port == plain {
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
        Kind::WasmPlugin | Kind::TrafficExtension => manifest.plugin.get("failStrategy"),
    }
}

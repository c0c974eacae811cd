//! Dangers that one manifest shows, with the Gateways beside it.

use std::sync::Arc;

use super::placed::{Placed, told_at};
use super::{ANNOTATION_LIMIT, Danger, OBJECT_LIMIT};
use crate::manifest::gateway::{Gateway, path, target_port};
use crate::manifest::{Kind, Manifest, PLUGIN_NAME, either};
use crate::message::{Message, Other};
use crate::source::position::Span;
use crate::yaml::Node;

impl Placed<'_> {
    pub(super) fn tell_alone(&self, gateways: &[Gateway], messages: &mut Vec<(Danger, Message)>) {
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
}

fn is_empty(text: Option<&Arc<Node>>) -> bool {
    text.and_then(|text| text.text()).is_none_or(str::is_empty)
}

/// `failurePolicy` of an EnvoyFilter, `failStrategy` elsewhere.
fn fail_strategy(manifest: &Manifest) -> Option<&Arc<Node>> {
    match manifest.kind {
        Kind::EnvoyFilter => either(&manifest.plugin, ["failure_policy", "failurePolicy"]),
        Kind::WasmPlugin | Kind::TrafficExtension => manifest.plugin.get("failStrategy"),
    }
}

//! Dangers between a table and the Gateways among the files: which servers serve the public hosts and the targets.
//!
//! Each HTTPS server has a route table of its own, while all servers of plain HTTP on a port share one. So a request that
//! arrived at an HTTPS server finds only the hosts of that server.

use std::sync::Arc;

use super::Danger;
use super::placed::Placed;
use crate::manifest::gateway::{Gateway, Proxies, Server, covers, target_port};
use crate::message::{Message, Other};
use crate::yaml::Node;

impl Placed<'_> {
    /// Adds the dangers that the Gateways show.
    pub(super) fn check_gateways(&self, gateways: &[Gateway], found: &mut Vec<(Danger, Message)>) {
        let is_manual = |gateway: &&Gateway| matches!(gateway.proxies, Proxies::Addressed);
        if let Some(gateway) = gateways.iter().filter(is_manual).find(|gateway| self.workloads.targets(gateway)) {
            let spec = &self.manifest.spec;
            let at = spec.get("targetRefs").or_else(|| spec.get("targetRef")).map_or(spec.span, |value| value.span);
            found.push(self.report(at, Danger::AddressedGateway { gateway: gateway.name.clone() }));
        }
        let serving: Vec<&Gateway> = gateways.iter().filter(|gateway| self.workloads.may_serve(gateway)).collect();
        if serving.is_empty() {
            if !self.workloads.are_targets() {
                found.extend(gateways.iter().find_map(|gateway| self.selector_danger(gateway)));
            }
            return;
        }
        let mut servers: Vec<(&Gateway, &Server)> = Vec::new();
        for gateway in &serving {
            let on_port = gateway.servers.iter().filter(|server| self.runs_on(server.port));
            servers.extend(on_port.map(|server| (*gateway, server)));
        }
        if servers.is_empty() {
            return;
        }
        let targets = self.targets();
        for host in self.node.map_or(&[][..], |node| node.list("hosts")) {
            let Some(name) = host.text().map(str::to_lowercase) else { continue };
            if !servers.iter().any(|(_, server)| server.may_serve(&name)) {
                let Some(gateway) = serving.first() else { continue };
                let (host, at, gateway_name) = (name, host.span, gateway.name.clone());
                let danger = match gateway.is_of_gateway_api() {
                    true => Danger::NoListener { host, gateway: gateway_name },
                    false => Danger::NoServer { host, gateway: gateway_name },
                };
                found.push(self.report(at, danger));
                continue;
            }
            found.extend(self.split_danger(host, &name, &servers, &targets));
        }
    }

    fn runs_on(&self, port: u64) -> bool {
        self.ports.every.is_some()
            || self.ports.numbers.iter().any(|(number, _)| [port, target_port(port)].contains(number))
    }

    fn selector_danger(&self, gateway: &Gateway) -> Option<(Danger, Message)> {
        let Proxies::Selected(labels) = &gateway.proxies else { return None };
        let spec = &self.manifest.spec;
        let at = spec.get("selector").or_else(|| spec.get("workloadSelector")).map_or(spec.span, |value| value.span);
        let labels: Vec<String> = labels.iter().map(|(key, value)| format!("`{key}: {value}`")).collect();
        Some(self.report(at, Danger::OtherSelector { gateway: gateway.name.clone(), labels: labels.join(" and ") }))
    }

    /// Returns the danger that no HTTPS server of a public host serves a target too.
    fn split_danger(
        &self,
        host: &Arc<Node>,
        name: &str,
        servers: &[(&Gateway, &Server)],
        targets: &[String],
    ) -> Option<(Danger, Message)> {
        let https = || servers.iter().filter(|(_, server)| server.is_https);
        // Of the servers of a port, Envoy takes the one with the most specific host.
        let is_taken = |server: &Server| {
            let own = server.best_match(name);
            own.is_some() && !https().any(|(_, other)| other.port == server.port && other.best_match(name) > own)
        };
        let public: Vec<_> = https().filter(|(_, server)| is_taken(server)).collect();
        let (gateway, server) = public.first()?;
        let is_served = |target: &&String| public.iter().any(|(_, server)| server.serves(target));
        // Knative's services are bound to Knative's own Gateway.
        let has_knative = https().any(|(gateway, _)| gateway.is_knatives());
        let is_knatives = public.iter().any(|(gateway, _)| gateway.is_knatives());
        let target = targets.iter().find(|target| !is_served(target) || (has_knative && !is_knatives))?;
        let (host_name, target, gateway_name) = (name.to_owned(), target.clone(), gateway.name.clone());
        let (danger, place) = match gateway.is_of_gateway_api() {
            true => (Danger::SplitListeners { host: host_name, target, gateway: gateway_name }, "this listener"),
            false => (Danger::SplitServers { host: host_name, target, gateway: gateway_name }, "this server"),
        };
        let (danger, message) = self.report(host.span, danger);
        let other = Other { source: Arc::clone(&gateway.source), at: server.at.start, place: place.to_owned() };
        Some((danger, Message { other: Some(other), ..message }))
    }
}

impl Server {
    /// Returns whether the server serves every host of a pattern.
    fn serves(&self, host: &str) -> bool {
        self.hosts.iter().any(|served| covers(served, host))
    }

    /// Returns the length of the longest entry of `hosts` that covers a host.
    fn best_match(&self, host: &str) -> Option<usize> {
        self.hosts.iter().filter(|served| covers(served, host)).map(String::len).max()
    }

    /// Returns whether the server serves some host of a pattern.
    fn may_serve(&self, host: &str) -> bool {
        self.hosts.iter().any(|served| covers(served, host) || covers(host, served))
    }
}

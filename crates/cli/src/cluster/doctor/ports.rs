//! On which ports the pods of a gateway listen, for which hosts, and whether Knative binds its services there.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Examination, Findings, gateway_path, some};
use crate::cluster::finding::Level;
use crate::cluster::objects::{API_GATEWAY, CONFIG_MAP, ISTIO_GATEWAY, Objects, SERVICE, containers, list, path, text};
use crate::cluster::plugins::{Plugin, selects, serves};
use crate::manifest::gateway::{Gateway, Server, covers};
use crate::yaml::{self, Origin};

const PORTS: &str = "pod-ports";
const KNATIVE: &str = "knative-gateway";

/// The class of net-gateway-api in Knative's `ingress-class`.
const GATEWAY_API_CLASS: &str = "gateway-api.ingress.networking.knative.dev";
/// The class of net-istio.
const ISTIO_CLASS: &str = "istio.ingress.networking.knative.dev";

/// A port on which a pod listens.
pub(super) struct Listener<'g> {
    /// The port of the pod.
    port: u64,
    gateway: &'g Gateway,
    server: &'g Server,
}

/// Returns the listeners that the Gateways make in these pods.
pub(super) fn serving<'g>(pods: &[&Value], gateways: &'g [Gateway], objects: &Objects) -> Vec<Listener<'g>> {
    let mut listeners = Vec::new();
    for gateway in gateways {
        let Some(pod) = pods.iter().find(|pod| serves(pod, gateway, objects)) else { continue };
        for server in &gateway.servers {
            listeners.push(Listener { port: pod_port(pod, server.port, objects), gateway, server });
        }
    }
    listeners
}

/// Returns the port on which a pod listens for a server with this port: Istio looks it up in the Services in front of the
/// pod.
fn pod_port(pod: &Value, port: u64, objects: &Objects) -> u64 {
    let services = objects.of(SERVICE).filter(|service| selects(service, pod));
    let mut ports = services.flat_map(|service| list(service, "/spec/ports"));
    let Some(found) = ports.find(|found| found["port"].as_u64() == Some(port)) else { return port };
    match &found["targetPort"] {
        Value::Number(number) => number.as_u64().unwrap_or(port),
        Value::String(name) => {
            let mut named = containers(pod).flat_map(|container| list(container, "/ports"));
            let named = named.find(|port| text(port, "/name") == name);
            named.and_then(|port| port["containerPort"].as_u64()).unwrap_or(port)
        }
        _ => port,
    }
}

impl Examination<'_> {
    /// Checks the ports in `match` against those on which the pods listen.
    pub(super) fn check_ports(
        &self,
        plugin: &Plugin,
        pods: &[&Value],
        listeners: &[Listener<'_>],
        found: &mut Findings,
    ) {
        let about = &plugin.about;
        let kinds = [ISTIO_GATEWAY, API_GATEWAY, SERVICE];
        if kinds.into_iter().any(|resource| self.is_unknown(resource, PORTS, about, found)) {
            return;
        }
        let mut open: BTreeMap<u64, &Listener<'_>> = BTreeMap::new();
        open.extend(listeners.iter().map(|listener| (listener.port, listener)));
        let describe = |(port, listener): (&u64, &&Listener<'_>)| {
            let secure = if listener.server.is_https { "HTTPS" } else { "HTTP" };
            format!("{port} ({secure}, Gateway `{}`)", gateway_path(listener.gateway))
        };
        if open.is_empty() {
            let labels = pods.first().map(|pod| path(pod)).unwrap_or_default();
            let text = format!(
                "no Gateway is for these pods, so they listen on no port; create a Gateway whose `selector` selects the pod \
                 `{labels}`"
            );
            return found.add(Level::Error, PORTS, about, text);
        }
        let ports = plugin.ports();
        if ports.is_empty() {
            let text = format!("the plugin runs on every port of the pods: {}", some(open.iter().map(describe)));
            return found.add(Level::Ok, PORTS, about, text);
        }
        for port in ports {
            if let Some(listener) = open.get_key_value(&port) {
                found.add(Level::Ok, PORTS, about, format!("the pods listen on {}", describe(listener)));
                continue;
            }
            let behind = listeners.iter().find(|listener| listener.server.port == port);
            let text = match behind {
                Some(Listener { port: target, .. }) => format!(
                    "{port} is the port of the gateway's Service, and its pods listen on {target}, so the plugin never runs \
                     there; write `number: {target}` in `match`"
                ),
                None => {
                    // HTTPS is what the public hosts are for.
                    let https = || open.iter().filter(|(_, listener)| listener.server.is_https);
                    let write = https().chain(&open).next().map_or(port, |(port, _)| *port);
                    format!(
                        "the pods do not listen on port {port}, so the plugin never runs there; they listen on {}; write for \
                         example `number: {write}` in `match`",
                        some(open.iter().map(describe))
                    )
                }
            };
            found.add(Level::Error, PORTS, about, text);
        }
    }

    /// Checks that the Gateway to which Knative binds its services is served by these pods, with the public hosts.
    pub(super) fn check_knative_gateway(
        &self,
        plugin: &Plugin,
        pods: &[&Value],
        gateways: &[Gateway],
        found: &mut Findings,
    ) {
        let about = &plugin.about;
        let kinds = [CONFIG_MAP, ISTIO_GATEWAY, API_GATEWAY, SERVICE];
        if kinds.into_iter().any(|resource| self.is_unknown(resource, KNATIVE, about, found)) {
            return;
        }
        let (names, source) = match self.knative_gateways() {
            Ok(found) => found,
            Err(why) => return found.add(Level::Skipped, KNATIVE, about, why),
        };
        let known: Vec<&Gateway> = gateways.iter().filter(|gateway| names.contains(&gateway_path(gateway))).collect();
        let quoted = some(names.iter().map(|name| format!("`{name}`")));
        if known.is_empty() {
            let text = format!(
                "Knative binds its services to the Gateway {quoted} ({source}), which does not exist; create it, or correct \
                 the name there"
            );
            return found.add(Level::Error, KNATIVE, about, text);
        }
        let served = |gateway: &&&Gateway| pods.iter().any(|pod| serves(pod, gateway, self.objects));
        let Some(gateway) = known.iter().find(served) else {
            let text = format!(
                "Knative binds its services to the Gateway {quoted} ({source}), which other pods serve, so every route gets \
                 404; select the pods of that Gateway"
            );
            return found.add(Level::Error, KNATIVE, about, text);
        };
        let listeners = serving(pods, std::slice::from_ref(*gateway), self.objects);
        let on_port: Vec<&Server> =
            listeners.iter().filter(|listener| plugin.runs_on(listener.port)).map(|listener| listener.server).collect();
        let is_served = |host: &String| {
            on_port.iter().flat_map(|server| &server.hosts).any(|served| covers(served, host) || covers(host, served))
        };
        let missing: Vec<String> =
            plugin.hosts().into_iter().filter(|host| !is_served(host)).map(|host| format!("`{host}`")).collect();
        if missing.is_empty() {
            let text = format!(
                "Knative binds its services to the Gateway `{}` ({source}), which serves the public hosts in these pods",
                gateway_path(gateway)
            );
            return found.add(Level::Ok, KNATIVE, about, text);
        }
        let write = match gateway.is_of_gateway_api() {
            true => "write a listener without `hostname` in it",
            false => "add them to the `hosts` of a server of that Gateway",
        };
        let text = format!(
            "the Gateway `{}`, to which Knative binds its services ({source}), does not serve {} on a port of the plugin, so \
             every route gets 404; {write}",
            gateway_path(gateway),
            some(missing)
        );
        found.add(Level::Error, KNATIVE, about, text);
    }

    /// Returns the Gateways to which Knative binds public services, and the ConfigMap that says so.
    fn knative_gateways(&self) -> Result<(Vec<String>, &'static str), String> {
        let config = |name| self.objects.find(CONFIG_MAP, &self.places.knative, name);
        let Some(network) = config("config-network") else {
            return Err(format!(
                "the namespace `{}` has no ConfigMap `config-network`, so Knative's Gateway is not known; if Knative is in \
                 another namespace, name it by `--knative-namespace NAME`",
                self.places.knative
            ));
        };
        let class = ["/data/ingress-class", "/data/ingress.class"].map(|at| text(network, at));
        match class.into_iter().find(|class| !class.is_empty()).unwrap_or(ISTIO_CLASS) {
            ISTIO_CLASS => Ok((istio_gateways(config("config-istio")), "ConfigMap `config-istio`")),
            GATEWAY_API_CLASS => Ok((api_gateways(config("config-gateway")), "ConfigMap `config-gateway`")),
            other => Err(format!(
                "Knative's `ingress-class` is `{other}`, and only net-istio and net-gateway-api are known here"
            )),
        }
    }
}

/// Reads `config-istio`: the list `external-gateways`, or the older keys `gateway.NAMESPACE.NAME`.
fn istio_gateways(config: Option<&Value>) -> Vec<String> {
    let mut names = Vec::new();
    for gateway in config.iter().flat_map(|config| entries(config, "external-gateways")) {
        if let (Some(namespace), Some(name)) = (gateway.text_at("namespace"), gateway.text_at("name")) {
            names.push(format!("{namespace}/{name}"));
        }
    }
    let keys = config.and_then(|config| config.pointer("/data")).and_then(Value::as_object);
    for key in keys.into_iter().flatten().map(|(key, _)| key) {
        if let Some((namespace, name)) = key.strip_prefix("gateway.").and_then(|rest| rest.split_once('.')) {
            names.push(format!("{namespace}/{name}"));
        }
    }
    if names.is_empty() { vec!["knative-serving/knative-ingress-gateway".to_owned()] } else { names }
}

/// Reads `config-gateway`: the list `external-gateways`.
fn api_gateways(config: Option<&Value>) -> Vec<String> {
    let gateways = config.iter().flat_map(|config| entries(config, "external-gateways"));
    let names: Vec<String> = gateways.filter_map(|gateway| gateway.text_at("gateway").map(str::to_owned)).collect();
    if names.is_empty() { vec!["istio-system/knative-gateway".to_owned()] } else { names }
}

/// Returns the elements of a list that a ConfigMap has as YAML text.
fn entries(config: &Value, key: &str) -> Vec<std::sync::Arc<yaml::Node>> {
    let text = config["data"][key].as_str().unwrap_or_default();
    let documents = yaml::parse(text, Origin::File).unwrap_or_default();
    documents.iter().flat_map(|document| document.items().to_vec()).collect()
}

//! The tables to examine: those of the files, and those of the cluster that the files do not replace.

use std::sync::Arc;

use serde_json::Value;

use super::objects::{
    API_GATEWAY, DOMAIN_MAPPING, ISTIO_GATEWAY, Objects, PLUGINS, POD, Resource, SERVICE, has_labels, list, name,
    namespace, path, text,
};
use crate::configuration::Configuration;
use crate::load::{self, Loaded};
use crate::manifest::gateway::{GATEWAY_NAME, Gateway, Proxies};
use crate::manifest::ports::Ports;
use crate::manifest::workloads::Workloads;
use crate::manifest::{Kind, Manifest};
use crate::source::Source;

/// A table in a manifest that selects gateway pods.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// The kind, namespace and name of the object: `WasmPlugin istio-system/ksvc-router`.
    pub about: String,
    pub namespace: String,
    pub configuration: Configuration,
}

/// What a plugin is attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The pods with these labels; never empty.
    Labels(Vec<(String, String)>),
    /// The pods of this Gateway of the Gateway API, in the namespace of the plugin.
    Gateway(String),
    /// An object of another kind, or every pod.
    Other(String),
}

/// A Knative Service to which a route forwards.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetService {
    pub namespace: String,
    pub name: String,
    pub tag: Option<String>,
    /// The host that the table writes.
    pub host: String,
    /// The index of the first route that forwards to it.
    pub route: usize,
}

/// Everything in the files and in the cluster that `check` reads, each object once.
#[derive(Debug, Default)]
pub struct Manifests {
    /// The objects of the cluster, and after them the files. `check` mentions the later one of two tables first.
    pub loaded: Vec<Loaded>,
    /// How many of them are objects of the cluster.
    pub of_cluster: usize,
    /// The namespace of objects that name none.
    default_namespace: String,
}

impl Manifests {
    /// Joins the files with the objects of the cluster. An object that is also in a file is taken from the file: it is
    /// the one that will be applied.
    pub fn new(files: Vec<Loaded>, documents: &[Arc<crate::yaml::Node>], objects: &Objects, default: &str) -> Self {
        let mut of_files = Objects::default();
        documents.iter().for_each(|document| of_files.apply(document, default));
        let mut loaded = Vec::new();
        for resource in PLUGINS.into_iter().chain([ISTIO_GATEWAY, API_GATEWAY, DOMAIN_MAPPING]) {
            let others = objects.of(resource);
            let others = others.filter(|object| of_files.find(resource, namespace(object), name(object)).is_none());
            loaded.extend(others.map(|object| load_object(resource, object)).filter(|loaded| loaded.skipped.is_none()));
        }
        let of_cluster = loaded.len();
        loaded.extend(files);
        Self { loaded, of_cluster, default_namespace: default.to_owned() }
    }

    /// Returns the tables to examine: those of the files, or else those of the cluster.
    pub fn plugins(&self) -> Vec<Plugin> {
        let first = if self.of_cluster < self.loaded.len() { self.of_cluster } else { 0 };
        plugins(&self.loaded[first..], &self.default_namespace)
    }

    /// Returns all tables that are in manifests.
    pub(super) fn tables(&self) -> Vec<Plugin> {
        plugins(&self.loaded, &self.default_namespace)
    }

    /// Returns whether the messages about an element of `loaded` are wanted: about the files, or else about all.
    pub(super) fn is_examined(&self, index: usize) -> bool {
        index >= self.of_cluster || self.of_cluster == self.loaded.len()
    }

    pub fn gateways(&self) -> Vec<Gateway> {
        self.loaded.iter().flat_map(|file| file.gateways.clone()).collect()
    }
}

/// Returns the tables that are in manifests.
fn plugins(loaded: &[Loaded], default_namespace: &str) -> Vec<Plugin> {
    let configurations = loaded.iter().flat_map(|file| &file.configurations);
    configurations.filter_map(|configuration| Plugin::new(configuration, default_namespace)).collect()
}

/// Reads an object of the cluster as if it were a file, whose name is the kind and the name of the object.
fn load_object(resource: Resource, object: &Value) -> Loaded {
    let about = format!("{} {}", resource.kind, path(object));
    load::load_source(&Source::new(about, format!("{object:#}")))
}

impl Plugin {
    /// Returns `None` for a table that is not in a manifest of Istio.
    pub fn new(configuration: &Configuration, default_namespace: &str) -> Option<Self> {
        let manifest = configuration.manifest.as_ref().filter(|manifest| manifest.kind.is_of_istio())?;
        let text = |key| {
            let value = manifest.document.at(&["metadata", key]).and_then(|value| value.text());
            value.filter(|value| !value.is_empty())
        };
        let namespace = text("namespace").unwrap_or(default_namespace).to_owned();
        let about = format!("{} {namespace}/{}", manifest.kind.name(), text("name").unwrap_or_default());
        Some(Self { about, namespace, configuration: configuration.clone() })
    }

    pub(super) fn manifest(&self) -> Option<&Manifest> {
        self.configuration.manifest.as_ref()
    }

    /// Returns the kind of the object that holds the table.
    pub(super) fn resource(&self) -> Option<Resource> {
        let kind = self.manifest()?.kind;
        PLUGINS.into_iter().find(|resource| resource.kind == kind.name())
    }

    /// Returns what the plugin is attached to.
    pub fn targets(&self) -> Vec<Target> {
        let Some(manifest) = self.manifest() else { return Vec::new() };
        let workloads = Workloads::new(manifest);
        if workloads.are_targets() {
            let target = |(kind, name): &(String, String)| match &**kind {
                "Gateway" => Target::Gateway(name.clone()),
                kind => Target::Other(format!("{kind} `{name}`")),
            };
            return workloads.target_refs().iter().map(target).collect();
        }
        match workloads.labels() {
            [] => vec![Target::Other("every proxy".to_owned())],
            labels => vec![Target::Labels(labels.to_vec())],
        }
    }

    /// Returns the pods that run the plugin, in the order of their names.
    pub fn pods<'o>(&self, objects: &'o Objects, root_namespace: &str) -> Vec<&'o Value> {
        let has_ended = |pod: &Value| ["Succeeded", "Failed"].contains(&text(pod, "/status/phase"));
        let pods = objects.of(POD).filter(|pod| !has_ended(pod) && self.runs_in(pod, root_namespace));
        let mut pods: Vec<&Value> = pods.collect();
        pods.sort_by_key(|pod| path(pod));
        pods
    }

    fn runs_in(&self, pod: &Value, root_namespace: &str) -> bool {
        let is_own = namespace(pod) == self.namespace;
        self.targets().iter().any(|target| match target {
            Target::Labels(labels) => (is_own || self.namespace == root_namespace) && has_labels(pod, labels),
            Target::Gateway(name) => is_own && has_labels(pod, &[(GATEWAY_NAME.to_owned(), name.clone())]),
            Target::Other(_) => false,
        })
    }

    /// Returns the ports that the manifest names; none if the plugin runs on every port.
    pub fn ports(&self) -> Vec<u64> {
        let ports = self.manifest().map(Ports::new);
        ports.filter(|ports| ports.every.is_none()).map_or(vec![], |ports| ports.numbers.iter().map(|p| p.0).collect())
    }

    /// Returns whether the plugin runs on a port of a pod.
    pub(super) fn runs_on(&self, port: u64) -> bool {
        let ports = self.ports();
        ports.is_empty() || ports.contains(&port)
    }

    /// Returns the entries of `hosts`, in lower case.
    pub fn hosts(&self) -> Vec<String> {
        let hosts = self.configuration.node.as_ref().map_or(&[][..], |node| node.list("hosts"));
        hosts.iter().filter_map(|host| host.text()).map(str::to_lowercase).collect()
    }

    /// Returns the string at a key of the table.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.configuration.node.as_ref().and_then(|node| node.text_at(key))
    }

    /// Returns the Knative Services to which the routes forward, each once, without those that a request names.
    pub fn services(&self) -> Vec<TargetService> {
        let table = self.configuration.compile().0.table;
        let mut services: Vec<TargetService> = Vec::new();
        let mut lines = table.routes();
        lines.sort_by_key(|line| line.index);
        let routes = self.configuration.routes();
        for line in &lines {
            let Some(route) = routes.get(line.index) else { continue };
            let Some(service) = route.text_at("service") else { continue };
            let namespace = route.text_at("namespace").or_else(|| self.text("namespace"));
            let (Some(namespace), tag) = (namespace, route.text_at("tag")) else { continue };
            let host = line.target.split(' ').next().unwrap_or_default();
            if [service, namespace, tag.unwrap_or_default()].iter().any(|text| text.contains('{'))
                || !host.contains('.')
            {
                continue;
            }
            let (name, namespace, tag) = (service.to_owned(), namespace.to_owned(), tag.map(str::to_owned));
            if !services.iter().any(|s| (&s.name, &s.namespace, &s.tag) == (&name, &namespace, &tag)) {
                services.push(TargetService { namespace, name, tag, host: host.to_owned(), route: line.index });
            }
        }
        services
    }
}

/// Returns the Service that is in front of a Gateway of the Gateway API which has `addresses`.
pub(super) fn addressed_service<'o>(gateway: &Value, objects: &'o Objects) -> Option<&'o Value> {
    list(gateway, "/spec/addresses").iter().find_map(|address| {
        let mut labels = text(address, "/value").split('.');
        let (name, namespace) = (labels.next()?, labels.next()?);
        objects.find(SERVICE, namespace, name)
    })
}

/// Returns whether a pod serves a Gateway.
pub(super) fn serves(pod: &Value, gateway: &Gateway, objects: &Objects) -> bool {
    match &gateway.proxies {
        Proxies::Selected(labels) => !labels.is_empty() && has_labels(pod, labels),
        Proxies::Deployed(_) => {
            gateway.namespace.as_deref() == Some(namespace(pod))
                && has_labels(pod, &[(GATEWAY_NAME.to_owned(), gateway.name.clone())])
        }
        Proxies::Addressed => {
            let object = objects.find(API_GATEWAY, gateway.namespace.as_deref().unwrap_or_default(), &gateway.name);
            object.and_then(|object| addressed_service(object, objects)).is_some_and(|service| selects(service, pod))
        }
    }
}

/// Returns whether a Service sends its connections to a pod.
pub(super) fn selects(service: &Value, pod: &Value) -> bool {
    let labels = super::objects::strings(service, "/spec/selector");
    namespace(service) == namespace(pod) && !labels.is_empty() && has_labels(pod, &labels)
}

/// Returns whether an EnvoyFilter holds the table.
pub(super) fn is_envoy_filter(plugin: &Plugin) -> bool {
    plugin.manifest().is_some_and(|manifest| manifest.kind == Kind::EnvoyFilter)
}

//! Finds the plugin's configuration in a document: in a WasmPlugin, a TrafficExtension, an EnvoyFilter or any Envoy
//! configuration, under a `pluginConfig:` of its own, or as the whole document.

mod delivery;
pub mod gateway;
pub(crate) mod ports;
pub(crate) mod workloads;

use std::sync::Arc;

use ksvc_routing::config::Config;

use crate::source::position::Span;
use crate::yaml::Node;

pub use delivery::{DeliveryError, Undelivered};

/// The `pluginName` of a WasmPlugin, and the `root_id` in Envoy.
pub(crate) const PLUGIN_NAME: &str = "ksvc-router";

/// Keys of the configuration that other documents have too. They are no sign that a document is a configuration.
const COMMON_KEYS: [&str; 3] = ["name", "namespace", "domain"];

/// A plugin's configuration in a document.
#[derive(Debug, Clone)]
pub struct Found {
    /// `pluginName` or `root_id`, if it is given.
    pub plugin_name: Option<String>,
    /// The configuration, or where it should be.
    pub at: Span,
    /// `None` if there is no configuration; the plugin then gets 0 bytes.
    pub node: Option<Arc<Node>>,
    /// Why the configuration would not reach the plugin, however good it is.
    pub errors: Vec<DeliveryError>,
    /// The manifest that holds the configuration; `None` for a configuration alone.
    pub manifest: Option<Manifest>,
}

/// The manifest around a configuration.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub kind: Kind,
    pub document: Arc<Node>,
    pub spec: Arc<Node>,
    /// The object with the plugin's settings: `spec` itself, `spec.wasm`, or Envoy's `PluginConfig`.
    pub plugin: Arc<Node>,
    /// The element of `configPatches`, for an EnvoyFilter.
    pub patch: Option<Arc<Node>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    WasmPlugin,
    TrafficExtension,
    EnvoyFilter,
}

impl Found {
    /// Returns whether the plugin's name says that it is this filter.
    pub fn is_ours_by_name(&self) -> bool {
        self.plugin_name.as_deref() == Some(PLUGIN_NAME)
    }

    fn new(holder: &Node, plugin_name: Option<&Arc<Node>>, node: Option<&Arc<Node>>) -> Self {
        Self {
            plugin_name: plugin_name.and_then(|name| name.text()).map(str::to_owned),
            at: node.map_or(holder.span, |node| node.span),
            // In Protobuf JSON, null means absent.
            node: node.filter(|node| !node.is_null()).cloned(),
            errors: Vec::new(),
            manifest: None,
        }
    }

    /// Returns the configuration under `pluginConfig`.
    fn in_plugin(holder: &Node) -> Self {
        Self::new(holder, holder.get("pluginName"), holder.get("pluginConfig"))
    }
}

/// Returns the configuration of every plugin in a document, of this filter and of any other.
pub fn find(document: &Arc<Node>) -> Vec<Found> {
    let mut found = Vec::new();
    find_in_document(document, &mut found);
    found
}

fn find_in_document(document: &Arc<Node>, found: &mut Vec<Found>) {
    let spec = document.get("spec");
    let manifest = |kind, plugin: &Arc<Node>, patch: Option<&Arc<Node>>| {
        let (document, plugin, patch) = (Arc::clone(document), Arc::clone(plugin), patch.cloned());
        spec.map(|spec| Manifest { kind, document, spec: Arc::clone(spec), plugin, patch })
    };
    match document.text_at("kind") {
        // `kubectl get -o yaml` prints several objects as a list.
        Some("List") => document.list("items").iter().for_each(|item| find_in_document(item, found)),
        Some("WasmPlugin") => found.extend(
            spec.map(|spec| Found { manifest: manifest(Kind::WasmPlugin, spec, None), ..Found::in_plugin(spec) }),
        ),
        Some("TrafficExtension") => found.extend(
            spec.and_then(|spec| spec.get("wasm"))
                .map(|wasm| Found { manifest: manifest(Kind::TrafficExtension, wasm, None), ..Found::in_plugin(wasm) }),
        ),
        Some("EnvoyFilter") => {
            for patch in spec.map_or(&[][..], |spec| spec.list("configPatches")) {
                find_in_envoy(patch, &mut |plugin, configuration| {
                    let manifest = manifest(Kind::EnvoyFilter, plugin, Some(patch));
                    found.push(Found { manifest, ..configuration });
                });
            }
        }
        Some(_) if document.get("apiVersion").is_some() => {}
        _ if document.get("pluginConfig").is_some() => found.push(Found::in_plugin(document)),
        _ if is_configuration(document) => found.push(Found::new(document, None, Some(document))),
        _ => find_in_envoy(document, &mut |_, configuration| found.push(configuration)),
    }
}

fn is_configuration(document: &Node) -> bool {
    let keys = Config::KEYS.iter().filter(|key| !COMMON_KEYS.contains(key));
    keys.into_iter().any(|key| document.get(key).is_some())
}

/// Finds every wasm `PluginConfig` of Envoy, at any depth.
fn find_in_envoy(node: &Arc<Node>, found: &mut impl FnMut(&Arc<Node>, Found)) {
    if node.either(["vm_config", "vmConfig"]).is_some() {
        let root_id = node.either(["root_id", "rootId"]);
        let configuration = match node.get("configuration").filter(|any| !any.is_null()) {
            Some(any) => {
                let (node, errors) = delivery::read(any);
                Found { node, errors, ..Found::new(any, root_id, any.get("value")) }
            }
            None => Found::new(node, root_id, None),
        };
        found(node, configuration);
        return;
    }
    for item in node.items() {
        find_in_envoy(item, found);
    }
    for entry in node.entries() {
        find_in_envoy(&entry.value, found);
    }
}

//! Finds the plugin's configuration in a document: in a WasmPlugin, a TrafficExtension, an EnvoyFilter, an object of Envoy
//! Gateway or Higress, or any Envoy configuration, under a `pluginConfig:` of its own, or as the whole document.

mod delivery;
pub mod domain_mapping;
pub mod gateway;
pub mod order;
pub(crate) mod ports;
pub(crate) mod shape;
pub(crate) mod workloads;

use std::sync::Arc;

use ksvc_routing::config::Config;

use crate::source::position::Span;
use crate::words::nearest;
use crate::yaml::{Entry, Node, Value};

pub use delivery::{DeliveryError, Undelivered};

/// The `pluginName` of a WasmPlugin, and the `root_id` in Envoy.
pub(crate) const PLUGIN_NAME: &str = "ksvc-router";

const PLUGIN_CONFIG: &str = "pluginConfig";

/// Keys of the configuration that other documents have too. They are no sign that a document is a configuration.
const COMMON_KEYS: [&str; 7] = ["name", "namespace", "domain", "basePath", "cors", "requestHeaders", "responseHeaders"];

/// A plugin's configuration in a document.
#[derive(Debug, Clone)]
pub struct Found {
    /// `pluginName` or `root_id`, if it is given.
    pub plugin_name: Option<String>,
    /// The configuration, or where it should be.
    pub at: Span,
    /// `None` if there is no configuration; the plugin then gets 0 bytes.
    pub node: Option<Arc<Node>>,
    /// The text that Envoy hands to the plugin as it is, for a configuration that is written as such a text.
    pub text: Option<String>,
    /// Why the configuration would not reach the plugin, however good it is.
    pub errors: Vec<DeliveryError>,
    /// The manifest that holds the configuration; `None` for a configuration alone.
    pub manifest: Option<Manifest>,
    /// Envoy's `PluginConfig` that holds the configuration, in an Envoy configuration outside an EnvoyFilter.
    pub envoy_plugin: Option<Arc<Node>>,
    /// Whether something around the configuration says that the plugin is this filter, whatever the configuration is.
    is_ours: bool,
}

/// The manifest around a configuration.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub kind: Kind,
    pub document: Arc<Node>,
    pub spec: Arc<Node>,
    /// The object with the plugin's settings: `spec` itself, `spec.wasm` or an element of it, or Envoy's `PluginConfig`.
    pub plugin: Arc<Node>,
    /// The element of `configPatches`, for an EnvoyFilter.
    pub patch: Option<Arc<Node>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    WasmPlugin,
    TrafficExtension,
    EnvoyFilter,
    /// The policy of Envoy Gateway.
    EnvoyExtensionPolicy,
    /// The WasmPlugin of Higress, which is another kind than Istio's.
    HigressWasmPlugin,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WasmPlugin | Self::HigressWasmPlugin => "WasmPlugin",
            Self::TrafficExtension => "TrafficExtension",
            Self::EnvoyFilter => "EnvoyFilter",
            Self::EnvoyExtensionPolicy => "EnvoyExtensionPolicy",
        }
    }

    /// Returns the values of `apiVersion` that the kind has.
    pub(crate) fn api_versions(self) -> &'static [&'static str] {
        match self {
            Self::WasmPlugin | Self::TrafficExtension => &["extensions.istio.io/v1alpha1"],
            Self::EnvoyFilter => &["networking.istio.io/v1alpha3"],
            Self::EnvoyExtensionPolicy => &["gateway.envoyproxy.io/v1alpha1"],
            Self::HigressWasmPlugin => &["extensions.higress.io/v1alpha1"],
        }
    }

    /// Returns whether Istio reads this kind. What `check` knows about ports, proxies and the filter chain is Istio's.
    pub(crate) fn is_of_istio(self) -> bool {
        matches!(self, Self::WasmPlugin | Self::TrafficExtension | Self::EnvoyFilter)
    }
}

impl Found {
    /// Returns whether the plugin's name says that it is this filter.
    pub(crate) fn has_our_name(&self) -> bool {
        self.plugin_name.as_deref() == Some(PLUGIN_NAME)
    }

    /// Returns whether the plugin is this filter, as far as its name and its configuration tell. `others_have_our_name`
    /// says whether another plugin of the same file has this filter's name.
    pub(crate) fn is_ours(&self, others_have_our_name: bool) -> bool {
        match (&self.plugin_name, &self.node) {
            (Some(_), _) if self.has_our_name() || others_have_our_name => self.has_our_name(),
            // Another filter can have `hosts` or `routes` too.
            (Some(_), Some(node)) => node.get("hosts").is_some() && node.get("routes").is_some(),
            (Some(_), None) => false,
            (None, node) => self.is_ours || node.as_ref().is_some_and(|node| resembles_table(node)),
        }
    }

    fn new(holder: &Node, plugin_name: Option<&Arc<Node>>, node: Option<&Arc<Node>>) -> Self {
        Self {
            plugin_name: plugin_name.and_then(|name| name.text()).map(str::to_owned),
            at: node.map_or(holder.span, |node| node.span),
            // In Protobuf JSON, null means absent.
            node: node.filter(|node| !node.is_null()).cloned(),
            text: None,
            errors: Vec::new(),
            manifest: None,
            envoy_plugin: None,
            is_ours: false,
        }
    }

    /// Returns the configuration under `pluginConfig`, or under a key that is meant as it. It may also be beside `spec` in
    /// the document, and not in it.
    fn in_plugin(holder: &Node, document: &Node) -> Self {
        let name = holder.get("pluginName");
        let misplaced = || document.entries().iter().find(|entry| entry.key.text == PLUGIN_CONFIG);
        let found = match plugin_config(holder).or_else(misplaced) {
            Some(entry) if holder.get(PLUGIN_CONFIG).is_some() => Self::new(holder, name, Some(&entry.value)),
            Some(Entry { key, value, .. }) => {
                let what = match &*key.text {
                    PLUGIN_CONFIG => Undelivered::Misplaced,
                    key => Undelivered::Misspelt { key: key.to_owned() },
                };
                Self { errors: vec![DeliveryError { at: key.span, what }], ..Self::new(holder, name, Some(value)) }
            }
            None => Self::new(holder, name, None),
        };
        Self { is_ours: is_our_url(holder.get("url")), ..found }
    }
}

/// Returns whether the URL of a module says that it is this filter.
fn is_our_url(url: Option<&Arc<Node>>) -> bool {
    url.and_then(|url| url.text()).is_some_and(|url| url.contains(PLUGIN_NAME))
}

/// Returns the entry of `pluginConfig`, or else of a key that is meant as it: it resembles the word, or has a table.
fn plugin_config(holder: &Node) -> Option<&Entry> {
    let find = |is_it: fn(&Entry) -> bool| holder.entries().iter().find(move |entry| is_it(entry));
    find(|entry| entry.key.text == PLUGIN_CONFIG)
        .or_else(|| find(|entry| is_misspelt(&entry.key.text)))
        .or_else(|| find(|Entry { value, .. }| value.get("hosts").is_some() && value.get("routes").is_some()))
}

/// Returns whether a key is probably meant to be `pluginConfig`.
fn is_misspelt(key: &str) -> bool {
    let plain: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    key != PLUGIN_CONFIG && nearest(&plain, [PLUGIN_CONFIG]).is_some()
}

/// Returns whether a value is probably a table of this filter, good or bad.
fn resembles_table(node: &Node) -> bool {
    match &node.value {
        Value::Map(entries) => {
            is_configuration(node)
                || entries.iter().any(|entry| matches!(entry.value.value, Value::List(_)) && resembles_list(entry))
        }
        // The text that a StringValue should hold, or a list of routes.
        Value::Text { text, .. } => text.contains("hosts") || text.contains("routes"),
        Value::List(items) => items.iter().any(|item| item.get("match").is_some() || resembles_table(item)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Returns whether the key of a list is `hosts` or `routes` with one mistake. With two, `rules` would be `routes`.
fn resembles_list(entry: &Entry) -> bool {
    ["hosts", "routes"].into_iter().any(|key| strsim::damerau_levenshtein(&entry.key.text, key) <= 1)
}

/// Returns the configuration of every plugin in a document, of this filter and of any other.
pub fn find(document: &Arc<Node>) -> Vec<Found> {
    let mut found = Vec::new();
    find_in_document(document, &mut found);
    found
}

fn find_in_document(document: &Arc<Node>, found: &mut Vec<Found>) {
    let name = document.at(&["metadata", "name"]).and_then(|name| name.text());
    let mut add = |kind, spec: &Arc<Node>, plugin: &Arc<Node>, patch: Option<&Arc<Node>>, configuration: Found| {
        let manifest = Manifest {
            kind,
            document: Arc::clone(document),
            spec: Arc::clone(spec),
            plugin: Arc::clone(plugin),
            patch: patch.cloned(),
        };
        let is_ours = configuration.is_ours || name == Some(PLUGIN_NAME);
        found.push(Found { manifest: Some(manifest), is_ours, ..configuration });
    };
    // Without `spec`, its keys may be in its place.
    let spec = document.get("spec").unwrap_or(document);
    match document.text_at("kind") {
        // `kubectl get -o yaml` prints several objects as a list.
        Some("List") => document.list("items").iter().for_each(|item| find_in_document(item, found)),
        Some("WasmPlugin") if is_of_higress(document) => {
            // Higress takes `pluginConfig` before `defaultConfig`.
            let table = spec.either([PLUGIN_CONFIG, "defaultConfig"]);
            let found = Found::new(spec, spec.get("pluginName"), table);
            let is_ours = is_our_url(spec.get("url"));
            add(Kind::HigressWasmPlugin, spec, spec, None, Found { is_ours, ..found });
        }
        Some("EnvoyExtensionPolicy") => {
            for plugin in spec.list("wasm") {
                let found = Found::new(plugin, plugin.get("rootID"), plugin.get("config"));
                let is_ours = is_our_url(plugin.at(&["code", "image", "url"]));
                add(Kind::EnvoyExtensionPolicy, spec, plugin, None, Found { is_ours, ..found });
            }
        }
        Some("WasmPlugin") => add(Kind::WasmPlugin, spec, spec, None, Found::in_plugin(spec, document)),
        Some("TrafficExtension") => {
            let plugin = spec.get("wasm").or_else(|| plugin_config(spec).map(|_| spec));
            if let Some(plugin) = plugin {
                add(Kind::TrafficExtension, spec, plugin, None, Found::in_plugin(plugin, document));
            }
        }
        Some("EnvoyFilter") => {
            for patch in spec.list("configPatches") {
                find_in_envoy(patch, &mut |plugin, configuration| {
                    add(Kind::EnvoyFilter, spec, plugin, Some(patch), configuration);
                });
            }
        }
        // The kind is wrong or missing.
        _ if spec.text_at("pluginName") == Some(PLUGIN_NAME) && document.get("spec").is_some() => {
            add(Kind::WasmPlugin, spec, spec, None, Found::in_plugin(spec, document));
        }
        Some(_) if document.get("apiVersion").is_some() => {}
        _ if document.get(PLUGIN_CONFIG).is_some()
            || document.entries().iter().any(|entry| is_misspelt(&entry.key.text)) =>
        {
            found.push(Found { is_ours: true, ..Found::in_plugin(document, document) });
        }
        _ if is_configuration(document) => found.push(Found::new(document, None, Some(document))),
        _ => find_in_envoy(document, &mut |plugin, configuration| {
            found.push(Found { envoy_plugin: Some(Arc::clone(plugin)), ..configuration });
        }),
    }
}

fn is_of_higress(document: &Node) -> bool {
    document.text_at("apiVersion").is_some_and(|version| version.starts_with("extensions.higress.io/"))
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
                let text = any.text_at("value").map(str::to_owned);
                Found { node, text, errors, ..Found::new(any, root_id, any.get("value")) }
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

//! Where in a document the plugin's configuration is: in a WasmPlugin, a TrafficExtension, an EnvoyFilter or
//! any Envoy configuration, under a `pluginConfig:` of its own, or as the whole document; and whether it would
//! reach the plugin as JSON text from there.

pub mod gateway;
pub(crate) mod ports;
pub(crate) mod workloads;

use std::fmt;
use std::sync::Arc;

use ksvc_routing::config::Config;

use crate::source::position::{Position, Span};
use crate::yaml::{self, Node, Origin, Value, YamlProblem};

/// `pluginName` of the WasmPlugin, `root_id` in Envoy.
pub(crate) const PLUGIN_NAME: &str = "ksvc-router";

/// Keys of the configuration that other documents have too: they don't make a document one.
const COMMON_KEYS: [&str; 3] = ["name", "namespace", "domain"];

const STRING_VALUE: &str = "google.protobuf.StringValue";
const BYTES_VALUE: &str = "google.protobuf.BytesValue";

/// A plugin's configuration in a document.
#[derive(Debug, Clone)]
pub struct Found {
    /// `pluginName` or `root_id`, where it is given.
    pub plugin_name: Option<String>,
    /// The configuration, or where it should be.
    pub at: Span,
    /// `None` where there is none: the plugin then gets 0 bytes.
    pub node: Option<Arc<Node>>,
    /// What keeps it from the plugin, however good it is.
    pub problems: Vec<ManifestProblem>,
    /// The manifest that it is in; `None` for a configuration alone.
    pub manifest: Option<Manifest>,
}

/// The manifest around a configuration.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub kind: Kind,
    pub document: Arc<Node>,
    pub spec: Arc<Node>,
    /// What holds the settings of the plugin: `spec` itself, `spec.wasm`, or Envoy's `PluginConfig`.
    pub plugin: Arc<Node>,
    /// Of an EnvoyFilter, the element of `configPatches`.
    pub patch: Option<Arc<Node>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    WasmPlugin,
    TrafficExtension,
    EnvoyFilter,
}

/// Why a configuration would not reach the plugin as it is written.
#[derive(Debug, Clone)]
pub struct ManifestProblem {
    pub at: Span,
    pub what: Undelivered,
}

/// Envoy unwraps StringValue and BytesValue alone, and hands the bytes of every other message over as they are
/// encoded: seen on 1.36.4, 1.39.3 and 1.40.0, whatever its documentation says of Struct.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Undelivered {
    /// The message is no StringValue but one of this name, or of none.
    Type { found: Option<String> },
    /// A StringValue whose value is not text.
    NotText,
    /// Text that is YAML at best; the parser's words.
    NotJson { message: String },
    /// JSON text that is beyond what is read here, such as lists in lists a hundred deep.
    Unread(YamlProblem),
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let remedy = format_args!(
            "write `type.googleapis.com/{STRING_VALUE}`, and below `value: |` the configuration as JSON text"
        );
        match self {
            Self::Type { found: Some(found) } if found == BYTES_VALUE => {
                write!(f, "a BytesValue holds base64, which can't be checked here; {remedy}")
            }
            Self::Type { found: Some(found) } => {
                write!(
                    f,
                    "Envoy hands a `{found}` to the plugin in protobuf's encoding, which is not JSON, so the table \
                     would never load; {remedy}"
                )
            }
            Self::Type { found: None } => {
                write!(f, "Envoy takes no `configuration` without `@type`; {remedy}")
            }
            Self::NotText => f.write_str(
                "a StringValue holds text, and this is none; write `value: |` and the configuration as JSON text below",
            ),
            Self::NotJson { message } => write!(
                f,
                "the plugin gets this text as it is, and it is not JSON: {message}; write JSON, with every key and \
                 string in double quotes and no comma behind the last element"
            ),
            Self::Unread(problem) => problem.fmt(f),
        }
    }
}

impl Found {
    pub fn is_ours_by_name(&self) -> bool {
        self.plugin_name.as_deref() == Some(PLUGIN_NAME)
    }

    fn new(holder: &Node, plugin_name: Option<&Arc<Node>>, node: Option<&Arc<Node>>) -> Self {
        Self {
            plugin_name: plugin_name.and_then(|name| name.text()).map(str::to_owned),
            at: node.map_or(holder.span, |node| node.span),
            // Protobuf JSON takes null for absent.
            node: node.filter(|node| !node.is_null()).cloned(),
            problems: Vec::new(),
            manifest: None,
        }
    }
}

/// Every configuration of a plugin in a document, ours or another's.
pub fn find(document: &Arc<Node>) -> Vec<Found> {
    let mut found = Vec::new();
    look(document, &mut found);
    found
}

fn look(document: &Arc<Node>, found: &mut Vec<Found>) {
    let spec = document.get("spec");
    let around = |kind, plugin: &Arc<Node>, patch: Option<&Arc<Node>>| {
        let (document, plugin, patch) = (Arc::clone(document), Arc::clone(plugin), patch.cloned());
        spec.map(|spec| Manifest { kind, document, spec: Arc::clone(spec), plugin, patch })
    };
    match document.get("kind").and_then(|kind| kind.text()) {
        // As `kubectl get -o yaml` prints several.
        Some("List") => {
            for item in document.get("items").map_or(&[][..], |items| items.items()) {
                look(item, found);
            }
        }
        Some("WasmPlugin") => {
            let plugin =
                |plugin: &Arc<Node>| Found { manifest: around(Kind::WasmPlugin, plugin, None), ..in_plugin(plugin) };
            found.extend(spec.map(plugin));
        }
        Some("TrafficExtension") => {
            let plugin = |plugin: &Arc<Node>| Found {
                manifest: around(Kind::TrafficExtension, plugin, None),
                ..in_plugin(plugin)
            };
            found.extend(spec.and_then(|spec| spec.get("wasm")).map(plugin));
        }
        Some("EnvoyFilter") => {
            for patch in spec.and_then(|spec| spec.get("configPatches")).map_or(&[][..], |patches| patches.items()) {
                in_envoy(patch, &mut |plugin, configuration| {
                    let manifest = around(Kind::EnvoyFilter, plugin, Some(patch));
                    found.push(Found { manifest, ..configuration });
                });
            }
        }
        Some(_) if document.get("apiVersion").is_some() => {}
        _ if document.get("pluginConfig").is_some() => found.push(in_plugin(document)),
        _ if is_configuration(document) => found.push(Found::new(document, None, Some(document))),
        _ => in_envoy(document, &mut |_, configuration| found.push(configuration)),
    }
}

fn in_plugin(holder: &Node) -> Found {
    Found::new(holder, holder.get("pluginName"), holder.get("pluginConfig"))
}

fn is_configuration(document: &Node) -> bool {
    let keys = Config::KEYS.iter().filter(|key| !COMMON_KEYS.contains(key));
    keys.into_iter().any(|key| document.get(key).is_some())
}

/// Looks for Envoy's wasm `PluginConfig`, however deep it lies.
fn in_envoy(node: &Arc<Node>, found: &mut impl FnMut(&Arc<Node>, Found)) {
    if either(node, ["vm_config", "vmConfig"]).is_some() {
        let root_id = either(node, ["root_id", "rootId"]);
        found(
            node,
            match node.get("configuration").filter(|any| !any.is_null()) {
                Some(any) => Found::in_any(any, root_id),
                None => Found::new(node, root_id, None),
            },
        );
        return;
    }
    for item in node.items() {
        in_envoy(item, found);
    }
    for entry in node.entries() {
        in_envoy(&entry.value, found);
    }
}

/// Protobuf JSON takes a field by either of its names.
pub(crate) fn either<'n>(node: &'n Node, keys: [&str; 2]) -> Option<&'n Arc<Node>> {
    keys.into_iter().find_map(|key| node.get(key))
}

impl Found {
    /// The configuration in a protobuf `Any`, whose message is under `value`.
    fn in_any(any: &Node, root_id: Option<&Arc<Node>>) -> Self {
        let value = any.get("value");
        let mut found = Self::new(any, root_id, value);
        let kind = any.get("@type");
        let name = kind.and_then(|kind| kind.text()).and_then(|url| url.rsplit('/').next());
        match name {
            Some(STRING_VALUE) => {
                let misfit = found.node.as_ref().filter(|value| value.text().is_none());
                let misfit = misfit.map(|value| ManifestProblem { at: value.span, what: Undelivered::NotText });
                found.problems.extend(misfit);
            }
            _ => {
                let what = Undelivered::Type { found: name.map(str::to_owned) };
                found.problems.push(ManifestProblem { at: kind.map_or(any.span, |kind| kind.span), what });
            }
        }
        match value.map(|value| (&value.value, value.span)) {
            Some((Value::Text { .. }, _)) if name == Some(BYTES_VALUE) => found.node = None,
            Some((Value::Text { text, style }, span)) => found.take_text(text, Origin::of_text(text, *style, span)),
            _ => {}
        }
        found
    }

    /// Reads the configuration from the text that the plugin gets. As YAML, even where JSON is wanted: that has
    /// places, and what else is wrong can be told too.
    fn take_text(&mut self, text: &str, origin: Origin) {
        let read = yaml::parse(text, origin);
        let is_empty = matches!(&read, Ok(documents) if documents.is_empty());
        match serde_json::from_str::<serde_json::Value>(text) {
            Err(error) if !is_empty => {
                let message = error.to_string();
                let message = message.split(" at line ").next().unwrap_or_default().to_owned();
                let at = origin.span(Span::point(position(text, &error)));
                self.problems.push(ManifestProblem { at, what: Undelivered::NotJson { message } });
            }
            _ => {
                let unread = read.as_ref().err();
                let unread =
                    unread.map(|error| ManifestProblem { at: error.at, what: Undelivered::Unread(error.what.clone()) });
                self.problems.extend(unread);
            }
        }
        self.node = read.ok().and_then(|documents| documents.into_iter().next());
    }
}

/// Where JSON goes wrong; serde_json counts octets.
fn position(text: &str, error: &serde_json::Error) -> Position {
    let line = error.line().max(1);
    let octets = error.column().saturating_sub(1);
    let before = text.lines().nth(line - 1).and_then(|line| line.get(..octets));
    Position { line, column: before.map_or(octets, |before| before.chars().count()) + 1 }
}

//! Where in a document the plugin's configuration is: in a WasmPlugin, a TrafficExtension, an EnvoyFilter or
//! any Envoy configuration, under a `pluginConfig:` of its own, or as the whole document.

use std::sync::Arc;

use ksvc_routing::config::Config;

use crate::position::{Position, Span};
use crate::yaml::{self, Node, Origin, Style, Value, YamlError};

/// `pluginName` of the WasmPlugin, `root_id` in Envoy.
const PLUGIN_NAME: &str = "ksvc-router";

/// Keys of the configuration that other documents have too: they don't make a document one.
const COMMON_KEYS: [&str; 3] = ["name", "namespace", "domain"];

/// A plugin's configuration in a document.
#[derive(Debug, Clone)]
pub struct Found {
    /// `pluginName` or `root_id`, where it is given.
    pub plugin_name: Option<String>,
    /// The configuration, or where it should be.
    pub at: Span,
    /// `None` where there is none: the plugin then gets 0 bytes.
    pub node: Option<Arc<Node>>,
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
        }
    }
}

/// Every configuration of a plugin in a document, ours or another's.
pub fn find(document: &Arc<Node>) -> Result<Vec<Found>, YamlError> {
    let mut found = Vec::new();
    look(document, &mut found)?;
    Ok(found)
}

fn look(document: &Arc<Node>, found: &mut Vec<Found>) -> Result<(), YamlError> {
    let spec = document.get("spec");
    match document.get("kind").and_then(|kind| kind.text()) {
        // As `kubectl get -o yaml` prints several.
        Some("List") => {
            for item in document.get("items").map_or(&[][..], |items| items.items()) {
                look(item, found)?;
            }
        }
        Some("WasmPlugin") => found.extend(spec.map(|spec| in_plugin(spec))),
        Some("TrafficExtension") => {
            found.extend(spec.and_then(|spec| spec.get("wasm")).map(|wasm| in_plugin(wasm)));
        }
        Some("EnvoyFilter") => {
            if let Some(spec) = spec {
                in_envoy(spec, found)?;
            }
        }
        Some(_) if document.get("apiVersion").is_some() => {}
        _ if document.get("pluginConfig").is_some() => found.push(in_plugin(document)),
        _ if is_configuration(document) => found.push(Found::new(document, None, Some(document))),
        _ => in_envoy(document, found)?,
    }
    Ok(())
}

fn in_plugin(holder: &Node) -> Found {
    Found::new(holder, holder.get("pluginName"), holder.get("pluginConfig"))
}

fn is_configuration(document: &Node) -> bool {
    let keys = Config::KEYS.iter().filter(|key| !COMMON_KEYS.contains(key));
    keys.into_iter().any(|key| document.get(key).is_some())
}

/// Looks for Envoy's wasm `PluginConfig`, however deep it lies.
fn in_envoy(node: &Arc<Node>, found: &mut Vec<Found>) -> Result<(), YamlError> {
    let either = |keys: [&str; 2]| keys.into_iter().find_map(|key| node.get(key));
    if either(["vm_config", "vmConfig"]).is_some() {
        let any = node.get("configuration");
        // A protobuf `Any` of a Struct or a StringValue: what it holds is under `value`.
        let value = any.and_then(|any| any.get("value"));
        let mut of_plugin = Found::new(any.unwrap_or(node), either(["root_id", "rootId"]), value);
        if let Some(Node { value: Value::Text { text, style }, span, .. }) = value.map(|value| &**value) {
            of_plugin.node = in_text(text, *style, *span)?;
        }
        found.push(of_plugin);
        return Ok(());
    }
    for item in node.items() {
        in_envoy(item, found)?;
    }
    for entry in node.entries() {
        in_envoy(&entry.value, found)?;
    }
    Ok(())
}

/// The configuration as JSON text in a StringValue.
fn in_text(text: &str, style: Style, span: Span) -> Result<Option<Arc<Node>>, YamlError> {
    let origin = match style {
        Style::Literal => {
            // The span begins at the first line that is not blank.
            let blank = text.chars().take_while(|c| *c == '\n').count();
            let Position { line, column } = span.start;
            Origin::Block(Position { line: line.saturating_sub(blank), column })
        }
        Style::Other => Origin::Whole(span),
    };
    Ok(yaml::parse(text, origin)?.into_iter().next())
}

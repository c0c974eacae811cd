//! A plugin of a gateway: its document, and the Envoy configuration that delivers both to Envoy.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use data_encoding::BASE64;
use serde_json::{Value, json};

/// The ECDS resource of the plugin, which is a sample for people too.
const SAMPLE: &str = include_str!("../../../../testenv/ecds.yaml");

/// The name of the plugin that a gateway starts with.
pub const PLUGIN: &str = "ksvc-router";

/// The variable that istiod puts into the module's environment. Its value is new at every edit.
pub const RESOURCE_VERSION: &str = "ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION";

/// The document that configures the plugin.
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// A table, in the form in which istiod sends `pluginConfig`: JSON with sorted keys.
    Table(Value),
    /// Any text.
    Text(String),
    /// Any bytes.
    Bytes(Vec<u8>),
    /// No document: the plugin receives zero bytes.
    Absent,
}

impl From<Value> for Document {
    fn from(table: Value) -> Self {
        Self::Table(table)
    }
}

impl Document {
    /// Returns the `configuration` field of Envoy's plugin configuration.
    fn configuration(&self) -> Value {
        let typed = |kind: &str, value: String| json!({"@type": format!("type.googleapis.com/google.protobuf.{kind}"), "value": value});
        match self {
            Self::Table(table) => {
                let mut table = table.clone();
                table.sort_all_objects();
                typed("StringValue", table.to_string())
            }
            Self::Text(text) => typed("StringValue", text.clone()),
            Self::Bytes(bytes) => typed("BytesValue", BASE64.encode(bytes)),
            Self::Absent => Value::Null,
        }
    }
}

/// How Envoy gets the configuration of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// An ECDS resource that the listener names, as istiod sends it.
    Ecds,
    /// A part of the listener itself, as an EnvoyFilter may put it there.
    Listener,
}

/// A plugin of a listener.
#[derive(Debug, Clone)]
pub(super) struct Plugin {
    /// The name of the filter and of Envoy's plugin.
    pub(super) name: String,
    pub(super) document: Document,
    /// The resource version in the module's environment. It is `None` if the agent has fetched the module.
    pub(super) resource_version: Option<u64>,
}

impl Plugin {
    /// Returns the HTTP filter that the listener contains.
    pub(super) fn filter(&self, module: &Path, delivery: Delivery, folder: &Path) -> Result<Value> {
        Ok(match delivery {
            Delivery::Listener => json!({"name": self.name, "typed_config": self.typed_config(module)?}),
            Delivery::Ecds => json!({
                "name": self.name,
                "config_discovery": {
                    "config_source": {
                        "path_config_source": {"path": self.ecds_file(folder)},
                        "resource_api_version": "V3",
                        "initial_fetch_timeout": "0s",
                    },
                    "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
                },
            }),
        })
    }

    /// Writes the ECDS resource. `edit` is its version, which the file has not had before.
    pub(super) fn write_ecds(&self, module: &Path, folder: &Path, edit: u64) -> Result<()> {
        let resources = json!({"version_info": edit.to_string(), "resources": [{
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": self.name,
            "typed_config": self.typed_config(module)?,
        }]});
        move_into_place(&self.ecds_file(folder), &resources)
    }

    fn ecds_file(&self, folder: &Path) -> PathBuf {
        folder.join(format!("ecds-{}.json", self.name))
    }

    /// Returns the configuration of `testenv/ecds.yaml` with this plugin's name, module and document.
    fn typed_config(&self, module: &Path) -> Result<Value> {
        let mut sample: Value = yaml_serde::from_str(SAMPLE)?;
        let typed_config = sample.pointer_mut("/resources/0/typed_config");
        let mut typed_config = typed_config.context("testenv/ecds.yaml has no plugin")?.take();
        let config = &mut typed_config["config"];
        config["name"] = self.name.as_str().into();
        config["vm_config"]["code"]["local"]["filename"] = module.to_string_lossy().into();
        if let Some(version) = self.resource_version {
            config["vm_config"]["environment_variables"] =
                json!({"key_values": {RESOURCE_VERSION: version.to_string()}});
        }
        config["configuration"] = self.document.configuration();
        Ok(typed_config)
    }
}

/// Writes a file and then renames it to `path`: Envoy watches for renames, and so it never reads half a file.
pub(super) fn move_into_place(path: &Path, resources: &Value) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, resources.to_string())?;
    fs::rename(&new, path)?;
    Ok(())
}

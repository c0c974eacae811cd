//! The plugins of a gateway: what each is given to configure itself, and the files by which Envoy has it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::{repository, yaml};

/// The plugin that a gateway starts with.
pub const PLUGIN: &str = "ksvc-router";

/// What istiod puts into the module's environment, new at every edit.
pub(crate) const RESOURCE_VERSION: &str = "ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION";

/// What the plugin is given to configure itself.
#[derive(Debug, Clone)]
pub enum Document {
    /// As istiod sends `pluginConfig`: as JSON, with sorted keys.
    Table(Value),
    /// Any text at all.
    Text(String),
    /// Any octets at all.
    Octets(Vec<u8>),
    /// No configuration: zero bytes arrive.
    Absent,
}

impl From<Value> for Document {
    fn from(table: Value) -> Self {
        Self::Table(table)
    }
}

impl Document {
    /// The `configuration` of Envoy's plugin.
    fn as_sent(&self) -> Value {
        let sent = |kind: &str, value: String| json!({"@type": format!("type.googleapis.com/google.protobuf.{kind}"), "value": value});
        match self {
            Self::Table(table) => {
                let mut table = table.clone();
                table.sort_all_objects();
                sent("StringValue", table.to_string())
            }
            Self::Text(text) => sent("StringValue", text.clone()),
            Self::Octets(octets) => sent("BytesValue", BASE64.encode(octets)),
            Self::Absent => Value::Null,
        }
    }
}

/// How a plugin's configuration comes to Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// By a resource of its own that the listener names, as from istiod.
    Ecds,
    /// Within the listener, as an EnvoyFilter may put it there.
    Listener,
}

/// One plugin of a listener.
#[derive(Debug, Clone)]
pub(super) struct Plugin {
    /// Of the filter, and Envoy's name of the plugin.
    pub(super) name: String,
    pub(super) document: Document,
    /// What istiod puts into the module's environment; `None` as where the agent has fetched the module.
    pub(super) resource_version: Option<u64>,
}

impl Plugin {
    /// The HTTP filter of a listener.
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

    /// Writes the ECDS resource; `edit` is one that this file has not had.
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

    /// As in `testenv/ecds.yaml`, but for the names, the module and the document.
    fn typed_config(&self, module: &Path) -> Result<Value> {
        let mut sample: Value = yaml::read(&repository().join("testenv/ecds.yaml"))?;
        let typed_config = sample.pointer_mut("/resources/0/typed_config");
        let mut typed_config = typed_config.context("testenv/ecds.yaml has no plugin")?.take();
        let config = &mut typed_config["config"];
        config["name"] = self.name.as_str().into();
        config["vm_config"]["code"]["local"]["filename"] = module.to_string_lossy().into();
        if let Some(version) = self.resource_version {
            config["vm_config"]["environment_variables"] =
                json!({"key_values": {RESOURCE_VERSION: version.to_string()}});
        }
        config["configuration"] = self.document.as_sent();
        Ok(typed_config)
    }
}

/// Envoy watches for files that are moved, and never sees half of one.
pub(super) fn move_into_place(path: &Path, resources: &Value) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, resources.to_string())?;
    fs::rename(&new, path)?;
    Ok(())
}

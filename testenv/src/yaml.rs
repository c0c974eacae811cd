//! YAML files of the repository as JSON values.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads one document; errors name the file.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("{} is not what it should be", path.display()))
}

/// The route table of a WasmPlugin manifest: its `spec.pluginConfig`.
pub fn plugin_config(manifest: &Path) -> Result<Value> {
    let mut document: Value = read(manifest)?;
    let table = document.pointer_mut("/spec/pluginConfig").map(Value::take);
    table.with_context(|| format!("{} has no spec.pluginConfig", manifest.display()))
}

//! HTTP filters whose configuration is in a file that Envoy watches, as filters get theirs from istiod. Envoy parses a long
//! configuration once, however many copies of the filter a listener has.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// Returns the entry of the filter with this name for a listener's list of filters.
pub fn filter(folder: &Path, name: &str) -> Value {
    json!({"name": name, "config_discovery": {
        "config_source": source(&file(folder, name)),
        "type_urls": [
            "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
        ],
    }})
}

/// Returns a `config_source` that makes Envoy watch a file.
pub fn source(file: &Path) -> Value {
    json!({"path_config_source": {"path": file}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"})
}

/// Writes the configuration of the filter with this name. `version` must be one that the file has not had before.
pub fn write(folder: &Path, name: &str, typed_config: &Value, version: u64) -> Result<()> {
    let (file, resource) = resource(folder, name, typed_config);
    write_resource(&file, &resource, version)
}

/// Returns the file of the filter with this name, and the resource for it.
pub fn resource(folder: &Path, name: &str, typed_config: &Value) -> (PathBuf, Value) {
    let resource = json!({
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": name,
        "typed_config": typed_config,
    });
    (file(folder, name), resource)
}

/// Writes a file that holds one resource.
pub fn write_resource(file: &Path, resource: &Value, version: u64) -> Result<()> {
    move_into_place(file, &text(resource, version))
}

/// Returns the text of a file that holds one resource.
pub fn text(resource: &Value, version: u64) -> String {
    json!({"version_info": version.to_string(), "resources": [resource]}).to_string()
}

/// Replaces a file by renaming a new one. Envoy watches for renames, and so it never reads a file that is half written.
pub fn move_into_place(file: &Path, text: &str) -> Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, text)?;
    Ok(fs::rename(&new, file)?)
}

fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("ecds-{name}.json"))
}

/// Returns the `typed_config` of a proxy-wasm module with its document, in the form that istiod sends. As with istiod,
/// each `version` gets VMs of its own.
pub fn wasm(module: &Path, document: &Value, version: u64) -> Result<Value> {
    let module = module.canonicalize().with_context(|| format!("cannot find the module {}", module.display()))?;
    let mut document = document.clone();
    document.sort_all_objects();
    let environment = json!({"ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION": version.to_string()});
    Ok(json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {
            "name": "plugin",
            "root_id": "plugin",
            "failure_policy": "FAIL_RELOAD",
            "vm_config": {
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": module}},
                "environment_variables": {"key_values": environment},
            },
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": document.to_string(),
            },
        },
    }))
}

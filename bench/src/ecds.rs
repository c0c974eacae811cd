//! HTTP filters whose configuration comes from a file that Envoy watches, as istiod's comes from istiod. A long one is
//! read once, however many copies of the filter a listener has.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

/// The filter of that name in a listener.
pub fn filter(folder: &Path, name: &str) -> Value {
    json!({"name": name, "config_discovery": {
        "config_source": source(&file(folder, name)),
        "type_urls": [
            "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
        ],
    }})
}

/// A file that Envoy watches.
pub fn source(file: &Path) -> Value {
    json!({"path_config_source": {"path": file}, "resource_api_version": "V3", "initial_fetch_timeout": "0s"})
}

/// Gives the filter of that name its configuration; `version` is one that the file has not had.
pub fn write(folder: &Path, name: &str, typed_config: &Value, version: u64) -> Result<()> {
    let (file, resource) = resource(folder, name, typed_config);
    write_resource(&file, &resource, version)
}

/// The file of the filter of that name, and what it holds.
pub fn resource(folder: &Path, name: &str, typed_config: &Value) -> (PathBuf, Value) {
    let resource = json!({
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": name,
        "typed_config": typed_config,
    });
    (file(folder, name), resource)
}

/// Writes a file of one resource.
pub fn write_resource(file: &Path, resource: &Value, version: u64) -> Result<()> {
    move_into_place(file, &text(resource, version))
}

/// Of a file of one resource.
pub fn text(resource: &Value, version: u64) -> String {
    json!({"version_info": version.to_string(), "resources": [resource]}).to_string()
}

/// Envoy watches for files that are moved, and never sees half of one.
pub fn move_into_place(file: &Path, text: &str) -> Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, text)?;
    Ok(fs::rename(&new, file)?)
}

fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("ecds-{name}.json"))
}

/// A module of proxy-wasm, with its document as istiod hands it over. As with istiod, each `version` has VMs of its own.
pub fn wasm(module: &Path, document: &Value, version: u64) -> Result<Value> {
    let module = module.canonicalize().with_context(|| format!("no module {}", module.display()))?;
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

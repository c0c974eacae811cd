//! Envoy with a bootstrap of one's own, for as long as it is held.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;
use testenv::admin;
use testenv::process::Running;

/// A table of 100,000 routes takes its time.
const PATIENCE: Duration = Duration::from_secs(180);

pub struct Envoy {
    process: Running,
    /// Of the listener.
    pub address: SocketAddr,
    pub admin: SocketAddr,
    folder: TempDir,
}

impl Envoy {
    /// Starts it with one worker. `bootstrap` may leave files in the folder, which lives as long as Envoy does.
    pub fn start(binary: &Path, bootstrap: impl FnOnce(&Path) -> Result<Value>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("ksvc-router-bench-").tempdir()?;
        let at = |name: &str| folder.path().join(name);
        fs::write(at("envoy.json"), bootstrap(folder.path())?.to_string())?;
        let mut envoy = Command::new(binary);
        envoy.arg("-c").arg(at("envoy.json")).arg("--admin-address-path").arg(at("admin-address"));
        envoy.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]);
        let process = Running::start("Envoy", &mut envoy, &at("envoy.log"), None)?;
        let mut told: Option<SocketAddr> = None;
        process.await_ready(PATIENCE, || {
            told = fs::read_to_string(at("admin-address")).ok().and_then(|address| address.trim().parse().ok());
            Ok(told.is_some_and(|address| admin::get(address, "/ready").is_ok()))
        })?;
        let admin = told.context("Envoy tells no admin address")?;
        let listeners: Value = serde_json::from_str(&admin::get(admin, "/listeners?format=json")?)?;
        let port = listeners.pointer("/listener_statuses/0/local_address/socket_address/port_value");
        let port = port.and_then(Value::as_u64).with_context(|| format!("no listener:\n{}", process.log_tail()))?;
        Ok(Self { process, address: SocketAddr::from(([127, 0, 0, 1], u16::try_from(port)?)), admin, folder })
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}

/// One listener on a free port of loopback, its HTTP as on Istio's gateways, with these filters before the router.
pub fn bootstrap(filters: Vec<Value>, route_config: Value, clusters: Vec<Value>) -> Value {
    json!({
        "node": {"id": "bench", "cluster": "ksvc-router"},
        "admin": {"address": loopback(0)},
        "static_resources": {"listeners": [listener(filters, "route_config", route_config)], "clusters": clusters},
    })
}

/// Routes are either in place (`route_config`) or come from elsewhere (`rds`).
pub fn listener(mut filters: Vec<Value>, routes_by: &str, routes: Value) -> Value {
    filters.push(typed("envoy.filters.http.router", "router.v3.Router", json!({})));
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "ingress",
        "server_name": "istio-envoy",
        "use_remote_address": true,
        "normalize_path": true,
        "merge_slashes": false,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "stream_idle_timeout": "0s",
        "common_http_protocol_options": {"idle_timeout": "0s"},
        "http_filters": filters,
    });
    manager[routes_by] = routes;
    json!({
        "name": "ingress",
        "address": loopback(0),
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    })
}

/// An HTTP filter of Envoy's own.
pub fn typed(name: &str, kind: &str, mut config: Value) -> Value {
    config["@type"] = format!("type.googleapis.com/envoy.extensions.filters.http.{kind}").into();
    json!({"name": name, "typed_config": config})
}

pub fn loopback(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

/// A module of proxy-wasm with the configuration that it is given, as istiod hands it over.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// Of the filter. Its configuration comes from the file of that name, so that a long one is read once, however
    /// many copies of the filter there are.
    pub name: &'static str,
    pub module: PathBuf,
    pub document: Value,
}

impl Plugin {
    pub fn filter(&self, folder: &Path) -> Value {
        json!({"name": self.name, "config_discovery": {
            "config_source": {
                "path_config_source": {"path": self.file(folder)},
                "resource_api_version": "V3",
                "initial_fetch_timeout": "0s",
            },
            "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
        }})
    }

    /// Writes it for Envoy to take up; `version` is one that the folder has not had.
    pub fn write(&self, folder: &Path, version: u64) -> Result<()> {
        let module = self.module.canonicalize().with_context(|| format!("no module {}", self.module.display()))?;
        let mut document = self.document.clone();
        document.sort_all_objects();
        let environment = json!({"ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION": version.to_string()});
        let configuration = json!({
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": document.to_string(),
        });
        let config = json!({
            "name": self.name,
            "root_id": self.name,
            "failure_policy": "FAIL_RELOAD",
            "vm_config": {
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": module}},
                "environment_variables": {"key_values": environment},
            },
            "configuration": configuration,
        });
        let resources = json!({"version_info": version.to_string(), "resources": [{
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": self.name,
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", "config": config},
        }]});
        move_into_place(&self.file(folder), &resources)
    }

    fn file(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.json", self.name))
    }
}

/// Envoy watches for files that are moved, and never sees half of one.
pub fn move_into_place(path: &Path, resources: &Value) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, resources.to_string())?;
    Ok(fs::rename(&new, path)?)
}

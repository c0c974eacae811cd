//! Envoy with a bootstrap that the caller writes. It runs until the value is dropped.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;
use testenv::admin;
use testenv::process::Running;

/// Long enough for a table of 100,000 routes.
const PATIENCE: Duration = Duration::from_secs(180);

pub struct Envoy {
    process: Running,
    /// The address of the listener.
    pub address: SocketAddr,
    folder: TempDir,
}

impl Envoy {
    /// Starts Envoy with one worker. `bootstrap` may write files to the folder, which exists as long as Envoy runs.
    pub fn start(binary: &Path, bootstrap: impl FnOnce(&Path) -> Result<Value>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("ksvc-router-bench-").tempdir()?;
        let at = |name: &str| folder.path().join(name);
        fs::write(at("envoy.json"), bootstrap(folder.path())?.to_string())?;
        let mut envoy = Command::new(binary);
        envoy.arg("-c").arg(at("envoy.json")).arg("--admin-address-path").arg(at("admin-address"));
        envoy.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]);
        let process = Running::start("Envoy", &mut envoy, &at("envoy.log"), None)?;
        let mut admin: Option<SocketAddr> = None;
        process.await_ready(PATIENCE, || {
            admin = fs::read_to_string(at("admin-address")).ok().and_then(|address| address.trim().parse().ok());
            Ok(admin.is_some_and(|address| admin::get(address, "/ready").is_ok()))
        })?;
        let admin = admin.context("Envoy has written no admin address")?;
        let listeners: Value = serde_json::from_str(&admin::get(admin, "/listeners?format=json")?)?;
        let port = listeners.pointer("/listener_statuses/0/local_address/socket_address/port_value");
        let port = port.and_then(Value::as_u64).with_context(|| format!("no listener:\n{}", process.log_tail()))?;
        Ok(Self { process, address: SocketAddr::from(([127, 0, 0, 1], u16::try_from(port)?)), folder })
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

/// Returns a bootstrap with one listener on a loopback port, where port 0 means any free port. The HTTP settings are those
/// of Istio's gateways. The filters come before the router; `routes` holds the fields that name the source of the routes.
pub fn bootstrap(port: u16, mut filters: Vec<Value>, routes: Value, clusters: Value) -> Value {
    filters.push(filter("router", "router.v3.Router"));
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
    if let (Value::Object(manager), Value::Object(routes)) = (&mut manager, routes) {
        manager.extend(routes);
    }
    let chain =
        json!({"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]});
    json!({
        "node": {"id": "bench", "cluster": "ksvc-router"},
        "admin": {"address": loopback(0)},
        "static_resources": {
            "listeners": [{"name": "ingress", "address": loopback(port), "filter_chains": [chain]}],
            "clusters": clusters,
        },
    })
}

/// Returns one of Envoy's own HTTP filters, without settings.
pub fn filter(name: &str, kind: &str) -> Value {
    let kind = format!("type.googleapis.com/envoy.extensions.filters.http.{kind}");
    json!({"name": format!("envoy.filters.http.{name}"), "typed_config": {"@type": kind}})
}

pub fn loopback(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

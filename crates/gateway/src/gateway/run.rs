//! One Envoy process: writes its bootstrap, starts it, and asks it for the addresses of its listeners.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::setup::Setup;
use crate::admin;
use crate::process::{Running, read_lossy};

/// Long enough for a loaded machine with two cores. An operation that takes longer has hung.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The seconds after which a hot restart ends the old process, even if it still has connections.
const PARENT_SHUTDOWN: &str = "5";

/// A running Envoy process.
pub(super) struct Run {
    pub(super) process: Running,
    pub(super) admin: SocketAddr,
    pub(super) ingress: SocketAddr,
    pub(super) raw_paths: Option<SocketAddr>,
    /// The number of hot restarts since the last start from nothing, which Envoy calls its restart epoch.
    pub(super) epoch: u32,
}

impl Setup {
    /// Starts Envoy with the files of this folder and waits until it serves. `number` counts the processes of this
    /// gateway. If `epoch` is not 0, this is a hot restart, and the new process takes over from the one of `epoch - 1`.
    pub(super) fn run(&self, folder: &Path, stand_ins: SocketAddr, number: usize, epoch: u32) -> Result<Run> {
        let bootstrap = folder.join("envoy.json");
        fs::write(&bootstrap, self.bootstrap_in(folder, stand_ins)?.to_string())?;
        let admin_file = folder.join(format!("admin-address-{number}"));
        let base_id = folder.join("base-id");
        let mut envoy = Command::new(&self.envoy);
        envoy.arg("-c").arg(&bootstrap).arg("--admin-address-path").arg(&admin_file);
        envoy.args(["--concurrency", &self.workers.to_string(), "--file-flush-interval-msec", "50"]);
        envoy.args(["--log-level", "warning", "--component-log-level", "wasm:info"]);
        if let Some(seconds) = self.drain_time {
            envoy.args(["--drain-time-s", &seconds.to_string(), "--drain-strategy", "immediate"]);
        }
        match (self.hot_restart, epoch) {
            (false, _) => envoy.arg("--disable-hot-restart"),
            // Envoy chooses a base id that no other process on this machine has.
            (true, 0) => envoy.arg("--use-dynamic-base-id").arg("--base-id-path").arg(&base_id),
            (true, epoch) => envoy
                .args(["--base-id", read_lossy(&base_id).trim(), "--restart-epoch", &epoch.to_string()])
                .args(["--parent-shutdown-time-s", PARENT_SHUTDOWN]),
        };
        let access_log = File::options().create(true).append(true).open(folder.join("access.log"))?;
        let process = Running::start("Envoy", &mut envoy, &folder.join(log_file(number)), Some(access_log))?;

        let mut admin_address = None;
        process.await_ready(PATIENCE, || {
            admin_address = fs::read_to_string(&admin_file).ok().and_then(|address| address.trim().parse().ok());
            Ok(admin_address.is_some_and(|address| admin::get(address, "/ready").is_ok()))
        })?;
        let admin = admin_address.context("Envoy reports no admin address")?;
        let unset = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut run = Run { process, admin, ingress: unset, raw_paths: None, epoch };
        let listeners: Value = serde_json::from_str(&admin::get(admin, "/listeners?format=json")?)?;
        for listener in listeners["listener_statuses"].as_array().context("no listeners")? {
            let port = listener.pointer("/local_address/socket_address/port_value").and_then(Value::as_u64);
            let port = u16::try_from(port.context("a listener without a port")?)?;
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            if listener["name"] == "ingress" {
                run.ingress = address;
            } else {
                run.raw_paths = Some(address);
            }
        }
        ensure!(run.ingress.port() != 0, "Envoy has no listener");
        Ok(run)
    }
}

pub(super) fn log_file(number: usize) -> String {
    format!("envoy-{number}.log")
}

//! Real Envoy as an ingress gateway: `testenv/envoy.yaml` with the plugin in it, edited while it runs as istiod does,
//! restarted in every way in which a gateway is; its admin interface and logs. It ends when dropped.

mod bootstrap;
mod plugin;
mod run;
mod setup;

use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::admin;
use crate::http1::Request;
use crate::process::{free_ports, read_lossy};

pub use bootstrap::{ROUTE_HEADER, VIRTUAL_HOST_HEADER};
pub(crate) use plugin::RESOURCE_VERSION;
pub use plugin::{Delivery, Document, PLUGIN};
use plugin::{Plugin, move_into_place};
use run::{PATIENCE, Run};
pub use setup::Setup;

impl Setup {
    /// Starts Envoy in front of the stand-ins and waits until it serves.
    pub fn start(mut self, stand_ins: SocketAddr) -> Result<Gateway> {
        let folder = tempfile::Builder::new().prefix("ksvc-router-gateway-").tempdir()?;
        if self.ports.0 == 0 && self.hot_restart {
            // The old process finds its socket by the address that the new one names.
            [self.ports.0] = free_ports()?;
        }
        self.write_all(folder.path(), 1)?;
        let run = self.run(folder.path(), stand_ins, 0, 0)?;
        Ok(Gateway { run, old: None, runs: 0, edits: 1, setup: self, folder, stand_ins })
    }

    /// Every file that Envoy watches.
    fn write_all(&self, folder: &Path, edit: u64) -> Result<()> {
        if self.delivery == Delivery::Ecds {
            for plugin in &self.plugins {
                plugin.write_ecds(&self.module, folder, edit)?;
            }
        }
        if self.listeners_by_file {
            move_into_place(&folder.join("lds.json"), &self.lds_in(folder, edit)?)?;
        }
        Ok(())
    }
}

/// A running Envoy; ends when dropped.
pub struct Gateway {
    run: Run,
    /// What a hot restart has replaced.
    old: Option<Run>,
    /// How many processes there were before this one.
    runs: usize,
    /// How many documents and listeners there have been: the version of the last one.
    edits: u64,
    setup: Setup,
    folder: TempDir,
    stand_ins: SocketAddr,
}

impl Gateway {
    /// The listener in the shape of Istio's.
    pub fn address(&self) -> SocketAddr {
        self.run.ingress
    }

    /// The listener with `normalize_path` off; the other one where the setup has none.
    pub fn address_as_sent(&self) -> SocketAddr {
        self.run.as_sent.unwrap_or(self.run.ingress)
    }

    pub fn admin_address(&self) -> SocketAddr {
        self.run.admin
    }

    /// Envoy's process.
    pub fn process_id(&self) -> u32 {
        self.run.process.id()
    }

    pub fn workers(&self) -> u32 {
        self.setup.workers
    }

    /// Gives the plugin a new configuration and waits until Envoy has handed it to every worker.
    pub fn edit(&mut self, document: impl Into<Document>) -> Result<()> {
        self.put(PLUGIN, document)
    }

    /// Gives this plugin a new configuration, having put it behind the others if it is new, and waits until Envoy has
    /// handed it to every worker.
    pub fn put(&mut self, plugin: &str, document: impl Into<Document>) -> Result<()> {
        let is_there = self.setup.plugins.iter().any(|held| held.name == plugin);
        let before = self.reloads(plugin)?;
        if is_there && self.setup.delivery == Delivery::Ecds {
            self.write(plugin, document)?;
            return self.await_change("edit", || Ok(self.reloads(plugin)? > before));
        }
        let before = self.listeners_created()?;
        self.write(plugin, document)?;
        if !is_there && self.setup.delivery == Delivery::Ecds {
            self.write_listeners()?;
        }
        self.await_listener(before)
    }

    /// Gives a plugin that is there a new configuration and waits until Envoy's main thread has it, and no worker yet,
    /// perhaps.
    pub fn put_on_main_thread(&mut self, plugin: &str, document: impl Into<Document>) -> Result<()> {
        let taken = match self.setup.delivery {
            Delivery::Ecds => format!("{}.update_success", ecds_stats(plugin)),
            Delivery::Listener => "listener_manager.lds.update_success".to_owned(),
        };
        let before = self.stat(&taken)?;
        self.write(plugin, document)?;
        self.await_change("edit", || Ok(self.stat(&taken)? > before))
    }

    /// Writes a plugin's new configuration for Envoy to take up, or, where nothing is watched, for its next start.
    pub fn write(&mut self, plugin: &str, document: impl Into<Document>) -> Result<()> {
        self.edits += 1;
        let edit = self.edits;
        let resource_version = self.setup.versioned.then_some(edit);
        let new = Plugin { name: plugin.to_owned(), document: document.into(), resource_version };
        if self.setup.delivery == Delivery::Ecds {
            new.write_ecds(&self.setup.module, self.folder.path(), edit)?;
        }
        match self.setup.plugins.iter_mut().find(|held| held.name == plugin) {
            Some(held) => *held = new,
            None => self.setup.plugins.push(new),
        }
        if self.setup.delivery == Delivery::Listener { self.write_listeners() } else { Ok(()) }
    }

    /// Takes a plugin out of the listener, and waits until every worker has the listener without it.
    pub fn remove(&mut self, plugin: &str) -> Result<()> {
        self.setup.plugins.retain(|held| held.name != plugin);
        self.change_listeners()
    }

    /// Has just these filters in front of the plugins, and waits until every worker has them.
    pub fn set_policies(&mut self, policies: &[Value]) -> Result<()> {
        self.setup.policies = policies.to_vec();
        self.change_listeners()
    }

    fn change_listeners(&mut self) -> Result<()> {
        let before = self.listeners_created()?;
        self.write_listeners()?;
        self.await_listener(before)
    }

    fn write_listeners(&mut self) -> Result<()> {
        if !self.setup.listeners_by_file {
            return Ok(());
        }
        self.edits += 1;
        let listeners = self.setup.lds_in(self.folder.path(), self.edits)?;
        move_into_place(&self.folder.path().join("lds.json"), &listeners)
    }

    fn await_listener(&self, before: u64) -> Result<()> {
        ensure!(self.setup.listeners_by_file, "the listeners of this gateway are fixed until its next start");
        let workers = u64::from(self.setup.workers);
        self.await_change("listener", || Ok(self.listeners_created()? >= before + workers))
    }

    fn await_change(&self, what: &str, mut taken: impl FnMut() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let refused = self.refused()?;
            ensure!(refused.is_empty(), "Envoy refused the {what}: {refused:?}; its log:\n{}", self.log_tail());
            if taken()? {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "Envoy does not take the {what} up; its log:\n{}", self.log_tail());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// How many configurations of a plugin all workers have taken by ECDS.
    fn reloads(&self, plugin: &str) -> Result<u64> {
        self.stat(&format!("{}.config_reload", ecds_stats(plugin)))
    }

    /// How many listeners the workers have taken up, each worker by itself.
    fn listeners_created(&self) -> Result<u64> {
        self.stat("listener_manager.listener_create_success")
    }

    /// The counters of what Envoy has refused, where any are above 0.
    pub fn refused(&self) -> Result<Vec<(String, u64)>> {
        let mut refused = self.stats("(update_rejected|config_fail|config_conflict|listener_create_failure)$")?;
        refused.retain(|(_, count)| *count > 0);
        Ok(refused)
    }

    /// Every counter and gauge whose name matches the regular expression.
    pub fn stats(&self, regex: &str) -> Result<Vec<(String, u64)>> {
        admin::stats(self.run.admin, regex)
    }

    /// The counter or gauge of this name; 0 before its first use.
    pub fn stat(&self, name: &str) -> Result<u64> {
        let stats = self.stats(&format!("^{}$", name.replace('.', "\\.")))?;
        Ok(stats.first().map_or(0, |(_, value)| *value))
    }

    /// One of the plugin's own counters or gauges, `routed` say, of the table of that name; 0 before its first use.
    pub fn plugin_stat(&self, table: &str, name: &str) -> Result<u64> {
        self.stat(&format!("wasmcustom.wasm_filter.{table}.ksvc_router.{name}"))
    }

    /// The body of an admin page.
    pub fn admin_get(&self, path: &str) -> Result<String> {
        admin::get(self.run.admin, path)
    }

    /// What Envoy and the plugin have logged so far, in all runs.
    pub fn log(&self) -> String {
        (0..=self.runs).map(|run| read_lossy(&self.folder.path().join(run::log_file(run)))).collect()
    }

    /// The last lines of the log.
    fn log_tail(&self) -> String {
        self.run.process.log_tail()
    }

    /// The access log so far; Envoy writes it every 50 ms.
    pub fn access_log(&self) -> String {
        read_lossy(&self.folder.path().join("access.log"))
    }

    /// Kills Envoy, as the kernel would that is out of memory, and starts another with the files as they are.
    pub fn crash(&mut self) -> Result<()> {
        let process = Pid::from_raw(i32::try_from(self.process_id())?);
        kill(process, Signal::SIGKILL)?;
        self.old = None;
        self.runs += 1;
        self.run = self.setup.run(self.folder.path(), self.stand_ins, self.runs, 0)?;
        Ok(())
    }

    /// Starts another Envoy that takes over the old one's sockets, with the files as they are. The old one finishes what
    /// it has, and ends some seconds later; see [`Gateway::await_old_process`].
    pub fn hot_restart(&mut self) -> Result<()> {
        ensure!(self.setup.hot_restart, "the setup has no hot restart");
        self.await_old_process()?;
        self.runs += 1;
        let run = self.setup.run(self.folder.path(), self.stand_ins, self.runs, self.run.epoch + 1)?;
        self.old = Some(std::mem::replace(&mut self.run, run));
        Ok(())
    }

    /// Waits until the process that a hot restart has replaced, if any, has ended by itself.
    pub fn await_old_process(&mut self) -> Result<()> {
        let Some(old) = self.old.take() else { return Ok(()) };
        eventually("the old process ends", || Ok(old.process.ended()?.is_some()))
    }

    /// Tells Envoy to drain, as a pod that is about to go does: it serves on, and closes its listeners when the drain
    /// time is over.
    pub fn drain(&self) -> Result<()> {
        let response = Request::new("POST", "admin", "/drain_listeners?graceful").send(self.admin_address())?;
        ensure!(response.status == 200, "drain: {} {}", response.status, response.text());
        Ok(())
    }
}

fn ecds_stats(plugin: &str) -> String {
    format!("extension_config_discovery.http_filter.{plugin}")
}

fn eventually(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds()? {
        ensure!(Instant::now() < deadline, "waited {PATIENCE:?} in vain until {what}");
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

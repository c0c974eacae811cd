//! Real Envoy as an ingress gateway: it runs `testenv/envoy.yaml` with the plugin in it. While it runs, its plugins and
//! listeners can be edited as istiod does it, it can be restarted in every way in which a gateway is restarted, and its
//! statistics and logs can be read. It is written by hand because no crate controls an Envoy process in this way.
//!
//! [`Setup`] describes a gateway before its start and [`Gateway`] is the running one.

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
use crate::process::{ensure_not_stopped, free_ports, read_lossy};

pub use bootstrap::{ROUTE_HEADER, VIRTUAL_HOST_HEADER};
pub use plugin::{Delivery, Document, PLUGIN, RESOURCE_VERSION};
use plugin::{Plugin, move_into_place};
use run::{PATIENCE, Run};
pub use setup::Setup;

impl Setup {
    /// Starts Envoy, with these stand-ins as its services, and waits until it serves requests.
    pub fn start(mut self, stand_ins: SocketAddr) -> Result<Gateway> {
        let folder = tempfile::Builder::new().prefix("ksvc-router-gateway-").tempdir()?;
        if self.ports.0 == 0 && self.hot_restart {
            // A hot restart needs a fixed port: the new process takes over the socket that has its own address.
            [self.ports.0] = free_ports()?;
        }
        self.write_all(folder.path(), 1)?;
        let run = self.run(folder.path(), stand_ins, 0, 0)?;
        Ok(Gateway { run, old: None, runs: 0, edits: 1, setup: self, folder, stand_ins })
    }

    /// Writes every file that Envoy watches.
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

/// A running Envoy, which ends when this is dropped.
pub struct Gateway {
    run: Run,
    /// The process that the last hot restart has replaced, until it ends.
    old: Option<Run>,
    /// The number of processes before this one.
    runs: usize,
    /// The number of documents and listeners so far, which is the version of the last one.
    edits: u64,
    setup: Setup,
    folder: TempDir,
    stand_ins: SocketAddr,
}

impl Gateway {
    /// Returns the address of the listener that has the settings of Istio's gateway.
    pub fn address(&self) -> SocketAddr {
        self.run.ingress
    }

    /// Returns the address of the listener with `normalize_path` off, or of the usual one if the setup has none.
    pub fn raw_path_address(&self) -> SocketAddr {
        self.run.raw_paths.unwrap_or(self.run.ingress)
    }

    pub fn admin_address(&self) -> SocketAddr {
        self.run.admin
    }

    /// Returns the id of Envoy's process.
    pub fn process_id(&self) -> u32 {
        self.run.process.id()
    }

    /// Returns an error with the last lines of the log if Envoy has ended by itself.
    pub fn ensure_running(&self) -> Result<()> {
        self.run.process.ensure_running()
    }

    /// Waits until a plugin has read its document, which names this table, even if the document has errors. If Envoy can't
    /// run the plugin, the error has the reasons that Envoy logs.
    pub fn await_plugin(&self, plugin: &str, table: &str) -> Result<()> {
        let gauge = format!("^{}$", plugin_metric(table, "config_hash").replace('.', "\\."));
        let deadline = Instant::now() + PATIENCE;
        loop {
            ensure_not_stopped()?;
            self.ensure_running()?;
            let (refused, log) = (self.refused()?, self.log());
            ensure!(refused.is_empty(), "Envoy can't run the plugin: {}", reasons(&log));
            // Every worker has configured a plugin before Envoy counts it.
            let is_configured = self.setup.delivery == Delivery::Ecds && self.reloads(plugin)? > 0;
            if !self.stats(&gauge)?.is_empty() {
                return Ok(());
            }
            ensure!(!is_configured, "this is another plugin than ksvc-router, or a very old version of it");
            ensure!(
                Instant::now() < deadline,
                "after {PATIENCE:?}, the plugin has not reported that it has read its table: {}",
                reasons(&log)
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn workers(&self) -> u32 {
        self.setup.workers
    }

    /// Gives the plugin a new document and waits until Envoy has passed it to every worker.
    pub fn edit(&mut self, document: impl Into<Document>) -> Result<()> {
        self.put(PLUGIN, document)
    }

    /// Gives the plugin with this name a new document and waits until Envoy has passed it to every worker. A new plugin
    /// is added after the others.
    pub fn put(&mut self, plugin: &str, document: impl Into<Document>) -> Result<()> {
        let exists = self.setup.plugins.iter().any(|known| known.name == plugin);
        let before = self.reloads(plugin)?;
        if exists && self.setup.delivery == Delivery::Ecds {
            self.write(plugin, document)?;
            return self.await_change("edit", || Ok(self.reloads(plugin)? > before));
        }
        let before = self.listeners_created()?;
        self.write(plugin, document)?;
        if !exists && self.setup.delivery == Delivery::Ecds {
            self.write_listeners()?;
        }
        self.await_listener(before)
    }

    /// Makes these the plugins of the gateway, in this order, adds virtual hosts for the KSVC hosts that it does not have
    /// yet, and waits until Envoy has passed everything that is new to every worker.
    pub fn arrange(&mut self, plugins: Vec<(String, Document)>, ksvcs: Vec<String>) -> Result<()> {
        let listeners = self.setup.listeners(self.folder.path())?;
        for (name, document) in &plugins {
            match self.setup.plugins.iter().find(|known| known.name == *name) {
                Some(known) if known.document == *document => {}
                Some(_) => self.put(name, document.clone())?,
                None => self.write(name, document.clone())?,
            }
        }
        let place = |known: &Plugin| plugins.iter().position(|(name, _)| *name == known.name);
        self.setup.plugins.retain(|known| place(known).is_some());
        self.setup.plugins.sort_by_key(place);
        for host in ksvcs {
            if !self.setup.hosts.contains(&host) {
                self.setup.hosts.push(host);
            }
        }
        // Envoy ignores listeners that are as before, so waiting for them would not end.
        if self.setup.listeners(self.folder.path())? == listeners { Ok(()) } else { self.change_listeners() }
    }

    /// Gives an existing plugin a new document and waits until Envoy's main thread has it. The workers may not have it
    /// yet.
    pub fn put_on_main_thread(&mut self, plugin: &str, document: impl Into<Document>) -> Result<()> {
        let counter = match self.setup.delivery {
            Delivery::Ecds => format!("{}.update_success", ecds_stats(plugin)),
            Delivery::Listener => "listener_manager.lds.update_success".to_owned(),
        };
        let before = self.stat(&counter)?;
        self.write(plugin, document)?;
        self.await_change("edit", || Ok(self.stat(&counter)? > before))
    }

    /// Writes a plugin's new document to the file that Envoy watches. If Envoy watches no file, it gets the document at
    /// its next start.
    pub fn write(&mut self, plugin: &str, document: impl Into<Document>) -> Result<()> {
        self.edits += 1;
        let edit = self.edits;
        let resource_version = self.setup.versioned.then_some(edit);
        let new = Plugin { name: plugin.to_owned(), document: document.into(), resource_version };
        if self.setup.delivery == Delivery::Ecds {
            new.write_ecds(&self.setup.module, self.folder.path(), edit)?;
        }
        match self.setup.plugins.iter_mut().find(|known| known.name == plugin) {
            Some(known) => *known = new,
            None => self.setup.plugins.push(new),
        }
        if self.setup.delivery == Delivery::Listener { self.write_listeners() } else { Ok(()) }
    }

    /// Removes a plugin from the listener and waits until every worker has the listener without it.
    pub fn remove(&mut self, plugin: &str) -> Result<()> {
        self.setup.plugins.retain(|known| known.name != plugin);
        self.change_listeners()
    }

    /// Puts these filters before the plugins in place of those that were there, and waits until every worker has them.
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
        ensure!(self.setup.listeners_by_file, "the listeners of this gateway can't change before its next start");
        let workers = u64::from(self.setup.workers);
        self.await_change("listener", || Ok(self.listeners_created()? >= before + workers))
    }

    fn await_change(&self, what: &str, mut is_applied: impl FnMut() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            ensure_not_stopped()?;
            let refused = self.refused()?;
            ensure!(refused.is_empty(), "Envoy refused the {what}: {refused:?}; its log:\n{}", self.log_tail());
            if is_applied()? {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "Envoy has not applied the {what} in {PATIENCE:?}; its log:\n{}",
                self.log_tail()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Returns how many configurations of a plugin have come by ECDS and reached all workers.
    fn reloads(&self, plugin: &str) -> Result<u64> {
        self.stat(&format!("{}.config_reload", ecds_stats(plugin)))
    }

    /// Returns how many listeners the workers have created, summed over all workers.
    fn listeners_created(&self) -> Result<u64> {
        self.stat("listener_manager.listener_create_success")
    }

    /// Returns the counters of refused configurations and listeners that are above 0.
    pub fn refused(&self) -> Result<Vec<(String, u64)>> {
        let mut refused = self.stats("(update_rejected|config_fail|config_conflict|listener_create_failure)$")?;
        refused.retain(|(_, count)| *count > 0);
        Ok(refused)
    }

    /// Returns every counter and gauge whose name matches the regular expression.
    pub fn stats(&self, regex: &str) -> Result<Vec<(String, u64)>> {
        admin::stats(self.run.admin, regex)
    }

    /// Returns the counter or gauge with this name. It is 0 before its first use.
    pub fn stat(&self, name: &str) -> Result<u64> {
        let stats = self.stats(&format!("^{}$", name.replace('.', "\\.")))?;
        Ok(stats.first().map_or(0, |(_, value)| *value))
    }

    /// Returns one of the plugin's own counters or gauges, for example `routed`, for the table with this name. It is 0
    /// before its first use.
    pub fn plugin_stat(&self, table: &str, name: &str) -> Result<u64> {
        self.stat(&plugin_metric(table, name))
    }

    /// Returns the body of an admin page.
    pub fn admin_get(&self, path: &str) -> Result<String> {
        admin::get(self.run.admin, path)
    }

    /// Returns what Envoy and the plugin have logged so far, in all processes of this gateway.
    pub fn log(&self) -> String {
        (0..=self.runs).map(|run| read_lossy(&self.folder.path().join(run::log_file(run)))).collect()
    }

    /// Returns the last lines of the log.
    fn log_tail(&self) -> String {
        self.run.process.log_tail()
    }

    /// Returns the access log so far. Envoy writes it every 50 ms.
    pub fn access_log(&self) -> String {
        read_lossy(&self.folder.path().join("access.log"))
    }

    /// Kills Envoy, as the kernel does when memory runs out, and starts a new one with the current files.
    pub fn crash(&mut self) -> Result<()> {
        let process = Pid::from_raw(i32::try_from(self.process_id())?);
        kill(process, Signal::SIGKILL)?;
        self.old = None;
        self.runs += 1;
        self.run = self.setup.run(self.folder.path(), self.stand_ins, self.runs, 0)?;
        Ok(())
    }

    /// Starts a new Envoy with the current files, which takes over the sockets of the old one. The old one finishes its
    /// requests and ends some seconds later; see [`Gateway::await_old_process`].
    pub fn hot_restart(&mut self) -> Result<()> {
        ensure!(self.setup.hot_restart, "this gateway was not set up for hot restarts");
        self.await_old_process()?;
        self.runs += 1;
        let run = self.setup.run(self.folder.path(), self.stand_ins, self.runs, self.run.epoch + 1)?;
        self.old = Some(std::mem::replace(&mut self.run, run));
        Ok(())
    }

    /// Waits until the process that the last hot restart has replaced, if any, has ended by itself.
    pub fn await_old_process(&mut self) -> Result<()> {
        let Some(old) = self.old.take() else { return Ok(()) };
        eventually("the old process has ended", || Ok(old.process.ended()?.is_some()))
    }

    /// Makes Envoy drain, as a pod does before it ends: Envoy continues to serve, and closes its listeners after the
    /// drain time.
    pub fn drain(&self) -> Result<()> {
        let response = Request::new("POST", "admin", "/drain_listeners?graceful").send(self.admin_address())?;
        ensure!(response.status == 200, "drain: {} {}", response.status, response.text());
        Ok(())
    }
}

/// Returns the name in Envoy of one of the plugin's own counters or gauges.
fn plugin_metric(table: &str, name: &str) -> String {
    format!("wasmcustom.wasm_filter.{table}.ksvc_router.{name}")
}

/// Returns why Envoy can't run a plugin, from the lines of Envoy's log.
fn reasons(log: &str) -> String {
    let mut reasons: Vec<&str> = Vec::new();
    for line in log.lines() {
        // A line of the plugin itself is about its table.
        let is_of_envoy = line.contains("[error][wasm]") && !line.contains("] wasm log ");
        if let (true, Some((_, reason))) = (is_of_envoy, line.rsplit_once("] "))
            && !reasons.contains(&reason)
        {
            reasons.push(reason);
        }
    }
    if reasons.is_empty() { "Envoy's log does not say why".to_owned() } else { reasons.join("; ") }
}

fn ecds_stats(plugin: &str) -> String {
    format!("extension_config_discovery.http_filter.{plugin}")
}

fn eventually(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !condition()? {
        ensure!(Instant::now() < deadline, "after {PATIENCE:?}, still not true: {what}");
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

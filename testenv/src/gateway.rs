//! Real Envoy as an ingress gateway: `testenv/envoy.yaml` with the plugin in it, edited while it runs as istiod does,
//! restarted in every way in which a gateway is; its admin interface and logs. It ends when dropped.

mod plugin;
mod render;
mod restart;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::admin;
use crate::cases::Ingress;
use crate::process::{free_ports, read_lossy};

pub use plugin::{Delivery, Document};
use plugin::{Plugin, move_into_place};
use restart::Run;

/// The response header that tells the route's name, which the plugin leaves in filter state.
pub const ROUTE_HEADER: &str = "x-testenv-route";

/// The response header that tells which virtual host served the request.
pub const VIRTUAL_HOST_HEADER: &str = "x-testenv-virtual-host";

/// The plugin that a gateway starts with.
pub const PLUGIN: &str = "ksvc-router";

/// What istiod puts into the module's environment, new at every edit.
pub(crate) const RESOURCE_VERSION: &str = "ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION";

/// Long enough for a loaded machine of two cores; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a gateway is to be started.
#[derive(Debug, Clone)]
pub struct Setup {
    envoy: PathBuf,
    module: PathBuf,
    plugins: Vec<Plugin>,
    versioned: bool,
    delivery: Delivery,
    filter: Option<Value>,
    policies: Vec<Value>,
    hosts: Vec<String>,
    catch_all: bool,
    as_sent: bool,
    access_log: Option<String>,
    workers: u32,
    ports: (u16, u16),
    listeners_by_file: bool,
    drain_time: Option<u32>,
    hot_restart: bool,
    bootstrap: fn(&mut Value),
}

impl Setup {
    /// One worker, free ports, the virtual hosts of `envoy.yaml` alone.
    pub fn new(envoy: &Path, module: &Path, document: impl Into<Document>) -> Self {
        let plugin = Plugin { name: PLUGIN.to_owned(), document: document.into(), resource_version: Some(1) };
        Self {
            envoy: envoy.to_owned(),
            module: module.to_owned(),
            plugins: vec![plugin],
            versioned: true,
            delivery: Delivery::Ecds,
            filter: None,
            policies: Vec::new(),
            hosts: Vec::new(),
            catch_all: false,
            as_sent: false,
            access_log: None,
            workers: 1,
            ports: (0, 0),
            listeners_by_file: false,
            drain_time: None,
            hot_restart: false,
            bootstrap: |_| {},
        }
    }

    /// Takes this filter, which an EnvoyFilter puts into the listener, in place of the plugin. Such a gateway takes
    /// no edits.
    #[must_use]
    pub fn filter(mut self, filter: Value) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Puts this filter in front of the plugin, behind those that are there, where Istio has its policies.
    #[must_use]
    pub fn policy(mut self, filter: Value) -> Self {
        self.policies.push(filter);
        self
    }

    #[must_use]
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Tells the module no resource version: pilot-agent takes it away where it fetches the module. VMs then live on
    /// over an edit.
    #[must_use]
    pub fn without_resource_version(mut self) -> Self {
        self.versioned = false;
        self.plugins.iter_mut().for_each(|plugin| plugin.resource_version = None);
        self
    }

    /// Has the listeners come by LDS from a file, so that plugins and policies come and go while Envoy runs.
    #[must_use]
    pub fn listeners_by_file(mut self) -> Self {
        self.listeners_by_file = true;
        self
    }

    /// For so many seconds Envoy drains what is replaced or is to end, instead of ten minutes.
    #[must_use]
    pub fn drain_time(mut self, seconds: u32) -> Self {
        self.drain_time = Some(seconds);
        self
    }

    /// Allows [`Gateway::hot_restart`].
    #[must_use]
    pub fn hot_restart(mut self) -> Self {
        self.hot_restart = true;
        self
    }

    /// Adds a virtual host as net-istio makes it for each of these KSVC hosts.
    #[must_use]
    pub fn ksvcs<S: Into<String>>(mut self, hosts: impl IntoIterator<Item = S>) -> Self {
        self.hosts.extend(hosts.into_iter().map(Into::into));
        self
    }

    /// Adds a virtual host for every other host, so that what passes the plugin untouched arrives somewhere.
    #[must_use]
    pub fn catch_all(mut self) -> Self {
        self.catch_all = true;
        self
    }

    /// Adds a second listener with `normalize_path` off, on which paths arrive at the plugin as they were sent.
    #[must_use]
    pub fn as_sent(mut self) -> Self {
        self.as_sent = true;
        self
    }

    /// Writes the access log in this format, one line a request.
    #[must_use]
    pub fn access_log(mut self, format: &str) -> Self {
        self.access_log = Some(format!("{format}\n"));
        self
    }

    #[must_use]
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// Fixed ports for the gateway and for its admin interface; 0 is any free one.
    #[must_use]
    pub fn ports(mut self, ingress: u16, admin: u16) -> Self {
        self.ports = (ingress, admin);
        self
    }

    /// Changes the bootstrap, once all else is in it.
    #[must_use]
    pub fn bootstrap(mut self, change: fn(&mut Value)) -> Self {
        self.bootstrap = change;
        self
    }

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

    /// Where the cases go.
    pub fn ingress(&self) -> Ingress {
        Ingress { usual: self.address().into(), as_sent: self.address_as_sent().into(), cuts_fragments: false }
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
        (0..=self.runs).map(|run| read_lossy(&self.folder.path().join(restart::log_file(run)))).collect()
    }

    /// The last lines of the log.
    fn log_tail(&self) -> String {
        self.run.process.log_tail()
    }

    /// The access log so far; Envoy writes it every 50 ms.
    pub fn access_log(&self) -> String {
        read_lossy(&self.folder.path().join("access.log"))
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

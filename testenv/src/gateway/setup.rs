//! How a gateway is to be started.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::plugin::{Delivery, Document, PLUGIN, Plugin};

/// How a gateway is to be started.
#[derive(Debug, Clone)]
pub struct Setup {
    pub(super) envoy: PathBuf,
    pub(super) module: PathBuf,
    pub(super) plugins: Vec<Plugin>,
    pub(super) versioned: bool,
    pub(super) delivery: Delivery,
    pub(super) filter: Option<Value>,
    pub(super) policies: Vec<Value>,
    pub(super) hosts: Vec<String>,
    pub(super) catch_all: bool,
    pub(super) as_sent: bool,
    pub(super) access_log: Option<String>,
    pub(super) workers: u32,
    pub(super) ports: (u16, u16),
    pub(super) listeners_by_file: bool,
    pub(super) drain_time: Option<u32>,
    pub(super) hot_restart: bool,
    pub(super) bootstrap: fn(&mut Value),
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
}

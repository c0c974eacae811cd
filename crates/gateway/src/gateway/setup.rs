//! The settings of a gateway before its start, with a method for each that differs from the defaults.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::plugin::{Delivery, Document, PLUGIN, Plugin};

/// The settings of a gateway before its start.
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
    pub(super) raw_paths: bool,
    pub(super) trusted_scheme: bool,
    pub(super) access_log: Option<String>,
    pub(super) connection_manager: Map<String, Value>,
    pub(super) clusters: Vec<Value>,
    pub(super) workers: u32,
    pub(super) ports: (u16, u16),
    pub(super) listeners_by_file: bool,
    pub(super) drain_time: Option<u32>,
    pub(super) hot_restart: bool,
    pub(super) bootstrap: fn(&mut Value),
}

impl Setup {
    /// Returns a setup with one worker, free ports, and no virtual hosts but those of `envoy.yaml`.
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
            raw_paths: false,
            trusted_scheme: false,
            access_log: None,
            connection_manager: Map::new(),
            clusters: Vec::new(),
            workers: 1,
            ports: (0, 0),
            listeners_by_file: false,
            drain_time: None,
            hot_restart: false,
            bootstrap: |_| {},
        }
    }

    /// Adds a plugin after the others.
    #[must_use]
    pub fn plugin(mut self, name: &str, document: impl Into<Document>) -> Self {
        let resource_version = self.versioned.then_some(1);
        self.plugins.push(Plugin { name: name.to_owned(), document: document.into(), resource_version });
        self
    }

    /// Replaces the plugin by this filter, which an EnvoyFilter would put into the listener. Such a gateway can't be
    /// edited.
    #[must_use]
    pub fn filter(mut self, filter: Value) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Adds a filter before the plugin and after the filters added so far, at the place of Istio's policies.
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

    /// Leaves the resource version out of the module's environment, as pilot-agent does if it fetches the module. VMs
    /// then survive an edit.
    #[must_use]
    pub fn without_resource_version(mut self) -> Self {
        self.versioned = false;
        self.plugins.iter_mut().for_each(|plugin| plugin.resource_version = None);
        self
    }

    /// Delivers the listeners by LDS from a file, so that plugins and policies can be added and removed while Envoy
    /// runs.
    #[must_use]
    pub fn listeners_by_file(mut self) -> Self {
        self.listeners_by_file = true;
        self
    }

    /// Sets how many seconds Envoy drains a listener that is replaced or stopped. The default is ten minutes.
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

    /// Adds a virtual host for each of these KSVC hosts, as net-istio does.
    #[must_use]
    pub fn ksvcs<S: Into<String>>(mut self, hosts: impl IntoIterator<Item = S>) -> Self {
        self.hosts.extend(hosts.into_iter().map(Into::into));
        self
    }

    /// Adds a virtual host for all other hosts, so that a request that the plugin leaves untouched reaches the
    /// stand-in.
    #[must_use]
    pub fn catch_all(mut self) -> Self {
        self.catch_all = true;
        self
    }

    /// Adds a second listener with `normalize_path` off, on which paths reach the plugin as they were sent.
    #[must_use]
    pub fn raw_paths(mut self) -> Self {
        self.raw_paths = true;
        self
    }

    /// Takes the scheme of a request from its header `x-forwarded-proto`, as behind a load balancer that ends TLS.
    #[must_use]
    pub fn trusted_scheme(mut self) -> Self {
        self.trusted_scheme = true;
        self
    }

    /// Sets the format of the access log, which has one line for each request.
    #[must_use]
    pub fn access_log(mut self, format: &str) -> Self {
        self.access_log = Some(format!("{format}\n"));
        self
    }

    /// Sets a key of the HTTP connection manager.
    #[must_use]
    pub fn connection_manager(mut self, key: &str, value: Value) -> Self {
        self.connection_manager.insert(key.to_owned(), value);
        self
    }

    /// Adds a cluster beside those of the services, such as one for a collector.
    #[must_use]
    pub fn cluster(mut self, cluster: Value) -> Self {
        self.clusters.push(cluster);
        self
    }

    #[must_use]
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// Sets the ports of the gateway and of its admin interface. 0 stands for any free port.
    #[must_use]
    pub fn ports(mut self, ingress: u16, admin: u16) -> Self {
        self.ports = (ingress, admin);
        self
    }

    /// Changes Envoy's bootstrap after all other settings have been applied.
    #[must_use]
    pub fn bootstrap(mut self, change: fn(&mut Value)) -> Self {
        self.bootstrap = change;
        self
    }
}

//! Real Envoy as an ingress gateway: renders `testenv/envoy.yaml`, starts it, edits the plugin's configuration
//! while it runs as istiod does, reads its admin interface and logs, and ends it when dropped.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cases::Ingress;
use crate::process::{Running, read_lossy};
use crate::{admin, repository, yaml};

/// The response header that tells the route's name, which the plugin leaves in filter state.
pub const ROUTE_HEADER: &str = "x-testenv-route";

/// The response header that tells which virtual host served the request.
pub const VIRTUAL_HOST_HEADER: &str = "x-testenv-virtual-host";

/// What istiod puts into the module's environment, new at every edit.
pub(crate) const RESOURCE_VERSION: &str = "ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION";

const FILTER: &str = "ksvc-router";
const HTTP_CONNECTION_MANAGER: &str = "/filter_chains/0/filters/0/typed_config";
const ACCESS_LOG_FORMAT: &str = "/access_log/0/typed_config/log_format/text_format_source/inline_string";
/// Long enough for a loaded machine of two cores; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the plugin is given to configure itself.
#[derive(Debug, Clone)]
pub enum Document {
    /// As istiod sends `pluginConfig`: as JSON, with sorted keys.
    Table(Value),
    /// Any text at all.
    Text(String),
    /// No configuration: zero bytes arrive.
    Absent,
}

impl From<Value> for Document {
    fn from(table: Value) -> Self {
        Self::Table(table)
    }
}

/// How a gateway is to be started.
#[derive(Debug, Clone)]
pub struct Setup {
    envoy: PathBuf,
    plugin: PathBuf,
    document: Document,
    filter: Option<Value>,
    policy: Option<Value>,
    hosts: Vec<String>,
    catch_all: bool,
    as_sent: bool,
    access_log: Option<String>,
    workers: u32,
    ports: (u16, u16),
}

impl Setup {
    /// One worker, free ports, the virtual hosts of `envoy.yaml` alone.
    pub fn new(envoy: &Path, plugin: &Path, document: impl Into<Document>) -> Self {
        Self {
            envoy: envoy.to_owned(),
            plugin: plugin.to_owned(),
            document: document.into(),
            filter: None,
            policy: None,
            hosts: Vec::new(),
            catch_all: false,
            as_sent: false,
            access_log: None,
            workers: 1,
            ports: (0, 0),
        }
    }

    /// Takes this filter, which an EnvoyFilter puts into the listener, in place of the one that comes by ECDS. Such
    /// a gateway takes no edits.
    #[must_use]
    pub fn filter(mut self, filter: Value) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Puts this filter in front of the plugin, where Istio has its policies.
    #[must_use]
    pub fn policy(mut self, filter: Value) -> Self {
        self.policy = Some(filter);
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

    /// Starts Envoy in front of the stand-ins and waits until it serves.
    pub fn start(self, stand_ins: SocketAddr) -> Result<Gateway> {
        let folder = tempfile::Builder::new().prefix("ksvc-router-gateway-").tempdir()?;
        let ecds = folder.path().join("ecds.json");
        write_ecds(&ecds, &self.plugin, &self.document, 1)?;
        let bootstrap = folder.path().join("envoy.json");
        fs::write(&bootstrap, self.render(stand_ins, &ecds)?.to_string())?;

        let mut envoy = Command::new(&self.envoy);
        envoy
            .arg("-c")
            .arg(&bootstrap)
            .arg("--admin-address-path")
            .arg(folder.path().join("admin-address"))
            .args(["--concurrency", &self.workers.to_string()])
            .args(["--disable-hot-restart", "--file-flush-interval-msec", "50"])
            .args(["--log-level", "warning", "--component-log-level", "wasm:info"]);
        let access_log = File::create(folder.path().join("access.log"))?;
        let process = Running::start("Envoy", &mut envoy, &folder.path().join("envoy.log"), Some(access_log))?;

        let unset = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut gateway = Gateway {
            process,
            folder,
            plugin: self.plugin,
            resource_version: 1,
            admin: unset,
            ingress: unset,
            as_sent: None,
        };
        gateway.await_ready()?;
        Ok(gateway)
    }

    fn render(&self, stand_ins: SocketAddr, ecds: &Path) -> Result<Value> {
        let mut bootstrap: Value = yaml::read(&repository().join("testenv/envoy.yaml"))?;
        let (ingress_port, admin_port) = self.ports;
        *at(&mut bootstrap, "/admin/address/socket_address/port_value")? = admin_port.into();

        let clusters = at(&mut bootstrap, "/static_resources/clusters")?.as_array_mut().context("clusters: a list")?;
        let mut cluster_of_added_hosts = Value::Null;
        for cluster in clusters {
            let endpoint = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
            *at(cluster, endpoint)? = json!({"address": stand_ins.ip().to_string(), "port_value": stand_ins.port()});
            cluster_of_added_hosts = at(cluster, "/name")?.clone();
        }

        let mut ingress = at(&mut bootstrap, "/static_resources/listeners/0")?.take();
        *at(&mut ingress, "/address/socket_address/port_value")? = ingress_port.into();
        let manager = at(&mut ingress, HTTP_CONNECTION_MANAGER)?;
        *at(manager, "/http_filters/0/config_discovery/config_source/path_config_source/path")? =
            ecds.to_string_lossy().into();
        if let Some(filter) = &self.filter {
            *at(manager, "/http_filters/0")? = filter.clone();
        }
        if let Some(policy) = &self.policy {
            let filters = at(manager, "/http_filters")?.as_array_mut().context("http_filters: a list")?;
            filters.insert(0, policy.clone());
        }
        if let Some(format) = &self.access_log {
            *at(manager, ACCESS_LOG_FORMAT)? = format.as_str().into();
        }
        let routes = at(manager, "/route_config")?;
        routes["response_headers_to_add"] = json!([{"header": {
            "key": ROUTE_HEADER, "value": "%FILTER_STATE(wasm.ksvc_router.route:PLAIN)%"
        }}]);
        let virtual_hosts = at(routes, "/virtual_hosts")?.as_array_mut().context("virtual_hosts: a list")?;
        let mut known: Vec<Value> = virtual_hosts.iter().map(|held| held["domains"][0].clone()).collect();
        for host in &self.hosts {
            let added = virtual_host(host, &cluster_of_added_hosts);
            if !known.contains(&added["domains"][0]) {
                known.push(added["domains"][0].clone());
                virtual_hosts.push(added);
            }
        }
        if self.catch_all {
            virtual_hosts.push(json!({"name": "catch-all", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "route": {"cluster": cluster_of_added_hosts, "timeout": "0s"}},
                {"match": {"path": "*"}, "route": {"cluster": cluster_of_added_hosts, "timeout": "0s"}},
            ]}));
        }

        for virtual_host in virtual_hosts {
            virtual_host["response_headers_to_add"] =
                json!([{"header": {"key": VIRTUAL_HOST_HEADER, "value": virtual_host["name"]}}]);
        }

        let mut listeners = vec![ingress];
        if self.as_sent {
            let mut twin = listeners[0].clone();
            twin["name"] = "ingress-as-sent".into();
            *at(&mut twin, "/address/socket_address/port_value")? = 0.into();
            *at(&mut twin, &format!("{HTTP_CONNECTION_MANAGER}/normalize_path"))? = false.into();
            listeners.push(twin);
        }
        *at(&mut bootstrap, "/static_resources/listeners")? = listeners.into();
        Ok(bootstrap)
    }
}

fn at<'a>(value: &'a mut Value, pointer: &str) -> Result<&'a mut Value> {
    value.pointer_mut(pointer).with_context(|| format!("testenv/envoy.yaml no longer has {pointer}"))
}

/// As net-istio has istiod make it: the authority by prefix, the headers that name the revision.
fn virtual_host(host: &str, cluster: &Value) -> Value {
    let name = host.split(':').next().unwrap_or(host);
    let mut labels = name.split('.');
    let (service, namespace) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    let set = |key: &str, value: &str| json!({"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"});
    json!({
        "name": format!("{name}:80"),
        "domains": [name, format!("{name}:*")],
        "include_request_attempt_count": true,
        "routes": [{
            "match": {
                "prefix": "/",
                "headers": [{"name": ":authority", "string_match": {"prefix": name}}],
            },
            "route": {"cluster": cluster, "timeout": "0s"},
            "request_headers_to_add": [
                set("Knative-Serving-Namespace", namespace),
                set("Knative-Serving-Revision", &format!("{service}-00001")),
            ],
        }],
    })
}

/// Writes the plugin's ECDS resource and moves it into place, which is what Envoy watches for.
fn write_ecds(path: &Path, plugin: &Path, document: &Document, resource_version: u64) -> Result<()> {
    let mut resources: Value = yaml::read(&repository().join("testenv/ecds.yaml"))?;
    resources["version_info"] = resource_version.to_string().into();
    let config =
        resources.pointer_mut("/resources/0/typed_config/config").context("testenv/ecds.yaml has no plugin")?;
    config["vm_config"]["code"]["local"]["filename"] = plugin.to_string_lossy().into();
    config["vm_config"]["environment_variables"] =
        json!({"key_values": {RESOURCE_VERSION: resource_version.to_string()}});
    let text = match document {
        Document::Table(table) => {
            let mut table = table.clone();
            table.sort_all_objects();
            Some(table.to_string())
        }
        Document::Text(text) => Some(text.clone()),
        Document::Absent => None,
    };
    config["configuration"] = text
        .map_or(Value::Null, |text| json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text}));
    let new = path.with_extension("new");
    fs::write(&new, resources.to_string())?;
    fs::rename(&new, path)?;
    Ok(())
}

/// A running Envoy; ends when dropped.
pub struct Gateway {
    process: Running,
    folder: TempDir,
    plugin: PathBuf,
    resource_version: u64,
    admin: SocketAddr,
    ingress: SocketAddr,
    as_sent: Option<SocketAddr>,
}

impl Gateway {
    /// The listener in the shape of Istio's.
    pub fn address(&self) -> SocketAddr {
        self.ingress
    }

    /// The listener with `normalize_path` off; the other one where the setup has none.
    pub fn address_as_sent(&self) -> SocketAddr {
        self.as_sent.unwrap_or(self.ingress)
    }

    /// Where the cases go.
    pub fn ingress(&self) -> Ingress {
        Ingress { usual: self.address().into(), as_sent: self.address_as_sent().into(), cuts_fragments: false }
    }

    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Envoy's process.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Gives the plugin a new configuration and waits until Envoy has handed it to every worker.
    pub fn edit(&mut self, document: impl Into<Document>) -> Result<()> {
        let (before, refused_before) = self.edits()?;
        self.resource_version += 1;
        let ecds = self.folder.path().join("ecds.json");
        write_ecds(&ecds, &self.plugin, &document.into(), self.resource_version)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (taken, refused) = self.edits()?;
            ensure!(refused == refused_before, "Envoy refused the edit; its log:\n{}", self.process.log_tail());
            if taken > before {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "Envoy does not take the edit up; its log:\n{}",
                self.process.log_tail()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// How many configurations Envoy has taken, and how many it has refused.
    fn edits(&self) -> Result<(u64, u64)> {
        let prefix = format!("extension_config_discovery.http_filter.{FILTER}.");
        let stats = self.stats(&format!("^{}", prefix.replace('.', "\\.")))?;
        let value = |name: &str| {
            stats.iter().find(|(held, _)| *held == format!("{prefix}{name}")).map_or(0, |(_, value)| *value)
        };
        Ok((value("config_reload"), value("config_fail") + value("update_rejected") + value("config_conflict")))
    }

    /// Every counter and gauge whose name matches the regular expression.
    pub fn stats(&self, regex: &str) -> Result<Vec<(String, u64)>> {
        admin::stats(self.admin, regex)
    }

    /// One of the plugin's own counters or gauges, `routed` say, of the table of that name; 0 before its first use.
    pub fn plugin_stat(&self, table: &str, name: &str) -> Result<u64> {
        let whole = format!("wasmcustom.wasm_filter.{table}.ksvc_router.{name}");
        let stats = self.stats(&format!("^{}$", whole.replace('.', "\\.")))?;
        Ok(stats.first().map_or(0, |(_, value)| *value))
    }

    /// The body of an admin page.
    pub fn admin_get(&self, path: &str) -> Result<String> {
        admin::get(self.admin, path)
    }

    /// What Envoy and the plugin have logged so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The access log so far; Envoy writes it every 50 ms.
    pub fn access_log(&self) -> String {
        read_lossy(&self.folder.path().join("access.log"))
    }

    fn await_ready(&mut self) -> Result<()> {
        let admin_file = self.folder.path().join("admin-address");
        let mut told = None;
        self.process.await_ready(PATIENCE, || {
            told = fs::read_to_string(&admin_file).ok().and_then(|address| address.trim().parse().ok());
            Ok(told.is_some_and(|address| admin::get(address, "/ready").is_ok()))
        })?;
        self.admin = told.context("Envoy tells no admin address")?;
        let listeners: Value = serde_json::from_str(&self.admin_get("/listeners?format=json")?)?;
        for listener in listeners["listener_statuses"].as_array().context("no listeners")? {
            let port = listener.pointer("/local_address/socket_address/port_value").and_then(Value::as_u64);
            let port = u16::try_from(port.context("a listener without a port")?)?;
            let address = SocketAddr::from(([127, 0, 0, 1], port));
            if listener["name"] == "ingress" {
                self.ingress = address;
            } else {
                self.as_sent = Some(address);
            }
        }
        ensure!(self.ingress.port() != 0, "Envoy took no listener up");
        Ok(())
    }
}

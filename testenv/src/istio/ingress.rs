//! One ingress gateway, as its pod would have it: pilot-agent with real Envoy, configured by istiod alone. Several run
//! side by side, each in a namespace of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::control_plane::{ControlPlane, Istiod};
use super::objects;
use crate::gateway::RESOURCE_VERSION;
use crate::http1::Request;
use crate::process::{Running, free_ports};
use crate::{admin, envoy, istio};

/// A push of istiod's, with new VMs, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The folder in which the agent keeps the modules that it fetches is fixed: /var/lib/istio/data. Each gateway has one
/// of its own there, in a mount namespace, so that none needs or touches the machine's.
const PRIVATE_DATA: &str = "mount -t tmpfs tmpfs /var/lib && mkdir -p /var/lib/istio/data && exec \"$@\"";
/// The same, where nobody can write, not even root.
const READ_ONLY_DATA: &str =
    "mount -t tmpfs tmpfs /var/lib && mkdir -p /var/lib/istio/data && mount -o remount,ro /var/lib && exec \"$@\"";

/// What the agent may do with its data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// It is the machine's. Enough where the module is a file, for the agent then fetches nothing.
    Machine,
    /// Its own, as in a pod. Needs `unshare`.
    Private,
    /// Its own, and it can't be written.
    ReadOnly,
}

/// How a gateway is to be started.
#[derive(Debug, Clone)]
pub struct Setup {
    namespace: String,
    data: Data,
    ports: [u16; 4],
    admin_port: u16,
    environment: Vec<(String, String)>,
}

impl Setup {
    /// A gateway in this namespace, which is made where it lacks.
    pub fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            data: Data::Machine,
            ports: [0; 4],
            admin_port: 0,
            environment: Vec::new(),
        }
    }

    #[must_use]
    pub fn data(mut self, data: Data) -> Self {
        self.data = data;
        self
    }

    /// A variable in the agent's environment, as a deployment would set it.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Fixed ports for its listeners and for Envoy's admin interface; 0 is any free one.
    #[must_use]
    pub fn ports(mut self, listeners: [u16; 4], admin: u16) -> Self {
        (self.ports, self.admin_port) = (listeners, admin);
        self
    }

    /// Starts it and waits until Envoy has its first configuration from istiod.
    pub fn start(self, plane: &ControlPlane) -> Result<IngressGateway<'_>> {
        self.start_under(plane, plane.istiod())
    }

    /// The same under another istiod.
    pub fn start_under<'a>(self, plane: &'a ControlPlane, istiod: &Istiod) -> Result<IngressGateway<'a>> {
        plane.cluster().namespace(&self.namespace)?;
        let folder = plane.folder().join("gateways").join(&self.namespace);
        // Of an earlier pod of the same gateway.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        let [a, b, c, d, admin, status, readiness, metrics] = free_ports()?;
        let or = |wanted: u16, free: u16| if wanted == 0 { free } else { wanted };
        let [p, q, r, s] = self.ports;
        let ports = [or(p, a), or(q, b), or(r, c), or(s, d)];
        let admin = or(self.admin_port, admin);

        // Istio's own bootstrap, but for two listeners that it opens on every address of the machine.
        let template = fs::read_to_string(plane.tools().bootstrap_template())?;
        let template = template.replace("{{ .wildcard }}", "{{ .localhost }}");
        let bootstrap = folder.join("envoy_bootstrap.json");
        fs::write(&bootstrap, template)?;
        let proxy_config = json!({
            "discoveryAddress": istiod.discovery_address().to_string(),
            "controlPlaneAuthPolicy": "NONE",
            "concurrency": 2,
            "binaryPath": envoy::pinned(istio::tools::ENVOY)?,
            "configPath": folder.join("proxy"),
            "proxyBootstrapTemplatePath": bootstrap,
            "proxyAdminPort": admin,
            // The one server of all that can't be kept to loopback, nor left out.
            "statusPort": status,
            "terminationDrainDuration": "1s",
        });

        let mut agent = self.in_its_data_folder(&plane.tools().program("pilot-agent"));
        agent.args(["proxy", "router", "--domain", &format!("{}.svc.cluster.local", self.namespace)]);
        agent.args(["--proxyLogLevel=warning", "--proxyComponentLogLevel=wasm:info", "--meshConfig"]);
        agent.arg(istiod.mesh_config()).current_dir(&folder);
        agent.env("POD_NAME", format!("{}-gateway", self.namespace)).env("POD_NAMESPACE", &self.namespace);
        agent.env("INSTANCE_IP", "127.0.0.1").env("ISTIO_META_CLUSTER_ID", "Kubernetes");
        agent.env("ISTIO_METAJSON_LABELS", objects::gateway_labels().to_string());
        agent.env("CA_PROVIDER", "None").env("FILE_MOUNTED_CERTS", "true").env("PILOT_CERT_PROVIDER", "none");
        agent.env("ENVOY_STATUS_PORT", readiness.to_string()).env("ENVOY_PROMETHEUS_PORT", metrics.to_string());
        agent.env("PROXY_CONFIG", proxy_config.to_string());
        agent.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let process = Running::start("the gateway", &mut agent, &folder.join("gateway.log"), None)?;

        let admin = SocketAddr::from(([127, 0, 0, 1], admin));
        let gateway = IngressGateway { process, plane, namespace: self.namespace, ports, admin, metrics };
        gateway.process.await_ready(PATIENCE, || Ok(gateway.admin_get("/ready").is_ok()))?;
        Ok(gateway)
    }

    fn in_its_data_folder(&self, agent: &Path) -> Command {
        let script = match self.data {
            Data::Machine => return Command::new(agent),
            Data::Private => PRIVATE_DATA,
            Data::ReadOnly => READ_ONLY_DATA,
        };
        let mut unshare = Command::new("unshare");
        if !nix::unistd::geteuid().is_root() {
            unshare.arg("--map-root-user");
        }
        unshare.args(["--mount", "sh", "-c", script, "sh"]).arg(agent);
        unshare
    }
}

/// A running gateway; ends when dropped.
pub struct IngressGateway<'a> {
    process: Running,
    plane: &'a ControlPlane,
    namespace: String,
    ports: [u16; 4],
    admin: SocketAddr,
    metrics: u16,
}

impl IngressGateway<'_> {
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Four ports on which nobody listens until a Gateway object says so.
    pub fn ports(&self) -> [u16; 4] {
        self.ports
    }

    /// The address of one of them.
    pub fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// The usual first port.
    pub fn address(&self) -> SocketAddr {
        self.at(self.ports[0])
    }

    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Applies a Gateway of these servers and the hosts behind it, and waits until all of them listen.
    pub fn serve(&self, servers: &[Value], hosts: &[&str], stand_in: SocketAddr) -> Result<()> {
        let mut objects = vec![objects::gateway(&self.namespace, servers)];
        objects.extend(objects::catch_all(&self.namespace, stand_in));
        for host in hosts {
            objects.extend(objects::ksvc(&self.namespace, host, stand_in));
        }
        self.plane.cluster().apply(&objects)?;
        let ports = servers.iter().filter_map(|server| server.pointer("/port/number").and_then(Value::as_u64));
        for port in ports {
            let address = self.at(u16::try_from(port)?);
            self.eventually("the listener", || Ok(std::net::TcpStream::connect(address).is_ok()))?;
        }
        Ok(())
    }

    /// One plain-HTTP server on the first port, with these hosts behind it.
    pub fn serve_http(&self, hosts: &[&str], stand_in: SocketAddr) -> Result<()> {
        self.serve(&[objects::http_server(self.ports[0])], hosts, stand_in)
    }

    /// Applies a WasmPlugin whose module is a file, and waits until Envoy has taken it; the time from the end of
    /// `kubectl apply` until then. (Of a module that the agent fetches, Envoy is not told the resource version.)
    pub fn apply_plugin(&self, plugin: &Value) -> Result<Duration> {
        let name = plugin["metadata"]["name"].as_str().context("the plugin has no name")?;
        self.plane.cluster().apply(std::slice::from_ref(plugin))?;
        let applied = Instant::now();
        let version = self.plugin_version(name).context("the plugin was not made")?;
        self.await_plugin(name, &version)?;
        Ok(applied.elapsed())
    }

    /// Waits until Envoy runs this version of a plugin.
    pub fn await_plugin(&self, name: &str, version: &str) -> Result<()> {
        self.eventually("the plugin's configuration", || self.has_plugin(name, version))
    }

    /// The resource version of a plugin of this namespace, if there is one.
    pub fn plugin_version(&self, name: &str) -> Option<String> {
        let path = "jsonpath={.metadata.resourceVersion}";
        self.plane.cluster().kubectl(["get", "wasmplugin", name, "-n", &self.namespace, "-o", path]).ok()
    }

    pub fn delete(&self, kind: &str, name: &str) -> Result<()> {
        self.plane.cluster().kubectl(["delete", kind, name, "-n", &self.namespace, "--wait=true"]).map(drop)
    }

    /// Whether a listener that serves has the plugin in this version, and none waits for anything.
    fn has_plugin(&self, name: &str, version: &str) -> Result<bool> {
        // Not found while there is none.
        let Ok(configured) = self.admin_get("/config_dump?resource=ecds_filters") else { return Ok(false) };
        let configured: Value = serde_json::from_str(&configured)?;
        let prefix = format!("{}.{name}~", self.namespace);
        let ours = |filter: &Value| {
            let config = &filter["ecds_filter"]["typed_config"]["config"];
            let at = "/vm_config/environment_variables/key_values";
            config["name"].as_str().is_some_and(|name| name.starts_with(&prefix))
                && config.pointer(at).is_some_and(|held| held[RESOURCE_VERSION] == *version)
        };
        if !configured["configs"].as_array().is_some_and(|filters| filters.iter().any(ours)) {
            return Ok(false);
        }
        let listeners = self.admin_get("/config_dump?resource=dynamic_listeners")?;
        Ok(listeners.contains(&prefix) && !listeners.contains("\"warming_state\""))
    }

    /// Every counter and gauge whose name matches the regular expression.
    pub fn stats(&self, regex: &str) -> Result<Vec<(String, u64)>> {
        admin::stats(self.admin, regex)
    }

    /// A line of the page that Prometheus reads from the gateway's pod; `None` where there is no such metric.
    pub fn metric(&self, name_and_labels: &str) -> Result<Option<u64>> {
        let page = Request::get("metrics", "/stats/prometheus").send(self.at(self.metrics))?.text();
        let line = page.lines().find_map(|line| line.strip_prefix(name_and_labels)?.strip_prefix(' '));
        Ok(line.and_then(|value| value.parse().ok()))
    }

    /// The body of a page of Envoy's admin interface.
    pub fn admin_get(&self, path: &str) -> Result<String> {
        admin::get(self.admin, path)
    }

    /// What the agent, Envoy and the plugin have logged, and the access log.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The id of the agent's process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until something holds; the end of the gateway's log where it does not.
    pub fn eventually(&self, what: &str, holds: impl FnMut() -> Result<bool>) -> Result<()> {
        self.within(PATIENCE, what, holds)
    }

    pub fn within(&self, patience: Duration, what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + patience;
        while !holds()? {
            let log = || self.process.log_tail();
            ensure!(
                Instant::now() < deadline,
                "waited {patience:?} in vain for {what}; the end of the log:\n{}",
                log()
            );
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

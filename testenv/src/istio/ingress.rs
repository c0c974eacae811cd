//! Starts an ingress gateway as its pod does: pilot-agent with real Envoy, configured by istiod alone. Several gateways
//! can run at the same time, each in its own namespace. No crate does this; a pod's environment is imitated by hand.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::control_plane::{Cluster, ControlPlane, Istiod};
use super::objects;
use crate::gateway::RESOURCE_VERSION;
use crate::http1::Request;
use crate::process::{Running, free_ports};
use crate::{admin, envoy, istio, metrics};

/// Long enough for a push of istiod that makes new VMs, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the agent with a private /var/lib/istio/data, in a mount namespace. The agent keeps the modules that it fetches
/// in that folder and its path can't be changed, so this keeps the gateways apart and leaves the machine's folder
/// alone.
const PRIVATE_DATA: &str = "mount -t tmpfs tmpfs /var/lib && mkdir -p /var/lib/istio/data && exec \"$@\"";
/// Does the same with a folder in which not even root can write.
const READ_ONLY_DATA: &str =
    "mount -t tmpfs tmpfs /var/lib && mkdir -p /var/lib/istio/data && mount -o remount,ro /var/lib && exec \"$@\"";

/// The agent's data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// The machine's folder. This is enough if the module is a file, because then the agent fetches nothing.
    Machine,
    /// A private folder, as in a pod. This needs the program `unshare`.
    Private,
    /// A private folder that can't be written to.
    ReadOnly,
}

/// The settings of a gateway before its start.
#[derive(Debug, Clone)]
pub struct Setup {
    namespace: String,
    pod: String,
    labels: Value,
    address: Ipv4Addr,
    data: Data,
    ports: [u16; 4],
    admin_port: u16,
    environment: Vec<(String, String)>,
}

impl Setup {
    /// Returns the setup of a gateway in this namespace, which is created if it does not exist.
    pub fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            pod: objects::gateway_pod(namespace),
            labels: objects::gateway_labels(),
            address: Ipv4Addr::LOCALHOST,
            data: Data::Machine,
            ports: [0; 4],
            admin_port: 0,
            environment: Vec::new(),
        }
    }

    /// Sets the name of the gateway's pod, and adds a label to it. With it, one namespace can have several gateways.
    #[must_use]
    pub fn pod(mut self, name: &str, (label, value): (&str, &str)) -> Self {
        name.clone_into(&mut self.pod);
        self.labels[label] = value.into();
        self
    }

    /// Sets the address of the gateway's pod.
    #[must_use]
    pub fn address(mut self, address: Ipv4Addr) -> Self {
        self.address = address;
        self
    }

    #[must_use]
    pub fn data(mut self, data: Data) -> Self {
        self.data = data;
        self
    }

    /// Sets a variable in the agent's environment, as a Deployment would.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the ports of the listeners and of Envoy's admin interface. 0 stands for any free port.
    #[must_use]
    pub fn ports(mut self, listeners: [u16; 4], admin: u16) -> Self {
        (self.ports, self.admin_port) = (listeners, admin);
        self
    }

    /// Starts the gateway and waits until Envoy has its first configuration from istiod.
    pub fn start(self, plane: &ControlPlane) -> Result<IngressGateway> {
        self.start_under(plane, plane.istiod())
    }

    /// Starts the gateway with its configuration from this istiod.
    pub fn start_under(self, plane: &ControlPlane, istiod: &Istiod) -> Result<IngressGateway> {
        plane.cluster().namespace(&self.namespace)?;
        let folder = plane.folder().join("gateways").join(&self.pod);
        // An earlier pod of the same gateway may have left it.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        let [a, b, c, d, admin, status, readiness, metrics] = free_ports()?;
        let or = |chosen: u16, free: u16| if chosen == 0 { free } else { chosen };
        let [p, q, r, s] = self.ports;
        let ports = [or(p, a), or(q, b), or(r, c), or(s, d)];
        let admin = or(self.admin_port, admin);

        // Istio's own bootstrap, with the two listeners that it opens on all addresses moved to loopback.
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
            // The only server that can't be limited to loopback or switched off.
            "statusPort": status,
            "terminationDrainDuration": "1s",
        });

        self.write_token(plane.cluster(), &folder)?;

        let mut agent = self.with_data_folder(&plane.tools().program("pilot-agent"));
        agent.args(["proxy", "router", "--domain", &format!("{}.svc.cluster.local", self.namespace)]);
        agent.args(["--proxyLogLevel=warning", "--proxyComponentLogLevel=wasm:info", "--meshConfig"]);
        agent.arg(istiod.mesh_config()).current_dir(&folder);
        agent.env("POD_NAME", &self.pod).env("POD_NAMESPACE", &self.namespace);
        agent.env("INSTANCE_IP", self.address.to_string()).env("ISTIO_META_CLUSTER_ID", "Kubernetes");
        agent.env("SERVICE_ACCOUNT", objects::SERVICE_ACCOUNT);
        agent.env("ISTIO_METAJSON_LABELS", self.labels.to_string());
        agent.env("CA_PROVIDER", "None").env("FILE_MOUNTED_CERTS", "true").env("PILOT_CERT_PROVIDER", "none");
        agent.env("ENVOY_STATUS_PORT", readiness.to_string()).env("ENVOY_PROMETHEUS_PORT", metrics.to_string());
        agent.env("PROXY_CONFIG", proxy_config.to_string());
        agent.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let log = folder.join("gateway.log");
        let process = Running::start("the gateway", &mut agent, &log, None)?;

        let admin = SocketAddr::from(([127, 0, 0, 1], admin));
        let cluster = plane.cluster().clone();
        let gateway = IngressGateway {
            process,
            log,
            cluster,
            namespace: self.namespace,
            ports,
            admin,
            metrics,
            agent: SocketAddr::from(([127, 0, 0, 1], status)),
        };
        gateway.process.await_ready(PATIENCE, || Ok(gateway.admin_get("/ready").is_ok()))?;
        Ok(gateway)
    }

    /// Writes the token of the gateway's service account where the agent looks for it. istiod gives Secrets only to a
    /// gateway whose identity it knows, and knows it by this token.
    fn write_token(&self, cluster: &Cluster, folder: &Path) -> Result<()> {
        cluster.apply(&[objects::service_account(&self.namespace)])?;
        let (name, namespace) = (objects::SERVICE_ACCOUNT, &self.namespace);
        let create = ["create", "token", name, "-n", namespace, "--audience", "istio-ca", "--duration", "24h"];
        let token = cluster.kubectl(create)?;
        let tokens = folder.join("var/run/secrets/tokens");
        fs::create_dir_all(&tokens)?;
        Ok(fs::write(tokens.join("istio-token"), token.trim())?)
    }

    /// Returns the command that runs the agent with its data folder.
    fn with_data_folder(&self, agent: &Path) -> Command {
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

/// A running gateway, which ends when this is dropped.
pub struct IngressGateway {
    process: Running,
    log: PathBuf,
    cluster: Cluster,
    namespace: String,
    ports: [u16; 4],
    admin: SocketAddr,
    metrics: u16,
    /// The agent's own server.
    agent: SocketAddr,
}

impl IngressGateway {
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns four ports. The gateway listens on one of them only after a Gateway object names it.
    pub fn ports(&self) -> [u16; 4] {
        self.ports
    }

    /// Returns the address with this port.
    pub fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// Returns the address with the first port, which most tests use.
    pub fn address(&self) -> SocketAddr {
        self.at(self.ports[0])
    }

    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Returns the address of the page that Prometheus reads.
    pub fn metrics_address(&self) -> SocketAddr {
        self.at(self.metrics)
    }

    /// Applies a Gateway object with these servers, and a KSVC for each of these hosts. Waits until the gateway listens
    /// on the ports of all servers.
    pub fn serve(&self, servers: &[Value], hosts: &[&str], stand_in: SocketAddr) -> Result<()> {
        let mut objects = vec![objects::gateway(&self.namespace, servers)];
        objects.extend(objects::catch_all(&self.namespace, stand_in));
        for host in hosts {
            objects.extend(objects::ksvc(&self.namespace, host, stand_in));
        }
        self.cluster.apply(&objects)?;
        let ports = servers.iter().filter_map(|server| server.pointer("/port/number").and_then(Value::as_u64));
        for port in ports {
            let address = self.at(u16::try_from(port)?);
            self.eventually("the listener accepts connections", || Ok(std::net::TcpStream::connect(address).is_ok()))?;
        }
        Ok(())
    }

    /// Applies a Gateway object with a plain-HTTP server on the first port, and a KSVC for each of these hosts.
    pub fn serve_http(&self, hosts: &[&str], stand_in: SocketAddr) -> Result<()> {
        self.serve(&[objects::http_server(self.ports[0])], hosts, stand_in)
    }

    /// Applies a WasmPlugin whose module is a file, and waits until Envoy runs it. Returns the time from the end of
    /// `kubectl apply` until then. This does not work with a module that the agent fetches, because then Envoy does not
    /// get the resource version.
    pub fn apply_plugin(&self, plugin: &Value) -> Result<Duration> {
        let name = plugin["metadata"]["name"].as_str().context("the plugin has no name")?;
        self.cluster.apply(std::slice::from_ref(plugin))?;
        let applied = Instant::now();
        let version = self.plugin_version(name).context("the plugin was not created")?;
        self.await_plugin(name, &version)?;
        Ok(applied.elapsed())
    }

    /// Waits until Envoy runs this version of a plugin.
    pub fn await_plugin(&self, name: &str, version: &str) -> Result<()> {
        self.eventually("Envoy has the plugin's configuration", || self.has_plugin(name, version))
    }

    /// Returns the resource version of a plugin in this namespace, or `None` if it does not exist.
    pub fn plugin_version(&self, name: &str) -> Option<String> {
        let path = "jsonpath={.metadata.resourceVersion}";
        self.cluster.kubectl(["get", "wasmplugin", name, "-n", &self.namespace, "-o", path]).ok()
    }

    pub fn delete(&self, kind: &str, name: &str) -> Result<()> {
        self.cluster.kubectl(["delete", kind, name, "-n", &self.namespace, "--wait=true"]).map(drop)
    }

    /// Returns whether an active listener has the plugin in this version and no listener is still warming.
    fn has_plugin(&self, name: &str, version: &str) -> Result<bool> {
        // Envoy answers 404 while it has no such resource.
        let Ok(configured) = self.admin_get("/config_dump?resource=ecds_filters") else { return Ok(false) };
        let configured: Value = serde_json::from_str(&configured)?;
        let prefix = format!("{}.{name}~", self.namespace);
        let ours = |filter: &Value| {
            let config = &filter["ecds_filter"]["typed_config"]["config"];
            let at = "/vm_config/environment_variables/key_values";
            config["name"].as_str().is_some_and(|name| name.starts_with(&prefix))
                && config.pointer(at).is_some_and(|variables| variables[RESOURCE_VERSION] == *version)
        };
        if !configured["configs"].as_array().is_some_and(|filters| filters.iter().any(ours)) {
            return Ok(false);
        }
        let listeners = self.admin_get("/config_dump?resource=dynamic_listeners")?;
        Ok(listeners.contains(&prefix) && !listeners.contains("\"warming_state\""))
    }

    /// Returns every counter and gauge whose name matches the regular expression.
    pub fn stats(&self, regex: &str) -> Result<Vec<(String, u64)>> {
        admin::stats(self.admin, regex)
    }

    /// Returns a metric from the page that Prometheus reads from the gateway's pod, or `None` if it is not there.
    pub fn metric(&self, name_and_labels: &str) -> Result<Option<u64>> {
        let page = Request::get("metrics", "/stats/prometheus").send(self.metrics_address())?.text();
        let found = metrics::samples(&page).find(|(metric, _)| *metric == name_and_labels);
        found.map(|(metric, value)| value.parse().with_context(|| format!("{metric} {value}"))).transpose()
    }

    /// Returns the page of the agent that Prometheus reads: the metrics of Envoy and those of the agent itself.
    pub fn agent_metrics(&self) -> Result<String> {
        let page = Request::get("localhost", "/stats/prometheus").send(self.agent)?;
        ensure!(page.status == 200, "the agent answers {}", page.status);
        Ok(page.text())
    }

    /// Returns the body of a page of Envoy's admin interface.
    pub fn admin_get(&self, path: &str) -> Result<String> {
        admin::get(self.admin, path)
    }

    /// Returns what the agent, Envoy and the plugin have logged so far, and the access log.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Returns the file of that log.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// Returns the id of the agent's process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until a condition is true. If it takes too long, the error contains the last lines of the gateway's log.
    /// `what` names the condition.
    pub fn eventually(&self, what: &str, condition: impl FnMut() -> Result<bool>) -> Result<()> {
        self.within(PATIENCE, what, condition)
    }

    /// Waits until a condition is true, but no longer than `patience`.
    pub fn within(&self, patience: Duration, what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + patience;
        while !condition()? {
            ensure!(
                Instant::now() < deadline,
                "after {patience:?}, still not true: {what}; the last lines of the log:\n{}",
                self.process.log_tail()
            );
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

//! Starts etcd, kube-apiserver with Istio's CRDs, and istiod on free ports of loopback. They are controlled with
//! kubectl and end in the reverse order when they are dropped.
//!
//! It is written by hand because `envtest`, which starts etcd and kube-apiserver in the same way, is a Go library.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Tools;
use super::certificates::{Authority, Purpose, key_pair};
use crate::http1::Request;
use crate::process::{Running, free_ports};

/// The namespace of istiod, which is also the mesh's root namespace: policies and plugins in it apply to every gateway.
pub const ROOT_NAMESPACE: &str = "istio-system";

/// The range of the Services' addresses.
pub const SERVICES: &str = "10.96.0.0/16";

/// The extension provider for policies with `action: CUSTOM`: its name, and the host and port of its service. A
/// ServiceEntry gives the address of that service.
pub const EXT_AUTHZ: (&str, &str, u16) = ("ext-authz", "ext-authz.example.internal", 9000);

/// Long enough for a loaded machine with two cores, which needs about 20 s.
const PATIENCE: Duration = Duration::from_secs(120);

/// A Kubernetes API server, as kubectl reaches it.
#[derive(Debug, Clone)]
pub struct Cluster {
    kubectl: PathBuf,
    kubeconfig: PathBuf,
}

/// A running etcd and kube-apiserver, with Istio's CRDs.
pub struct ApiServer {
    cluster: Cluster,
    _api_server: Running,
    _etcd: Running,
}

/// A running istiod with its own mesh configuration.
pub struct Istiod {
    process: Running,
    http: SocketAddr,
    discovery: SocketAddr,
    monitoring: SocketAddr,
    mesh: PathBuf,
}

/// The whole control plane, which ends when this is dropped.
pub struct ControlPlane {
    istiod: Istiod,
    api_server: ApiServer,
    authority: Authority,
    tools: Tools,
    // The last field, so that the programs that write to the folder have ended before it is deleted.
    folder: TempDir,
}

impl ApiServer {
    /// Starts etcd and kube-apiserver, with their data, keys and logs in this folder.
    pub fn start(tools: &Tools, authority: &Authority, folder: &Path) -> Result<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST, tools, authority, folder)
    }

    /// Starts the same, with kube-apiserver at this address of the machine.
    fn start_at(address: Ipv4Addr, tools: &Tools, authority: &Authority, folder: &Path) -> Result<Self> {
        let address = address.to_string();
        let [etcd_port, peer_port, port] = free_ports()?;
        let (etcd_url, peer_url) = (format!("http://127.0.0.1:{etcd_port}"), format!("http://127.0.0.1:{peer_port}"));
        let mut etcd = Command::new(tools.program("etcd"));
        etcd.arg("--data-dir").arg(folder.join("etcd")).arg("--unsafe-no-fsync");
        etcd.args(["--listen-client-urls", &etcd_url, "--advertise-client-urls", &etcd_url]);
        etcd.args(["--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url]);
        etcd.args(["--initial-cluster", &format!("default={peer_url}")]);
        let etcd = Running::start("etcd", &mut etcd, &folder.join("etcd.log"), None)?;

        let server = authority.sign("kube-apiserver", Purpose::Server(&[&address]))?;
        let admin = authority.sign("admin", Purpose::Client { group: "system:masters" })?;
        let (private, public) = key_pair(folder, "service-account")?;
        let mut api_server = Command::new(tools.program("kube-apiserver"));
        api_server.args(["--etcd-servers", &etcd_url, "--bind-address", &address]);
        api_server.args(["--secure-port", &port.to_string(), "--cert-dir"]).arg(folder);
        api_server.arg("--tls-cert-file").arg(server.certificate).arg("--tls-private-key-file").arg(server.key);
        api_server.arg("--client-ca-file").arg(authority.file());
        api_server.arg("--service-account-key-file").arg(public);
        api_server.arg("--service-account-signing-key-file").arg(private);
        api_server.args(["--service-account-issuer", "https://kubernetes.default.svc"]);
        api_server.args(["--service-cluster-ip-range", SERVICES, "--authorization-mode", "RBAC"]);
        // No controllers run here that would create the service accounts or the endpoints.
        api_server.args(["--disable-admission-plugins", "ServiceAccount", "--endpoint-reconciler-type", "none"]);
        let api_server = Running::start("kube-apiserver", &mut api_server, &folder.join("kube-apiserver.log"), None)?;

        let kubeconfig = folder.join("kubeconfig");
        let entry = |key: &str, value: Value| json!([{"name": "testenv", key: value}]);
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": entry("cluster", json!({
                "server": format!("https://{address}:{port}"), "certificate-authority": authority.file(),
            })),
            "users": entry("user", json!({"client-certificate": admin.certificate, "client-key": admin.key})),
            "contexts": entry("context", json!({"cluster": "testenv", "user": "testenv", "namespace": ROOT_NAMESPACE})),
            "current-context": "testenv",
        });
        fs::write(&kubeconfig, config.to_string())?;
        let cluster = Cluster { kubectl: tools.program("kubectl"), kubeconfig };
        api_server.await_ready(PATIENCE, || {
            ensure!(etcd.ended()?.is_none(), "etcd has ended; the last lines of its log:\n{}", etcd.log_tail());
            Ok(cluster.kubectl(["get", "--raw", "/readyz"]).is_ok())
        })?;
        cluster.namespace(ROOT_NAMESPACE)?;
        cluster.run(["apply", "--server-side", "-f"], &[tools.crds().as_os_str()], None)?;
        cluster.kubectl(["wait", "--for", "condition=established", "--timeout", "60s", "crd", "--all"])?;
        Ok(Self { cluster, _api_server: api_server, _etcd: etcd })
    }

    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }
}

impl Cluster {
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs kubectl and returns what it prints. If it fails, the error contains its message.
    pub fn kubectl<const N: usize>(&self, arguments: [&str; N]) -> Result<String> {
        self.run(arguments, &[], None)
    }

    /// Applies objects by server-side apply, as a user must do for a large table.
    pub fn apply(&self, objects: &[Value]) -> Result<()> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        self.run(["apply", "--server-side", "--force-conflicts", "-f", "-"], &[], Some(&list)).map(drop)
    }

    /// Creates a namespace if it does not exist.
    pub fn namespace(&self, name: &str) -> Result<()> {
        self.apply(&[json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})])
    }

    /// Returns a kubectl command for this API server, which the caller runs.
    pub fn command(&self) -> Command {
        let mut kubectl = Command::new(&self.kubectl);
        kubectl.env("KUBECONFIG", &self.kubeconfig).env("KUBECACHEDIR", self.kubeconfig.with_extension("cache"));
        kubectl
    }

    /// Runs kubectl with these arguments and files, and optionally with text on its standard input.
    pub fn run<const N: usize>(&self, arguments: [&str; N], files: &[&OsStr], input: Option<&str>) -> Result<String> {
        let mut command = self.command();
        command.args(arguments).args(files).stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot start kubectl")?;
        if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
            pipe.write_all(input.as_bytes())?;
        }
        let Output { status, stdout, stderr } = child.wait_with_output()?;
        ensure!(status.success(), "kubectl {}: {}", arguments.join(" "), String::from_utf8_lossy(&stderr).trim());
        Ok(String::from_utf8(stdout)?)
    }
}

impl Istiod {
    fn start(tools: &Tools, cluster: &Cluster, folder: &Path, name: &str, mesh_config: &Value) -> Result<Self> {
        let mesh = folder.join(format!("{name}.mesh.json"));
        fs::write(&mesh, mesh_config.to_string())?;
        let [discovery, http, monitoring, introspection] = free_ports()?;
        let mut istiod = Command::new(tools.program("pilot-discovery"));
        istiod.arg("discovery").current_dir(folder);
        istiod.arg("--kubeconfig").arg(cluster.kubeconfig()).arg("--meshConfig").arg(&mesh);
        istiod.args(["--networksConfig", "none.yaml", "--httpsAddr", "", "--secureGRPCAddr", ""]);
        istiod.args(["--grpcAddr", &format!("127.0.0.1:{discovery}"), "--httpAddr", &format!("127.0.0.1:{http}")]);
        istiod.args(["--monitoringAddr", &format!("127.0.0.1:{monitoring}")]);
        istiod.args(["--ctrlz_port", &introspection.to_string(), "--shutdownDuration", "0s"]);
        istiod.env("POD_NAMESPACE", ROOT_NAMESPACE).env("POD_NAME", name);
        istiod.env("PILOT_CERT_PROVIDER", "none").env("ENABLE_CA_SERVER", "false");
        // Gateways prove who they are by the token of their service account, as in a cluster, but without TLS.
        istiod.env("XDS_AUTH_PLAINTEXT", "true");
        // These two filters exist only in Istio's own build of Envoy.
        istiod.env("PILOT_ENABLE_ALPN_FILTER", "false").env("PILOT_ENABLE_METADATA_EXCHANGE", "false");
        // Several gateways run at the same time here, each in its own namespace.
        istiod.env("PILOT_SCOPE_GATEWAY_TO_NAMESPACE", "true");
        let process = Running::start("istiod", &mut istiod, &folder.join(format!("{name}.log")), None)?;
        let loopback = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let [http, discovery, monitoring] = [http, discovery, monitoring].map(loopback);
        let istiod = Self { process, http, discovery, monitoring, mesh };
        istiod.process.await_ready(PATIENCE, || Ok(istiod.get("/ready").is_ok()))?;
        Ok(istiod)
    }

    pub fn mesh_config(&self) -> &Path {
        &self.mesh
    }

    /// Returns the address at which gateways ask for their configuration.
    pub fn discovery_address(&self) -> SocketAddr {
        self.discovery
    }

    /// Returns the address that `pilot-discovery request` asks. In a pod of istiod, it is port 15014 of loopback.
    pub fn monitoring_address(&self) -> SocketAddr {
        self.monitoring
    }

    /// Returns a page of istiod, such as `/debug/syncz`.
    pub fn get(&self, path: &str) -> Result<String> {
        let response = Request::get("istiod", path).send(self.http)?;
        ensure!(response.status == 200, "istiod {path}: {} {}", response.status, response.text());
        Ok(response.text())
    }

    pub fn log(&self) -> String {
        self.process.log()
    }
}

impl ControlPlane {
    pub fn start(tools: &Tools) -> Result<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST, tools)
    }

    /// Starts the control plane with its API server at this address of the machine.
    pub fn start_at(address: Ipv4Addr, tools: &Tools) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("ksvc-router-istio-").tempdir()?;
        let authority = Authority::new(&folder.path().join("certificates"))?;
        let api_server = ApiServer::start_at(address, tools, &authority, folder.path())?;

        let istiod = Istiod::start(tools, api_server.cluster(), folder.path(), "istiod", &mesh_config())?;
        Ok(Self { istiod, api_server, authority, tools: tools.clone(), folder })
    }

    pub fn istiod(&self) -> &Istiod {
        &self.istiod
    }

    /// Starts another istiod for the same API server, with these settings added to the mesh configuration.
    pub fn another_istiod(&self, name: &str, settings: &Value) -> Result<Istiod> {
        let mut mesh = mesh_config();
        for (key, value) in settings.as_object().into_iter().flatten() {
            mesh[key] = value.clone();
        }
        Istiod::start(&self.tools, self.cluster(), self.folder(), name, &mesh)
    }

    pub fn cluster(&self) -> &Cluster {
        &self.api_server.cluster
    }

    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// Returns the authority that signs the certificates of gateways.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Returns the folder for the files of this run. It is deleted when the control plane is dropped.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns a page of the first istiod, such as `/debug/syncz`.
    pub fn istiod_get(&self, path: &str) -> Result<String> {
        self.istiod.get(path)
    }

    /// Runs istioctl. Returns whether it succeeded and what it printed on standard output and standard error.
    pub fn istioctl(&self, arguments: &[&str]) -> Result<(bool, String)> {
        let mut istioctl = Command::new(self.tools.program("istioctl"));
        istioctl.arg("--kubeconfig").arg(self.cluster().kubeconfig()).args(arguments).stdin(Stdio::null());
        let Output { status, stdout, stderr } = istioctl.output().context("cannot start istioctl")?;
        Ok((status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned()))
    }
}

/// Returns the configuration of a mesh that consists of gateways, without sidecars.
fn mesh_config() -> Value {
    let (name, service, port) = EXT_AUTHZ;
    json!({
        "accessLogFile": "/dev/stdout",
        "accessLogFormat": concat!(
            "access: %REQ(:METHOD)% host=%REQ(X-FORWARDED-HOST?:AUTHORITY)% path=%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% ",
            "status=%RESPONSE_CODE% flags=%RESPONSE_FLAGS% details=%RESPONSE_CODE_DETAILS% ",
            "authority=%REQ(:AUTHORITY)% route=%FILTER_STATE(wasm.ksvc_router.route:PLAIN)%\n"
        ),
        // No stats: Istio's stats filter is not in upstream Envoy.
        "defaultProviders": {"accessLogging": ["envoy"]},
        "enableAutoMtls": false,
        "enablePrometheusMerge": false,
        "extensionProviders": [{"name": name, "envoyExtAuthzHttp": {
            "service": service,
            "port": port,
            "includeRequestHeadersInCheck": ["x-ext-authz"],
            "headersToUpstreamOnAllow": ["x-ext-authz-user"],
        }}],
    })
}

//! Starts Knative Serving as in a cluster: applies its own manifests to a real API server, where Kubernetes' own
//! controllers, kube-proxy and CoreDNS run, and its pods become processes. The ingress gateway is real Envoy, configured
//! by istiod through net-gateway-api. This must run in [`namespaces`](super::namespaces).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::network::{self, NODE, PODS};
use super::pods::{NODE_NAME, Pods};
use super::{Tools, function, namespaces, objects};
use crate::istio::control_plane::{Cluster, ROOT_NAMESPACE};
use crate::istio::ingress::{Data, Setup};
use crate::istio::objects::{gateway_labels, gateway_pod};
use crate::istio::{ControlPlane, IngressGateway};
use crate::process::Running;
use crate::yaml;

/// The namespace of Knative's own parts.
pub const NAMESPACE: &str = "knative-serving";

/// Knative's domain.
pub const DOMAIN: &str = "example.com";

/// A KSVC with this label gets its host by another template: `NAME-NAMESPACE.DOMAIN`.
pub const FLAT_HOST: (&str, &str) = ("testenv/host", "flat");

/// The ports of the gateway: for requests from outside over HTTP and HTTPS, and for requests from the cluster.
pub const HTTP: u16 = 8080;
pub const HTTPS: u16 = 8443;
pub const LOCAL: u16 = 8081;

/// Long enough for a loaded machine with two cores.
const PATIENCE: Duration = Duration::from_secs(120);

/// Running Knative, which ends when this is dropped: the gateway and the pods first, the API server last.
pub struct Knative {
    gateway: IngressGateway,
    _pods: Pods,
    _parts: Vec<Running>,
    plane: ControlPlane,
}

impl Knative {
    /// Starts Knative. This program must call [`function::run_if_called`].
    pub fn start(tools: &Tools) -> Result<Self> {
        network::set_up()?;
        let plane = ControlPlane::start_at(NODE, &tools.istio)?;
        let (cluster, folder) = (plane.cluster(), plane.folder().to_owned());
        std::os::unix::fs::symlink(cluster.kubeconfig(), namespaces::kubeconfig())?;
        cluster.run(
            ["apply", "--server-side", "--recursive", "-f"],
            &[tools.manifests("namespace.yaml").as_os_str(), "-f".as_ref(), tools.manifests("crds").as_os_str()],
            None,
        )?;
        cluster.kubectl(["wait", "--for", "condition=established", "--timeout", "60s", "crd", "--all"])?;
        let parts = start_parts(tools, cluster, &folder)?;
        cluster.apply(&configuration(tools)?)?;
        cluster.apply(&cluster_objects())?;
        report_addresses(cluster)?;

        let gateway = Setup::new(ROOT_NAMESPACE).address(NODE).data(Data::Private).ports([HTTP, HTTPS, LOCAL, 0], 0);
        let gateway = gateway.start(&plane)?;
        let (tools_of_pods, function) = (tools.clone(), function::command_line()?);
        let programs = Box::new(move |image: &str| program(image, &tools_of_pods, &function));
        let kubeconfig = cluster.kubeconfig().display().to_string();
        // By default, net-gateway-api sends five requests a second to the API server, which is enough for one KSVC.
        let environment = [("KUBECONFIG", kubeconfig.as_str()), ("KUBE_API_QPS", "200"), ("KUBE_API_BURST", "400")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let pods = Pods::run(cluster.kubeconfig(), &folder.join("pods"), environment, programs)?;
        let knative = Self { gateway, _pods: pods, _parts: parts, plane };
        knative.start_serving(tools)?;
        Ok(knative)
    }

    /// Applies the manifests of Knative's parts and waits until all of them work.
    fn start_serving(&self, tools: &Tools) -> Result<()> {
        let cluster = self.cluster();
        let apply = |folder: &str| {
            let manifests = tools.manifests(folder);
            cluster.run(["apply", "--server-side", "--force-conflicts", "-f"], &[manifests.as_os_str()], None)
        };
        apply("deployments")?;
        cluster
            .kubectl([
                "wait",
                "-n",
                NAMESPACE,
                "--for",
                "condition=available",
                "--timeout",
                "120s",
                "deployment",
                "--all",
            ])
            .with_context(|| {
                format!("a part of Knative does not start; the logs are in {}", self.folder().display())
            })?;
        apply("webhooks")?;
        // The API server calls the webhook only after the webhook has written its certificate.
        let probe =
            json!({"apiVersion": "v1", "kind": "List", "items": [objects::ksvc("default", "probe")]}).to_string();
        eventually("Knative's webhook answers", || {
            let tried = cluster.run(["apply", "--dry-run=server", "-o", "json", "-f", "-"], &[], Some(&probe));
            Ok(tried.is_ok_and(|applied| applied.contains("timeoutSeconds")))
        })
    }

    pub fn cluster(&self) -> &Cluster {
        self.plane.cluster()
    }

    pub fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    pub fn gateway(&self) -> &IngressGateway {
        &self.gateway
    }

    /// Returns the address for requests from outside, over HTTP.
    pub fn address(&self) -> SocketAddr {
        (NODE, HTTP).into()
    }

    /// Returns the folder for the files of this run. Its subfolder `pods` has the logs of all containers.
    pub fn folder(&self) -> &Path {
        self.plane.folder()
    }

    /// Applies KSVCs and waits until they are ready.
    pub fn serve(&self, ksvcs: &[Value]) -> Result<()> {
        self.cluster().apply(ksvcs)?;
        self.await_ready(ksvcs)
    }

    /// Waits until KSVCs are ready, in the generations that were applied last. The error says what Knative reports.
    pub fn await_ready(&self, ksvcs: &[Value]) -> Result<()> {
        let text = |ksvc: &Value, key: &str| ksvc["metadata"][key].as_str().unwrap_or_default().to_owned();
        let mut namespaces: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for ksvc in ksvcs {
            namespaces.entry(text(ksvc, "namespace")).or_default().push(text(ksvc, "name"));
        }
        for (namespace, names) in namespaces {
            let names: Vec<&OsStr> = names.iter().map(AsRef::as_ref).collect();
            let wait = ["wait", "-n", &namespace, "--for", "condition=Ready", "--timeout", "120s", "ksvc"];
            self.cluster().run(wait, &names, None).with_context(|| {
                let path = "jsonpath={range .items[*]}{.metadata.name}: {.status.conditions}{\"\\n\"}{end}";
                let status = self.cluster().kubectl(["get", "ksvc", "-n", &namespace, "-o", path]);
                format!("not every KSVC of {namespace} is ready: {}", status.unwrap_or_default())
            })?;
        }
        Ok(())
    }
}

/// Waits until a condition is true.
pub fn eventually(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !condition()? {
        ensure!(Instant::now() < deadline, "after {PATIENCE:?}, still not true: {what}");
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Returns the command line that stands for an image.
fn program(image: &str, tools: &Tools, function: &[OsString]) -> Option<Vec<OsString>> {
    if image == objects::FUNCTION_IMAGE {
        return Some(function.to_vec());
    }
    // The images in Knative's manifests are Go packages, which ko replaces by images before a release.
    let program = match image.strip_prefix("ko://knative.dev/")? {
        "net-gateway-api/cmd/controller" => tools.knative("net-gateway-api"),
        package => tools.knative(package.strip_prefix("serving/cmd/")?),
    };
    Some(vec![program.into()])
}

/// Starts what runs on the node beside the pods: Kubernetes' controllers, kube-proxy and CoreDNS.
fn start_parts(tools: &Tools, cluster: &Cluster, folder: &Path) -> Result<Vec<Running>> {
    let start = |name: &str, command: &mut Command| {
        Running::start(name, command.current_dir(folder), &folder.join(format!("{name}.log")), None)
    };
    let mut controllers = Command::new(tools.kube_controller_manager());
    controllers.arg("--kubeconfig").arg(cluster.kubeconfig());
    controllers.args(["--bind-address", "127.0.0.1", "--leader-elect=false", "--controllers"]);
    // Knative still reads and writes Endpoints. Envoy sees what it wrote only mirrored into EndpointSlices.
    controllers.arg(
        "deployment-controller,replicaset-controller,endpoints-controller,endpointslice-controller,\
         endpointslice-mirroring-controller,garbage-collector-controller,namespace-controller",
    );

    let mut proxy = Command::new(tools.kube_proxy());
    proxy.arg("--kubeconfig").arg(cluster.kubeconfig());
    proxy.args(["--hostname-override", NODE_NAME, "--proxy-mode", "nftables", "--cluster-cidr", PODS]);
    // A pod's answer to another pod would take the short way over the bridge, past the translation of addresses.
    proxy.args(["--masquerade-all", "--bind-address", &NODE.to_string()]);
    // The limits of connection tracking are the machine's, and stay as they are.
    proxy.args(["--conntrack-max-per-core", "0", "--conntrack-min", "0"]);
    proxy.args(["--conntrack-tcp-timeout-established", "0s", "--conntrack-tcp-timeout-close-wait", "0s"]);

    let corefile = folder.join("Corefile");
    let zone = format!("kubernetes cluster.local {{\n  kubeconfig {}\n }}", cluster.kubeconfig().display());
    fs::write(&corefile, format!(".:53 {{\n bind {NODE}\n {zone}\n errors\n ready 127.0.0.1:8181\n}}\n"))?;
    let mut dns = Command::new(tools.coredns());
    dns.arg("-conf").arg(&corefile);
    Ok(vec![
        start("kube-controller-manager", &mut controllers)?,
        start("kube-proxy", &mut proxy)?,
        start("coredns", &mut dns)?,
    ])
}

/// Returns Knative's ConfigMaps with the settings that differ from the default.
fn configuration(tools: &Tools) -> Result<Vec<Value>> {
    let gateway_config = |gateway: &str, service: &str| {
        format!(
            "- class: istio\n  gateway: {ROOT_NAMESPACE}/{gateway}\n  service: {ROOT_NAMESPACE}/{service}\n  \
             supported-features:\n  - HTTPRouteRequestTimeout\n"
        )
    };
    let (label, value) = FLAT_HOST;
    let template = format!(
        "{{{{if eq (index .Labels {label:?}) {value:?}}}}}{{{{.Name}}}}-{{{{.Namespace}}}}.{{{{.Domain}}}}{{{{else}}}}\
         {{{{.Name}}}}.{{{{.Namespace}}}}.{{{{.Domain}}}}{{{{end}}}}"
    );
    let settings = json!({
        "config-network": {
            "ingress-class": "gateway-api.ingress.networking.knative.dev",
            "domain-template": template,
            "autocreate-cluster-domain-claims": "true",
        },
        "config-domain": {DOMAIN: ""},
        "config-deployment": {
            "queue-sidecar-image": "ko://knative.dev/serving/cmd/queue",
            "registries-skipping-tag-resolving": "dev.local",
        },
        "config-autoscaler": {"allow-zero-initial-scale": "true", "scale-to-zero-grace-period": "6s"},
        "config-gateway": {
            "external-gateways": gateway_config(objects::GATEWAY, "istio-ingressgateway"),
            "local-gateways": gateway_config("knative-local-gateway", "knative-local-gateway"),
        },
    });
    let folder = tools.manifests("configuration");
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in [folder.join("serving"), folder] {
        for entry in fs::read_dir(folder)? {
            files.push(entry?.path());
        }
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let maps = files.iter().map(|path| {
        let mut map = yaml::read(path)?;
        let name = map["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        for (key, value) in settings[&name].as_object().into_iter().flatten() {
            map["data"][key] = value.clone();
        }
        Ok(map)
    });
    maps.collect()
}

/// Returns the node, the gateway's pod and Services, and the two Gateways that net-gateway-api attaches KSVCs to.
fn cluster_objects() -> Vec<Value> {
    let service = |name: &str, ports: Value| {
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"namespace": ROOT_NAMESPACE, "name": name},
            "spec": {"selector": gateway_labels(), "ports": ports},
        })
    };
    let port = |name: &str, port: u16, target: u16| json!({"name": name, "port": port, "targetPort": target});
    vec![
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE_NAME}}),
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "namespace": ROOT_NAMESPACE, "name": gateway_pod(ROOT_NAMESPACE), "labels": gateway_labels(),
            },
            "spec": {"nodeName": NODE_NAME, "containers": [{"name": "istio-proxy", "image": "istio-proxy"}]},
        }),
        service("istio-ingressgateway", json!([port("http2", 80, HTTP), port("https", 443, HTTPS)])),
        service("knative-local-gateway", json!([port("http2", 80, LOCAL)])),
        objects::gateway(ROOT_NAMESPACE, objects::GATEWAY, "istio-ingressgateway"),
        objects::gateway(ROOT_NAMESPACE, "knative-local-gateway", "knative-local-gateway"),
        objects::route_names(),
    ]
}

/// Writes the status of the node and of the gateway's pod, which run but have no kubelet.
fn report_addresses(cluster: &Cluster) -> Result<()> {
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "Started", "message": "",
        "lastHeartbeatTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let node = json!({"status": {
        "conditions": [ready], "addresses": [{"type": "InternalIP", "address": NODE}],
    }});
    let pod = json!({"status": {
        "phase": "Running", "podIP": NODE, "podIPs": [{"ip": NODE}], "hostIP": NODE,
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [{
            "name": "istio-proxy", "image": "istio-proxy", "imageID": "istio-proxy", "ready": true, "restartCount": 0,
        }],
    }});
    let (node, pod) = (node.to_string(), pod.to_string());
    cluster.kubectl(["patch", "node", NODE_NAME, "--subresource=status", "--type=merge", "-p", &node])?;
    let name = gateway_pod(ROOT_NAMESPACE);
    let patch = ["patch", "pod", &name, "-n", ROOT_NAMESPACE, "--subresource=status", "--type=merge", "-p", &pod];
    cluster.kubectl(patch).map(drop)
}

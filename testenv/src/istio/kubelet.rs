//! Answers `kubectl logs`, `exec` and `port-forward` for pods of the API server that are processes of this
//! machine. `testenv/kubelet/main.go` does the work; this builds and starts it, and makes the Node object that leads the
//! API server to it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::ControlPlane;
use super::certificates::Purpose;
use super::control_plane::Cluster;
use crate::go::Programs;
use crate::process::{Running, free_ports};

const KUBELET: Programs = Programs {
    what: "the stand-in for a kubelet",
    cost: "a minute on two cores",
    folder: "kubelet",
    module: "testenv/kubelet",
    programs: &[("kubelet", ".")],
    link_flags: "",
    sources: &[],
};

const PATIENCE: Duration = Duration::from_secs(30);

/// What stands for a pod: the file of its log, and the ports of loopback that its own ports lead to.
pub struct Pod {
    pub log: PathBuf,
    pub ports: BTreeMap<u16, u16>,
}

/// A running stand-in, which ends when this is dropped.
pub struct Kubelet {
    _process: Running,
    node: String,
    cluster: Cluster,
}

impl Kubelet {
    /// Starts the stand-in with its files in this folder, and makes its Node, whose name must be free. Pods are found by
    /// `NAMESPACE/NAME`. Commands in all of them run with this `PATH`.
    pub fn start(
        plane: &ControlPlane,
        node: &str,
        folder: &Path,
        path: &OsStr,
        pods: &BTreeMap<String, Pod>,
    ) -> Result<Self> {
        let program = KUBELET.find_or_build()?.program("kubelet");
        let certificate = plane.authority().sign(node, Purpose::Server(&["127.0.0.1"]))?;
        let [port] = free_ports()?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let pods: Value =
            pods.iter().map(|(name, pod)| (name.clone(), json!({"log": pod.log, "ports": pod.ports}))).collect();
        let file = folder.join("pods.json");
        fs::write(&file, pods.to_string())?;
        let mut command = Command::new(program);
        command.arg(address.to_string()).args([certificate.certificate, certificate.key, file]).env("PATH", path);
        let process = Running::start("the kubelet", &mut command, &folder.join("kubelet.log"), None)?;
        process.await_ready(PATIENCE, || Ok(TcpStream::connect(address).is_ok()))?;

        let cluster = plane.cluster().clone();
        cluster.apply(&[json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})])?;
        let status = json!({"status": {
            "addresses": [{"type": "InternalIP", "address": address.ip().to_string()}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }});
        cluster.kubectl(["patch", "node", node, "--subresource", "status", "-p", &status.to_string()])?;
        Ok(Self { _process: process, node: node.to_owned(), cluster })
    }

    /// Puts a pod that has no node on this one, as the scheduler does.
    pub fn bind(&self, namespace: &str, pod: &str) -> Result<()> {
        let binding = json!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"namespace": namespace, "name": pod},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self.node},
        });
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/binding");
        let bound = self.cluster.run(["create", "--raw", &path, "-f", "-"], &[], Some(&binding.to_string()));
        bound.map(drop).with_context(|| format!("cannot bind the pod {namespace}/{pod}"))
    }
}

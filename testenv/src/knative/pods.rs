//! Runs the pods of an API server as processes of this machine. It stands in for the scheduler, the kubelet and the
//! container runtime: it binds each pod to the node, makes its [`Sandbox`], starts the program that stands for each
//! container's image, asks the readiness probes, writes the pod's status, starts crashed containers again, and ends the
//! containers of a deleted pod as a kubelet does.
//!
//! - [`container`] runs a container's process, [`probe`] asks its readiness probe, and [`status`] has the pod's status.
//!
//! It is written by hand because a real kubelet needs a container runtime, images and control groups. These parts of a
//! kubelet are missing: volumes, liveness and startup probes, `exec` and `grpc` probes, resource limits, and init
//! containers.

mod container;
mod probe;
mod status;

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::TryStreamExt;
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Config, ResourceExt};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::network::{self, NODE, Sandbox};
use container::{environment, supervise};
use status::{State, Statuses};

/// The name of the node that all pods run on.
pub const NODE_NAME: &str = "node-1";

/// A kubelet asks once a second at most. Until a pod is ready the first time, this asks more often, so that a start is
/// not slower than it has to be.
const FIRST_PROBES: Duration = Duration::from_millis(50);
const LATER_PROBES: Duration = Duration::from_secs(1);

/// Returns the command line that stands for an image, or `None` for an image that can't be pulled.
pub type Programs = dyn Fn(&str) -> Option<Vec<OsString>> + Send + Sync;

/// The running pods. They end when this is dropped.
pub struct Pods {
    _runtime: Runtime,
}

/// What all pods share.
struct Node {
    client: Client,
    programs: Box<Programs>,
    /// The environment of every container, besides its own.
    environment: Vec<(String, String)>,
    folder: PathBuf,
    last_number: AtomicU16,
}

/// The phase that a pod should be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Running,
    /// The containers should end, within this time.
    Terminating(Duration),
    /// The object is gone.
    Gone,
}

impl Pods {
    /// Runs the pods of this API server from now on. The containers' logs and the pods' files are written to `folder`.
    pub fn run(
        kubeconfig: &Path,
        folder: &Path,
        environment: Vec<(String, String)>,
        programs: Box<Programs>,
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let config = Kubeconfig::read_from(kubeconfig)?;
        let client = runtime.block_on(async {
            let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
            anyhow::Ok(Client::try_from(config)?)
        })?;
        std::fs::create_dir_all(folder)?;
        let node = Node { client, programs, environment, folder: folder.to_owned(), last_number: AtomicU16::new(1) };
        runtime.spawn(follow(Arc::new(node)));
        Ok(Self { _runtime: runtime })
    }
}

/// Follows the pods of the API server: starts a task for each new one, and tells it what is wanted of it.
async fn follow(node: Arc<Node>) {
    let mut known: HashMap<String, watch::Sender<Wanted>> = HashMap::new();
    let mut tasks = JoinSet::new();
    let events = watcher(Api::<Pod>::all(node.client.clone()), watcher::Config::default());
    let mut events = std::pin::pin!(events);
    loop {
        let event = match events.try_next().await {
            Ok(Some(event)) => event,
            Ok(None) => return,
            // The watcher goes on by itself, from the state that it finds.
            Err(error) => {
                eprintln!("the pods can't be followed: {error}");
                sleep(LATER_PROBES).await;
                continue;
            }
        };
        match event {
            Event::Init | Event::InitDone => {}
            Event::Apply(pod) | Event::InitApply(pod) => {
                let id = pod.uid().unwrap_or_default();
                let wanted = match (&pod.metadata.deletion_timestamp, pod.metadata.deletion_grace_period_seconds) {
                    (None, _) => Wanted::Running,
                    (Some(_), seconds) => {
                        Wanted::Terminating(Duration::from_secs(u64::try_from(seconds.unwrap_or(30)).unwrap_or(0)))
                    }
                };
                if let Some(task) = known.get(&id) {
                    task.send_if_modified(|old| std::mem::replace(old, wanted) != wanted);
                } else if pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_none()) {
                    let (sender, receiver) = watch::channel(wanted);
                    known.insert(id, sender);
                    let node = Arc::clone(&node);
                    tasks.spawn(async move {
                        let name = pod.name_any();
                        if let Err(error) = run(node, pod, receiver).await {
                            eprintln!("pod {name}: {error:#}");
                        }
                    });
                }
            }
            Event::Delete(pod) => {
                if let Some(task) = known.remove(&pod.uid().unwrap_or_default()) {
                    let _ = task.send(Wanted::Gone);
                }
            }
        }
        while tasks.try_join_next().is_some() {}
    }
}

/// Runs one pod until it is deleted.
async fn run(node: Arc<Node>, pod: Pod, wanted: watch::Receiver<Wanted>) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(node.client.clone(), &pod.namespace().context("a pod is in a namespace")?);
    bind(&pods, &pod).await.context("it can't be bound to the node")?;
    let number = node.last_number.fetch_add(1, Ordering::Relaxed);
    let address = network::address(number);
    let sandbox = sandbox(&node, &pod, number).await?;
    let statuses = Statuses::new(containers(&pod).len());
    let mut running = start_containers(&node, &pod, address, &sandbox, &statuses, &wanted);
    report(&pods, &pod, address, &statuses, wanted.clone()).await;
    // Each container ends by itself, because it follows what is wanted too.
    while running.join_next().await.is_some() {}
    drop(sandbox);
    if *wanted.borrow() != Wanted::Gone {
        let _ = pods.delete(&pod.name_any(), &DeleteParams::default().grace_period(0)).await;
    }
    Ok(())
}

fn containers(pod: &Pod) -> &[Container] {
    pod.spec.as_ref().map_or(&[], |spec| &spec.containers)
}

async fn bind(pods: &Api<Pod>, pod: &Pod) -> Result<Value, kube::Error> {
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod.name_any(), "namespace": pod.namespace()},
        "target": {"apiVersion": "v1", "kind": "Node", "name": NODE_NAME},
    });
    pods.create_subresource("binding", &pod.name_any(), &PostParams::default(), &binding).await
}

async fn sandbox(node: &Node, pod: &Pod, number: u16) -> Result<Sandbox> {
    let namespace = pod.namespace().unwrap_or_default();
    let resolv_conf = node.folder.join(format!("{namespace}.resolv.conf"));
    tokio::task::spawn_blocking(move || {
        std::fs::write(&resolv_conf, dns_settings(&namespace))?;
        Sandbox::new(number, &resolv_conf)
    })
    .await?
}

fn start_containers(
    node: &Node,
    pod: &Pod,
    address: Ipv4Addr,
    sandbox: &Sandbox,
    statuses: &Statuses,
    wanted: &watch::Receiver<Wanted>,
) -> JoinSet<Result<()>> {
    let mut running = JoinSet::new();
    for (index, container) in containers(pod).iter().enumerate() {
        let Some(command_line) = container.image.as_deref().and_then(|image| (node.programs)(image)) else {
            statuses.change(index, |status| status.state = State::Waiting("ImagePullBackOff"));
            continue;
        };
        let mut command = sandbox.command(&command_line);
        command.args(container.command.iter().flatten()).args(container.args.iter().flatten());
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(node.environment.iter().map(|(name, value)| (name, value)));
        command.envs(environment(container, pod, address)).stdin(Stdio::null());
        let log = format!("{}.{}.{}.log", pod.namespace().unwrap_or_default(), pod.name_any(), container.name);
        let log = node.folder.join(log);
        running.spawn(supervise(command, log, container.clone(), address, index, statuses.clone(), wanted.clone()));
    }
    running
}

/// Asks the readiness probes and writes each change of the pod's status, while the pod should run.
async fn report(
    pods: &Api<Pod>,
    pod: &Pod,
    address: Ipv4Addr,
    statuses: &Statuses,
    mut wanted: watch::Receiver<Wanted>,
) {
    let name = pod.name_any();
    let started = k8s_openapi::jiff::Timestamp::now().to_string();
    let (mut last_probes, mut reported) = (None::<Instant>, None);
    let mut failures = vec![0; containers(pod).len()];
    while *wanted.borrow() == Wanted::Running {
        let was_ready = statuses.all().iter().all(|status| status.ready);
        let interval = if was_ready { LATER_PROBES } else { FIRST_PROBES };
        if last_probes.is_none_or(|last| last.elapsed() >= interval) {
            last_probes = Some(Instant::now());
            for (index, container) in containers(pod).iter().enumerate() {
                let runs = statuses.all()[index].state == State::Running;
                let succeeds = runs && probe::succeeds(container, address).await;
                failures[index] = if succeeds { 0 } else { failures[index] + 1 };
                let may_stay = failures[index] < probe::failure_threshold(container);
                statuses.change(index, |status| {
                    let is_ready = succeeds || (status.ready && may_stay);
                    status.ready = is_ready && status.state == State::Running;
                });
            }
        }
        let now = statuses.all();
        if reported.as_ref() != Some(&now) {
            let status = json!({"status": status::pod_status(containers(pod), &now, address, &started)});
            match pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(&status)).await {
                Ok(_) => reported = Some(now),
                // The pod has been deleted, which `wanted` will say.
                Err(kube::Error::Api(error)) if error.code == 404 => {}
                Err(error) => eprintln!("pod {name}: its status can't be written: {error}"),
            }
        }
        let _ = timeout(FIRST_PROBES, wanted.changed()).await;
    }
}

/// Returns the DNS settings of a pod in this namespace, as a kubelet writes them.
fn dns_settings(namespace: &str) -> String {
    let domains = format!("{namespace}.svc.cluster.local svc.cluster.local cluster.local");
    format!("search {domains}\nnameserver {NODE}\noptions ndots:5\n")
}

//! The process of a container: its environment, its restarts and its end.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Container, Pod};
use kube::ResourceExt;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::timeout;

use super::probe::http_get;
use super::status::{State, Statuses};
use super::{NODE_NAME, Wanted};
use crate::knative::network::NODE;

/// The pause before a crashed container starts again: it doubles with each crash, up to a limit.
const RESTART: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// Runs a container until its pod should end, and starts it again after each crash.
pub(super) async fn supervise(
    command: std::process::Command,
    log: PathBuf,
    container: Container,
    address: Ipv4Addr,
    index: usize,
    statuses: Statuses,
    mut wanted: watch::Receiver<Wanted>,
) -> Result<()> {
    let mut command = Command::from(command);
    command.kill_on_drop(true);
    let mut pause = RESTART.0;
    while *wanted.borrow() == Wanted::Running {
        let file = File::options().create(true).append(true).open(&log)?;
        command.stdout(file.try_clone()?).stderr(file);
        let mut child = command.spawn().with_context(|| format!("container {} can't be started", container.name))?;
        statuses.change(index, |status| status.state = State::Running);
        let code = tokio::select! {
            status = child.wait() => status?.code().unwrap_or(137),
            () = not_running(&mut wanted) => return end(&mut child, &container, address, &mut wanted).await,
        };
        statuses.change(index, |status| status.crashed(code));
        let _ = timeout(pause, not_running(&mut wanted)).await;
        pause = RESTART.1.min(pause * 2);
    }
    Ok(())
}

async fn not_running(wanted: &mut watch::Receiver<Wanted>) {
    // An error means that the sender is gone, and so is everything else.
    let _ = wanted.wait_for(|wanted| *wanted != Wanted::Running).await;
}

/// Ends a container as a kubelet does: calls its `preStop` hook, sends SIGTERM, and SIGKILL when the time is up.
async fn end(
    child: &mut Child,
    container: &Container,
    address: Ipv4Addr,
    wanted: &mut watch::Receiver<Wanted>,
) -> Result<()> {
    let Wanted::Terminating(grace) = *wanted.borrow() else {
        child.kill().await?;
        return Ok(());
    };
    let hook = container.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_ref()?.http_get.clone());
    let politely = async {
        if let Some(hook) = hook {
            let _ = http_get(&hook, container, address, grace).await;
        }
        if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        let _ = child.wait().await;
    };
    let gone = async {
        let _ = wanted.wait_for(|wanted| *wanted == Wanted::Gone).await;
    };
    tokio::select! {
        _ = timeout(grace, politely) => {}
        () = gone => {}
    }
    let _ = child.kill().await;
    Ok(())
}

/// Returns the environment variables of a container that its pod's spec sets.
pub(super) fn environment(container: &Container, pod: &Pod, address: Ipv4Addr) -> Vec<(String, String)> {
    let field = |path: &str| match path {
        "metadata.name" => pod.name_any(),
        "metadata.namespace" => pod.namespace().unwrap_or_default(),
        "metadata.uid" => pod.uid().unwrap_or_default(),
        "spec.nodeName" => NODE_NAME.to_owned(),
        "status.podIP" => address.to_string(),
        "status.hostIP" => NODE.to_string(),
        _ => String::new(),
    };
    let variables = container.env.iter().flatten().map(|variable| {
        let referred = variable.value_from.as_ref().and_then(|source| source.field_ref.as_ref());
        let value = match (&variable.value, referred) {
            (Some(value), _) => value.clone(),
            (None, Some(reference)) => field(&reference.field_path),
            (None, None) => String::new(),
        };
        (variable.name.clone(), value)
    });
    variables.collect()
}

//! The status of a pod, as a kubelet writes it.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::Container;
use serde_json::{Value, json};

use crate::knative::network::NODE;

/// The state of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It has not been started, for this reason.
    Waiting(&'static str),
    Running,
    Crashed {
        code: i32,
    },
}

/// The status of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) state: State,
    pub(super) ready: bool,
    restarts: u32,
    /// The exit code of the last run that has ended.
    last_code: Option<i32>,
}

impl Status {
    /// Counts a crash with this exit code.
    pub(super) fn crashed(&mut self, code: i32) {
        let restarts = self.restarts + 1;
        *self = Self { state: State::Crashed { code }, ready: false, restarts, last_code: Some(code) };
    }
}

/// The statuses of a pod's containers, in the order of its spec. Copies share the same statuses.
#[derive(Debug, Clone)]
pub(super) struct Statuses(Arc<Mutex<Vec<Status>>>);

impl Statuses {
    pub(super) fn new(containers: usize) -> Self {
        let status = Status { state: State::Waiting("ContainerCreating"), ready: false, restarts: 0, last_code: None };
        Self(Arc::new(Mutex::new(vec![status; containers])))
    }

    pub(super) fn all(&self) -> Vec<Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the status of the container with this index.
    pub(super) fn change(&self, index: usize, change: impl FnOnce(&mut Status)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)[index]);
    }
}

/// Returns the status of a pod with these containers.
pub(super) fn pod_status(containers: &[Container], statuses: &[Status], address: Ipv4Addr, started: &str) -> Value {
    let all_ready = statuses.iter().all(|status| status.ready);
    let is = |truth: bool| if truth { "True" } else { "False" };
    let condition = |kind: &str, truth: bool| json!({"type": kind, "status": is(truth), "lastTransitionTime": started});
    let pending = statuses.iter().any(|status| matches!(status.state, State::Waiting(_)));
    let containers = containers.iter().zip(statuses).map(|(container, status)| {
        let ended = |code: i32| json!({"terminated": {"exitCode": code, "reason": "Error"}});
        let state = match status.state {
            State::Waiting(reason) => json!({"waiting": {"reason": reason, "message": "the image can't be pulled"}}),
            State::Running => json!({"running": {"startedAt": started}}),
            State::Crashed { code } if status.restarts == 1 => ended(code),
            State::Crashed { .. } => {
                json!({"waiting": {"reason": "CrashLoopBackOff", "message": "the container has crashed"}})
            }
        };
        json!({
            "name": container.name,
            "image": container.image,
            "imageID": container.image,
            "ready": status.ready,
            "started": status.state == State::Running,
            "restartCount": status.restarts,
            "state": state,
            "lastState": status.last_code.map(ended).unwrap_or_else(|| json!({})),
        })
    });
    json!({
        "phase": if pending { "Pending" } else { "Running" },
        "podIP": address,
        "podIPs": [{"ip": address}],
        "hostIP": NODE,
        "startTime": started,
        "conditions": [
            condition("PodScheduled", true),
            condition("Initialized", true),
            condition("ContainersReady", all_ready),
            condition("Ready", all_ready),
        ],
        "containerStatuses": containers.collect::<Vec<_>>(),
    })
}

//! Headers by which Knative's parts talk to each other, and which a client must not choose.

use crate::bytes::equal;
use crate::decide::decision::Change;
use crate::request::Head;

/// Sorted. Knative: networking/pkg/http/header, serving/pkg/activator, serving/pkg/queue.
const INTERNAL: [&str; 10] = [
    "k-kubelet-probe",
    "k-network-hash",
    "k-network-probe",
    "k-original-host",
    "k-passthrough-lb",
    "k-proxy-request",
    "knative-serving-default-route",
    "knative-serving-namespace",
    "knative-serving-revision",
    "knative-serving-tag",
];

/// Whether a name, in lower case, is one of them.
pub(crate) fn is_internal(name: &str) -> bool {
    INTERNAL.binary_search(&name).is_ok()
}

/// Removes the internal headers that a request has.
#[inline(never)]
pub(crate) fn strip(head: &Head<'_>, changes: &mut Vec<Change<'_>>) {
    if !head.may_be_internal {
        return;
    }
    for (name, value) in head.headers() {
        let internal = match name.first() {
            Some(b'k') => INTERNAL.iter().find(|known| equal(name, known.as_bytes())).copied(),
            Some(b'u') if equal(name, b"user-agent") && is_probe_agent(value) => Some("user-agent"),
            _ => None,
        };
        if let Some(known) = internal {
            let change = Change::Remove(known);
            if !changes.contains(&change) {
                changes.push(change);
            }
        }
    }
}

/// queue-proxy lets requests of these agents past its limits.
pub(crate) fn is_probe_agent(agent: &[u8]) -> bool {
    agent.starts_with(b"kube-probe/") || (agent.starts_with(b"Knative-") && agent.ends_with(b"-Probe"))
}

/// Knative's own check that a KSVC's host is served: never ours.
pub(crate) fn is_network_probe(head: &Head<'_>, path: &[u8]) -> bool {
    path == b"/healthz" && head.has("k-network-probe")
}

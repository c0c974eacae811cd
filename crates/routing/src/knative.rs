//! Headers by which Knative's parts talk to each other, and which a client must not choose.

/// Sorted. Knative: networking/pkg/http/header, serving/pkg/activator, serving/pkg/queue.
pub(crate) const INTERNAL: [&str; 10] = [
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

/// queue-proxy lets requests of these agents past its limits.
pub(crate) fn is_probe_agent(agent: &[u8]) -> bool {
    agent.starts_with(b"kube-probe/") || (agent.starts_with(b"Knative-") && agent.ends_with(b"-Probe"))
}

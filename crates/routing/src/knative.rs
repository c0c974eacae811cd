//! Headers that Knative's own components send to each other. A client must not be able to choose them.

/// The names of these headers, sorted. They are defined in Knative's packages `networking/pkg/http/header`,
/// `serving/pkg/activator` and `serving/pkg/queue`.
pub(crate) const INTERNAL_HEADERS: [&str; 10] = [
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

/// Returns whether a header, its name in lower case, is internal to Knative.
pub(crate) fn is_internal_header(name: &str) -> bool {
    INTERNAL_HEADERS.binary_search(&name).is_ok()
}

/// Returns whether a `user-agent` is that of a probe. Knative's proxies answer requests of such agents themselves. They
/// know some agents by their whole name and others by its beginning.
pub(crate) fn is_probe_agent(agent: &[u8]) -> bool {
    let is_knative = |rest: &[u8]| rest.windows(6).any(|part| part == b"-Probe");
    agent.starts_with(b"kube-probe/") || agent.strip_prefix(b"Knative-").is_some_and(is_knative)
}

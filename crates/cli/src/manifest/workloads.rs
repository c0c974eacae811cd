//! Which proxies a manifest is for.

use super::gateway::{Gateway, labels, path};
use super::{Kind, Manifest};
use crate::yaml::Node;

/// Which proxies a manifest is for, as far as it says.
#[derive(Debug, PartialEq)]
pub(crate) struct Workloads {
    namespace: String,
    labels: Vec<(String, String)>,
    /// Kinds and names of `targetRefs`.
    targets: Vec<(String, String)>,
}

impl Workloads {
    pub(crate) fn of(manifest: &Manifest) -> Self {
        let spec = &manifest.spec;
        let labels = labels(match manifest.kind {
            Kind::EnvoyFilter => path(spec, &["workloadSelector", "labels"]),
            Kind::WasmPlugin | Kind::TrafficExtension => path(spec, &["selector", "matchLabels"]),
        });
        let several = spec.get("targetRefs").map_or(&[][..], |targets| targets.items());
        let text = |target: &Node, key| target.get(key).and_then(|value| value.text()).unwrap_or_default().to_owned();
        let targets = several.iter().chain(spec.get("targetRef"));
        let namespace = path(&manifest.document, &["metadata", "namespace"]).and_then(|value| value.text());
        Self {
            namespace: namespace.unwrap_or("default").to_owned(),
            labels,
            targets: targets.map(|target| (text(target, "kind"), text(target, "name"))).collect(),
        }
    }

    pub(crate) fn are_all(&self) -> bool {
        self.labels.is_empty() && self.targets.is_empty()
    }

    /// Attached to a gateway of the Gateway API, whose pod listens on the ports that it is given.
    pub(crate) fn are_targets(&self) -> bool {
        !self.targets.is_empty()
    }

    /// Whether some proxy may have both. The namespace does not count: that of the mesh itself is for all others.
    pub(crate) fn may_meet(&self, other: &Self) -> bool {
        match (self.are_targets(), other.are_targets()) {
            (true, true) => {
                self.namespace == other.namespace && self.targets.iter().any(|target| other.targets.contains(target))
            }
            (false, false) => agree(&self.labels, &other.labels),
            // A gateway of the Gateway API takes selectors only where nothing targets it.
            _ => false,
        }
    }

    /// Whether a Gateway may be served by these proxies.
    pub(crate) fn may_serve(&self, gateway: &Gateway) -> bool {
        !self.are_targets() && agree(&self.labels, &gateway.selector)
    }
}

/// Whether no label has two values.
fn agree(one: &[(String, String)], other: &[(String, String)]) -> bool {
    one.iter().all(|(key, value)| other.iter().all(|(k, v)| k != key || v == value))
}

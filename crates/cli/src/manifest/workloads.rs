//! Which proxies a manifest selects.

use super::gateway::{Gateway, labels};
use super::{Kind, Manifest};

/// The proxies that a manifest selects, as far as the manifest says.
#[derive(Debug, PartialEq)]
pub(crate) struct Workloads {
    namespace: String,
    labels: Vec<(String, String)>,
    /// The kind and the name of each element of `targetRefs`.
    targets: Vec<(String, String)>,
}

impl Workloads {
    pub(crate) fn new(manifest: &Manifest) -> Self {
        let spec = &manifest.spec;
        let labels = labels(match manifest.kind {
            Kind::EnvoyFilter => spec.at(&["workloadSelector", "labels"]),
            Kind::WasmPlugin | Kind::TrafficExtension => spec.at(&["selector", "matchLabels"]),
        });
        let targets = spec.list("targetRefs").iter().chain(spec.get("targetRef")).map(|target| {
            let text = |key| target.text_at(key).unwrap_or_default().to_owned();
            (text("kind"), text("name"))
        });
        let namespace = manifest.document.at(&["metadata", "namespace"]).and_then(|value| value.text());
        Self { namespace: namespace.unwrap_or("default").to_owned(), labels, targets: targets.collect() }
    }

    /// Returns whether the manifest selects every proxy of its namespace.
    pub(crate) fn are_all(&self) -> bool {
        self.labels.is_empty() && self.targets.is_empty()
    }

    /// Returns whether the manifest is attached to a gateway of the Gateway API. The pod of such a gateway listens on
    /// the ports of the Gateway itself.
    pub(crate) fn are_targets(&self) -> bool {
        !self.targets.is_empty()
    }

    /// Returns whether both manifests may select the same proxy. The namespace is not compared for selectors, because a
    /// manifest in the mesh's root namespace selects proxies of every namespace.
    pub(crate) fn may_meet(&self, other: &Self) -> bool {
        match (self.are_targets(), other.are_targets()) {
            (true, true) => {
                self.namespace == other.namespace && self.targets.iter().any(|target| other.targets.contains(target))
            }
            (false, false) => agree(&self.labels, &other.labels),
            // A gateway of the Gateway API follows selectors only if no plugin targets it.
            _ => false,
        }
    }

    /// Returns whether these proxies may serve a Gateway.
    pub(crate) fn may_serve(&self, gateway: &Gateway) -> bool {
        !self.are_targets() && agree(&self.labels, &gateway.selector)
    }
}

/// Returns whether every label that both have has the same value in both.
fn agree(one: &[(String, String)], other: &[(String, String)]) -> bool {
    one.iter().all(|(key, value)| other.iter().all(|(k, v)| k != key || v == value))
}

//! Which proxies a manifest selects.

use super::gateway::{Gateway, Proxies, labels};
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
            _ => spec.at(&["selector", "matchLabels"]),
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

    /// Returns whether both manifests may select the same proxy. A manifest in the mesh's root namespace selects proxies of
    /// every namespace, so namespaces are compared for selectors only if the root namespace is known.
    pub(crate) fn may_meet(&self, other: &Self, root_namespace: Option<&str>) -> bool {
        let are_apart = |root: &str| ![&self.namespace, &other.namespace].iter().any(|namespace| **namespace == root);
        if self.namespace != other.namespace && root_namespace.is_some_and(are_apart) {
            return false;
        }
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
        match &gateway.proxies {
            Proxies::Selected(labels) => !self.are_targets() && agree(&self.labels, labels),
            Proxies::Deployed(_) | Proxies::Addressed if self.are_targets() => self.targets(gateway),
            Proxies::Deployed(labels) => !self.are_all() && self.labels.iter().all(|label| labels.contains(label)),
            Proxies::Addressed => true,
        }
    }

    /// Returns whether the manifest is attached to this Gateway of the Gateway API.
    pub(crate) fn targets(&self, gateway: &Gateway) -> bool {
        gateway.is_of_gateway_api()
            && gateway.namespace.as_deref().unwrap_or("default") == self.namespace
            && self.targets.iter().any(|(kind, name)| kind == "Gateway" && *name == gateway.name)
    }

    /// Returns the labels of the proxies; none if the manifest selects all, or is attached to gateways.
    pub(crate) fn labels(&self) -> &[(String, String)] {
        &self.labels
    }

    /// Returns the kind and the name of each object to which the manifest is attached.
    pub(crate) fn target_refs(&self) -> &[(String, String)] {
        &self.targets
    }
}

/// Returns whether every label that both have has the same value in both.
fn agree(one: &[(String, String)], other: &[(String, String)]) -> bool {
    one.iter().all(|(key, value)| other.iter().all(|(k, v)| k != key || v == value))
}

//! On which ports of a proxy a manifest lets the filter run.

use std::sync::Arc;

use super::{Kind, Manifest};
use crate::source::position::Span;
use crate::yaml::Node;

/// The ports that the `match` of a manifest names.
pub(crate) struct Ports<'m> {
    /// The named ports; empty if the filter runs on every port.
    pub(crate) numbers: Vec<(u64, Span)>,
    /// What makes the filter run on every port: an element of `match` without `ports`, or a `spec` without `match`.
    pub(crate) every: Option<Span>,
    /// `mode: SERVER`.
    pub(crate) server_mode: Option<&'m Arc<Node>>,
}

impl<'m> Ports<'m> {
    pub(crate) fn new(manifest: &'m Manifest) -> Self {
        let mut ports = Self { numbers: Vec::new(), every: None, server_mode: None };
        if manifest.kind == Kind::EnvoyFilter {
            let patch = manifest.patch.as_ref();
            // In a patch of another kind the filter is only defined; some other patch inserts it into the chain.
            if patch.and_then(|patch| patch.text_at("applyTo")) != Some("HTTP_FILTER") {
                return ports;
            }
            let port = patch.and_then(|patch| patch.at(&["match", "listener", "portNumber"]));
            match port.and_then(|port| Some((port.number()?, port.span))) {
                Some(port) => ports.numbers.push(port),
                None => ports.every = patch.map(|patch| patch.span),
            }
            return ports;
        }
        let selectors = manifest.spec.list("match");
        if selectors.is_empty() {
            ports.every = Some(manifest.spec.span);
        }
        for selector in selectors {
            // A gateway counts as a client, so this element never matches there.
            if let Some(mode) = selector.get("mode").filter(|mode| mode.text() == Some("SERVER")) {
                ports.server_mode = Some(mode);
                continue;
            }
            let listed = selector.list("ports");
            if listed.is_empty() {
                ports.every = Some(selector.span);
            }
            let numbers = listed.iter().filter_map(|port| port.get("number"));
            ports.numbers.extend(numbers.filter_map(|port| Some((port.number()?, port.span))));
        }
        ports
    }

    /// Returns whether some port may run both filters.
    pub(crate) fn may_meet(&self, other: &Self) -> bool {
        self.every.is_some()
            || other.every.is_some()
            || self.numbers.iter().any(|(port, _)| other.numbers.iter().any(|(number, _)| number == port))
    }
}

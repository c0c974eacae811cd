//! On which ports of a proxy the filter of a manifest runs.

use std::sync::Arc;

use super::gateway::{number, path};
use super::{Kind, Manifest};
use crate::source::position::Span;
use crate::yaml::Node;

/// A manifest's `match`, as far as it concerns ports.
pub(crate) struct Ports<'m> {
    /// The elements of `match`; empty where it is not written or the filter runs on every port.
    pub(crate) numbers: Vec<(u64, Span)>,
    /// Where something lets every port in: the element without `ports`, or `spec`.
    pub(crate) every: Option<Span>,
    /// `mode: SERVER`.
    pub(crate) server_mode: Option<&'m Arc<Node>>,
}

impl<'m> Ports<'m> {
    pub(crate) fn of(manifest: &'m Manifest) -> Self {
        let mut ports = Self { numbers: Vec::new(), every: None, server_mode: None };
        if manifest.kind == Kind::EnvoyFilter {
            let patch = manifest.patch.as_ref();
            // A filter in a patch of another kind is put into the chain by some other patch.
            if patch.and_then(|patch| patch.get("applyTo")).and_then(|kind| kind.text()) != Some("HTTP_FILTER") {
                return ports;
            }
            let port = patch.and_then(|patch| path(patch, &["match", "listener", "portNumber"]));
            match port.and_then(|port| Some((number(port)?, port.span))) {
                Some(port) => ports.numbers.push(port),
                None => ports.every = patch.map(|patch| patch.span),
            }
            return ports;
        }
        let selectors = manifest.spec.get("match").map_or(&[][..], |selectors| selectors.items());
        if selectors.is_empty() {
            ports.every = Some(manifest.spec.span);
        }
        for selector in selectors {
            // Gateways count as clients.
            if let Some(mode) = selector.get("mode").filter(|mode| mode.text() == Some("SERVER")) {
                ports.server_mode = Some(mode);
                continue;
            }
            let listed = selector.get("ports").map_or(&[][..], |listed| listed.items());
            if listed.is_empty() {
                ports.every = Some(selector.span);
            }
            let numbers = listed.iter().filter_map(|port| port.get("number"));
            ports.numbers.extend(numbers.filter_map(|port| Some((number(port)?, port.span))));
        }
        ports
    }

    /// Whether some port is let in by both.
    pub(crate) fn may_meet(&self, other: &Self) -> bool {
        self.every.is_some()
            || other.every.is_some()
            || self.numbers.iter().any(|(port, _)| other.numbers.iter().any(|(number, _)| number == port))
    }
}

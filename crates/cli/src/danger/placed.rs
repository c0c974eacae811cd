//! A table and where it runs.

use std::sync::Arc;

use super::Danger;
use crate::configuration::Configuration;
use crate::manifest::gateway::path;
use crate::manifest::ports::Ports;
use crate::manifest::workloads::Workloads;
use crate::manifest::{Kind, Manifest};
use crate::message::Message;
use crate::source::Source;
use crate::source::position::Span;
use crate::yaml::Node;

/// A table and the manifest around it.
pub(super) struct Placed<'c> {
    pub(super) source: &'c Arc<Source>,
    pub(super) at: Span,
    pub(super) node: Option<&'c Arc<Node>>,
    pub(super) manifest: &'c Manifest,
    pub(super) workloads: Workloads,
    pub(super) ports: Ports<'c>,
    /// Kind, namespace and name of the object, and which of its tables this is.
    pub(super) identity: (Kind, Vec<String>, Span),
}

impl<'c> Placed<'c> {
    pub(super) fn new(configuration: &'c Configuration) -> Option<Self> {
        let manifest = configuration.manifest.as_ref()?;
        let text =
            |key| path(&manifest.document, &["metadata", key]).and_then(|value| value.text()).unwrap_or_default();
        // An object without a name is nobody's copy.
        let name = match text("name") {
            "" => vec![configuration.source.name.clone(), format!("{:?}", manifest.document.span)],
            name => vec![text("namespace").to_owned(), name.to_owned()],
        };
        let within = if manifest.kind == Kind::EnvoyFilter { manifest.plugin.span } else { Span::START };
        Some(Self {
            source: &configuration.source,
            at: configuration.at,
            node: configuration.node.as_ref(),
            manifest,
            workloads: Workloads::of(manifest),
            ports: Ports::of(manifest),
            identity: (manifest.kind, name, within),
        })
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.node.and_then(|node| node.get(key)).and_then(|value| value.text())
    }

    pub(super) fn name(&self) -> &str {
        self.text("name").unwrap_or("default")
    }

    /// Where a key of the table is, or else the table.
    pub(super) fn key_place(&self, key: &str) -> Span {
        self.node.and_then(|node| node.get(key)).map_or(self.at, |value| value.span)
    }
}

pub(super) fn told_at(source: &Arc<Source>, at: Span, danger: Danger) -> (Danger, Message) {
    let text = danger.to_string();
    let message = if danger.is_error() { Message::error(source, at, text) } else { Message::warning(source, at, text) };
    (danger, message)
}

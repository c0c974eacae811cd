//! A table together with the manifest around it, and where that manifest lets it run.

use std::sync::Arc;

use super::Danger;
use crate::configuration::Configuration;
use crate::manifest::ports::Ports;
use crate::manifest::workloads::Workloads;
use crate::manifest::{Kind, Manifest};
use crate::message::Message;
use crate::source::Source;
use crate::source::position::Span;
use crate::yaml::Node;

/// A table and the manifest around it.
pub(super) struct Placed<'c> {
    configuration: &'c Configuration,
    pub(super) source: &'c Arc<Source>,
    /// The table, or the place where it is missing.
    pub(super) at: Span,
    pub(super) node: Option<&'c Arc<Node>>,
    pub(super) manifest: &'c Manifest,
    pub(super) workloads: Workloads,
    pub(super) ports: Ports<'c>,
    /// The kind, namespace and name of the object, and which of its tables this is.
    pub(super) identity: (Kind, Vec<String>, Span),
}

impl<'c> Placed<'c> {
    /// Returns `None` for a table that is not in a manifest.
    pub(super) fn new(configuration: &'c Configuration) -> Option<Self> {
        let manifest = configuration.manifest.as_ref()?;
        let text = |key| manifest.document.at(&["metadata", key]).and_then(|value| value.text()).unwrap_or_default();
        // An object without a name is never the same object as another one.
        let name = match text("name") {
            "" => vec![configuration.source.name.clone(), format!("{:?}", manifest.document.span)],
            name => vec![text("namespace").to_owned(), name.to_owned()],
        };
        let within = if manifest.kind == Kind::EnvoyFilter { manifest.plugin.span } else { Span::START };
        Some(Self {
            configuration,
            source: &configuration.source,
            at: configuration.at,
            node: configuration.node.as_ref(),
            manifest,
            workloads: Workloads::new(manifest),
            ports: Ports::new(manifest),
            identity: (manifest.kind, name, within),
        })
    }

    /// Returns the hosts to which the table's routes forward, as far as the table says: without those that have captures.
    pub(super) fn targets(&self) -> Vec<String> {
        let table = self.configuration.compile().0.table;
        let lines = table.routes();
        let forwards = lines.iter().filter_map(|line| line.target.split(' ').next()).filter(|host| host.contains('.'));
        let hosts = forwards.filter(|host| !host.contains(['{', '[']));
        let mut hosts: Vec<String> = hosts.map(|host| host.split(':').next().unwrap_or(host).to_owned()).collect();
        hosts.dedup();
        hosts
    }

    /// Returns the string at a key of the table.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.node.and_then(|node| node.text_at(key))
    }

    pub(super) fn name(&self) -> &str {
        self.text("name").unwrap_or("default")
    }

    /// Returns where the value of a key of the table is; the table itself if the key is missing.
    pub(super) fn span_of(&self, key: &str) -> Span {
        self.node.and_then(|node| node.get(key)).map_or(self.at, |value| value.span)
    }

    /// Returns a danger with its message.
    pub(super) fn report(&self, at: Span, danger: Danger) -> (Danger, Message) {
        let message = Message::new(danger.kind(), self.source, at, danger.to_string());
        (danger, message)
    }
}

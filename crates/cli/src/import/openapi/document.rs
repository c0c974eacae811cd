//! The values of an OpenAPI document, each with its file and position, and the messages about them.

use std::path::PathBuf;
use std::sync::Arc;

use crate::kind::MessageKind;
use crate::message::{Message, Other};
use crate::source::Source;
use crate::source::position::Span;
use crate::words::describe;
use crate::yaml::{Key, Node};

/// A file of the OpenAPI document.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) source: Arc<Source>,
    pub(super) root: Arc<Node>,
    /// The folder in which relative references begin.
    pub(super) folder: PathBuf,
}

/// A position in a file.
#[derive(Debug, Clone)]
pub(super) struct At {
    pub(super) source: Arc<Source>,
    pub(super) span: Span,
}

/// A value and its file.
#[derive(Debug, Clone)]
pub(super) struct Located {
    pub(super) document: Arc<Document>,
    pub(super) node: Arc<Node>,
}

impl Located {
    pub(super) fn at(&self) -> At {
        self.at_span(self.node.span)
    }

    pub(super) fn at_key(&self, key: &Key) -> At {
        self.at_span(key.span)
    }

    fn at_span(&self, span: Span) -> At {
        At { source: Arc::clone(&self.document.source), span }
    }

    /// Returns a value inside this one.
    pub(super) fn with(&self, node: &Arc<Node>) -> Self {
        Self { document: Arc::clone(&self.document), node: Arc::clone(node) }
    }

    pub(super) fn get(&self, key: &str) -> Option<Self> {
        self.node.get(key).map(|node| self.with(node))
    }

    pub(super) fn items(&self) -> impl Iterator<Item = Self> + '_ {
        self.node.items().iter().map(|node| self.with(node))
    }
}

/// Collects messages.
#[derive(Debug, Default)]
pub(super) struct Messages(Vec<Message>);

impl Messages {
    pub(super) fn report(&mut self, kind: MessageKind, at: &At, text: impl Into<String>) {
        self.0.push(Message::new(kind, &at.source, at.span, text));
    }

    /// Reports a problem of two places. `place` names the other one.
    pub(super) fn report_pair(&mut self, kind: MessageKind, at: &At, text: String, other: &At, place: String) {
        let other = Other { source: Arc::clone(&other.source), at: other.span.start, place };
        self.0.push(Message { other: Some(other), ..Message::new(kind, &at.source, at.span, text) });
    }

    pub(super) fn push(&mut self, message: Message) {
        self.0.push(message);
    }

    /// Reports a value that is not of the type that is needed.
    pub(super) fn wrong_type(&mut self, kind: MessageKind, value: &Located, what: &str, expected: &str) {
        let found = if value.node.is_null() { "empty (null)".to_owned() } else { describe(&value.node) };
        self.report(kind, &value.at(), format!("{what} must be {expected}, but is {found}"));
    }

    pub(super) fn has_errors(&self) -> bool {
        self.0.iter().any(Message::is_error)
    }

    pub(super) fn into_messages(self) -> Vec<Message> {
        self.0
    }
}

/// Returns the second document of a file that is not empty.
pub(super) fn second_document(documents: &[Arc<Node>]) -> Option<&Arc<Node>> {
    documents.iter().skip(1).find(|document| !document.is_null())
}

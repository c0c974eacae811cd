//! Reads the files of an OpenAPI document: the one that is named, and those that references name. Each is read once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::kinds::NOT_OPENAPI;
use super::reference::Resolver;
use crate::kind::MessageKind;
use crate::load;
use crate::message::{Message, Other};
use crate::source::Source;
use crate::source::files::Unreadable;
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

/// Reads the file that the user names, and checks that it is an OpenAPI document. Reports why not.
pub(super) fn read_root(path: &Path, resolver: &mut Resolver) -> Result<Option<Located>, Unreadable> {
    let source = match load::read(path)? {
        Ok(source) => source,
        Err(message) => {
            resolver.messages.push(message);
            return Ok(None);
        }
    };
    let root = match load::parse_yaml_1_2(&source) {
        Ok(documents) => documents,
        Err(message) => {
            resolver.messages.push(*message);
            return Ok(None);
        }
    };
    if let Some(second) = second_document(&root) {
        let at = At { source, span: second.span };
        let text = "the file has a second YAML document, which would not be read; write one document into each file";
        resolver.messages.report(NOT_OPENAPI, &at, text);
        return Ok(None);
    }
    let Some(root) = root.into_iter().next() else {
        let at = At { source, span: Span::START };
        resolver.messages.report(NOT_OPENAPI, &at, not_openapi("the file is empty"));
        return Ok(None);
    };
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let root = resolver.add_root(path, Document { source, root, folder });
    let problem = version_problem(&root);
    if let Some((at, text)) = &problem {
        resolver.messages.report(NOT_OPENAPI, at, text.clone());
    }
    Ok(problem.is_none().then_some(root))
}

/// Returns the second document of a file that is not empty.
pub(super) fn second_document(documents: &[Arc<Node>]) -> Option<&Arc<Node>> {
    documents.iter().skip(1).find(|document| !document.is_null())
}

fn not_openapi(why: &str) -> String {
    format!(
        "this is not an OpenAPI document: {why}; it begins with `openapi: 3.1.0`, or another version from 3.0 to 3.2"
    )
}

/// Returns why a document is not one of OpenAPI 3, if it is not.
fn version_problem(root: &Located) -> Option<(At, String)> {
    if let Some(version) = root.get("openapi") {
        let known = version.node.text().is_some_and(|text| {
            ["3.0", "3.1", "3.2"].iter().any(|known| {
                text.strip_prefix(known).is_some_and(|patch| patch.is_empty() || patch.starts_with(['.', '-']))
            })
        });
        // A version without quotes and patch number is a number in YAML.
        let known =
            known || matches!(version.node.to_value().as_f64(), Some(number) if [3.0, 3.1, 3.2].contains(&number));
        let text = || {
            let found = describe(&version.node);
            format!("the version of the OpenAPI document is {found}; 3.0, 3.1 and 3.2 can be read")
        };
        return (!known).then(|| (version.at(), text()));
    }
    if let Some(version) = root.get("swagger") {
        let text = "this is a document of Swagger 2.0, the version before OpenAPI 3; convert it first, for example with \
            `npx swagger2openapi --outfile openapi.yaml FILE`, and import the result";
        return Some((version.at(), text.to_owned()));
    }
    let why = match root.node.entries() {
        [] => format!("it is {}", describe(&root.node)),
        _ => "it has no key `openapi`".to_owned(),
    };
    Some((root.at(), not_openapi(&why)))
}

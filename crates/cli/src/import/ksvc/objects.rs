//! Reads the KSVCs of a file, which is the output of `kubectl get ksvc -o json` or `-o yaml`, or manifests.

use std::collections::HashMap;
use std::sync::Arc;

use ksvc_discovery::{At, KnativeService, MATCH, ServiceId};

use super::{INVALID_KSVC, NO_CLAIM};
use crate::cluster::objects::{KNATIVE_SERVICE, Resource};
use crate::load;
use crate::message::{Message, Other};
use crate::source::Source;
use crate::source::position::{Position, Span};
use crate::words::describe;
use crate::yaml::{Node, Origin, Value};

/// The KSVCs of a file, and where they are in it.
#[derive(Debug)]
pub struct Objects {
    pub source: Arc<Source>,
    pub services: Vec<KnativeService>,
    /// The errors about KSVCs that can't be read, which are not in `services`.
    pub messages: Vec<Message>,
    nodes: HashMap<ServiceId, Arc<Node>>,
}

/// Reads the KSVCs of a file. Other objects are left out. A KSVC without a namespace is in `namespace`. The error says why
/// the file has none.
pub fn read(source: &Arc<Source>, namespace: Option<&str>) -> Result<Objects, Vec<Message>> {
    let documents = load::parse(source).map_err(|message| vec![*message])?;
    let mut nodes = Vec::new();
    documents.iter().for_each(|document| find(document, false, &mut nodes));
    let mut objects =
        Objects { source: Arc::clone(source), services: Vec::new(), messages: Vec::new(), nodes: HashMap::new() };
    for node in nodes {
        match service(&node, namespace) {
            Ok(service) => {
                objects.nodes.entry(service.id()).or_insert_with(|| Arc::clone(&node));
                objects.services.push(service);
            }
            Err((at, text)) => {
                objects.messages.push(Message::new(INVALID_KSVC, source, at, text));
            }
        }
    }
    if objects.services.is_empty() && objects.messages.is_empty() {
        let text = "there is no KSVC here; write the file by `kubectl get ksvc -A -o json`";
        return Err(vec![Message::new(NO_CLAIM, source, Span::START, text)]);
    }
    Ok(objects)
}

/// Adds the KSVCs in a document: itself, or the elements of a list. `is_ksvc` says that it is in a list of KSVCs, whose
/// elements have no kind.
fn find(node: &Arc<Node>, is_ksvc: bool, found: &mut Vec<Arc<Node>>) {
    let kind = node.text_at("kind").unwrap_or_default();
    if let Some(items) = node.get("items").filter(|_| kind.ends_with("List")) {
        let are_ksvcs = kind == "ServiceList" && is_knative(node);
        items.items().iter().for_each(|item| find(item, are_ksvcs, found));
    } else if (kind == KNATIVE_SERVICE.kind && is_knative(node)) || (is_ksvc && kind.is_empty()) {
        found.push(Arc::clone(node));
    }
}

/// Returns whether an object has Knative's API group, in any version.
fn is_knative(node: &Node) -> bool {
    let group = |version: &str| version.split_once('/').map(|(group, _)| group.to_owned());
    let Resource { api_version, .. } = KNATIVE_SERVICE;
    node.text_at("apiVersion").and_then(group) == group(api_version)
}

/// Reads a KSVC. The error has its place.
fn service(node: &Node, namespace: Option<&str>) -> Result<KnativeService, (Span, String)> {
    let at = node.at(&["metadata", "name"]).map_or(node.span, |name| name.span);
    if let Some(wrong) = no_string(node) {
        return Err(wrong);
    }
    let mut service: KnativeService = serde_json::from_value(node.to_value())
        .map_err(|error| (at, format!("the KSVC can't be read: {error}; write the object as the API server has it")))?;
    if service.metadata.namespace.is_empty() {
        service.metadata.namespace = namespace.unwrap_or_default().to_owned();
    }
    if service.metadata.name.is_empty() {
        let text = "the KSVC has no `metadata.name`; write the object as the API server has it";
        return Err((at, text.to_owned()));
    }
    if service.metadata.namespace.is_empty() {
        let text = "the KSVC has no `metadata.namespace`; write it there, or name it by `--namespace`";
        return Err((at, text.to_owned()));
    }
    Ok(service)
}

/// Returns the error about a name, a label or an annotation that has to be a string and is none, such as a number without
/// quotes.
fn no_string(node: &Node) -> Option<(Span, String)> {
    let metadata = node.get("metadata")?;
    let named =
        ["name", "namespace"].into_iter().filter_map(|key| Some((format!("metadata.{key}"), metadata.get(key)?)));
    let within = |path: &'static [&'static str]| {
        let entries = node.at(path).map(|inner| inner.entries()).unwrap_or_default();
        entries.iter().map(move |entry| (format!("{}[{:?}]", path.join("."), entry.key.text), &entry.value))
    };
    let mut all = named
        .chain(within(&["metadata", "labels"]))
        .chain(within(&["metadata", "annotations"]))
        .chain(within(&["spec", "template", "metadata", "annotations"]));
    let (place, value) = all
        .find(|(_, value)| matches!(value.value, Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_)))?;
    let instead = match value.value {
        Value::Bool(_) | Value::Number(_) => "put it in quotes",
        _ => "write a string in quotes",
    };
    Some((value.span, format!("`{place}` must be a string, but is {}; {instead}", describe(value))))
}

impl Objects {
    /// Returns where a place in a KSVC is in the file.
    pub fn locate(&self, id: &ServiceId, at: &At) -> Option<Span> {
        let node = self.nodes.get(id)?;
        let name = || node.at(&["metadata", "name"]).map_or(node.span, |name| name.span);
        let key = |key: &str| {
            let of = |path: &[&str]| node.at(path).map(|annotations| annotations.entries()).unwrap_or_default();
            let of_template = of(&["spec", "template", "metadata", "annotations"]);
            let mut all = of(&["metadata", "annotations"]).iter().chain(of_template);
            all.find(|entry| entry.key.text == key).map(|entry| entry.key.span)
        };
        Some(match at {
            At::Annotation(annotation) => key(annotation).unwrap_or_else(name),
            At::Match { line, text } => match node.at(&["metadata", "annotations", MATCH]) {
                Some(value) => self.match_in(value, *line, text),
                None => name(),
            },
            _ => name(),
        })
    }

    /// Returns the place of a match of a KSVC, for a message about another one.
    pub(super) fn other(&self, id: &ServiceId, text: &str) -> Option<Other> {
        let value = self.nodes.get(id)?.at(&["metadata", "annotations", MATCH])?;
        let line = value.text()?.lines().position(|line| line.trim() == text)?;
        let at = self.match_in(value, line, text).start;
        Some(Other { source: Arc::clone(&self.source), at, place: format!("KSVC {id}, `{text}`") })
    }

    /// Returns where a match is in the file: the line of a literal block, or the part of a string on one line.
    fn match_in(&self, value: &Node, line: usize, text: &str) -> Span {
        let Value::Text { text: whole, style } = &value.value else { return value.span };
        let width = text.chars().count();
        match Origin::of_text(whole, *style, value.span) {
            Origin::Block(first) => {
                let written = whole.lines().nth(line).unwrap_or_default();
                let indent = written.chars().take_while(|c| c.is_whitespace()).count();
                let start = Position { line: first.line + line, column: first.column + indent };
                Span { start, end: Position { column: start.column + width, ..start } }
            }
            _ => self.part_of_line(value.span, text).unwrap_or(value.span),
        }
    }

    /// Returns where a match is in a string on one line, in which `\n` stands for the end of a line.
    fn part_of_line(&self, span: Span, text: &str) -> Option<Span> {
        let Position { line, column } = span.start;
        let written: String = self.source.line(line)?.chars().skip(column - 1).collect();
        let is_whole = |at: &usize| {
            let (before, after) = (&written[..*at], &written[at + text.len()..]);
            (before.is_empty()
                || before.ends_with(['"', '\'', ' '])
                || before.ends_with("\\n")
                || before.ends_with("\\t"))
                && (after.is_empty() || after.starts_with(['"', '\'', ' ', '\\', ',', '}']))
        };
        let at = written.match_indices(text).map(|(at, _)| at).find(is_whole).filter(|_| span.end.line == line)?;
        let start = Position { line, column: column + written[..at].chars().count() };
        Some(Span { start, end: Position { column: start.column + text.chars().count(), ..start } })
    }
}

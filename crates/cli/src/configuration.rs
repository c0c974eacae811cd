//! One configuration of ours in a file: compiled by the routing core, its problems put at their line and column.

use std::collections::HashMap;
use std::sync::Arc;

use ksvc_routing::{Compiled, Place, Problem, Step, What, compile};

use crate::manifest::{self, Manifest, ManifestProblem};
use crate::message::{Message, Other};
use crate::source::Source;
use crate::source::position::{Position, Span};
use crate::yaml::Node;

#[derive(Debug, Clone)]
pub struct Configuration {
    pub source: Arc<Source>,
    /// Where it begins, or where it should be.
    pub at: Span,
    /// `None` where a manifest has none: the plugin then gets 0 bytes.
    pub node: Option<Arc<Node>>,
    /// What keeps it from the plugin, however good it is.
    undelivered: Vec<ManifestProblem>,
    /// `None` where it is not in a manifest.
    pub manifest: Option<Manifest>,
}

impl Configuration {
    pub(crate) fn new(source: &Arc<Source>, found: manifest::Found) -> Self {
        let manifest::Found { at, node, problems, manifest, .. } = found;
        Self { source: Arc::clone(source), at, node, undelivered: problems, manifest }
    }

    /// The bytes that the plugin gets, once the manifest delivers them.
    pub fn json(&self) -> Vec<u8> {
        self.node.as_ref().map(|node| node.to_json()).unwrap_or_default()
    }

    /// Compiles it; the messages are the core's problems, and what only the manifest or the YAML text shows, in
    /// the order of the file.
    pub fn compile(&self) -> (Compiled, Vec<Message>) {
        let compiled = compile(&self.json());
        let undelivered = self.undelivered.iter();
        let mut messages: Vec<Message> =
            undelivered.map(|problem| Message::error(&self.source, problem.at, problem.what.to_string())).collect();
        let mut told: HashMap<String, usize> = HashMap::new();
        // Where there is nothing because nothing could be read, that has been told.
        let problems = if self.node.is_none() && !messages.is_empty() { &[] } else { &compiled.problems[..] };
        for problem in problems {
            let told = told.entry(problem.place.to_string()).or_default();
            messages.push(self.message(problem, occurrence(&problem.what, told)));
        }
        if let Some(node) = &self.node {
            self.warn_of_boolean_keys(node, &mut messages);
        }
        messages.sort_by_key(|message| message.span.start);
        if !problems.is_empty() && compiled.more_problems > 0 {
            // Behind all others.
            let span = messages.last().map_or(self.at, |last| last.span);
            messages.push(self.rest(&compiled, span));
        }
        (compiled, messages)
    }

    /// The routes as they are written.
    pub fn routes(&self) -> &[Arc<Node>] {
        self.node.as_ref().and_then(|node| node.get("routes")).map_or(&[], |routes| routes.items())
    }

    /// Counts the problems that are not shown. Errors are shown before warnings.
    fn rest(&self, compiled: &Compiled, span: Span) -> Message {
        let count = compiled.more_problems;
        let text = format!("and {count} more errors and warnings; mend those above first");
        let has_errors = compiled.problems.iter().all(Problem::is_error);
        let make = if has_errors { Message::error } else { Message::warning };
        Message { count, ..make(&self.source, span, text) }
    }

    fn message(&self, problem: &Problem, occurrence: usize) -> Message {
        let aim = if is_about_key(&problem.what) { Aim::Key { occurrence } } else { Aim::Value };
        let mut span = self.locate(&problem.place, aim);
        if let Some(fragment) = fragment(&problem.what) {
            span = self.narrow(span, &fragment).unwrap_or(span);
        }
        let other = match (&problem.what, problem.other()) {
            (What::RepeatedKey { .. }, _) => Some((&problem.place, Aim::Key { occurrence: 0 })),
            (_, other) => other.map(|place| (place, Aim::Value)),
        };
        Message {
            source: Arc::clone(&self.source),
            span,
            place: problem.place.to_string(),
            severity: problem.severity(),
            text: problem.what.to_string(),
            other: other.map(|(place, aim)| Other {
                source: Arc::clone(&self.source),
                at: self.locate(place, aim).start,
                place: place.to_string(),
            }),
            count: 1,
        }
    }

    /// Where a place of the core's is in the file; the nearest place above it where it does not exist.
    pub fn locate(&self, place: &Place, aim: Aim) -> Span {
        let Some(mut node) = self.node.as_ref() else { return self.at };
        let mut span = node.span;
        let last = place.steps().len().saturating_sub(1);
        for (depth, step) in place.steps().iter().enumerate() {
            match step {
                Step::Key(key) => {
                    let named = || node.entries().iter().filter(|entry| entry.key.text == **key);
                    let occurrence = match aim {
                        Aim::Key { occurrence } if depth == last => occurrence,
                        _ => 0,
                    };
                    let Some(entry) = named().nth(occurrence).or_else(|| named().next_back()) else { return span };
                    node = &entry.value;
                    let at_key = depth == last && matches!(aim, Aim::Key { .. });
                    // A value that is not written has no place but its key's.
                    span = if at_key || node.span.is_empty() && node.is_null() { entry.key.span } else { node.span };
                }
                Step::Index(index) => {
                    let Some(item) = node.items().get(*index) else { return span };
                    node = item;
                    span = node.span;
                }
            }
        }
        span
    }

    /// The part of a one-line value that a message is about.
    fn narrow(&self, span: Span, fragment: &str) -> Option<Span> {
        let Position { line, column } = span.start;
        if span.end.line != line || fragment.is_empty() {
            return None;
        }
        let written: String = self.source.line(line)?.chars().take(span.end.column - 1).skip(column - 1).collect();
        let at = written.find(fragment)?;
        let start = column + written[..at].chars().count();
        let end = start + fragment.chars().count();
        Some(Span { start: Position { line, column: start }, end: Position { line, column: end } })
    }

    fn warn_of_boolean_keys(&self, node: &Node, messages: &mut Vec<Message>) {
        for entry in node.entries() {
            if let Some(text) = entry.key.boolean_problem() {
                messages.push(Message::warning(&self.source, entry.key.span, text));
            }
            self.warn_of_boolean_keys(&entry.value, messages);
        }
        for item in node.items() {
            self.warn_of_boolean_keys(item, messages);
        }
    }
}

/// What to point at where a place names a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    Value,
    /// The key itself; where it is written several times, that one, from 0.
    Key {
        occurrence: usize,
    },
}

/// Which of the keys at its place a problem is about, after as many problems as `told` of keys there.
fn occurrence(what: &What, told: &mut usize) -> usize {
    match what {
        // The first one is right.
        What::RepeatedKey { .. } | What::HeaderRepeated { .. } => {
            *told += 1;
            *told
        }
        What::UnknownKey { .. } => {
            *told += 1;
            *told - 1
        }
        _ => 0,
    }
}

/// Whether the key is wrong, whatever its value.
fn is_about_key(what: &What) -> bool {
    matches!(
        what,
        What::UnknownKey { .. }
            | What::RepeatedKey { .. }
            | What::OnlyWith { .. }
            | What::StripWithoutBase
            | What::BodyForbidden { .. }
            | What::HeaderName { .. }
            | What::HeaderForbidden { .. }
            | What::HeaderRepeated { .. }
            | What::EmptyQueryName
    )
}

/// The piece of the user's text that is wrong, where the message quotes one.
fn fragment(what: &What) -> Option<String> {
    match what {
        What::BraceOpen { segment }
        | What::BraceClosed { segment }
        | What::SeveralCaptures { segment }
        | What::RestAffixed { segment }
        | What::RestNotLast { segment }
        | What::ForeignSyntax { segment, .. } => Some(segment.clone()),
        What::Method { found } | What::MethodCase { found } | What::PathStart { found } => Some(found.clone()),
        What::MethodRepeated { method } => Some(method.clone()),
        What::HostTemplateField { found } => Some(format!("{{{found}}}")),
        What::CaptureName { found, .. } => Some(format!("{{{found}}}")),
        What::CaptureRepeated { name } | What::UnknownCapture { name, .. } => Some(format!("{{{name}}}")),
        What::RestInTemplate { name } => Some(format!("{{*{name}}}")),
        What::QueryInPath => Some("?".to_owned()),
        _ => None,
    }
}

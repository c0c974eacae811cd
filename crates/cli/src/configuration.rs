//! One configuration of this filter in a file: the routing core compiles it, and this module finds the line and column
//! of each problem.

use std::collections::HashMap;
use std::sync::Arc;

use ksvc_routing::{Compiled, Place, Problem, ProblemKind, Severity, Step, compile};

use crate::delivered::as_istiod;
use crate::kind::BOOLEAN_KEY;
use crate::manifest::{self, DeliveryError, Manifest};
use crate::message::{Message, Other};
use crate::source::Source;
use crate::source::position::{Position, Span};
use crate::yaml::Node;

/// A configuration and the file that holds it.
#[derive(Debug, Clone)]
pub struct Configuration {
    pub source: Arc<Source>,
    /// Where the configuration begins, or where it should be.
    pub at: Span,
    /// `None` if a manifest has no configuration; the plugin then gets 0 bytes.
    pub node: Option<Arc<Node>>,
    /// The text that Envoy hands to the plugin as it is, for a configuration that is written as such a text.
    pub(crate) text: Option<String>,
    /// Why the configuration would not reach the plugin, however good it is.
    delivery_errors: Vec<DeliveryError>,
    /// `None` if the configuration is not in a manifest.
    pub manifest: Option<Manifest>,
    /// Envoy's `PluginConfig` around the configuration, in an Envoy configuration outside an EnvoyFilter.
    pub(crate) envoy_plugin: Option<Arc<Node>>,
}

impl Configuration {
    pub(crate) fn new(source: &Arc<Source>, found: manifest::Found) -> Self {
        let manifest::Found { at, node, text, errors, manifest, envoy_plugin, .. } = found;
        Self { source: Arc::clone(source), at, node, text, delivery_errors: errors, manifest, envoy_plugin }
    }

    /// Returns a configuration that is in no manifest.
    pub(crate) fn bare(source: &Arc<Source>, node: &Arc<Node>) -> Self {
        let (source, node) = (Arc::clone(source), Some(Arc::clone(node)));
        let at = node.as_ref().map_or(Span::START, |node| node.span);
        Self { source, at, node, text: None, delivery_errors: Vec::new(), manifest: None, envoy_plugin: None }
    }

    /// Returns the bytes that the plugin gets if the manifest delivers them.
    pub fn json(&self) -> Vec<u8> {
        self.node.as_ref().map(|node| node.to_json()).unwrap_or_default()
    }

    /// Returns the bytes that the plugin gets in a gateway, which are what a gateway's hash is of: the text itself where it
    /// is written as text, else what istiod makes of the `pluginConfig`.
    pub fn delivered(&self) -> Vec<u8> {
        match (&self.text, &self.node) {
            (Some(text), _) => text.clone().into_bytes(),
            // istiod leaves out an object without keys.
            (None, Some(node)) if node.entries().is_empty() => Vec::new(),
            (None, Some(node)) => as_istiod(&node.to_value()).into_bytes(),
            (None, None) => Vec::new(),
        }
    }

    /// Compiles the configuration. Returns the messages in the order of the file: the core's problems, and errors that
    /// only the manifest or the YAML text shows.
    pub fn compile(&self) -> (Compiled, Vec<Message>) {
        let compiled = compile(&self.json());
        let errors = self.delivery_errors.iter();
        let mut messages: Vec<Message> = errors
            .map(|error| Message::new(error.what.kind(), &self.source, error.at, error.what.to_string()))
            .collect();
        // How many problems about keys there are so far at each place.
        let mut reported: HashMap<String, usize> = HashMap::new();
        // If the configuration could not be read, one of the messages above says so already.
        let problems = if self.node.is_none() && !messages.is_empty() { &[] } else { &compiled.problems[..] };
        for problem in problems {
            let reported = reported.entry(problem.place.to_string()).or_default();
            messages.push(self.message(problem, occurrence(&problem.kind, reported)));
        }
        if let Some(node) = &self.node {
            self.warn_of_boolean_keys(node, &mut messages);
        }
        messages.sort_by_key(|message| message.span.start);
        if !problems.is_empty() && compiled.more_problems > 0 {
            // At the position of the last message, so that it stays behind all others.
            let span = messages.last().map_or(self.at, |last| last.span);
            // They are warnings only if a warning is shown, because errors are shown first.
            let has_errors = compiled.problems.iter().all(Problem::is_error);
            let severity = if has_errors { Severity::Error } else { Severity::Warning };
            messages.push(Message::more(compiled.more_problems, severity, &self.source, span));
        }
        (compiled, messages)
    }

    /// Returns the routes as they are written.
    pub fn routes(&self) -> &[Arc<Node>] {
        self.node.as_ref().map_or(&[], |node| node.list("routes"))
    }

    fn message(&self, problem: &Problem, occurrence: usize) -> Message {
        let aim = if is_about_key(&problem.kind) { Aim::Key { occurrence } } else { Aim::Value };
        let mut span = self.locate(&problem.place, aim);
        if let Some(fragment) = fragment(&problem.kind) {
            span = self.narrow(span, &fragment).unwrap_or(span);
        }
        let other = match (&problem.kind, problem.other()) {
            (ProblemKind::RepeatedKey { .. }, _) => Some((&problem.place, Aim::Key { occurrence: 0 })),
            (_, other) => other.map(|place| (place, Aim::Value)),
        };
        Message {
            source: Arc::clone(&self.source),
            span,
            place: problem.place.to_string(),
            severity: problem.severity(),
            code: problem.kind.code(),
            text: problem.kind.to_string(),
            other: other.map(|(place, aim)| Other {
                source: Arc::clone(&self.source),
                at: self.locate(place, aim).start,
                place: place.to_string(),
            }),
            count: 1,
        }
    }

    /// Returns where a place in the document is in the file. If the place does not exist, returns the nearest place
    /// above it that does.
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
                    // A value that is not written has no position of its own, so its key is shown.
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

    /// Returns the part of a value that a message is about, if the value is on one line.
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
                messages.push(Message::new(BOOLEAN_KEY, &self.source, entry.key.span, text));
            }
            self.warn_of_boolean_keys(&entry.value, messages);
        }
        for item in node.items() {
            self.warn_of_boolean_keys(item, messages);
        }
    }
}

/// What to point at when a place names a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    Value,
    /// The key itself. `occurrence` counts from 0 if the key is written several times.
    Key {
        occurrence: usize,
    },
}

/// Returns which of several equal keys a problem is about. `reported` is the number of problems about keys that were
/// reported at the same place before, and is increased.
fn occurrence(what: &ProblemKind, reported: &mut usize) -> usize {
    match what {
        // The first of the keys is not reported.
        ProblemKind::RepeatedKey { .. } | ProblemKind::HeaderRepeated { .. } => {
            *reported += 1;
            *reported
        }
        ProblemKind::UnknownKey { .. } => {
            *reported += 1;
            *reported - 1
        }
        _ => 0,
    }
}

/// Returns whether the key is wrong, whatever its value is.
fn is_about_key(what: &ProblemKind) -> bool {
    matches!(
        what,
        ProblemKind::UnknownKey { .. }
            | ProblemKind::ForeignKey { .. }
            | ProblemKind::UselessKey { .. }
            | ProblemKind::InvisibleInKey { .. }
            | ProblemKind::RepeatedKey { .. }
            | ProblemKind::OnlyWith { .. }
            | ProblemKind::StripWithoutBase
            | ProblemKind::BodyForbidden { .. }
            | ProblemKind::HeaderName { .. }
            | ProblemKind::HeaderForbidden { .. }
            | ProblemKind::HeaderRepeated { .. }
            | ProblemKind::EmptyQueryName
    )
}

/// Returns the part of the user's text that is wrong, if the message quotes one.
fn fragment(what: &ProblemKind) -> Option<String> {
    match what {
        ProblemKind::BraceOpen { segment }
        | ProblemKind::BraceClosed { segment }
        | ProblemKind::AdjacentCaptures { segment }
        | ProblemKind::RestAffixed { segment }
        | ProblemKind::RestNotLast { segment }
        | ProblemKind::CaptureName { segment, .. }
        | ProblemKind::LimitedCapture { segment, .. }
        | ProblemKind::SpanningCapture { segment, .. }
        | ProblemKind::PercentInPath { segment, .. }
        | ProblemKind::LiteralStar { segment, .. }
        | ProblemKind::LiteralRegex { segment, .. }
        | ProblemKind::ForeignSyntax { segment, .. } => Some(segment.clone()),
        ProblemKind::Method { found }
        | ProblemKind::MethodCase { found, .. }
        | ProblemKind::RefusedMethod { found, .. }
        | ProblemKind::RegexPath { found, .. }
        | ProblemKind::UrlAsPath { found, .. }
        | ProblemKind::ForeignReference { found, .. }
        | ProblemKind::PathStart { found, .. } => Some(found.clone()),
        ProblemKind::MethodRepeated { method } => Some(method.clone()),
        ProblemKind::HostTemplateField { found } => Some(format!("{{{found}}}")),
        ProblemKind::CaptureRepeated { name } | ProblemKind::UnknownCapture { name, .. } => Some(format!("{{{name}}}")),
        ProblemKind::RestInTemplate { name } => Some(format!("{{*{name}}}")),
        ProblemKind::QueryInPath { .. } => Some("?".to_owned()),
        ProblemKind::FragmentInPath { .. } => Some("#".to_owned()),
        ProblemKind::Invisible { character, .. }
        | ProblemKind::InvisibleInKey { character, .. }
        | ProblemKind::InvisibleLiteral { character, .. } => Some(character.to_string()),
        _ => None,
    }
}

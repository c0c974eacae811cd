//! Errors and warnings about a file: `FILE:LINE:COLUMN: error: place: what; remedy [code]`, the line, and a caret below it.
//!
//! The same messages are printed as text for people and, in other formats, for programs (`formats`).

use std::fmt::{self, Write as _};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use anstyle::{AnsiColor, Style};
use ksvc_routing::Severity;
use serde_json::{Value, json};

use crate::kind::{MORE_PROBLEMS, MessageKind};
use crate::source::Source;
use crate::source::position::{Position, Span};
use crate::words::{clean, is_unprintable};

/// The width of what is shown of a line. Longer lines, which JSON often has, are cut around the value.
const SHOWN_WIDTH: usize = 140;

/// An error or a warning about a file.
#[derive(Debug, Clone)]
pub struct Message {
    pub source: Arc<Source>,
    pub span: Span,
    /// The place in the configuration, such as `routes[3].match[1]`; empty for the configuration itself and for places
    /// outside it.
    pub place: String,
    pub severity: Severity,
    /// The code of the message's kind, such as `duplicate-route`.
    pub code: &'static str,
    pub text: String,
    pub other: Option<Other>,
    /// The number of problems that the message stands for: 1, except for the message about problems that are not shown.
    pub count: usize,
}

/// Another place that the message is about, such as the first of two equal routes.
#[derive(Debug, Clone)]
pub struct Other {
    pub source: Arc<Source>,
    pub at: Position,
    pub place: String,
}

impl Message {
    pub fn new(kind: MessageKind, source: &Arc<Source>, span: Span, text: impl Into<String>) -> Self {
        Self {
            source: Arc::clone(source),
            span,
            place: String::new(),
            severity: kind.severity,
            code: kind.code,
            text: text.into(),
            other: None,
            count: 1,
        }
    }

    /// Returns the message about problems that are not shown.
    pub(crate) fn more(count: usize, severity: Severity, source: &Arc<Source>, span: Span) -> Self {
        let text = format!("and {count} more errors and warnings; correct those above first");
        Self { count, severity, ..Self::new(MORE_PROBLEMS, source, span, text) }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    pub fn to_json(&self) -> Value {
        let mut object = json!({
            "file": self.source.name,
            "line": self.span.start.line,
            "column": self.span.start.column,
            "place": self.place,
            "severity": self.severity_word(),
            "code": self.code,
            "message": self.text,
        });
        if let Some(Other { source, at, place }) = &self.other {
            object["other"] = json!({"file": source.name, "line": at.line, "column": at.column, "place": place});
        }
        object
    }

    /// Returns the place and the text, without the code.
    pub fn words(&self) -> String {
        if self.place.is_empty() { self.text.clone() } else { format!("{}: {}", self.place, self.text) }
    }

    pub fn severity_word(&self) -> &'static str {
        if self.is_error() { "error" } else { "warning" }
    }

    /// Returns the line with carets below the value.
    fn snippet(&self) -> String {
        let Position { line, column } = self.span.start;
        let Some(text) = self.source.line(line).filter(|text| !text.trim().is_empty()) else { return String::new() };
        // The renderer replaces only some of these characters. Each becomes one space, so that the columns stay.
        let text: String = text.chars().map(|c| if is_unprintable(c) && c != '\t' { ' ' } else { c }).collect();
        let at = |column: usize| text.char_indices().nth(column - 1).map_or(text.len(), |(index, _)| index);
        let begin = at(column);
        let end = match self.span.end {
            end if end.line == line => at(end.column).max(begin),
            // A value of several lines is marked to the end of its first line.
            _ => text.len(),
        };
        let value = AnnotationKind::Primary.span(begin..end);
        let snippet = Snippet::source(&text).line_start(line).annotation(value);
        let level = if self.is_error() { Level::ERROR } else { Level::WARNING };
        let renderer = Renderer::styled().term_width(SHOWN_WIDTH);
        renderer.render(&[Group::with_level(level).element(snippet)]) + "\n"
    }
}

impl fmt::Display for Message {
    /// Writes complete lines with ANSI styles; print them through `anstream`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bold = Style::new().bold();
        let colour = if self.is_error() { AnsiColor::Red } else { AnsiColor::Yellow };
        let style = bold.fg_color(Some(colour.into()));
        let Position { line, column } = self.span.start;
        let (file, words) = (clean(&self.source.name), self.words());
        let (severity, words, code) = (self.severity_word(), clean(&words), self.code);
        writeln!(f, "{bold}{file}:{line}:{column}:{bold:#} {style}{severity}:{style:#} {words} [{code}]")?;
        f.write_str(&self.snippet())?;
        if let Some(Other { source, at, place }) = &self.other {
            let (file, place) = (clean(&source.name), clean(place));
            writeln!(f, "{bold}{file}:{}:{}:{bold:#} note: {place} is here", at.line, at.column)?;
        }
        Ok(())
    }
}

/// Returns messages as text, one after the other.
pub fn as_text(messages: &[Message]) -> String {
    let mut text = String::new();
    for message in messages {
        // Writing to a string can't fail.
        let _ = write!(text, "{message}");
    }
    text
}

/// Returns messages as a JSON array of objects.
pub fn as_json(messages: &[Message]) -> Value {
    messages.iter().map(Message::to_json).collect()
}

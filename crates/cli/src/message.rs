//! Errors and warnings about a file: `FILE:LINE:COLUMN: error: place: what; remedy [code]`, the line, and a caret below it.
//!
//! The same messages are printed as text for people and, in other formats, for programs (`formats`).

use std::fmt::{self, Write as _};
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use ksvc_routing::Severity;
use serde_json::{Value, json};

use crate::kind::{MORE_PROBLEMS, MessageKind};
use crate::source::Source;
use crate::source::position::{Position, Span};

/// The number of characters shown of a line. Longer lines, which JSON often has, are cut around the caret.
const SHOWN_WIDTH: usize = 120;

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

    /// Writes the line with carets below it.
    fn snippet(&self, f: &mut fmt::Formatter<'_>, style: Style) -> fmt::Result {
        let Position { line, column } = self.span.start;
        let Some(text) = self.source.line(line).filter(|text| !text.trim().is_empty()) else { return Ok(()) };
        // The width of a tab is not known here, so a tab is shown as one space.
        let characters: Vec<char> = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let begin = (column - 1).min(characters.len());
        let end = match self.span.end {
            end if end.line == line => (end.column - 1).clamp(begin, characters.len()),
            // A value of several lines is marked to the end of its first line.
            _ => characters.len(),
        };
        let from = if characters.len() > SHOWN_WIDTH { begin.saturating_sub(SHOWN_WIDTH / 2) } else { 0 };
        let shown = &characters[from..characters.len().min(from + SHOWN_WIDTH)];
        let carets = (end - begin).clamp(1, (from + shown.len()).saturating_sub(begin).max(1));
        let (cut_before, cut_after) =
            (if from > 0 { "…" } else { "" }, if from + shown.len() < characters.len() { "…" } else { "" });
        let indent = begin - from + cut_before.chars().count();
        writeln!(f, "{line:>5} | {cut_before}{}{cut_after}", shown.iter().collect::<String>().trim_end())?;
        writeln!(f, "      | {:indent$}{style}{:^<carets$}{style:#}", "", "")
    }
}

impl fmt::Display for Message {
    /// Writes complete lines with ANSI styles; print them through `anstream`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bold = Style::new().bold();
        let colour = if self.is_error() { AnsiColor::Red } else { AnsiColor::Yellow };
        let style = bold.fg_color(Some(colour.into()));
        let Position { line, column } = self.span.start;
        let file = &self.source.name;
        let (severity, words, code) = (self.severity_word(), self.words(), self.code);
        writeln!(f, "{bold}{file}:{line}:{column}:{bold:#} {style}{severity}:{style:#} {words} [{code}]")?;
        self.snippet(f, style)?;
        if let Some(Other { source, at, place }) = &self.other {
            writeln!(f, "{bold}{}:{}:{}:{bold:#} note: {place} is here", source.name, at.line, at.column)?;
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

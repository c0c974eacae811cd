//! Parses one element of a route's `match`: `METHODS PATH`, such as `GET|POST /orders/{id}`.
//!
//! Errors are reported, and everything that can be read is kept. So even for a pattern with an error it is known which
//! requests it was meant for, as far as it can be read, and these requests are not routed elsewhere.

use std::borrow::Cow;

use crate::bytes::is_token;
use crate::compile::methods::{is_standard_method, method_count};
use crate::compile::placeholder::{BraceError, TextPart, TextParts};
use crate::limits::{METHODS_OF_A_MATCH, SEGMENTS};
use crate::path::normal_literal;
use crate::problem::ProblemKind;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern<'a> {
    pub(super) methods: PatternMethods<'a>,
    /// The segments of the path. If the path can't be read, these are its first literal segments and
    /// [`Segment::Unknown`].
    pub(super) segments: Vec<Segment<'a>>,
    /// True if the pattern has no errors.
    pub(super) is_valid: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum PatternMethods<'a> {
    Any,
    /// The names as written, each of them once.
    Named(Vec<&'a str>),
}

/// A segment of a path. Literal text is in normal form.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Segment<'a> {
    Literal(Cow<'a, str>),
    /// `v{id}.json`: matches one segment that is at least one byte longer than the prefix and the suffix together.
    Capture {
        prefix: Cow<'a, str>,
        name: &'a str,
        suffix: Cow<'a, str>,
    },
    /// `{*name}`: matches all segments that are left, at least one.
    Rest {
        name: &'a str,
    },
    /// The rest of a path that can't be read. Like `Rest` it matches all segments that are left. But it may have been
    /// meant as something more specific, so it comes before `Rest`.
    Unknown,
}

impl<'a> Segment<'a> {
    /// Returns the name of the parameter.
    fn name(&self) -> Option<&'a str> {
        match self {
            Segment::Literal(_) | Segment::Unknown => None,
            Segment::Capture { name, .. } | Segment::Rest { name } => Some(name),
        }
    }
}

impl<'a> Pattern<'a> {
    /// Returns the pattern to use if nothing can be read: it matches every method and every path.
    pub(super) fn unreadable() -> Self {
        Pattern { methods: PatternMethods::Any, segments: vec![Segment::Unknown], is_valid: false }
    }

    /// Parses `METHODS PATH` and reports every problem in it.
    pub(super) fn parse(text: &'a str, report: &mut dyn FnMut(ProblemKind)) -> Self {
        let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if !is_plain && text.chars().any(char::is_control) {
            report(ProblemKind::ControlCharacter);
            return Pattern::unreadable();
        }
        if text.ends_with(' ') {
            report(ProblemKind::FinalSpace);
        }
        let (methods, path) = match text.split_once(' ') {
            Some((methods, path)) => (methods, Some(path)),
            None if text.starts_with('/') => ("", Some(text)),
            None => (text, None),
        };
        let mut is_valid = true;
        if path.is_none() {
            report(ProblemKind::NoPath { found: text.to_owned() });
            is_valid = false;
        }
        let (methods, methods_are_valid) = parse_methods(methods, text, report);
        let trimmed = path.map(|path| if path.starts_with('/') { path } else { path.trim_start() });
        if trimmed != path {
            report(ProblemKind::SeveralSpaces { found: text.to_owned() });
            is_valid = false;
        }
        let (segments, path_is_valid) = match trimmed {
            Some(path) => parse_path(path, report),
            None => (vec![Segment::Unknown], false),
        };
        Pattern { methods, segments, is_valid: is_valid && methods_are_valid && path_is_valid }
    }

    /// Returns the names of the parameters.
    pub(super) fn captures(&self) -> impl Iterator<Item = &'a str> {
        captures(&self.segments)
    }
}

fn captures<'a>(segments: &[Segment<'a>]) -> impl Iterator<Item = &'a str> {
    segments.iter().filter_map(Segment::name)
}

/// Parses `GET`, `GET|POST` or `ANY`. Returns the methods, and whether they have no errors. If a method can't be read,
/// the result is `Any`, because it may have been meant as any method. `pattern` is the whole pattern, for messages.
fn parse_methods<'a>(text: &'a str, pattern: &str, report: &mut dyn FnMut(ProblemKind)) -> (PatternMethods<'a>, bool) {
    if text == "ANY" {
        return (PatternMethods::Any, true);
    }
    if text.is_empty() {
        report(ProblemKind::NoMethod { found: pattern.to_owned() });
        return (PatternMethods::Any, false);
    }
    let found = method_count(text);
    if found > METHODS_OF_A_MATCH {
        let write = "write `ANY`, and let the service tell them apart";
        report(ProblemKind::TooMany { found, of: "methods", limit: METHODS_OF_A_MATCH, write });
        return (PatternMethods::Any, false);
    }
    let mut names = Vec::with_capacity(found);
    let (mut are_readable, mut are_unique) = (true, true);
    for method in text.split('|') {
        if method == "ANY" {
            report(ProblemKind::AnyAmongMethods);
            are_readable = false;
        } else if !is_token(method) {
            report(ProblemKind::Method { found: method.to_owned() });
            are_readable = false;
        } else if names.contains(&method) {
            report(ProblemKind::MethodRepeated { method: method.to_owned() });
            are_unique = false;
        } else {
            if !is_standard_method(method) && is_standard_method(&method.to_ascii_uppercase()) {
                report(ProblemKind::MethodCase { found: method.to_owned() });
            }
            names.push(method);
        }
    }
    let methods = if are_readable { PatternMethods::Named(names) } else { PatternMethods::Any };
    (methods, are_readable && are_unique)
}

/// Parses a path. Returns its segments (none for `/`), and whether it has no errors.
fn parse_path<'a>(path: &'a str, report: &mut dyn FnMut(ProblemKind)) -> (Vec<Segment<'a>>, bool) {
    let Some(below) = path.strip_prefix('/') else {
        report(ProblemKind::PathStart { found: path.to_owned() });
        return (vec![Segment::Unknown], false);
    };
    if below.is_empty() {
        return (Vec::new(), true);
    }
    if path.contains('?') {
        report(ProblemKind::QueryInPath);
    }
    let found = 1 + below.bytes().filter(|&b| b == b'/').count();
    if found > SEGMENTS {
        report(ProblemKind::TooManySegments { found, limit: SEGMENTS });
        return (vec![Segment::Unknown], false);
    }
    let mut segments = Vec::with_capacity(found);
    let (mut is_readable, mut names_are_unique) = (true, true);
    for (index, text) in below.split('/').enumerate() {
        let segment = parse_segment(text).unwrap_or_else(|error| {
            report(error);
            is_readable = false;
            Segment::Unknown
        });
        if matches!(segment, Segment::Literal(_)) {
            report_foreign_syntax(text, report);
        }
        if let Some(name) = segment.name()
            && captures(&segments).any(|other| other == name)
        {
            report(ProblemKind::CaptureRepeated { name: name.to_owned() });
            names_are_unique = false;
        }
        if matches!(segment, Segment::Rest { .. }) && index + 1 < found {
            report(ProblemKind::RestNotLast { segment: text.to_owned() });
            is_readable = false;
        }
        segments.push(segment);
    }
    if !is_readable {
        let literals = segments.iter().take_while(|segment| matches!(segment, Segment::Literal(_))).count();
        segments.truncate(literals);
        segments.push(Segment::Unknown);
    }
    (segments, is_readable && names_are_unique)
}

/// Warns of literal text that is a parameter in other routers.
fn report_foreign_syntax(text: &str, report: &mut dyn FnMut(ProblemKind)) {
    let write = match text.strip_prefix(':') {
        Some(name) if is_capture_name(name) => format!("{{{name}}}"),
        _ if matches!(text, "*" | "**") => "{*rest}".into(),
        _ => return,
    };
    report(ProblemKind::ForeignSyntax { segment: text.to_owned(), write });
}

fn parse_segment(text: &str) -> Result<Segment<'_>, ProblemKind> {
    let SplitSegment { prefix, capture, suffix } = split_segment(text)?;
    let Some(capture) = capture else {
        return Ok(Segment::Literal(normal(prefix)));
    };
    let rest = capture.strip_prefix('*');
    let name = rest.unwrap_or(capture);
    if !is_capture_name(name) {
        return Err(ProblemKind::CaptureName { found: capture.to_owned(), write: translated_capture(capture) });
    }
    match (rest, prefix.is_empty() && suffix.is_empty()) {
        (Some(_), false) => Err(ProblemKind::RestAffixed { segment: text.to_owned() }),
        (Some(_), true) => Ok(Segment::Rest { name }),
        (None, _) => Ok(Segment::Capture { prefix: normal(prefix), name, suffix: normal(suffix) }),
    }
}

/// A segment as written, split at its parameter.
#[derive(Default)]
struct SplitSegment<'a> {
    /// The literal text before the parameter, or all text if there is no parameter.
    prefix: Cow<'a, str>,
    /// The text between the braces.
    capture: Option<&'a str>,
    /// The literal text after the parameter.
    suffix: Cow<'a, str>,
}

fn split_segment(text: &str) -> Result<SplitSegment<'_>, ProblemKind> {
    let mut split = SplitSegment::default();
    for part in TextParts(text) {
        match part.map_err(|error| brace_problem(error, text))? {
            TextPart::Literal(literal) => {
                let side = if split.capture.is_none() { &mut split.prefix } else { &mut split.suffix };
                *side += literal;
            }
            TextPart::Placeholder(_) if split.capture.is_some() => {
                return Err(ProblemKind::SeveralCaptures { segment: text.to_owned() });
            }
            TextPart::Placeholder(name) => split.capture = Some(name),
        }
    }
    Ok(split)
}

fn brace_problem(error: BraceError, segment: &str) -> ProblemKind {
    let segment = segment.to_owned();
    match error {
        BraceError::NotClosed => ProblemKind::BraceOpen { segment },
        BraceError::NotOpened => ProblemKind::BraceClosed { segment },
    }
}

/// Translates the parameters of other routers: `{name+}` of AWS API Gateway, `{name...}` of Go, and `{name:…}` with a
/// regular expression.
fn translated_capture(capture: &str) -> Option<String> {
    let rest = capture.strip_suffix('+').or(capture.strip_suffix("...")).filter(|name| is_capture_name(name));
    if let Some(name) = rest {
        return Some(format!("{{*{name}}}"));
    }
    let (name, _) = capture.split_once(':')?;
    is_capture_name(name).then(|| format!("{{{name}}}"))
}

/// Returns the normal form of literal text.
fn normal(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => normal_literal(text),
        Cow::Owned(text) => Cow::Owned(normal_literal(&text).into_owned()),
    }
}

fn is_capture_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses a pattern. Returns it and everything that was reported.
    fn parse(text: &str) -> (Pattern<'_>, Vec<ProblemKind>) {
        let mut reported = Vec::new();
        let pattern = Pattern::parse(text, &mut |kind| reported.push(kind));
        (pattern, reported)
    }

    fn named<'a>(methods: &[&'a str]) -> PatternMethods<'a> {
        PatternMethods::Named(methods.to_vec())
    }

    fn literal(text: &str) -> Segment<'_> {
        Segment::Literal(text.into())
    }

    #[test]
    fn a_pattern_has_methods_and_segments() {
        let (pattern, reported) = parse("GET|POST /v{n}.json/a b/{*rest}");
        assert_eq!(reported, []);
        assert_eq!(pattern.methods, named(&["GET", "POST"]));
        assert_eq!(
            pattern.segments,
            [
                Segment::Capture { prefix: "v".into(), name: "n", suffix: ".json".into() },
                literal("a%20b"),
                Segment::Rest { name: "rest" },
            ]
        );
        assert_eq!(parse("ANY /").0.segments, []);
        assert_eq!(parse("ANY /a/").0.segments, [literal("a"), literal("")]);
    }

    #[test]
    fn double_braces_are_literal_braces() {
        assert_eq!(parse("GET /{{a}}").0.segments, [literal("%7Ba%7D")]);
        assert_eq!(
            parse("GET /{{{id}}}").0.segments,
            [Segment::Capture { prefix: "%7B".into(), name: "id", suffix: "%7D".into() }]
        );
    }

    #[test]
    fn an_unreadable_pattern_keeps_its_first_literals_and_its_methods() {
        for (text, methods, literals) in [
            ("GET /orders/{id", named(&["GET"]), vec!["orders"]),
            ("GET /a/{x}/b/{y", named(&["GET"]), vec!["a"]),
            ("GET", named(&["GET"]), vec![]),
            ("GET orders", named(&["GET"]), vec![]),
            ("GET /a}/b", named(&["GET"]), vec![]),
        ] {
            let (pattern, reported) = parse(text);
            assert_eq!(reported.len(), 1, "{text}: {reported:?}");
            assert!(!pattern.is_valid);
            assert_eq!(pattern.methods, methods, "{text}");
            let mut expected: Vec<Segment> = literals.into_iter().map(literal).collect();
            expected.push(Segment::Unknown);
            assert_eq!(pattern.segments, expected, "{text}");
        }
    }

    #[test]
    fn a_readable_path_is_kept_if_something_else_has_an_error() {
        for text in ["GET|B@D /a/{b}", "/a/{b}", "GET  /a/{b}", "GET|GET /a/{b}"] {
            let (pattern, reported) = parse(text);
            assert_eq!(reported.len(), 1, "{text}: {reported:?}");
            assert!(!pattern.is_valid);
            let capture = Segment::Capture { prefix: "".into(), name: "b", suffix: "".into() };
            assert_eq!(pattern.segments, [literal("a"), capture], "{text}");
        }
        let (pattern, _) = parse("GET /{a}/x/{a}");
        assert_eq!((pattern.segments.len(), pattern.is_valid), (3, false));
    }

    #[test]
    fn all_errors_of_a_pattern_are_reported_at_once() {
        let (_, reported) = parse("GET|GET|P@ST /{*a}/{b/{c}{d}/{e}/{e}");
        assert_eq!(reported.len(), 6, "{reported:?}");
    }

    #[test]
    fn the_syntax_of_other_routers_is_reported_with_the_right_one() {
        assert_eq!(
            parse("GET /{rest...}").1,
            [ProblemKind::CaptureName { found: "rest...".into(), write: Some("{*rest}".into()) }]
        );
        assert_eq!(
            parse("GET /{proxy+}").1,
            [ProblemKind::CaptureName { found: "proxy+".into(), write: Some("{*proxy}".into()) }]
        );
        assert_eq!(
            parse("GET /{id:[0-9]+}").1,
            [ProblemKind::CaptureName { found: "id:[0-9]+".into(), write: Some("{id}".into()) }]
        );
        let (pattern, reported) = parse("GET /:id");
        assert!(pattern.is_valid);
        assert_eq!(reported, [ProblemKind::ForeignSyntax { segment: ":id".into(), write: "{id}".into() }]);
    }
}

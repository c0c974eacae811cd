//! Parses one element of a route's `match`: `METHODS PATH`, such as `GET|POST /orders/{id}`.
//!
//! Errors are reported, and everything that can be read is kept. So even for a pattern with an error it is known which
//! requests it was meant for, as far as it can be read, and these requests are not routed elsewhere.

use std::borrow::Cow;

use crate::bytes::is_token;
use crate::compile::methods::method_count;
use crate::compile::placeholder::{BraceError, TextPart, TextParts};
use crate::foreign;
use crate::limits::{METHODS_OF_A_MATCH, SEGMENTS};
use crate::path::normal_literal;
use crate::problem::{ProblemKind, Severity};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pattern<'a> {
    pub(super) methods: PatternMethods<'a>,
    /// The segments of the path, as far as they can be read. [`Segment::Unknown`] stands for the first one that can't,
    /// and for all after it.
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
    Mixed(Mixed<'a>),
    /// `{name}`: matches one segment that is not empty.
    Capture {
        name: &'a str,
    },
    /// `{*name}`: matches all segments that are left, at least one. Or `{**name}`, if it may be none.
    Rest {
        name: &'a str,
        may_be_none: bool,
    },
    /// The rest of a path that can't be read.
    Unknown,
}

/// A segment of literal text and parameters, such as `v{major}.{minor}`. Each parameter takes at least one byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mixed<'a> {
    /// The literal text before each parameter, and that after the last one. Only the first and the last can be empty.
    pub(super) literals: Vec<Cow<'a, str>>,
    /// The names of the parameters, at least one.
    pub(super) names: Vec<&'a str>,
}

impl<'a> Segment<'a> {
    /// Returns the names of the parameters.
    pub(super) fn names(&self) -> &[&'a str] {
        match self {
            Segment::Literal(_) | Segment::Unknown => &[],
            Segment::Mixed(mixed) => &mixed.names,
            Segment::Capture { name } | Segment::Rest { name, .. } => std::slice::from_ref(name),
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
        let Some((problem, path)) = foreign::methods::element(text, &Pattern::is_good) else {
            return Self::parse_form(text, report);
        };
        // A complete proposal corrects the path too.
        let is_complete = problem.remedy().is_some();
        report(problem);
        let mut report_rest = |problem| {
            if !is_complete {
                report(problem)
            }
        };
        let path = path.map(|path| parse_path(path, &mut report_rest).0);
        Pattern { segments: path.unwrap_or(vec![Segment::Unknown]), ..Pattern::unreadable() }
    }

    /// Returns whether an element has no problems.
    fn is_good(text: &str) -> bool {
        let mut problems = 0;
        Pattern::parse(text, &mut |_| problems += 1);
        problems == 0
    }

    /// Parses an element that has the form of methods and a path.
    fn parse_form(text: &'a str, report: &mut dyn FnMut(ProblemKind)) -> Self {
        if let Some((position, character)) = foreign::invisible::find(text) {
            let write = Some(foreign::invisible::visible(text)).filter(|write| Pattern::is_good(write));
            report(ProblemKind::InvisibleLiteral { character, position, write });
        }
        let trimmed = text.trim_end_matches(' ');
        let has_path = trimmed.contains(' ');
        if has_path && trimmed != text {
            let write = Some(trimmed.to_owned()).filter(|write| Pattern::is_good(write));
            report(ProblemKind::FinalSpace { write });
        }
        let text = if has_path { text } else { trimmed };
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
            let write = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let write = Some(write).filter(|write| foreign::methods::has_form(write));
            report(ProblemKind::SeveralSpaces { found: text.to_owned(), write });
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
    segments.iter().flat_map(|segment| segment.names().iter().copied())
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
    let others: Vec<&str> = text.split('|').collect();
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
            foreign::methods::method(method, &others).into_iter().for_each(&mut *report);
            names.push(method);
        }
    }
    let methods = if are_readable { PatternMethods::Named(names) } else { PatternMethods::Any };
    (methods, are_readable && are_unique)
}

/// Parses a path. Returns its segments (none for `/`), and whether it has no errors.
fn parse_path<'a>(path: &'a str, report: &mut dyn FnMut(ProblemKind)) -> (Vec<Segment<'a>>, bool) {
    let Some(below) = path.strip_prefix('/') else {
        let is_good = |write: &str| {
            let mut problems = 0;
            parse_path(write, &mut |_| problems += 1);
            problems == 0 && foreign::invisible::find(write).is_none()
        };
        report(foreign::paths::start(path, &is_good));
        return (vec![Segment::Unknown], false);
    };
    if below.is_empty() {
        return (Vec::new(), true);
    }
    let found = 1 + below.bytes().filter(|&b| b == b'/').count();
    if found > SEGMENTS {
        report(ProblemKind::TooManySegments { found, limit: SEGMENTS });
        return (vec![Segment::Unknown], false);
    }
    let mut segments = Vec::with_capacity(found);
    let mut is_readable = true;
    let mut findings = foreign::paths::problems(path, &|text| parse_segment(text).is_ok());
    findings.whole.drain(..).for_each(&mut *report);
    for (index, text) in below.split('/').enumerate() {
        let problem = findings.take(index);
        let has_error = problem.as_ref().is_some_and(|problem| problem.severity() == Severity::Error);
        // One mistake gives one message: the error about the spelling, or else the one about the segment.
        let is_reported = has_error || findings.spanned.contains(&index);
        let (segment, problem) = match parse_segment(text) {
            Ok(segment) if !has_error => (segment, problem),
            Ok(_) => (Segment::Unknown, problem),
            Err(error) if !is_reported => (Segment::Unknown, Some(error)),
            Err(_) => (Segment::Unknown, problem),
        };
        problem.into_iter().for_each(&mut *report);
        is_readable &= segment != Segment::Unknown;
        if matches!(segment, Segment::Rest { .. }) && index + 1 < found {
            report(ProblemKind::RestNotLast { segment: text.to_owned() });
            is_readable = false;
            segments.push(Segment::Unknown);
        } else {
            segments.push(segment);
        }
    }
    let repeated = repeated_names(&segments);
    for name in &repeated {
        report(ProblemKind::CaptureRepeated { name: (*name).to_owned() });
    }
    if !is_readable {
        let is_readable = |segment: &Segment<'_>| !matches!(segment, Segment::Unknown);
        let readable = segments.iter().take_while(|segment| is_readable(segment)).count();
        segments.truncate(readable);
        segments.push(Segment::Unknown);
    }
    (segments, is_readable && repeated.is_empty())
}

/// Returns the names that several parameters have.
fn repeated_names<'a>(segments: &[Segment<'a>]) -> Vec<&'a str> {
    let mut names: Vec<&str> = captures(segments).collect();
    names.sort_unstable();
    let repeated = names.chunk_by(|a, b| a == b).filter(|same| same.len() > 1);
    repeated.filter_map(|same| same.first().copied()).collect()
}

fn parse_segment(text: &str) -> Result<Segment<'_>, ProblemKind> {
    let (mut literals, mut names) = split_segment(text)?;
    let has_text = literals.iter().any(|literal| !literal.is_empty());
    match *names {
        [] => Ok(Segment::Literal(literals.pop().unwrap_or_default())),
        [name] if !has_text => parse_parameter(name, text),
        _ => {
            for name in &names {
                if name.starts_with('*') {
                    return Err(ProblemKind::RestAffixed { segment: text.to_owned() });
                }
                check_capture_name(name, text)?;
            }
            let between = literals.iter().take(names.len()).skip(1);
            if between.clone().any(|literal| literal.is_empty()) {
                return Err(ProblemKind::AdjacentCaptures { segment: text.to_owned() });
            }
            Ok(Segment::Mixed(Mixed { literals, names: std::mem::take(&mut names) }))
        }
    }
}

/// Parses the text between the braces of a segment that is a parameter and nothing else.
fn parse_parameter<'a>(inside: &'a str, segment: &str) -> Result<Segment<'a>, ProblemKind> {
    let (name, rest) = match (inside.strip_prefix("**"), inside.strip_prefix('*')) {
        (Some(name), _) => (name, Some(true)),
        (None, Some(name)) => (name, Some(false)),
        (None, None) => (inside, None),
    };
    check_capture_name(name, segment)?;
    Ok(match rest {
        Some(may_be_none) => Segment::Rest { name, may_be_none },
        None => Segment::Capture { name },
    })
}

fn check_capture_name(name: &str, segment: &str) -> Result<(), ProblemKind> {
    let why = "has no name; write letters, digits, `_` and `-` between the braces, such as `{id}`";
    let segment = || segment.to_owned();
    let error = || ProblemKind::CaptureName { segment: segment(), why, write: None, edit: None };
    if foreign::is_name(name) { Ok(()) } else { Err(error()) }
}

/// Splits a segment at its parameters. Returns the literal text before each of them and after the last one, in normal
/// form, and the text between the braces of each.
fn split_segment(text: &str) -> Result<(Vec<Cow<'_, str>>, Vec<&str>), ProblemKind> {
    let (mut literals, mut names) = (vec![Cow::default()], Vec::new());
    for part in TextParts(text) {
        match part.map_err(|error| brace_problem(error, text))? {
            TextPart::Literal(more) => {
                if let Some(literal) = literals.last_mut() {
                    *literal += more;
                }
            }
            TextPart::Placeholder(name) => {
                names.push(name);
                literals.push(Cow::default());
            }
        }
    }
    Ok((literals.into_iter().map(normal).collect(), names))
}

fn brace_problem(error: BraceError, segment: &str) -> ProblemKind {
    let segment = segment.to_owned();
    match error {
        BraceError::NotClosed => ProblemKind::BraceOpen { segment },
        BraceError::NotOpened => ProblemKind::BraceClosed { segment },
    }
}

/// Returns the normal form of literal text.
fn normal(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => normal_literal(text),
        Cow::Owned(text) => Cow::Owned(normal_literal(&text).into_owned()),
    }
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

    fn mixed<'a>(literals: &[&'a str], names: &[&'a str]) -> Segment<'a> {
        let literals = literals.iter().map(|text| Cow::Borrowed(*text)).collect();
        Segment::Mixed(Mixed { literals, names: names.to_vec() })
    }

    #[test]
    fn a_pattern_has_methods_and_segments() {
        let (pattern, reported) = parse("GET|POST /v{n}.json/a b/{base}...{head}/{*rest}");
        assert_eq!(reported, []);
        assert_eq!(pattern.methods, named(&["GET", "POST"]));
        assert_eq!(
            pattern.segments,
            [
                mixed(&["v", ".json"], &["n"]),
                literal("a%20b"),
                mixed(&["", "...", ""], &["base", "head"]),
                Segment::Rest { name: "rest", may_be_none: false },
            ]
        );
        assert_eq!(parse("ANY /{**a-b}").0.segments, [Segment::Rest { name: "a-b", may_be_none: true }]);
        assert_eq!(parse("ANY /").0.segments, []);
        assert_eq!(parse("ANY /a/").0.segments, [literal("a"), literal("")]);
    }

    #[test]
    fn double_braces_are_literal_braces() {
        assert_eq!(parse("GET /{{a}}").0.segments, [literal("%7Ba%7D")]);
        assert_eq!(parse("GET /{{{id}}}").0.segments, [mixed(&["%7B", "%7D"], &["id"])]);
    }

    #[test]
    fn an_unreadable_pattern_keeps_its_readable_segments_and_its_methods() {
        let x = || Segment::Capture { name: "x" };
        for (text, methods, readable) in [
            ("GET /orders/{id", named(&["GET"]), vec![literal("orders")]),
            ("GET /a/{x}/b/{y", named(&["GET"]), vec![literal("a"), x(), literal("b")]),
            ("GET /{x}/{y}{z}/b", named(&["GET"]), vec![x()]),
            ("GET /a/{*x}/b", named(&["GET"]), vec![literal("a")]),
            ("GET /a/{**x}/b", named(&["GET"]), vec![literal("a")]),
            ("GET", named(&["GET"]), vec![]),
            ("GET orders", named(&["GET"]), vec![]),
            ("GET /a}/b", named(&["GET"]), vec![]),
        ] {
            let (pattern, reported) = parse(text);
            assert_eq!(reported.len(), 1, "{text}: {reported:?}");
            assert!(!pattern.is_valid);
            assert_eq!(pattern.methods, methods, "{text}");
            let mut expected = readable;
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
            assert_eq!(pattern.segments, [literal("a"), Segment::Capture { name: "b" }], "{text}");
        }
        let (pattern, _) = parse("GET /{a}/x/{a}");
        assert_eq!((pattern.segments.len(), pattern.is_valid), (3, false));
    }

    #[test]
    fn a_pattern_is_valid_exactly_if_no_error_is_reported() {
        #[rustfmt::skip]
        const PARTS: [&str; 30] = [
            "GET", "POST", "ANY", "|", " ", "/", "/", "/orders", "{id}", "{", "}", "{", "}", "{*rest}", "{**rest}", "{{", "}}", ":id",
            "*", "(", ")", "[", "]", "^", "$", "?", "#", "%", "a", "-",
        ];
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..30_000 {
            let text: String =
                (0..random.usize(1..9)).filter_map(|_| PARTS.get(random.usize(..PARTS.len())).copied()).collect();
            let text = if random.bool() { format!("GET /{text}") } else { text };
            let (pattern, reported) = parse(&text);
            let has_error = reported.iter().any(|problem| problem.severity() == Severity::Error);
            assert_eq!(pattern.is_valid, !has_error, "{text}: {reported:?}");
        }
    }

    #[test]
    fn all_errors_of_a_pattern_are_reported_at_once() {
        let (_, reported) = parse("GET|GET|P@ST /{*a}/{b/{c}{d}/{e}/{e}");
        assert_eq!(reported.len(), 6, "{reported:?}");
    }
}

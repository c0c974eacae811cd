//! One element of `match`: `METHODS PATH`, read into methods and segments.
//!
//! What can't be read is reported, and the rest is kept: a broken pattern still knows which requests it was
//! meant for, as far as it can be read, so that these are not sent elsewhere.

use std::borrow::Cow;
use std::ops::Range;

use crate::bytes::{HIGH_BITS, is_token, marks};
use crate::compile::methods::is_standard_method;
use crate::limits::{METHODS_OF_A_MATCH, SEGMENTS};
use crate::path::normal_literal;
use crate::problem::ProblemKind;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pattern<'a> {
    pub(crate) methods: Methods<'a>,
    /// Of those that have been read so far.
    pub(crate) segments: Range<usize>,
    /// Whether it could be read in whole. If its path could not, the segments are the literal ones that could,
    /// and what is unknown.
    pub(crate) whole: bool,
    /// Whether there is nothing in its literal text that could be a hazard in a path.
    pub(crate) is_harmless: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Methods<'a> {
    Any,
    /// As written, joined by `|`.
    Named(&'a str),
}

impl<'a> Methods<'a> {
    /// Those that are named, each once.
    pub(crate) fn names(self) -> impl Iterator<Item = &'a str> {
        let text = match self {
            Methods::Any => "",
            Methods::Named(text) => text,
        };
        let all = text.split('|').filter(|_| !text.is_empty());
        all.enumerate().filter(move |(index, name)| !is_among_first(text, *index, name)).map(|(_, name)| name)
    }
}

/// Whether one of the first methods of a text has a name.
fn is_among_first(text: &str, count: usize, name: &str) -> bool {
    count > 0 && text.split('|').take(count).any(|other| other == name)
}

/// Literal parts are in normal form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Segment<'a> {
    Literal(Cow<'a, str>),
    /// One segment, at least one byte longer than its prefix and suffix together.
    Capture {
        prefix: Cow<'a, str>,
        name: &'a str,
        suffix: Cow<'a, str>,
    },
    /// One or more segments, all that are left.
    Rest {
        name: &'a str,
    },
    /// What can't be read: it takes one or more segments as a rest does, but what it was meant to be may
    /// have been more specific than a rest.
    Unknown,
}

impl<'a> Segment<'a> {
    /// The name that it captures.
    fn name(&self) -> Option<&'a str> {
        match self {
            Segment::Literal(_) | Segment::Unknown => None,
            Segment::Capture { name, .. } | Segment::Rest { name } => Some(name),
        }
    }
}

impl<'a> Pattern<'a> {
    /// What stands for a pattern of which nothing can be read: any method, any path.
    pub(crate) fn unreadable(segments: &mut Vec<Segment<'a>>) -> Self {
        let start = segments.len();
        segments.push(Segment::Unknown);
        Pattern { methods: Methods::Any, segments: start..segments.len(), whole: false, is_harmless: false }
    }

    /// Reads `METHODS PATH` and tells everything that is wrong with it. Its segments are put behind the others.
    pub(crate) fn read(text: &'a str, segments: &mut Vec<Segment<'a>>, report: &mut dyn FnMut(ProblemKind)) -> Self {
        if !is_printable(text.as_bytes()) && text.chars().any(char::is_control) {
            report(ProblemKind::ControlCharacter);
            return Pattern::unreadable(segments);
        }
        if text.ends_with(' ') {
            report(ProblemKind::FinalSpace);
        }
        let (methods, path) = match text.split_once(' ') {
            Some((methods, path)) => (methods, Some(path)),
            None if text.starts_with('/') => ("", Some(text)),
            None => (text, None),
        };
        let mut whole = true;
        if path.is_none() {
            report(ProblemKind::NoPath { found: text.to_owned() });
            whole = false;
        }
        let (methods, methods_are_whole) = read_methods(methods, text, report);
        let trimmed = path.map(|path| if path.starts_with('/') { path } else { path.trim_start() });
        if trimmed != path {
            report(ProblemKind::SeveralSpaces { found: text.to_owned() });
            whole = false;
        }
        let start = segments.len();
        let mut read = PathRead { is_readable: true, names_are_unique: true, is_harmless: true };
        match trimmed {
            Some(path) => read_path(path, segments, &mut read, report),
            None => read.is_readable = false,
        }
        let PathRead { is_readable, names_are_unique, is_harmless } = read;
        if !is_readable {
            let own = segments.get(start..).unwrap_or_default();
            let literals = own.iter().take_while(|segment| matches!(segment, Segment::Literal(_))).count();
            segments.truncate(start + literals);
            segments.push(Segment::Unknown);
        }
        let whole = whole && methods_are_whole && is_readable && names_are_unique;
        Pattern { methods, segments: start..segments.len(), whole, is_harmless }
    }
}

/// The names that segments capture.
pub(crate) fn captures<'s, 'a>(segments: &'s [Segment<'a>]) -> impl Iterator<Item = &'a str> + 's {
    segments.iter().filter_map(Segment::name)
}

/// The methods, and whether all of them could be read.
fn read_methods<'a>(text: &'a str, whole: &str, report: &mut dyn FnMut(ProblemKind)) -> (Methods<'a>, bool) {
    if text == "ANY" {
        return (Methods::Any, true);
    }
    if text.is_empty() {
        report(ProblemKind::NoMethod { found: whole.to_owned() });
        return (Methods::Any, false);
    }
    if is_standard_method(text) {
        return (Methods::Named(text), true);
    }
    let all = || text.split('|');
    let found = all().count();
    if found > METHODS_OF_A_MATCH {
        let write = "write `ANY`, and let the service tell them apart";
        report(ProblemKind::TooMany { found, of: "methods", limit: METHODS_OF_A_MATCH, write });
        return (Methods::Any, false);
    }
    let mut readable = true;
    let mut repeated = false;
    for (index, method) in all().enumerate() {
        if method == "ANY" {
            report(ProblemKind::AnyAmongMethods);
            readable = false;
        } else if !is_token(method) {
            report(ProblemKind::Method { found: method.to_owned() });
            readable = false;
        } else if is_among_first(text, index, method) {
            report(ProblemKind::MethodRepeated { method: method.to_owned() });
            repeated = true;
        } else if !is_standard_method(method) && is_standard_method(&method.to_ascii_uppercase()) {
            report(ProblemKind::MethodCase { found: method.to_owned() });
        }
    }
    // What can't be read may have meant any method.
    (if readable { Methods::Named(text) } else { Methods::Any }, readable && !repeated)
}

/// What is known of a path once it has been read.
struct PathRead {
    /// Whether it is known which paths it matches.
    is_readable: bool,
    names_are_unique: bool,
    /// Whether its literal segments are neither empty nor dots, and of plain bytes.
    is_harmless: bool,
}

/// Reads the segments of a path, `Unknown` for one that can't be read; `/` has none.
fn read_path<'a>(
    path: &'a str,
    segments: &mut Vec<Segment<'a>>,
    read: &mut PathRead,
    report: &mut dyn FnMut(ProblemKind),
) {
    let Some(mut below) = path.strip_prefix('/') else {
        report(ProblemKind::PathStart { found: path.to_owned() });
        read.is_readable = false;
        return;
    };
    if below.is_empty() {
        return;
    }
    if path.contains('?') {
        report(ProblemKind::QueryInPath);
    }
    if below.len() >= SEGMENTS {
        let found = below.split('/').count();
        if found > SEGMENTS {
            report(ProblemKind::TooManySegments { found, limit: SEGMENTS });
            read.is_readable = false;
            return;
        }
    }
    let start = segments.len();
    loop {
        let mut kinds = PLAIN;
        let slash = below.bytes().position(|byte| {
            kinds |= kind(byte);
            byte == b'/'
        });
        let (text, rest) = match slash {
            Some(at) => (below.get(..at).unwrap_or_default(), below.get(at + 1..)),
            None => (below, None),
        };
        let segment = match kinds & !DOT {
            PLAIN => Segment::Literal(Cow::Borrowed(text)),
            _ => read_segment(text).unwrap_or_else(|kind| {
                report(kind);
                read.is_readable = false;
                Segment::Unknown
            }),
        };
        match &segment {
            Segment::Literal(_) => {
                // An empty one is harmless at the end alone.
                let is_harmless = kinds == PLAIN && (!text.is_empty() || rest.is_none());
                read.is_harmless &= is_harmless;
                if !is_harmless {
                    report_foreign_syntax(text, report);
                }
            }
            Segment::Capture { name, .. } | Segment::Rest { name } => {
                read.is_harmless &= text.len() == name.len() + 2 || text.starts_with("{*");
                let before = segments.get(start..).unwrap_or_default();
                if captures(before).any(|other| other == *name) {
                    report(ProblemKind::CaptureRepeated { name: (*name).to_owned() });
                    read.names_are_unique = false;
                }
            }
            Segment::Unknown => {}
        }
        if matches!(segment, Segment::Rest { .. }) && rest.is_some() {
            report(ProblemKind::RestNotLast { segment: text.to_owned() });
            read.is_readable = false;
        }
        segments.push(segment);
        match rest {
            Some(rest) => below = rest,
            None => return,
        }
    }
}

/// Other routers' parameters, which are plain text here.
fn report_foreign_syntax(text: &str, report: &mut dyn FnMut(ProblemKind)) {
    let write = match text.strip_prefix(':') {
        Some(name) if is_capture_name(name) => format!("{{{name}}}"),
        _ if matches!(text, "*" | "**") => "{*rest}".into(),
        _ => return,
    };
    report(ProblemKind::ForeignSyntax { segment: text.to_owned(), write });
}

fn read_segment(text: &str) -> Result<Segment<'_>, ProblemKind> {
    // As most are written.
    if let Some(name) = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        match name.strip_prefix('*') {
            Some(name) if is_capture_name(name) => return Ok(Segment::Rest { name }),
            None if is_capture_name(name) => {
                return Ok(Segment::Capture { prefix: Cow::Borrowed(""), name, suffix: Cow::Borrowed("") });
            }
            _ => {}
        }
    }
    if !text.bytes().any(is_brace) {
        return Ok(Segment::Literal(normal_literal(text)));
    }
    let mut prefix = Cow::Borrowed("");
    let mut suffix = Cow::Borrowed("");
    let mut capture = None;
    for piece in Pieces(text) {
        match piece.map_err(|fault| fault.in_segment(text))? {
            Piece::Literal(literal) => {
                let part = if capture.is_none() { &mut prefix } else { &mut suffix };
                if part.is_empty() {
                    *part = Cow::Borrowed(literal);
                } else {
                    part.to_mut().push_str(literal);
                }
            }
            Piece::Name(_) if capture.is_some() => {
                return Err(ProblemKind::SeveralCaptures { segment: text.to_owned() });
            }
            Piece::Name(name) => capture = Some(name),
        }
    }
    let Some(name) = capture else {
        return Ok(Segment::Literal(normal(prefix)));
    };
    let rest = name.strip_prefix('*');
    let name = rest.unwrap_or(name);
    if !is_capture_name(name) {
        let found = capture.unwrap_or_default().to_owned();
        // As AWS API Gateway writes a rest, and as Go does.
        let inner = found.strip_suffix('+').or(found.strip_suffix("..."));
        let write = inner.filter(|inner| is_capture_name(inner)).map(|inner| format!("{{*{inner}}}"));
        let write = write.or_else(|| {
            let (before, _) = found.split_once(':')?;
            is_capture_name(before).then(|| format!("{{{before}}}"))
        });
        return Err(ProblemKind::CaptureName { found, write });
    }
    match (rest, prefix.is_empty() && suffix.is_empty()) {
        (Some(_), false) => Err(ProblemKind::RestAffixed { segment: text.to_owned() }),
        (Some(_), true) => Ok(Segment::Rest { name }),
        (None, _) => Ok(Segment::Capture { prefix: normal(prefix), name, suffix: normal(suffix) }),
    }
}

fn normal(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed("") => text,
        Cow::Borrowed(text) => normal_literal(text),
        Cow::Owned(text) => Cow::Owned(normal_literal(&text).into_owned()),
    }
}

fn is_capture_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

fn is_brace(byte: u8) -> bool {
    matches!(byte, b'{' | b'}')
}

/// It stands for itself, and for nothing else, wherever it is.
const PLAIN: u8 = 0;
/// As above, but for whole segments of it.
const DOT: u8 = 1;
const OTHER: u8 = 2;

/// Of an byte: one of the above.
fn kind(byte: u8) -> u8 {
    static KINDS: [u8; 256] = {
        let mut kinds = [OTHER; 256];
        let mut byte = 0;
        while byte < 0x7f {
            #[allow(clippy::indexing_slicing, reason = "the compiler would say so")]
            {
                kinds[byte] = match byte as u8 {
                    // What comes behind a slash is looked at by itself.
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' | b'/' => PLAIN,
                    b'.' => DOT,
                    _ => OTHER,
                };
            }
            byte += 1;
        }
        kinds
    };
    KINDS.get(usize::from(byte)).copied().unwrap_or(OTHER)
}

/// Whether it is printable ASCII.
fn is_printable(text: &[u8]) -> bool {
    let (words, last) = text.as_chunks();
    words.iter().all(|word| marks(u64::from_le_bytes(*word), b' ', b'~') == HIGH_BITS)
        && last.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

/// A text with `{name}`s in it, `{{` and `}}` being literal braces: patterns and templates alike.
pub(crate) struct Pieces<'a>(pub(crate) &'a str);

pub(crate) enum Piece<'a> {
    Literal(&'a str),
    Name(&'a str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BraceFault {
    NotClosed,
    NotOpened,
}

impl BraceFault {
    fn in_segment(self, segment: &str) -> ProblemKind {
        let segment = segment.to_owned();
        match self {
            BraceFault::NotClosed => ProblemKind::BraceOpen { segment },
            BraceFault::NotOpened => ProblemKind::BraceClosed { segment },
        }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<Piece<'a>, BraceFault>;

    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0;
        if text.is_empty() {
            return None;
        }
        let at = text.bytes().position(is_brace).unwrap_or(text.len());
        let (literal, rest) = text.split_at_checked(at)?;
        if !literal.is_empty() {
            self.0 = rest;
            return Some(Ok(Piece::Literal(literal)));
        }
        for (double, brace) in [("{{", "{"), ("}}", "}")] {
            if let Some(rest) = text.strip_prefix(double) {
                self.0 = rest;
                return Some(Ok(Piece::Literal(brace)));
            }
        }
        self.0 = "";
        let Some(inside) = text.strip_prefix('{') else {
            return Some(Err(BraceFault::NotOpened));
        };
        match inside.split_once('}') {
            Some((name, rest)) if !name.bytes().any(is_brace) => {
                self.0 = rest;
                Some(Ok(Piece::Name(name)))
            }
            _ => Some(Err(BraceFault::NotClosed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Whole<'a> {
        methods: Methods<'a>,
        segments: Vec<Segment<'a>>,
        whole: bool,
    }

    fn read(text: &str) -> (Whole<'_>, Vec<ProblemKind>) {
        let mut reported = Vec::new();
        let mut segments = vec![Segment::Unknown];
        let pattern = Pattern::read(text, &mut segments, &mut |kind| reported.push(kind));
        assert_eq!(pattern.segments, 1..segments.len());
        segments.remove(0);
        (Whole { methods: pattern.methods, segments, whole: pattern.whole }, reported)
    }

    fn literal(text: &str) -> Segment<'_> {
        Segment::Literal(text.into())
    }

    #[test]
    fn a_pattern_is_methods_and_segments() {
        let (pattern, reported) = read("GET|POST /v{n}.json/a b/{*rest}");
        assert_eq!(reported, []);
        assert_eq!(pattern.methods, Methods::Named("GET|POST"));
        assert_eq!(
            pattern.segments,
            [
                Segment::Capture { prefix: "v".into(), name: "n", suffix: ".json".into() },
                literal("a%20b"),
                Segment::Rest { name: "rest" },
            ]
        );
        assert_eq!(read("ANY /").0.segments, []);
        assert_eq!(read("ANY /a/").0.segments, [literal("a"), literal("")]);
    }

    #[test]
    fn double_braces_are_literal() {
        assert_eq!(read("GET /{{a}}").0.segments, [literal("%7Ba%7D")]);
        assert_eq!(
            read("GET /{{{id}}}").0.segments,
            [Segment::Capture { prefix: "%7B".into(), name: "id", suffix: "%7D".into() }]
        );
    }

    #[test]
    fn an_unreadable_pattern_keeps_its_readable_literals_and_methods() {
        for (text, methods, literals) in [
            ("GET /orders/{id", Methods::Named("GET"), vec!["orders"]),
            ("GET /a/{x}/b/{y", Methods::Named("GET"), vec!["a"]),
            ("GET", Methods::Named("GET"), vec![]),
            ("GET orders", Methods::Named("GET"), vec![]),
            ("GET /a}/b", Methods::Named("GET"), vec![]),
        ] {
            let (pattern, reported) = read(text);
            assert_eq!(reported.len(), 1, "{text}: {reported:?}");
            assert!(!pattern.whole);
            assert_eq!(pattern.methods, methods, "{text}");
            let mut expected: Vec<Segment> = literals.into_iter().map(literal).collect();
            expected.push(Segment::Unknown);
            assert_eq!(pattern.segments, expected, "{text}");
        }
    }

    #[test]
    fn a_readable_path_is_kept_whatever_else_is_wrong() {
        for text in ["GET|B@D /a/{b}", "/a/{b}", "GET  /a/{b}", "GET|GET /a/{b}"] {
            let (pattern, reported) = read(text);
            assert_eq!(reported.len(), 1, "{text}: {reported:?}");
            assert!(!pattern.whole);
            let capture = Segment::Capture { prefix: "".into(), name: "b", suffix: "".into() };
            assert_eq!(pattern.segments, [literal("a"), capture], "{text}");
        }
        let (pattern, _) = read("GET /{a}/x/{a}");
        assert_eq!((pattern.segments.len(), pattern.whole), (3, false));
    }

    #[test]
    fn everything_wrong_with_a_pattern_is_told_at_once() {
        let (_, reported) = read("GET|GET|P@ST /{*a}/{b/{c}{d}/{e}/{e}");
        assert_eq!(reported.len(), 6, "{reported:?}");
    }

    #[test]
    fn other_routers_syntax_is_refused_or_warned_about_with_ours() {
        assert_eq!(
            read("GET /{rest...}").1,
            [ProblemKind::CaptureName { found: "rest...".into(), write: Some("{*rest}".into()) }]
        );
        assert_eq!(
            read("GET /{proxy+}").1,
            [ProblemKind::CaptureName { found: "proxy+".into(), write: Some("{*proxy}".into()) }]
        );
        assert_eq!(
            read("GET /{id:[0-9]+}").1,
            [ProblemKind::CaptureName { found: "id:[0-9]+".into(), write: Some("{id}".into()) }]
        );
        let (pattern, reported) = read("GET /:id");
        assert!(pattern.whole);
        assert_eq!(reported, [ProblemKind::ForeignSyntax { segment: ":id".into(), write: "{id}".into() }]);
    }
}

//! Paths: the normal form that is matched (RFC 3986, section 6.2.2), and the paths that can mean two things.
//!
//! Hex digits in upper case, unreserved bytes decoded, bytes outside `pchar` encoded. Nothing is decoded
//! before the path is split, and a path that needs none of this is not copied.

use std::borrow::Cow;

use crate::bytes::{HIGH_BITS, letters, marks, without_prefix};

/// `:path` of a request, cut at the first `?`.
#[derive(Debug)]
pub(crate) struct RequestPath<'a> {
    /// As it came, without the query.
    pub(crate) raw: &'a [u8],
    /// Behind the first `?`.
    pub(crate) query: Option<&'a [u8]>,
    /// The normal form: ASCII.
    pub(crate) normal: Cow<'a, [u8]>,
    /// Why it can mean two things.
    pub(crate) hazard: Option<Hazard>,
}

/// What makes a path ambiguous between the gateway and what is behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hazard {
    NoSlash,
    EmptySegment,
    DotSegment,
    EncodedSlash,
    EncodedBackslash,
    EncodedNul,
    Backslash,
    Fragment,
    MalformedEscape,
    InvalidByte,
    /// Of what templates have made.
    Length,
}

impl Hazard {
    /// Named without a word of the path itself.
    pub(crate) fn described(self) -> &'static str {
        match self {
            Hazard::NoSlash => "a path that does not begin with a slash",
            Hazard::EmptySegment => "an empty path segment",
            Hazard::DotSegment => "a dot segment",
            Hazard::EncodedSlash => "an encoded slash",
            Hazard::EncodedBackslash => "an encoded backslash",
            Hazard::EncodedNul => "an encoded NUL",
            Hazard::Backslash => "a backslash",
            Hazard::Fragment => "a fragment",
            Hazard::MalformedEscape => "a malformed percent-escape",
            Hazard::InvalidByte => "a control or non-ASCII byte",
            Hazard::Length => "a path or headers of more than 60 KiB",
        }
    }
}

impl<'a> RequestPath<'a> {
    pub(crate) fn read(path: &'a [u8]) -> Self {
        // Most paths are looked at once, here.
        if let Some(end) = harmless(path) {
            let (raw, query) = (path.get(..end).unwrap_or_default(), path.get(end + 1..));
            return RequestPath { raw, query, normal: Cow::Borrowed(raw), hazard: None };
        }
        Self::read_closely(path)
    }

    #[inline(never)]
    fn read_closely(path: &'a [u8]) -> Self {
        let (raw, query) = cut_at_query(path);
        let (normal, hazard) = normalize(raw);
        RequestPath { raw, query, normal, hazard }
    }
}

/// What is in front of the first `?`, and behind it.
pub(crate) fn cut_at_query(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    match path.iter().position(|&b| b == b'?') {
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..)),
        None => (path, None),
    }
}

/// The length of a path (up to its query) that is its own normal form and has no hazard; `None` where a closer look
/// has to report.
fn harmless(path: &[u8]) -> Option<usize> {
    if path.first() != Some(&b'/') {
        return None;
    }
    let mut at_start = false;
    // Most words of most paths are of these bytes alone, with no segment that begins with a dot or is empty.
    let mut plain = 0;
    for word in path.as_chunks().0 {
        let word = u64::from_le_bytes(*word);
        let slashes = marks(word, b'/', b'/');
        let starts = slashes << 8 | u64::from(at_start) << 7;
        let is_plain = letters(word) | marks(word, b'-', b'9') == HIGH_BITS;
        if !is_plain || marks(word, b'.', b'/') & starts != 0 {
            break;
        }
        at_start = slashes >> 63 == 1;
        plain += 8;
    }
    for (index, &byte) in path.iter().enumerate().skip(plain) {
        let class = class(byte);
        if class == Class::Segment {
            at_start = false;
            continue;
        }
        match class {
            // An empty segment, or one that may be a dot segment.
            Class::Slash | Class::Dot if at_start => return None,
            Class::Slash => at_start = true,
            Class::Query => return Some(index),
            Class::Dot | Class::Segment => {}
            Class::Percent | Class::Encoded => return None,
        }
    }
    Some(path.len())
}

/// The hazard of a path (no query) that a template has made.
pub(crate) fn hazard(path: &[u8]) -> Option<Hazard> {
    if harmless(path) == Some(path.len()) { None } else { normalize(path).1 }
}

/// The hazard of a segment's literal text in its normal form.
pub(crate) fn hazard_of_segment(text: &str) -> Option<Hazard> {
    if is_dot_segment(text.as_bytes()) {
        return Some(Hazard::DotSegment);
    }
    if text.contains('%') { Units(text.as_bytes()).find_map(Unit::hazard) } else { None }
}

/// The normal form of a literal, whose bytes outside `pchar` mean their percent-encoding.
pub(crate) fn normal_literal(text: &str) -> Cow<'_, str> {
    match normalize(text.as_bytes()).0 {
        Cow::Borrowed(_) => text.into(),
        Cow::Owned(normal) => String::from_utf8(normal).unwrap_or_default().into(),
    }
}

fn normalize(raw: &[u8]) -> (Cow<'_, [u8]>, Option<Hazard>) {
    let mut hazard = if raw.first() == Some(&b'/') { None } else { Some(Hazard::NoSlash) };
    let is_normal = raw.iter().all(|&b| matches!(class(b), Class::Segment | Class::Dot | Class::Slash));
    let normal = if is_normal {
        Cow::Borrowed(raw)
    } else {
        let mut normal = Vec::with_capacity(raw.len() + 8);
        for unit in Units(raw) {
            hazard = hazard.or(unit.hazard());
            unit.append_to(&mut normal);
        }
        Cow::Owned(normal)
    };
    let hazard = hazard.or_else(|| {
        let mut segments = normal.split(|&b| b == b'/').skip(1).peekable();
        while let Some(segment) = segments.next() {
            if is_dot_segment(segment) {
                return Some(Hazard::DotSegment);
            }
            if segment.is_empty() && segments.peek().is_some() {
                return Some(Hazard::EmptySegment);
            }
        }
        None
    });
    (normal, hazard)
}

/// Whether the text begins with a segment `.` or `..`, with or without parameters behind a `;`.
fn is_dot_segment(text: &[u8]) -> bool {
    let name = text.split(|&b| matches!(b, b'/' | b';')).next().unwrap_or_default();
    matches!(name, b"." | b"..")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// `pchar` but for the percent sign and the dot.
    Segment,
    Dot,
    Slash,
    Percent,
    /// The query's beginning; within a path, like the next.
    Query,
    /// Stands in a normal form only as its percent-encoding.
    Encoded,
}

/// Every byte of every request's path is looked up here.
#[allow(clippy::indexing_slicing, reason = "the compiler does it, and would say so")]
static CLASSES: [Class; 256] = {
    let mut classes = [Class::Encoded; 256];
    let mut rest = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~!$&'()*+,;=:@".as_slice();
    while let [byte, tail @ ..] = rest {
        classes[*byte as usize] = Class::Segment;
        rest = tail;
    }
    classes[b'.' as usize] = Class::Dot;
    classes[b'/' as usize] = Class::Slash;
    classes[b'%' as usize] = Class::Percent;
    classes[b'?' as usize] = Class::Query;
    classes
};

fn class(byte: u8) -> Class {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(Class::Encoded)
}

fn is_unreserved(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~')
}

/// One byte of a path, as it stands or escaped.
#[derive(Clone, Copy)]
struct Unit {
    byte: u8,
    escaped: bool,
    /// How many bytes of the raw path it takes.
    width: usize,
}

impl Unit {
    fn hazard(self) -> Option<Hazard> {
        match (self.escaped, self.byte) {
            (true, b'/') => Some(Hazard::EncodedSlash),
            (true, b'\\') => Some(Hazard::EncodedBackslash),
            (true, 0) => Some(Hazard::EncodedNul),
            (false, b'\\') => Some(Hazard::Backslash),
            (false, b'#') => Some(Hazard::Fragment),
            (false, b'%') => Some(Hazard::MalformedEscape),
            (false, 0..=0x20 | 0x7f..) => Some(Hazard::InvalidByte),
            _ => None,
        }
    }

    fn is_encoded_in_normal_form(self) -> bool {
        match self.escaped {
            true => !is_unreserved(self.byte),
            false => matches!(class(self.byte), Class::Encoded | Class::Query | Class::Percent),
        }
    }

    fn append_to(self, normal: &mut Vec<u8>) {
        if self.is_encoded_in_normal_form() {
            let digit = |value: u8| value + if value < 10 { b'0' } else { b'A' - 10 };
            normal.extend([b'%', digit(self.byte >> 4), digit(self.byte & 15)]);
        } else {
            normal.push(self.byte);
        }
    }

    fn normal_width(self) -> usize {
        if self.is_encoded_in_normal_form() { 3 } else { 1 }
    }
}

/// A path byte by byte, valid escapes taken together.
struct Units<'a>(&'a [u8]);

impl Iterator for Units<'_> {
    type Item = Unit;

    fn next(&mut self) -> Option<Unit> {
        let (&first, rest) = self.0.split_first()?;
        let unit = match (first, rest) {
            (b'%', [high, low, ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => Unit { byte: high << 4 | low, escaped: true, width: 3 },
                _ => Unit { byte: first, escaped: false, width: 1 },
            },
            _ => Unit { byte: first, escaped: false, width: 1 },
        };
        self.0 = self.0.get(unit.width..).unwrap_or_default();
        Some(unit)
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The bytes that a text stands for: valid escapes decoded, malformed ones left as they are.
pub(crate) fn decoded(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    Units(text).map(|unit| unit.byte)
}

/// Cuts as many bytes off the front (or end) of a raw segment as make up a prefix (or suffix) of the given
/// length in its normal form.
pub(crate) fn without_affixes(raw: &[u8], prefix: usize, suffix: usize) -> &[u8] {
    if prefix == 0 && suffix == 0 {
        return raw;
    }
    let widths = || Units(raw).map(|unit| (unit.normal_width(), unit.width));
    let length: usize = widths().map(|(normal, _)| normal).sum();
    let mut at = (0, 0);
    let (mut start, mut end) = (0, raw.len());
    for (normal, width) in widths() {
        if at.0 == prefix {
            start = at.1;
        }
        if at.0 + suffix == length {
            end = at.1;
        }
        at = (at.0 + normal, at.1 + width);
    }
    raw.get(start..end).unwrap_or_default()
}

/// A literal path prefix on a segment border, such as `/faas`.
#[derive(Debug, Default)]
pub(crate) struct BasePath {
    /// As written.
    pub(crate) text: Box<str>,
    /// In normal form: what `x-forwarded-prefix` gets.
    pub(crate) normal: Box<str>,
    decoded: Box<[u8]>,
    /// A path that begins with its bytes is in scope: none of them is, or begins, an escape, nor a query.
    is_plain: bool,
    segments: usize,
}

impl BasePath {
    /// `text` begins with a slash and has no hazard.
    pub(crate) fn new(text: &str) -> Self {
        let normal = normal_literal(text);
        BasePath {
            text: text.into(),
            is_plain: !decoded(text.as_bytes()).any(|byte| matches!(byte, b'%' | b'?')),
            decoded: decoded(text.as_bytes()).collect(),
            segments: normal.bytes().filter(|&b| b == b'/').count(),
            normal: normal.into(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.decoded.is_empty()
    }

    /// Whether a path, with or without its query, is in scope: the base path itself or below it, however it is escaped.
    pub(crate) fn holds(&self, path: &[u8]) -> bool {
        if self.is_empty() {
            return true;
        }
        if self.is_plain {
            match without_prefix(path, &self.decoded).map(<[u8]>::first) {
                Some(None | Some(b'/' | b'?')) => return true,
                _ if !path.contains(&b'%') => return false,
                _ => {}
            }
        }
        let mut path = decoded(cut_at_query(path).0);
        self.decoded.iter().all(|&byte| path.next() == Some(byte)) && matches!(path.next(), None | Some(b'/'))
    }

    /// What is below the base path in a normal form; `None` where it only looks like it is (`/faas%2Fa`).
    pub(crate) fn below<'p>(&self, normal: &'p [u8]) -> Option<&'p [u8]> {
        without_prefix(normal, self.normal.as_bytes()).filter(|below| matches!(below.first(), None | Some(b'/')))
    }

    /// What is below the base path in a path as it came, which must be one that `below` takes.
    pub(crate) fn strip<'p>(&self, raw: &'p [u8]) -> &'p [u8] {
        let mut slashes = 0;
        let at = raw.iter().position(|&b| {
            slashes += usize::from(b == b'/');
            slashes > self.segments
        });
        at.and_then(|at| raw.get(at..)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(raw: &str) -> String {
        String::from_utf8_lossy(&normalize(raw.as_bytes()).0).into_owned()
    }

    #[test]
    fn plain_paths_are_not_copied() {
        assert!(matches!(normalize(b"/orders/42;v=1/a.b").0, Cow::Borrowed(_)));
    }

    #[test]
    fn normal_form_decodes_unreserved_and_encodes_the_rest() {
        assert_eq!(normal("/%61%2f%2F%7e"), "/a%2F%2F~");
        assert_eq!(normal("/é {}"), "/%C3%A9%20%7B%7D");
        assert_eq!(normal("/100%"), "/100%25");
        assert_eq!(normal("/%zz%4"), "/%25zz%254");
        assert_eq!(normal("/%3a:"), "/%3A:");
    }

    #[test]
    fn normal_form_is_its_own_normal_form() {
        for raw in ["/%61%2f", "/é {}%", "/%C3%A9/..;/%5c"] {
            let once = normal(raw);
            assert_eq!(normal(&once), once);
        }
    }

    #[test]
    fn paths_that_can_mean_two_things_are_told() {
        for (raw, expected) in [
            ("/a//b", Hazard::EmptySegment),
            ("//", Hazard::EmptySegment),
            ("/%61//b", Hazard::EmptySegment),
            ("/./a", Hazard::DotSegment),
            ("/a/..", Hazard::DotSegment),
            ("/a/..;x/b", Hazard::DotSegment),
            ("/a/.;", Hazard::DotSegment),
            ("/a/%2e%2E/b", Hazard::DotSegment),
            ("/a/.%2e;x", Hazard::DotSegment),
            ("/a%2fb", Hazard::EncodedSlash),
            ("/a%5Cb", Hazard::EncodedBackslash),
            ("/a%00", Hazard::EncodedNul),
            ("/a\\b", Hazard::Backslash),
            ("/a#b", Hazard::Fragment),
            ("/a%", Hazard::MalformedEscape),
            ("/a%4", Hazard::MalformedEscape),
            ("/a%g1", Hazard::MalformedEscape),
            ("/a b", Hazard::InvalidByte),
            ("/a\u{7f}", Hazard::InvalidByte),
            ("/é", Hazard::InvalidByte),
            ("a", Hazard::NoSlash),
            ("", Hazard::NoSlash),
            ("%2Fa", Hazard::NoSlash),
        ] {
            assert_eq!(normalize(raw.as_bytes()).1, Some(expected), "{raw}");
        }
    }

    #[test]
    fn harmless_paths_have_no_hazard() {
        for raw in ["/", "/a/", "/a/.b", "/a/...", "/a;x/..b", "/%C3%A9", "/a%20b", "/a%01", "/%25", "/{x}|\"<>^`"] {
            assert_eq!(normalize(raw.as_bytes()).1, None, "{raw}");
        }
    }

    #[test]
    fn affixes_are_cut_in_the_path_as_it_came() {
        assert_eq!(without_affixes(b"v42.json", 1, 5), b"42");
        assert_eq!(without_affixes(b"%7642%2Ejson", 1, 5), b"42");
        assert_eq!(without_affixes(b"%c3%a9x", 6, 0), b"x");
        assert_eq!(without_affixes(b"\xc3\xa9x", 6, 0), b"x");
    }

    #[test]
    fn what_one_look_takes_for_harmless_is_normal_and_has_no_hazard() {
        let pieces = ["/", "/", "a", ".", "..", ";", "?", "%41", "%2F", "\\", " ", "#", "é", "~"];
        let mut paths = vec![String::new()];
        for _ in 0..4 {
            paths = paths
                .iter()
                .flat_map(|path| pieces.map(|piece| format!("{path}{piece}")))
                .chain(paths.clone())
                .collect();
            paths.sort();
            paths.dedup();
        }
        for path in &paths {
            let (raw, query) = cut_at_query(path.as_bytes());
            let (normal, hazard) = normalize(raw);
            let read = RequestPath::read(path.as_bytes());
            assert_eq!((read.raw, read.query), (raw, query), "{path}");
            assert_eq!((read.normal, read.hazard), (normal, hazard), "{path}");
        }
        assert!(paths.iter().filter(|path| harmless(path.as_bytes()).is_some()).count() > 100);
    }

    #[test]
    fn base_path_ends_on_a_segment_border() {
        let base = BasePath::new("/faas/v1");
        for raw in ["/faas/v1", "/faas/v1/", "/faas/v1/a", "/f%61as/v1/a", "/faas%2Fv1", "/faas/v1%2fa", "%2Ffaas/v1"] {
            assert!(base.holds(raw.as_bytes()), "{raw}");
        }
        for raw in ["/faas", "/faas/v1x", "/faas/v1%3F", "/FAAS/v1", "/x/faas/v1", "//faas/v1", ""] {
            assert!(!base.holds(raw.as_bytes()), "{raw}");
        }
        assert!(base.holds(b"/faas/v1?/x") && !base.holds(b"/faas?/v1") && !base.holds(b"/faas/v1%2?/"));
        let escaped = BasePath::new("/a%2541%3F");
        assert!(escaped.holds(b"/a%2541%3f/x?") && !escaped.holds(b"/a%41?/x") && !escaped.holds(b"/aA%3F"));
        assert_eq!(base.below(b"/faas/v1/a"), Some(b"/a".as_slice()));
        assert_eq!(base.below(b"/faas%2Fv1/a"), None);
        assert_eq!(base.strip(b"/f%61as/v1/a/b"), b"/a/b");
        assert_eq!(base.strip(b"/faas/v1"), b"");
    }
}

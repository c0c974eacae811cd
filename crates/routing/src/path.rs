//! Paths: their normal form, and which of them are ambiguous.
//!
//! [`RequestPath`] splits the `:path` of a request and normalizes it; the tree of routes is searched with the normal
//! form. [`BasePath`] is the prefix that all routes of a table share. [`Hazard`] names what makes a path ambiguous
//! between the gateway and the service behind it.
//!
//! The normal form is that of RFC 3986, section 6.2.2: hex digits are in upper case, unreserved characters are decoded,
//! and bytes outside `pchar` are percent-encoded. An encoded slash stays encoded, so that normalizing does not change
//! how a path splits into segments.
//!
//! This is our own because a URL library would decode, resolve or reject what must be forwarded as it came, and would
//! copy every path. Here a path that is in normal form already, as most are, is examined once and not copied.

use std::borrow::Cow;

use crate::bytes::{HIGH_BITS, letters, marks, strip_prefix};

/// The `:path` of a request, split at the first `?`.
#[derive(Debug)]
pub(crate) struct RequestPath<'a> {
    /// The path as it came, without the query.
    pub(crate) raw: &'a [u8],
    /// The query: everything after the first `?`. `None` if there is no `?`.
    pub(crate) query: Option<&'a [u8]>,
    /// The normal form of the path. It is ASCII.
    pub(crate) normal: Cow<'a, [u8]>,
    /// The first reason why the path is ambiguous, if it is.
    pub(crate) hazard: Option<Hazard>,
}

/// A reason why the gateway and the service behind it could understand a path differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hazard {
    /// The path does not begin with a slash.
    NoSlash,
    /// A segment before the last one is empty: `//`. Or the location of a redirect begins with `//`.
    EmptySegment,
    /// A segment is `.` or `..`, alone or before a `;`.
    DotSegment,
    /// The path has `%2F`.
    EncodedSlash,
    /// The path has `%5C`.
    EncodedBackslash,
    /// The path has `%00`.
    EncodedNul,
    /// The path has a `\`.
    Backslash,
    /// The path has a `#`.
    Fragment,
    /// The path has a `%` without two hex digits after it.
    MalformedEscape,
    /// The path, or a header that a template has made, has a control byte; or the path has a space or a byte that is
    /// not ASCII.
    InvalidByte,
    /// The templates of one request have made more bytes than `MAX_RENDERED`.
    Length,
}

impl Hazard {
    /// Describes the hazard, for a message. Nothing of the path itself is in it, so that nothing of a request is
    /// repeated.
    pub(crate) fn describe(self) -> &'static str {
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
    /// Reads the value of `:path`.
    pub(crate) fn read(path: &'a [u8]) -> Self {
        // Most paths are examined only once, here.
        if let Some(end) = plain_length(path) {
            let (raw, query) = (path.get(..end).unwrap_or_default(), path.get(end + 1..));
            return RequestPath { raw, query, normal: Cow::Borrowed(raw), hazard: None };
        }
        Self::read_in_full(path)
    }

    /// Reads a path that `plain_length` is not sure of.
    #[inline(never)]
    fn read_in_full(path: &'a [u8]) -> Self {
        let (raw, query) = split_at_query(path);
        let (normal, hazard) = normalize(raw);
        RequestPath { raw, query, normal, hazard }
    }
}

/// Splits a path at its first `?`. Returns the part before it, and the query after it.
fn split_at_query(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    match path.iter().position(|&b| b == b'?') {
        Some(at) => (path.get(..at).unwrap_or_default(), path.get(at + 1..)),
        None => (path, None),
    }
}

/// Returns the length of a path without its query, if a quick look shows that it is its own normal form and has no
/// hazard. Returns `None` if that takes a full look, which may still find no hazard.
fn plain_length(path: &[u8]) -> Option<usize> {
    if path.first() != Some(&b'/') {
        return None;
    }
    // Whether the next byte is the first of a segment.
    let mut at_start = false;
    // First, eight bytes at a time: most words of most paths consist of letters, digits, `-`, `.` and `/`, and in most
    // of them no segment is empty or begins with a dot. The bytes after the first other word are examined one by one.
    let mut examined = 0;
    for word in path.as_chunks().0 {
        let word = u64::from_le_bytes(*word);
        let slashes = marks(word, b'/', b'/');
        let starts = slashes << 8 | u64::from(at_start) << 7;
        let has_common_bytes_only = letters(word) | marks(word, b'-', b'9') == HIGH_BITS;
        if !has_common_bytes_only || marks(word, b'.', b'/') & starts != 0 {
            break;
        }
        at_start = slashes >> 63 == 1;
        examined += 8;
    }
    for (index, &byte) in path.iter().enumerate().skip(examined) {
        let class = class(byte);
        if class == Class::Ordinary {
            at_start = false;
            continue;
        }
        match class {
            // The segment is empty, or it may be a dot segment.
            Class::Slash | Class::Dot if at_start => return None,
            Class::Slash => at_start = true,
            Class::Query => return Some(index),
            Class::Dot | Class::Ordinary => {}
            Class::Percent | Class::Encoded => return None,
        }
    }
    Some(path.len())
}

/// Returns the first hazard of a path that has no query, such as one that a template has made.
pub(crate) fn hazard(path: &[u8]) -> Option<Hazard> {
    if plain_length(path) == Some(path.len()) { None } else { normalize(path).1 }
}

/// Returns the first hazard of a path whose first hazard is an encoded slash, if encoded slashes are allowed. They count as
/// slashes then: `..%2Fa` has a dot segment, and `a%2F%2Fb` has an empty one.
#[inline(never)]
pub(crate) fn hazard_beside_encoded_slashes(path: &[u8]) -> Option<Hazard> {
    let mut with_slashes = Vec::with_capacity(path.len());
    let mut rest = path;
    for PathByte { byte, encoded, raw_length } in PathBytes(path) {
        let Some((raw, after)) = rest.split_at_checked(raw_length) else { break };
        with_slashes.extend_from_slice(if encoded && byte == b'/' { b"/" } else { raw });
        rest = after;
    }
    hazard(&with_slashes)
}

/// Returns the normal form of literal text in a document. Bytes outside `pchar` mean their percent-encoding there.
pub(crate) fn normal_literal(text: &str) -> Cow<'_, str> {
    match normalize(text.as_bytes()).0 {
        Cow::Borrowed(_) => text.into(),
        Cow::Owned(normal) => String::from_utf8(normal).unwrap_or_default().into(),
    }
}

/// Returns the normal form of a path without query, and its first hazard: a missing slash first, then the hazards of
/// single bytes, then those of segments.
fn normalize(raw: &[u8]) -> (Cow<'_, [u8]>, Option<Hazard>) {
    let mut hazard = if raw.first() == Some(&b'/') { None } else { Some(Hazard::NoSlash) };
    let is_normal = raw.iter().all(|&b| matches!(class(b), Class::Ordinary | Class::Dot | Class::Slash));
    let normal = if is_normal {
        Cow::Borrowed(raw)
    } else {
        let mut normal = Vec::with_capacity(raw.len() + 8);
        for byte in PathBytes(raw) {
            hazard = hazard.or(byte.hazard());
            byte.append_normal(&mut normal);
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

/// Returns whether the first segment of a text is `.` or `..`, with or without parameters after a `;`.
fn is_dot_segment(text: &[u8]) -> bool {
    let name = text.split(|&b| matches!(b, b'/' | b';')).next().unwrap_or_default();
    matches!(name, b"." | b"..")
}

/// The meaning of a byte in a raw path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// A `pchar` of RFC 3986 other than the percent sign and the dot. It stands for itself.
    Ordinary,
    Dot,
    Slash,
    Percent,
    /// A question mark, which begins the query. In literal text of a document it is like `Encoded`.
    Query,
    /// Any other byte. A normal form has only its percent-encoding.
    Encoded,
}

/// The class of each byte. A look-up in this table is cheaper than a `match`, and every path that is not plain needs one
/// for each of its bytes.
#[allow(clippy::indexing_slicing, reason = "it is evaluated at compile time, where a wrong index is an error")]
static CLASSES: [Class; 256] = {
    let mut classes = [Class::Encoded; 256];
    let mut rest = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~!$&'()*+,;=:@".as_slice();
    while let [byte, tail @ ..] = rest {
        classes[*byte as usize] = Class::Ordinary;
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

/// One byte of a path, written as itself or percent-encoded.
#[derive(Clone, Copy)]
struct PathByte {
    byte: u8,
    /// True if it is percent-encoded in the raw path.
    encoded: bool,
    /// The number of bytes of the raw path that it takes: 1 or 3.
    raw_length: usize,
}

impl PathByte {
    fn hazard(self) -> Option<Hazard> {
        match (self.encoded, self.byte) {
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
        match self.encoded {
            true => !is_unreserved(self.byte),
            false => matches!(class(self.byte), Class::Encoded | Class::Query | Class::Percent),
        }
    }

    /// Appends the normal form of the byte.
    fn append_normal(self, normal: &mut Vec<u8>) {
        if self.is_encoded_in_normal_form() {
            let digit = |value: u8| value + if value < 10 { b'0' } else { b'A' - 10 };
            normal.extend([b'%', digit(self.byte >> 4), digit(self.byte & 15)]);
        } else {
            normal.push(self.byte);
        }
    }

    /// Returns the character that stands for the byte in [`characters`].
    fn character(self) -> char {
        let byte = char::from(self.byte);
        if self.is_encoded_in_normal_form() { char::from_u32(0x100 + u32::from(byte)).unwrap_or(byte) } else { byte }
    }

    fn normal_length(self) -> usize {
        if self.is_encoded_in_normal_form() { 3 } else { 1 }
    }
}

/// The bytes of a raw path in their order. A valid escape is one byte; a malformed one is a `%` and what follows it.
struct PathBytes<'a>(&'a [u8]);

impl Iterator for PathBytes<'_> {
    type Item = PathByte;

    fn next(&mut self) -> Option<PathByte> {
        let (&first, rest) = self.0.split_first()?;
        let byte = match (first, rest) {
            (b'%', [high, low, ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => PathByte { byte: high << 4 | low, encoded: true, raw_length: 3 },
                _ => PathByte { byte: first, encoded: false, raw_length: 1 },
            },
            _ => PathByte { byte: first, encoded: false, raw_length: 1 },
        };
        self.0 = self.0.get(byte.raw_length..).unwrap_or_default();
        Some(byte)
    }
}

/// Returns the value of a hex digit.
fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// Decodes the valid percent-escapes of a text. Malformed ones stay as they are.
pub(crate) fn percent_decode(text: &[u8]) -> impl Iterator<Item = u8> + '_ {
    PathBytes(text).map(|byte| byte.byte)
}

/// Returns the normal form of a segment as text with one character for each byte: a byte that stays percent-encoded is
/// the character U+0100 plus the byte. A search in such a text never finds a part of an escape.
pub(crate) fn characters(raw: &[u8]) -> String {
    PathBytes(raw).map(PathByte::character).collect()
}

/// Returns the normal form of a segment of which [`characters`] has made a text.
pub(crate) fn from_characters(text: &str) -> String {
    let normal = |c: char| match u32::from(c).checked_sub(0x100) {
        Some(byte) => format!("%{byte:02X}"),
        None => c.to_string(),
    };
    text.chars().map(normal).collect()
}

/// Splits a raw segment after the bytes that the first `count` of its [`characters`] stand for.
pub(crate) fn split_after(raw: &[u8], count: usize) -> (&[u8], &[u8]) {
    let length = PathBytes(raw).take(count).map(|byte| byte.raw_length).sum();
    raw.split_at_checked(length).unwrap_or((raw, b""))
}

/// Decodes a name or a value of a query: valid percent-escapes, and `+`, which means a space there. This is the form in
/// which browsers send forms (<https://url.spec.whatwg.org/#urlencoded-parsing>).
pub(crate) fn form_decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|b| matches!(b, b'%' | b'+')) {
        return text.into();
    }
    let decoded =
        PathBytes(text).map(|PathByte { byte, encoded, .. }| if byte == b'+' && !encoded { b' ' } else { byte });
    decoded.collect()
}

/// Removes a literal prefix and suffix from a raw segment. `prefix` and `suffix` are their lengths in normal form; in
/// the raw segment they may be written differently, and so be shorter or longer.
pub(crate) fn strip_affixes(raw: &[u8], prefix: usize, suffix: usize) -> &[u8] {
    if prefix == 0 && suffix == 0 {
        return raw;
    }
    let lengths = || PathBytes(raw).map(|byte| (byte.normal_length(), byte.raw_length));
    let normal_length: usize = lengths().map(|(normal, _)| normal).sum();
    let (mut normal_at, mut raw_at) = (0, 0);
    let (mut start, mut end) = (0, raw.len());
    for (normal_step, raw_step) in lengths() {
        if normal_at == prefix {
            start = raw_at;
        }
        if normal_at + suffix == normal_length {
            end = raw_at;
        }
        normal_at += normal_step;
        raw_at += raw_step;
    }
    raw.get(start..end).unwrap_or_default()
}

/// The `basePath` of a table: a literal prefix of whole segments, such as `/faas`. It is empty if the table has none.
#[derive(Debug, Default)]
pub(crate) struct BasePath {
    /// The text as the document has it.
    pub(crate) text: Box<str>,
    /// The normal form, which is also the value of `x-forwarded-prefix`.
    pub(crate) normal: Box<str>,
    /// The text with its escapes decoded.
    decoded: Box<[u8]>,
    /// True if every raw path that begins with the bytes of `decoded` begins with the base path. That holds if
    /// `decoded` has no `%`, which a raw path could use for an escape, and no `?`, which would begin its query.
    can_compare_raw: bool,
    /// The number of segments.
    segments: usize,
}

impl BasePath {
    /// `text` begins with a slash and has no hazard, or is empty.
    pub(crate) fn new(text: &str) -> Self {
        let normal = normal_literal(text);
        let decoded: Box<[u8]> = percent_decode(text.as_bytes()).collect();
        BasePath {
            text: text.into(),
            can_compare_raw: !decoded.iter().any(|byte| matches!(byte, b'%' | b'?')),
            decoded,
            segments: normal.bytes().filter(|&b| b == b'/').count(),
            normal: normal.into(),
        }
    }

    /// Returns whether the table has no `basePath`.
    pub(crate) fn is_empty(&self) -> bool {
        self.decoded.is_empty()
    }

    /// Returns whether a path, with or without its query, is in scope: whether it is the base path or below it, in
    /// whatever way it is percent-encoded.
    pub(crate) fn contains(&self, path: &[u8]) -> bool {
        if self.is_empty() {
            return true;
        }
        if self.can_compare_raw {
            match strip_prefix(path, &self.decoded).map(<[u8]>::first) {
                Some(None | Some(b'/' | b'?')) => return true,
                _ if !path.contains(&b'%') => return false,
                _ => {}
            }
        }
        let mut path = percent_decode(split_at_query(path).0);
        self.decoded.iter().all(|&byte| path.next() == Some(byte)) && matches!(path.next(), None | Some(b'/'))
    }

    /// Returns the part of a path below the base path. The path is in normal form. Returns `None` for a path that
    /// `contains` accepts only because it decodes slashes, such as `/faas%2Fa`.
    pub(crate) fn below<'p>(&self, normal: &'p [u8]) -> Option<&'p [u8]> {
        strip_prefix(normal, self.normal.as_bytes()).filter(|below| matches!(below.first(), None | Some(b'/')))
    }

    /// Returns the part of a raw path below the base path. `below` must have found one in its normal form.
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
    fn paths_in_normal_form_are_not_copied() {
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
    fn ambiguous_paths_have_a_hazard() {
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
    fn unambiguous_paths_have_no_hazard() {
        for raw in ["/", "/a/", "/a/.b", "/a/...", "/a;x/..b", "/%C3%A9", "/a%20b", "/a%01", "/%25", "/{x}|\"<>^`"] {
            assert_eq!(normalize(raw.as_bytes()).1, None, "{raw}");
        }
    }

    #[test]
    fn affixes_are_stripped_from_raw_segments() {
        assert_eq!(strip_affixes(b"v42.json", 1, 5), b"42");
        assert_eq!(strip_affixes(b"%7642%2Ejson", 1, 5), b"42");
        assert_eq!(strip_affixes(b"%c3%a9x", 6, 0), b"x");
        assert_eq!(strip_affixes(b"\xc3\xa9x", 6, 0), b"x");
    }

    #[test]
    fn paths_that_pass_the_quick_look_are_normal_and_have_no_hazard() {
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
            let (raw, query) = split_at_query(path.as_bytes());
            let (normal, hazard) = normalize(raw);
            let read = RequestPath::read(path.as_bytes());
            assert_eq!((read.raw, read.query), (raw, query), "{path}");
            assert_eq!((read.normal, read.hazard), (normal, hazard), "{path}");
        }
        assert!(paths.iter().filter(|path| plain_length(path.as_bytes()).is_some()).count() > 100);
    }

    #[test]
    fn base_path_ends_at_a_segment_boundary() {
        let base = BasePath::new("/faas/v1");
        for raw in ["/faas/v1", "/faas/v1/", "/faas/v1/a", "/f%61as/v1/a", "/faas%2Fv1", "/faas/v1%2fa", "%2Ffaas/v1"] {
            assert!(base.contains(raw.as_bytes()), "{raw}");
        }
        for raw in ["/faas", "/faas/v1x", "/faas/v1%3F", "/FAAS/v1", "/x/faas/v1", "//faas/v1", ""] {
            assert!(!base.contains(raw.as_bytes()), "{raw}");
        }
        assert!(base.contains(b"/faas/v1?/x") && !base.contains(b"/faas?/v1") && !base.contains(b"/faas/v1%2?/"));
        let escaped = BasePath::new("/a%2541%3F");
        assert!(escaped.contains(b"/a%2541%3f/x?") && !escaped.contains(b"/a%41?/x") && !escaped.contains(b"/aA%3F"));
        assert_eq!(base.below(b"/faas/v1/a"), Some(b"/a".as_slice()));
        assert_eq!(base.below(b"/faas%2Fv1/a"), None);
        assert_eq!(base.strip(b"/f%61as/v1/a/b"), b"/a/b");
        assert_eq!(base.strip(b"/faas/v1"), b"");
    }
}

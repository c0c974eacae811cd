//! The head of a request, as the filter sees it: bytes, of which nothing is assumed but that names are in lower case.

use crate::bytes::equal;
use crate::knative;

/// The headers of a request in their order, `:scheme` among them; names in lower case, as Envoy has them.
pub trait Headers {
    /// One after the other, as they are read anyway.
    fn each(&self) -> impl Iterator<Item = (&[u8], &[u8])>
    where
        Self: Sized;

    /// As a list. Few requests ask for more of their headers than what `Head::read` keeps of them.
    fn list(&self) -> &[(&[u8], &[u8])];
}

impl Headers for Vec<(&[u8], &[u8])> {
    fn each(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.iter().copied()
    }

    fn list(&self) -> &[(&[u8], &[u8])] {
        self
    }
}

#[derive(Clone, Copy)]
pub struct Head<'a> {
    pub method: Option<&'a [u8]>,
    pub authority: Option<&'a [u8]>,
    /// `:path`, query included.
    pub path: Option<&'a [u8]>,
    headers: &'a dyn Headers,
    /// The first one.
    content_type: Option<&'a [u8]>,
    /// It has `x-forwarded-host`.
    pub(crate) is_forwarded: bool,
    /// It has a header that Knative's parts may mean for each other.
    pub(crate) may_be_internal: bool,
}

impl<'a> Head<'a> {
    /// Goes once through all headers, for what every request is asked for. Pseudo headers come first (RFC 9113, section
    /// 8.3), but nothing depends on it.
    pub fn read(headers: &'a impl Headers) -> Self {
        let (mut method, mut authority, mut path, mut content_type) = (None, None, None, None);
        let (mut is_forwarded, mut may_be_internal) = (false, false);
        for (name, value) in headers.each() {
            match name.first() {
                Some(b':') if equal(name, b":method") => method = Some(value),
                Some(b':') if equal(name, b":authority") => authority = Some(value),
                Some(b':') if equal(name, b":path") => path = Some(value),
                Some(b'c') if equal(name, b"content-type") => _ = content_type.get_or_insert(value),
                Some(b'x') => is_forwarded |= equal(name, b"x-forwarded-host"),
                Some(b'k') => may_be_internal = true,
                Some(b'u') => may_be_internal |= knative::is_probe_agent(value),
                _ => {}
            }
        }
        Head { method, authority, path, headers, content_type, is_forwarded, may_be_internal }
    }

    /// All headers.
    pub(crate) fn headers(&self) -> &'a [(&'a [u8], &'a [u8])] {
        self.headers.list()
    }

    /// All values of a header, whose name is given in lower case.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers().iter().filter(move |(key, _)| equal(key, name.as_bytes())).map(|(_, value)| *value)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.values(name).next().is_some()
    }

    /// Whether a header has a value; the values of a repeated header count as one, joined by commas, as in
    /// Envoy's own matchers.
    pub(crate) fn equals(&self, name: &str, expected: &[u8]) -> bool {
        let mut values = self.values(name);
        let Some(first) = values.next() else { return false };
        let Some(second) = values.next() else { return first == expected };
        let mut joined = [first, second].join(&b',');
        for value in values {
            joined.push(b',');
            joined.extend_from_slice(value);
        }
        joined == expected
    }

    /// As Envoy decides it: `application/grpc`, alone or with `+` and a format.
    pub(crate) fn is_grpc(&self) -> bool {
        let Some(kind) = self.content_type else { return false };
        match kind.strip_prefix(b"application/grpc") {
            Some(rest) => matches!(rest.first(), None | Some(b'+')),
            None => false,
        }
    }
}

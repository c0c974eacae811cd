//! The head of a request, as the filter sees it: octets, nothing assumed.

#[derive(Debug, Clone, Copy, Default)]
pub struct Head<'a> {
    pub method: Option<&'a [u8]>,
    pub authority: Option<&'a [u8]>,
    /// `:path`, query included.
    pub path: Option<&'a [u8]>,
    /// All headers in their order, `:scheme` among them; names in lower case, as Envoy has them.
    pub headers: &'a [(&'a [u8], &'a [u8])],
}

impl<'a> Head<'a> {
    /// All values of a header, whose name is given in lower case.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| *value)
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
        let Some(kind) = self.values("content-type").next() else { return false };
        match kind.strip_prefix(b"application/grpc") {
            Some(rest) => matches!(rest.first(), None | Some(b'+')),
            None => false,
        }
    }
}

//! The head of a request, as the filter sees it.
//!
//! Names and values are bytes. Nothing is assumed about them, except that the names of headers are in lower case.

use crate::bytes::equal;
use crate::knative;

/// The headers of a request in their order, pseudo headers included.
///
/// The names are in lower case, as Envoy passes them. The host implements this trait on its own buffer, so that a
/// request whose headers are read only once needs no allocation for them. A `Vec` of pairs implements it too.
pub trait Headers {
    /// Visits each name and value once, in their order.
    fn each(&self) -> impl Iterator<Item = (&[u8], &[u8])>
    where
        Self: Sized;

    /// Returns the names and values as a list. Few requests need it: most headers that decisions depend on are kept by
    /// [`Head::read`].
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

/// The head of a request: method, authority, path and headers.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    /// The value of `:method`; `None` if the request has none.
    pub method: Option<&'a [u8]>,
    /// The value of `:authority`, with a port if there is one; `None` if the request has none.
    pub authority: Option<&'a [u8]>,
    /// The value of `:path`, with the query; `None` if the request has none.
    pub path: Option<&'a [u8]>,
    headers: &'a dyn Headers,
    /// The value of the first `content-type`.
    content_type: Option<&'a [u8]>,
    /// True if the request has a header `x-forwarded-host`.
    pub(crate) has_forwarded_host: bool,
    /// True if the request has a header `x-forwarded-prefix` or `forwarded`, with which a client could claim another
    /// public URL.
    pub(crate) has_forwarding_claim: bool,
    /// True if the request is Knative's own check that a host is served: it has exactly one `k-network-probe` header,
    /// and its value is `probe`. Knative's proxies answer such a request themselves. If there are several, Knative's
    /// proxies look at the first one, and the gateway may look at another one.
    pub(crate) is_network_probe: bool,
    /// True if the request may have a header that is internal to Knative, because the name of some header begins with
    /// `k`, or the `user-agent` of a probe.
    pub(crate) may_have_internal_headers: bool,
}

impl<'a> Head<'a> {
    /// Reads the head of a request: visits all headers once, and keeps what is needed for every request. If a pseudo
    /// header comes several times, the last one counts.
    ///
    /// Pseudo headers come first (RFC 9113, section 8.3), but nothing depends on that.
    ///
    /// ```
    /// use ksvc_routing::Head;
    ///
    /// let headers: Vec<(&[u8], &[u8])> =
    ///     vec![(b":method", b"GET"), (b":path", b"/orders?page=2"), (b"accept", b"*/*")];
    /// let head = Head::read(&headers);
    /// assert_eq!(head.path, Some(&b"/orders?page=2"[..]));
    /// assert_eq!(head.authority, None);
    /// ```
    pub fn read(headers: &'a impl Headers) -> Self {
        let (mut method, mut authority, mut path, mut content_type) = (None, None, None, None);
        let (mut has_forwarded_host, mut has_forwarding_claim, mut may_have_internal_headers) = (false, false, false);
        let mut probe = None;
        for (name, value) in headers.each() {
            match name.first() {
                Some(b':') if equal(name, b":method") => method = Some(value),
                Some(b':') if equal(name, b":authority") => authority = Some(value),
                Some(b':') if equal(name, b":path") => path = Some(value),
                Some(b'c') if equal(name, b"content-type") => _ = content_type.get_or_insert(value),
                Some(b'x') => {
                    has_forwarded_host |= equal(name, b"x-forwarded-host");
                    has_forwarding_claim |= equal(name, b"x-forwarded-prefix");
                }
                Some(b'f') => has_forwarding_claim |= equal(name, b"forwarded"),
                Some(b'k') => {
                    may_have_internal_headers = true;
                    if equal(name, b"k-network-probe") {
                        probe = Some(probe.is_none() && value == b"probe");
                    }
                }
                Some(b'u') => may_have_internal_headers |= knative::is_probe_agent(value),
                _ => {}
            }
        }
        Head {
            method,
            authority,
            path,
            headers,
            content_type,
            has_forwarded_host,
            has_forwarding_claim,
            is_network_probe: probe == Some(true),
            may_have_internal_headers,
        }
    }

    /// Returns all headers, pseudo headers included.
    pub(crate) fn headers(&self) -> &'a [(&'a [u8], &'a [u8])] {
        self.headers.list()
    }

    /// Returns all values of a header. `name` is in lower case.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers().iter().filter(move |(key, _)| equal(key, name.as_bytes())).map(|(_, value)| *value)
    }

    /// Returns whether the request is gRPC, by the rule that Envoy applies: its content type is `application/grpc`,
    /// alone or followed by `+` and a format.
    pub fn is_grpc(&self) -> bool {
        let Some(content_type) = self.content_type else { return false };
        match content_type.strip_prefix(b"application/grpc") {
            Some(rest) => matches!(rest.first(), None | Some(b'+')),
            None => false,
        }
    }
}

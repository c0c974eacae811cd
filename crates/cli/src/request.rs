//! A request as the user gives it, method, URL and headers, and as the filter sees it. Octets, never normalised.

use std::fmt;

use ksvc_routing::{Head, Headers};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: Vec<u8>,
    /// Of the URL, where it has one.
    pub scheme: Option<Vec<u8>>,
    pub authority: Option<Vec<u8>>,
    /// `:path`, query included.
    pub path: Option<Vec<u8>>,
    /// In order, names in lower case.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Why something can't be a request's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    NoColon,
    NoName,
    OfUrl,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoColon => "a header has a name and a value; write 'name: value'",
            Self::NoName => "the header has no name; write 'name: value'",
            Self::OfUrl => "the host and the pseudo headers are the URL's and the method's; write them there",
        })
    }
}

impl std::error::Error for HeaderError {}

impl Request {
    /// Takes a URL apart: an optional `scheme://`, the authority up to the next `/` or `?`, and the rest is
    /// `:path`, as it is. Without a rest it is `/`, which is what every client sends then.
    pub fn new(method: impl Into<Vec<u8>>, url: &[u8]) -> Self {
        let (scheme, after_scheme) = match url.windows(3).position(|three| three == b"://") {
            Some(at) if url[..at].iter().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b)) => {
                (Some(url[..at].to_ascii_lowercase()), &url[at + 3..])
            }
            _ => (None, url),
        };
        let end = after_scheme.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(after_scheme.len());
        let (authority, path) = after_scheme.split_at(end);
        let path = if path.is_empty() { b"/" } else { path };
        Self {
            method: method.into(),
            scheme,
            authority: (!authority.is_empty()).then(|| authority.to_owned()),
            path: Some(path.to_owned()),
            headers: Vec::new(),
        }
    }

    /// Adds a header from its line, `name: value`.
    pub fn add_header_line(&mut self, line: &[u8]) -> Result<(), HeaderError> {
        let colon = line.iter().position(|b| *b == b':').ok_or(HeaderError::NoColon)?;
        let (name, value) = line.split_at(colon);
        if name.trim_ascii().is_empty() {
            // `:path: /a` begins with its colon.
            return Err(if value[1..].contains(&b':') { HeaderError::OfUrl } else { HeaderError::NoName });
        }
        self.add_header(name, &value[1..])
    }

    pub fn add_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeaderError> {
        let name = name.trim_ascii().to_ascii_lowercase();
        match &name[..] {
            b"" => Err(HeaderError::NoName),
            b"host" | [b':', ..] => Err(HeaderError::OfUrl),
            _ => {
                self.headers.push((name, value.trim_ascii().to_owned()));
                Ok(())
            }
        }
    }

    /// The headers in the form that a head borrows, with the scheme that Envoy puts before them.
    pub fn header_refs(&self) -> Vec<(&[u8], &[u8])> {
        let scheme = self.scheme.iter().map(|scheme| (&b":scheme"[..], &scheme[..]));
        scheme.chain(self.headers.iter().map(|(name, value)| (&name[..], &value[..]))).collect()
    }

    /// The request as the filter sees it, with `header_refs`.
    pub fn head<'a>(&'a self, headers: &'a impl Headers) -> Head<'a> {
        let mut head = Head::read(headers);
        head.method = Some(&self.method);
        head.authority = self.authority.as_deref();
        head.path = self.path.as_deref();
        head
    }
}

#[cfg(test)]
mod tests {
    use super::{HeaderError, Request};

    fn parts(url: &str) -> (Option<String>, String) {
        let request = Request::new("GET", url.as_bytes());
        let text = |octets| String::from_utf8(octets).unwrap();
        (request.authority.map(text), request.path.map(text).unwrap())
    }

    #[test]
    fn url_is_taken_as_it_is() {
        for (url, authority, path) in [
            ("https://api.example.com/a/../b", "api.example.com", "/a/../b"),
            ("api.example.com:8443//a%2fb?c=d?e#f", "api.example.com:8443", "//a%2fb?c=d?e#f"),
            ("HTTP://API.example.com?x=://y", "API.example.com", "?x=://y"),
            ("api.example.com/http://other/", "api.example.com", "/http://other/"),
            ("https://api.example.com", "api.example.com", "/"),
        ] {
            assert_eq!(parts(url), (Some(authority.to_owned()), path.to_owned()), "{url}");
        }
        assert_eq!(parts("/a"), (None, "/a".to_owned()));
    }

    #[test]
    fn header_line_is_name_colon_value() {
        let mut request = Request::new("GET", b"a/");
        request.add_header_line(b"X-Time:  12:30 ").unwrap();
        assert_eq!(request.headers, [(b"x-time".to_vec(), b"12:30".to_vec())]);
        assert_eq!(request.add_header_line(b"x-time"), Err(HeaderError::NoColon));
        assert_eq!(request.add_header_line(b": x"), Err(HeaderError::NoName));
        assert_eq!(request.add_header_line(b"Host: x"), Err(HeaderError::OfUrl));
        assert_eq!(request.add_header_line(b":path: /x"), Err(HeaderError::OfUrl));
    }
}

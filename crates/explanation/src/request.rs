//! A request as the user writes it (method, URL, headers) and as the filter sees it. Its bytes are never normalised.

use std::fmt;

use ksvc_routing::{Head, Headers, is_token};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: Vec<u8>,
    /// The scheme and the authority of the URL, if it has them.
    pub scheme: Option<Vec<u8>>,
    pub authority: Option<Vec<u8>>,
    /// `:path`, including the query.
    pub path: Option<Vec<u8>>,
    /// The headers in order, with names in lower case.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Why a header can't be added to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    NoColon,
    NoName,
    /// A character that no name of a header has.
    Name,
    /// A line break in the value.
    LineBreak,
    /// A pseudo header, or `host`.
    FromUrl,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoColon => "a header has a name and a value; write 'name: value'",
            Self::NoName => "the header has no name; write 'name: value'",
            Self::Name => "the name has a character that no header's name has; write letters, digits and `-`",
            Self::LineBreak => "a value has no line breaks; write a header for each value",
            Self::FromUrl => "the host and the pseudo headers come from the URL and the method; write them there",
        })
    }
}

impl std::error::Error for HeaderError {}

/// Why a text is not the method of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodError(String);

impl fmt::Display for MethodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(method) = self;
        match &method[..] {
            "" => f.write_str("the method is empty; write a method such as `GET`"),
            method if method.contains('/') => {
                write!(f, "{method:?} is not a method; write the method first, such as `GET`, and then the URL")
            }
            method => write!(f, "{method:?} is not a method; write a method such as `GET`"),
        }
    }
}

impl std::error::Error for MethodError {}

impl Request {
    /// Splits a URL: an optional `scheme://`, the authority up to the next `/` or `?`, and the rest, which is `:path`
    /// without any change. If there is no rest, `:path` is `/`, which every client sends then.
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

    /// Does the same as [`Request::new`] with a method that a user has written. It is an error if a character of it can't be
    /// sent as a part of a method. The filter itself answers methods outside ASCII.
    pub fn checked(method: impl Into<Vec<u8>>, url: &[u8]) -> Result<Self, MethodError> {
        let method = method.into();
        let ascii: String = method.iter().filter(|byte| byte.is_ascii()).map(|byte| char::from(*byte)).collect();
        if method.is_empty() || !(ascii.is_empty() || is_token(&ascii)) {
            return Err(MethodError(String::from_utf8_lossy(&method).into_owned()));
        }
        Ok(Self::new(method, url))
    }

    /// Adds a header from a line `name: value`.
    pub fn add_header_line(&mut self, line: &[u8]) -> Result<(), HeaderError> {
        let colon = line.iter().position(|b| *b == b':').ok_or(HeaderError::NoColon)?;
        let (name, value) = line.split_at(colon);
        if name.trim_ascii().is_empty() {
            // A pseudo header such as `:path: /a` begins with a colon.
            return Err(if value[1..].contains(&b':') { HeaderError::FromUrl } else { HeaderError::NoName });
        }
        self.add_header(name, &value[1..])
    }

    pub fn add_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeaderError> {
        let name = name.trim_ascii().to_ascii_lowercase();
        match &name[..] {
            b"" => Err(HeaderError::NoName),
            b"host" | [b':', ..] => Err(HeaderError::FromUrl),
            name if !std::str::from_utf8(name).is_ok_and(is_token) => Err(HeaderError::Name),
            _ if value.trim_ascii().iter().any(|byte| matches!(byte, b'\r' | b'\n')) => Err(HeaderError::LineBreak),
            _ => {
                self.headers.push((name, value.trim_ascii().to_owned()));
                Ok(())
            }
        }
    }

    /// Returns the headers for `head`, with `:scheme` before them as in Envoy.
    pub fn header_refs(&self) -> Vec<(&[u8], &[u8])> {
        let scheme = self.scheme.iter().map(|scheme| (&b":scheme"[..], &scheme[..]));
        scheme.chain(self.headers.iter().map(|(name, value)| (&name[..], &value[..]))).collect()
    }

    /// Returns the request as the filter sees it. `headers` are those of `header_refs`.
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
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (request.authority.map(text), request.path.map(text).unwrap())
    }

    #[test]
    fn url_is_never_normalised() {
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
    fn header_line_is_split_at_the_colon() {
        let mut request = Request::new("GET", b"a/");
        request.add_header_line(b"X-Time:  12:30 ").unwrap();
        assert_eq!(request.headers, [(b"x-time".to_vec(), b"12:30".to_vec())]);
        assert_eq!(request.add_header_line(b"x-time"), Err(HeaderError::NoColon));
        assert_eq!(request.add_header_line(b": x"), Err(HeaderError::NoName));
        assert_eq!(request.add_header_line(b"Host: x"), Err(HeaderError::FromUrl));
        assert_eq!(request.add_header_line(b":path: /x"), Err(HeaderError::FromUrl));
        assert_eq!(request.add_header_line(b"x y: z"), Err(HeaderError::Name));
        assert_eq!(request.add_header_line(b"x-y: z\nx-z: y"), Err(HeaderError::LineBreak));
        assert_eq!(request.add_header_line(b"x-y: z\r\n"), Ok(()));
    }

    #[test]
    fn a_method_is_a_token() {
        for method in ["GET", "get", "M-SEARCH", "X_Y.z~", "GÉT"] {
            assert_eq!(Request::checked(method, b"a/"), Ok(Request::new(method, b"a/")), "{method}");
        }
        for (method, words) in [
            ("", "the method is empty"),
            ("GE T", "write a method such as `GET`"),
            ("https://a.example.com/", "write the method first"),
            ("GÉ T", "write a method such as `GET`"),
        ] {
            let error = Request::checked(method, b"a/").unwrap_err().to_string();
            assert!(error.contains(words), "{method}: {error}");
        }
    }
}

//! An HTTP/1.1 client that sends the exact bytes of a request, over plain TCP or TLS.
//!
//! It is written by hand because client libraries refuse or repair precisely the requests that a gateway has to be
//! tested with. Responses are parsed by `httparse`.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// A response that takes longer is an error, so that nothing waits for ever. The machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The address that requests are sent to.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub address: SocketAddr,
    /// The TLS settings, or `None` for plain TCP. The server name that TLS asks for is the host of the request.
    pub tls: Option<Arc<ClientConfig>>,
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }
}

impl From<&Endpoint> for Endpoint {
    fn from(endpoint: &Endpoint) -> Self {
        endpoint.clone()
    }
}

/// Returns a text as a value in the query of a path.
pub fn query_value(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A request, in the bytes that are sent. [`Request::send`] adds `content-length` and `connection: close`.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Vec<u8>,
    pub path: Vec<u8>,
    pub authority: Vec<u8>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(method: impl AsRef<[u8]>, authority: impl AsRef<[u8]>, path: impl AsRef<[u8]>) -> Self {
        Self {
            method: method.as_ref().to_vec(),
            path: path.as_ref().to_vec(),
            authority: authority.as_ref().to_vec(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn get(authority: impl AsRef<[u8]>, path: impl AsRef<[u8]>) -> Self {
        Self::new("GET", authority, path)
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Sends the request over a new connection and reads the whole response.
    pub fn send(&self, to: impl Into<Endpoint>) -> Result<Response> {
        self.send_within(PATIENCE, to)
    }

    /// Sends the request like [`Request::send`], but each step may take as long as `patience`.
    pub fn send_within(&self, patience: Duration, to: impl Into<Endpoint>) -> Result<Response> {
        let Endpoint { address, tls } = to.into();
        let bytes = self.bytes("connection: close\r\n");
        let head_only = self.method == b"HEAD";
        let connection = connect(address, patience)?;
        let Some(tls) = tls else { return exchange_over(connection, address, &bytes, head_only) };
        let host = String::from_utf8_lossy(&self.authority);
        let host = host.split(':').next().unwrap_or_default().to_owned();
        let client = ClientConnection::new(tls, ServerName::try_from(host)?)?;
        exchange_over(StreamOwned::new(client, connection), address, &bytes, head_only)
    }

    /// Returns the bytes that are sent, with these lines after the other headers.
    fn bytes(&self, last_headers: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend([&self.method[..], b" ", &self.path, b" HTTP/1.1\r\nhost: ", &self.authority, b"\r\n"].concat());
        for (name, value) in &self.headers {
            bytes.extend(format!("{name}: {value}\r\n").bytes());
        }
        if !self.body.is_empty() {
            bytes.extend(format!("content-length: {}\r\n", self.body.len()).bytes());
        }
        bytes.extend(format!("{last_headers}\r\n").bytes());
        bytes.extend(&self.body);
        bytes
    }
}

/// A connection that stays open for several requests, one after another.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    to: SocketAddr,
}

impl Connection {
    pub fn open(to: SocketAddr) -> Result<Self> {
        Self::open_within(PATIENCE, to)
    }

    /// Opens a connection like [`Connection::open`], but each step may take as long as `patience`.
    pub fn open_within(patience: Duration, to: SocketAddr) -> Result<Self> {
        Ok(Self { stream: connect(to, patience)?, to })
    }

    /// Sends a request and reads the whole response. After a response with `connection: close` nothing more can be
    /// sent.
    pub fn send(&mut self, request: &Request) -> Result<Response> {
        exchange_over(&self.stream, self.to, &request.bytes(""), request.method == b"HEAD")
    }
}

/// Sends raw bytes and reads one response. With `head_only`, the response has no body, as that of a HEAD request.
pub fn exchange(to: SocketAddr, bytes: &[u8], head_only: bool) -> Result<Response> {
    exchange_over(connect(to, PATIENCE)?, to, bytes, head_only)
}

fn connect(to: SocketAddr, patience: Duration) -> Result<TcpStream> {
    let connection =
        TcpStream::connect_timeout(&to, patience).with_context(|| format!("no program listens at {to}"))?;
    connection.set_read_timeout(Some(patience))?;
    connection.set_write_timeout(Some(patience))?;
    connection.set_nodelay(true)?;
    Ok(connection)
}

fn exchange_over(mut connection: impl Read + Write, to: SocketAddr, bytes: &[u8], head_only: bool) -> Result<Response> {
    connection.write_all(bytes)?;
    // Reading stops at the end of the response, not of the connection: Envoy keeps the connection open for a second
    // after its own responses.
    let mut received = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        let read = match connection.read(&mut chunk) {
            // A signal has come. Whoever handles it decides whether this process stops.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.with_context(|| format!("no complete response from {to}"))?,
        };
        received.extend(chunk.iter().take(read));
        if let Some(response) = Response::parse(&received, head_only, read == 0)? {
            return Ok(response);
        }
        ensure!(read > 0, "the response broke off after {:?}", String::from_utf8_lossy(&received));
    }
}

/// A response. Header names are in lower case.
#[derive(Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Response {
    /// Shows the body as text, so that the message of a failed test can be read.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Response");
        shown.field("status", &self.status).field("headers", &self.headers).field("body", &self.text()).finish()
    }
}

impl Response {
    /// Parses a response, or returns `None` if it is not complete yet.
    fn parse(bytes: &[u8], head_only: bool, ended: bool) -> Result<Option<Self>> {
        let mut fields = [httparse::EMPTY_HEADER; 100];
        let mut head = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(length) = head.parse(bytes).context("not an HTTP/1.1 response")? else {
            return Ok(None);
        };
        let headers = head
            .headers
            .iter()
            .map(|field| (field.name.to_ascii_lowercase(), String::from_utf8_lossy(field.value).into_owned()))
            .collect();
        let mut response = Self { status: head.code.unwrap_or_default(), headers, body: Vec::new() };
        let rest = bytes.get(length..).unwrap_or_default();
        let body = if head_only {
            Some(Vec::new())
        } else if response.header("transfer-encoding") == Some("chunked") {
            dechunk(rest)?
        } else if let Some(length) = response.header("content-length") {
            rest.get(..length.parse().context("content-length")?).map(<[u8]>::to_vec)
        } else {
            ended.then(|| rest.to_vec())
        };
        Ok(body.map(|body| {
            response.body = body;
            response
        }))
    }

    /// Returns the value of the first header with this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Decodes a chunked body, or returns `None` if it is not complete yet.
fn dechunk(mut bytes: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let Ok(size) = httparse::parse_chunk_size(bytes) else { bail!("not a chunked body") };
        let httparse::Status::Complete((start, size)) = size else { return Ok(None) };
        let end = start + usize::try_from(size)?;
        let Some(rest) = bytes.get(end + 2..) else { return Ok(None) };
        body.extend(bytes.get(start..end).unwrap_or_default());
        if size == 0 {
            return Ok(Some(body));
        }
        bytes = rest;
    }
}

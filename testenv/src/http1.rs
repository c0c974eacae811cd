//! An HTTP/1.1 client that sends what it is told, octet by octet. Clients with a URL type refuse or repair
//! just those requests that are worth sending to a gateway.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// No answer in this time is an error: a test must not hang.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where requests are sent.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub address: SocketAddr,
    /// How TLS is spoken, where it is. The name asked for is the request's own host.
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

/// A request, as it goes over the wire. `content-length` and `connection: close` are added.
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

    /// Sends it over a connection of its own and reads the whole answer.
    pub fn send(&self, to: impl Into<Endpoint>) -> Result<Response> {
        let Endpoint { address, tls } = to.into();
        let head = self.octets("connection: close\r\n");
        let head_only = self.method == b"HEAD";
        let Some(tls) = tls else { return exchange(address, &head, head_only) };
        let host = String::from_utf8_lossy(&self.authority);
        let host = host.split(':').next().unwrap_or_default().to_owned();
        let client = ClientConnection::new(tls, ServerName::try_from(host)?)?;
        exchange_over(StreamOwned::new(client, connect(address)?), address, &head, head_only)
    }

    /// As it goes over the wire, with these lines behind the other headers.
    fn octets(&self, more: &str) -> Vec<u8> {
        let mut octets = Vec::new();
        octets.extend([&self.method[..], b" ", &self.path, b" HTTP/1.1\r\nhost: ", &self.authority, b"\r\n"].concat());
        for (name, value) in &self.headers {
            octets.extend(format!("{name}: {value}\r\n").bytes());
        }
        if !self.body.is_empty() {
            octets.extend(format!("content-length: {}\r\n", self.body.len()).bytes());
        }
        octets.extend(format!("{more}\r\n").bytes());
        octets.extend(&self.body);
        octets
    }
}

/// A connection that is kept for one request after another.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    to: SocketAddr,
}

impl Connection {
    pub fn open(to: SocketAddr) -> Result<Self> {
        Ok(Self { stream: connect(to)?, to })
    }

    /// Sends a request and reads the whole answer. Where that has `connection: close`, it is the last.
    pub fn send(&mut self, request: &Request) -> Result<Response> {
        exchange_over(&self.stream, self.to, &request.octets(""), request.method == b"HEAD")
    }
}

/// Sends raw octets and reads one answer.
pub fn exchange(to: SocketAddr, octets: &[u8], head_only: bool) -> Result<Response> {
    exchange_over(connect(to)?, to, octets, head_only)
}

fn connect(to: SocketAddr) -> Result<TcpStream> {
    let connection = TcpStream::connect_timeout(&to, PATIENCE).with_context(|| format!("nobody listens at {to}"))?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    connection.set_nodelay(true)?;
    Ok(connection)
}

fn exchange_over(
    mut connection: impl Read + Write,
    to: SocketAddr,
    octets: &[u8],
    head_only: bool,
) -> Result<Response> {
    connection.write_all(octets)?;
    // Not up to the end of the connection: Envoy keeps it open for a second after answers of its own.
    let mut answer = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        let read = connection.read(&mut piece).with_context(|| format!("no whole answer from {to}"))?;
        answer.extend(piece.iter().take(read));
        if let Some(response) = Response::parse(&answer, head_only, read == 0)? {
            return Ok(response);
        }
        ensure!(read > 0, "half an answer: {:?}", String::from_utf8_lossy(&answer));
    }
}

/// An answer. Header names are lower case.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// `None` where more has to come.
    fn parse(octets: &[u8], head_only: bool, ended: bool) -> Result<Option<Self>> {
        let mut fields = [httparse::EMPTY_HEADER; 100];
        let mut head = httparse::Response::new(&mut fields);
        let httparse::Status::Complete(length) = head.parse(octets).context("not an HTTP/1.1 answer")? else {
            return Ok(None);
        };
        let headers = head
            .headers
            .iter()
            .map(|field| (field.name.to_ascii_lowercase(), String::from_utf8_lossy(field.value).into_owned()))
            .collect();
        let mut response = Self { status: head.code.unwrap_or_default(), headers, body: Vec::new() };
        let rest = octets.get(length..).unwrap_or_default();
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

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn dechunk(mut octets: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let Ok(size) = httparse::parse_chunk_size(octets) else { bail!("not a chunked body") };
        let httparse::Status::Complete((start, size)) = size else { return Ok(None) };
        let end = start + usize::try_from(size)?;
        let Some(rest) = octets.get(end + 2..) else { return Ok(None) };
        body.extend(octets.get(start..end).unwrap_or_default());
        if size == 0 {
            return Ok(Some(body));
        }
        octets = rest;
    }
}

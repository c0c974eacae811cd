//! The stand-in for every KSVC: an HTTP server on loopback that answers each request with a report of it, as JSON.
//!
//! It speaks HTTP/1.1 and HTTP/2 without TLS. These request headers change the response:
//! - `x-stand-in-response-headers: [["NAME", "VALUE"], …]`: the report comes with these response headers;
//! - `upgrade: websocket`: the first message is the report, and then every message is sent back;
//! - `content-type: application/grpc`: every message is sent back unchanged, with the trailer `grpc-status: 0` and the
//!   request's authority and path in `x-arrived-authority` and `x-arrived-path`;
//! - `x-stand-in: stream`: the body is sent back as it arrives, chunk by chunk;
//! - `x-stand-in: count`: the body is counted and dropped, so that it may have any size; the report has its length;
//! - `x-stand-in: bytes=N`: a body of N bytes;
//! - `x-stand-in: status=N`: the report with this status;
//! - `x-stand-in: delay=N`: the report after N milliseconds.
//!
//! Under real Knative, it is the function of every KSVC, in a process of its own.
//!
//! It is written by hand, on hyper, because no echo server reports exactly the headers that arrived and also covers
//! WebSocket, gRPC, streaming and bodies of any size in one process.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, UPGRADE,
};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

pub type Body = BoxBody<Bytes, hyper::Error>;

/// The request header that lists the headers of the response.
pub const RESPONSE_HEADERS: &str = "x-stand-in-response-headers";

/// The request as it arrived, with bytes that are not UTF-8 replaced by U+FFFD.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Report {
    pub authority: String,
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Report {
    pub fn of<B>(request: &Request<B>) -> Self {
        let host = request.headers().get(hyper::header::HOST);
        let authority = match request.uri().authority() {
            Some(authority) => authority.as_str().to_owned(),
            None => host.map(text).unwrap_or_default(),
        };
        let path = request.uri().path_and_query().map_or("", |path| path.as_str());
        let headers = request.headers().iter().filter(|(name, _)| *name != hyper::header::HOST);
        Self {
            authority,
            method: request.method().to_string(),
            path: path.to_owned(),
            headers: headers.map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: String::new(),
        }
    }

    /// Returns the value of the first header with this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// The running server, which ends when this is dropped.
pub struct StandIn {
    address: SocketAddr,
    requests: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl StandIn {
    /// Starts the server on a free port of loopback.
    pub fn start() -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let requests = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&requests);
        let count = move |request| {
            counted.fetch_add(1, Ordering::Relaxed);
            respond(request)
        };
        let thread = thread::Builder::new().name("stand-in".to_owned()).spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else {
                    return;
                };
                tokio::select! {
                    () = serve(listener, count) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, requests, stop: Some(stop), thread: Some(thread) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns how many requests have arrived so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves the connections of this listener. Each request is answered by this function.
pub async fn serve<F, R>(listener: TcpListener, respond: F)
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    loop {
        let Ok((connection, _)) = listener.accept().await else {
            continue;
        };
        let _ = connection.set_nodelay(true);
        let respond = respond.clone();
        tokio::spawn(async move {
            let mut server = auto::Builder::new(TokioExecutor::new());
            // As much as Envoy lets through; the default is 16 KiB.
            server.http2().max_header_list_size(1 << 20);
            let service = service_fn(|request| {
                let response = respond(request);
                async { Ok::<_, Infallible>(response.await) }
            });
            // The error of a broken connection is of no interest here: the client sees it.
            let _ = server.serve_connection_with_upgrades(TokioIo::new(connection), service).await;
        });
    }
}

/// Answers a request as its headers ask for.
pub async fn respond(request: Request<Incoming>) -> Response<Body> {
    let report = Report::of(&request);
    let is = |name: &str, prefix: &str| report.header(name).is_some_and(|value| value.starts_with(prefix));
    if let Some(milliseconds) = number_after(&report, "delay=") {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    if is("upgrade", "websocket") {
        web_socket(request, report)
    } else if is("content-type", "application/grpc") {
        grpc(request, &report)
    } else if is("x-stand-in", "stream") {
        Response::new(request.into_body().boxed())
    } else if is("x-stand-in", "count") {
        count(request, report).await
    } else if let Some(length) = number_after(&report, "bytes=") {
        body_of_length(length)
    } else if let Some(status) = number_after(&report, "status=") {
        with_status(report, status)
    } else {
        match request.into_body().collect().await {
            Ok(body) => {
                let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
                let headers = report.header(RESPONSE_HEADERS).unwrap_or("[]");
                let Ok(headers) = serde_json::from_str::<Vec<(String, String)>>(headers) else {
                    return bad_request(&format!("{RESPONSE_HEADERS} is not a list of names and values"));
                };
                let mut response = Response::new(full(Report { body, ..report }.json()));
                for (name, value) in headers {
                    let header = HeaderName::try_from(name).ok().zip(HeaderValue::try_from(value).ok());
                    response.headers_mut().extend(header.map(|(name, value)| (Some(name), value)));
                }
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response.headers_mut().insert("x-stand-in", HeaderValue::from_static("local-gateway"));
                response
            }
            Err(error) => bad_request(&format!("the body broke off: {error}")),
        }
    }
}

fn web_socket(mut request: Request<Incoming>, report: Report) -> Response<Body> {
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY) else {
        return bad_request("a WebSocket handshake without sec-websocket-key");
    };
    let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) else {
        return bad_request("the sec-websocket-key is not text");
    };
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(&mut request).await else {
            return;
        };
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        let mut next = Some(Message::text(report.json()));
        while let Some(message) = next {
            if socket.send(message).await.is_err() {
                return;
            }
            next = match socket.next().await {
                Some(Ok(message)) if message.is_text() || message.is_binary() => Some(message),
                _ => None,
            };
        }
        let _ = socket.close(None).await;
    });
    let mut response = Response::new(full(String::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// Sends the body back as it arrives. Each message stays in its frame, so this serves unary and streaming calls alike.
fn grpc(request: Request<Incoming>, report: &Report) -> Response<Body> {
    let mut status = HeaderMap::new();
    status.insert("grpc-status", HeaderValue::from_static("0"));
    let messages = request.into_body().with_trailers(async { Some(Ok(status)) });
    let mut response = Response::new(messages.boxed());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    for (name, value) in [("x-arrived-authority", &report.authority), ("x-arrived-path", &report.path)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    response
}

fn bad_request(reason: &str) -> Response<Body> {
    let mut response = Response::new(full(format!("{reason}\n")));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

fn full(text: String) -> Body {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed()
}

/// Returns the number after this prefix in the header `x-stand-in`.
pub fn number_after<N: FromStr>(report: &Report, prefix: &str) -> Option<N> {
    report.header("x-stand-in")?.strip_prefix(prefix)?.parse().ok()
}

async fn count(request: Request<Incoming>, report: Report) -> Response<Body> {
    let mut body = request.into_body();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => length += frame.data_ref().map_or(0, Bytes::len),
            Err(error) => return bad_request(&format!("the body broke off after {length} bytes: {error}")),
        }
    }
    Response::new(full(Report { body: length.to_string(), ..report }.json()))
}

fn body_of_length(length: usize) -> Response<Body> {
    const CHUNK: &[u8] = &[b'x'; 256 * 1024];
    let chunks = stream::unfold(length, |left| async move {
        let chunk = CHUNK.get(..left).unwrap_or(CHUNK);
        (left > 0).then(|| (Ok(Frame::data(Bytes::from_static(chunk))), left - chunk.len()))
    });
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(chunks)));
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

fn with_status(report: Report, status: u16) -> Response<Body> {
    let Ok(status) = StatusCode::from_u16(status) else { return bad_request("not an HTTP status") };
    let mut response = Response::new(full(report.json()));
    *response.status_mut() = status;
    response
}

//! A small HTTP server on loopback, used for the origin of the pages and for the function behind the gateway.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    pub(crate) method: String,
    /// The path with the query.
    pub(crate) path: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Arrived {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn query(&self) -> &str {
        self.path.split_once('?').map_or("", |(_, query)| query)
    }
}

/// The headers and the body of a response with status 200.
pub(crate) type Response200 = (Vec<(String, String)>, String);

/// The running server, which ends when this is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts the server on a free port. If `answer` returns `None`, the connection is closed.
    pub(crate) fn start(answer: impl Fn(Arrived) -> Option<Response200> + Send + Sync + 'static) -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let answer = Arc::new(answer);
        let thread = thread::Builder::new().name("server".to_owned()).spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    () = serve(listener, answer) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: TcpListener, answer: Arc<impl Fn(Arrived) -> Option<Response200> + Send + Sync + 'static>) {
    loop {
        let Ok((connection, _)) = listener.accept().await else { continue };
        let answer = Arc::clone(&answer);
        tokio::spawn(async move {
            let service = service_fn(move |request| respond(request, Arc::clone(&answer)));
            // The error of a broken connection is of no interest here: the client sees it.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
        });
    }
}

async fn respond(
    request: Request<Incoming>,
    answer: Arc<impl Fn(Arrived) -> Option<Response200>>,
) -> io::Result<Response<Full<Bytes>>> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let arrived = Arrived {
        method: head.method.to_string(),
        path: head.uri.to_string(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let (headers, body) = answer(arrived).ok_or(io::ErrorKind::ConnectionAborted)?;
    let mut response = Response::new(Full::new(Bytes::from(body)));
    for (name, value) in headers {
        let name = HeaderName::try_from(name).map_err(io::Error::other)?;
        response.headers_mut().append(name, HeaderValue::try_from(value).map_err(io::Error::other)?);
    }
    Ok(response)
}

/// A function that answers with the headers in the query (`?x-total=7&vary=Accept`) and closes the connection if the
/// query is `break`. It records the requests that reach it.
pub(crate) struct Function {
    server: Server,
    arrived: Arc<Mutex<Vec<Arrived>>>,
}

impl Function {
    pub(crate) fn start() -> Result<Self> {
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&arrived);
        let server = Server::start(move |request| {
            let asked = request.query().split('&').filter_map(|header| header.split_once('='));
            let headers = asked.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let answer = (request.query() != "break").then_some((headers, "from the function".to_owned()));
            recorded.lock().unwrap_or_else(PoisonError::into_inner).push(request);
            answer
        })?;
        Ok(Self { server, arrived })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Returns the requests that have reached it since the last call.
    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        std::mem::take(&mut *self.arrived.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

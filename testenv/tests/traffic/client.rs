//! A client with one connection, over HTTP/1.1 or HTTP/2.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::http::request::Builder;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::PATIENCE;
use crate::ksvc::Body;

/// The versions of HTTP that most rules are checked with.
pub(crate) const VERSIONS: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

/// A client whose connection breaks when it is dropped, even during a request.
pub(crate) struct Client {
    sender: Sender,
    _connection: JoinSet<()>,
}

enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

impl Client {
    pub(crate) async fn connect(version: Version, to: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let stream = TokioIo::new(stream);
        let mut task = JoinSet::new();
        let sender = if version == Version::HTTP_2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
            task.spawn(async { drop(connection.await) });
            Sender::Http2(sender)
        } else {
            let (sender, connection) = http1::handshake(stream).await?;
            task.spawn(async { drop(connection.await) });
            Sender::Http1(sender)
        };
        Ok(Self { sender, _connection: task })
    }

    /// Returns a request to the public host, in the form of this version of HTTP.
    pub(crate) fn request(&self, method: &str, path: &str) -> Builder {
        match self.sender {
            Sender::Http1(_) => Request::builder().method(method).uri(path).header("host", "api.example.com"),
            Sender::Http2(_) => Request::builder().method(method).uri(format!("http://api.example.com{path}")),
        }
    }

    /// Sends a request and returns the response as soon as its head has arrived. Its body may follow later.
    pub(crate) async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>> {
        let response = async {
            match &mut self.sender {
                Sender::Http1(sender) => sender.send_request(request).await,
                Sender::Http2(sender) => sender.send_request(request).await,
            }
        };
        Ok(timeout(PATIENCE, response).await.context("no response arrived")??)
    }
}

//! A KSVC whose responses the test itself gives, whenever it wants. It speaks HTTP/1.1 and HTTP/2; Envoy uses the
//! version that the client uses.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::PATIENCE;

pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// Returns a body that is sent chunk by chunk, and its sender. Dropping the sender ends the body.
pub(crate) fn chunked() -> (Sender<Bytes, io::Error>, Body) {
    let (sender, body) = Channel::new(1);
    (sender, body.boxed())
}

/// Returns a body that is sent at once.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed()
}

/// The running server, which ends when this is dropped.
pub(crate) struct Ksvc {
    pub(crate) address: SocketAddr,
    calls: mpsc::UnboundedReceiver<Call>,
    _server: JoinSet<()>,
}

/// A request that has arrived and not been answered yet. If it is dropped without a response, its connection breaks.
pub(crate) struct Call {
    pub(crate) request: Request<Incoming>,
    response: oneshot::Sender<Response<Body>>,
}

impl Ksvc {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free port on loopback")?;
        let address = listener.local_addr()?;
        let (sender, calls) = mpsc::unbounded_channel();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                let sender = sender.clone();
                connections.spawn(async move {
                    let calls = service_fn(move |request| {
                        let (response, answered) = oneshot::channel();
                        let _ = sender.send(Call { request, response });
                        answered
                    });
                    // Some tests break the connection on purpose.
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(connection), calls)
                        .await;
                });
            }
        });
        Ok(Self { address, calls, _server: server })
    }

    /// Waits for the next request.
    pub(crate) async fn call(&mut self) -> Result<Call> {
        timeout(PATIENCE, self.calls.recv()).await.context("no request arrived")?.context("the KSVC has ended")
    }

    /// Answers the next request with this response. Returns what the client got, and the request.
    pub(crate) async fn answer<T>(
        &mut self,
        client: impl Future<Output = Result<T>>,
        response: Response<Body>,
    ) -> Result<(T, Request<Incoming>)> {
        let served = async { self.call().await?.answer(response) };
        timeout(PATIENCE, async { tokio::try_join!(client, served) }).await.context("no response arrived")?
    }

    /// Returns whether requests have arrived that the test has not fetched.
    pub(crate) fn has_more(&mut self) -> bool {
        !self.calls.is_empty()
    }
}

impl Call {
    /// Sends the response. Returns the request, whose body may still be arriving.
    pub(crate) fn answer(self, response: Response<Body>) -> Result<Request<Incoming>> {
        self.response.send(response).ok().context("the client has disconnected")?;
        Ok(self.request)
    }
}

//! A KSVC whose answers the test gives itself, as and when it likes. It speaks HTTP/1.1 and HTTP/2, which Envoy
//! chooses as the client has chosen.

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

/// A body that is sent piece by piece. Dropping the sender ends it.
pub(crate) fn piecewise() -> (Sender<Bytes, io::Error>, Body) {
    let (sender, body) = Channel::new(1);
    (sender, body.boxed())
}

pub(crate) fn whole(octets: impl Into<Bytes>) -> Body {
    Full::new(octets.into()).map_err(|never: Infallible| match never {}).boxed()
}

/// The running server; ends when dropped.
pub(crate) struct Ksvc {
    pub(crate) address: SocketAddr,
    calls: mpsc::UnboundedReceiver<Call>,
    _server: JoinSet<()>,
}

/// A request that arrived and has no answer yet. Dropped without one, its connection breaks.
pub(crate) struct Call {
    pub(crate) request: Request<Incoming>,
    answer: oneshot::Sender<Response<Body>>,
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
                        let (answer, answered) = oneshot::channel();
                        let _ = sender.send(Call { request, answer });
                        answered
                    });
                    // A connection that breaks is what some tests are about.
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(connection), calls)
                        .await;
                });
            }
        });
        Ok(Self { address, calls, _server: server })
    }

    /// The next request.
    pub(crate) async fn call(&mut self) -> Result<Call> {
        timeout(PATIENCE, self.calls.recv()).await.context("no request arrived")?.context("the KSVC has ended")
    }

    /// The next request, answered with this, and what the client got.
    pub(crate) async fn answer<T>(
        &mut self,
        client: impl Future<Output = Result<T>>,
        response: Response<Body>,
    ) -> Result<(T, Request<Incoming>)> {
        let served = async { self.call().await?.answer(response) };
        timeout(PATIENCE, async { tokio::try_join!(client, served) }).await.context("no answer arrived")?
    }

    /// Whether requests have arrived that nobody has looked at.
    pub(crate) fn has_more(&mut self) -> bool {
        !self.calls.is_empty()
    }
}

impl Call {
    /// Sends the answer, and gives the request for what is to come of its body.
    pub(crate) fn answer(self, response: Response<Body>) -> Result<Request<Incoming>> {
        self.answer.send(response).ok().context("the client has gone away")?;
        Ok(self.request)
    }
}

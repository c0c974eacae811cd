//! A steady load over HTTP/1.1 and HTTP/2. Every response is compared with the tables that were live during the
//! request, which existing load generators can't do.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::generations::Generations;
use crate::table;

/// The response header with the authority to which a request was routed.
pub(crate) const AUTHORITY: &str = "x-authority";

/// A request that takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(20);

/// The expected outcome of a request. A request outside the scope of the filter finds no virtual host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Routed,
    NotFound,
    MethodNotAllowed,
    UnsafePath,
    OutOfScope,
}

/// The counters of the outcomes, in the same order. There is none for requests that are out of scope.
pub(crate) const COUNTERS: [&str; 4] = ["routed", "not_found", "method_not_allowed", "unsafe_path"];
const STATUSES: [u16; 5] = [200, 404, 405, 400, 404];

/// The number of requests with each outcome.
pub(crate) type Outcomes = [u64; STATUSES.len()];

/// How many connections there are and how fast they send.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// The number of HTTP/1.1 connections, each with one request at a time. It is large enough that each worker has
    /// some.
    pub(crate) http1: usize,
    /// The number of HTTP/2 connections.
    pub(crate) http2: usize,
    /// The number of simultaneous requests on each HTTP/2 connection.
    pub(crate) streams: usize,
    /// The time between a response and the next request.
    pub(crate) pause: Duration,
}

/// A load that continues until it is stopped or dropped.
pub(crate) struct Load {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

struct Shared {
    live: Arc<Generations>,
    routes: usize,
    shape: Shape,
    stop: AtomicBool,
    number: AtomicU64,
    answered: [AtomicU64; STATUSES.len()],
    /// The longest time from a request to its response, in microseconds.
    longest: AtomicU64,
}

impl Load {
    /// Starts a load on a gateway that has a table of this many routes.
    pub(crate) fn start(to: SocketAddr, shape: Shape, routes: usize, live: &Arc<Generations>) -> Result<Self> {
        let shared = Arc::new(Shared {
            live: Arc::clone(live),
            routes,
            shape,
            stop: AtomicBool::default(),
            number: AtomicU64::default(),
            answered: Default::default(),
            longest: AtomicU64::default(),
        });
        // One thread for the whole load, because Envoy's workers need the other core.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || runtime.block_on(run(to, for_thread)));
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Returns the longest latency since the last call of this function.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_micros(self.shared.longest.swap(0, Ordering::Relaxed))
    }

    /// Returns how many requests have been answered as expected, for each outcome.
    pub(crate) fn answered(&self) -> Outcomes {
        self.shared.answered.each_ref().map(|count| count.load(Ordering::Relaxed))
    }

    /// Returns an error if a response was not as expected. The load has then ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.thread.take_if(|thread| thread.is_finished()) {
            Some(thread) => {
                thread.join().expect("the load panicked").and_then(|()| anyhow::bail!("the load has ended"))
            }
            None => Ok(()),
        }
    }

    /// Stops the load and waits for the requests in flight. Returns the number of requests with each outcome.
    pub(crate) fn stop(mut self) -> Result<Outcomes> {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the load panicked")?;
        }
        Ok(self.answered())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

async fn run(to: SocketAddr, shared: Arc<Shared>) -> Result<()> {
    let mut tasks = JoinSet::new();
    let mut connections = JoinSet::new();
    for _ in 0..shared.shape.http1 {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        connections.spawn(async { drop(connection.await) });
        let shared = Arc::clone(&shared);
        tasks.spawn(async move {
            let newest = AtomicU64::default();
            while !shared.stop.load(Ordering::Relaxed) {
                sender.ready().await.context("the gateway has closed a connection")?;
                one(&shared, &newest, false, |request| sender.send_request(request)).await?;
            }
            anyhow::Ok(())
        });
    }
    for _ in 0..shared.shape.http2 {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        connections.spawn(async { drop(connection.await) });
        let newest = Arc::new(AtomicU64::default());
        for _ in 0..shared.shape.streams {
            let (shared, newest, mut sender) = (Arc::clone(&shared), Arc::clone(&newest), sender.clone());
            tasks.spawn(async move {
                while !shared.stop.load(Ordering::Relaxed) {
                    one(&shared, &newest, true, |request| sender.send_request(request)).await?;
                }
                anyhow::Ok(())
            });
        }
    }
    // The first wrong response ends the load.
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}

/// Sends one request. Its response must come from a table that was live during the request, and not from an older one
/// than an earlier response on the same connection.
async fn one<F>(
    shared: &Shared,
    newest_here: &AtomicU64,
    http2: bool,
    send: impl FnOnce(Request<Empty<Bytes>>) -> F,
) -> Result<()>
where
    F: Future<Output = hyper::Result<Response<Incoming>>>,
{
    let number = shared.number.fetch_add(1, Ordering::Relaxed);
    // Consecutive requests go to distant routes, and all routes are requested equally often.
    let route = usize::try_from(number)?.wrapping_mul(7919) % shared.routes;
    let hit = table::path(route, number);
    let (outcome, method, path) = match number % 16 {
        3 => (Outcome::NotFound, "GET", format!("{hit}/{number}")),
        7 => (Outcome::MethodNotAllowed, "DELETE", hit),
        // Only over HTTP/2: over HTTP/1.1, Envoy closes the connection after every 400 that does not come from a
        // service.
        11 if http2 => (Outcome::UnsafePath, "GET", format!("{hit}/%2F{number}")),
        15 => (Outcome::OutOfScope, "GET", format!("/elsewhere/{number}")),
        _ => (Outcome::Routed, "GET", hit),
    };
    let request = Request::builder().method(method);
    let request = if http2 {
        request.uri(format!("http://api.example.com{path}"))
    } else {
        request.uri(&path).header("host", "api.example.com")
    };
    let oldest = shared.live.oldest().max(newest_here.load(Ordering::Relaxed));
    let sent = Instant::now();
    let response = async {
        let (head, body) = send(request.body(Empty::new())?).await?.into_parts();
        body.collect().await?;
        anyhow::Ok(head)
    };
    let about = || format!("{method} {path}, HTTP/{}", if http2 { "2" } else { "1.1" });
    let head = timeout(PATIENCE, response).await.with_context(|| format!("{}: no response", about()))?;
    let head = head.with_context(about)?;
    shared.longest.fetch_max(u64::try_from(sent.elapsed().as_micros())?, Ordering::Relaxed);
    let newest = shared.live.newest();
    ensure!(head.status == STATUSES[outcome as usize], "{}: {}", about(), head.status);
    let by_the_filter = head.headers.get("content-type").is_some_and(|value| value == "application/problem+json");
    ensure!(by_the_filter != matches!(outcome, Outcome::Routed | Outcome::OutOfScope), "{}: {head:?}", about());
    if outcome == Outcome::Routed {
        let authority = head.headers.get(AUTHORITY).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let target = table::parse_authority(authority);
        let (to, generation) = target.with_context(|| format!("{}: routed to {authority:?}", about()))?;
        ensure!(to == route, "{}: routed to {authority}", about());
        ensure!(
            (oldest..=newest).contains(&generation),
            "{}: answered from generation {generation}, but only {oldest} to {newest} were live",
            about()
        );
        newest_here.fetch_max(generation, Ordering::Relaxed);
    }
    shared.answered[outcome as usize].fetch_add(1, Ordering::Relaxed);
    if !shared.shape.pause.is_zero() {
        sleep(shared.shape.pause).await;
    }
    Ok(())
}

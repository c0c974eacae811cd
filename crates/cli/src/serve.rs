//! `serve PATH…`: serves the page of the routes on this machine. When a file is saved, browsers that show the page load it again.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use futures_util::stream::{self, Stream};
use local_gateway::process::stop_on_a_signal;
use tokio::sync::watch;

use crate::message::Message;
use crate::page::routes::{self, RoutesPage};
use crate::watch::{Watched, ensure_readable_again};

/// The port of the page, which is replaced by a free one if it is taken.
const DEFAULT_PORT: u16 = 10080;

const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// What to serve, and where.
#[derive(Debug, Clone)]
pub struct Options {
    pub files: Vec<PathBuf>,
    pub cases: Vec<PathBuf>,
    /// The port of the page; 0 stands for any free port.
    pub port: Option<u16>,
}

/// A version of the page. Each version has the next number.
#[derive(Debug, Clone)]
struct Version {
    number: u64,
    html: Arc<str>,
}

/// The page as it is served, until this process ends.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
}

/// Serves the page until a signal comes. The inner error has the messages about files that have no table.
pub fn run(options: &Options) -> Result<Result<(), Vec<Message>>> {
    ensure_readable_again(options.files.iter().chain(&options.cases), "serve")?;
    let stop = stop_on_a_signal()?;
    let server = match Server::start(&options.files, &options.cases, options.port)? {
        Ok(server) => server,
        Err(messages) => return Ok(Err(messages)),
    };
    println!("The routes are shown at {}. Edit the files and save: the page follows. Ctrl-C stops it.", server.url());
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(POLL_INTERVAL);
    }
    eprintln!("Stopped.");
    Ok(Ok(()))
}

impl Server {
    /// Starts to serve the page of these files, and to follow them.
    pub(crate) fn start(files: &[PathBuf], cases: &[PathBuf], port: Option<u16>) -> Result<Result<Self, Vec<Message>>> {
        let paths = [files, cases].concat();
        let mut watched = Watched::new(&paths);
        let first = match routes::read(files, cases)? {
            Ok(RoutesPage { page, .. }) => Version { number: 0, html: page.live(0).to_html()?.into() },
            Err(messages) => return Ok(Err(messages)),
        };
        let listener = listen(port)?;
        let address = listener.local_addr()?;
        let (sender, versions) = watch::channel(first);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::spawn(move || runtime.block_on(serve(listener, versions)));
        let (files, cases) = (files.to_owned(), cases.to_owned());
        thread::spawn(move || {
            loop {
                thread::sleep(POLL_INTERVAL);
                if !watched.have_changed() {
                    continue;
                }
                let number = sender.borrow().number + 1;
                let page = match routes::read(&files, &cases) {
                    Ok(Ok(RoutesPage { page, .. })) => page,
                    Ok(Err(messages)) => routes::of_messages(&files, &messages),
                    Err(error) => routes::of_error(&files, &error),
                };
                if let Ok(html) = page.live(number).to_html() {
                    sender.send_replace(Version { number, html: html.into() });
                }
            }
        });
        Ok(Ok(Self { address }))
    }

    /// Returns the URL of the page.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Listens on loopback alone, because the page shows all routes.
fn listen(port: Option<u16>) -> Result<TcpListener> {
    let bind = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = match port {
        Some(port) => bind(port).with_context(|| {
            format!("--port {port} can't be used; name another port, or leave --port out for a free one")
        })?,
        None => bind(DEFAULT_PORT).or_else(|_| bind(0))?,
    };
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn serve(listener: TcpListener, versions: watch::Receiver<Version>) -> Result<()> {
    let router = Router::new()
        .route("/", get(page))
        .route("/versions", get(numbers))
        .layer(middleware::from_fn(only_for_this_machine))
        .with_state(versions);
    axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await?;
    Ok(())
}

/// Refuses requests for another host: the page of another site could reach this server by a name of its own that resolves to
/// 127.0.0.1.
async fn only_for_this_machine(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match host.rsplit_once(':').map_or(host, |(name, _)| name) {
        "127.0.0.1" | "localhost" => next.run(request).await,
        _ => (StatusCode::MISDIRECTED_REQUEST, "This server answers for 127.0.0.1 and localhost alone.\n")
            .into_response(),
    }
}

async fn page(State(versions): State<watch::Receiver<Version>>) -> impl IntoResponse {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let html = versions.borrow().html.to_string();
    (headers, Html(html))
}

/// Sends the number of the present version, and of each new one.
async fn numbers(
    State(mut versions): State<watch::Receiver<Version>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    versions.mark_changed();
    let events = stream::unfold(versions, |mut versions| async {
        versions.changed().await.ok()?;
        let number = versions.borrow_and_update().number;
        Some((Ok(Event::default().data(number.to_string())), versions))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

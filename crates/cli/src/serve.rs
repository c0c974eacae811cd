//! `serve PATH…`: serves the page of the routes on this machine. When a file is saved, browsers that show the page load it again.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use futures_util::stream::{self, Stream};
use local_gateway::process::stop_on_a_signal;
use tokio::sync::watch;

use crate::message::{Message, as_text};
use crate::page::routes::{self, RoutesPage};
use crate::page::{NoCore, Page};
use crate::print::to_stderr;
use crate::source::files::Unreadable;
use crate::watch::{Watched, ensure_readable_again};
use crate::words::{clean, count};

/// The port of the page, which is replaced by a free one if it is taken. Browsers refuse some ports, such as 10080.
const DEFAULT_PORT: u16 = 10090;

/// The ports that browsers refuse (<https://fetch.spec.whatwg.org/#port-blocking>), without 0, which stands for any free port.
const REFUSED_PORTS: &[u16] = &[
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
    111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
    540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
    6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// What to serve, and where.
#[derive(Debug, Clone)]
pub struct Options {
    pub files: Vec<PathBuf>,
    pub cases: Vec<PathBuf>,
    /// The port of the page; 0 stands for any free port.
    pub port: Option<u16>,
}

/// A version of the page.
#[derive(Debug, Clone)]
struct Version {
    name: String,
    html: Bytes,
}

impl Version {
    fn new(page: Page) -> Result<Self, NoCore> {
        let (page, name) = page.live();
        Ok(Self { name, html: page.to_html()?.into() })
    }
}

/// The page as it is served, until this process ends.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    /// The errors that the page shows at first.
    errors: Vec<Message>,
}

/// Serves the page until a signal comes. The inner error has the messages about files that have no table.
pub fn run(options: &Options) -> Result<Result<(), Vec<Message>>> {
    ensure_readable_again(options.files.iter().chain(&options.cases), "serve")?;
    let stop = stop_on_a_signal()?;
    let files = match &options.files[..] {
        [file] if options.cases.is_empty() => format!("{} has changed", clean(&file.display().to_string())),
        _ => "The files have changed".to_owned(),
    };
    let report = move |errors: Result<&[Message], &Unreadable>| {
        to_stderr(&match errors {
            Ok(errors) => format!("{}{files}: {}\n", as_text(errors), count(errors.len(), "error")),
            Err(error) => format!("error: {error}\n"),
        });
    };
    let server = match Server::start(&options.files, &options.cases, options.port, report)? {
        Ok(server) => server,
        Err(messages) => return Ok(Err(messages)),
    };
    to_stderr(&as_text(&server.errors));
    let url = server.url();
    let usage = format!("The routes are shown at {url}. Edit the files and save: the page follows. Ctrl-C stops it.\n");
    // The reader of a pipe may have ended.
    let _ = anstream::stdout().write_all(usage.as_bytes());
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(POLL_INTERVAL);
    }
    to_stderr("Stopped.\n");
    Ok(Ok(()))
}

impl Server {
    /// Starts to serve the page of these files, and to follow them. At each change, `report` gets the errors that the page
    /// shows, or why a file can't be read. The inner error has the messages about files that can't be read as YAML or have no
    /// table.
    pub(crate) fn start(
        files: &[PathBuf],
        cases: &[PathBuf],
        port: Option<u16>,
        report: impl Fn(Result<&[Message], &Unreadable>) + Send + 'static,
    ) -> Result<Result<Self, Vec<Message>>> {
        let paths = [files, cases].concat();
        let mut watched = Watched::new(&paths);
        let (first, errors) = match routes::read(files, cases)? {
            Ok(RoutesPage { unread, .. }) if !unread.is_empty() => return Ok(Err(unread)),
            Ok(RoutesPage { page, messages, .. }) => (Version::new(page)?, only_errors(messages)),
            Err(messages) => return Ok(Err(messages)),
        };
        let listener = listen(port)?;
        let address = listener.local_addr()?;
        let (sender, versions) = watch::channel(first);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::spawn(move || {
            if let Err(error) = runtime.block_on(serve(listener, versions)) {
                to_stderr(&format!("error: the page is no longer served: {error:#}\n"));
            }
        });
        let (files, cases) = (files.to_owned(), cases.to_owned());
        thread::spawn(move || {
            loop {
                thread::sleep(POLL_INTERVAL);
                if !watched.have_changed() {
                    continue;
                }
                let page = match routes::read(&files, &cases) {
                    Ok(Ok(RoutesPage { page, messages, .. })) => {
                        report(Ok(&only_errors(messages)));
                        page
                    }
                    Ok(Err(messages)) => {
                        report(Ok(&only_errors(messages.clone())));
                        routes::of_messages(&files, &messages)
                    }
                    Err(error) => {
                        report(Err(&error));
                        routes::of_error(&files, &error)
                    }
                };
                if let Ok(version) = Version::new(page) {
                    sender.send_replace(version);
                }
            }
        });
        Ok(Ok(Self { address, errors }))
    }

    /// Returns the URL of the page.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

fn only_errors(mut messages: Vec<Message>) -> Vec<Message> {
    messages.retain(Message::is_error);
    messages
}

/// Listens on loopback alone, because the page shows all routes.
fn listen(port: Option<u16>) -> Result<TcpListener> {
    let bind = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = match port {
        Some(port) if REFUSED_PORTS.contains(&port) => {
            bail!("--port {port} can't be used, because browsers refuse it; name another port, or leave --port out")
        }
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
        .route("/versions", get(names))
        .layer(middleware::from_fn(only_for_this_machine))
        .with_state(versions);
    axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await?;
    Ok(())
}

/// Refuses requests for another host: the page of another site could reach this server by a name of its own that resolves to
/// 127.0.0.1.
async fn only_for_this_machine(request: Request, next: Next) -> Response {
    let hosts: Vec<&[u8]> = request.headers().get_all(header::HOST).iter().map(HeaderValue::as_bytes).collect();
    let name = |host: &[u8]| host.split(|byte| *byte == b':').next().unwrap_or_default().to_owned();
    let is_ours = matches!(hosts[..], [host] if [&b"127.0.0.1"[..], b"localhost"].contains(&&name(host)[..]));
    let response = match is_ours {
        true => next.run(request).await,
        false => {
            let text = "This server answers for 127.0.0.1 and localhost alone.\n";
            (StatusCode::MISDIRECTED_REQUEST, text).into_response()
        }
    };
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    (headers, response).into_response()
}

async fn page(State(versions): State<watch::Receiver<Version>>) -> Html<Bytes> {
    Html(versions.borrow().html.clone())
}

/// Sends the name of the present version, and of each new one.
async fn names(
    State(mut versions): State<watch::Receiver<Version>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    versions.mark_changed();
    let events = stream::unfold(versions, |mut versions| async {
        versions.changed().await.ok()?;
        let name = versions.borrow_and_update().name.clone();
        Some((Ok(Event::default().data(name)), versions))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

//! `up FILE [CASES…]`: serves the tables of a file in real Envoy on this machine, with a stand-in for every service. It runs
//! test cases in that gateway, and follows the files: an edit is live within a second.

mod session;

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{self, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use local_gateway::process::{free_or_any, free_ports, is_executable, stop_on_a_signal};
use local_gateway::stand_in::StandIn;
use local_gateway::{cache_folder, envoy};
use tempfile::TempDir;

use crate::page;
use crate::print::to_stderr;
use crate::serve::Server;
use crate::watch::{Watched, ensure_readable_again};
use session::{Input, Session};

/// The port of the gateway and that of Envoy's admin interface. Each is replaced by a free one if it is taken.
const DEFAULT_PORTS: (u16, u16) = (10000, 9901);

const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The plugin, if this program was built with it: the file that the variable names at build time, by its absolute path.
#[cfg(feature = "plugin")]
const PLUGIN: Option<&[u8]> = Some(include_bytes!(env!("KSVC_ROUTER_PLUGIN")));
#[cfg(not(feature = "plugin"))]
const PLUGIN: Option<&[u8]> = None;

/// What to serve, and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The file or the folder with the tables.
    pub file: PathBuf,
    /// The files with the cases.
    pub cases: Vec<PathBuf>,
    /// Whether to end after the cases.
    pub once: bool,
    /// The Envoy to run instead of the one that is found.
    pub envoy: Option<PathBuf>,
    /// The plugin to run instead of the one in this program.
    pub plugin: Option<PathBuf>,
    /// The port of the gateway; 0 stands for any free port.
    pub port: Option<u16>,
    /// The port of Envoy's admin interface; 0 stands for any free port.
    pub admin_port: Option<u16>,
}

/// Serves the tables until a signal comes, or with `once` until the cases have run. Returns whether the tables have no
/// errors and all cases have passed. If a signal has ended it, it returns true, but with `once` false, because not all was
/// tried.
///
/// It is an error if the gateway can't run at all.
pub fn run(options: &Options) -> Result<bool> {
    ensure_readable_again(options.cases.iter().chain([&options.file]), "up")?;
    let watched = (Watched::new(std::slice::from_ref(&options.file)), Watched::new(&options.cases));
    let input = match Input::read(options)? {
        Ok(input) => input,
        Err(messages) => {
            to_stderr(&messages);
            return Ok(false);
        }
    };
    let out = Printer { stop: stop_on_a_signal()? };
    let result = serve(options, &out, input, watched);
    if out.is_stopped() {
        // An error comes from the signal then: Ctrl-C ends a download too.
        to_stderr("Stopped.\n");
        return Ok(!options.once);
    }
    result
}

/// Does what [`run`] does, with files that have been read. What it returns after a signal has no meaning.
fn serve(options: &Options, out: &Printer, input: Input, (mut tables, mut cases): (Watched, Watched)) -> Result<bool> {
    let (plugin, _plugin_folder) = plugin(options.plugin.as_deref())?;
    let ports = ports(options)?;
    let envoy = find_envoy(options.envoy.as_deref())?;
    let stand_in = StandIn::start()?;
    to_stderr(&format!("Starting {} …\n", envoy.display()));
    let mut session = Session::start(options, out, &envoy, &plugin, ports, &stand_in, input)?;
    let success = session.run_cases(true);
    if options.once {
        return Ok(success && session.is_good());
    }
    let page =
        page::is_available().then(|| Server::start(std::slice::from_ref(&options.file), &options.cases, None, |_| {}));
    let page = match page.transpose()? {
        Some(Ok(page)) => Some(page),
        // The messages about the files have been printed.
        Some(Err(_)) | None => None,
    };
    session.print_usage(page.as_ref());
    while !out.is_stopped() {
        thread::sleep(POLL_INTERVAL);
        session.ensure_running()?;
        let (tables_changed, cases_changed) = (tables.have_changed(), cases.have_changed());
        if tables_changed || cases_changed {
            session.update(tables_changed, cases_changed);
        }
    }
    Ok(true)
}

/// Prints to standard output. If its reader has ended, everything stops.
struct Printer {
    stop: &'static AtomicBool,
}

impl Printer {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn print(&self, text: &str) {
        let mut stdout = anstream::stdout();
        if stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

/// Returns the file of the plugin, and the folder that holds it if it comes out of this program.
fn plugin(named: Option<&Path>) -> Result<(PathBuf, Option<TempDir>)> {
    if let Some(path) = named {
        let bytes = fs::read(path).with_context(|| format!("--plugin {}", path.display()))?;
        ensure!(bytes.starts_with(b"\0asm"), "--plugin {}: not a WebAssembly module", path.display());
        return Ok((path.canonicalize()?, None));
    }
    let bytes = PLUGIN.context(
        "this build of ksvc-router does not contain the plugin; write `--plugin FILE` with the `plugin.wasm` of a release",
    )?;
    let folder = tempfile::Builder::new().prefix("ksvc-router-plugin-").tempdir()?;
    let path = folder.path().join("plugin.wasm");
    fs::write(&path, bytes)?;
    Ok((path, Some(folder)))
}

/// Returns the ports of the gateway and of Envoy's admin interface.
fn ports(options: &Options) -> Result<(u16, u16)> {
    let ports =
        (port("--port", options.port, DEFAULT_PORTS.0)?, port("--admin-port", options.admin_port, DEFAULT_PORTS.1)?);
    ensure!(ports.0 != ports.1, "--port and --admin-port are both {}; name two different ports", ports.0);
    Ok(ports)
}

fn port(option: &str, named: Option<u16>, default: u16) -> Result<u16> {
    let port = named.unwrap_or_else(|| free_or_any(default));
    if port == 0 {
        let [free] = free_ports()?;
        return Ok(free);
    }
    if named.is_some() {
        TcpListener::bind(("127.0.0.1", port)).map(drop).with_context(|| {
            format!("{option} {port} can't be used; name another port, or leave {option} out for a free one")
        })?;
    }
    Ok(port)
}

/// Returns the Envoy that is named, or the one of this machine, or downloads one.
fn find_envoy(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = named {
        ensure!(is_executable(path), "--envoy {}: not an executable file", path.display());
        // Without a folder in its name, it would be looked for on `PATH` when it starts.
        return Ok(path::absolute(path)?);
    }
    if let Some(path) = envoy::installed()? {
        return Ok(path);
    }
    let downloaded = cache_folder().and_then(|cache| envoy::pinned(envoy::DEFAULT_VERSION, &cache.join("envoy")));
    downloaded.context("there is no Envoy on PATH, and none named with --envoy")
}

//! The program of KSVCs' functions: the stand-in, on the port that Knative sets in `PORT`. These headers of every
//! response tell about the program:
//! - `x-revision`: the name of the revision;
//! - `x-request-number`: the number of this request, from 1;
//! - `x-most-at-once`: the greatest number of requests that the program has had at the same time so far.
//!
//! These variables of the KSVC's container change it:
//! - `FUNCTION_HOST`: every response names this host as the virtual host that has served the request;
//! - `FUNCTION_DELAY`: the number of milliseconds before it listens;
//! - `FUNCTION_EXIT`: it ends at once, with this exit code.
//!
//! It knows three request headers more than the stand-in:
//! - `x-stand-in: exit=N`: the program ends at once, with this exit code;
//! - `x-stand-in: exit-after=N`: the program ends after the first N bytes of a longer body;
//! - `x-stand-in: hang=N`: the whole program does nothing for N milliseconds.
//!
//! A program that starts Knative is this program too, if its first argument is `function`: so nothing else has to be
//! built.

use std::env;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response};
use tokio::net::TcpListener;

use crate::gateway::VIRTUAL_HOST_HEADER;
use crate::stand_in::{self, Body, Report, number_after, serve};

/// The response header that names the revision.
pub const REVISION_HEADER: &str = "x-revision";

/// The response header that counts the requests of the program.
pub const NUMBER_HEADER: &str = "x-request-number";

/// The response header with the greatest number of requests that the program has had at the same time.
pub const MOST_HEADER: &str = "x-most-at-once";

const ARGUMENT: &str = "function";

/// Runs the function if this program was called as one. It ends only with an error.
pub fn run_if_called() -> Option<ExitCode> {
    if env::args_os().nth(1)? != ARGUMENT {
        return None;
    }
    Some(run().unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    }))
}

/// Returns the command line of the function.
pub(super) fn command_line() -> Result<Vec<OsString>> {
    Ok(vec![env::current_exe()?.into(), ARGUMENT.into()])
}

fn run() -> Result<ExitCode> {
    if let Some(code) = number("FUNCTION_EXIT")? {
        return Ok(ExitCode::from(u8::try_from(code)?));
    }
    if let Some(milliseconds) = number("FUNCTION_DELAY")? {
        std::thread::sleep(Duration::from_millis(milliseconds));
    }
    let port = u16::try_from(number("PORT")?.context("PORT is not set")?)?;
    let mut headers = HeaderMap::new();
    for (name, variable) in [(REVISION_HEADER, "K_REVISION"), (VIRTUAL_HOST_HEADER, "FUNCTION_HOST")] {
        if let Ok(value) = env::var(variable) {
            headers.insert(HeaderName::from_static(name), HeaderValue::try_from(value)?);
        }
    }
    let function =
        Arc::new(Function { headers, requests: AtomicU64::new(0), now: AtomicU64::new(0), most: AtomicU64::new(0) });
    let respond = move |request| {
        let function = Arc::clone(&function);
        async move { function.respond(request).await }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await;
        serve(listener.with_context(|| format!("cannot listen on port {port}"))?, respond).await;
        Ok(ExitCode::SUCCESS)
    })
}

struct Function {
    /// The headers of every response.
    headers: HeaderMap,
    /// How many requests the program has had, has now, and has had at most at the same time.
    requests: AtomicU64,
    now: AtomicU64,
    most: AtomicU64,
}

impl Function {
    async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        let report = Report::of(&request);
        if let Some(code) = number_after(&report, "exit=") {
            std::process::exit(code);
        }
        if let Some(milliseconds) = number_after(&report, "hang=") {
            thread::sleep(Duration::from_millis(milliseconds));
        }
        let mut response = match number_after(&report, "exit-after=") {
            Some(length) => broken_body(length),
            None => stand_in::respond(request).await,
        };
        self.now.fetch_sub(1, Ordering::Relaxed);
        let headers = response.headers_mut();
        headers.extend(self.headers.clone());
        headers.insert(NUMBER_HEADER, number.into());
        headers.insert(MOST_HEADER, self.most.load(Ordering::Relaxed).into());
        response
    }
}

/// Returns a response whose body breaks off after this many bytes, because the program ends.
fn broken_body(length: usize) -> Response<Body> {
    let chunks = stream::unfold(false, move |begun| async move {
        if begun {
            // The bytes must leave before the program ends.
            tokio::time::sleep(Duration::from_millis(100)).await;
            std::process::exit(1);
        }
        Some((Ok(Frame::data(vec![b'x'; length].into())), true))
    });
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(chunks)));
    response.headers_mut().insert(CONTENT_LENGTH, (2 * length).into());
    response
}

fn number(variable: &str) -> Result<Option<u64>> {
    let Ok(value) = env::var(variable) else { return Ok(None) };
    Ok(Some(value.parse().with_context(|| format!("{variable} is not a number: {value}"))?))
}

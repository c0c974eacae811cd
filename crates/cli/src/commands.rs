//! What each command prints, and whether it found all well.

mod check;
mod explain;
mod routes;
mod test;

use std::fmt;

use ksvc_router_cli::admission;
use ksvc_router_cli::load::load_one;
use ksvc_router_cli::message::{Message, as_json, as_text};
use ksvc_router_cli::request::HeaderError;
use ksvc_router_cli::source::files::Unreadable;
use serde_json::Value;

use crate::args::{Args, Command, Format};

/// What a command has to say.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) good: bool,
}

/// Why the call was wrong.
#[derive(Debug)]
pub(crate) enum CallError {
    Unreadable(Unreadable),
    Header(HeaderError),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(f),
            Self::Header(error) => write!(f, "--header: {error}"),
        }
    }
}

impl From<Unreadable> for CallError {
    fn from(error: Unreadable) -> Self {
        Self::Unreadable(error)
    }
}

pub(crate) fn run(args: Args) -> Result<Report, CallError> {
    let format = args.format;
    match args.command {
        Command::Check { files } => check::run(&files, format),
        Command::Explain { file, method, url, headers } => {
            explain::run(&file, &explain::request(method, &url, &headers)?, format)
        }
        Command::Test { file, cases, fail_under } => test::run(&file, &cases, fail_under, format),
        Command::Routes { file } => routes::run(&file, format),
        Command::Admission => Ok(Report { out: admission::manifests(), good: true, ..Report::default() }),
        Command::Schema => Ok(Report { out: pretty(&ksvc_routing::config::schema()), good: true, ..Report::default() }),
    }
}

/// JSON with a line's end.
fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// A report of nothing but what is wrong with the input.
fn refusal(messages: &[Message], format: Format) -> Report {
    match format {
        Format::Text => Report { err: as_text(messages), ..Report::default() },
        Format::Json => Report { out: pretty(&as_json(messages)), ..Report::default() },
    }
}

/// `1 error`, `2 errors`.
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn counts(messages: &[Message]) -> String {
    let of = |are_errors| {
        messages.iter().filter(|message| message.is_error() == are_errors).map(|message| message.count).sum()
    };
    format!("{}, {}", count(of(true), "error"), count(of(false), "warning"))
}

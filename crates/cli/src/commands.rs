//! The commands. Each one returns what to print, and whether the input is good.

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

/// The result of a command.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Text for standard output.
    pub(crate) out: String,
    /// Text for standard error.
    pub(crate) err: String,
    /// Whether the exit code is 0.
    pub(crate) success: bool,
}

/// An error of the command line, not of the input.
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
        Command::Admission => Ok(Report { out: admission::manifests(), success: true, ..Report::default() }),
        Command::Schema => {
            Ok(Report { out: pretty(&ksvc_routing::config::schema()), success: true, ..Report::default() })
        }
    }
}

/// Formats JSON on several lines.
fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Returns the report of a command that could not run because of errors in the input.
fn refuse(messages: &[Message], format: Format) -> Report {
    match format {
        Format::Text => Report { err: as_text(messages), ..Report::default() },
        Format::Json => Report { out: pretty(&as_json(messages)), ..Report::default() },
    }
}

/// Returns a number with its noun: `1 error`, `2 errors`.
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Returns the numbers of errors and warnings: `1 error, 2 warnings`.
fn counts(messages: &[Message]) -> String {
    let of = |are_errors| {
        messages.iter().filter(|message| message.is_error() == are_errors).map(|message| message.count).sum()
    };
    format!("{}, {}", count(of(true), "error"), count(of(false), "warning"))
}

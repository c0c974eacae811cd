//! The commands. Each one returns what to print, and whether the input is good.

mod check;
mod diff;
mod doctor;
mod explain;
mod import_ksvc;
mod import_openapi;
mod render;
mod routes;
mod serve;
mod status;
mod test;
mod up;

use std::fmt;

use ksvc_explanation::request::{HeaderError, MethodError};
use ksvc_router_cli::cluster::connect::{Access, ClusterError};
use ksvc_router_cli::formats::{as_github, as_sarif};
use ksvc_router_cli::levels::{Contradiction, Levels};
use ksvc_router_cli::message::{Message, as_json, as_text};
use ksvc_router_cli::page::NoCore;
use ksvc_router_cli::serve::Options;
use ksvc_router_cli::source::files::Unreadable;
use ksvc_router_cli::words::{count, quote_all};
use ksvc_router_cli::{admission, schema};
use serde_json::Value;

use ksvc_router_cli::args::diff::Diff;
use ksvc_router_cli::args::{AccessArgs, Args, Command, Document, Format, Import};

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
    Method(MethodError),
    Levels(Contradiction),
    Cluster(ClusterError),
    /// `status` does not know which gateways to ask.
    Status(String),
    /// The program can't send requests.
    Runtime(std::io::Error),
    /// The gateway of `up` or the page of `serve` can't be served.
    Server(anyhow::Error),
    /// An option has a value that a table can't have.
    Option(String),
    /// The result can't be written as YAML.
    Unwritten(serde_saphyr::ser::Error),
    /// The input of `diff --exit-code` has errors, which the report has.
    Refused(Report),
    /// Both sides of `diff` are standard input.
    TwoInputs,
    /// This build of the program can't make a page.
    Page(NoCore),
    /// The command does not print this format, but the others.
    Format(Format, &'static [Format]),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(f),
            Self::Header(error) => write!(f, "--header: {error}"),
            Self::Method(error) => error.fmt(f),
            Self::Levels(error) => error.fmt(f),
            Self::Cluster(error) => error.fmt(f),
            Self::Status(error) | Self::Option(error) => f.write_str(error),
            Self::Runtime(error) => write!(f, "requests can't be sent: {error}"),
            Self::Server(error) => write!(f, "{error:#}"),
            Self::Unwritten(error) => write!(f, "the manifest can't be written as YAML: {error}"),
            Self::Refused(report) => f.write_str(&report.err),
            Self::Page(error) => error.fmt(f),
            Self::TwoInputs => f.write_str("only one of OLD and NEW can be `-`; name the file of the other one"),
            Self::Format(_, [only]) => {
                write!(f, "--format: this command prints `{}` alone; leave the option out", only.word())
            }
            Self::Format(format, printed) => {
                let words: Vec<&str> = printed.iter().map(|format| format.word()).collect();
                write!(
                    f,
                    "--format: this command does not print `{}`; write one of {}",
                    format.word(),
                    quote_all(&words)
                )
            }
        }
    }
}

impl From<ClusterError> for CallError {
    fn from(error: ClusterError) -> Self {
        Self::Cluster(error)
    }
}

impl From<NoCore> for CallError {
    fn from(error: NoCore) -> Self {
        Self::Page(error)
    }
}

impl From<Unreadable> for CallError {
    fn from(error: Unreadable) -> Self {
        Self::Unreadable(error)
    }
}

pub(crate) fn run(args: Args) -> Result<Report, CallError> {
    let format = args.format;
    let printed = formats(&args.command);
    if !printed.contains(&format) {
        return Err(CallError::Format(format, printed));
    }
    match args.command {
        Command::Check { files, allow, deny } => {
            let levels = Levels::new(&allow, &deny).map_err(CallError::Levels)?;
            check::run(&files, &levels, format)
        }
        Command::Test { file, cases, fail_under } => test::run(&file, &cases, fail_under, format),
        Command::Explain { file, method, url, headers } => {
            explain::run(&file, &explain::request(method, &url, &headers)?, format)
        }
        Command::Routes { files, document: Some(Document::Html), cases } => routes::page(&files, &cases, format),
        Command::Routes { files, document: None, .. } => routes::run(&files, format),
        Command::Serve { files, cases, port } => serve::run(&Options { files, cases, port }),
        Command::Diff(options) => diff::run(&options, format),
        Command::Render(options) => render::run(&options, format),
        Command::Import(Import::Openapi(options)) => import_openapi::run(&options, format),
        Command::Import(Import::Ksvc(options)) => import_ksvc::run(&options, format),
        Command::Doctor { files, cluster, no_registry, objects, knative_namespace } => {
            doctor::run(&files, &cluster, objects.as_deref(), !no_registry, knative_namespace, format)
        }
        Command::Status { file, cluster, selector, admin } => {
            let labels = selector.map(|selector| selector.0);
            status::run(file.as_deref(), &cluster, labels, &admin, format)
        }
        Command::Up(options) => up::run(&options.into()),
        Command::Admission => Ok(Report { out: admission::manifests(), success: true, ..Report::default() }),
        Command::Schema { manifest } => {
            let schema = if manifest { schema::manifest() } else { schema::configuration() };
            Ok(Report { out: pretty(&schema), success: true, ..Report::default() })
        }
    }
}

/// Returns the formats that a command prints.
fn formats(command: &Command) -> &'static [Format] {
    match command {
        Command::Test { .. } => &[Format::Text, Format::Json, Format::Github, Format::Sarif, Format::Junit],
        Command::Check { .. } => &[Format::Text, Format::Json, Format::Github, Format::Sarif],
        Command::Routes { document: Some(_), .. } | Command::Diff(Diff { document: Some(_), .. }) => &[Format::Text],
        Command::Diff(_) => &[Format::Text, Format::Json, Format::Github, Format::Markdown],
        Command::Up(_) | Command::Serve { .. } => &[Format::Text],
        _ => &[Format::Text, Format::Json],
    }
}

/// Returns which cluster the arguments mean.
fn access(cluster: &AccessArgs) -> Access {
    Access { kubeconfig: cluster.kubeconfig.clone(), context: cluster.context.clone() }
}

/// Runs the requests of a command on this thread.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, CallError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(CallError::Runtime)?.block_on(future))
}

/// Formats JSON on several lines.
fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

/// Returns messages in a format.
fn print(messages: &[Message], format: Format) -> String {
    match format {
        // JUnit XML is for the results of cases, and the Markdown of `diff` for a comment. Neither is for messages.
        Format::Text | Format::Junit | Format::Markdown => as_text(messages),
        Format::Json => pretty(&as_json(messages)),
        Format::Github => as_github(messages),
        Format::Sarif => pretty(&as_sarif(messages)),
    }
}

/// Returns the report of a command that could not run because of errors in the input.
fn refuse(messages: &[Message], format: Format) -> Report {
    let printed = print(messages, format);
    match format {
        Format::Text | Format::Junit | Format::Markdown => Report { err: printed, ..Report::default() },
        _ => Report { out: printed, ..Report::default() },
    }
}

/// Returns the numbers of errors and warnings: `1 error, 2 warnings`.
fn counts(messages: &[Message]) -> String {
    let of = |are_errors| {
        messages.iter().filter(|message| message.is_error() == are_errors).map(|message| message.count).sum()
    };
    format!("{}, {}", count(of(true), "error"), count(of(false), "warning"))
}

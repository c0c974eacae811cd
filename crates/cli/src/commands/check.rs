//! `check FILE…`: prints every error and warning, and a summary line for each file.

use std::fmt::Write as _;
use std::path::PathBuf;

use ksvc_router_cli::check::check;
use ksvc_router_cli::load::load;
use ksvc_router_cli::message::{Message, as_json, as_text};
use ksvc_router_cli::source::Source;
use ksvc_router_cli::source::position::Span;

use super::{CallError, Report, count, counts, pretty};
use crate::args::Format;

pub(super) fn run(files: &[PathBuf], format: Format) -> Result<Report, CallError> {
    let loaded = load(files)?;
    let mut all = Vec::new();
    let mut summaries = String::new();
    for (file, messages) in loaded.iter().zip(check(&loaded)) {
        if !file.is_context() {
            let routes = file.configurations.iter().map(|configuration| configuration.routes().len()).sum();
            // Writing to a string can't fail.
            let _ = writeln!(summaries, "{}: {}, {}", file.source.name, count(routes, "route"), counts(&messages));
        }
        all.extend(messages);
    }
    if summaries.is_empty() {
        all.push(no_table(files));
    }
    Ok(Report {
        success: !all.iter().any(Message::is_error),
        out: match format {
            Format::Text => as_text(&all) + &summaries,
            Format::Json => pretty(&as_json(&all)),
        },
        err: String::new(),
    })
}

/// Returns the error that there was no table to check, which happens for folders without tables and for files that only
/// have Gateways: a pipeline that checks nothing should not pass.
fn no_table(files: &[PathBuf]) -> Message {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let text = match files.iter().all(|file| file.is_file()) {
        true => "there is no route table here; name the file of the table too",
        false => "no file here says `pluginName: ksvc-router`; name the file itself",
    };
    Message::error(&Source::new(names.join(", "), ""), Span::START, text)
}

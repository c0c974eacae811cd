//! `check FILE…`: every error and warning at its place, and a line for each file.

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
    let files_read = load(files)?;
    let mut all = Vec::new();
    let mut summaries = String::new();
    for (file, messages) in files_read.iter().zip(check(&files_read)) {
        if !file.is_context() {
            let routes = file.configurations.iter().map(|configuration| configuration.routes().len()).sum();
            // Writing to a string can't fail.
            let _ = writeln!(summaries, "{}: {}, {}", file.source.name, count(routes, "route"), counts(&messages));
        }
        all.extend(messages);
    }
    if summaries.is_empty() {
        all.push(nothing_to_check(files));
    }
    Ok(Report {
        good: !all.iter().any(Message::is_error),
        out: match format {
            Format::Text => as_text(&all) + &summaries,
            Format::Json => pretty(&as_json(&all)),
        },
        err: String::new(),
    })
}

/// Folders can hold nothing to check, and files nothing but Gateways; a pipeline that checks nothing should not pass.
fn nothing_to_check(files: &[PathBuf]) -> Message {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let text = match files.iter().all(|file| file.is_file()) {
        true => "no route table is in here; name the file of the table too",
        false => "no file in here says `pluginName: ksvc-router`; name the file itself",
    };
    Message::error(&Source::new(names.join(", "), ""), Span::START, text)
}

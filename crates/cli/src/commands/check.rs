//! `check FILE…`: every error and warning at its place, and a line for each file.

use std::fmt::Write as _;
use std::path::PathBuf;

use ksvc_router_cli::load::load;
use ksvc_router_cli::message::{Message, as_json, as_text};
use ksvc_router_cli::position::Span;
use ksvc_router_cli::source::Source;

use super::{CallError, Report, count, counts, pretty};
use crate::args::Format;

pub(super) fn run(files: &[PathBuf], format: Format) -> Result<Report, CallError> {
    let mut all = Vec::new();
    let mut summaries = String::new();
    for loaded in load(files)? {
        let mut messages = loaded.messages;
        let mut routes = 0;
        for configuration in &loaded.configurations {
            messages.extend(configuration.compile().1);
            routes += configuration.routes().len();
        }
        let name = &loaded.source.name;
        // Writing to a string can't fail.
        let _ = writeln!(summaries, "{name}: {}, {}", count(routes, "route"), counts(&messages));
        all.extend(messages);
    }
    if summaries.is_empty() {
        all.push(empty_folders(files));
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

/// Only folders can hold nothing to check; a pipeline that checks nothing should not pass.
fn empty_folders(files: &[PathBuf]) -> Message {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let text = "no file in here says `pluginName: ksvc-router`; name the file itself";
    Message::error(&Source::new(names.join(", "), ""), Span::START, text)
}

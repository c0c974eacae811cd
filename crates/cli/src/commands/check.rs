//! `check PATH…`: prints every error and warning, and a summary line for each file.

use std::fmt::Write as _;
use std::path::PathBuf;

use ksvc_router_cli::check::check;
use ksvc_router_cli::kind::NO_TABLE;
use ksvc_router_cli::levels::Levels;
use ksvc_router_cli::load::{self, Loaded, load};
use ksvc_router_cli::message::Message;
use ksvc_router_cli::source::Source;
use ksvc_router_cli::source::position::Span;

use super::{CallError, Report, count, counts, print};
use crate::args::Format;

pub(super) fn run(files: &[PathBuf], levels: &Levels, format: Format) -> Result<Report, CallError> {
    let loaded = load(files)?;
    let mut all = Vec::new();
    let mut summaries = String::new();
    for (file, messages) in loaded.iter().zip(check(&loaded)) {
        let messages = levels.apply(messages);
        if !file.is_context() {
            let routes = file.configurations.iter().map(|configuration| configuration.routes().len()).sum();
            // Writing to a string can't fail.
            let _ = writeln!(summaries, "{}: {}, {}", file.source.name, count(routes, "route"), counts(&messages));
        }
        all.extend(messages);
    }
    let skipped: Vec<&Message> = loaded.iter().filter_map(|file| file.skipped.as_deref()).collect();
    if loaded.iter().all(Loaded::is_context) {
        all.extend(nothing_to_check(files, &loaded, &skipped));
    } else if !skipped.is_empty() {
        let _ = writeln!(summaries, "{} without a table skipped", count(skipped.len(), "file"));
    }
    let (out, err) = match format {
        Format::Text | Format::Github => (print(&all, format) + &summaries, String::new()),
        Format::Json | Format::Sarif => (print(&all, format), summaries),
    };
    Ok(Report { success: !all.iter().any(Message::is_error), out, err })
}

/// Returns the errors that there was no table to check: a pipeline that checks nothing should not pass. If files could
/// not be read, they may have been the tables.
fn nothing_to_check(files: &[PathBuf], loaded: &[Loaded], skipped: &[&Message]) -> Vec<Message> {
    if let [only] = loaded
        && let Some(message) = &only.skipped
    {
        return vec![(**message).clone()];
    }
    let unreadable = skipped.iter().filter(|message| message.code != NO_TABLE.code);
    let mut messages: Vec<Message> = unreadable.map(|message| (*message).clone()).collect();
    if skipped.len() < loaded.len() {
        messages.push(load::no_table(files));
    } else if messages.is_empty() {
        let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let text = format!(
            "no file here has a table of ksvc-router ({} skipped); a file has one if it says `pluginName: ksvc-router`, or \
             has `hosts` and `routes`, alone or under `pluginConfig`",
            count(skipped.len(), "file")
        );
        messages.push(Message::new(NO_TABLE, &Source::new(names.join(", "), ""), Span::START, text));
    }
    messages
}

//! `check PATH…`: prints every error and warning, and a summary line for each file.

use std::fmt::Write as _;
use std::path::PathBuf;

use ksvc_router_cli::check::check;
use ksvc_router_cli::levels::Levels;
use ksvc_router_cli::load::{load, without_table};
use ksvc_router_cli::message::Message;
use ksvc_router_cli::words::clean;

use super::{CallError, Report, count, counts, print};
use ksvc_router_cli::args::Format;

pub(super) fn run(files: &[PathBuf], levels: &Levels, format: Format) -> Result<Report, CallError> {
    let loaded = load(files)?;
    let mut all = Vec::new();
    let mut summaries = String::new();
    for (file, messages) in loaded.iter().zip(check(&loaded)) {
        let messages = levels.apply(messages);
        if !file.is_context() {
            let routes = file.configurations.iter().map(|configuration| configuration.routes().len()).sum();
            // Writing to a string can't fail.
            let name = clean(&file.source.name);
            let _ = writeln!(summaries, "{name}: {}, {}", count(routes, "route"), counts(&messages));
        }
        all.extend(messages);
    }
    let skipped = loaded.iter().filter(|file| file.skipped.is_some()).count();
    match without_table(files, &loaded) {
        Some(messages) => all.extend(messages),
        None if skipped > 0 => {
            let _ = writeln!(summaries, "{} without a table skipped", count(skipped, "file"));
        }
        None => {}
    }
    let (out, err) = match format {
        Format::Text | Format::Github => (print(&all, format) + &summaries, String::new()),
        Format::Json | Format::Sarif | Format::Junit | Format::Markdown => (print(&all, format), summaries),
    };
    Ok(Report { success: !all.iter().any(Message::is_error), out, err })
}

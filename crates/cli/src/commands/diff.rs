//! `diff OLD NEW`: prints the requests that two versions of the tables treat differently.

use std::path::Path;

use ksvc_router_cli::args::diff::Diff;
use ksvc_router_cli::args::{Document, Format};
use ksvc_router_cli::diff::report::Report as DiffReport;
use ksvc_router_cli::diff::{Bounds, compare};
use ksvc_router_cli::formats::as_github;
use ksvc_router_cli::load::load_tables;
use ksvc_router_cli::message::{Message, as_json, as_text};
use ksvc_router_cli::page;
use ksvc_router_cli::tables::Tables;
use ksvc_routing::RouteTable;
use serde_json::json;

use super::{CallError, Report, pretty, refuse};

pub(crate) fn run(options: &Diff, format: Format) -> Result<Report, CallError> {
    if options.old == Path::new("-") && options.new == Path::new("-") {
        return Err(CallError::TwoInputs);
    }
    let (old, old_messages) = match load_tables(std::slice::from_ref(&options.old))? {
        Ok(configurations) => {
            let tables = Tables::new(configurations);
            let errors = tables.errors();
            (tables, errors)
        }
        // Nothing of it can be served.
        Err(messages) => (Tables::new(Vec::new()), messages),
    };
    let new = match load_tables(std::slice::from_ref(&options.new))? {
        Ok(configurations) => Tables::new(configurations),
        Err(messages) => return refused(options, &messages, format),
    };
    let errors: Vec<Message> = new.errors();
    let title = || format!("{} and {}", options.old.display(), options.new.display());
    if !errors.is_empty() && options.document == Some(Document::Html) {
        let out = page::difference::not_compared(&title(), &errors, &old, &new).to_html()?;
        let report = Report { out, err: as_text(&errors), success: false };
        return if options.exit_code { Err(CallError::Refused(report)) } else { Ok(report) };
    }
    if !errors.is_empty() {
        return refused(options, &errors, format);
    }
    fn route_tables(tables: &Tables) -> Vec<&RouteTable> {
        tables.as_slice().iter().map(|table| &table.compiled.table).collect()
    }
    let difference = compare(&route_tables(&old), &route_tables(&new), &Bounds::default());
    let report = DiffReport::new(&difference, &old, &new);
    let out = match format {
        _ if options.document == Some(Document::Html) => {
            page::difference::page(&title(), &report, &old_messages, &old, &new).to_html()?
        }
        Format::Json => pretty(&report.to_json(&old_messages)),
        Format::Github => report.to_github(),
        Format::Markdown => report.to_markdown(),
        _ => report.to_text(),
    };
    let mut err = String::new();
    if !old_messages.is_empty() {
        err += &match format {
            Format::Github => as_github(&old_messages),
            _ => as_text(&old_messages),
        };
        err += "OLD has these errors; it is compared as far as a gateway would serve it\n";
    }
    if let Some(sentence) = report.not_compared() {
        err += &format!("warning: {sentence}\n");
    }
    Ok(Report { out, err, success: !options.exit_code || difference.is_empty() })
}

/// Returns the result if NEW has errors. In JSON, it is an object like that of a comparison, with the messages alone. With
/// `--exit-code`, 1 says that there is a difference, so this is 2.
fn refused(options: &Diff, messages: &[Message], format: Format) -> Result<Report, CallError> {
    let report = match format {
        Format::Json => Report { out: pretty(&json!({"messages": as_json(messages)})), ..Report::default() },
        _ => refuse(messages, format),
    };
    if options.exit_code { Err(CallError::Refused(report)) } else { Ok(report) }
}

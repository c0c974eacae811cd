//! `routes PATH…`: prints the tables in the order in which the gateway asks them, each sorted by precedence, with one line
//! for each `match`. `--as html` prints a page.

use std::path::PathBuf;

use ksvc_router_cli::load::load_tables;
use ksvc_router_cli::message::as_text;
use ksvc_router_cli::page::{self, routes::RoutesPage};
use ksvc_router_cli::tables::{Table, Tables};
use ksvc_routing::Line;
use serde_json::Value;

use super::{CallError, Report, pretty, refuse};
use ksvc_router_cli::args::Format;

pub(super) fn run(files: &[PathBuf], format: Format) -> Result<Report, CallError> {
    let tables = match load_tables(files)? {
        Ok(configurations) => Tables::new(configurations),
        Err(messages) => return Ok(refuse(&messages, format)),
    };
    let errors = tables.errors();
    let out = match format {
        Format::Text => tables.to_text(),
        _ => pretty(&tables.as_slice().iter().flat_map(to_json).collect()),
    };
    Ok(Report { out, err: as_text(&errors), success: errors.is_empty() })
}

/// Returns the tables as a page for a browser.
pub(super) fn page(files: &[PathBuf], cases: &[PathBuf], format: Format) -> Result<Report, CallError> {
    Ok(match page::routes::read(files, cases)? {
        Ok(RoutesPage { unread, .. }) if !unread.is_empty() => refuse(&unread, format),
        Ok(RoutesPage { page, errors, .. }) => {
            Report { out: page.to_html()?, err: as_text(&errors), success: errors.is_empty() }
        }
        Err(messages) => refuse(&messages, format),
    })
}

fn to_json(table: &Table) -> Vec<Value> {
    let object = |line: &Line<'_>| {
        let mut object = table.line_to_json(line);
        object["table"] = table.name().into();
        object["file"] = table.configuration.source.name.as_str().into();
        object
    };
    table.compiled.table.routes().iter().map(object).collect()
}

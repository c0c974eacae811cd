//! `routes PATH…`: prints the tables in the order in which the gateway asks them, each sorted by precedence, with one line
//! for each `match`.

use std::path::PathBuf;

use ksvc_router_cli::load::load_tables;
use ksvc_router_cli::message::as_text;
use ksvc_router_cli::tables::{Table, Tables};
use ksvc_routing::Line;
use serde_json::{Value, json};

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

fn to_json(table: &Table) -> Vec<Value> {
    let object = |line: &Line<'_>| {
        let mut object = json!({
            "methods": line.methods.split('|').collect::<Value>(),
            "path": line.path,
            "target": line.target,
            "route": line.route,
            "conditions": line.conditions,
            "index": line.index,
            "table": table.name(),
            "file": table.configuration.source.name,
        });
        if !line.extras.is_empty() {
            object["extras"] = json!(line.extras);
        }
        object
    };
    table.compiled.table.routes().iter().map(object).collect()
}

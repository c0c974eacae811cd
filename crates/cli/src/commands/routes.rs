//! `routes FILE`: prints the table sorted by precedence, with one line for each `match`.

use std::fmt::Write as _;
use std::path::Path;

use ksvc_router_cli::message::{Message, as_text};
use ksvc_routing::Line;
use serde_json::{Value, json};

use super::{CallError, Report, load_one, pretty, refuse};
use crate::args::Format;

pub(super) fn run(file: &Path, format: Format) -> Result<Report, CallError> {
    let configuration = match load_one(file)? {
        Ok(configuration) => configuration,
        Err(messages) => return Ok(refuse(&messages, format)),
    };
    let (compiled, messages) = configuration.compile();
    let errors: Vec<Message> = messages.into_iter().filter(Message::is_error).collect();
    let lines = compiled.table.routes();
    let out = match format {
        Format::Text => aligned(&lines.iter().map(cells).collect::<Vec<_>>()),
        _ => pretty(&lines.iter().map(to_json).collect()),
    };
    Ok(Report { out, err: as_text(&errors), success: errors.is_empty() })
}

fn cells(line: &Line<'_>) -> [String; 7] {
    [
        line.methods.to_owned(),
        line.path.clone(),
        "→".to_owned(),
        line.target.clone(),
        line.route.to_owned(),
        line.conditions.join(", "),
        line.extras.join(", "),
    ]
}

fn to_json(line: &Line<'_>) -> Value {
    let mut object = json!({
        "methods": line.methods.split('|').collect::<Value>(),
        "path": line.path,
        "target": line.target,
        "route": line.route,
        "conditions": line.conditions,
        "index": line.index,
    });
    if !line.extras.is_empty() {
        object["extras"] = json!(line.extras);
    }
    object
}

/// Formats rows of cells. Each column is as wide as its widest cell.
fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a string can't fail.
            let _ = write!(line, "{cell:<width$}  ");
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

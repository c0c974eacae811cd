//! `import ksvc`: prints the tables that the annotations of Knative Services ask for.

use std::fmt::Write as _;

use ksvc_router_cli::args::Format;
use ksvc_router_cli::args::import_ksvc::ImportKsvc;
use ksvc_router_cli::cluster::connect::{check_namespace, connect};
use ksvc_router_cli::cluster::read::Reader;
use ksvc_router_cli::import::ksvc::{
    Imported, Note, import, notes_as_json, read_objects, read_tables, table_of_options, warn_of_shared_table,
};
use ksvc_router_cli::load;
use ksvc_router_cli::message::Message;
use ksvc_router_cli::words::count;
use serde_json::json;

use super::{CallError, Report, access, block_on, pretty};

pub(crate) fn run(options: &ImportKsvc, format: Format) -> Result<Report, CallError> {
    if let Some(name) = &options.namespace {
        check_namespace("--namespace", name)?;
    }
    check_inputs(options).map_err(CallError::Option)?;
    let mut refused: Vec<Message> = Vec::new();
    let definitions = match &options.tables {
        None => Some((vec![table_of_options(options).map_err(CallError::Option)?], Vec::new())),
        Some(path) => read_or(load::read(path)?, read_tables, &mut refused),
    };
    let objects = match &options.file {
        None => None,
        Some(path) => {
            let read = |source: &_| read_objects(source, options.namespace.as_deref());
            read_or(load::read(path)?, read, &mut refused)
        }
    };
    // Errors of both files are shown at once.
    let Some((definitions, warnings)) = definitions.filter(|_| refused.is_empty()) else {
        let notes: Vec<Note> = refused.into_iter().map(in_file).collect();
        return Ok(match format {
            Format::Text => Report { err: as_text(&notes), ..Report::default() },
            _ => Report { out: pretty(&json!({"tables": [], "messages": notes_as_json(&notes)})), ..Report::default() },
        });
    };
    let of_cluster;
    let services = match &objects {
        Some(objects) => &objects.services,
        None => {
            of_cluster = block_on(async {
                let reader = Reader::new(connect(&access(&options.access)).await?);
                reader.knative_services(options.namespace.as_deref()).await
            })??;
            &of_cluster
        }
    };
    let mut imported = import(services, objects.as_ref(), &definitions);
    imported.notes.splice(..0, warnings.into_iter().map(in_file));
    if options.tables.is_none() {
        warn_of_shared_table(services, &mut imported.notes);
    }
    if options.partial {
        imported.leave_out_tables_without_claim();
    }
    Ok(report(&imported, options.partial, format))
}

/// Checks the options that do not go together. The error says which one has no effect.
fn check_inputs(options: &ImportKsvc) -> Result<(), String> {
    let Some(file) = &options.file else { return Ok(()) };
    let is_stdin = |path: &std::path::Path| path == std::path::Path::new("-");
    if is_stdin(file) && options.tables.as_deref().is_some_and(is_stdin) {
        return Err(
            "--tables: standard input can be read once; write the name of a file here or in place of FILE".into()
        );
    }
    let of_cluster =
        [("--kubeconfig", options.access.kubeconfig.is_some()), ("--context", options.access.context.is_some())];
    match of_cluster.into_iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(format!(
            "{option}: the KSVCs of FILE are read, and no cluster; leave this option out, or write `--cluster` in place of FILE"
        )),
        None => Ok(()),
    }
}

/// Reads a file that could be read as text. Errors are added to `refused`.
fn read_or<T>(
    source: Result<std::sync::Arc<ksvc_router_cli::source::Source>, Message>,
    read: impl FnOnce(&std::sync::Arc<ksvc_router_cli::source::Source>) -> Result<T, Vec<Message>>,
    refused: &mut Vec<Message>,
) -> Option<T> {
    match source.map_err(|message| vec![message]).and_then(|source| read(&source)) {
        Ok(value) => Some(value),
        Err(messages) => {
            refused.extend(messages);
            None
        }
    }
}

fn in_file(message: Message) -> Note {
    Note::InFile(Box::new(message))
}

fn as_text(notes: &[Note]) -> String {
    notes.iter().map(Note::to_string).collect()
}

fn report(imported: &Imported, is_partial: bool, format: Format) -> Report {
    let success = !imported.has_errors();
    let prints_tables = success || is_partial;
    if format != Format::Text {
        return Report { out: pretty(&imported.to_json(prints_tables)), success, ..Report::default() };
    }
    let mut err = as_text(&imported.notes);
    let errors = imported.notes.iter().filter(|note| note.is_error()).count();
    let warnings = imported.notes.len() - errors;
    // Writing to a string can't fail.
    let _ = writeln!(
        err,
        "{} of {} with a route, {}, {}, {}",
        imported.routed,
        count(imported.services, "KSVC"),
        count(imported.tables.len(), "table"),
        count(errors, "error"),
        count(warnings, "warning")
    );
    if !prints_tables {
        err += match imported.routed {
            0 => "No table is printed because of the errors.\n",
            _ => {
                "No table is printed because of the errors; `--partial` prints the tables without what has an error.\n"
            }
        };
    }
    Report { out: if prints_tables { imported.to_yaml() } else { String::new() }, err, success }
}

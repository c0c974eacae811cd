//! What the page of the routes shows: the tables of one gateway, the messages of `check` at their routes, and cases.

use std::path::PathBuf;
use std::sync::Arc;

use ksvc_routing::Line;
use serde_json::{Value, json};

use super::{Page, for_core};
use crate::cases::{self, Mismatch, Outcome};
use crate::check::check;
use crate::example;
use crate::kind::NO_TABLE;
use crate::load::{load, without_table};
use crate::message::{Message, as_json};
use crate::source::Source;
use crate::source::files::Unreadable;
use crate::source::position::Span;
use crate::tables::{Table, Tables};

/// Files that have been read, and the page that shows them.
#[derive(Debug)]
pub struct RoutesPage {
    pub page: Page,
    /// The errors of the tables. The page shows them too, together with what `check` says about the manifests.
    pub errors: Vec<Message>,
}

/// Reads files with tables, and files with cases if there are any. The inner error has the messages about files that can't be
/// read or have no table, and about cases that can't be read.
pub fn read(files: &[PathBuf], case_files: &[PathBuf]) -> Result<Result<RoutesPage, Vec<Message>>, Unreadable> {
    let loaded = load(files)?;
    if let Some(messages) = without_table(files, &loaded) {
        return Ok(Err(messages));
    }
    let unread: Vec<Message> = loaded.iter().flat_map(|file| file.messages.clone()).collect();
    if !unread.is_empty() {
        return Ok(Err(unread));
    }
    let messages: Vec<Message> = check(&loaded).into_iter().flatten().collect();
    let tables = Tables::new(loaded.into_iter().flat_map(|file| file.configurations).collect());
    let known = files.first().zip(tables.as_slice().first()).filter(|_| files.len() == 1);
    let known = known.map(|(file, table)| (file.as_path(), &table.configuration.source));
    let outcomes = match cases::load(case_files, known)? {
        Ok(_) if case_files.is_empty() => None,
        Ok(cases) => Some(cases::run(&tables, cases).0),
        Err(errors) => return Ok(Err(errors)),
    };
    let mut data = data(files, &messages);
    data["tables"] = tables.as_slice().iter().map(|table| table_json(&tables, table, &messages)).collect();
    if let Some(outcomes) = outcomes {
        data["cases"] = outcomes.iter().map(case_json).collect();
    }
    Ok(Ok(RoutesPage { page: Page { data, gateways: vec![for_core(&tables)] }, errors: tables.errors() }))
}

/// Returns the page of files that have no table, which shows why.
pub(crate) fn of_messages(files: &[PathBuf], messages: &[Message]) -> Page {
    Page { data: data(files, messages), gateways: vec![json!([])] }
}

/// Returns the page of files that are not there.
pub(crate) fn of_error(files: &[PathBuf], error: &Unreadable) -> Page {
    let name = files.first().map(|file| file.display().to_string()).unwrap_or_default();
    of_messages(files, &[Message::new(NO_TABLE, &Source::new(name, ""), Span::START, error.to_string())])
}

fn data(files: &[PathBuf], messages: &[Message]) -> Value {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    json!({"page": "routes", "title": names.join(", "), "tables": [], "messages": as_json(messages)})
}

fn table_json(tables: &Tables, table: &Table, messages: &[Message]) -> Value {
    let named = table.named();
    // The messages about each route, by their index.
    let mut problems: Vec<Vec<usize>> = vec![Vec::new(); table.configuration.routes().len()];
    for (index, message) in messages.iter().enumerate() {
        if !table_of(tables, message).is_some_and(|of| std::ptr::eq(of, table)) {
            continue;
        }
        // A duplicate is an error of both routes.
        let places = [Some(&message.place), message.other.as_ref().map(|other| &other.place)];
        for route in places.into_iter().flatten().filter_map(|place| route_of(place)) {
            if let Some(of_route) = problems.get_mut(route).filter(|of_route| !of_route.contains(&index)) {
                of_route.push(index);
            }
        }
    }
    let lines = table.compiled.table.routes();
    json!({
        "name": named.name,
        "file": named.file,
        "line": named.line,
        "hosts": named.hosts,
        "routes": lines.iter().map(|line| line_json(table, line, &problems)).collect::<Value>(),
    })
}

/// Returns the table that a message is about: the last one that begins before it in its file.
fn table_of<'t>(tables: &'t Tables, message: &Message) -> Option<&'t Table> {
    let start = |table: &&Table| table.configuration.at.start;
    let in_file = tables.as_slice().iter().filter(|table| Arc::ptr_eq(&table.configuration.source, &message.source));
    in_file.filter(|table| start(table) <= message.span.start).max_by_key(start)
}

/// Returns the index of the route in which a place is. The position in the file would not do, because a route can take a
/// value by an alias from another place.
fn route_of(place: &str) -> Option<usize> {
    place.strip_prefix("routes[")?.split_once(']')?.0.parse().ok()
}

fn line_json(table: &Table, line: &Line<'_>, problems: &[Vec<usize>]) -> Value {
    let mut object = table.line_to_json(line);
    if line.conditions.is_empty()
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("conditions");
    }
    object["url"] = example::url(table, line).into();
    if let Some(route) = table.configuration.routes().get(line.index) {
        object["line"] = route.span.start.line.into();
        if let Some(service) = route.text_at("service") {
            object["service"] = service.into();
            let of_table = || table.configuration.node.as_ref().and_then(|node| node.text_at("namespace"));
            object["namespace"] = route.text_at("namespace").or_else(of_table).into();
        }
    }
    if let Some(problems) = problems.get(line.index).filter(|problems| !problems.is_empty()) {
        object["problems"] = json!(problems);
    }
    object
}

fn case_json(Outcome { case, mismatches }: &Outcome) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers = case.request.headers.iter().map(|(name, value)| format!("{}: {}", text(name), text(value)));
    json!({
        "name": case.name,
        "file": case.source.name,
        "line": case.at.start.line,
        "method": text(&case.request.method),
        "url": case.url,
        "headers": headers.collect::<Vec<_>>().join("\n"),
        "mismatches": mismatches.iter().map(Mismatch::to_string).collect::<Vec<_>>(),
    })
}

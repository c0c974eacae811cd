//! What the page of the routes shows: the tables of one gateway, the messages of `check` at their routes, and cases.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use ksvc_routing::Line;
use serde_json::{Value, json};

use super::{Page, for_core};
use crate::cases::{self, Mismatch, Outcome};
use crate::check::check;
use crate::example;
use crate::load::{load, without_table};
use crate::message::{Message, as_json};
use crate::source::files::Unreadable;
use crate::tables::Tables;

/// Files that have been read, and the page that shows them.
#[derive(Debug)]
pub struct RoutesPage {
    pub page: Page,
    /// Everything that `check` says about the files, and the errors of the cases. The page shows it.
    pub messages: Vec<Message>,
    /// Those messages that are about tables and cases which can't be read. The page shows what could be read.
    pub unread: Vec<Message>,
    /// The errors of the tables alone.
    pub errors: Vec<Message>,
}

/// Reads files with tables, and files with cases if there are any. The inner error has the messages if there is no table.
pub fn read(files: &[PathBuf], case_files: &[PathBuf]) -> Result<Result<RoutesPage, Vec<Message>>, Unreadable> {
    let loaded = load(files)?;
    if let Some(messages) = without_table(files, &loaded) {
        return Ok(Err(messages));
    }
    let mut unread: Vec<Message> = loaded.iter().flat_map(|file| file.messages.clone()).collect();
    let mut messages: Vec<Message> = check(&loaded).into_iter().flatten().collect();
    let tables = Tables::new(loaded.into_iter().flat_map(|file| file.configurations).collect());
    let known = files.first().zip(tables.as_slice().first()).filter(|_| files.len() == 1);
    let known = known.map(|(file, table)| (file.as_path(), &table.configuration.source));
    let outcomes = match cases::load(case_files, known)? {
        Ok(cases) => cases::run(&tables, cases).0,
        Err(errors) => {
            messages.extend(errors.clone());
            unread.extend(errors);
            Vec::new()
        }
    };
    let mut data = data(files, as_json(&messages));
    let problems = problems(&tables, &messages);
    data["tables"] =
        problems.iter().enumerate().map(|(index, problems)| table_json(&tables, index, problems)).collect();
    if !case_files.is_empty() {
        data["cases"] = outcomes.iter().map(case_json).collect();
    }
    let page = Page { data, gateways: vec![for_core(&tables)] };
    Ok(Ok(RoutesPage { page, messages, unread, errors: tables.errors() }))
}

/// Returns the page of files that have no table, which shows why.
pub(crate) fn of_messages(files: &[PathBuf], messages: &[Message]) -> Page {
    Page { data: data(files, as_json(messages)), gateways: vec![json!([])] }
}

/// Returns the page of files that are not there.
pub(crate) fn of_error(files: &[PathBuf], error: &Unreadable) -> Page {
    let message = json!({"severity": "error", "file": error.path.display().to_string(), "message": error.reason()});
    Page { data: data(files, json!([message])), gateways: vec![json!([])] }
}

fn data(files: &[PathBuf], messages: Value) -> Value {
    let title = match files {
        [first, _, _, ..] => format!("{} and {} others", first.display(), files.len() - 1),
        few => few.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" and "),
    };
    json!({"page": "routes", "title": title, "tables": [], "messages": messages})
}

/// The indexes of the messages about each route of a table.
type Problems = Vec<Vec<usize>>;

/// Returns the problems of each table. A message is about the table that reports it itself, or else about the last one that
/// begins before it in its file. Its position alone would not do, because a table can take a value by an alias from another
/// place.
fn problems(tables: &Tables, messages: &[Message]) -> Vec<Problems> {
    let tables = tables.as_slice();
    let key =
        |message: &Message| (Arc::as_ptr(&message.source), message.span.start, message.code, message.place.clone());
    let mut own = BTreeMap::new();
    for (index, table) in tables.iter().enumerate() {
        for message in &table.messages {
            own.entry(key(message)).or_insert(index);
        }
    }
    let last_before = |message: &Message| {
        let start = |index: &usize| tables[*index].configuration.at.start;
        let in_file = |index: &usize| Arc::ptr_eq(&tables[*index].configuration.source, &message.source);
        (0..tables.len()).filter(in_file).filter(|index| start(index) <= message.span.start).max_by_key(start)
    };
    let mut problems: Vec<Problems> =
        tables.iter().map(|table| vec![Vec::new(); table.configuration.routes().len()]).collect();
    for (index, message) in messages.iter().enumerate() {
        let Some(table) = own.get(&key(message)).copied().or_else(|| last_before(message)) else { continue };
        // A duplicate is an error of both routes.
        let places = [Some(&message.place), message.other.as_ref().map(|other| &other.place)];
        for route in places.into_iter().flatten().filter_map(|place| route_of(place)) {
            if let Some(of_route) = problems[table].get_mut(route).filter(|of_route| !of_route.contains(&index)) {
                of_route.push(index);
            }
        }
    }
    problems
}

fn table_json(tables: &Tables, index: usize, problems: &Problems) -> Value {
    let table = &tables.as_slice()[index];
    let named = table.named();
    let lines = table.compiled.table.routes();
    json!({
        "name": named.name,
        "file": named.file,
        "line": named.line,
        "hosts": named.hosts,
        "routes": lines.iter().map(|line| line_json(tables, index, line, problems)).collect::<Value>(),
    })
}

/// Returns the index of the route in which a place is.
fn route_of(place: &str) -> Option<usize> {
    place.strip_prefix("routes[")?.split_once(']')?.0.parse().ok()
}

fn line_json(tables: &Tables, index: usize, line: &Line<'_>, problems: &Problems) -> Value {
    let table = &tables.as_slice()[index];
    let mut object = table.line_to_json(line);
    if line.conditions.is_empty()
        && let Some(fields) = object.as_object_mut()
    {
        fields.remove("conditions");
    }
    object["match"] = line.matched.into();
    if let Some(example) = example::of(tables, index, line) {
        object["method"] = example.method.into();
        object["url"] = example.url().into();
        object["isRouted"] = example.is_routed.into();
    }
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

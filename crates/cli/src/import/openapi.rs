//! Makes a table from an OpenAPI document.
//!
//! The path of the data:
//!
//! 1. `document`: the values with their files and positions; `reference`: the values that `$ref` points to, in files that
//!    are each read once; `root`: the file that the user names;
//! 2. `operation`: every operation with its parameters, sorted by path and method;
//! 3. `server`: the public hosts and the base path; `target`: the `destination` of each operation, with `foreign` for the
//!    extensions of other gateways; `path`: the path template of each operation in the language of the table;
//! 4. `table`: the routes, compiled by the routing core, with its problems at the position of the operation;
//! 5. `cases`: a test case for each operation, with the values of `example`.
//!
//! `kinds` has the kinds of messages. Nothing here validates a document: only what routing needs is read.

mod cases;
mod destination;
mod document;
mod example;
mod foreign;
pub mod kinds;
mod operation;
mod path;
mod plan;
mod reference;
mod root;
mod server;
mod table;
mod target;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::message::Message;
use crate::source::files::Unreadable;
use reference::Resolver;

/// What the command line says about the table.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub name: Option<String>,
    /// The public hosts, instead of those of the servers.
    pub hosts: Vec<String>,
    /// The base path, instead of that of the servers.
    pub base_path: Option<String>,
    pub domain: Option<String>,
    pub host_template: Option<String>,
    pub namespace: Option<String>,
    /// The service of every operation that names none.
    pub service: Option<String>,
    /// Whether the first tag of an operation is its service.
    pub service_from_tag: bool,
    /// The folders, beside that of the document, from which files are read.
    pub refs_from: Vec<PathBuf>,
    /// Whether operations that share path and service are one route.
    pub fold: bool,
    /// Whether to make a case for each operation.
    pub cases: bool,
}

/// The result of an import.
#[derive(Debug)]
pub struct Imported {
    /// The table without the operations that have errors. `None` if the document can't be read at all, if an error is about
    /// the table as a whole, or if no route is left: whoever applies such a table would take every route away.
    pub table: Option<Value>,
    /// A file of cases, one for each operation of the table, if they were asked for.
    pub cases: Option<Value>,
    /// Errors and warnings, by file and position.
    pub messages: Vec<Message>,
}

impl Imported {
    pub fn has_errors(&self) -> bool {
        self.messages.iter().any(Message::is_error)
    }
}

/// Checks the values of the options that become a part of the table. The error names the option that is wrong.
pub fn check(options: &Options) -> Result<(), String> {
    let mut settings = Map::new();
    if !options.hosts.is_empty() {
        settings.insert("hosts".to_owned(), options.hosts.as_slice().into());
    }
    let base_path = options.base_path.as_deref().map(|path| path.trim_end_matches('/')).filter(|path| !path.is_empty());
    let named = [
        ("name", options.name.as_deref()),
        ("basePath", base_path),
        ("domain", options.domain.as_deref()),
        ("hostTemplate", options.host_template.as_deref()),
        ("namespace", options.namespace.as_deref()),
    ];
    settings.extend(named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into()))));
    super::check_options(&settings, options.service.as_deref())
}

/// Makes a table from the OpenAPI document in a file, or on standard input for `-`.
pub fn import(spec: &Path, options: &Options) -> Result<Imported, Unreadable> {
    let mut resolver = Resolver::new(spec, &options.refs_from)?;
    let (mut table, mut cases) = (None, None);
    if let Some(root) = root::read(spec, &mut resolver)? {
        let operations = operation::read(&root, &mut resolver);
        let plans = plan::make(&root, operations, options, &mut resolver);
        let built = table::build(&root, plans, options, &mut resolver.messages);
        if options.cases && built.is_valid {
            cases = Some(cases::make(&built, &mut resolver));
        }
        let has_routes = !built.routes.is_empty();
        if !has_routes && !resolver.messages.has_errors() {
            let text =
                "none of the operations gets a route, because `x-ksvc-disable` or an extension is for all of them";
            resolver.messages.report(kinds::NO_OPERATIONS, &root.at(), text);
        }
        cases = cases.filter(|_| has_routes);
        table = (built.is_valid && has_routes).then_some(built.value);
    }
    let mut messages = resolver.messages.into_messages();
    messages.sort_by(|a, b| (&a.source.name, a.span.start).cmp(&(&b.source.name, b.span.start)));
    Ok(Imported { table, cases, messages })
}

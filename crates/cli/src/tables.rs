//! The tables of one gateway, in the order in which it asks them: the first table that does not leave a request untouched
//! decides about it.

use ksvc_routing::{Compiled, Line};

use crate::configuration::Configuration;
use crate::manifest::order::Order;
use crate::message::Message;
use crate::words::{aligned, clean};
use ksvc_explanation::gateway::{NamedTable, deciding};
use ksvc_explanation::request::Request;
use serde_json::{Value, json};

/// A table and its place in a file.
#[derive(Debug)]
pub struct Table {
    pub configuration: Configuration,
    pub compiled: Compiled,
    /// The errors and warnings of the configuration.
    pub messages: Vec<Message>,
}

impl Table {
    fn new(configuration: Configuration) -> Self {
        let (compiled, messages) = configuration.compile();
        Self { configuration, compiled, messages }
    }

    /// Returns whether the configuration has no errors.
    pub fn is_good(&self) -> bool {
        !self.messages.iter().any(Message::is_error)
    }

    /// Returns the name of the table: `default` if it has none.
    pub fn name(&self) -> &str {
        self.configuration.node.as_ref().and_then(|node| node.text_at("name")).unwrap_or("default")
    }

    /// Returns the table with the words of its file.
    pub fn named(&self) -> NamedTable<'_> {
        let key = |key: &str| self.configuration.node.as_ref().and_then(|node| node.get(key));
        NamedTable {
            table: &self.compiled.table,
            name: self.name(),
            file: &self.configuration.source.name,
            line: self.configuration.at.start.line,
            hosts: key("hosts")
                .map(|hosts| hosts.items())
                .unwrap_or_default()
                .iter()
                .filter_map(|host| host.text())
                .collect(),
            base_path: key("basePath").and_then(|base| base.text()).unwrap_or_default(),
        }
    }

    pub fn order(&self) -> Order {
        Order::new(self.configuration.manifest.as_ref())
    }

    /// Returns the routes, sorted by precedence, with one line for each `match`.
    fn to_text(&self) -> String {
        aligned(&self.compiled.table.routes().iter().map(cells).collect::<Vec<_>>())
    }

    /// Returns a line of the table as an object.
    pub fn line_to_json(&self, line: &Line<'_>) -> Value {
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

    /// Returns the file and the line of the table.
    pub fn place(&self) -> String {
        self.named().place()
    }
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

/// The tables in the order in which the gateway asks them.
#[derive(Debug)]
pub struct Tables(Vec<Table>);

impl Tables {
    /// Tables of the same order stay as they are given.
    pub fn new(mut configurations: Vec<Configuration>) -> Self {
        configurations.sort_by_key(|configuration| Order::new(configuration.manifest.as_ref()));
        Self(configurations.into_iter().map(Table::new).collect())
    }

    pub fn as_slice(&self) -> &[Table] {
        &self.0
    }

    /// Returns the routes of each table, sorted by precedence, with one line for each `match`.
    pub fn to_text(&self) -> String {
        match self.as_slice() {
            [only] => only.to_text(),
            tables => tables
                .iter()
                .map(|table| {
                    format!(
                        "# {} ({}){}\n{}",
                        clean(table.name()),
                        clean(&table.place()),
                        table.order(),
                        table.to_text()
                    )
                })
                .collect::<Vec<_>>()
                .join("\n"),
        }
    }

    /// Returns all errors of the tables.
    pub fn errors(&self) -> Vec<Message> {
        self.0.iter().flat_map(|table| &table.messages).filter(|message| message.is_error()).cloned().collect()
    }

    /// Returns the index of the table that decides about a request.
    pub fn deciding(&self, request: &Request) -> usize {
        deciding(self.0.iter().map(|table| &table.compiled.table), request)
    }
}

//! Reads a table file: the settings of each table, and which namespaces may claim which paths in it.
//!
//! Own code because a deserializer such as serde stops at the first error and does not know columns.

use std::sync::Arc;

use ksvc_discovery::{Grant, Namespaces, OwnedPath, TableDefinition};

use super::INVALID_TABLE_FILE;
use crate::configuration::Configuration;
use crate::load;
use crate::message::Message;
use crate::source::Source;
use crate::source::position::Span;
use crate::words::{describe, nearest};
use crate::yaml::{Node, Value as Yaml};

/// The key of a table that the configuration does not have.
const NAMESPACES: &str = "namespaces";

const FORM: &str = "write `tables:`, a list of tables with `hosts` and `namespaces`";

/// Reads a table file. Returns the tables and the warnings about them, or all errors and warnings.
pub fn read(source: &Arc<Source>) -> Result<(Vec<TableDefinition>, Vec<Message>), Vec<Message>> {
    let documents = load::parse(source).map_err(|message| vec![*message])?;
    let mut reader = Reader { source, messages: Vec::new() };
    let tables = reader.file(&documents);
    reader.messages.sort_by_key(|message| message.span.start);
    if reader.messages.iter().any(Message::is_error) {
        return Err(reader.messages);
    }
    Ok((tables, reader.messages))
}

/// Reads tables and collects the errors in them.
struct Reader<'a> {
    source: &'a Arc<Source>,
    messages: Vec<Message>,
}

impl Reader<'_> {
    fn error(&mut self, at: Span, place: impl Into<String>, text: impl Into<String>) {
        let message = Message::new(INVALID_TABLE_FILE, self.source, at, text);
        self.messages.push(Message { place: place.into(), ..message });
    }

    fn file(&mut self, documents: &[Arc<Node>]) -> Vec<TableDefinition> {
        let documents: Vec<&Arc<Node>> = documents.iter().filter(|document| !document.is_null()).collect();
        let [document] = documents[..] else {
            let text = match documents[..] {
                [] => format!("the file is empty; {FORM}"),
                _ => "the file has several documents; write all tables into one list `tables:`".to_owned(),
            };
            self.error(documents.get(1).map_or(Span::START, |second| second.span), "", text);
            return Vec::new();
        };
        let Yaml::Map(entries) = &document.value else {
            self.error(document.span, "", format!("expected an object, found {}; {FORM}", describe(document)));
            return Vec::new();
        };
        for entry in entries.iter().filter(|entry| entry.key.text != "tables") {
            let key = &entry.key.text;
            let near = nearest(key, ["tables"])
                .map_or_else(|| format!("; {FORM}"), |near| format!("; did you mean `{near}`?"));
            self.error(entry.key.span, key, format!("unknown key `{key}`{near}"));
        }
        self.repeated_keys(document, "");
        let Some(list) = document.get("tables") else {
            if entries.is_empty() {
                self.error(document.span, "", format!("the file has no tables; {FORM}"));
            } else if entries.iter().all(|entry| nearest(&entry.key.text, ["tables"]).is_none()) {
                self.error(document.span, "", format!("`tables` is missing; {FORM}"));
            }
            return Vec::new();
        };
        if list.items().is_empty() {
            self.error(
                list.span,
                "tables",
                format!(
                    "expected a list of tables, found {}; {FORM}",
                    match &list.value {
                        Yaml::List(_) => "an empty list".to_owned(),
                        _ => describe(list),
                    }
                ),
            );
        }
        let mut tables: Vec<TableDefinition> = Vec::new();
        for (index, node) in list.items().iter().enumerate() {
            let Some(table) = self.table(node, index) else { continue };
            if tables.iter().any(|other| other.name == table.name) {
                let at = node.get("name").map_or(node.span, |name| name.span);
                let text = format!("another table has the name `{}` too; write another `name`", table.name);
                self.error(at, format!("tables[{index}].name"), text);
            }
            tables.push(table);
        }
        tables
    }

    fn table(&mut self, node: &Arc<Node>, index: usize) -> Option<TableDefinition> {
        let place = format!("tables[{index}]");
        let Yaml::Map(entries) = &node.value else {
            let text =
                format!("expected a table, found {}; write an object with `hosts` and `namespaces`", describe(node));
            self.error(node.span, place, text);
            return None;
        };
        let written = entries.iter().find(|entry| entry.key.text == NAMESPACES);
        // The compiler does not know this key, and would propose another one.
        let is_misspelt = |key: &str| {
            nearest(key, [NAMESPACES]).is_some() && !["namespace", "allowNamespaces", NAMESPACES].contains(&key)
        };
        let misspelt = entries.iter().find(|entry| written.is_none() && is_misspelt(&entry.key.text));
        let grants = match (written, misspelt) {
            (Some(entry), _) => self.grants(&entry.value, &format!("{place}.{NAMESPACES}")),
            (None, Some(entry)) => {
                let key = &entry.key.text;
                self.error(
                    entry.key.span,
                    format!("{place}.{key}"),
                    format!("unknown key `{key}`; did you mean `{NAMESPACES}`?"),
                );
                Vec::new()
            }
            (None, None) => {
                let text = format!(
                    "`{NAMESPACES}` is missing; write which namespace may claim which paths, such as `shop: [/orders]`, or \
                     `\"*\": [/]` for every namespace and path"
                );
                self.error(node.span, place.as_str(), text);
                Vec::new()
            }
        };
        let mut without = vec![NAMESPACES];
        without.extend(misspelt.map(|entry| entry.key.text.as_str()));
        let repeated: Vec<Span> =
            entries.iter().filter(|entry| entry.key.text == NAMESPACES).skip(1).map(|entry| entry.key.span).collect();
        for at in repeated {
            self.error(
                at,
                format!("{place}.{NAMESPACES}"),
                format!("the key `{NAMESPACES}` is repeated; write it once"),
            );
        }
        let configuration = Arc::new(node.without(&without).or_empty_list("routes"));
        for mut message in Configuration::bare(self.source, &configuration).compile().1 {
            let within = |inner: &str| match inner {
                "" => place.clone(),
                inner if inner.starts_with('[') => format!("{place}{inner}"),
                inner => format!("{place}.{inner}"),
            };
            message.place = within(&message.place);
            if let Some(other) = &mut message.other {
                other.place = within(&other.place);
            }
            self.messages.push(message);
        }
        let serde_json::Value::Object(mut settings) = configuration.to_value() else { return None };
        let routes = settings.shift_remove("routes").and_then(|routes| routes.as_array().cloned()).unwrap_or_default();
        let name = settings.get("name").and_then(|name| name.as_str()).unwrap_or("default").to_owned();
        Some(TableDefinition { name, settings, routes, grants })
    }

    fn grants(&mut self, node: &Node, place: &str) -> Vec<Grant> {
        let Yaml::Map(entries) = &node.value else {
            let text = format!(
                "expected an object, found {}; write the paths by namespace, such as `shop: [/orders]`",
                describe(node)
            );
            self.error(node.span, place, text);
            return Vec::new();
        };
        self.repeated_keys(node, place);
        let mut grants = Vec::new();
        for entry in entries {
            let key = &entry.key.text;
            let place = format!("{place}[{key:?}]");
            if let Some(text) = entry.key.boolean_problem() {
                self.error(entry.key.span, place.as_str(), text);
            }
            let namespaces =
                Namespaces::read(key).map_err(|text| self.error(entry.key.span, place.as_str(), text)).ok();
            let paths = self.paths(&entry.value, &place);
            grants.extend(namespaces.map(|namespaces| Grant { namespaces, paths }));
        }
        grants
    }

    fn paths(&mut self, node: &Arc<Node>, place: &str) -> Vec<OwnedPath> {
        let (items, is_list) = match &node.value {
            Yaml::List(items) => (&items[..], true),
            _ => (std::slice::from_ref(node), false),
        };
        let mut paths = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let place = if is_list { format!("{place}[{index}]") } else { place.to_owned() };
            match item.text().map(OwnedPath::read) {
                Some(Ok(path)) => paths.push(path),
                Some(Err(text)) => self.error(item.span, place, text),
                None => {
                    let text = format!(
                        "expected paths, found {}; write a list such as `[/orders, /customers]`",
                        describe(item)
                    );
                    self.error(item.span, place, text);
                }
            }
        }
        paths
    }

    fn repeated_keys(&mut self, node: &Node, place: &str) {
        let entries = node.entries();
        for (index, entry) in entries.iter().enumerate() {
            let key = &entry.key.text;
            if entries[..index].iter().any(|other| other.key.text == *key) {
                self.error(entry.key.span, place, format!("the key `{key}` is repeated; write it once"));
            }
        }
    }
}

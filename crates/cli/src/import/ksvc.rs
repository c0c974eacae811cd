//! Makes tables from the annotations of Knative Services (KSVCs).
//!
//! `objects` reads the KSVCs of a file, and `table_file` the tables that they may claim paths in, both with positions.
//! The crate `ksvc-discovery` makes the tables, and this module tells what it has found, at the lines of the files.

mod objects;
mod table_file;

use std::collections::BTreeSet;
use std::fmt;

use ksvc_discovery::{Discovery, FindingKind, Grant, KnativeService, ServiceId, TableDefinition, discover};
use ksvc_routing::Severity;
use serde_json::{Map, Value, json};

use crate::args::import_ksvc::ImportKsvc;
use crate::kind::{MessageKind, kinds};
use crate::message::Message;
use crate::words::{clean, count};
use crate::yaml;

pub use objects::{Objects, read as read_objects};
pub use table_file::read as read_tables;

kinds! {
    /// The kinds that concern files of KSVCs and of tables, and the import as a whole.
    OF_KSVC_IMPORT:
    /// The table file of `import ksvc` can't be used.
    Error "invalid-table-file" INVALID_TABLE_FILE;
    /// A KSVC can't be read.
    Error "invalid-ksvc" INVALID_KSVC;
    /// The input of `import ksvc` has no KSVC that claims a match, so there would be no table.
    Error "no-claim" NO_CLAIM;
    /// After an error, no KSVC has a route in a table, so the table is not printed.
    Warning "table-without-claim" TABLE_WITHOUT_CLAIM;
    /// Without a table file, KSVCs of several namespaces claim paths in one table, and each of them could claim any path.
    Warning "shared-table" SHARED_TABLE;
}

/// Returns the kinds of messages about KSVCs.
pub fn kinds() -> Vec<MessageKind> {
    let of_claims = ksvc_discovery::KINDS.iter();
    let of_claims =
        of_claims.map(|(code, severity, explanation)| MessageKind { code, severity: *severity, explanation });
    OF_KSVC_IMPORT.iter().copied().chain(of_claims).collect()
}

/// A message about the input: about a file, or about an object of a cluster, which has no lines.
#[derive(Debug)]
pub enum Note {
    InFile(Box<Message>),
    /// `about` is empty for the import as a whole.
    Elsewhere {
        about: String,
        severity: Severity,
        code: &'static str,
        text: String,
    },
}

impl Note {
    fn overall(kind: MessageKind, text: String) -> Self {
        Self::Elsewhere { about: String::new(), severity: kind.severity, code: kind.code, text }
    }

    pub fn is_error(&self) -> bool {
        match self {
            Self::InFile(message) => message.is_error(),
            Self::Elsewhere { severity, .. } => *severity == Severity::Error,
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::InFile(message) => message.to_json(),
            Self::Elsewhere { about, code, text, .. } => {
                json!({"place": about, "severity": self.severity_word(), "code": code, "message": text})
            }
        }
    }

    fn severity_word(&self) -> &'static str {
        if self.is_error() { "error" } else { "warning" }
    }
}

impl fmt::Display for Note {
    /// Writes complete lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InFile(message) => message.fmt(f),
            Self::Elsewhere { about, code, text, .. } => {
                let about = if about.is_empty() { String::new() } else { format!("{about}: ") };
                writeln!(f, "{}: {} [{code}]", self.severity_word(), clean(&format!("{about}{text}")))
            }
        }
    }
}

/// The tables that were made, and the messages about the input.
#[derive(Debug)]
pub struct Imported {
    pub tables: Vec<ksvc_discovery::Table>,
    pub notes: Vec<Note>,
    /// How many KSVCs were read, and how many of them have a route.
    pub services: usize,
    pub routed: usize,
}

/// Makes the table of the options, which is there if there is no table file. The error names the option that is wrong.
pub fn table_of_options(options: &ImportKsvc) -> Result<TableDefinition, String> {
    let mut settings = Map::new();
    settings.insert("hosts".to_owned(), options.hosts.as_slice().into());
    let named =
        [("basePath", &options.base_path), ("domain", &options.domain), ("hostTemplate", &options.host_template)];
    settings.extend(named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.as_deref()?.into()))));
    super::check_options(&settings, None)?;
    Ok(TableDefinition { name: "default".to_owned(), settings, routes: vec![], grants: vec![Grant::everything()] })
}

/// Makes the tables. `objects` says where in a file the KSVCs are; without it, they are named alone.
pub fn import(services: &[KnativeService], objects: Option<&Objects>, definitions: &[TableDefinition]) -> Imported {
    let Discovery { tables, findings } = discover(services, definitions);
    let mut notes: Vec<Note> = Vec::new();
    for finding in &findings {
        let about = match (&finding.service, &finding.table) {
            (Some(service), _) => about_service(service, &finding.at),
            (None, Some(table)) => format!("table {table}"),
            (None, None) => String::new(),
        };
        let other = match &finding.kind {
            FindingKind::Conflict { winner, winner_text, .. } => Some((winner.clone(), winner_text.as_str())),
            FindingKind::RepeatedClaim { winner_text, .. } => {
                finding.service.clone().map(|id| (id, winner_text.as_str()))
            }
            _ => None,
        };
        let located = finding.service.as_ref().zip(objects).and_then(|(id, objects)| objects.locate(id, &finding.at));
        let (severity, code, text) = (finding.severity(), finding.kind.code(), finding.kind.to_string());
        notes.push(match located.zip(objects) {
            Some((span, objects)) => {
                let mut message =
                    Message::new(MessageKind { code, severity, explanation: "" }, &objects.source, span, text);
                message.place = about;
                message.other = other.and_then(|(id, text)| objects.other(&id, text));
                Note::InFile(Box::new(message))
            }
            None => Note::Elsewhere { about, severity, code, text },
        });
    }
    // Messages about a file are in its order.
    if let Some(objects) = objects {
        notes.extend(objects.messages.iter().map(|message| Note::InFile(Box::new(message.clone()))));
        notes.sort_by_key(|note| match note {
            Note::InFile(message) => Some(message.span.start),
            Note::Elsewhere { .. } => None,
        });
    }
    let routes = tables.iter().flat_map(|table| &table.claimed);
    let routed = routes.map(|route| &route.service).collect::<BTreeSet<&ServiceId>>().len();
    // An error about a KSVC says already why there is no claim.
    if !notes.iter().any(Note::is_error) && services.iter().all(|service| service.matches().next().is_none()) {
        let which = match services.len() {
            0 => "there is no KSVC, and so none",
            1 => "the only KSVC does not have it",
            _ => "none of the KSVCs has it",
        };
        let text = format!(
            "no KSVC has a match in the annotation `ksvc-router/match`: {which}; write one match a line there, such as \
             `GET /orders/{{id}}`"
        );
        notes.push(Note::overall(NO_CLAIM, text));
    }
    Imported { tables, routed, services: services.len(), notes }
}

/// Warns if KSVCs of several namespaces claim paths in the table of the options.
pub fn warn_of_shared_table(services: &[KnativeService], notes: &mut Vec<Note>) {
    let claim = |service: &&KnativeService| service.matches().next().is_some();
    let namespaces: BTreeSet<&str> =
        services.iter().filter(claim).map(|service| service.metadata.namespace.as_str()).collect();
    if namespaces.len() < 2 {
        return;
    }
    let named: Vec<String> = namespaces.iter().take(3).map(|name| format!("`{name}`")).collect();
    let more = if namespaces.len() > 3 { ", …" } else { "" };
    let text = format!(
        "each of {} ({}{more}) may claim every path of this table; write a table file that says which namespace may claim \
         which paths, and name it by `--tables` in place of the other options",
        count(namespaces.len(), "namespace"),
        named.join(", "),
    );
    notes.push(Note::overall(SHARED_TABLE, text));
}

fn about_service(service: &ServiceId, at: &ksvc_discovery::At) -> String {
    match at {
        ksvc_discovery::At::Match { text, .. } => format!("KSVC {service}, `{text}`"),
        ksvc_discovery::At::Annotation(name) => format!("KSVC {service}, `{name}`"),
        _ => format!("KSVC {service}"),
    }
}

impl Imported {
    pub fn has_errors(&self) -> bool {
        self.notes.iter().any(Note::is_error)
    }

    /// After an error, leaves out the tables in which no KSVC has a route: whoever applies such a table would take every
    /// route away.
    pub fn leave_out_tables_without_claim(&mut self) {
        if !self.has_errors() {
            return;
        }
        for table in self.tables.extract_if(.., |table| table.claimed.is_empty()) {
            let text = format!("no KSVC has a route in the table `{}`, so the table is not printed", table.name);
            self.notes.push(Note::overall(TABLE_WITHOUT_CLAIM, text));
        }
    }

    /// Returns the tables as YAML documents.
    pub fn to_yaml(&self) -> String {
        let documents = self.tables.iter().map(|table| yaml::write(&table.to_configuration()).unwrap_or_default());
        documents.collect::<Vec<_>>().join("---\n")
    }

    /// Returns the tables and the messages as one JSON document. `prints_tables` says whether the tables are in it.
    pub fn to_json(&self, prints_tables: bool) -> Value {
        let tables = if prints_tables { &self.tables[..] } else { &[] };
        let tables: Vec<Value> = tables.iter().map(ksvc_discovery::Table::to_configuration).collect();
        json!({"tables": tables, "messages": notes_as_json(&self.notes)})
    }
}

pub fn notes_as_json(notes: &[Note]) -> Vec<Value> {
    notes.iter().map(Note::to_json).collect()
}

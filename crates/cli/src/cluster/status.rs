//! Which table each gateway pod serves, beside the table that it should serve.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::finding::one_line;
use super::metrics::{Gauges, as_metric};
use crate::configuration::Configuration;

/// A table that the gateways should serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The table's `name`.
    pub table: String,
    pub hash: u64,
    /// Whether the filter would find errors in the table.
    pub has_errors: bool,
}

impl Expected {
    pub fn new(configuration: &Configuration) -> Self {
        let (compiled, messages) = configuration.compile();
        Self {
            // A name that no metric can have counts as none.
            table: compiled.table.name().to_owned(),
            hash: ksvc_routing::compile(&configuration.delivered()).table.config_hash(),
            has_errors: compiled.problems.iter().any(ksvc_routing::Problem::is_error)
                || messages.iter().any(crate::message::Message::is_error),
        }
    }
}

/// What a gateway serves for a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The table, of which a newer configuration may have been rejected.
    Current { newer_is_rejected: bool },
    /// The good part of the table, which has errors.
    Partial,
    /// An older table: the newest one was rejected, and the last good one stays in use.
    LastGood,
    /// Another table, without a rejected one.
    Other,
    /// No table of this name: the plugin does not run there.
    Absent,
    /// The gateway can't be asked, with the reason.
    Unreadable(String),
}

/// A line of the result: a gateway and a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The namespace and name of the pod, or the URL of the gateway.
    pub gateway: String,
    pub table: String,
    /// The hash that the gateway serves, if it serves a table of that name.
    pub hash: Option<u64>,
    pub state: State,
}

impl Row {
    pub fn new(gateway: &str, expected: &Expected, gauges: Result<&BTreeMap<String, Gauges>, &str>) -> Self {
        let found = gauges
            .map(|tables| tables.get(&expected.table).or_else(|| tables.get(&as_metric(&expected.table))).copied());
        let (hash, state) = match found {
            Err(why) => (None, State::Unreadable(why.to_owned())),
            Ok(None) => (None, State::Absent),
            Ok(Some(Gauges { hash, is_degraded })) => {
                let state = match (hash == expected.hash, is_degraded) {
                    (true, _) if expected.has_errors => State::Partial,
                    (true, newer_is_rejected) => State::Current { newer_is_rejected },
                    (false, true) => State::LastGood,
                    (false, false) => State::Other,
                };
                (Some(hash), state)
            }
        };
        Self { gateway: gateway.to_owned(), table: expected.table.clone(), hash, state }
    }

    /// Returns whether the gateway serves the table.
    pub fn is_current(&self) -> bool {
        matches!(self.state, State::Current { .. })
    }

    fn to_json(&self) -> Value {
        let mut object = json!({"gateway": self.gateway, "table": self.table, "state": self.state.word()});
        if let Some(hash) = self.hash {
            object["hash"] = hex(hash).into();
        }
        match &self.state {
            State::Current { newer_is_rejected } => object["newerIsRejected"] = (*newer_is_rejected).into(),
            State::Unreadable(why) => object["reason"] = why.as_str().into(),
            _ => {}
        }
        object
    }
}

impl State {
    /// Returns the word for programs.
    fn word(&self) -> &'static str {
        match self {
            Self::Current { .. } => "current",
            Self::Partial => "partial",
            Self::LastGood => "lastGood",
            Self::Other => "other",
            Self::Absent => "absent",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// Returns the words for people.
    fn words(&self) -> String {
        match self {
            Self::Current { newer_is_rejected: false } => "this table".to_owned(),
            Self::Current { newer_is_rejected: true } => "this table; a newer one was rejected".to_owned(),
            Self::Partial => "the good part of this table, which has errors".to_owned(),
            Self::LastGood => "the last good table; the newest one was rejected".to_owned(),
            Self::Other => "another table".to_owned(),
            Self::Absent => "no table of this name".to_owned(),
            Self::Unreadable(why) => format!("can't be read: {why}"),
        }
    }
}

/// Returns the rows as a table for people.
pub fn as_text(expected: &[Expected], rows: &[Row]) -> String {
    let head = ["GATEWAY", "TABLE", "HASH", "SERVES"].map(str::to_owned);
    let cells = rows.iter().map(|row| {
        let hash = row.hash.map_or("-".to_owned(), hex);
        [&row.gateway, &row.table, &hash, &row.state.words()].map(|cell| one_line(cell))
    });
    let lines: Vec<[String; 4]> = std::iter::once(head).chain(cells).collect();
    let mut out = if rows.is_empty() { String::new() } else { crate::words::aligned(&lines) };
    for Expected { table, hash, .. } in expected {
        let of_table = || rows.iter().filter(|row| row.table == *table);
        let current = of_table().filter(|row| row.is_current()).count();
        out += &match of_table().count() {
            0 => format!("{table}: no pod was found on which the plugin runs; `ksvc-router doctor` says why\n"),
            all => format!("{table}: {current} of {all} gateways serve {}\n", hex(*hash)),
        };
    }
    out
}

/// Returns the rows as JSON.
pub fn as_json(expected: &[Expected], rows: &[Row]) -> Value {
    let tables = expected
        .iter()
        .map(|expected| json!({"table": expected.table, "hash": hex(expected.hash), "hasErrors": expected.has_errors}));
    json!({"tables": tables.collect::<Value>(), "gateways": rows.iter().map(Row::to_json).collect::<Value>()})
}

/// Returns a hash as the log lines of the filter end with it: 12 hexadecimal digits.
fn hex(hash: u64) -> String {
    format!("{hash:012x}")
}

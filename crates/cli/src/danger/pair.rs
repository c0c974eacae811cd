//! Dangers between two tables that may run in the same gateway.

use std::sync::Arc;

use super::Danger;
use super::placed::Placed;
use crate::message::{Message, Other};
use crate::source::position::Position;

impl Placed<'_> {
    /// Adds the dangers between this table and another one. Messages point at this table and mention the other one.
    pub(super) fn check_beside(&self, other: &Self, found: &mut Vec<(Danger, Message)>) {
        let mut report = |key: &str, danger: Danger| {
            let at: Position = other.span_of(key).start;
            let note = Other { source: Arc::clone(other.source), at, place: "the other table".to_owned() };
            let (danger, message) = self.report(self.span_of(key), danger);
            found.push((danger, Message { other: Some(note), ..message }));
        };
        let name = self.name();
        if name == other.name() {
            report("name", Danger::SameTableName { name: name.to_owned() });
        }
        if let Some((host, path)) = self.ports.may_meet(&other.ports).then(|| self.overlap(other)).flatten() {
            report("hosts", Danger::Overlap { host, path });
        }
    }

    /// Returns a host and a path that both tables serve.
    fn overlap(&self, other: &Self) -> Option<(String, String)> {
        let hosts = |table: &Self| -> Vec<String> {
            let hosts = table.node.map_or(&[][..], |node| node.list("hosts"));
            hosts.iter().filter_map(|host| host.text()).map(str::to_ascii_lowercase).collect()
        };
        let path = longer_path(self.text("basePath").unwrap_or(""), other.text("basePath").unwrap_or(""))?;
        let others = hosts(other);
        let host = hosts(self).iter().find_map(|host| others.iter().find_map(|other| narrower_host(host, other)))?;
        Some((host, path))
    }
}

/// Returns the narrower one of two entries of `hosts` if some host matches both.
fn narrower_host(one: &str, other: &str) -> Option<String> {
    let covers = |wide: &str, narrow: &str| {
        wide == narrow || wide == "*" || wide.strip_prefix('*').is_some_and(|suffix| narrow.ends_with(suffix))
    };
    match (covers(one, other), covers(other, one)) {
        (true, _) => Some(other.to_owned()),
        (_, true) => Some(one.to_owned()),
        _ => None,
    }
}

/// Returns the longer one of two base paths if it is equal to the other one or lies below it.
fn longer_path(one: &str, other: &str) -> Option<String> {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    let below = long.strip_prefix(short)?;
    (below.is_empty() || below.starts_with('/')).then(|| long.to_owned())
}

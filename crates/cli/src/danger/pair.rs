//! Dangers between two tables of one gateway.

use std::sync::Arc;

use super::Danger;
use super::placed::{Placed, told_at};
use crate::message::{Message, Other};

impl Placed<'_> {
    /// What is dangerous beside another table.
    pub(super) fn tell_beside(&self, other: &Self, messages: &mut Vec<(Danger, Message)>) {
        let mut tell = |at, place, danger: Danger| {
            let note = Other { source: Arc::clone(other.source), at: place, place: "the other table".to_owned() };
            let (danger, message) = told_at(self.source, at, danger);
            messages.push((danger, Message { other: Some(note), ..message }));
        };
        let name = self.name();
        if name == other.name() {
            tell(
                self.key_place("name"),
                other.key_place("name").start,
                Danger::SameTableName { name: name.to_owned() },
            );
        }
        if let Some((host, path)) = self.ports.may_meet(&other.ports).then(|| self.overlap(other)).flatten() {
            tell(self.key_place("hosts"), other.key_place("hosts").start, Danger::Overlap { host, path });
        }
    }

    /// A host and a path that both tables take in.
    fn overlap(&self, other: &Self) -> Option<(String, String)> {
        let hosts = |table: &Self| -> Vec<String> {
            let hosts = table.node.and_then(|node| node.get("hosts")).map_or(&[][..], |hosts| hosts.items());
            hosts.iter().filter_map(|host| host.text()).map(str::to_ascii_lowercase).collect()
        };
        let path = longer_path(self.text("basePath").unwrap_or(""), other.text("basePath").unwrap_or(""))?;
        let others = hosts(other);
        let host = hosts(self).iter().find_map(|host| others.iter().find_map(|other| narrower_host(host, other)))?;
        Some((host, path))
    }
}

/// The narrower one of two entries of `hosts`, if a host fits both.
fn narrower_host(one: &str, other: &str) -> Option<String> {
    let takes_in = |wide: &str, narrow: &str| {
        wide == narrow || wide == "*" || wide.strip_prefix('*').is_some_and(|suffix| narrow.ends_with(suffix))
    };
    match (takes_in(one, other), takes_in(other, one)) {
        (true, _) => Some(other.to_owned()),
        (_, true) => Some(one.to_owned()),
        _ => None,
    }
}

/// The longer one of two base paths, if one is at or below the other.
fn longer_path(one: &str, other: &str) -> Option<String> {
    let (short, long) = if one.len() < other.len() { (one, other) } else { (other, one) };
    let below = long.strip_prefix(short)?;
    (below.is_empty() || below.starts_with('/')).then(|| long.to_owned())
}

//! Dangers between two tables that may run in the same gateway.

use std::sync::Arc;

use super::Danger;
use super::placed::Placed;
use crate::manifest::gateway::covers;
use crate::manifest::order::Order;
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
        // A table that is missing has a message of its own.
        if name == other.name() && self.node.is_some() && other.node.is_some() {
            report("name", Danger::SameTableName { name: name.to_owned() });
        }
        if let Some((host, path)) = self.ports.may_meet(&other.ports).then(|| self.overlap(other)).flatten()
            && !self.is_ordered(other)
        {
            let nested = self.base() != other.base();
            report("hosts", Danger::Overlap { host, path, nested });
        }
    }

    fn base(&self) -> &str {
        self.text("basePath").unwrap_or_default()
    }

    /// Returns whether the order of two tables is defined, and the first leaves requests to the second.
    fn is_ordered(&self, other: &Self) -> bool {
        let (order, other_order) = (Order::new(Some(self.manifest)), Order::new(Some(other.manifest)));
        let (first, second) = if order < other_order { (self, other) } else { (other, self) };
        let passes = first.text("onNoMatch") == Some("passThrough") || first.base().len() > second.base().len();
        order != other_order && passes
    }

    /// Returns a host and a path that both tables serve.
    fn overlap(&self, other: &Self) -> Option<(String, String)> {
        let hosts = |table: &Self| -> Vec<String> {
            let hosts = table.node.map_or(&[][..], |node| node.list("hosts"));
            hosts.iter().filter_map(|host| host.text()).map(str::to_ascii_lowercase).collect()
        };
        let path = longer_path(self.base(), other.base())?;
        let others = hosts(other);
        let host = hosts(self).iter().find_map(|host| others.iter().find_map(|other| narrower_host(host, other)))?;
        Some((host, path))
    }
}

/// Returns the narrower one of two entries of `hosts` if some host matches both.
fn narrower_host(one: &str, other: &str) -> Option<String> {
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

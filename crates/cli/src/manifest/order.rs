//! In which order a gateway asks the tables of several manifests.

use std::cmp::Reverse;
use std::fmt;

use super::{Kind, Manifest};
use crate::yaml::Value;

/// The place of a filter in the filter chain: smaller ones are asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order {
    phase: Phase,
    /// A filter without a priority comes after all others of its phase.
    priority: Reverse<Option<i64>>,
}

/// The phases in the order of Istio's filter chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    First,
    Authn,
    Authz,
    Stats,
    Unspecified,
    /// An EnvoyFilter before CORS: Istio applies it to the chain that has the filters of all phases.
    Last,
}

impl Order {
    /// Returns the order of a table; a table without a manifest has that of a manifest without `phase` and `priority`.
    pub fn new(manifest: Option<&Manifest>) -> Self {
        let Some(Manifest { kind, spec, patch, .. }) = manifest else {
            return Self { phase: Phase::Unspecified, priority: Reverse(None) };
        };
        let operation = patch.as_ref().and_then(|patch| patch.at(&["patch", "operation"]));
        let phase = match (kind, spec.text_at("phase")) {
            (Kind::EnvoyFilter, _) if operation.and_then(|operation| operation.text()) == Some("INSERT_FIRST") => {
                Phase::First
            }
            (Kind::EnvoyFilter, _) => Phase::Last,
            (_, Some("AUTHN")) => Phase::Authn,
            (_, Some("AUTHZ")) => Phase::Authz,
            (_, Some("STATS")) => Phase::Stats,
            _ => Phase::Unspecified,
        };
        let priority = spec.get("priority").and_then(|priority| match &priority.value {
            Value::Number(number) => number.as_i64(),
            _ => None,
        });
        Self { phase, priority: Reverse(priority) }
    }
}

impl fmt::Display for Order {
    /// Writes what differs from a filter without `phase` and `priority`: `, phase AUTHN, priority 1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.phase {
            Phase::First => ", before all phases",
            Phase::Authn => ", phase AUTHN",
            Phase::Authz => ", phase AUTHZ",
            Phase::Stats => ", phase STATS",
            Phase::Unspecified => "",
            Phase::Last => ", after all phases",
        })?;
        match self.priority {
            Reverse(Some(priority)) => write!(f, ", priority {priority}"),
            Reverse(None) => Ok(()),
        }
    }
}

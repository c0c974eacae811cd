//! The gateway as Knative has it.

use serde_json::{Value, json};

use crate::gateway::{Parts, UPSTREAM};
use crate::table::OTHER;

pub(super) fn parts() -> Parts {
    Parts { filter: None, routing: json!({"routes": [other()]}) }
}

/// The route of what is not below the table's base.
pub(super) fn other() -> Value {
    json!({"match": {"prefix": OTHER}, "route": {"cluster": UPSTREAM, "timeout": "0s"}})
}

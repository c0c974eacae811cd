//! The gateway as Knative configures it.

use serde_json::{Value, json};

use crate::gateway::{Parts, UPSTREAM};
use crate::table::OTHER;

pub(super) fn parts() -> Parts {
    Parts { filter: None, routing: json!({"routes": [other()]}) }
}

/// Returns the route for paths that are not below the table's base.
pub(super) fn other() -> Value {
    json!({"match": {"prefix": OTHER}, "route": {"cluster": UPSTREAM, "timeout": "0s"}})
}

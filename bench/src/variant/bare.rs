//! The gateway as Knative has it.

use serde_json::json;

use super::{Parts, other};

pub(super) fn parts() -> Parts {
    Parts { filter: None, routing: json!({"routes": [other()]}) }
}

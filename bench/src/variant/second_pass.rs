//! The gateway as in Knative's sample: the public host has a VirtualService whose routes rewrite the authority and send the
//! request to the gateway itself. There, Knative's own VirtualService routes it by host.

use serde_json::json;

use super::native;
use crate::gateway::{ITSELF, Parts};
use crate::table::Table;

pub(super) fn parts(table: &Table) -> Parts {
    Parts { filter: None, routing: json!({"routes": native::routes(table, ITSELF)}) }
}

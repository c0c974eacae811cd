//! The gateway as in Knative's sample: a VirtualService of the public host whose routes rewrite the authority and lead to
//! the gateway itself, where Knative's own VirtualService takes the request by host.

use serde_json::json;

use super::native;
use crate::gateway::{ITSELF, Parts};
use crate::table::Table;

pub(super) fn parts(table: &Table) -> Parts {
    Parts { filter: None, routing: json!({"routes": native::routes(table, ITSELF)}) }
}

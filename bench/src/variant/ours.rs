//! The gateway with a proxy-wasm module: this project's filter or the no-op filter.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::bare;
use crate::ecds;
use crate::gateway::Parts;

pub(super) fn parts(module: &Path, document: &Value, version: u64) -> Result<Parts> {
    Ok(Parts { filter: Some(ecds::wasm(module, document, version)?), ..bare::parts() })
}

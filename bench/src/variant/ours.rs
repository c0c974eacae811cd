//! The gateway with a module of proxy-wasm: this project's, or the one that does nothing.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::bare;
use crate::ecds;
use crate::gateway::Parts;

pub(super) fn parts(module: &Path, document: &Value, version: u64) -> Result<Parts> {
    Ok(Parts { filter: Some(ecds::wasm(module, document, version)?), ..bare::parts() })
}

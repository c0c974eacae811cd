//! What the filter costs beside what else would do its work, measured in real Envoy: `cargo xtask bench`.

pub mod chain;
pub mod compare;
pub mod contest;
pub mod cpu;
pub mod ecds;
pub mod envoy;
pub mod load;
pub mod reset;
pub mod results;
pub mod table;

use std::path::PathBuf;

use anyhow::{Result, ensure};

/// The filter of the SDK that does nothing.
pub fn no_op() -> Result<PathBuf> {
    let path = testenv::target_folder().join("wasm32-wasip1/plugin/no_op.wasm");
    ensure!(path.is_file(), "there is no {}: run `cargo xtask bench` instead", path.display());
    Ok(path)
}

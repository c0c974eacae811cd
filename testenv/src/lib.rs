//! A gateway on your machine: real Envoy in the shape of an Istio ingress gateway with the plugin in it
//! ([`gateway`]), stand-ins for KSVCs that report what reached them ([`stand_in`]), and the case tables that
//! run through both ([`cases`]). `cargo xtask up` and the end-to-end tests are made of these.

pub mod admin;
pub mod cases;
pub mod chromium;
pub mod envoy;
pub mod gateway;
pub mod http1;
pub mod istio;
pub mod process;
pub mod stand_in;
#[cfg(feature = "wasm-host")]
pub mod wasm_host;
pub mod yaml;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

/// The repository's root.
pub fn repository() -> &'static Path {
    let testenv = Path::new(env!("CARGO_MANIFEST_DIR"));
    testenv.parent().unwrap_or(testenv)
}

/// Cargo's build folder, which holds everything that is fetched as well.
pub fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

/// The module under test: the very bytes that are released.
pub fn plugin() -> Result<PathBuf> {
    let path = repository().join("dist/plugin.wasm");
    ensure!(path.is_file(), "there is no dist/plugin.wasm: run `cargo xtask build` first");
    Ok(path.canonicalize()?)
}

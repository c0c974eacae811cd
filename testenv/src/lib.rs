//! The test environment: the gateway of `crates/gateway`, whose modules are here too, and what the tests need beside it.
//!
//! - [`envoy`] has the versions of Envoy that the tests run on.
//! - [`cases`] reads the case tables of `testenv/cases/` and sends their requests through a gateway.
//! - [`istio`] starts Istio's real control plane, with ingress gateways that it configures.
//! - [`knative`] starts real Knative on it, with pods. [`packaging`] has Helm and kustomize. [`go`] builds the programs
//!   of all three.
//! - [`page`] finds the code blocks of a page of the documentation.
//! - [`yaml`] reads YAML files, [`chromium`] finds a browser, and [`npm`] fetches files of npm packages.

pub mod cases;
pub mod chromium;
pub mod envoy;
pub mod go;
pub mod istio;
pub mod knative;
pub mod listener;
pub mod metrics;
pub mod npm;
pub mod packaging;
pub mod page;
pub mod yaml;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
pub use local_gateway::{admin, cache_folder, gateway, http1, process, stand_in};

/// Returns the root of the repository.
pub fn repository() -> &'static Path {
    let testenv = Path::new(env!("CARGO_MANIFEST_DIR"));
    testenv.parent().unwrap_or(testenv)
}

/// Returns Cargo's target folder. Downloads are kept there too.
pub fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

/// Returns the path of the module under test, which has the very bytes that are released.
pub fn plugin() -> Result<PathBuf> {
    let path = repository().join("dist/plugin.wasm");
    ensure!(path.is_file(), "there is no dist/plugin.wasm: run `cargo xtask build` first");
    Ok(path.canonicalize()?)
}

/// Returns the path of the command line under test, `ksvc-router`.
pub fn program() -> Result<PathBuf> {
    let path = repository().join("dist/ksvc-router");
    ensure!(path.is_file(), "there is no dist/ksvc-router: run `cargo xtask build` first");
    Ok(path.canonicalize()?)
}

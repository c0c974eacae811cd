//! The test environment: real Envoy as an ingress gateway with the plugin in it, an HTTP server that stands in for the
//! Knative Services behind it, and what the tests need to send requests through both. `cargo xtask up` and the
//! end-to-end tests are built from these modules:
//!
//! - [`gateway`] starts Envoy with `testenv/envoy.yaml`, edits the plugin's document while Envoy runs, and restarts it.
//!   [`envoy`] finds or downloads the Envoy binary, and [`admin`] reads Envoy's admin interface.
//! - [`stand_in`] answers for every Knative Service with a report of the request that reached it.
//! - [`cases`] reads the case tables of `testenv/cases/` and sends their requests through a gateway.
//! - [`istio`] starts Istio's real control plane, with ingress gateways that it configures.
//! - [`knative`] starts real Knative on it, with pods. [`packaging`] has Helm and kustomize. [`go`] builds the programs
//!   of all three.
//! - [`http1`] is the HTTP client of the tests, [`process`] runs programs beside them, [`yaml`] reads YAML files, and
//!   [`chromium`] finds a browser.

pub mod admin;
pub mod cases;
pub mod chromium;
pub mod envoy;
pub mod gateway;
pub mod go;
pub mod http1;
pub mod istio;
pub mod knative;
pub mod packaging;
pub mod process;
pub mod stand_in;
pub mod yaml;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Returns the root of the repository.
pub fn repository() -> &'static Path {
    let testenv = Path::new(env!("CARGO_MANIFEST_DIR"));
    testenv.parent().unwrap_or(testenv)
}

/// Returns Cargo's target folder. Downloads are kept there too.
pub fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

/// Returns the folder for programs that take long to build and that all clones of the repository share:
/// `$XDG_CACHE_HOME/ksvc-router` or `~/.cache/ksvc-router`.
pub fn cache_folder() -> Result<PathBuf> {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
    Ok(caches.context("neither XDG_CACHE_HOME nor HOME is set, so there is no cache folder")?.join("ksvc-router"))
}

/// Returns the path of the module under test, which has the very bytes that are released.
pub fn plugin() -> Result<PathBuf> {
    let path = repository().join("dist/plugin.wasm");
    ensure!(path.is_file(), "there is no dist/plugin.wasm: run `cargo xtask build` first");
    Ok(path.canonicalize()?)
}

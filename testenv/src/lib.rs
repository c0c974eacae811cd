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
pub mod yaml;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// The repository's root.
pub fn repository() -> &'static Path {
    let testenv = Path::new(env!("CARGO_MANIFEST_DIR"));
    testenv.parent().unwrap_or(testenv)
}

/// Cargo's build folder, which holds everything that is fetched as well.
pub fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

/// What takes long to build and all clones share: `$XDG_CACHE_HOME/ksvc-router` or `~/.cache/ksvc-router`.
pub fn cache_folder() -> Result<PathBuf> {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
    Ok(caches.context("neither XDG_CACHE_HOME nor HOME says where to keep what is built once")?.join("ksvc-router"))
}

/// The module under test: the very bytes that are released.
pub fn plugin() -> Result<PathBuf> {
    let path = repository().join("dist/plugin.wasm");
    ensure!(path.is_file(), "there is no dist/plugin.wasm: run `cargo xtask build` first");
    Ok(path.canonicalize()?)
}

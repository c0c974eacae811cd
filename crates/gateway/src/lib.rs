//! A gateway on this machine: real Envoy with the plugin in it, and an HTTP server that stands in for the Knative Services
//! behind it. `ksvc-router up` and the end-to-end tests are built from these modules:
//!
//! - [`gateway`] starts Envoy with the configuration of `testenv/envoy.yaml`, edits the plugin's document while Envoy runs,
//!   and restarts it. [`envoy`] finds or downloads the Envoy binary, and [`admin`] reads Envoy's admin interface.
//! - [`stand_in`] answers for every Knative Service with a report of the request that reached it.
//! - [`http1`] is an HTTP client that sends the exact bytes of a request, and [`process`] runs programs.

pub mod admin;
pub mod envoy;
pub mod gateway;
pub mod http1;
pub mod process;
pub mod stand_in;

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// Returns the folder for programs that take long to build or to download: `$XDG_CACHE_HOME/ksvc-router` or
/// `~/.cache/ksvc-router`.
pub fn cache_folder() -> Result<PathBuf> {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
    Ok(caches.context("neither XDG_CACHE_HOME nor HOME is set, so there is no cache folder")?.join("ksvc-router"))
}

//! Finds a Chromium to run: `$CHROMIUM`, or what PATH has under one of the usual names.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::envoy::{is_executable, on_path};

/// The Chromium of this machine. None is fetched: it needs libraries of the system.
pub fn find() -> Result<PathBuf> {
    if let Some(named) = env::var_os("CHROMIUM").filter(|value| !value.is_empty()) {
        let path = PathBuf::from(named);
        ensure!(
            is_executable(&path),
            "$CHROMIUM is {}, which is not an executable file: point it at a Chromium, or unset it",
            path.display()
        );
        return Ok(path);
    }
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find_map(on_path)
        .context("no Chromium. Install it (on Debian `apt-get install chromium`), or set CHROMIUM=/path/to/chromium")
}

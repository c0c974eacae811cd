//! Finds a Chromium to run: the one that `$CHROMIUM` names, or the first of the usual names on `PATH`.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::process::{executable_of_variable, find_on_path};

/// Returns this machine's Chromium. Unlike Envoy it is never downloaded, because it needs libraries of the system.
pub fn find() -> Result<PathBuf> {
    if let Some(path) = executable_of_variable("CHROMIUM")? {
        return Ok(path);
    }
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(find_on_path).context(
        "no Chromium found. Install it (on Debian `apt-get install chromium`), or set CHROMIUM=/path/to/chromium",
    )
}

//! How Chromium is started in these tests.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use testenv::chromium;

/// Returns the command of a new browser without a window. All files that it leaves behind are in the folder.
pub(crate) fn command(folder: &Path) -> Result<Command> {
    let mut command = Command::new(chromium::find()?);
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        // In containers, /dev/shm is small.
        .arg("--disable-dev-shm-usage")
        .arg("--enable-logging=stderr")
        .arg(format!("--user-data-dir={}", folder.display()));
    for variable in ["HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "TMPDIR"] {
        command.env(variable, folder);
    }
    Ok(command)
}

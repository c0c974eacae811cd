//! Runs `ksvc-router check` on a manifest, as a user would.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use testenv::repository;

/// Runs `ksvc-router check`, which prints its messages. Returns whether the manifest has no errors.
pub(crate) fn run(manifest: &Path) -> Result<bool> {
    let program: PathBuf = repository().canonicalize()?.join("dist/ksvc-router");
    let mut check = Command::new(&program);
    // The file is given by its name alone, because the messages begin with it.
    let file = manifest.file_name().context("the manifest is a file")?;
    let folder = manifest.parent().context("the manifest is in a folder")?;
    check.arg("check").arg(file).current_dir(folder);
    let status = check.status().with_context(|| format!("cannot start {}", program.display()))?;
    Ok(status.success())
}

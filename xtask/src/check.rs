//! `ksvc-router check`, as a user would call it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use testenv::repository;

/// Prints what `ksvc-router check` says of the file; whether it is free of errors.
pub(crate) fn run(manifest: &Path) -> Result<bool> {
    let program: PathBuf = repository().canonicalize()?.join("dist/ksvc-router");
    let mut check = Command::new(&program);
    // By its name alone, so that messages begin as a user would call the file.
    let file = manifest.file_name().context("the manifest is a file")?;
    let folder = manifest.parent().context("the manifest is in a folder")?;
    check.arg("check").arg(file).current_dir(folder);
    let status = check.status().with_context(|| format!("cannot start {}", program.display()))?;
    Ok(status.success())
}

//! Runs `ksvc-router check` on a manifest, as a user would.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use testenv::repository;

/// Runs `ksvc-router check`, which prints its messages. Returns whether the table has no errors. The manifest around it
/// may have some: its digest may be still to be filled in.
pub(crate) fn run(manifest: &Path) -> Result<bool> {
    let program: PathBuf = repository().canonicalize()?.join("dist/ksvc-router");
    // The file is given by its name alone, because the messages begin with it.
    let file = manifest.file_name().context("the manifest is a file")?;
    let folder = manifest.parent().context("the manifest is in a folder")?;
    let command = |name: &str| {
        let mut command = Command::new(&program);
        command.arg(name).arg(file).current_dir(folder);
        command
    };
    let cannot_start = || format!("cannot start {}", program.display());
    command("check").status().with_context(cannot_start)?;
    // `routes` fails if the table has errors.
    let routes = command("routes").stdout(Stdio::null()).stderr(Stdio::null()).status().with_context(cannot_start)?;
    Ok(routes.success())
}

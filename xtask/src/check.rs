//! Runs `ksvc-router check` on a manifest, as a user would.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use testenv::repository;

/// Runs `ksvc-router check` and prints its messages. Returns whether the table has no errors. The manifest around it may
/// have some, which do not matter here: its digest may be still to be filled in. Then no messages are printed.
pub(crate) fn run(manifest: &Path) -> Result<bool> {
    let program: PathBuf = repository().canonicalize()?.join("dist/ksvc-router");
    // The file is given by its name alone, because the messages begin with it.
    let file = manifest.file_name().context("the manifest is a file")?;
    let folder = manifest.parent().context("the manifest is in a folder")?;
    let run = |name: &str| {
        let mut command = Command::new(&program);
        let output = command.arg(name).arg(file).current_dir(folder).output();
        output.with_context(|| format!("cannot start {}", program.display()))
    };
    let check = run("check")?;
    // `routes` fails only if the table has errors.
    let table_is_good = run("routes")?.status.success();
    if check.status.success() || !table_is_good {
        print!("{}{}", String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
    }
    Ok(table_is_good)
}

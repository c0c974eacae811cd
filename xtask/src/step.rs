//! One long step of a task: says what it does, shows the tool's own progress, and says how long it took.

use std::ffi::OsStr;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

/// Cargo in the repository's root; the one that runs this task, so that the toolchain is the same.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments).current_dir(testenv::repository());
    cargo
}

/// Runs the command in the open; an error where it fails.
pub(crate) fn run(what: &str, mut command: Command) -> Result<()> {
    eprintln!("==> {what}");
    let begun = Instant::now();
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot start {program}: is it installed?"))?;
    ensure!(status.success(), "{what}: failed ({status}); its messages are above");
    eprintln!("    {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

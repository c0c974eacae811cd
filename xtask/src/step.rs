//! Runs one long step of a task: prints what it does, shows the tool's own output, and prints how long it took.

use std::ffi::OsStr;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

/// Returns a cargo command in the repository's root. It is the cargo that runs this task, so that the toolchain is the
/// same.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments).current_dir(testenv::repository());
    cargo
}

/// Runs a command and shows its output. It is an error if the command fails.
pub(crate) fn run(what: &str, mut command: Command) -> Result<()> {
    eprintln!("==> {what}");
    let begun = Instant::now();
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot start {program}: is it installed?"))?;
    ensure!(status.success(), "{what}: failed ({status}); the messages are above");
    eprintln!("    {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

//! `cargo xtask build`: what is released, into `dist/`. Every test and benchmark uses these bytes.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::step::{self, cargo};

const TARGET: &str = "wasm32-wasip1";

pub(crate) fn all() -> Result<()> {
    plugin()?;
    command_line()
}

pub(crate) fn plugin() -> Result<()> {
    install_target()?;
    let arguments = ["build", "--profile", "plugin", "--target", TARGET, "-p", "ksvc-router"];
    step::run("Building the plugin, dist/plugin.wasm", cargo(arguments))?;
    keep(&format!("{TARGET}/plugin/ksvc_router.wasm"), "plugin.wasm")
}

fn command_line() -> Result<()> {
    let build = cargo(["build", "--release", "-p", "ksvc-router-cli"]);
    step::run("Building the command line, dist/ksvc-router", build)?;
    keep("release/ksvc-router", "ksvc-router")
}

/// Adds the wasm target where rustup says that it lacks. Without rustup, cargo's own message has to do.
fn install_target() -> Result<()> {
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "list", "--installed"]).current_dir(testenv::repository()).stderr(Stdio::null());
    let Ok(listed) = rustup.output() else { return Ok(()) };
    if !listed.status.success() || String::from_utf8_lossy(&listed.stdout).lines().any(|line| line == TARGET) {
        return Ok(());
    }
    let mut add = Command::new("rustup");
    add.args(["target", "add", TARGET]).current_dir(testenv::repository());
    step::run(&format!("Installing the Rust target {TARGET}"), add)
}

/// Copies an artifact to `dist/` and moves it into place: who reads it sees the old or the new, never half.
fn keep(artifact: &str, name: &str) -> Result<()> {
    let dist = testenv::repository().join("dist");
    fs::create_dir_all(&dist)?;
    let from = testenv::target_folder().join(artifact);
    let new = dist.join(format!("{name}.new"));
    fs::copy(&from, &new).with_context(|| format!("the build left no {}", from.display()))?;
    fs::rename(&new, dist.join(name))?;
    let size = fs::metadata(dist.join(name))?.len();
    eprintln!("    {}: {} kB", Path::new("dist").join(name).display(), size / 1000);
    Ok(())
}

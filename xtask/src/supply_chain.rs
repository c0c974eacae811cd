//! `cargo xtask supply-chain`: what the project is built of, and that the plugin is nothing but its sources.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::tool;
use crate::{build, step};

const CARGO_DENY: &str = "0.20.2";

/// Both workspaces: what is released and tested with, and what it is fuzzed with.
const MANIFESTS: [&str; 2] = ["Cargo.toml", "fuzz/Cargo.toml"];

/// Without the database of advisories, says so; with `strict`, as before a release, that is an error.
pub(crate) fn run(strict: bool) -> Result<ExitCode> {
    let deny = tool::installed("cargo-deny", CARGO_DENY)?;
    let deny = |manifest: &str, arguments: &[&str]| {
        let mut command = Command::new(&deny);
        command.args(["--config", "deny.toml", "--manifest-path", manifest, "--all-features", "--locked"]);
        command.args(arguments).current_dir(testenv::repository());
        command
    };
    for manifest in MANIFESTS {
        let check = deny(manifest, &["check", "bans", "licenses", "sources"]);
        step::run(&format!("Licences, sources and bans of {manifest}"), check)?;
    }
    let fetched = step::run("Fetching the advisories of rustsec.org", deny(MANIFESTS[0], &["fetch", "db"]));
    match &fetched {
        Ok(()) => {
            for manifest in MANIFESTS {
                let check = deny(manifest, &["check", "--disable-fetch", "advisories"]);
                step::run(&format!("Advisories that bear on {manifest}"), check)?;
            }
        }
        Err(error) if strict => bail!("{error:#}"),
        Err(_) => {}
    }
    build::plugin()?;
    build::reproduce()?;
    if fetched.is_err() {
        eprintln!("\nNOT CHECKED: advisories. Their database on GitHub is not to be had; the messages are above.");
    }
    Ok(ExitCode::SUCCESS)
}

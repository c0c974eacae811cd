//! `cargo xtask supply-chain`: checks the dependencies of the project, and that the plugin can be built reproducibly.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::tool;
use crate::{build, step};

const CARGO_DENY: &str = "0.20.2";

/// The manifests of both workspaces: the main one, and that of the fuzz targets.
const MANIFESTS: [&str; 2] = ["Cargo.toml", "fuzz/Cargo.toml"];

/// Runs all checks. If the database of advisories can't be downloaded, its check is skipped with a message. With
/// `strict`, as before a release, that is an error.
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
                step::run(&format!("Advisories for {manifest}"), check)?;
            }
        }
        Err(error) if strict => bail!("{error:#}"),
        Err(_) => {}
    }
    build::plugin()?;
    build::reproduce()?;
    if fetched.is_err() {
        eprintln!("\nNOT CHECKED: advisories. Their database on GitHub can't be downloaded; the messages are above.");
    }
    Ok(ExitCode::SUCCESS)
}

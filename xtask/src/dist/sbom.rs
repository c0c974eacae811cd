//! The software bills of materials, in the CycloneDX format: which crates the plugin and the command line consist of. The
//! tool `cargo-cyclonedx` makes them.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use oci_artifacts::archive::File;

use crate::build::{Places, copy};
use crate::{step, tool};

const CARGO_CYCLONEDX: &str = "0.5.9";

/// Each bill with the folder of its package and the target for which the package is built.
const BILLS: [(&str, &str, &str); 2] =
    [("plugin.cdx.json", ".", "wasm32-wasip1"), ("ksvc-router.cdx.json", "crates/cli", "x86_64-unknown-linux-musl")];

pub(super) fn make(places: &Places) -> Result<Vec<File>> {
    let tool = tool::installed("cargo-cyclonedx", CARGO_CYCLONEDX)?;
    // The tool writes its files between the sources.
    let folder = tempfile::tempdir()?;
    let sources = folder.path().canonicalize()?.join("sources");
    copy(&places.sources, &sources)?;
    let mut bills = Vec::new();
    for (name, package, target) in BILLS {
        let file_name = name.strip_suffix(".json").unwrap_or(name);
        let mut make = Command::new(&tool);
        make.args(["cyclonedx", "--format", "json", "--spec-version", "1.5", "--target", target]);
        make.args(["--quiet", "--override-filename", file_name]);
        // With a date given, the tool adds neither the current one nor a random number.
        make.env("SOURCE_DATE_EPOCH", "0").current_dir(&sources);
        step::run(&format!("Listing the parts of {package} for {target}"), make)?;
        let path = sources.join(package).join(name);
        let bill = fs::read_to_string(&path).with_context(|| format!("cargo-cyclonedx left no {}", path.display()))?;
        bills.push(File::new(name, bill.replace(&*sources.to_string_lossy(), "/ksvc-router")));
    }
    Ok(bills)
}

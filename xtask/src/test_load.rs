//! `cargo xtask test --load`: edits under load, what they cost, and soaks, through the released module in real Envoy.

use std::process::ExitCode;

use anyhow::Result;
use testenv::envoy;

use crate::build;
use crate::step::{self, cargo};

pub(crate) fn run(full: bool, filter: Option<&str>) -> Result<ExitCode> {
    build::all()?;
    // Here, and not within the tests: those hide what a download shows.
    envoy::find()?;
    // The whole workspace, as for all other tests: so its dependencies are built once.
    let mut tests = cargo(["test", "--workspace", "--features", "testenv/load", "--test", "load", "--"]);
    // One after another, for each takes both cores; and what they measure is shown as it comes.
    tests.args(["--test-threads=1", "--nocapture"]).args(filter);
    if full {
        tests.env("LOAD_FULL", "1");
    }
    step::run("Tests under load", tests)?;
    Ok(ExitCode::SUCCESS)
}

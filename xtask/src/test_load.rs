//! `cargo xtask test --load`: the tests of edits under load and the soaks, with the released module in real Envoy.

use std::process::ExitCode;

use anyhow::Result;
use testenv::envoy;

use crate::build;
use crate::step::{self, cargo};

pub(crate) fn run(full: bool, filter: Option<&str>) -> Result<ExitCode> {
    build::all()?;
    // Not left to the tests, because their output is captured and would hide the progress of a download.
    envoy::find()?;
    // With `--workspace`, as in all other tests, so that dependencies are built once.
    let mut tests = cargo(["test", "--workspace", "--features", "testenv/load", "--test", "load", "--"]);
    // One after another, because each uses both cores. The output is not captured, so that measurements show at once.
    tests.args(["--test-threads=1", "--nocapture"]).args(filter);
    if full {
        tests.env("LOAD_FULL", "1");
    }
    step::run("Tests under load", tests)?;
    Ok(ExitCode::SUCCESS)
}

//! `cargo xtask test --browser`: the tests in a real browser, with the released module and command line.

use std::process::ExitCode;

use anyhow::Result;
use testenv::{chromium, envoy};

use crate::build;
use crate::step::{self, cargo};

pub(crate) fn run(filter: Option<&str>) -> Result<ExitCode> {
    // Before the long build, so that a missing browser is reported at once.
    chromium::find()?;
    build::all()?;
    // Not left to the tests, because their output is captured and would hide the progress of a download.
    envoy::find()?;
    // With `--workspace`, as in all other tests, so that dependencies are built once.
    let mut tests = cargo(["test", "--workspace", "--features", "testenv/browser", "--test", "browser", "--"]);
    tests.args(filter);
    step::run("Tests in a browser", tests)?;
    Ok(ExitCode::SUCCESS)
}

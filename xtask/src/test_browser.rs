//! `cargo xtask test --browser`: CORS through the released module, judged by a real browser.

use std::process::ExitCode;

use anyhow::Result;
use testenv::{chromium, envoy};

use crate::build;
use crate::step::{self, cargo};

pub(crate) fn run(filter: Option<&str>) -> Result<ExitCode> {
    // First, for a build is long: what is missing is told at once.
    chromium::find()?;
    build::all()?;
    // Here, and not within the tests: those hide what a download shows.
    envoy::find()?;
    // The whole workspace, as for all other tests: so its dependencies are built once.
    let mut tests = cargo(["test", "--workspace", "--features", "testenv/browser", "--test", "browser", "--"]);
    tests.args(filter);
    step::run("Tests in a browser", tests)?;
    Ok(ExitCode::SUCCESS)
}

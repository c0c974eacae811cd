//! `cargo xtask test --openapi`: the tests that make tables from large public OpenAPI documents, and send a request for
//! each of their operations through the released module.

use std::process::ExitCode;

use anyhow::Result;
use testenv::{envoy, npm};

use crate::build;
use crate::step::{self, cargo};

pub(crate) fn run(filter: Option<&str>) -> Result<ExitCode> {
    // Before the long build, so that a missing npm is reported at once. The downloads are not left to the tests, because
    // their output is captured and would hide the progress.
    npm::fetch_all()?;
    envoy::find()?;
    build::all()?;
    // With `--workspace`, as in all other tests, so that dependencies are built once.
    let mut tests = cargo(["test", "--workspace", "--features", "testenv/openapi", "--test", "public_apis", "--"]);
    tests.args(filter).args(["--nocapture"]);
    step::run("Tests with public OpenAPI documents", tests)?;
    Ok(ExitCode::SUCCESS)
}

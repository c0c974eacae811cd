//! `cargo xtask test --istio`: the tests under Istio's real control plane, with the released module.

use std::process::ExitCode;

use anyhow::Result;
use testenv::envoy;
use testenv::istio::Tools;
use testenv::istio::tools::ENVOY;
use testenv::packaging;

use crate::build;
use crate::step::{self, cargo};

pub(crate) fn run(filter: Option<&str>) -> Result<ExitCode> {
    build::all()?;
    // Not left to the tests, because their output is captured and would hide the progress of a build or a download.
    Tools::find_or_build()?;
    packaging::Tools::find_or_build()?;
    envoy::pinned(ENVOY)?;
    // With `--workspace`, as in all other tests, so that dependencies are built once.
    let mut tests = cargo(["test", "--workspace", "--features", "testenv/istio", "--test", "istio", "--"]);
    tests.args(filter);
    step::run("Tests under Istio", tests)?;
    Ok(ExitCode::SUCCESS)
}

//! `cargo xtask test --istio`: the released module under Istio's real control plane, driven by kubectl alone.

use std::process::ExitCode;

use anyhow::Result;
use testenv::envoy;
use testenv::istio::Tools;
use testenv::istio::tools::ENVOY;

use crate::build;
use crate::step::{self, cargo};

pub(crate) fn run(filter: Option<&str>) -> Result<ExitCode> {
    build::all()?;
    // Here, and not within the tests: those hide what a build or a download shows.
    Tools::find_or_build()?;
    envoy::pinned(ENVOY)?;
    // The whole workspace, as for all other tests: so its dependencies are built once.
    let mut tests = cargo(["test", "--workspace", "--features", "testenv/istio", "--test", "istio", "--"]);
    tests.args(filter);
    step::run("Tests under Istio", tests)?;
    Ok(ExitCode::SUCCESS)
}

//! `cargo xtask test --knative`: the tests under real Knative, with the released module.

use std::process::ExitCode;

use anyhow::Result;
use testenv::envoy;
use testenv::istio::tools::ENVOY;
use testenv::knative::{Tools, namespaces};

use crate::build;
use crate::step::{self, cargo};

pub(crate) fn run(filter: Option<&str>) -> Result<ExitCode> {
    namespaces::check_machine()?;
    build::all()?;
    // Not left to the tests, because they run without a network.
    Tools::find_or_build()?;
    envoy::pinned(ENVOY)?;
    // With `--workspace`, as in all other tests, so that dependencies are built once.
    let mut tests = cargo(["test", "--workspace", "--features", "testenv/knative", "--test", "knative", "--"]);
    tests.args(filter);
    step::run("Tests under Knative", tests)?;
    Ok(ExitCode::SUCCESS)
}

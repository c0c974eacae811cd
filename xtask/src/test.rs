//! `cargo xtask test`: every layer, the cheap ones first, and a summary.

use std::process::ExitCode;

use anyhow::Result;
use testenv::envoy;

use crate::build;
use crate::step::{self, cargo};

pub(crate) fn run() -> Result<ExitCode> {
    let format = || step::run("Format (mended by `cargo fmt --all`)", cargo(["fmt", "--all", "--check"]));
    let features = "testenv/istio,testenv/browser,testenv/load";
    let lints = ["clippy", "--workspace", "--all-targets", "--features", features, "--", "-D", "warnings"];
    let native_lints = || step::run("Lints, native", cargo(lints));
    let lints = ["clippy", "-p", "ksvc-router", "--target", "wasm32-wasip1", "--", "-D", "warnings"];
    let plugin_lints = || step::run("Lints, plugin", cargo(lints));
    let tests = || step::run("Tests of every layer", cargo(["test", "--workspace", "--no-fail-fast"]));

    let mut summary = Vec::new();
    let mut note = |name, result: Result<()>| {
        if let Err(error) = &result {
            eprintln!("error: {error:#}");
        }
        summary.push((name, result.is_ok()));
        result.is_ok()
    };
    // Building comes first, for it installs the target that the lints need too.
    let built = note("build", build::all().and_then(|()| build::no_op()));
    note("format", format());
    note("lints, native", native_lints());
    note("lints, plugin", plugin_lints());
    // Here, and not within the tests: those hide what a download shows.
    let fetched = note("Envoy", fetch_envoys());
    if built && fetched {
        note("tests", tests());
    }

    eprintln!("\n==> Summary");
    for (name, passed) in &summary {
        eprintln!("    {:<14} {}", name, if *passed { "ok" } else { "FAILED" });
    }
    if !(built && fetched) {
        eprintln!("    {:<14} not run: they need what failed above", "tests");
    }
    let passed = summary.iter().all(|(_, passed)| *passed);
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The Envoy of this machine, and every version that the tests run on.
fn fetch_envoys() -> Result<()> {
    eprintln!("==> Envoy");
    eprintln!("    {}", envoy::find()?.display());
    for version in envoy::VERSIONS {
        eprintln!("    {}", envoy::pinned(version)?.display());
    }
    Ok(())
}

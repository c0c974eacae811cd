//! `cargo xtask bench`: the program `bench` with all that it needs, built as for a release.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;

use crate::build;
use crate::step::{self, cargo};

pub(crate) fn run(arguments: &[OsString]) -> Result<ExitCode> {
    build::all()?;
    build::no_op()?;
    let mut bench = cargo(["run", "--release", "--quiet", "-p", "bench", "--bin", "bench", "--"]);
    bench.args(arguments);
    // Files that are named are found from where the task was called.
    bench.current_dir(std::env::current_dir()?);
    step::run("Benchmarks", bench)?;
    Ok(ExitCode::SUCCESS)
}

//! `cargo xtask bench`: builds the modules, and runs the release build of the program `bench`.

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
    // The arguments may name files relative to the folder in which the task was called.
    bench.current_dir(std::env::current_dir()?);
    step::run("Benchmarks", bench)?;
    Ok(ExitCode::SUCCESS)
}

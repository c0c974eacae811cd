//! The project's tasks, called as `cargo xtask TASK`: build what is released, bring a gateway up, run all tests.

mod build;
mod step;
mod test;
mod up;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "The project's tasks",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build dist/plugin.wasm, the plugin, and dist/ksvc-router, the command line
    Build,
    /// Start a gateway on loopback with the route table of wasm-plugin.yaml, send the sample requests, and follow edits
    Up {
        /// End after the sample requests; fail unless every one did what its case expects
        #[arg(long)]
        once: bool,
    },
    /// Run every check and test: format, lints, unit, module and end-to-end tests
    Test,
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode> {
    match task {
        Task::Build => build::all().map(|()| ExitCode::SUCCESS),
        Task::Up { once } => up::run(once),
        Task::Test => test::run(),
    }
}

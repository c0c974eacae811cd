//! The command `bench`, which `cargo xtask bench` builds and runs.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use bench::compare;
use bench::contest::Pace;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "bench", about = "What the filter costs, measured in real Envoy")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Compare modules with the filter that does nothing, and with each other
    Compare {
        #[arg(required = true)]
        modules: Vec<PathBuf>,
        /// The filter that does nothing, if another one than `cargo xtask bench` builds
        #[arg(long)]
        no_op: Option<PathBuf>,
        /// How many routes their table has
        #[arg(long, default_value_t = 1000)]
        routes: usize,
        /// How many copies of each are in a chain
        #[arg(long, default_value_t = 20)]
        copies: u32,
        /// How often all of them are started anew
        #[arg(long, default_value_t = 3)]
        starts: usize,
        /// How many rounds each start has
        #[arg(long, default_value_t = 4)]
        rounds: usize,
        /// Of each module in each round
        #[arg(long, default_value_t = 500)]
        milliseconds: u64,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let envoy = testenv::envoy::find()?;
    match task {
        Task::Compare { modules, no_op, routes, copies, starts, rounds, milliseconds } => {
            let pace = Pace { rounds, turn: Duration::from_millis(milliseconds) };
            let no_op = no_op.map_or_else(bench::tools::no_op, Ok)?;
            compare::run(&envoy, &compare::Options { modules, no_op, routes, copies, pace, starts })
        }
    }
}

//! The program `bench`, which `cargo xtask bench` builds and runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use bench::group::Group;
use bench::results::Results;
use bench::rounds::Schedule;
use bench::run::{LatencySchedule, Run};
use bench::tools::{self, Tools};
use bench::{compare, machine, report, upstream};
use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "bench",
    bin_name = "cargo xtask bench",
    about = "Measures the cost of the filter and of its alternatives in real Envoy",
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
    #[command(flatten)]
    options: RunOptions,
}

#[derive(Args)]
struct RunOptions {
    /// Take a few minutes: tables of 10 and 1,000 routes, short rounds
    #[arg(long)]
    quick: bool,
    /// Measure only these groups
    #[arg(long, value_enum, num_args = 1.., value_name = "GROUP")]
    only: Vec<Group>,
    /// Number of rounds
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: Option<u8>,
    /// Folder for results.json [default: docs/benchmarks, or target/benchmarks if --quick or --only is given]
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Task {
    /// Update docs/benchmarks.md and its plots from docs/benchmarks/results.json
    Report {
        /// Read the results from this file instead
        results: Option<PathBuf>,
    },
    /// Compare modules with the no-op filter and with each other
    Compare {
        /// Modules to compare (.wasm files)
        #[arg(required = true)]
        modules: Vec<PathBuf>,
        /// No-op filter to compare with [default: the one that `cargo xtask bench` builds]
        #[arg(long)]
        no_op: Option<PathBuf>,
        /// Number of routes in the table
        #[arg(long, default_value_t = 1000)]
        routes: usize,
        /// Number of copies of a module in its chain
        #[arg(long, default_value_t = 20)]
        copies: u32,
        /// Number of times that all chains are started
        #[arg(long, default_value_t = 3)]
        starts: usize,
        /// Number of rounds per start
        #[arg(long, default_value_t = 4)]
        rounds: usize,
        /// Duration of each module's turn in a round
        #[arg(long, default_value_t = 500)]
        milliseconds: u64,
    },
}

fn main() -> ExitCode {
    let Arguments { task, options } = Arguments::parse();
    let done = match task {
        None => measure(&options),
        Some(task) => run_task(task),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_task(task: Task) -> Result<()> {
    match task {
        Task::Report { results } => {
            let docs = testenv::repository().join("docs");
            let file = results.unwrap_or_else(|| docs.join("benchmarks/results.json"));
            let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            report::write(&serde_json::from_str(&text).with_context(|| file.display().to_string())?, &docs)
        }
        Task::Compare { modules, no_op, routes, copies, starts, rounds, milliseconds } => {
            let turn = Duration::from_millis(milliseconds);
            let schedule = Schedule { warm_up: turn, rounds, turn };
            let no_op = no_op.map_or_else(tools::no_op, Ok)?;
            let envoy = testenv::envoy::find()?;
            compare::run(&envoy, &compare::Options { modules, no_op, routes, copies, schedule, starts })
        }
    }
}

fn measure(options: &RunOptions) -> Result<()> {
    let is_whole = !options.quick && options.only.is_empty();
    let default = match is_whole {
        true => testenv::repository().join("docs/benchmarks"),
        false => testenv::target_folder().join("benchmarks"),
    };
    let folder = options.folder.clone().unwrap_or(default);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let tools = Tools::find()?;
    let results = Results {
        date: machine::date()?,
        machine: machine::machine(&tools)?,
        skipped: tools.missing.clone(),
        ..Results::default()
    };
    for missing in &tools.missing {
        eprintln!("skipped: {missing}");
    }
    let rounds = options.rounds.map(usize::from);
    let milliseconds = Duration::from_millis;
    let schedule = match options.quick {
        true => Schedule { warm_up: milliseconds(200), rounds: rounds.unwrap_or(3), turn: milliseconds(100) },
        false => Schedule { warm_up: milliseconds(300), rounds: rounds.unwrap_or(5), turn: milliseconds(300) },
    };
    let latency = LatencySchedule {
        rate: 1000,
        rounds: schedule.rounds.min(3),
        turn: if options.quick { milliseconds(500) } else { milliseconds(6000) },
    };
    let sizes = if options.quick { vec![10, 1_000] } else { vec![10, 100, 1_000, 10_000, 100_000] };
    let edits = schedule.rounds.min(5);
    let mut run = Run { tools, upstream: upstream::start()?, sizes, schedule, latency, edits, results };
    for group in Group::ALL.into_iter().filter(|group| options.only.is_empty() || options.only.contains(group)) {
        group.measure(&mut run)?;
    }
    write(&folder, &run.results)?;
    // The page with its tables and plots shows only whole runs.
    if is_whole && options.folder.is_none() {
        report::write(&run.results, &testenv::repository().join("docs"))
    } else {
        Ok(())
    }
}

fn write(folder: &Path, results: &Results) -> Result<()> {
    let file = folder.join("results.json");
    let text = serde_json::to_string_pretty(results)? + "\n";
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    eprintln!("{}", file.display());
    Ok(())
}

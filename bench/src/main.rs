//! The command `bench`, which `cargo xtask bench` builds and runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use bench::contest::Pace;
use bench::group::Group;
use bench::results::Results;
use bench::run::{Bench, LatencyPace};
use bench::tools::{self, Tools};
use bench::{compare, machine, report, upstream};
use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "bench",
    bin_name = "cargo xtask bench",
    about = "What the filter costs beside what else would do its work, in real Envoy",
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    #[command(subcommand)]
    task: Option<Task>,
    #[command(flatten)]
    run: Run,
}

#[derive(Args)]
struct Run {
    /// A few minutes: tables of 10 and 1,000 routes, short rounds
    #[arg(long)]
    quick: bool,
    /// These groups alone
    #[arg(long, value_enum, num_args = 1.., value_name = "GROUP")]
    only: Vec<Group>,
    /// How many rounds there are
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: Option<u8>,
    /// Where results.json is written [default: docs/benchmarks, or target/benchmarks for a run that is not whole]
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Task {
    /// Make the page, docs/benchmarks.md, and its plots from docs/benchmarks/results.json again
    Report {
        /// Other results than these
        results: Option<PathBuf>,
    },
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
    let Arguments { task, run } = Arguments::parse();
    let done = match task {
        None => measure(&run),
        Some(task) => carry_out(task),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(task: Task) -> Result<()> {
    match task {
        Task::Report { results } => {
            let docs = testenv::repository().join("docs");
            let file = results.unwrap_or_else(|| docs.join("benchmarks/results.json"));
            let text = fs::read_to_string(&file).with_context(|| format!("no {}", file.display()))?;
            report::write(&serde_json::from_str(&text).with_context(|| file.display().to_string())?, &docs)
        }
        Task::Compare { modules, no_op, routes, copies, starts, rounds, milliseconds } => {
            let turn = Duration::from_millis(milliseconds);
            let pace = Pace { warm_up: turn, rounds, turn };
            let no_op = no_op.map_or_else(tools::no_op, Ok)?;
            let envoy = testenv::envoy::find()?;
            compare::run(&envoy, &compare::Options { modules, no_op, routes, copies, pace, starts })
        }
    }
}

fn measure(run: &Run) -> Result<()> {
    let whole = !run.quick && run.only.is_empty();
    let default = match whole {
        true => testenv::repository().join("docs/benchmarks"),
        false => testenv::target_folder().join("benchmarks"),
    };
    let folder = run.folder.clone().unwrap_or(default);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let tools = Tools::find()?;
    let results = Results {
        date: machine::date()?,
        machine: machine::machine(&tools)?,
        skipped: tools.absent.clone(),
        ..Results::default()
    };
    for absent in &tools.absent {
        eprintln!("left out: {absent}");
    }
    let rounds = run.rounds.map(usize::from);
    let milliseconds = Duration::from_millis;
    let pace = match run.quick {
        true => Pace { warm_up: milliseconds(200), rounds: rounds.unwrap_or(3), turn: milliseconds(100) },
        false => Pace { warm_up: milliseconds(300), rounds: rounds.unwrap_or(5), turn: milliseconds(300) },
    };
    let latency = LatencyPace {
        rate: 1000,
        rounds: pace.rounds.min(3),
        turn: if run.quick { milliseconds(500) } else { milliseconds(6000) },
    };
    let sizes = if run.quick { vec![10, 1_000] } else { vec![10, 100, 1_000, 10_000, 100_000] };
    let edits = pace.rounds.min(5);
    let mut bench = Bench { tools, upstream: upstream::start()?, sizes, pace, latency, edits, results };
    for group in Group::ALL.into_iter().filter(|group| run.only.is_empty() || run.only.contains(group)) {
        group.run(&mut bench)?;
    }
    write(&folder, &bench.results)?;
    // The page, its tables and plots, tell of whole runs alone.
    if whole && run.folder.is_none() {
        report::write(&bench.results, &testenv::repository().join("docs"))
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

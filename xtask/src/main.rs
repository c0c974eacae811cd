//! The project's tasks, called as `cargo xtask TASK`: build what is released, bring a gateway up, run all tests.

mod bench;
mod build;
mod check;
mod fuzz;
mod prune;
mod samples;
mod step;
mod stop;
mod supply_chain;
mod test;
mod test_browser;
mod test_istio;
mod test_load;
mod tool;
mod up;
mod up_istio;

use std::ffi::OsString;
use std::path::PathBuf;
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
        /// Under Istio's real control plane and a real Kubernetes API server, so that `kubectl edit` is live; needs Go
        #[arg(long)]
        istio: bool,
    },
    /// Run every check and test: format, lints, unit, module and end-to-end tests
    Test {
        /// Run the tests under Istio's real control plane instead; needs Go
        #[arg(long, group = "kind")]
        istio: bool,
        /// Run the tests of CORS in a real browser instead; needs Chromium
        #[arg(long, group = "kind")]
        browser: bool,
        /// Run edits under load and soaks instead, of a size for every day
        #[arg(long, group = "kind")]
        load: bool,
        /// With --load: a thousand edits, ten million requests; half an hour
        #[arg(long, requires = "load")]
        full: bool,
        /// With --istio, --browser or --load: only tests with this in their names
        #[arg(requires = "kind")]
        filter: Option<String>,
    },
    /// Measure what the filter costs beside what else would do its work, in real Envoy; `bench --help` tells how
    #[command(disable_help_flag = true)]
    Bench {
        /// What the program `bench` is given
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Fuzz configurations, paths, hosts, decisions and templates, each for a while
    Fuzz {
        /// Which targets: the names of the files in fuzz/fuzz_targets; all if none is named
        targets: Vec<String>,
        /// How long each, in seconds; before a release 1200
        #[arg(long, default_value_t = 30)]
        seconds: u32,
        /// Put the smallest corpus that reaches as much into fuzz/corpus, to be committed
        #[arg(long)]
        keep: bool,
        /// Run one input alone, such as one that was found
        #[arg(long, conflicts_with_all = ["seconds", "keep"])]
        input: Option<PathBuf>,
    },
    /// Check what all is built of (licences, sources, advisories), and that two builds give the same plugin
    SupplyChain {
        /// Fail where the database of advisories is not to be had, as before a release
        #[arg(long)]
        strict: bool,
    },
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
        Task::Up { once, istio: false } => up::run(once),
        Task::Up { once, istio: true } => up_istio::run(once),
        Task::Test { istio: true, filter, .. } => test_istio::run(filter.as_deref()),
        Task::Test { browser: true, filter, .. } => test_browser::run(filter.as_deref()),
        Task::Test { load: true, full, filter, .. } => test_load::run(full, filter.as_deref()),
        Task::Test { .. } => test::run(),
        Task::Bench { arguments } => bench::run(&arguments),
        Task::Fuzz { targets, seconds, keep, input } => fuzz::run(&fuzz::Options { targets, seconds, keep, input }),
        Task::SupplyChain { strict } => supply_chain::run(strict),
    }
}

//! The project's tasks, called as `cargo xtask TASK`: build the release, start a gateway, run the tests.

mod bench;
mod build;
mod check;
mod dist;
mod fuzz;
mod page;
mod prune;
mod samples;
mod step;
mod supply_chain;
mod test;
mod test_browser;
mod test_istio;
mod test_knative;
mod test_load;
mod test_openapi;
mod tool;
mod up;
mod up_istio;
mod up_knative;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use testenv::knative::function;

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
    /// Build the plugin, dist/plugin.wasm, and the command line, dist/ksvc-router
    Build,
    /// Make everything that a release has, in dist/release, or push it to a registry
    Dist(dist::Options),
    /// Start a gateway on loopback with the table of wasm-plugin.yaml, send the sample requests, and follow edits
    Up {
        /// End after the sample requests, and fail unless every one has the result that its case expects
        #[arg(long)]
        once: bool,
        /// Run Istio's real control plane and a real Kubernetes API server, so that `kubectl edit` works; needs Go
        #[arg(long)]
        istio: bool,
        /// Run real Knative on top of it, with real KSVCs that scale from and to zero; needs Go and Linux
        #[arg(long, conflicts_with = "istio")]
        knative: bool,
    },
    /// Run every check and test: format, lints, and the pure, module and end-to-end tests
    Test {
        /// Run only format, lints and pure tests, in under two minutes on a built tree; for daily work
        #[arg(long, group = "kind")]
        quick: bool,
        /// Run the tests under Istio's real control plane instead; needs Go
        #[arg(long, group = "kind")]
        istio: bool,
        /// Run the tests under real Knative instead; needs Go, and Linux namespaces
        #[arg(long, group = "kind")]
        knative: bool,
        /// Run the tests of CORS in a real browser instead; needs Chromium
        #[arg(long, group = "kind")]
        browser: bool,
        /// Run the tests with large public OpenAPI documents instead; needs npm
        #[arg(long, group = "kind")]
        openapi: bool,
        /// Run edits under load and soaks instead, in a small size that takes about two minutes
        #[arg(long, group = "kind")]
        load: bool,
        /// With --load: run a thousand edits and ten million requests, which takes up to an hour
        #[arg(long, requires = "load")]
        full: bool,
        /// With --istio, --knative, --browser, --openapi or --load: run only tests whose name contains this text
        #[arg(requires = "kind", conflicts_with = "quick")]
        filter: Option<String>,
    },
    /// Measure the cost of the filter and of its alternatives in real Envoy; `cargo xtask bench --help` shows the
    /// options
    #[command(disable_help_flag = true)]
    Bench {
        /// The arguments of the program `bench`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Fuzz configurations, decisions, hosts, paths and templates
    Fuzz {
        /// The targets, which are the names of the files in fuzz/fuzz_targets [default: all]
        targets: Vec<String>,
        /// How many seconds to fuzz each target, with random inputs; 1200 before a release. Without it, a fixed number of
        /// inputs that are the same on every machine
        #[arg(long)]
        seconds: Option<u32>,
        /// Replace fuzz/corpus, which is committed, by the smallest corpus that reaches the same code
        #[arg(long, requires = "seconds")]
        keep: bool,
        /// Run this input alone, for example one that has failed
        #[arg(long, conflicts_with_all = ["seconds", "keep"])]
        input: Option<PathBuf>,
    },
    /// Check the licences, sources and advisories of all dependencies, and that two builds give the same plugin
    SupplyChain {
        /// Fail if the database of advisories can't be downloaded, as before a release
        #[arg(long)]
        strict: bool,
    },
}

fn main() -> ExitCode {
    if let Some(code) = function::run_if_called() {
        return code;
    }
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
        Task::Dist(options) => dist::run(&options),
        Task::Up { once, istio: true, .. } => up_istio::run(once),
        Task::Up { once, knative: true, .. } => up_knative::run(once),
        Task::Up { once, .. } => up::run(once),
        Task::Test { istio: true, filter, .. } => test_istio::run(filter.as_deref()),
        Task::Test { knative: true, filter, .. } => test_knative::run(filter.as_deref()),
        Task::Test { browser: true, filter, .. } => test_browser::run(filter.as_deref()),
        Task::Test { openapi: true, filter, .. } => test_openapi::run(filter.as_deref()),
        Task::Test { load: true, full, filter, .. } => test_load::run(full, filter.as_deref()),
        Task::Test { quick: true, .. } => test::quick(),
        Task::Test { .. } => test::all(),
        Task::Bench { arguments } => bench::run(&arguments),
        Task::Fuzz { targets, seconds, keep, input } => fuzz::run(&fuzz::Options { targets, seconds, keep, input }),
        Task::SupplyChain { strict } => supply_chain::run(strict),
    }
}

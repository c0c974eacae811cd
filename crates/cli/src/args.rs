//! The command line as it is written.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Checks, explains and tests the route tables of the ksvc-router filter.
///
/// FILE is a WasmPlugin, TrafficExtension or EnvoyFilter manifest, a document with `pluginConfig:`, or the
/// configuration itself, in YAML or JSON; `-` is standard input.
///
/// Exit codes: 0 fine; 1 the input has errors, or a test failed; 2 the call was wrong.
#[derive(Debug, Parser)]
#[command(name = "ksvc-router", version)]
pub(crate) struct Args {
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t, global = true)]
    pub(crate) format: Format,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell every error and warning, as the filter would find them
    Check {
        /// Files or folders; of a folder, those files count that say `pluginName: ksvc-router`
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Say what becomes of a request, and why
    Explain {
        /// The route table
        file: PathBuf,
        /// Such as GET
        method: OsString,
        /// Taken as it is: the authority up to the next `/` or `?`, the rest is `:path`
        url: OsString,
        /// A header of the request
        #[arg(short = 'H', long = "header", value_name = "name: value")]
        headers: Vec<OsString>,
    },
    /// Run cases: requests, and what is expected to become of them
    Test {
        /// The route table
        file: PathBuf,
        /// A file with `cases: [{name, request: {method, url, headers}, expect: {…}}]`; it may be FILE
        cases: PathBuf,
        /// Fail if less than this share of the routes was chosen by a case
        #[arg(long, value_name = "PERCENT", value_parser = percent)]
        fail_under: Option<f64>,
    },
    /// Print the table, sorted by precedence
    Routes {
        /// The route table
        file: PathBuf,
    },
    /// Print the ValidatingAdmissionPolicy that refuses misshapen tables at `kubectl apply`
    Admission,
    /// Print the JSON Schema of the configuration, for editors
    Schema,
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("write a number from 0 to 100".to_owned()),
    }
}

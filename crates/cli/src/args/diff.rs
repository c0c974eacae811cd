//! The arguments of `diff`.

use std::path::PathBuf;

use clap::Args;

use super::Document;

/// Report which requests a change of a table sends elsewhere.
///
/// The tables of both sides are compiled, and requests are tried with both: for every set of patterns that can match
/// together, for the methods, conditions, hosts and origins that the tables know. So the order and the wording of a table
/// do not matter. Every difference that is printed has a request that shows it. If a table is so large that not all
/// kinds of requests are tried, a warning says so.
///
/// If OLD has errors, they are printed, and OLD is what a new gateway would serve of it. If NEW has errors, they are
/// printed and nothing is compared.
///
/// Exit codes: 0 compared; 1 NEW has errors; 2 the command line was wrong, or a file is missing. With `--exit-code`: 0 there
/// is no difference; 1 there is one; 2 NEW has errors, the command line was wrong, or a file is missing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ksvc-router diff old.yaml new.yaml
  git show main:wasm-plugin.yaml | ksvc-router diff - wasm-plugin.yaml --format markdown
  ksvc-router diff before/ after/ --exit-code
  ksvc-router diff old.yaml new.yaml --as html > difference.html")]
pub struct Diff {
    /// The file with the table before the change, or with several. A folder stands for its YAML and JSON files, and `-`
    /// for standard input.
    pub old: PathBuf,
    /// The file with the table after the change.
    pub new: PathBuf,
    /// Exit with 1 if there is a difference, and with 2 if NEW has errors. Another name of a route in logs is no
    /// difference.
    #[arg(long)]
    pub exit_code: bool,
    /// Print a document instead of the list: a page for a browser that shows the differences, and what both versions do
    /// with a request that is typed there.
    #[arg(long = "as", value_enum, value_name = "KIND")]
    pub document: Option<Document>,
}

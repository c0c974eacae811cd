//! Sends the sample requests and prints a table with the result of each.

use ksvc_router_cli::live::Results;
use testenv::cases::{Case, Ingress};

/// The case file of the sample requests. It has cases for the route table of `wasm-plugin.yaml`.
pub(crate) const FILE: &str = "testenv/cases/sample.yaml";

/// Sends the request of each case and prints a line for it. Returns whether all results were as expected.
pub(crate) fn send(cases: &[Case], ingress: &Ingress) -> bool {
    let results = Results::of(cases, ingress);
    print!("\n{}", results.to_text());
    results.all_passed()
}

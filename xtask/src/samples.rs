//! Sends the sample requests and prints a table with the result of each.

use anyhow::Result;
use testenv::cases::{self, Case, CaseResult, Ingress, Sent};

/// The case file of the sample requests. It has cases for the route table of `wasm-plugin.yaml`.
pub(crate) const FILE: &str = "testenv/cases/sample.yaml";

/// Sends the request of each case and prints a line for it. Returns whether all results were as expected.
pub(crate) fn send(cases: &[Case], ingress: &Ingress) -> Result<bool> {
    let requests: Vec<String> = cases.iter().map(describe).collect();
    let width = requests.iter().map(|request| request.chars().count()).max().unwrap_or_default();
    println!("\n  {:<width$}   {:<6} reached the KSVC stand-in as", "request", "status");
    let mut all = true;
    for (case, request) in cases.iter().zip(&requests) {
        let result = cases::run(case, ingress)?;
        let mark = if result.differences.is_empty() { ' ' } else { '!' };
        println!("{mark} {request:<width$}   {:<6} {}", result.response.status, reached(&result));
        for difference in &result.differences {
            println!("    {}: {difference}", case.name);
        }
        all &= result.differences.is_empty();
    }
    let summary = if all {
        "Every request had the result that its case expects."
    } else {
        "Not every request had the result that its case expects: see the lines with `!`."
    };
    println!("{summary}");
    Ok(all)
}

fn describe(case: &Case) -> String {
    let Sent { method, headers, .. } = Sent::of(case);
    let headers = headers.iter().map(|(name, value)| format!(" [{name}: {value}]"));
    format!("{method} {}{}", case.url, headers.collect::<String>())
}

fn reached(result: &CaseResult) -> String {
    match (&result.arrived, result.response.header("location")) {
        (Some(arrived), _) => format!("{} {}", arrived.authority, arrived.path),
        (None, Some(location)) => format!("- (redirect to {location})"),
        (None, None) => "- (answered in the gateway)".to_owned(),
    }
}

//! The sample requests, and a table of what came of each.

use anyhow::Result;
use testenv::cases::{self, Case, Ingress, Outcomes, Sent};

/// Their cases, for the route table of `wasm-plugin.yaml`.
pub(crate) const FILE: &str = "testenv/cases/sample.yaml";

/// Sends every case's request and prints one line each; whether all did what they should.
pub(crate) fn send(cases: &[Case], ingress: &Ingress) -> Result<bool> {
    let requests: Vec<String> = cases.iter().map(written).collect();
    let width = requests.iter().map(|request| request.chars().count()).max().unwrap_or_default();
    println!("\n  {:<width$}   {:<6} reached the KSVC stand-in as", "request", "status");
    let mut all = true;
    for (case, request) in cases.iter().zip(&requests) {
        let outcome = cases::run(case, ingress)?;
        let mark = if outcome.differences.is_empty() { ' ' } else { '!' };
        println!("{mark} {request:<width$}   {:<6} {}", outcome.response.status, reached(&outcome));
        for difference in &outcome.differences {
            println!("    {}: {difference}", case.name);
        }
        all &= outcome.differences.is_empty();
    }
    let verdict = if all {
        "Every request did what its case expects."
    } else {
        "Not every request did what its case expects: see the lines with `!`."
    };
    println!("{verdict}");
    Ok(all)
}

fn written(case: &Case) -> String {
    let Sent { method, headers, .. } = Sent::of(case);
    let headers = headers.iter().map(|(name, value)| format!(" [{name}: {value}]"));
    format!("{method} {}{}", case.url, headers.collect::<String>())
}

fn reached(outcome: &Outcomes) -> String {
    match (&outcome.arrived, outcome.response.header("location")) {
        (Some(arrived), _) => format!("{} {}", arrived.authority, arrived.path),
        (None, Some(location)) => format!("- (redirect to {location})"),
        (None, None) => "- (answered in the gateway)".to_owned(),
    }
}

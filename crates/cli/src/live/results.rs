//! The results of cases in a gateway, as text.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{CaseResult, Ingress, Sent, run};
use crate::cases::Case;
use crate::words::clean;

/// Cases with their results.
pub struct Results<'a>(Vec<CaseLine<'a>>);

/// A case with its result, in the words that are printed.
struct CaseLine<'a> {
    case: &'a Case,
    request: String,
    status: String,
    reached: String,
    differences: Vec<String>,
}

impl<'a> Results<'a> {
    /// Sends the request of each case to a gateway. A case without a response has failed.
    pub fn of(cases: &'a [Case], ingress: &Ingress) -> Self {
        Self::until(&AtomicBool::new(false), cases, ingress)
    }

    /// Does the same, but sends no further request once `stop` is true.
    pub fn until(stop: &AtomicBool, cases: &'a [Case], ingress: &Ingress) -> Self {
        let is_wanted = |_: &&Case| !stop.load(Ordering::Relaxed);
        Self(cases.iter().take_while(is_wanted).map(|case| CaseLine::new(case, ingress)).collect())
    }

    /// Returns whether all results are as their cases expect.
    pub fn all_passed(&self) -> bool {
        self.0.iter().all(CaseLine::passed)
    }

    /// Returns a table with a line for each case, and a summary.
    pub fn to_text(&self) -> String {
        let width = self.0.iter().map(|line| line.request.chars().count()).max().unwrap_or_default();
        let mut text = format!("  {:<width$}   {:<6} reached the KSVC stand-in as\n", "request", "status");
        for line in &self.0 {
            let mark = if line.passed() { ' ' } else { '!' };
            // Writing to a string can't fail.
            let _ = writeln!(text, "{mark} {:<width$}   {:<6} {}", line.request, line.status, line.reached);
            text += &line.failure();
        }
        text + &self.summary()
    }

    /// Returns the failed cases, and a summary.
    pub fn failures(&self) -> String {
        let mut text = String::new();
        for line in self.0.iter().filter(|line| !line.passed()) {
            // Writing to a string can't fail.
            let _ = writeln!(text, "! {}   {} {}", line.request, line.status, line.reached);
            text += &line.failure();
        }
        text + &self.summary()
    }

    fn summary(&self) -> String {
        let failed = self.0.iter().filter(|line| !line.passed()).count();
        let passed = self.0.len() - failed;
        match failed {
            0 => format!("{passed} passed: every request had the result that its case expects.\n"),
            _ => format!("{passed} passed, {failed} failed: see the lines with `!`.\n"),
        }
    }
}

impl<'a> CaseLine<'a> {
    fn new(case: &'a Case, ingress: &Ingress) -> Self {
        let Sent { method, headers, .. } = Sent::of(case);
        let headers = headers.iter().map(|(name, value)| format!(" [{name}: {value}]"));
        let request = format!("{method} {}{}", case.url, headers.collect::<String>());
        match run(case, ingress) {
            Ok(result) => Self {
                case,
                request,
                status: result.response.status.to_string(),
                reached: reached(&result),
                differences: result.differences,
            },
            Err(error) => Self {
                case,
                request,
                status: "-".to_owned(),
                reached: "- (no response)".to_owned(),
                differences: vec![format!("{error:#}")],
            },
        }
    }

    fn passed(&self) -> bool {
        self.differences.is_empty()
    }

    /// Returns where the case is written, and what is not as it expects.
    fn failure(&self) -> String {
        let Case { name, source, at, .. } = self.case;
        let mut text = String::new();
        if !self.passed() {
            // Writing to a string can't fail.
            let (file, name) = (clean(&source.name), clean(name));
            let _ = writeln!(text, "    {file}:{}:{}: {name}", at.start.line, at.start.column);
        }
        for difference in &self.differences {
            let _ = writeln!(text, "      {}", clean(difference));
        }
        text
    }
}

fn reached(result: &CaseResult) -> String {
    match (&result.arrived, result.response.header("location")) {
        (Some(arrived), _) => format!("{} {}", arrived.authority, arrived.path),
        (None, Some(location)) => format!("- (redirect to {location})"),
        // The response to HEAD has no body, so it has no report of the request.
        (None, None) if result.response.header("x-stand-in").is_some() => "(a response without a body)".to_owned(),
        (None, None) => "- (answered in the gateway)".to_owned(),
    }
}

//! `test FILE CASES`: runs test cases, and prints those that fail and the routes that no case has chosen.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use anstyle::{AnsiColor, Style};
use ksvc_router_cli::cases::{self, Case, Mismatch};
use ksvc_router_cli::configuration::Configuration;
use ksvc_router_cli::explanation::explain_with_response;
use ksvc_router_cli::kind::FAILED_CASE;
use ksvc_router_cli::load;
use ksvc_router_cli::message::{Message, as_json, as_text};
use ksvc_router_cli::source::position::Span;
use ksvc_router_cli::yaml::Node;
use ksvc_routing::RouteTable;
use serde_json::{Value, json};

use super::{CallError, Report, count, load_one, pretty, print, refuse};
use crate::args::Format;

/// A case that has run. It passed if there are no mismatches.
struct Outcome {
    case: Case,
    mismatches: Vec<Mismatch>,
}

pub(super) fn run(file: &Path, cases: &Path, fail_under: Option<f64>, format: Format) -> Result<Report, CallError> {
    let configuration = match load_one(file)? {
        Ok(configuration) => configuration,
        Err(messages) => return Ok(refuse(&messages, format)),
    };
    // If one file has both, it is read once, because standard input can be read only once.
    let source = if cases == file { Ok(configuration.source.clone()) } else { load::read(cases)? };
    let cases = match source.map_err(|message| vec![message]).and_then(|source| cases::read(&source)) {
        Ok(cases) => cases,
        Err(messages) => return Ok(refuse(&messages, format)),
    };
    let (compiled, messages) = configuration.compile();
    let errors: Vec<Message> = messages.into_iter().filter(Message::is_error).collect();

    let (outcomes, chosen) = run_cases(&compiled.table, cases);
    let coverage = Coverage::new(&configuration, &chosen);
    let failed = outcomes.iter().filter(|outcome| !outcome.mismatches.is_empty()).count();
    let covers_enough = fail_under.is_none_or(|least| coverage.percent() >= least);
    let (out, err) = match format {
        Format::Text => {
            let mut out = outcomes.iter().map(Outcome::to_text).collect::<String>();
            let _ = writeln!(out, "{} passed, {failed} failed", outcomes.len() - failed);
            out += &coverage.to_text();
            if let (Some(least), false) = (fail_under, covers_enough) {
                let _ = writeln!(out, "fewer routes are covered than --fail-under {least} requires");
            }
            (out, as_text(&errors))
        }
        Format::Json => {
            let object = json!({
                "passed": outcomes.len() - failed,
                "failed": failed,
                "cases": outcomes.iter().map(Outcome::to_json).collect::<Value>(),
                "coverage": coverage.to_json(),
                "problems": as_json(&errors),
            });
            (pretty(&object), String::new())
        }
        Format::Github | Format::Sarif => {
            let failures = outcomes.iter().filter_map(Outcome::to_message);
            let messages: Vec<Message> = errors.iter().cloned().chain(failures).collect();
            (print(&messages, format), coverage.to_text())
        }
    };
    Ok(Report { out, err, success: failed == 0 && covers_enough && errors.is_empty() })
}

/// Runs all cases. The set has the indices of the routes that were chosen.
fn run_cases(table: &RouteTable, cases: Vec<Case>) -> (Vec<Outcome>, HashSet<usize>) {
    let mut chosen = HashSet::new();
    let outcomes = cases.into_iter().map(|case| {
        let explanation = explain_with_response(table, &case.request, &case.response);
        chosen.extend(explanation.route_index);
        Outcome { mismatches: case.compare(&explanation.fields), case }
    });
    (outcomes.collect(), chosen)
}

impl Outcome {
    fn to_text(&self) -> String {
        let mut text = String::new();
        if self.mismatches.is_empty() {
            return text;
        }
        let bold = Style::new().bold();
        let red = bold.fg_color(Some(AnsiColor::Red.into()));
        let Case { name, source, at, .. } = &self.case;
        let file = &source.name;
        let at = at.start;
        // Writing to a string can't fail.
        let _ = writeln!(text, "{bold}{file}:{}:{}:{bold:#} {red}failed:{red:#} {name}", at.line, at.column);
        for mismatch in &self.mismatches {
            let at = mismatch.at.start;
            let _ = writeln!(text, "  {file}:{}:{}: {mismatch}", at.line, at.column);
        }
        text
    }

    /// Returns the message about a case that has failed.
    fn to_message(&self) -> Option<Message> {
        let Case { name, source, at, .. } = &self.case;
        let mismatches: Vec<String> = self.mismatches.iter().map(Mismatch::to_string).collect();
        let text = format!("{name}: {}", mismatches.join("; "));
        (!mismatches.is_empty()).then(|| Message::new(FAILED_CASE, source, *at, text))
    }

    fn to_json(&self) -> Value {
        let Case { name, source, at, .. } = &self.case;
        let mismatch = |m: &Mismatch| {
            json!({
                "line": m.at.start.line,
                "column": m.at.start.column,
                "field": m.field,
                "expected": m.expected,
                "actual": m.actual,
            })
        };
        json!({
            "name": name,
            "file": source.name,
            "line": at.start.line,
            "column": at.start.column,
            "passed": self.mismatches.is_empty(),
            "mismatches": self.mismatches.iter().map(mismatch).collect::<Value>(),
        })
    }
}

/// How many routes of a table the cases have chosen.
struct Coverage<'a> {
    file: &'a str,
    routes: usize,
    /// The name and the position of each route that no case has chosen.
    uncovered: Vec<(String, Span)>,
}

impl<'a> Coverage<'a> {
    fn new(configuration: &'a Configuration, chosen: &HashSet<usize>) -> Self {
        let routes = configuration.routes();
        let uncovered = routes
            .iter()
            .enumerate()
            .filter(|(index, _)| !chosen.contains(index))
            .map(|(_, route)| (route_name(route), route.span));
        Self { file: &configuration.source.name, routes: routes.len(), uncovered: uncovered.collect() }
    }

    fn covered(&self) -> usize {
        self.routes - self.uncovered.len()
    }

    /// Returns the share of covered routes; 100 % for an empty table.
    fn percent(&self) -> f64 {
        if self.routes == 0 { 100.0 } else { 100.0 * self.covered() as f64 / self.routes as f64 }
    }

    fn to_text(&self) -> String {
        let mut text =
            format!("{} of {} covered ({:.1} %)\n", self.covered(), count(self.routes, "route"), self.percent());
        for (name, span) in &self.uncovered {
            let _ = writeln!(text, "  not covered: {}:{}: {name}", self.file, span.start.line);
        }
        text
    }

    fn to_json(&self) -> Value {
        let uncovered = self
            .uncovered
            .iter()
            .map(|(name, span)| json!({"route": name, "file": self.file, "line": span.start.line}));
        json!({
            "routes": self.routes,
            "covered": self.covered(),
            "percent": self.percent(),
            "uncovered": uncovered.collect::<Value>(),
        })
    }
}

/// Returns the name that the core gives to a route: its `name`, or else its first `match`.
fn route_name(route: &Node) -> String {
    let first = route.get("match").and_then(|pattern| pattern.items().first().or(Some(pattern)));
    let name = route.get("name").or(first).and_then(|name| name.text());
    name.unwrap_or("(without a name)").to_owned()
}

//! `test FILE CASES…`: runs test cases, and prints those that fail and the routes that no case has chosen.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use ksvc_router_cli::cases::{self, Case, Mismatch, Outcome};
use ksvc_router_cli::junit::{TestCase, as_junit};
use ksvc_router_cli::kind::FAILED_CASE;
use ksvc_router_cli::load::load_tables;
use ksvc_router_cli::message::{Message, as_json, as_text};
use ksvc_router_cli::source::position::Span;
use ksvc_router_cli::tables::{Table, Tables};
use ksvc_router_cli::words::clean;
use ksvc_router_cli::yaml::Node;
use serde_json::{Value, json};

use super::{CallError, Report, count, pretty, print, refuse};
use ksvc_router_cli::args::Format;

pub(super) fn run(
    file: &Path,
    files: &[PathBuf],
    fail_under: Option<f64>,
    format: Format,
) -> Result<Report, CallError> {
    let tables = match load_tables(&[file.to_owned()])? {
        Ok(configurations) => Tables::new(configurations),
        Err(messages) => return Ok(refuse(&messages, format)),
    };
    // If one file has both, it is read once, because standard input can be read only once.
    let known = tables.as_slice().first().map(|table| (file, &table.configuration.source));
    let cases = match cases::load(files, known)? {
        Ok(cases) => cases,
        Err(messages) => return Ok(refuse(&messages, format)),
    };
    let errors = tables.errors();

    let (outcomes, chosen) = cases::run(&tables, cases);
    let coverage = Coverage::new(&tables, &chosen);
    let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    let covers_enough = fail_under.is_none_or(|least| coverage.percent() >= least);
    let (out, err) = match format {
        Format::Text => {
            let mut out = outcomes.iter().map(as_lines).collect::<String>();
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
                "cases": outcomes.iter().map(to_json).collect::<Value>(),
                "coverage": coverage.to_json(),
                "problems": as_json(&errors),
            });
            (pretty(&object), String::new())
        }
        Format::Junit => {
            let cases: Vec<TestCase> = outcomes.iter().map(as_test_case).collect();
            (as_junit(&cases), as_text(&errors) + &coverage.to_text())
        }
        Format::Github | Format::Sarif | Format::Markdown => {
            let failures = outcomes.iter().filter_map(as_message);
            let messages: Vec<Message> = errors.iter().cloned().chain(failures).collect();
            (print(&messages, format), coverage.to_text())
        }
    };
    Ok(Report { out, err, success: failed == 0 && covers_enough && errors.is_empty() })
}

fn as_lines(outcome: &Outcome) -> String {
    let mut text = String::new();
    if outcome.mismatches.is_empty() {
        return text;
    }
    let bold = Style::new().bold();
    let red = bold.fg_color(Some(AnsiColor::Red.into()));
    let Case { name, source, at, .. } = &outcome.case;
    let (file, name) = (clean(&source.name), clean(name));
    let at = at.start;
    // Writing to a string can't fail.
    let _ = writeln!(text, "{bold}{file}:{}:{}:{bold:#} {red}failed:{red:#} {name}", at.line, at.column);
    for mismatch in &outcome.mismatches {
        let at = mismatch.at.start;
        let _ = writeln!(text, "  {file}:{}:{}: {}", at.line, at.column, clean(&mismatch.to_string()));
    }
    text
}

fn as_test_case(outcome: &Outcome) -> TestCase<'_> {
    let Case { name, source, at, .. } = &outcome.case;
    let failures = outcome.mismatches.iter().map(|mismatch| clean(&mismatch.to_string()).into_owned()).collect();
    TestCase { name: clean(name), file: clean(&source.name), line: at.start.line, failures }
}

/// Returns the message about a case that has failed.
fn as_message(outcome: &Outcome) -> Option<Message> {
    let Case { name, source, at, .. } = &outcome.case;
    let mismatches: Vec<String> = outcome.mismatches.iter().map(Mismatch::to_string).collect();
    let text = format!("{name}: {}", mismatches.join("; "));
    (!mismatches.is_empty()).then(|| Message::new(FAILED_CASE, source, *at, text))
}

fn to_json(outcome: &Outcome) -> Value {
    let Case { name, source, at, .. } = &outcome.case;
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
        "passed": outcome.mismatches.is_empty(),
        "mismatches": outcome.mismatches.iter().map(mismatch).collect::<Value>(),
    })
}

/// How many routes of the tables the cases have chosen.
struct Coverage<'a> {
    routes: usize,
    /// The name, the file and the position of each route that no case has chosen.
    uncovered: Vec<(String, &'a str, Span)>,
}

impl<'a> Coverage<'a> {
    fn new(tables: &'a Tables, chosen: &HashSet<(usize, usize)>) -> Self {
        let mut coverage = Self { routes: 0, uncovered: Vec::new() };
        for (table, Table { configuration, .. }) in tables.as_slice().iter().enumerate() {
            let routes = configuration.routes();
            coverage.routes += routes.len();
            let uncovered = routes.iter().enumerate().filter(|(route, _)| !chosen.contains(&(table, *route)));
            let file = &*configuration.source.name;
            coverage.uncovered.extend(uncovered.map(|(_, route)| (route_name(route), file, route.span)));
        }
        coverage
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
        for (name, file, span) in &self.uncovered {
            let _ = writeln!(text, "  not covered: {}:{}: {}", clean(file), span.start.line, clean(name));
        }
        text
    }

    fn to_json(&self) -> Value {
        let uncovered = self
            .uncovered
            .iter()
            .map(|(name, file, span)| json!({"route": name, "file": file, "line": span.start.line}));
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

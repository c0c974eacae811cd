//! The tables of `docs/benchmarks.md`, in Markdown.

use std::fmt::Write as _;

use super::pick::{distinct, of_quantity, sizes};
use super::wording::{
    MICROSECONDS_IN_A_MILLISECOND, count, label, machine, number, rank, routes, scaled, spread, unit,
};
use crate::results::{Latency, Measurement, Quantity, Ratio, Results};

/// Returns each table with the name of its place.
pub(super) fn all(results: &Results) -> Vec<(&'static str, String)> {
    vec![
        ("machine", machine_table(results)),
        ("filter cost", with_ratios(results, Quantity::FilterCpu)),
        ("steps", steps(results)),
        ("cost against routes", cost_against_routes(results)),
        ("chains", with_ratios(results, Quantity::ChainCpu)),
        ("latency", latency(results)),
        ("memory and load", memory_and_load(results)),
        ("skipped", skipped(results)),
    ]
}

fn machine_table(results: &Results) -> String {
    let mut table = Table::new(["", ""]);
    table.row(["date".into(), results.date.clone()]);
    table.row(["machine".into(), machine(&results.machine)]);
    table.row(["memory".into(), format!("{} GB", number(results.machine.memory_bytes as f64 / 1e9))]);
    table.row(["kernel".into(), results.machine.kernel.clone()]);
    for (name, version) in results.machine.versions.iter().filter(|(name, _)| name != "Envoy") {
        table.row([name.clone(), version.clone()]);
    }
    table.finish()
}

/// The columns are the numbers of routes, so a row reads like the line of a plot.
fn cost_against_routes(results: &Results) -> String {
    let measurements = of_quantity(results, Quantity::GatewayCpu);
    let sizes = sizes(&measurements);
    let columns = sizes.iter().map(|size| routes(*size));
    let mut table = Table::new(["variant", "table", "request"].map(String::from).into_iter().chain(columns));
    let mut lines = distinct(measurements.iter().map(|found| (&found.table, &found.request, &found.variant)));
    let tables = distinct(measurements.iter().map(|found| (&found.table, &found.request)));
    lines.sort_by_key(|(of, request, variant)| {
        (tables.iter().position(|known| *known == (*of, *request)), rank(variant), *variant)
    });
    for (of, request, variant) in lines {
        let cells = sizes.iter().map(|size| {
            let cell = measurements.iter().find(|found| {
                (&found.table, &found.request, &found.variant, found.routes) == (of, request, variant, *size)
            });
            cell.map_or(DASH.into(), |found| spread(scaled(found.value, &unit(found.quantity))))
        });
        table.row([label(variant).into(), or_dash(of), or_dash(request)].into_iter().chain(cells));
    }
    table.finish()
}

/// The table has a row for each measurement, with its ratio.
fn with_ratios(results: &Results, quantity: Quantity) -> String {
    let measurements = of_quantity(results, quantity);
    let unit = unit(quantity);
    let bases =
        distinct(measurements.iter().filter_map(|found| found.ratio.as_ref()).map(|ratio| label(&ratio.against)));
    // If all ratios have the same base, the heading names it; otherwise each cell does.
    let (heading, is_in_heading) = match bases[..] {
        [base] => (format!("ratio to “{base}”"), true),
        _ => ("ratio".to_owned(), false),
    };
    let columns = ["variant", "table", "routes", "request"].map(String::from).into_iter();
    let mut table = Table::new(columns.chain([format!("{} per request", unit.name), heading, "rounds".into()]));
    for measurement in measurements {
        let Measurement { variant, table: of, routes, request, value, ratio, .. } = measurement;
        let ratio = ratio.as_ref().map(|Ratio { against, spread: of }| match is_in_heading {
            true => spread(*of),
            false => format!("{} to “{}”", spread(*of), label(against)),
        });
        table.row([
            label(variant).into(),
            or_dash(of),
            // A filter without a table has no routes.
            if *routes == 0 { DASH.into() } else { count(*routes as u64) },
            or_dash(request),
            spread(scaled(*value, &unit)),
            ratio.unwrap_or(DASH.into()),
            value.rounds.to_string(),
        ]);
    }
    table.finish()
}

/// The rows have the order of the run, because each step adds to the one before it.
fn steps(results: &Results) -> String {
    let unit = unit(Quantity::StepCpu);
    let mut table = Table::new(["module", &format!("{} per request", unit.name), "ratio"].map(String::from));
    for found in results.measurements.iter().filter(|found| found.quantity == Quantity::StepCpu) {
        let ratio = found.ratio.as_ref().map_or(DASH.into(), |ratio| spread(ratio.spread));
        table.row([label(&found.variant).into(), spread(scaled(found.value, &unit)), ratio]);
    }
    table.finish()
}

const SHOWN_PERCENTILES: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

fn latency(results: &Results) -> String {
    let columns = ["variant", "routes", "requests per second", "requests"].map(String::from).into_iter();
    let mut table = Table::new(columns.chain(SHOWN_PERCENTILES.map(|percentile| format!("p{percentile}, ms"))));
    let mut latencies: Vec<_> = results.latencies.iter().collect();
    latencies.sort_by_key(|latency| (latency.routes, latency.rate, rank(&latency.variant), &latency.variant));
    for latency in latencies {
        let cells = [
            label(&latency.variant).into(),
            count(latency.routes as u64),
            count(latency.rate.into()),
            count(latency.requests),
        ];
        let percentiles = SHOWN_PERCENTILES.map(|percentile| {
            at(latency, percentile).map_or(DASH.into(), |micros| number(micros / MICROSECONDS_IN_A_MILLISECOND))
        });
        table.row(cells.into_iter().chain(percentiles));
    }
    table.finish()
}

/// Returns the latency at a percentile in µs, or at the next higher percentile that was measured. Returns `None` if there
/// is no higher one.
fn at(latency: &Latency, percentile: f64) -> Option<f64> {
    let measured = latency.percentiles.iter().filter(|(measured, _)| *measured > percentile - 1e-6);
    measured.min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, micros)| *micros)
}

fn memory_and_load(results: &Results) -> String {
    let quantities = [Quantity::Memory, Quantity::LoadCpu, Quantity::LoadMainCpu, Quantity::LoadTime];
    let measurements: Vec<_> = quantities.iter().flat_map(|quantity| of_quantity(results, *quantity)).collect();
    let mut table = Table::new([
        "variant",
        "table",
        "routes",
        "memory, MB",
        "memory, bytes per route",
        "CPU of a worker, ms",
        "CPU of the main thread, ms",
        "time until the last worker uses it, ms",
    ]);
    let tables = distinct(measurements.iter().map(|found| &found.table));
    let mut lines = distinct(measurements.iter().map(|found| (&found.table, found.routes, &found.variant)));
    lines.sort_by_key(|(of, routes, variant)| {
        (tables.iter().position(|known| known == of), *routes, rank(variant), *variant)
    });
    for (of, routes, variant) in lines {
        let found = |quantity| {
            measurements.iter().find(|found| {
                (found.quantity, &found.table, found.routes, &found.variant) == (quantity, of, routes, variant)
            })
        };
        let value =
            |quantity| found(quantity).map_or(DASH.into(), |found| spread(scaled(found.value, &unit(quantity))));
        let a_route = found(Quantity::Memory).filter(|found| found.routes > 0);
        table.row([
            label(variant).into(),
            or_dash(of),
            count(routes as u64),
            value(Quantity::Memory),
            a_route.map_or(DASH.into(), |found| number(found.value.median / routes as f64)),
            value(Quantity::LoadCpu),
            value(Quantity::LoadMainCpu),
            value(Quantity::LoadTime),
        ]);
    }
    table.finish()
}

fn skipped(results: &Results) -> String {
    if results.skipped.is_empty() {
        return "Nothing was skipped.".into();
    }
    let lines = results.skipped.iter().map(|skipped| match skipped.split_once(": ") {
        Some((variant, reason)) => format!("- {}: {}\n", escaped(label(variant)), escaped(reason)),
        None => format!("- {}\n", escaped(skipped)),
    });
    format!("Skipped in this run:\n\n{}", lines.collect::<String>())
}

const DASH: &str = "–";

fn or_dash(text: &str) -> String {
    if text.is_empty() { DASH.into() } else { text.into() }
}

/// Builds a table. A table without rows becomes a sentence.
struct Table {
    text: String,
    is_empty: bool,
}

impl Table {
    fn new<C: Into<String>>(columns: impl IntoIterator<Item = C>) -> Self {
        let columns: Vec<String> = columns.into_iter().map(Into::into).collect();
        let mut table = Self { text: String::new(), is_empty: true };
        table.row(columns.iter().cloned());
        let _ = writeln!(table.text, "|{}", "---|".repeat(columns.len()));
        table.is_empty = true;
        table
    }

    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.is_empty = false;
        let cells: Vec<String> = cells.into_iter().map(|cell| escaped(&cell)).collect();
        let _ = writeln!(self.text, "| {} |", cells.join(" | "));
    }

    fn finish(self) -> String {
        if self.is_empty { "Not measured in this run.\n".into() } else { self.text }
    }
}

/// Escapes a text for a cell, so that it can end neither the cell nor its line, and can't begin a tag or a comment.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_that_was_not_measured_is_shown_as_the_next_higher_one() {
        let percentiles = vec![(0.0, 1.0), (50.0, 2.0), (95.0, 3.0), (99.0, 4.0)];
        let latency = Latency { variant: String::new(), routes: 1, rate: 1, requests: 100, percentiles };
        let found = SHOWN_PERCENTILES.map(|percentile| at(&latency, percentile));
        assert_eq!(found, [Some(2.0), Some(3.0), Some(4.0), None]);
    }

    #[test]
    fn text_in_a_cell_ends_neither_the_cell_nor_the_place() {
        assert_eq!(escaped("a|b\n<!-- c"), "a\\|b &lt;!-- c");
    }
}

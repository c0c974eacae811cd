//! The plots of `docs/benchmarks/`: which measurements each of them shows. The modules below draw them with `plotters`.

mod bars;
mod lines;
mod sheet;
#[cfg(test)]
mod tests;

use anyhow::Result;
use plotters::style::RGBColor;

use super::pick::{distinct, near_thousand, of_quantity, sizes};
use super::wording::{self, NO_OP, OURS, label, rank, routes, scaled, unit};
use crate::results::{Measurement, Quantity, Results, Spread};
use lines::{Lines, Scale, Series};
use sheet::Sheet;

/// Returns every plot with the name of its file.
///
/// # Errors
///
/// Returns an error if a plot can't be drawn.
pub(super) fn all(results: &Results) -> Result<Vec<(&'static str, String)>> {
    let caption = format!("{}, {}", results.date, wording::machine(&results.machine));
    Ok(vec![
        ("chains.svg", chains(results, &caption)?),
        ("cost-against-routes.svg", cost_against_routes(results, &caption)?),
        ("filter-cost.svg", filter_cost(results, &caption)?),
    ])
}

const SPREAD: &str = "from the smallest to the largest value of all rounds";

fn chains(results: &Results, caption: &str) -> Result<String> {
    let measurements = near_thousand(&of_quantity(results, Quantity::ChainCpu));
    let unit = unit(Quantity::ChainCpu);
    let loads = distinct(measurements.iter().map(|found| load(found)));
    let panel = |load: &String| {
        let mut found: Vec<_> = measurements.iter().filter(|found| self::load(found) == *load).collect();
        found.sort_by(|one, other| one.value.median.total_cmp(&other.value.median));
        let bars = found.into_iter().map(|found| {
            let value = scaled(found.value, &unit);
            bars::Bar {
                name: label(&found.variant).to_owned(),
                is_emphasized: found.variant == OURS,
                value,
                text: format!("{} {}", wording::number(value.median), unit.name),
            }
        });
        bars::Panel { heading: load.clone(), bars: bars.collect() }
    };
    let panels: Vec<_> = loads.iter().map(panel).collect();
    let about = format!(
        "CPU of the gateway and of every proxy in front of it, for a request from the client to the service. Bars are \
         medians; the lines across their ends reach {SPREAD}."
    );
    let sheet = Sheet { title: "CPU per request, by what does the routing", about: &about, caption };
    bars::draw(&sheet, &format!("{} of CPU per request", unit.name), &panels)
}

/// Names the table, its size and the kind of request: `Table: parameters, 1,000 routes, request: hit`.
fn load(found: &Measurement) -> String {
    format!("Table: {}, {}, request: {}", found.table, routes(found.routes), found.request)
}

fn cost_against_routes(results: &Results, caption: &str) -> Result<String> {
    let unit = unit(Quantity::GatewayCpu);
    let hits = of_quantity(results, Quantity::GatewayCpu).into_iter().filter(|found| found.request == "hit");
    let points = hits.map(|found| (found, scaled(found.value, &unit)));
    let lines = Lines {
        scale: Scale::Logarithmic,
        y_title: "µs of CPU per request, logarithmic scale",
        panels: panels(points.collect()),
    };
    let about = format!(
        "CPU of Envoy's process for a request that matches a route. Lines connect medians; vertical strokes reach \
         {SPREAD}."
    );
    lines.draw(&Sheet { title: "CPU per request against the number of routes", about: &about, caption })
}

fn filter_cost(results: &Results, caption: &str) -> Result<String> {
    let ratios = of_quantity(results, Quantity::FilterCpu).into_iter().filter_map(|found| {
        let ratio = found.ratio.as_ref().filter(|ratio| ratio.against == NO_OP)?;
        let is_alone = found.variant.ends_with(wording::ONE_COPY);
        (found.variant != NO_OP && !is_alone).then_some((found, ratio.spread))
    });
    let mut panels = panels(ratios.collect());
    for panel in &mut panels {
        // Every ratio is one to this filter, which costs 1 by definition.
        let sizes = distinct(panel.series.iter().flat_map(|series| series.points.iter().map(|(routes, _)| *routes)));
        let one = Spread { least: 1.0, median: 1.0, most: 1.0, rounds: 1 };
        panel.series.insert(0, series(NO_OP, sizes.into_iter().map(|routes| (routes, one)).collect()));
    }
    let lines = Lines { scale: Scale::Linear, y_title: "ratio to the no-op filter", panels };
    let about = format!(
        "CPU that one copy of a filter adds to a request, of twenty chained copies. Lines connect medians; vertical \
         strokes reach {SPREAD}."
    );
    lines.draw(&Sheet { title: "CPU of the filter alone against the number of routes", about: &about, caption })
}

/// Makes a panel for each table and kind of request, with a line for each variant.
///
/// If any panel has several numbers of routes, those with a single one are left out: they have no line.
fn panels(points: Vec<(&Measurement, Spread)>) -> Vec<lines::Panel> {
    let key = |found: &Measurement| (found.table.clone(), found.request.clone());
    let mut keys = distinct(points.iter().map(|(found, _)| key(found)));
    let sizes_of = |wanted: &(String, String)| {
        let found: Vec<_> = points.iter().map(|(found, _)| *found).filter(|found| key(found) == *wanted).collect();
        sizes(&found).len()
    };
    if keys.iter().any(|key| sizes_of(key) > 1) {
        keys.retain(|key| sizes_of(key) > 1);
    }
    let panel = |wanted: &(String, String)| {
        let of_panel: Vec<_> = points.iter().filter(|(found, _)| key(found) == *wanted).collect();
        let mut variants = distinct(of_panel.iter().map(|(found, _)| found.variant.as_str()));
        variants.sort_by_key(|variant| (*variant == OURS, rank(variant)));
        let line = |variant: &str| {
            let points = of_panel.iter().filter(|(found, _)| found.variant == variant);
            series(variant, points.map(|(found, value)| (found.routes, *value)).collect())
        };
        let (table, request) = wanted;
        lines::Panel {
            heading: format!("Table: {table}, request: {request}"),
            series: variants.into_iter().map(line).collect(),
        }
    };
    keys.iter().map(panel).collect()
}

fn series(variant: &str, points: Vec<(usize, Spread)>) -> Series {
    Series { name: label(variant).to_owned(), colour: colour(variant), is_emphasized: variant == OURS, points }
}

/// The colours of Okabe and Ito, which colour-blind readers can distinguish. Their yellow is left out: it is too faint on
/// white. The two variants that the others are compared with are grey and black;
/// variants that are not known share a colour.
fn colour(variant: &str) -> RGBColor {
    match variant {
        OURS => RGBColor(0x00, 0x72, 0xb2),
        NO_OP => RGBColor(0x7a, 0x82, 0x8b),
        "lua" => RGBColor(0xe6, 0x9f, 0x00),
        "matcher" => RGBColor(0x00, 0x9e, 0x73),
        "native" => RGBColor(0xd5, 0x5e, 0x00),
        "bare" => RGBColor(0x00, 0x00, 0x00),
        _ => RGBColor(0x56, 0xb4, 0xe9),
    }
}

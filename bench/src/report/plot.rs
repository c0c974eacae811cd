//! The plots of `docs/benchmarks/`: what each shows. The modules below draw.
//!
//! On the elements of the `svg` crate, and not by a library of charts: plotters and kuva, which were looked at, have no
//! names at the ends of lines, and plotters knows the width of text from the machine's fonts alone.

mod axis;
mod bars;
mod canvas;
mod lines;
mod palette;
#[cfg(test)]
mod tests;
mod text;

use axis::{Axis, Scale};
use bars::{Bar, Bars};
use canvas::Canvas;
use lines::{Lines, Series};
use palette::{OTHERS, Style};

use super::pick::{distinct, near_thousand, of, sizes};
use super::wording::{self, MICROSECONDS_IN_A_MILLISECOND, NO_OP, OURS, count, label, rank, routes, scaled, unit};
use crate::results::{Latency, Measurement, Quantity, Results, Spread};

/// Every plot, by the name of its file.
pub(crate) fn all(results: &Results) -> Vec<(&'static str, String)> {
    let caption = format!("{}, {}", results.date, wording::machine(&results.machine));
    let plots = Plots { results, unknown: unknown(results) };
    let drawn = [
        ("cost-against-routes.svg", plots.cost_against_routes()),
        ("filter-cost.svg", plots.filter_cost()),
        ("chains.svg", plots.chains()),
        ("latency.svg", plots.latency()),
        ("memory-and-load.svg", plots.memory_and_load()),
    ];
    drawn.into_iter().map(|(name, canvas)| (name, canvas.finish(&caption))).collect()
}

fn unknown(results: &Results) -> Vec<&str> {
    let variants = results.measurements.iter().map(|found| &found.variant);
    let variants = variants.chain(results.latencies.iter().map(|latency| &latency.variant));
    let mut unknown = distinct(variants.map(String::as_str).filter(|variant| rank(variant) == rank("")));
    unknown.sort_unstable();
    unknown
}

struct Plots<'r> {
    results: &'r Results,
    /// The variants that aren't known, in the order in which they get their looks.
    unknown: Vec<&'r str>,
}

const SPREAD: &str = "from the least to the most of all rounds";
const LAST: &str = "The last value stands beside the name.";

impl Plots<'_> {
    fn cost_against_routes(&self) -> Canvas {
        let about = format!(
            "Of Envoy's process, a request that finds its route. Lines are medians, strokes reach {SPREAD}. {LAST}"
        );
        let mut canvas = Canvas::new("CPU a request, against the number of routes", &about);
        let hits: Vec<_> =
            of(self.results, Quantity::GatewayCpu).into_iter().filter(|found| found.request == "hit").collect();
        let panels = self.against_routes(&hits, "of CPU a request", |table| format!("Table: {table}"));
        lines::draw(&panels, &mut canvas);
        or_nothing(canvas, hits.is_empty())
    }

    fn memory_and_load(&self) -> Canvas {
        let about =
            format!("What a table costs that no request sees. Lines are medians, strokes reach {SPREAD}. {LAST}");
        let mut canvas = Canvas::new("Memory and time that a new table takes", &about);
        let mut panels = Vec::new();
        for (quantity, heading, what) in [
            (Quantity::Memory, "Memory that the table adds to Envoy's process", ""),
            (Quantity::LoadCpu, "CPU of a worker to take up a new table", ""),
            (Quantity::LoadMainCpu, "CPU of the main thread to take up a new table", ""),
            (Quantity::LoadTime, "From the new file to the last worker", ""),
        ] {
            let measurements = of(self.results, quantity);
            let tables = distinct(measurements.iter().map(|found| found.table.as_str()));
            panels.extend(self.against_routes(&measurements, what, |table| match tables.len() {
                1 => heading.to_owned(),
                _ => format!("{heading}, table: {table}"),
            }));
        }
        lines::draw(&panels, &mut canvas);
        or_nothing(canvas, panels.is_empty())
    }

    /// A panel for each table, all with the same axes; tables of one size only if there are no others.
    fn against_routes(
        &self,
        measurements: &[&Measurement],
        what: &str,
        heading: impl Fn(&str) -> String,
    ) -> Vec<Lines> {
        let tables = distinct(measurements.iter().map(|found| found.table.as_str()));
        let of_table = |table: &str| -> Vec<&Measurement> {
            measurements.iter().copied().filter(|found| found.table == table).collect()
        };
        let mut panels: Vec<(&str, Vec<&Measurement>)> = tables.iter().map(|table| (*table, of_table(table))).collect();
        if panels.iter().any(|(_, found)| sizes(found).len() > 1) {
            panels.retain(|(_, found)| sizes(found).len() > 1);
        }
        let shown: Vec<&Measurement> = panels.iter().flat_map(|(_, found)| found).copied().collect();
        let Some(unit) = shown.first().map(|found| unit(found.quantity)) else { return Vec::new() };
        let x = Axis::routes(sizes(&shown));
        let values: Vec<Spread> = shown.iter().map(|found| scaled(found.value, &unit)).collect();
        let y = Axis::values(&values);
        let panel = |(table, found): (&str, Vec<&Measurement>)| {
            let variants = distinct(found.iter().map(|found| found.variant.as_str()));
            let points = |variant| {
                let points = found.iter().filter(|found| found.variant == variant);
                points.map(|found| (found.routes.max(1) as f64, scaled(found.value, &unit))).collect()
            };
            let series = variants.into_iter().map(|variant| self.series(variant, points(variant), &y, true));
            Lines {
                heading: heading(table),
                x: x.clone(),
                x_title: "routes in the table, logarithmic scale",
                y: y.clone(),
                y_title: y_title(format!("{} {what}", unit.name).trim(), &y, &values),
                series: ours_on_top(series),
            }
        };
        panels.into_iter().map(panel).collect()
    }

    fn filter_cost(&self) -> Canvas {
        let mut measurements = near_thousand(&of(self.results, Quantity::FilterCpu));
        measurements
            .retain(|found| found.variant != NO_OP && found.ratio.as_ref().is_some_and(|ratio| ratio.against == NO_OP));
        measurements.sort_by_key(|found| rank(&found.variant));
        let (size, names) = rows(&measurements);
        let about = format!(
            "CPU of one copy of the filter, as a ratio to the SDK's filter that does nothing{size}. Bars are medians, \
             whiskers reach {SPREAD}."
        );
        let mut canvas = Canvas::new("What the filter itself costs", &about);
        let bars = measurements.iter().zip(names).filter_map(|(found, name)| {
            let value = found.ratio.as_ref()?.spread;
            let colour = self.style(&found.variant).colour;
            let label = format!("{}: {name}", label(&found.variant));
            Some(self.bar(found, label, colour, value, wording::spread(value)))
        });
        if !measurements.is_empty() {
            Bars {
                heading: None,
                axis_title: "times the filter that does nothing".into(),
                bars: bars.collect(),
                reference: Some((1.0, format!("1: {}", label(NO_OP)))),
            }
            .draw(&mut canvas);
        }
        or_nothing(canvas, measurements.is_empty())
    }

    fn chains(&self) -> Canvas {
        let measurements = near_thousand(&of(self.results, Quantity::ChainCpu));
        let (size, names) = rows(&measurements);
        let about = format!(
            "Of the gateway and every proxy beside it, a request from its arrival to its answer{size}. Bars are \
             medians, whiskers reach {SPREAD}."
        );
        let mut canvas = Canvas::new("CPU a request, whatever does the routing", &about);
        let unit = unit(Quantity::ChainCpu);
        let panels = distinct(names.iter());
        for panel in &panels {
            let of_panel = measurements.iter().zip(&names).filter(|(_, name)| name == panel);
            let mut bars: Vec<Bar> = of_panel
                .map(|(found, _)| {
                    let colour = if found.variant == OURS { self.style(OURS).colour } else { OTHERS };
                    let value = scaled(found.value, &unit);
                    let text = format!("{} {}", wording::number(value.median), unit.name);
                    self.bar(found, label(&found.variant).to_owned(), colour, value, text)
                })
                .collect();
            bars.sort_by(|one, other| one.value.median.total_cmp(&other.value.median));
            Bars {
                heading: (panels.len() > 1).then(|| format!("Table: {panel}")),
                axis_title: format!("{} of CPU a request", unit.name),
                bars,
                reference: None,
            }
            .draw(&mut canvas);
        }
        or_nothing(canvas, measurements.is_empty())
    }

    fn latency(&self) -> Canvas {
        let due = "At a fixed rate, from the time at which a request was due: a stall counts for all that it delays.";
        let mut canvas = Canvas::new("Latency, by percentile", &format!("{due} {LAST}"));
        let latencies = &self.results.latencies;
        let mut loads = distinct(latencies.iter().map(|latency| (latency.routes, latency.rate)));
        loads.sort_unstable();
        let spread = |micros: f64| {
            let millis = micros / MICROSECONDS_IN_A_MILLISECOND;
            Spread { least: millis, median: millis, most: millis, rounds: 1 }
        };
        let x = Axis::percentiles();
        let points = |latency: &Latency| -> Vec<(f64, Spread)> {
            let mut points = latency.percentiles.clone();
            points.retain(|(percentile, _)| x.holds(*percentile));
            points.sort_by(|(one, _), (other, _)| one.total_cmp(other));
            points.into_iter().map(|(percentile, micros)| (percentile, spread(micros))).collect()
        };
        let values: Vec<Spread> = latencies.iter().flat_map(points).map(|(_, spread)| spread).collect();
        let y = Axis::values(&values);
        let panel = |(number, rate)| {
            let mut found: Vec<_> =
                latencies.iter().filter(|latency| (latency.routes, latency.rate) == (number, rate)).collect();
            found.sort_by_key(|latency| (rank(&latency.variant), &latency.variant));
            let series = found.iter().map(|latency| self.series(&latency.variant, points(latency), &y, false));
            Lines {
                heading: format!("{}, {} requests a second", routes(number), count(rate.into())),
                x: x.clone(),
                x_title: "percentile of requests",
                y: y.clone(),
                y_title: y_title("ms", &y, &values),
                series: ours_on_top(series),
            }
        };
        lines::draw(&loads.into_iter().map(panel).collect::<Vec<_>>(), &mut canvas);
        or_nothing(canvas, latencies.is_empty())
    }

    fn style(&self, variant: &str) -> Style {
        palette::style(variant, &self.unknown)
    }

    fn bar(&self, found: &Measurement, label: String, colour: &'static str, value: Spread, text: String) -> Bar {
        Bar { label, is_emphasized: found.variant == OURS, colour, value, text }
    }

    /// Without the points that the axis can't show, such as memory below 0 on a logarithmic one.
    fn series(&self, variant: &str, mut points: Vec<(f64, Spread)>, y: &Axis, has_dots: bool) -> Series {
        points.retain(|(_, spread)| y.holds(spread.median));
        let style = self.style(variant);
        Series { label: label(variant).to_owned(), is_emphasized: variant == OURS, style, points, has_dots }
    }
}

fn ours_on_top(series: impl Iterator<Item = Series>) -> Vec<Series> {
    let mut series: Vec<Series> = series.collect();
    series.sort_by_key(|series| series.is_emphasized);
    series
}

/// What rows of bars have in common, ` at 1,000 routes`, and what tells them apart: `static, hit`.
fn rows(measurements: &[&Measurement]) -> (String, Vec<String>) {
    let sizes = sizes(measurements);
    let number_of = |size: usize| measurements.iter().filter(|found| found.routes == size).count();
    let common = sizes.iter().copied().max_by_key(|size| number_of(*size));
    let unless = if sizes.len() > 1 { " if not said otherwise" } else { "" };
    let about = common.map_or(String::new(), |size| format!(", at {}{unless}", routes(size)));
    let name = |found: &&Measurement| {
        let size = if Some(found.routes) == common { String::new() } else { routes(found.routes) };
        let parts = [found.table.clone(), found.request.clone(), size];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    };
    (about, measurements.iter().map(name).collect())
}

fn y_title(title: &str, y: &Axis, values: &[Spread]) -> String {
    let is_cut = values.iter().any(|value| value.median <= 0.0);
    match y.scale {
        Scale::Logarithmic if is_cut => format!("{title}, logarithmic scale; values of 0 and less are left out"),
        Scale::Logarithmic => format!("{title}, logarithmic scale"),
        Scale::Linear | Scale::Nines => title.to_owned(),
    }
}

fn or_nothing(mut canvas: Canvas, is_empty: bool) -> Canvas {
    if is_empty {
        canvas.top += 24.0;
        canvas.paragraph("Not measured in this run.", canvas::HEADING, palette::INK);
    }
    canvas
}

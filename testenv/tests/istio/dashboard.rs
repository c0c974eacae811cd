//! Draws the dashboard of `monitoring/` as an SVG: the panels at the places that its JSON gives them, with values that
//! were read from a Prometheus. The tests do not run Grafana, because it is published as an archive and as an image, and not as
//! a module that `go build` can build.

use anyhow::{Context, Result};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde_json::Value;

type Area<'s> = DrawingArea<SVGBackend<'s>, Shift>;

/// A series of a query's result: its labels, and its values, each with its time in seconds.
pub(crate) struct Series {
    pub(crate) labels: Value,
    pub(crate) points: Vec<(f64, f64)>,
}

const WIDTH: i32 = 1040;
const MARGIN: i32 = 12;
const HEADER: i32 = 52;
/// The height of one unit of Grafana's grid, which has 24 columns, and the distance between panels.
const UNIT: i32 = 34;
const GAP: i32 = 8;
const COLUMNS: i32 = 24;

const SHEET: RGBColor = RGBColor(0xf4, 0xf5, 0xf5);
const PANEL: RGBColor = WHITE;
const FRAME: RGBColor = RGBColor(0xdd, 0xde, 0xe0);
const INK: RGBColor = RGBColor(0x24, 0x29, 0x2e);
const FAINT_INK: RGBColor = RGBColor(0x5d, 0x65, 0x70);
const GRID: RGBColor = RGBColor(0xe7, 0xe9, 0xec);
const GREEN: RGBColor = RGBColor(0x37, 0x87, 0x2d);
const ORANGE: RGBColor = RGBColor(0xc4, 0x5a, 0x04);
const RED: RGBColor = RGBColor(0xc4, 0x16, 0x2a);
/// The colours of the series of a panel, in their order.
const LINES: [RGBColor; 12] = [
    RGBColor(0x37, 0x87, 0x2d),
    RGBColor(0xe0, 0xb4, 0x00),
    RGBColor(0x32, 0x74, 0xd9),
    RGBColor(0xff, 0x78, 0x0a),
    RGBColor(0xe0, 0x2f, 0x44),
    RGBColor(0xa3, 0x52, 0xcc),
    RGBColor(0x1c, 0x9c, 0xa8),
    RGBColor(0x7a, 0x52, 0x30),
    RGBColor(0x8a, 0xb8, 0xff),
    RGBColor(0x96, 0xd9, 0x8d),
    RGBColor(0xff, 0xa6, 0xb0),
    RGBColor(0x70, 0x70, 0x78),
];

/// Returns the series of each query of a panel, in order.
pub(crate) type Results<'r> = dyn Fn(&Value) -> Result<Vec<Vec<Series>>> + 'r;

/// Draws the dashboard with these results of its queries. The lines are drawn between these times.
pub(crate) fn draw(dashboard: &Value, about: &str, (from, to): (f64, f64), results: &Results<'_>) -> Result<String> {
    let panels = dashboard["panels"].as_array().context("panels")?;
    let bottom = panels.iter().map(|panel| number(&panel["gridPos"]["y"]) + number(&panel["gridPos"]["h"])).max();
    let height = HEADER + bottom.context("a panel")? * UNIT + MARGIN;
    let title = dashboard["title"].as_str().context("a title")?;
    let mut svg = String::new();
    {
        let sheet = SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32)).into_drawing_area();
        sheet.fill(&SHEET)?;
        text(&sheet, title, (MARGIN, 28), 19, INK, true, HPos::Left)?;
        let mut right = WIDTH - MARGIN;
        for variable in dashboard["templating"]["list"].as_array().into_iter().flatten().rev() {
            let label = variable["label"].as_str().context("the label of a variable")?;
            let chosen = variable["current"]["text"].as_str().or(variable["query"].as_str()).unwrap_or_default();
            let left = right - width(label, 12) - width(chosen, 12) - 34;
            sheet.draw(&Rectangle::new([(left, 15), (right, 41)], PANEL.filled()))?;
            sheet.draw(&Rectangle::new([(left, 15), (right, 41)], FRAME.stroke_width(1)))?;
            text(&sheet, label, (left + 9, 28), 12, FAINT_INK, false, HPos::Left)?;
            text(&sheet, chosen, (right - 9, 28), 12, INK, true, HPos::Right)?;
            right = left - GAP;
        }
        for panel in panels {
            draw_panel(&sheet, panel, (from, to), results)?;
        }
        sheet.present()?;
    }
    let described = format!("<title>The dashboard {title}</title>\n<desc>{about}</desc>\n");
    let start = svg.find('>').context("an element")? + 2;
    svg.insert_str(start, &described);
    Ok(svg.replacen("<svg ", "<svg role=\"img\" ", 1))
}

fn draw_panel(sheet: &Area<'_>, panel: &Value, times: (f64, f64), results: &Results<'_>) -> Result<()> {
    let title = panel["title"].as_str().context("a title")?;
    let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| number(&panel["gridPos"][key]));
    let column = |x: i32| MARGIN + x * (WIDTH - 2 * MARGIN + GAP) / COLUMNS;
    let (left, top) = (column(x), HEADER + y * UNIT);
    let size = (column(x + w) - left - GAP, h * UNIT - GAP);
    if panel["type"] == "row" {
        let arrow = [(left + 3, top + 9), (left + 13, top + 9), (left + 8, top + 15)];
        sheet.draw(&Polygon::new(arrow, FAINT_INK))?;
        return text(sheet, title, (left + 22, top + 13), 15, INK, true, HPos::Left);
    }
    let area = sheet.clone().shrink((left, top), size);
    area.fill(&PANEL)?;
    area.draw(&Rectangle::new([(0, 0), (size.0 - 1, size.1 - 1)], FRAME.stroke_width(1)))?;
    text(&area, title, (12, 18), 13, INK, true, HPos::Left)?;
    let results = results(panel)?;
    let inner = area.shrink((12, 34), (size.0 - 24, size.1 - 44));
    match panel["type"].as_str() {
        Some("stat") => draw_stat(&inner, panel, &results),
        Some("timeseries") => draw_lines(&inner, panel, times, &results),
        Some("table") => draw_table(&inner, &results),
        other => anyhow::bail!("{title}: a panel of the type {other:?} can't be drawn"),
    }
}

/// Draws the last value of each series on a tile, whose colour says which threshold it has reached.
fn draw_stat(area: &Area<'_>, panel: &Value, results: &[Vec<Series>]) -> Result<()> {
    let series: Vec<(String, f64)> =
        named(panel, results).into_iter().filter_map(|(name, series)| Some((name, series.points.last()?.1))).collect();
    let defaults = &panel["fieldConfig"]["defaults"];
    for (tile, (name, value)) in area.split_evenly((1, series.len().max(1))).iter().zip(&series) {
        let (w, h) = tile.dim_in_pixel();
        let (w, h) = (w as i32, h as i32);
        tile.draw(&Rectangle::new([(1, 0), (w - 2, h)], threshold(defaults, *value).filled()))?;
        let value = match defaults["decimals"].as_u64() {
            Some(decimals) => format!("{value:.*}", decimals as usize),
            None => with_unit(defaults, *value),
        };
        text(tile, name, (w / 2, 20), 13, WHITE, false, HPos::Center)?;
        text(tile, &value, (w / 2, h / 2 + 11), 30, WHITE, true, HPos::Center)?;
    }
    Ok(())
}

/// Returns the colour of the highest threshold that a value has reached. Without thresholds, Grafana takes green.
fn threshold(defaults: &Value, value: f64) -> RGBColor {
    let steps = defaults["thresholds"]["steps"].as_array().into_iter().flatten();
    let reached = steps.rev().find(|step| step["value"].as_f64().is_none_or(|from| value >= from));
    match reached.and_then(|step| step["color"].as_str()) {
        Some("red") => RED,
        Some("orange") => ORANGE,
        _ => GREEN,
    }
}

fn draw_lines(area: &Area<'_>, panel: &Value, (from, to): (f64, f64), results: &[Vec<Series>]) -> Result<()> {
    let series = named(panel, results);
    let (w, h) = area.dim_in_pixel();
    let (w, h) = (w as i32, h as i32);
    // The legend: as many names on a line as fit.
    let mut places = Vec::new();
    let (mut x, mut line) = (0, 0);
    for (name, _) in &series {
        let needed = 22 + width(name, 12) + 16;
        if x > 0 && x + needed > w {
            (x, line) = (0, line + 1);
        }
        places.push((x, line));
        x += needed;
    }
    let legend = (line + 1) * 18;
    for (number, ((name, _), (x, line))) in series.iter().zip(&places).enumerate() {
        let (x, y) = (x + 2, h - legend + line * 18 + 12);
        area.draw(&Rectangle::new([(x, y - 2), (x + 14, y + 1)], LINES[number % LINES.len()].filled()))?;
        text(area, name, (x + 20, y), 12, INK, false, HPos::Left)?;
    }

    let defaults = &panel["fieldConfig"]["defaults"];
    let values = || series.iter().flat_map(|(_, series)| &series.points).map(|(_, value)| *value);
    let most = values().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let most = if most > 0.0 { most * 1.08 } else { 1.0 };
    let plot = area.clone().shrink((0, 0), (w, h - legend));
    let mut chart = ChartBuilder::on(&plot);
    chart.margin_top(4).margin_right(14).x_label_area_size(22).y_label_area_size(62);
    let lines: Vec<&[(f64, f64)]> = series.iter().map(|(_, series)| series.points.as_slice()).collect();
    let minutes = from / 60.0..to / 60.0;
    if defaults["custom"]["scaleDistribution"]["type"] == "log" {
        let least = values().filter(|value| *value > 0.0).fold(most, f64::min);
        let decades = (least.log10().floor() as i32..).map(|decade| 10_f64.powi(decade));
        let decades = decades.take_while(|value| *value <= most).collect();
        let values = (least * 0.6..most * 1.5).log_scale().with_key_points(decades);
        draw_chart(chart.build_cartesian_2d(minutes, values)?, defaults, &lines)
    } else {
        draw_chart(chart.build_cartesian_2d(minutes, 0.0..most)?, defaults, &lines)
    }
}

/// Draws the axes and the lines.
fn draw_chart<Y: Ranged<ValueType = f64> + ValueFormatter<f64>>(
    mut chart: ChartContext<'_, SVGBackend<'_>, Cartesian2d<RangedCoordf64, Y>>,
    defaults: &Value,
    lines: &[&[(f64, f64)]],
) -> Result<()> {
    chart
        .configure_mesh()
        .axis_style(GRID)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .label_style(style(12, FAINT_INK, false, HPos::Left))
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|minutes| clock(*minutes))
        .y_label_formatter(&|value| with_unit(defaults, *value))
        .draw()?;
    for (line, colour) in lines.iter().zip(LINES.iter().cycle()) {
        // Where a value is missing, the line has a gap.
        for part in line.split(|(_, value)| !value.is_finite()) {
            let points = part.iter().map(|(time, value)| (time / 60.0, *value));
            chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
        }
    }
    Ok(())
}

/// Draws the labels and the value of each series.
fn draw_table(area: &Area<'_>, results: &[Vec<Series>]) -> Result<()> {
    let series: Vec<&Series> = results.iter().flatten().collect();
    let labels: Vec<&String> = series
        .first()
        .and_then(|series| series.labels.as_object())
        .into_iter()
        .flat_map(|labels| labels.keys())
        .collect();
    let (w, _) = area.dim_in_pixel();
    let column = |number: usize| 8 + number as i32 * w as i32 / (labels.len() as i32 + 1);
    let rule = |y: i32| area.draw(&Rectangle::new([(0, y), (w as i32, y + 1)], GRID.filled()));
    let right = w as i32 - 8;
    for (number, name) in labels.iter().enumerate() {
        text(area, name, (column(number), 14), 12, FAINT_INK, true, HPos::Left)?;
    }
    text(area, "Value", (right, 14), 12, FAINT_INK, true, HPos::Right)?;
    rule(28)?;
    for (row, series) in series.iter().enumerate() {
        let y = 46 + row as i32 * 34;
        for (number, label) in labels.iter().enumerate() {
            let value = series.labels[label.as_str()].as_str().unwrap_or_default();
            text(area, value, (column(number), y), 13, INK, false, HPos::Left)?;
        }
        let value = series.points.last().map(|(_, value)| format!("{value}")).unwrap_or_default();
        text(area, &value, (right, y), 13, INK, false, HPos::Right)?;
        rule(y + 16)?;
    }
    Ok(())
}

/// Returns the series of a panel with the names that its legend gives them.
fn named<'r>(panel: &Value, results: &'r [Vec<Series>]) -> Vec<(String, &'r Series)> {
    let targets = panel["targets"].as_array().into_iter().flatten();
    let named = targets.zip(results).flat_map(|(target, series)| {
        let format = target["legendFormat"].as_str().unwrap_or_default();
        series.iter().map(move |series| {
            let labels = series.labels.as_object().into_iter().flatten();
            let name = labels.fold(format.to_owned(), |name, (label, value)| {
                name.replace(&format!("{{{{{label}}}}}"), value.as_str().unwrap_or_default())
            });
            (name, series)
        })
    });
    named.collect()
}

/// Writes a value with the unit of its panel, as Grafana does.
fn with_unit(defaults: &Value, value: f64) -> String {
    let plain = |value: f64| {
        let text = format!("{value:.2}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match defaults["unit"].as_str() {
        Some("reqps") => format!("{} req/s", plain(value)),
        Some("percentunit") => format!("{} %", plain(value * 100.0)),
        Some("ms") if value >= 1000.0 => format!("{} s", plain(value / 1000.0)),
        Some("ms") => format!("{} ms", plain(value)),
        _ => plain(value),
    }
}

/// Writes a time, in minutes since 1970, as hours and minutes of the day.
fn clock(minutes: f64) -> String {
    let minutes = minutes.round() as i64;
    format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
}

fn number(value: &Value) -> i32 {
    value.as_i64().unwrap_or_default() as i32
}

/// Returns the width that a text needs in a wide font, because readers have different ones.
fn width(text: &str, size: i32) -> i32 {
    text.chars().count() as i32 * size * 6 / 10
}

fn style(size: i32, colour: RGBColor, is_bold: bool, horizontal: HPos) -> TextStyle<'static> {
    let weight = if is_bold { FontStyle::Bold } else { FontStyle::Normal };
    // The SVG backend divides sizes by this factor.
    let font = ("sans-serif", f64::from(size) * 1.24, weight).into_font();
    TextStyle { font, color: colour.to_backend_color(), pos: Pos::new(horizontal, VPos::Center) }
}

fn text(
    area: &Area<'_>,
    text: &str,
    at: (i32, i32),
    size: i32,
    colour: RGBColor,
    is_bold: bool,
    horizontal: HPos,
) -> Result<()> {
    Ok(area.draw_text(text, &style(size, colour, is_bold, horizontal), at)?)
}

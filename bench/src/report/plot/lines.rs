//! Plots of lines against the number of routes: a legend, and below it panels that have the same axes.

use std::collections::BTreeSet;
use std::slice;

use anyhow::Result;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::sheet::{Area, FAINT_INK, GRID, HEADING, LABEL, LINE_HEIGHT, MARGIN, SMALL, Sheet, WIDTH, tick};
use crate::results::Spread;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// From 0.
    Linear,
    /// Values of 0 and less are left out.
    Logarithmic,
}

pub(super) struct Lines {
    pub(super) scale: Scale,
    pub(super) y_title: &'static str,
    pub(super) panels: Vec<Panel>,
}

pub(super) struct Panel {
    pub(super) heading: String,
    /// A line lies on top of those before it.
    pub(super) series: Vec<Series>,
}

pub(super) struct Series {
    pub(super) name: String,
    pub(super) colour: RGBColor,
    pub(super) is_emphasized: bool,
    /// Numbers of routes with their values, the smallest number first.
    pub(super) points: Vec<(usize, Spread)>,
}

const COLUMNS: usize = 2;
const SWATCH_WIDTH: i32 = 34;
const PANEL_HEIGHT: i32 = 330;
const HEADING_HEIGHT: i32 = 46;
const AXIS_HEIGHT: i32 = 44;
/// The number of ticks that a linear axis has at most.
const MOST_TICKS: usize = 8;

impl Lines {
    pub(super) fn draw(&self, sheet: &Sheet) -> Result<String> {
        if self.panels.is_empty() {
            return sheet.draw_nothing();
        }
        let legend = self.legend();
        let legend_height = (legend.iter().map(|(_, name)| name.len() as i32).sum::<i32>() + 1) * LINE_HEIGHT;
        let rows = self.panels.len().div_ceil(COLUMNS);
        sheet.draw(legend_height + rows as i32 * PANEL_HEIGHT, |area| {
            let (top, below) = area.split_vertically(legend_height);
            let mut y = LINE_HEIGHT / 2;
            for (series, name) in legend {
                let swatch = [(MARGIN, y - 2), (MARGIN + SWATCH_WIDTH - 10, y + 2)];
                top.draw(&Rectangle::new(swatch, series.colour.filled()))?;
                let font = if series.is_emphasized { HEADING } else { LABEL };
                font.draw(&top, &name, HPos::Left, (MARGIN + SWATCH_WIDTH, y))?;
                y += name.len() as i32 * LINE_HEIGHT;
            }
            let points = || self.panels.iter().flat_map(|panel| &panel.series).flat_map(|series| &series.points);
            let x = Axis::routes(points().map(|(routes, _)| *routes));
            let y = Axis::values(self.scale, &points().map(|(_, spread)| *spread).collect::<Vec<_>>());
            for (panel, area) in self.panels.iter().zip(below.split_evenly((rows, COLUMNS))) {
                self.draw_panel(panel, &area, &x, &y)?;
            }
            Ok(())
        })
    }

    fn draw_panel(&self, panel: &Panel, area: &Area, x: &Axis, y: &Axis) -> Result<()> {
        HEADING.draw(area, slice::from_ref(&panel.heading), HPos::Left, (MARGIN, LINE_HEIGHT / 2))?;
        SMALL.draw(area, &[self.y_title.to_owned()], HPos::Left, (MARGIN, LINE_HEIGHT * 3 / 2))?;
        let range = y.from..y.to;
        match self.scale {
            Scale::Linear => panel.draw(area, x, y, RangedCoordf64::from(range)),
            Scale::Logarithmic => panel.draw(area, x, y, range.log_scale().with_key_points(y.ticks.clone())),
        }
    }

    /// Returns one series for each name, with the lines of its name. The emphasized series comes first.
    fn legend(&self) -> Vec<(&Series, Vec<String>)> {
        let mut legend: Vec<(&Series, Vec<String>)> = Vec::new();
        for series in self.panels.iter().flat_map(|panel| &panel.series) {
            if !legend.iter().any(|(known, _)| known.name == series.name) {
                legend.push((series, LABEL.wrap(&series.name, WIDTH - 2 * MARGIN - SWATCH_WIDTH)));
            }
        }
        legend.sort_by_key(|(series, _)| !series.is_emphasized);
        legend
    }
}

struct Axis {
    from: f64,
    to: f64,
    ticks: Vec<f64>,
}

impl Axis {
    /// Makes a logarithmic axis with a tick at each number of routes, unless that is too close to the tick before it.
    fn routes(sizes: impl Iterator<Item = usize>) -> Self {
        let sizes: BTreeSet<usize> = sizes.map(|size| size.max(1)).collect();
        let least = sizes.first().map_or(1.0, |size| *size as f64);
        let most = sizes.last().map_or(1.0, |size| *size as f64);
        // The labels of the first and the last tick need space on both sides.
        let space = (most / least).powf(0.08).max(1.1);
        let (from, to) = (least / space, most * space);
        let closest = (to / from).powf(0.18);
        let mut ticks: Vec<f64> = Vec::new();
        for size in sizes {
            if ticks.last().is_none_or(|last| size as f64 / last >= closest) {
                ticks.push(size as f64);
            }
        }
        Self { from, to, ticks }
    }

    fn values(scale: Scale, spreads: &[Spread]) -> Self {
        match scale {
            Scale::Linear => Self::linear(spreads),
            Scale::Logarithmic => Self::logarithmic(spreads),
        }
    }

    fn linear(spreads: &[Spread]) -> Self {
        let most = spreads.iter().map(|spread| spread.most).fold(0.0, f64::max);
        let to = if most > 0.0 { most * 1.05 } else { 1.0 };
        Self { from: 0.0, to, ticks: RangedCoordf64::from(0.0..to).key_points(MOST_TICKS) }
    }

    /// Makes an axis between values of 1, 2 or 5 times a power of ten.
    fn logarithmic(spreads: &[Spread]) -> Self {
        let medians = spreads.iter().map(|spread| spread.median).filter(|median| *median > 0.0);
        let least = medians.fold(f64::INFINITY, f64::min);
        if !least.is_finite() {
            return Self { from: 1.0, to: 10.0, ticks: vec![1.0, 10.0] };
        }
        let most = spreads.iter().map(|spread| spread.most).fold(least, f64::max);
        // The low end of a spread may be cut off: noise near 0 would take most of the axis.
        let lows = spreads.iter().map(|spread| spread.least).filter(|low| *low > least / 3.0);
        let least = lows.fold(least, f64::min);
        let decades = least.log10().floor() as i32..=most.log10().ceil() as i32;
        let marks = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| (digit, digit * 10f64.powi(decade))));
        let (below, mut ticks): (Vec<_>, Vec<_>) = marks.partition(|(_, mark)| *mark <= least);
        ticks.splice(0..0, below.last().copied());
        let last = ticks.iter().position(|(_, mark)| *mark >= most && *mark > least).unwrap_or(ticks.len() - 1);
        ticks.truncate(last + 1);
        let (from, to) = (ticks[0].1, ticks[last].1);
        if ticks.len() > 10 {
            ticks.retain(|(digit, _)| *digit == 1.0);
        }
        Self { from, to, ticks: ticks.into_iter().map(|(_, mark)| mark).collect() }
    }
}

impl Panel {
    fn draw<Y>(&self, area: &Area, x: &Axis, y: &Axis, y_coordinates: Y) -> Result<()>
    where
        Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
    {
        let tick_width = y.ticks.iter().map(|value| SMALL.width(&tick(*value))).max().unwrap_or(0);
        let mut chart = ChartBuilder::on(area)
            .margin_top(HEADING_HEIGHT)
            .margin_left(MARGIN)
            .margin_right(MARGIN)
            .margin_bottom(16)
            .x_label_area_size(AXIS_HEIGHT)
            .y_label_area_size(tick_width + 12)
            .build_cartesian_2d((x.from..x.to).log_scale().with_key_points(x.ticks.clone()), y_coordinates)?;
        chart
            .configure_mesh()
            .y_labels(MOST_TICKS)
            .x_label_formatter(&|value| tick(*value))
            .y_label_formatter(&|value| tick(*value))
            .max_light_lines(0)
            .bold_line_style(GRID)
            .axis_style(FAINT_INK)
            .label_style(SMALL.style(HPos::Center))
            .x_desc("routes in the table, logarithmic scale")
            .draw()?;
        for series in &self.series {
            let is_shown = |spread: &Spread| spread.median >= y.from && spread.median <= y.to;
            let points = series.points.iter().filter(|(_, spread)| is_shown(spread));
            let points: Vec<(f64, Spread)> =
                points.map(|(routes, spread)| ((*routes).max(1) as f64, *spread)).collect();
            let thickness = if series.is_emphasized { 3 } else { 2 };
            let medians = points.iter().map(|(x, spread)| (*x, spread.median));
            chart.draw_series(LineSeries::new(medians, series.colour.stroke_width(thickness)))?;
            chart.draw_series(points.iter().map(|(x, spread)| {
                let [least, most] = [spread.least, spread.most].map(|end| end.clamp(y.from, y.to));
                ErrorBar::new_vertical(*x, least, spread.median, most, series.colour.filled(), 6)
            }))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(value: f64) -> Spread {
        Spread { least: value, median: value, most: value, rounds: 1 }
    }

    fn ticks(scale: Scale, values: &[f64]) -> Vec<String> {
        let spreads: Vec<Spread> = values.iter().copied().map(spread).collect();
        Axis::values(scale, &spreads).ticks.into_iter().map(tick).collect()
    }

    #[test]
    fn a_linear_axis_begins_at_zero() {
        for (values, expected) in [
            (&[3.0, 31.0][..], &["0", "5", "10", "15", "20", "25", "30"][..]),
            (&[0.3, 0.9], &["0", "0.2", "0.4", "0.6", "0.8"]),
            (&[0.0], &["0", "0.2", "0.4", "0.6", "0.8", "1"]),
            (&[-1.0, 0.0, 100.0], &["0", "20", "40", "60", "80", "100"]),
            (&[], &["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        ] {
            assert_eq!(ticks(Scale::Linear, values), expected, "{values:?}");
        }
    }

    #[test]
    fn a_logarithmic_axis_has_a_tick_at_each_end_or_at_each_power_of_ten() {
        for (values, expected) in [
            (&[30.0, 1900.0][..], &["20", "50", "100", "200", "500", "1,000", "2,000"][..]),
            (&[0.02, 50.0], &["0.1", "1", "10"]),
            (&[100.0], &["100", "200"]),
            (&[-1.0], &["1", "10"]),
        ] {
            assert_eq!(ticks(Scale::Logarithmic, values), expected, "{values:?}");
        }
    }

    #[test]
    fn noise_near_zero_does_not_stretch_a_logarithmic_axis() {
        let noise = Spread { least: 1e-9, median: 1.0, most: 2.0, rounds: 3 };
        let axis = Axis::logarithmic(&[noise, spread(1000.0)]);
        assert_eq!((axis.from, axis.ticks.first()), (1.0, Some(&1.0)));
    }

    #[test]
    fn a_single_number_of_routes_lies_in_the_middle() {
        let axis = Axis::routes([1000].into_iter());
        assert_eq!(axis.ticks, [1000.0]);
        assert!((axis.from * axis.to - 1e6).abs() < 1e-3);
    }
}

//! Plots of horizontal bars that begin at 0. Each bar has its name, its spread and its value in words.

use std::slice;

use anyhow::Result;
use plotters::coord::ranged1d::Ranged;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::sheet::{Area, FAINT_INK, GRID, HEADING, INK, LABEL, LINE_HEIGHT, MARGIN, SMALL, Sheet, WIDTH, tick};
use crate::results::Spread;

/// Bars with a common axis.
pub(super) struct Panel {
    pub(super) heading: String,
    pub(super) bars: Vec<Bar>,
}

pub(super) struct Bar {
    pub(super) name: String,
    pub(super) is_emphasized: bool,
    pub(super) value: Spread,
    pub(super) text: String,
}

const EMPHASIZED: RGBColor = RGBColor(0x00, 0x72, 0xb2);
const OTHERS: RGBColor = RGBColor(0xa9, 0xb4, 0xc0);

const WIDEST_NAME: i32 = 300;
const HEADING_HEIGHT: i32 = 30;
const AXIS_HEIGHT: i32 = 44;
const BELOW: i32 = 16;
/// The space between the text of one bar and that of the next.
const GAP: i32 = 12;

/// Draws the panels below one another.
pub(super) fn draw(sheet: &Sheet, axis_title: &str, panels: &[Panel]) -> Result<String> {
    if panels.iter().all(|panel| panel.bars.is_empty()) {
        return sheet.draw_nothing();
    }
    let height = panels.iter().map(Panel::height).sum();
    sheet.draw(height, |area| {
        let mut rest = area.clone();
        for panel in panels {
            let (top, below) = rest.split_vertically(panel.height());
            panel.draw(&top, axis_title)?;
            rest = below;
        }
        Ok(())
    })
}

impl Panel {
    fn names(&self) -> Vec<Vec<String>> {
        self.bars.iter().map(|bar| LABEL.wrap(&bar.name, WIDEST_NAME)).collect()
    }

    fn row_height(&self) -> i32 {
        self.names().iter().map(|lines| lines.len() as i32 * LINE_HEIGHT).max().unwrap_or(0) + GAP
    }

    fn height(&self) -> i32 {
        HEADING_HEIGHT + self.bars.len() as i32 * self.row_height() + AXIS_HEIGHT + BELOW
    }

    fn draw(&self, area: &Area, axis_title: &str) -> Result<()> {
        HEADING.draw(area, slice::from_ref(&self.heading), HPos::Left, (MARGIN, LINE_HEIGHT / 2))?;
        let names = self.names();
        let name_width = names.iter().flatten().map(|line| LABEL.width(line)).max().unwrap_or(0);
        let text_width = self.bars.iter().map(|bar| LABEL.width(&bar.text)).max().unwrap_or(0);
        let left = MARGIN + name_width + 10;
        let right = MARGIN + text_width + 12;
        let most = self.bars.iter().map(|bar| bar.value.most).fold(0.0, f64::max);
        let most = if most > 0.0 { most } else { 1.0 };

        let mut chart = ChartBuilder::on(area)
            .margin_top(HEADING_HEIGHT)
            .margin_left(left)
            .margin_right(right)
            .margin_bottom(BELOW)
            .x_label_area_size(AXIS_HEIGHT)
            .build_cartesian_2d(0.0..most, self.bars.len() as f64..0.0)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels(0)
            .x_labels(most_ticks(most, WIDTH - left - right))
            .x_label_formatter(&|value| tick(*value))
            .max_light_lines(0)
            .bold_line_style(GRID)
            .axis_style(FAINT_INK)
            .label_style(SMALL.style(HPos::Center))
            .x_desc(axis_title)
            .draw()?;
        for ((bar, name), row) in self.bars.iter().zip(&names).zip(0..) {
            let middle = f64::from(row) + 0.5;
            let font = if bar.is_emphasized { HEADING } else { LABEL };
            let colour = if bar.is_emphasized { EMPHASIZED } else { OTHERS };
            let [least, median, most] = [bar.value.least, bar.value.median, bar.value.most].map(|value| value.max(0.0));
            let corners = [(0.0, middle - 0.3), (median, middle + 0.3)];
            chart.draw_series([Rectangle::new(corners, colour.filled())])?;
            chart.draw_series([ErrorBar::new_horizontal(middle, least, median, most, INK.filled(), 4)])?;
            let text = Text::new(bar.text.clone(), (8, 0), font.style(HPos::Left));
            chart.draw_series([EmptyElement::at((most.max(median), middle)) + text])?;
            let row_middle = HEADING_HEIGHT + row * self.row_height() + self.row_height() / 2;
            let first_line = row_middle - (name.len() as i32 - 1) * LINE_HEIGHT / 2;
            font.draw(area, name, HPos::Right, (left - 10, first_line))?;
        }
        Ok(())
    }
}

/// Returns how many ticks an axis from 0 to a value can have at most, so that their labels do not touch each other.
fn most_ticks(to: f64, width: i32) -> usize {
    let fit = |number: &usize| {
        let ticks = RangedCoordf64::from(0.0..to).key_points(*number);
        let widest = ticks.iter().map(|value| SMALL.width(&tick(*value))).max().unwrap_or(0);
        ticks.len() as i32 * (widest + 16) <= width
    };
    (2..=8).rev().find(fit).unwrap_or(2)
}

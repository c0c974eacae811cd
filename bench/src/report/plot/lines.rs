//! A panel of lines, each called by its name at its end, with its last value.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, HEADING, LABEL, MARGIN, SMALL, WIDTH};
use super::palette::{FAINT_INK, GRID, INK, Style};
use super::text::Font;
use crate::report::wording::number;
use crate::results::Spread;

pub(super) struct Lines {
    pub(super) heading: String,
    pub(super) x: Axis,
    pub(super) x_title: &'static str,
    pub(super) y: Axis,
    pub(super) y_title: String,
    /// Those that are drawn last lie on top.
    pub(super) series: Vec<Series>,
}

pub(super) struct Series {
    pub(super) label: String,
    pub(super) is_emphasized: bool,
    pub(super) style: Style,
    /// In the order of x.
    pub(super) points: Vec<(f64, Spread)>,
    pub(super) has_dots: bool,
}

const LEAST_HEIGHT: f64 = 210.0;
const WIDEST_LABEL: f64 = 250.0;
/// Between the end of the plot and a label, for the leader.
const LEADER: f64 = 34.0;
const LABEL_GAP: f64 = 4.0;

/// A label beside the plot: the line that it belongs to, and its middle.
struct Label {
    lines: Vec<String>,
    font: Font,
    style: Style,
    end: (f64, f64),
    middle: f64,
}

impl Label {
    fn height(&self) -> f64 {
        self.font.line_height() * self.lines.len() as f64 + LABEL_GAP
    }
}

/// Panels above one another, their plots between the same two sides.
pub(super) fn draw(panels: &[Lines], canvas: &mut Canvas) {
    let widest = |widths: &dyn Fn(&Lines) -> f64| panels.iter().map(widths).fold(0.0, f64::max);
    let left = MARGIN + widest(&Lines::width_of_ticks) + 8.0;
    let right = WIDTH - MARGIN - LEADER - widest(&Lines::width_of_labels);
    panels.iter().for_each(|panel| panel.draw(canvas, left, right));
}

impl Lines {
    fn labels(&self) -> Vec<Label> {
        self.drawn().map(label).collect()
    }

    fn drawn(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().filter(|series| !series.points.is_empty())
    }

    fn width_of_ticks(&self) -> f64 {
        self.y.ticks.iter().map(|(_, tick)| SMALL.width(tick)).fold(0.0, f64::max)
    }

    fn width_of_labels(&self) -> f64 {
        let width = |label: &Label| label.lines.iter().map(|line| label.font.width(line)).fold(0.0, f64::max);
        self.labels().iter().map(width).fold(0.0, f64::max)
    }

    fn draw(&self, canvas: &mut Canvas, left: f64, right: f64) {
        canvas.top += 18.0;
        canvas.paragraph(&self.heading, HEADING, INK);
        canvas.paragraph(&self.y_title, SMALL, FAINT_INK);

        let mut labels = self.labels();
        let heights: f64 = labels.iter().map(Label::height).sum();
        let top = canvas.top + 14.0;
        let bottom = top + heights.max(LEAST_HEIGHT);
        let x = |value: f64| left + 10.0 + self.x.place(value) * (right - left - 20.0);
        let y = |value: f64| bottom - self.y.place(value) * (bottom - top);

        self.draw_axes(canvas, (left, right), (top, bottom), x, y);
        for (series, label) in self.drawn().zip(&mut labels) {
            let points: Vec<(f64, f64)> = series.points.iter().map(|(at, spread)| (x(*at), y(spread.median))).collect();
            let thin = Style { width: 1.2, dashes: "", ..series.style };
            for (at, spread) in series.points.iter().filter(|(_, spread)| spread.least < spread.most) {
                canvas.line((x(*at), y(spread.least)), (x(*at), y(spread.most)), thin);
            }
            canvas.curve(&points, series.style);
            if series.has_dots {
                points.iter().for_each(|point| canvas.dot(*point, series.style.width + 1.0, series.style.colour));
            }
            label.end = points.last().copied().unwrap_or_default();
        }
        spread_out(&mut labels, top, bottom);
        for label in &labels {
            let elbow = (right, label.end.1);
            let leader = Style { width: 1.0, dashes: "1 3", ..label.style };
            canvas.line((label.end.0 + 6.0, label.end.1), elbow, leader);
            let to = (right + LEADER - 6.0, label.middle);
            canvas.line(elbow, to, Style { dashes: "", ..leader });
            canvas.lines(right + LEADER, label.middle, &label.lines, label.font, Anchor::Start);
        }
        canvas.top = bottom + 38.0;
    }

    fn draw_axes(
        &self,
        canvas: &mut Canvas,
        (left, right): (f64, f64),
        (top, bottom): (f64, f64),
        x: impl Fn(f64) -> f64,
        y: impl Fn(f64) -> f64,
    ) {
        let grid = Style { colour: GRID, dashes: "", width: 1.0 };
        for (value, tick) in &self.y.ticks {
            canvas.line((left, y(*value)), (right, y(*value)), grid);
            canvas.text(left - 8.0, y(*value) + SMALL.size * 0.35, tick, SMALL, FAINT_INK, Anchor::End);
        }
        let mut free_from = 0.0;
        for (value, tick) in &self.x.ticks {
            let half = SMALL.width(tick) / 2.0;
            canvas.line((x(*value), top), (x(*value), bottom), grid);
            if x(*value) - half >= free_from {
                canvas.text(x(*value), bottom + 17.0, tick, SMALL, FAINT_INK, Anchor::Middle);
                free_from = x(*value) + half + 6.0;
            }
        }
        canvas.line((left, bottom), (right, bottom), Style { colour: FAINT_INK, ..grid });
        canvas.text((left + right) / 2.0, bottom + 34.0, self.x_title, SMALL, FAINT_INK, Anchor::Middle);
    }
}

fn label(series: &Series) -> Label {
    let font = if series.is_emphasized { Font { is_bold: true, ..LABEL } } else { LABEL };
    let last = series.points.last().map_or(String::new(), |(_, spread)| format!(": {}", number(spread.median)));
    let lines = font.wrap(&format!("{}{last}", series.label), WIDEST_LABEL);
    Label { lines, font, style: series.style, end: (0.0, 0.0), middle: 0.0 }
}

/// Each label as near to the end of its line as the others let it, between top and bottom.
///
/// Labels that would overlap form a block, which lies where the sum of their squared shifts is least.
fn spread_out(labels: &mut [Label], top: f64, bottom: f64) {
    labels.sort_by(|one, other| one.end.1.total_cmp(&other.end.1));
    let mut blocks: Vec<Block> = Vec::new();
    for (index, label) in labels.iter().enumerate() {
        let height = label.height();
        let mut block = Block { first: index, height, wanted: label.end.1 - height / 2.0, labels: 1.0 };
        while let Some(above) = blocks.pop_if(|above| above.top(top, bottom) + above.height > block.top(top, bottom)) {
            let labels = above.labels + block.labels;
            // Of the lower block's labels, as if its first stood where the upper block begins.
            let wanted = (above.wanted * above.labels + (block.wanted - above.height) * block.labels) / labels;
            block = Block { first: above.first, height: above.height + block.height, wanted, labels };
        }
        blocks.push(block);
    }
    let ends: Vec<usize> = blocks.iter().skip(1).map(|block| block.first).chain([labels.len()]).collect();
    for (block, end) in blocks.iter().zip(ends) {
        let mut at = block.top(top, bottom);
        for label in &mut labels[block.first..end] {
            label.middle = at + label.height() / 2.0;
            at += label.height();
        }
    }
}

/// Labels without room between them.
struct Block {
    first: usize,
    height: f64,
    /// Where it would begin if nothing were in its way.
    wanted: f64,
    labels: f64,
}

impl Block {
    fn top(&self, top: f64, bottom: f64) -> f64 {
        self.wanted.min(bottom - self.height).max(top)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_apart_and_near_their_lines() {
        let style = Style { colour: "", dashes: "", width: 1.0 };
        let ends = [10.0, 11.0, 100.0, 195.0, 198.0, 199.0];
        let new = |end| Label { lines: vec!["a".into()], font: LABEL, style, end: (0.0, end), middle: 0.0 };
        let mut labels: Vec<Label> = ends.map(new).into();
        spread_out(&mut labels, 0.0, 200.0);
        let height = labels[0].height();
        for pair in labels.windows(2) {
            assert!(pair[1].middle - pair[0].middle >= height - 1e-9);
        }
        assert_eq!(labels[2].middle, 100.0);
        assert!(labels[0].middle >= height / 2.0 && labels[5].middle <= 200.0 - height / 2.0);
    }
}

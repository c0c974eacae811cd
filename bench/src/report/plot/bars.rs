//! A panel of horizontal bars from 0, each with its spread and its value in words.

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, HEADING, LABEL, MARGIN, SMALL, WIDTH};
use super::palette::{FAINT_INK, GRID, INK, Style};
use super::text::Font;
use crate::results::Spread;

pub(super) struct Bars {
    /// None where the plot's title says it all.
    pub(super) heading: Option<String>,
    pub(super) axis_title: String,
    pub(super) bars: Vec<Bar>,
    /// What the bars are compared with, and its name.
    pub(super) reference: Option<(f64, String)>,
}

pub(super) struct Bar {
    pub(super) label: String,
    pub(super) is_emphasized: bool,
    pub(super) colour: &'static str,
    pub(super) value: Spread,
    pub(super) text: String,
}

const WIDEST_LABEL: f64 = 270.0;
const THICKNESS: f64 = 18.0;
const GAP: f64 = 12.0;

impl Bars {
    pub(super) fn draw(&self, canvas: &mut Canvas) {
        canvas.top += 14.0;
        if let Some(heading) = &self.heading {
            canvas.top += 4.0;
            canvas.paragraph(heading, HEADING, INK);
        }
        let font = |bar: &Bar| if bar.is_emphasized { Font { is_bold: true, ..LABEL } } else { LABEL };
        let labels: Vec<Vec<String>> = self.bars.iter().map(|bar| font(bar).wrap(&bar.label, WIDEST_LABEL)).collect();
        let height = |lines: &Vec<String>| (lines.len() as f64 * LABEL.line_height()).max(THICKNESS) + GAP;
        let label_widths =
            self.bars.iter().zip(&labels).flat_map(|(bar, lines)| lines.iter().map(|line| font(bar).width(line)));
        let text_widths = self.bars.iter().map(|bar| font(bar).width(&bar.text));
        let reference = self.reference.as_ref().map(|(value, _)| *value);
        let most = self.bars.iter().map(|bar| bar.value.most).chain(reference).fold(0.0, f64::max);
        let axis = Axis::from_zero(most);
        let left = MARGIN + label_widths.fold(0.0, f64::max) + 10.0;
        let right = WIDTH - MARGIN - text_widths.fold(0.0, f64::max) - 12.0;
        let x = |value: f64| left + axis.place(value) * (right - left);

        if self.reference.is_some() {
            canvas.top += SMALL.line_height() + 4.0;
        }
        let top = canvas.top + 4.0;
        let bottom = top + labels.iter().map(height).sum::<f64>() + GAP / 2.0;
        let grid = Style { colour: GRID, dashes: "", width: 1.0 };
        let mut free_from = 0.0;
        for (value, tick) in &axis.ticks {
            canvas.line((x(*value), top), (x(*value), bottom), grid);
            let half = SMALL.width(tick) / 2.0;
            if x(*value) - half >= free_from {
                canvas.text(x(*value), bottom + 17.0, tick, SMALL, FAINT_INK, Anchor::Middle);
                free_from = x(*value) + half + 6.0;
            }
        }
        let mut row = top + GAP / 2.0;
        for (bar, lines) in self.bars.iter().zip(&labels) {
            let middle = row + height(lines) / 2.0;
            self.draw_bar(canvas, bar, middle, &x);
            canvas.lines(left - 10.0, middle, lines, font(bar), Anchor::End);
            let end = x(bar.value.most.max(bar.value.median)) + 8.0;
            canvas.text(end, middle + LABEL.size * 0.35, &bar.text, font(bar), INK, Anchor::Start);
            row += height(lines);
        }
        canvas.line((left, top), (left, bottom), Style { colour: FAINT_INK, ..grid });
        if let Some((value, name)) = &self.reference {
            let at = x(*value);
            canvas.line((at, top - 4.0), (at, bottom), Style { colour: INK, dashes: "4 3", width: 1.3 });
            // To the side on which there is room.
            let (anchor, by) =
                if at + SMALL.width(name) < WIDTH - MARGIN { (Anchor::Start, -3.0) } else { (Anchor::End, 3.0) };
            canvas.text(at + by, top - 8.0, name, SMALL, INK, anchor);
        }
        canvas.text((left + right) / 2.0, bottom + 34.0, &self.axis_title, SMALL, FAINT_INK, Anchor::Middle);
        canvas.top = bottom + 40.0;
    }

    fn draw_bar(&self, canvas: &mut Canvas, bar: &Bar, middle: f64, x: &impl Fn(f64) -> f64) {
        let Spread { least, median, most, .. } = bar.value;
        canvas.bar((x(0.0), middle - THICKNESS / 2.0), (x(median) - x(0.0), THICKNESS), bar.colour);
        let whisker = Style { colour: INK, dashes: "", width: 1.2 };
        if least < most {
            canvas.line((x(least), middle), (x(most), middle), whisker);
            for end in [x(least), x(most)] {
                canvas.line((end, middle - 4.0), (end, middle + 4.0), whisker);
            }
        }
    }
}

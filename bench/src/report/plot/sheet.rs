//! The sheet that every plot is drawn on: a title, a description, the plot itself and a caption, one below another.
//!
//! The sheet is white, so that it reads the same on light and dark pages. Readers have different fonts, and the width of
//! a text depends on them, so every text gets the space that it needs in a wide font.

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::report::wording::fixed;

pub(super) type Area<'s> = DrawingArea<SVGBackend<'s>, Shift>;

pub(super) const WIDTH: i32 = 900;
pub(super) const MARGIN: i32 = 24;

pub(super) const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
pub(super) const FAINT_INK: RGBColor = RGBColor(0x59, 0x63, 0x6e);
pub(super) const GRID: RGBColor = RGBColor(0xe4, 0xe7, 0xeb);

const TITLE: Font = Font { size: 18, is_bold: true, colour: INK };
pub(super) const HEADING: Font = Font { size: 13, is_bold: true, colour: INK };
pub(super) const LABEL: Font = Font { size: 13, is_bold: false, colour: INK };
pub(super) const SMALL: Font = Font { size: 12, is_bold: false, colour: FAINT_INK };

/// The distance between two lines of text, in pixels.
pub(super) const LINE_HEIGHT: i32 = 18;

#[derive(Debug, Clone, Copy)]
pub(super) struct Font {
    /// In pixels.
    size: i32,
    is_bold: bool,
    colour: RGBColor,
}

impl Font {
    pub(super) fn style(self, horizontal: HPos) -> TextStyle<'static> {
        let weight = if self.is_bold { FontStyle::Bold } else { FontStyle::Normal };
        // The SVG backend divides sizes by this factor.
        let size = f64::from(self.size) * 1.24;
        TextStyle {
            font: ("sans-serif", size, weight).into_font(),
            color: self.colour.to_backend_color(),
            pos: Pos::new(horizontal, VPos::Center),
        }
    }

    /// Returns the width of a text in pixels, in a font whose characters are 0.7 em wide on average.
    pub(super) fn width(self, text: &str) -> i32 {
        (text.chars().count() as i32 * self.size * 7 + 9) / 10
    }

    pub(super) fn wrap(self, text: &str, width: i32) -> Vec<String> {
        let columns = (width * 10 / (self.size * 7)).max(1) as usize;
        textwrap::wrap(text, columns).into_iter().map(String::from).collect()
    }

    /// Draws lines of text. The middle of the first line is at the position.
    pub(super) fn draw(self, area: &Area, lines: &[String], horizontal: HPos, (x, y): (i32, i32)) -> Result<()> {
        for (line, number) in lines.iter().zip(0..) {
            area.draw_text(line, &self.style(horizontal), (x, y + number * LINE_HEIGHT))?;
        }
        Ok(())
    }
}

pub(super) struct Sheet<'a> {
    pub(super) title: &'a str,
    pub(super) about: &'a str,
    pub(super) caption: &'a str,
}

impl Sheet<'_> {
    /// Draws the sheet, with a plot of this height over its whole width, and returns the SVG document.
    pub(super) fn draw(&self, height: i32, plot: impl FnOnce(&Area) -> Result<()>) -> Result<String> {
        let about = LABEL.wrap(self.about, WIDTH - 2 * MARGIN);
        let caption = SMALL.wrap(self.caption, WIDTH - 2 * MARGIN);
        let lines_height = |lines: &[String]| lines.len() as i32 * LINE_HEIGHT;
        let plot_top = MARGIN + 26 + lines_height(&about) + 12;
        let plot_bottom = plot_top + height;
        let bottom = plot_bottom + lines_height(&caption) + MARGIN;
        let mut svg = String::new();
        {
            let sheet = SVGBackend::with_string(&mut svg, (WIDTH as u32, bottom as u32)).into_drawing_area();
            sheet.fill(&WHITE)?;
            let faint = Font { colour: FAINT_INK, ..LABEL };
            TITLE.draw(&sheet, &[self.title.to_owned()], HPos::Left, (MARGIN, MARGIN + 8))?;
            faint.draw(&sheet, &about, HPos::Left, (MARGIN, MARGIN + 34))?;
            SMALL.draw(&sheet, &caption, HPos::Left, (MARGIN, plot_bottom + 14))?;
            plot(&sheet.margin(plot_top, bottom - plot_bottom, 0, 0))?;
            sheet.present()?;
        }
        Ok(svg)
    }

    /// Draws a sheet that says that there is nothing to show.
    pub(super) fn draw_nothing(&self) -> Result<String> {
        let text = ["Not measured in this run.".to_owned()];
        self.draw(2 * LINE_HEIGHT, |area| HEADING.draw(area, &text, HPos::Left, (MARGIN, LINE_HEIGHT / 2)))
    }
}

/// Writes the value of a tick: `1,000`, `0.5`.
pub(super) fn tick(value: f64) -> String {
    let text = fixed(value, 9);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

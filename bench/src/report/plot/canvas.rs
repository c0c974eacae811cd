//! A plot in the making: its parts lie below one another from the title to the caption, on a background of their own, so
//! that it reads alike in light and dark.

use svg::node::element::{Circle, Element, Line, Polyline, Rectangle, Text, Title};
use svg::{Document, Node};

use super::palette::{BACKGROUND, FAINT_INK, FRAME, INK, Style};
use super::text::{FONTS, Font};

pub(super) const WIDTH: f64 = 860.0;
pub(super) const MARGIN: f64 = 24.0;

pub(super) const TITLE: Font = Font::bold(18.0);
pub(super) const HEADING: Font = Font::bold(14.0);
pub(super) const LABEL: Font = Font::plain(13.0);
pub(super) const SMALL: Font = Font::plain(12.0);

#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

pub(super) struct Canvas {
    title: String,
    nodes: Vec<Box<dyn Node>>,
    /// Where the next part begins.
    pub(super) top: f64,
}

impl Canvas {
    pub(super) fn new(title: &str, about: &str) -> Self {
        let mut canvas = Self { title: title.into(), nodes: Vec::new(), top: MARGIN };
        canvas.paragraph(title, TITLE, INK);
        canvas.paragraph(about, LABEL, FAINT_INK);
        canvas
    }

    /// Lines of text over the whole width, and on to below them.
    pub(super) fn paragraph(&mut self, text: &str, font: Font, colour: &str) {
        for line in font.wrap(text, WIDTH - 2.0 * MARGIN) {
            self.top += font.line_height();
            self.text(MARGIN, self.top - font.size * 0.25, &line, font, colour, Anchor::Start);
        }
    }

    pub(super) fn text(&mut self, x: f64, y: f64, text: &str, font: Font, colour: &str, anchor: Anchor) {
        let mut node = Text::new(text).set("x", pixels(x)).set("y", pixels(y)).set("font-size", font.size);
        node = node.set("fill", colour);
        if font.is_bold {
            node = node.set("font-weight", "bold");
        }
        let node = match anchor {
            Anchor::Start => node,
            Anchor::Middle => node.set("text-anchor", "middle"),
            Anchor::End => node.set("text-anchor", "end"),
        };
        // A bare element: a `Text` would be written with its words on a line of their own, between spaces.
        self.add(Element::from(node));
    }

    /// Lines of text, their middle at a height.
    pub(super) fn lines(&mut self, x: f64, middle: f64, lines: &[String], font: Font, anchor: Anchor) {
        let first = middle - font.line_height() * (lines.len() as f64 - 1.0) / 2.0 + font.size * 0.35;
        for (index, line) in lines.iter().enumerate() {
            self.text(x, first + font.line_height() * index as f64, line, font, INK, anchor);
        }
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), style: Style) {
        let line = Line::new().set("x1", pixels(from.0)).set("y1", pixels(from.1));
        let line = line.set("x2", pixels(to.0)).set("y2", pixels(to.1));
        self.add(stroked(line, style));
    }

    pub(super) fn curve(&mut self, points: &[(f64, f64)], style: Style) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{},{}", pixels(*x), pixels(*y))).collect();
        let curve = Polyline::new().set("points", points.join(" ")).set("fill", "none");
        self.add(stroked(curve.set("stroke-linejoin", "round"), style));
    }

    pub(super) fn dot(&mut self, (x, y): (f64, f64), radius: f64, colour: &str) {
        let dot = Circle::new().set("cx", pixels(x)).set("cy", pixels(y)).set("r", radius);
        self.add(dot.set("fill", colour));
    }

    pub(super) fn bar(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), colour: &str) {
        let bar = Rectangle::new().set("x", pixels(x)).set("y", pixels(y));
        self.add(bar.set("width", pixels(width)).set("height", pixels(height)).set("fill", colour));
    }

    fn add(&mut self, node: impl Into<Box<dyn Node>>) {
        self.nodes.push(node.into());
    }

    /// The whole plot, as a file.
    pub(super) fn finish(mut self, caption: &str) -> String {
        self.top += 14.0;
        self.paragraph(caption, SMALL, FAINT_INK);
        let height = (self.top + MARGIN * 0.75).ceil();
        let background = Rectangle::new().set("x", 0.5).set("y", 0.5).set("rx", 6);
        let background = background.set("width", WIDTH - 1.0).set("height", height - 1.0);
        let mut document = Document::new()
            .set("viewBox", (0, 0, WIDTH, height))
            .set("width", WIDTH)
            .set("height", height)
            .set("font-family", FONTS)
            .set("role", "img")
            .add(Title::new(self.title))
            .add(background.set("fill", BACKGROUND).set("stroke", FRAME));
        for node in self.nodes {
            document.append(node);
        }
        format!("{document}\n")
    }
}

fn stroked<N: Into<Element>>(node: N, style: Style) -> Element {
    let mut node: Element = node.into();
    node.assign("stroke", style.colour);
    node.assign("stroke-width", style.width);
    if !style.dashes.is_empty() {
        node.assign("stroke-dasharray", style.dashes);
    }
    node
}

/// Rounded to a tenth: no finer than is seen, and the same on every machine.
fn pixels(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

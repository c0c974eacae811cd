//! How a variant is drawn: the same in every plot. Colours of Okabe and Ito, which the colour-blind tell apart, but for
//! their yellow, which is too faint on white.

use crate::report::wording::OURS;

pub(super) const BACKGROUND: &str = "#ffffff";
pub(super) const INK: &str = "#1f2328";
pub(super) const FAINT_INK: &str = "#59636e";
pub(super) const GRID: &str = "#e4e7eb";
pub(super) const FRAME: &str = "#d1d9e0";
/// Of bars that are there to be compared with ours.
pub(super) const OTHERS: &str = "#a9b4c0";

const BLUE: &str = "#0072b2";
const ORANGE: &str = "#e69f00";
const SKY: &str = "#56b4e9";
const GREEN: &str = "#009e73";
const VERMILION: &str = "#d55e00";
const PURPLE: &str = "#cc79a7";
const BLACK: &str = "#000000";
const GREY: &str = "#7a828b";

const SOLID: &str = "";
const DASHED: &str = "6 3";
const DOTTED: &str = "2 3";

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Style {
    pub(super) colour: &'static str,
    pub(super) dashes: &'static str,
    pub(super) width: f64,
}

/// The two that the others are measured by are grey; one that isn't known gets a look by its place among those.
pub(super) fn style(variant: &str, unknown: &[&str]) -> Style {
    let (colour, dashes) = match variant.strip_suffix(", one copy").unwrap_or(variant) {
        OURS => return Style { colour: BLUE, dashes: SOLID, width: 3.0 },
        "no-op" => (GREY, DASHED),
        "bare" => (GREY, DOTTED),
        "lua" => (ORANGE, SOLID),
        "matcher" => (GREEN, SOLID),
        "native" => (VERMILION, SOLID),
        "second-pass" => (BLACK, SOLID),
        "nginx" => (SKY, SOLID),
        "go" => (PURPLE, SOLID),
        _ => {
            let colours = [BLACK, GREEN, PURPLE, VERMILION, SKY, ORANGE];
            let place = unknown.iter().position(|other| *other == variant).unwrap_or(0);
            let dashes = if (place / colours.len()).is_multiple_of(2) { DASHED } else { DOTTED };
            (colours[place % colours.len()], dashes)
        }
    };
    Style { colour, dashes, width: 1.8 }
}

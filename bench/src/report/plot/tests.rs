//! Rules that every plot keeps, whatever the results are. `PLOTS=FOLDER cargo test -p bench` writes the plots to a folder.

use std::path::Path;

use roxmltree::{Document, Node};

use super::all;
use crate::results::{Latency, Measurement, Results, Spread};

const LONG: &str =
    "a variant whose name is very much longer than the place beside the plot, and1wordof|it<istoolongtoobefit";

fn sample() -> Results {
    serde_json::from_str(include_str!("../../../tests/sample/results.json")).unwrap()
}

fn changed(change: impl Fn(&mut Measurement), keep: impl Fn(&Measurement) -> bool) -> Results {
    let mut results = sample();
    results.measurements.retain(keep);
    results.measurements.iter_mut().for_each(change);
    results
}

fn renamed(rename: impl Fn(&str) -> String) -> Results {
    let mut results = changed(|found| found.variant = rename(&found.variant), |_| true);
    results.latencies.iter_mut().for_each(|latency| latency.variant = rename(&latency.variant));
    results
}

fn scaled(by: f64) -> Results {
    let scale = |spread: &mut Spread| {
        *spread = Spread { least: spread.least * by, median: spread.median * by, most: spread.most * by, ..*spread };
    };
    let change = |found: &mut Measurement| {
        scale(&mut found.value);
        found.ratio.iter_mut().for_each(|ratio| scale(&mut ratio.spread));
    };
    let mut results = changed(change, |_| true);
    let percentiles = results.latencies.iter_mut().flat_map(|latency| &mut latency.percentiles);
    percentiles.for_each(|(_, micros)| *micros *= by);
    results
}

/// Adds twenty variants that cost the same as this project's filter.
fn many() -> Results {
    let mut results = sample();
    for number in 0..20 {
        let new = |found: &Measurement| Measurement { variant: format!("variant {number}"), ..found.clone() };
        let ours = sample().measurements.into_iter().filter(|found| found.variant == "ours");
        results.measurements.extend(ours.map(|found| new(&found)));
        let latency = Latency { variant: format!("variant {number}"), ..results.latencies[0].clone() };
        results.latencies.push(Latency { rate: 1 + number % 2, ..latency });
    }
    results
}

fn kinds() -> Vec<(&'static str, Results)> {
    let with_noise = |found: &mut Measurement| {
        found.value = Spread { least: -1e9, median: found.value.median - 30e6, most: 1e10, ..found.value };
    };
    vec![
        ("sample", sample()),
        ("nothing", Results::default()),
        ("ours alone", changed(|_| {}, |found| found.variant == "ours")),
        ("without ours", changed(|_| {}, |found| found.variant != "ours")),
        ("one size", changed(|_| {}, |found| found.routes == 1000)),
        ("two close sizes", changed(|found| found.routes = if found.routes < 100 { 1000 } else { 1001 }, |_| true)),
        ("no routes", changed(|found| found.routes = 0, |_| true)),
        ("noise", changed(with_noise, |_| true)),
        ("all zero", scaled(0.0)),
        ("all negative", scaled(-1.0)),
        ("tiny", scaled(1e-7)),
        ("huge", scaled(1e7)),
        ("long names", renamed(|variant| if variant == "ours" { "ours".into() } else { format!("{LONG} {variant}") })),
        ("many", many()),
    ]
}

fn number(node: Node, name: &str) -> Option<f64> {
    let value = node.attribute(name)?.parse().unwrap();
    assert!(f64::is_finite(value), "{name}={value}");
    Some(value)
}

fn text<'d>(node: Node<'d, 'd>) -> &'d str {
    node.text().unwrap_or_default().trim()
}

/// Returns the left, top, right and bottom of a text in a wide font.
fn extent(node: Node<'_, '_>) -> [f64; 4] {
    assert_eq!(node.attribute("transform"), None);
    let size = number(node, "font-size").unwrap();
    let width = 0.7 * size * node.text().unwrap_or_default().trim().chars().count() as f64;
    let x = number(node, "x").unwrap();
    let left = match node.attribute("text-anchor") {
        Some("middle") => x - width / 2.0,
        Some("end") => x - width,
        _ => x,
    };
    // An ex is about half an em.
    let baseline = number(node, "y").unwrap()
        + match node.attribute("dy") {
            Some("0.76em") => 0.76 * size,
            Some("0.5ex") => 0.25 * size,
            Some("-0.5ex") => -0.25 * size,
            other => panic!("dy={other:?}"),
        };
    [left, baseline - 0.8 * size, left + width, baseline + 0.2 * size]
}

fn each_plot(check: impl Fn(&str, &Document)) {
    for (kind, results) in kinds() {
        for (name, plot) in all(&results).unwrap() {
            if let Some(folder) = std::env::var_os("PLOTS") {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(Path::new(&folder).join(format!("{kind} {name}")), &plot).unwrap();
            }
            let document = Document::parse(&plot).unwrap_or_else(|error| panic!("{kind}: {name}: {error}"));
            check(&format!("{kind}: {name}"), &document);
        }
    }
}

fn texts<'d>(document: &'d Document) -> Vec<Node<'d, 'd>> {
    document.descendants().filter(|node| node.has_tag_name("text")).collect()
}

#[test]
fn everything_is_drawn_within_the_plot() {
    each_plot(|name, document| {
        let size = ["width", "height"].map(|side| number(document.root_element(), side).unwrap());
        for node in document.descendants().filter(Node::is_element) {
            for (attributes, size) in [["x", "x1", "x2", "cx"], ["y", "y1", "y2", "cy"]].into_iter().zip(size) {
                let values = attributes.into_iter().filter_map(|attribute| number(node, attribute));
                values.for_each(|value| assert!((0.0..=size).contains(&value), "{name}: {node:?}"));
            }
            assert!(number(node, "width").is_none_or(|width| width >= 0.0), "{name}: {node:?}");
            for coordinate in
                node.attribute("points").unwrap_or_default().split([' ', ',']).filter(|text| !text.is_empty())
            {
                assert!((0.0..=size[0].max(size[1])).contains(&coordinate.parse().unwrap()), "{name}: {coordinate}");
            }
        }
        for node in texts(document) {
            let [left, top, right, bottom] = extent(node);
            let is_within = left >= 0.0 && top >= 0.0 && right <= size[0] && bottom <= size[1];
            assert!(is_within, "{name}: {:?}", text(node));
        }
    });
}

#[test]
fn no_text_overlaps_another() {
    each_plot(|name, document| {
        let texts = texts(document);
        for (index, one) in texts.iter().enumerate() {
            let [left, top, right, bottom] = extent(*one);
            for other in &texts[index + 1..] {
                let [other_left, other_top, other_right, other_bottom] = extent(*other);
                let is_apart = right <= other_left || other_right <= left || bottom <= other_top || other_bottom <= top;
                assert!(is_apart, "{name}: {:?} and {:?}", text(*one), text(*other));
            }
        }
    });
}

#[test]
fn a_long_name_is_shown_in_full() {
    each_plot(|name, document| {
        if !name.starts_with("long names") {
            return;
        }
        // A word that is too long for a line is broken anywhere.
        let compact = |text: &str| text.split_whitespace().collect::<String>();
        let words: String = texts(document).iter().filter_map(Node::text).map(compact).collect();
        assert!(words.contains(&compact(LONG)), "{name}: {words}");
    });
}

#[test]
fn ours_lies_on_top() {
    each_plot(|name, document| {
        let is_of_sample = name.starts_with("sample") && !name.ends_with("chains.svg");
        let curves: Vec<_> = document.descendants().filter(|node| node.has_tag_name("polyline")).collect();
        let is_ours = |node: &Node| node.attribute("stroke-width") == Some("3");
        assert!(!is_of_sample || curves.last().is_some_and(is_ours), "{name}");
    });
}

#[test]
fn the_plot_has_a_background_of_its_own() {
    each_plot(|name, document| {
        let size = ["width", "height"].map(|side| number(document.root_element(), side).unwrap());
        let first = document.root_element().first_element_child().unwrap();
        let covers =
            ["width", "height"].into_iter().zip(size).all(|(side, size)| number(first, side) >= Some(size - 1.0));
        assert!(first.has_tag_name("rect") && first.attribute("fill") == Some("#FFFFFF") && covers, "{name}");
    });
}

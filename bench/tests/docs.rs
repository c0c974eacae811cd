//! `docs/benchmarks.md` and its plots equal what the report makes from `docs/benchmarks/results.json`. The other rules of the
//! report are tested with the invented results of `sample/results.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use bench::report;
use bench::results::{Quantity, Results};
use tempfile::TempDir;

const SAMPLE: &str = include_str!("sample/results.json");
const PAGE: &str = "benchmarks.md";

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

#[test]
fn the_docs_are_made_from_the_results() -> Result<()> {
    let docs = docs();
    let results: Results = serde_json::from_str(&fs::read_to_string(docs.join("benchmarks/results.json"))?)?;
    let expected = report::render(&results, &docs)?;
    let differs = |(path, text): &(&PathBuf, &String)| fs::read_to_string(docs.join(path)).ok().as_ref() != Some(*text);
    let stale: Vec<&PathBuf> = expected.iter().filter(differs).map(|(path, _)| path).collect();
    if !stale.is_empty() && std::env::var_os("UPDATE").is_some() {
        return report::write(&results, &docs);
    }
    ensure!(stale.is_empty(), "out of date in docs: {stale:?}: UPDATE=1 cargo test -p bench --test docs");
    Ok(())
}

fn sample() -> Results {
    serde_json::from_str(SAMPLE).unwrap()
}

/// Creates a folder that contains only a copy of the page.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(docs().join(PAGE), folder.path().join(PAGE)).unwrap();
    folder
}

fn rendered(results: &Results) -> BTreeMap<PathBuf, String> {
    report::render(results, folder().path()).unwrap()
}

fn plots(results: &Results) -> BTreeMap<String, String> {
    let name = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let is_plot = |path: &Path| path.extension().is_some_and(|extension| extension == "svg");
    let plots = rendered(results).into_iter().filter(|(path, _)| is_plot(path));
    plots.map(|(path, plot)| (name(&path).unwrap(), plot)).collect()
}

/// Returns all texts of a plot, joined by spaces.
fn words(plot: &str) -> String {
    let document = roxmltree::Document::parse(plot).unwrap();
    let texts = document.descendants().filter(|node| node.has_tag_name("text")).filter_map(|node| node.text());
    texts.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_same_results_give_the_same_bytes() {
    for results in [sample(), Results::default()] {
        assert_eq!(rendered(&results), rendered(&results));
    }
}

#[test]
fn written_twice_nothing_changes() -> Result<()> {
    let folder = folder();
    report::write(&sample(), folder.path())?;
    for (path, text) in report::render(&sample(), folder.path())? {
        assert_eq!(fs::read_to_string(folder.path().join(&path))?, text, "{}", path.display());
    }
    Ok(())
}

#[test]
fn every_variant_is_named_in_the_page_and_in_its_plots() {
    let results = sample();
    let page = &rendered(&results)[Path::new(PAGE)];
    let plots = plots(&results);
    let labels: BTreeMap<&str, &str> = BTreeMap::from([
        ("ours", "ksvc-router"),
        ("no-op", "no-op filter"),
        ("bare", "Envoy alone, by host"),
        ("lua", "Lua, hash table"),
        ("native", "Envoy's routes (VirtualService)"),
        ("matcher", "Envoy's matcher tree"),
        ("go", "Go ReverseProxy in front"),
        ("nginx", "nginx in front, map by regex"),
        ("second-pass", "VirtualService, second pass"),
    ]);
    for found in results.measurements.iter().filter(|found| found.quantity != Quantity::StepCpu) {
        let label = labels[found.variant.as_str()];
        let plot = match found.quantity {
            Quantity::FilterCpu => Some("filter-cost.svg"),
            Quantity::GatewayCpu => Some("cost-against-routes.svg"),
            Quantity::ChainCpu => Some("chains.svg"),
            _ => None,
        };
        if let Some(plot) = plot {
            assert!(words(&plots[plot]).contains(label), "{label} in {plot}");
        }
        assert!(page.contains(&format!("| {label} |")), "{label} in {PAGE}");
    }
    for latency in &results.latencies {
        let label = labels[latency.variant.as_str()];
        assert!(page.contains(&format!("| {label} | 1,000 | 2,000 |")), "{label} in {PAGE}");
    }
}

#[test]
fn the_page_shows_numbers_with_their_spread_and_in_their_unit() {
    let page = &rendered(&sample())[Path::new(PAGE)];
    for line in [
        "| date | 2026-01-31 |",
        "| machine | no machine: numbers invented for the test, 2 cores, Envoy 1.40.0 |",
        "| memory | 8.32 GB |",
        "| variant | table | request | 10 routes | 100 routes | 1,000 routes | 10,000 routes | 100,000 routes |",
        "| ksvc-router | static | 1,000 | hit | 2,350 (2,276 to 2,407) | 1.56 (1.49 to 1.63) | 15 |",
        "| variant | table | routes | request | µs per request | ratio to “Envoy alone, by host” | rounds |",
        "| variant | table | routes | memory, MB | memory, bytes per route | CPU of a worker, ms | CPU of the main thread, ms | time until the last worker uses it, ms |",
        "| callback for the request headers | 610 (588 to 640) | 0.400 (0.380 to 0.420) |",
        "- nginx in front, map by regex: not installed",
        "- Go ReverseProxy in front: 1.0 &lt; 1.20 \\| too old",
    ] {
        assert!(page.lines().any(|other| other == line), "{line}\n{page}");
    }
}

#[test]
fn missing_measurements_are_reported() {
    let nothing = rendered(&Results::default());
    assert_eq!(nothing[Path::new(PAGE)].matches("Not measured in this run.").count(), 6);
    assert!(nothing[Path::new(PAGE)].contains("Nothing was skipped."));
    for (name, plot) in plots(&Results::default()) {
        assert!(words(&plot).contains("Not measured in this run."), "{name}");
    }
}

#[test]
fn an_error_names_the_missing_marker_and_the_file() {
    let folder = folder();
    let path = folder.path().join(PAGE);
    let page = fs::read_to_string(&path).unwrap();
    for name in
        ["machine", "filter cost", "steps", "cost against routes", "chains", "latency", "memory and load", "skipped"]
    {
        let marker = format!("<!-- benchmark: {name} -->");
        assert!(page.contains(&marker), "{marker}");
        let (before, after) = page.split_once(&marker).unwrap();
        fs::write(&path, before.to_owned() + &after.replacen("<!-- /benchmark -->", "", 1)).unwrap();
        let error = format!("{:#}", report::write(&sample(), folder.path()).unwrap_err());
        assert!(error.contains(&marker) && error.contains(&path.display().to_string()), "{error}");
        assert!(!folder.path().join("benchmarks").exists(), "something was written");
    }
}

#[test]
fn the_page_shows_every_plot() {
    let page = fs::read_to_string(docs().join(PAGE)).unwrap();
    let links = page.split("](benchmarks/").skip(1).filter_map(|rest| rest.split_once(')'));
    let shown: BTreeSet<String> =
        links.map(|(link, _)| link.to_owned()).filter(|link| link.ends_with(".svg")).collect();
    assert_eq!(shown, plots(&sample()).into_keys().collect());
}

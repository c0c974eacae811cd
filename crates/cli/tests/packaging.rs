//! The Helm chart and the kustomize base, as far as they can be tested without Helm and kustomize: they have the
//! version of the filter, and everything in them that is also written in another place is the same there.
//!
//! `UPDATE_DOCS=1 cargo test -p ksvc-router-cli --test packaging` writes the copies and the table of the chart's README
//! anew.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ksvc_router_cli::schema::chart;
use ksvc_router_cli::yaml::{Origin, parse};
use ksvc_routing::{Counter, Gauge};
use serde_json::Value;

const UPDATE: &str = "UPDATE_DOCS=1 cargo test -p ksvc-router-cli --test packaging";

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn yaml(text: &str) -> Value {
    parse(text, Origin::File).unwrap()[0].to_value()
}

/// Asserts that a file has this text, or writes it there.
fn assert_is(name: &str, text: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path(name), text).unwrap();
    }
    assert!(read(name) == text, "{name} is out of date; to update it, run {UPDATE}");
}

#[test]
fn the_chart_has_the_version_of_the_filter() {
    let chart = yaml(&read("charts/ksvc-router/Chart.yaml"));
    for key in ["version", "appVersion"] {
        assert_eq!(chart[key], env!("CARGO_PKG_VERSION"), "{key} in charts/ksvc-router/Chart.yaml");
    }
}

/// A chart and a kustomization can only use files in their own folders.
#[test]
fn the_copies_of_the_admission_policy_are_up_to_date() {
    for copy in ["charts/ksvc-router/files/admission.yaml", "kustomize/components/admission/admission.yaml"] {
        assert_is(copy, &read("admission.yaml"));
    }
}

/// The rules for Prometheus, which the chart copies.
const RULES: &str = "monitoring/prometheus-rules.yaml";

#[test]
fn the_alerts_of_the_chart_are_those_for_prometheus() {
    assert_is("charts/ksvc-router/files/alerts.yaml", &read(RULES));
}

/// The page has a row for each alert, with its severity, and each alert names its place in the runbook.
#[test]
fn each_alert_is_documented() {
    let (rules, page) = (yaml(&read(RULES)), read("docs/monitoring.md"));
    let groups = rules["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    let alerts: Vec<&Value> = rules.filter(|rule| rule["alert"].is_string()).collect();
    for alert in &alerts {
        let (name, severity) = (alert["alert"].as_str().unwrap(), alert["labels"]["severity"].as_str().unwrap());
        let row = format!("\n| `{name}` | {severity} | ");
        assert!(page.contains(&row), "docs/monitoring.md has no row {row:?}");
        assert_eq!(alert["annotations"]["runbook"], format!("docs/runbook.md#{}", name.to_lowercase()));
    }
    assert_eq!(page.matches("\n| `KsvcRouter").count() + page.matches("\n| `Istio").count(), alerts.len());
}

#[test]
fn the_alerts_name_metrics_of_the_filter() {
    let rules = read(RULES);
    let is_in_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named: Vec<&str> =
        rules.split(|c| !is_in_name(c)).filter_map(|word| word.strip_prefix("ksvc_router_")).collect();
    let metrics: Vec<&str> =
        Counter::ALL.iter().map(|counter| counter.name()).chain(Gauge::ALL.iter().map(|gauge| gauge.name())).collect();
    for metric in ["config_degraded", "config_rejected", "broken_route", "not_found", "method_not_allowed"] {
        assert!(named.contains(&metric), "no alert for {metric}");
    }
    for name in named {
        assert!(metrics.contains(&name), "an alert names ksvc_router_{name}, which is no metric");
    }
}

/// `cargo xtask dist` writes the digest of the image into this line.
#[test]
fn the_digest_has_a_line_of_its_own_in_values_yaml() {
    let values = read("charts/ksvc-router/values.yaml");
    let lines: Vec<&str> = values.lines().filter(|line| line.starts_with("  digest:")).collect();
    assert_eq!(lines, ["  digest: \"\""]);
    assert_eq!(yaml(&values)["image"]["digest"], "");
}

/// A value of the chart: its place, such as `image.digest`, its description and its default.
struct ChartValue {
    place: String,
    about: String,
    default: Value,
}

/// Returns the values in the order of the schema, which describes them.
fn chart_values() -> Vec<ChartValue> {
    let defaults = yaml(&read("charts/ksvc-router/values.yaml"));
    let schema = chart();
    let about = |schema: &Value| schema["description"].as_str().expect("a description").to_owned();
    let mut values = Vec::new();
    for (key, schema) in schema["properties"].as_object().unwrap() {
        if key == "global" {
            continue;
        }
        values.push(ChartValue { place: key.clone(), about: about(schema), default: defaults[key].clone() });
        for (inner, schema) in schema["properties"].as_object().into_iter().flatten() {
            let Some(default) = defaults[key].get(inner) else { continue };
            let place = format!("{key}.{inner}");
            values.push(ChartValue { place, about: about(schema), default: default.clone() });
        }
    }
    values
}

#[test]
fn values_yaml_explains_every_value_in_the_words_of_the_schema() {
    let text = read("charts/ksvc-router/values.yaml");
    let described = chart_values();
    let mut comment: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    let mut parent = "";
    for line in text.lines() {
        if let Some(words) = line.trim_start().strip_prefix('#') {
            comment.push(words.trim());
        } else if let Some((key, _)) = line.split_once(':') {
            let place = match key.strip_prefix("  ") {
                Some(key) => format!("{parent}.{key}"),
                None => {
                    parent = key;
                    key.to_owned()
                }
            };
            found.push((place, comment.join(" ")));
            comment.clear();
        } else {
            comment.clear();
        }
    }
    let places: Vec<&str> = found.iter().map(|(place, _)| place.as_str()).collect();
    let expected: Vec<&str> = described.iter().map(|value| value.place.as_str()).collect();
    assert_eq!(places, expected, "the keys of values.yaml and of its schema");
    for (value, (place, comment)) in described.iter().zip(&found) {
        // The comment on `tables` goes on with the keys of a table and an example.
        assert!(comment.starts_with(&value.about), "{place}: {comment:?} is not {:?}", value.about);
    }
    let (tables, schema) = (&found[places.iter().position(|place| *place == "tables").unwrap()].1, chart());
    let keys = schema.pointer("/properties/tables/additionalProperties/properties").unwrap().as_object().unwrap();
    for (key, schema) in keys {
        let item = format!("- `{key}`: {}", lower_first(schema["description"].as_str().unwrap()));
        assert!(tables.contains(&item), "values.yaml has no {item:?}");
    }
}

fn lower_first(text: &str) -> String {
    let mut text = text.to_owned();
    text[..1].make_ascii_lowercase();
    text
}

#[test]
fn the_readme_of_the_chart_lists_every_value() {
    const README: &str = "charts/ksvc-router/README.md";
    let mut table = "| value | meaning | default |\n|---|---|---|\n".to_owned();
    let mut row = |place: &str, about: &str, default: &str| {
        let _ = writeln!(table, "| `{place}` | {about} | {default} |");
    };
    for ChartValue { place, about, default } in chart_values() {
        match default {
            Value::Object(inner) if !inner.is_empty() => row(&place, &about, ""),
            _ if place == "tables" => {
                row(&place, about.strip_suffix(" Each has these keys:").unwrap(), "`{}`");
                let schema = chart();
                let keys = schema.pointer("/properties/tables/additionalProperties/properties").unwrap();
                for (key, schema) in keys.as_object().unwrap() {
                    row(&format!("tables.NAME.{key}"), schema["description"].as_str().unwrap(), "");
                }
            }
            default => row(&place, &about, &format!("`{default}`")),
        }
    }
    let page = read(README);
    let (begin, end) = ("<!-- values: made from values.schema.json and values.yaml -->\n\n", "\n<!-- /values -->");
    let (before, rest) = page.split_once(begin).expect("where the table begins");
    let (_, after) = rest.split_once(end).expect("where the table ends");
    assert_is(README, &format!("{before}{begin}{table}{end}{after}"));
}

/// The base is `wasm-plugin.yaml` without its table.
#[test]
fn the_kustomize_base_is_the_manifest_without_its_table() {
    let mut manifest = yaml(&read("wasm-plugin.yaml"));
    manifest["spec"].as_object_mut().unwrap().remove("pluginConfig").unwrap();
    assert_eq!(yaml(&read("kustomize/base/wasm-plugin.yaml")), manifest);
}

//! `schema`: the schema accepts well-formed tables and refuses malformed tables.

use std::fs;
use std::path::Path;

use ksvc_router_cli::load::from_named;
use ksvc_router_cli::schema::chart;
use ksvc_router_cli::source::Source;
use ksvc_router_cli::yaml::{Origin, parse};
use serde_json::Value;

use crate::support::{Folder, GOOD};

const UPDATE: &str = "UPDATE_DOCS=1 cargo test -p ksvc-router-cli --test cli schema";

/// Returns the schema that the command prints.
fn printed(args: &[&str]) -> Value {
    let run = Folder::new(&[]).run(&[&["schema"], args].concat());
    assert_eq!(run.code, 0);
    run.json()
}

fn validator() -> jsonschema::Validator {
    jsonschema::validator_for(&printed(&[])).unwrap()
}

#[track_caller]
fn assert_accepts(validator: &jsonschema::Validator, value: &Value, name: &str) {
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(errors, [""; 0], "{name}");
}

fn value(table: &str) -> Value {
    parse(table, Origin::File).unwrap()[0].to_value()
}

#[test]
fn the_schema_accepts_a_good_table() {
    assert_accepts(&validator(), &value(GOOD), "a good table");
}

/// A table that the filter accepts must not be marked as wrong in an editor, and the policy has the same patterns.
#[test]
fn the_schema_accepts_every_table_of_the_cases_and_the_cookbook_that_has_no_error() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut texts: Vec<(String, String)> = Vec::new();
    for entry in root.join("testenv/cases").read_dir().unwrap() {
        let path = entry.unwrap().path();
        texts.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
    }
    for page in ["docs/cookbook.md", "docs/configuration.md"] {
        let text = fs::read_to_string(root.join(page)).unwrap();
        let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0.to_owned());
        texts.extend(blocks.enumerate().map(|(index, block)| (format!("{page}, block {index}"), block)));
    }
    let validator = validator();
    let mut accepted = 0;
    for (name, text) in texts {
        for configuration in from_named(&Source::new(&*name, text)).configurations {
            let (compiled, _) = configuration.compile();
            if compiled.problems.iter().all(|problem| !problem.is_error()) {
                assert_accepts(&validator, &configuration.node.unwrap().to_value(), &name);
                accepted += 1;
            }
        }
    }
    assert!(accepted > 50, "{accepted}");
}

/// Calls `check` for every part of a schema.
fn each(schema: &Value, check: &mut impl FnMut(&Value)) {
    check(schema);
    match schema {
        Value::Object(keywords) => keywords.values().for_each(|value| each(value, check)),
        Value::Array(elements) => elements.iter().for_each(|value| each(value, check)),
        _ => {}
    }
}

#[test]
fn defaults_and_examples_are_valid() {
    for args in [&[][..], &["--manifest"]] {
        let schema = printed(args);
        let (mut defaults, mut examples, mut patterns) = (0, 0, 0);
        each(&schema, &mut |part| {
            patterns += usize::from(part["pattern"].is_string());
            let (Some(default), examples_here) = (part.get("default"), &part["examples"]) else {
                if let Some(list) = part["examples"].as_array() {
                    examples += list.len();
                    let validator = jsonschema::validator_for(part).unwrap();
                    list.iter().for_each(|example| assert_accepts(&validator, example, "an example"));
                }
                return;
            };
            // A property that is called `default` is no keyword.
            if part.get("description").is_some() {
                defaults += 1;
                assert_accepts(&jsonschema::validator_for(part).unwrap(), default, &examples_here.to_string());
            }
        });
        assert!(defaults >= 9 && examples >= 20 && patterns >= 15, "{defaults} {examples} {patterns}");
    }
}

#[test]
fn every_place_of_an_example_exists() {
    let schema = printed(&[]);
    for pointer in ["/properties/basePath", "/properties/routes/items/properties/match"] {
        assert!(schema.pointer(pointer).unwrap()["examples"].is_array(), "{pointer}");
    }
    assert_eq!(schema["properties"]["onNoMatch"]["default"], "notFound");
    assert_eq!(schema["properties"]["denyDirect"]["default"], false);
}

/// Asserts that this file of the repository has this schema, or writes it there.
fn assert_is_committed(file: &str, schema: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    let text = format!("{schema:#}\n");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == text, "{file} is out of date; to update it, run {UPDATE}");
}

/// Editors find the schema by the first line of `wasm-plugin.yaml`.
#[test]
fn the_schema_of_the_manifest_is_committed_and_accepts_the_shipped_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let manifest = fs::read_to_string(root.join("wasm-plugin.yaml")).unwrap();
    let file = manifest.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=").unwrap();
    let schema = printed(&["--manifest"]);
    assert_is_committed(file, &schema);

    let validator = jsonschema::validator_for(&schema).unwrap();
    assert_accepts(&validator, &value(&manifest), "wasm-plugin.yaml");
    for (from, to) in [
        ("pluginConfig", "pluginconfig"),
        ("FAIL_RELOAD", "FAIL_RELOADED"),
        ("number: 8443", "number: https"),
        ("url: oci:", "url: s3:"),
        ("basePath: /faas", "basePath: faas"),
        ("GET /orders/{id}", "GET /orders/{id"),
        ("v1alpha1", "v1"),
    ] {
        assert!(manifest.contains(from), "{from}");
        assert!(!validator.is_valid(&value(&manifest.replace(from, to))), "{to}");
    }
}

/// Helm finds the schema by its name.
#[test]
fn the_schema_of_the_charts_values_is_committed_and_accepts_the_defaults() {
    let schema = chart();
    assert_is_committed("charts/ksvc-router/values.schema.json", &schema);
    assert_accepts(&jsonschema::validator_for(&schema).unwrap(), &chart_defaults(), "charts/ksvc-router/values.yaml");
}

fn chart_defaults() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charts/ksvc-router/values.yaml");
    value(&fs::read_to_string(path).unwrap())
}

/// The schema of the chart joins alternatives, so that Helm's messages are short.
#[test]
fn the_schema_of_the_charts_values_accepts_and_refuses_the_tables_that_the_schema_does() {
    let (table, values) = (validator(), jsonschema::validator_for(&chart()).unwrap());
    let (mut accepted, defaults) = (0, chart_defaults());
    let good = [
        GOOD,
        "{hosts: [a.example.com], routes: [], cors: false}",
        "{hosts: [a.example.com], routes: [], cors: null}",
        "{hosts: [a.example.com], routes: [{match: [GET /a, PUT /a], service: a, cors: {allowOrigins: ['*']}}]}",
    ];
    let bad = ["{hosts: [a.example.com], routes: [], cors: true}", "{hosts: [a.example.com], routes: [], cors: {}}"];
    for text in MALFORMED.iter().chain(&good).chain(&bad) {
        let mut in_values = defaults.clone();
        in_values["tables"] = serde_json::json!({"a": {"table": value(text)}});
        assert_eq!(values.is_valid(&in_values), table.is_valid(&value(text)), "{text}");
        accepted += usize::from(values.is_valid(&in_values));
    }
    assert_eq!(accepted, good.len());
}

#[test]
fn the_schema_refuses_malformed_tables() {
    let validator = validator();
    for table in MALFORMED {
        assert!(!validator.is_valid(&value(table)), "{table}");
    }
}

const MALFORMED: [&str; 14] = [
    "[]",
    "routes: []",
    "hosts: [a.example.com]",
    "{hosts: a.example.com, routes: []}",
    "{hosts: [a.example.com], routes: [], rotues: []}",
    "{hosts: [a.example.com], routes: [], onNoMatch: maybe}",
    "{hosts: [a.example.com], routes: [], denyDirect: 'yes'}",
    "{hosts: [a.example.com], routes: [{service: a}]}",
    "{hosts: [a.example.com], routes: [{match: GET /a}]}",
    "{hosts: [a.example.com], routes: [{match: GET /a, service: a, host: b}]}",
    "{hosts: [a.example.com], routes: [{match: [], service: a}]}",
    "{hosts: [a.example.com], routes: [{match: [1], service: a}]}",
    "{hosts: [a.example.com], routes: [{match: GET /a, respond: {body: x}}]}",
    "{hosts: [a.example.com], routes: [{match: GET /a, service: a, when: {header: {}}}]}",
];

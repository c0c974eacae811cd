//! The examples in `--help` work: each one is run in a folder with the files that it names, or at least parsed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use clap::{CommandFactory, Parser};
use ksvc_router_cli::args::{Args, command};

use crate::support::{Folder, GOOD};

/// Words by which an example is known that can't be run here, and the reason. It is parsed all the same.
const NOT_RUN: [(&str, &str); 6] = [
    ("--as html", "the program of these tests has no page; the tests in a browser have"),
    ("ksvc-router doctor", "it reads a cluster"),
    ("ksvc-router status", "it asks the pods of a gateway"),
    ("ksvc-router up ", "it runs Envoy"),
    ("ksvc-router serve ", "it runs until a signal comes"),
    (" --cluster", "it reads a cluster"),
];

const GATEWAY: &str = "apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: public, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: 8443, name: https, protocol: HTTPS}
      hosts: [\"*\"]
      tls: {mode: SIMPLE, credentialName: api-example-com}
";

const SERVICES: &str = r#"{"apiVersion": "v1", "kind": "List", "items": [{
  "apiVersion": "serving.knative.dev/v1",
  "kind": "Service",
  "metadata": {
    "name": "orders",
    "namespace": "shop",
    "creationTimestamp": "2026-11-01T09:00:00Z",
    "annotations": {"ksvc-router/match": "GET /orders/{id}"}
  },
  "status": {
    "url": "http://orders.shop.example.com",
    "conditions": [{"type": "Ready", "status": "True"}]
  }
}]}"#;

const OPENAPI: &str = "openapi: 3.1.0
info: {title: Orders, version: '1'}
servers: [{url: https://api.example.com}]
paths:
  /orders/{id}:
    get: {operationId: getOrder, parameters: [{name: id, in: path, schema: {type: integer}}]}
    put: {operationId: replaceOrder, parameters: [{name: id, in: path, schema: {type: integer}}]}
";

const TABLES: &str = "tables:
  - hosts: [api.example.com]
    domain: example.com
    namespaces: {shop: [/orders]}
";

/// Stands for kubectl: it prints objects, and takes what is applied.
const KUBECTL: &str = "#!/bin/sh\nif [ \"$1\" = get ]; then cat services.yaml; else cat > applied; fi\n";

/// Stands for git: it prints the file of a revision.
const GIT: &str = "#!/bin/sh\ncat \"${2#*:}\"\n";

/// Returns every command that has no commands of its own, with the words that lead to it.
fn leaves(command: &clap::Command, words: &[String], found: &mut Vec<(Vec<String>, clap::Command)>) {
    let words = [words, &[command.get_name().to_owned()]].concat();
    if command.get_subcommands().next().is_none() {
        found.push((words.clone(), command.clone()));
    }
    command.get_subcommands().for_each(|inner| leaves(inner, &words, found));
}

/// Returns the examples in a help text: the lines that call the program.
fn examples(help: &str) -> Vec<String> {
    let lines = help.lines().map(|line| line.trim().trim_start_matches("Example:").trim());
    let calls = |line: &&str| line.starts_with("ksvc-router ") || line.contains("| ksvc-router ");
    lines.filter(calls).map(str::to_owned).collect()
}

/// Returns the words of the call of the program in an example. Words in single quotes have spaces.
fn words(example: &str) -> Vec<String> {
    let start = example.find("ksvc-router ").unwrap();
    let call = example[start..].split(['|', '>']).next().unwrap().split(" #").next().unwrap();
    let parts = call.split('\'').enumerate().flat_map(|(index, part)| match index % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    });
    parts.collect()
}

#[test]
fn every_example_works() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let plugin = read("wasm-plugin.yaml").replace(&"0".repeat(64), &"a".repeat(64));
    let mut all = Vec::new();
    let top = Args::command();
    all.extend(top.get_after_help().map(|help| ("ksvc-router".to_owned(), examples(&help.to_string()))));
    let mut commands = Vec::new();
    leaves(&top, &[], &mut commands);
    for (name, command) in &commands {
        let found = command.get_after_help().map(|help| examples(&help.to_string())).unwrap_or_default();
        let name = name.join(" ");
        let has_arguments = command.get_arguments().next().is_some();
        assert!(!has_arguments || !found.is_empty(), "`{name} --help` has no example");
        assert!(found.is_empty() || found.iter().any(|example| example.contains(&name)), "{name}: {found:?}");
        all.push((name, found));
    }
    let mut not_run = BTreeSet::new();
    let mut run = 0;
    for (name, examples) in &all {
        // One folder for the examples of a command: a later one may need what an earlier one has made.
        let folder = Folder::new(&[
            ("wasm-plugin.yaml", &plugin),
            ("old.yaml", &plugin),
            ("new.yaml", &plugin),
            ("before/wasm-plugin.yaml", &plugin),
            ("after/wasm-plugin.yaml", &plugin),
            ("manifests/wasm-plugin.yaml", &plugin),
            ("table.yaml", GOOD),
            ("gateway.yaml", GATEWAY),
            ("cases.yaml", &read("testenv/cases/sample.yaml")),
            ("openapi.yaml", OPENAPI),
            ("services.yaml", SERVICES),
            ("tables.yaml", TABLES),
            ("api.yaml", OPENAPI),
            ("bin/kubectl", KUBECTL),
            ("bin/git", GIT),
        ]);
        let bin = folder.path("bin");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_ksvc-router"), format!("{bin}/ksvc-router")).unwrap();
        for program in ["kubectl", "git"] {
            let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(format!("{bin}/{program}"), executable).unwrap();
        }
        let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
        for example in examples {
            let example = &example.replace("DIGEST", &"a".repeat(64));
            if let Err(error) = Args::try_parse_from(words(example)) {
                panic!("{name}: {example}\n{error}");
            }
            if let Some((word, _)) = NOT_RUN.iter().find(|(word, _)| example.contains(word)) {
                not_run.insert(*word);
                continue;
            }
            // A pipe fails if the program does.
            let script = format!("set -o pipefail; {example}");
            let mut shell = Command::new("bash");
            let output = shell.args(["-c", &script]).current_dir(folder.path(".")).env("PATH", &path).output().unwrap();
            let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(output.status.success(), "{name}: {example}: {:?}\n{printed}", output.status.code());
            run += 1;
        }
    }
    assert!(run >= 8, "{run} examples were run");
    let listed: BTreeSet<&str> = NOT_RUN.iter().map(|(word, _)| *word).collect();
    assert_eq!(not_run, listed, "no example has these words any more");
}

#[test]
fn the_help_has_the_name_by_which_kubectl_calls_the_program() {
    let usage = |program: &str, arguments: &[&str]| {
        let words = [&[program][..], arguments, &["--help"]].concat();
        command(Path::new(program)).try_get_matches_from(words).unwrap_err().to_string()
    };
    let as_plugin = usage("/usr/local/bin/kubectl-ksvc_router", &["import", "ksvc"]);
    assert!(as_plugin.contains("Usage: kubectl ksvc_router import ksvc "), "{as_plugin}");
    assert!(usage("kubectl-ksvc_router", &[]).contains("Usage: kubectl ksvc_router "));
    assert!(usage("/usr/local/bin/ksvc-router", &["check"]).contains("Usage: ksvc-router check "));
}

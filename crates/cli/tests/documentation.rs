//! Tests that the documentation is true. Every code block of the configuration reference, the cookbook and the message
//! catalogue is run; the tables of the reference are compared with the code; the tables in README.md pass `check`; and
//! `docs/command-line.md` shows every danger with the message that `check` prints. `reasons.md` beside this file is more
//! examples, in the same form. `links/` checks the links and compares the Chinese pages with the English
//! ones, whose blocks are run here; `messages.rs` checks the message catalogue.
//!
//! These kinds of blocks are allowed, and every other block is an error:
//! - `yaml` with `pluginConfig:` and `cases:`: the cases are run against the table in the same block;
//! - `yaml` with `pluginConfig:` alone: the table is checked;
//! - `json`: the bytes that the filter receives; they are checked too;
//! - `text`, directly after one of these: the messages that `ksvc-router check` prints for it, one a line, as
//!   `severity: place: error; remedy`. Without such a block, `check` must print nothing;
//! - a block whose kind ends with ` before`: a configuration of another program, or the commands that make the table. The
//!   next block has the table, and cases.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use common::in_a_line;
use ksvc_explanation::decision::explain_with_response;
use ksvc_router_cli::cases::{self, Case};
use ksvc_router_cli::catalogue;
use ksvc_router_cli::check::check as check_files;
use ksvc_router_cli::cluster::finding::CHECKS;
use ksvc_router_cli::cluster::metrics::Gauges;
use ksvc_router_cli::cluster::status::{self, Expected};
use ksvc_router_cli::danger::Danger;
use ksvc_router_cli::kind::MessageKind;
use ksvc_router_cli::load::from_named;
use ksvc_router_cli::message::{Message, as_text};
use ksvc_router_cli::render::platform::{Platform, Setting, Support};
use ksvc_router_cli::source::Source;
use ksvc_routing::limits::{self, Limit};
use ksvc_routing::{CATALOGUE, CatalogueEntry, Counter, Decision, Gauge, RouteTable, ServedFrom, Severity, compile};
use serde_json::Value;

/// The reference. Its tables are compared with the code.
const PAGE: &str = include_str!("../../../docs/configuration.md");
const PAGE_NAME: &str = "docs/configuration.md";
/// The pages whose blocks are examples: name and text.
const PAGES: [(&str, &str); 5] = [
    (PAGE_NAME, PAGE),
    ("docs/cookbook.md", include_str!("../../../docs/cookbook.md")),
    ("docs/messages.md", include_str!("../../../docs/messages.md")),
    ("docs/migrating.md", include_str!("../../../docs/migrating.md")),
    ("crates/cli/tests/reasons.md", include_str!("reasons.md")),
];
const README: &str = include_str!("../../../README.md");

#[derive(Debug, PartialEq)]
struct Block<'p> {
    language: &'p str,
    /// The line number of the block's first line of text, counted from 1.
    line: usize,
    text: String,
    /// Whether only blank lines separate this block from the one before it.
    follows: bool,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<Block> = None;
    let mut follows = false;
    for (index, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => {
                open = Some(Block { language, line: index + 2, text: String::new(), follows });
            }
            (Some(_), Some("")) => {
                blocks.extend(open.take());
                follows = true;
            }
            (Some(block), _) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => follows &= line.trim().is_empty(),
        }
    }
    assert_eq!(open, None, "the last block is not closed");
    blocks
}

/// A block with a table, and the messages that `check` must print for it.
struct Example<'p> {
    page: &'p str,
    block: Block<'p>,
    messages: String,
}

/// Returns the examples of a page, or the errors in the kinds of its blocks.
fn examples<'p>(page: &'p str, blocks: Vec<Block<'p>>) -> Result<Vec<Example<'p>>, String> {
    let mut examples: Vec<Example> = Vec::new();
    let mut errors = String::new();
    // The line of a block for which no table has come yet.
    let mut before = None;
    for block in blocks {
        if block.language.ends_with(" before") {
            before.get_or_insert(block.line);
            continue;
        }
        if let Some(line) = before.take()
            && !(block.language == "yaml" && has_cases(&block.text))
        {
            let _ = writeln!(errors, "{page}:{line}: the block after this one has no table with cases");
        }
        let has_messages = examples.last().is_none_or(|example| !example.messages.is_empty());
        match block.language {
            "yaml" | "json" => examples.push(Example { page, block, messages: String::new() }),
            "text" if block.follows && !has_messages && !block.text.is_empty() => {
                if let Some(example) = examples.last_mut() {
                    example.messages = block.text;
                }
            }
            language => {
                let Block { line, follows, .. } = block;
                let _ = writeln!(errors, "{page}:{line}: unknown kind of block: `{language}`, follows: {follows}");
            }
        }
    }
    if let Some(line) = before {
        let _ = writeln!(errors, "{page}:{line}: no block with a table follows");
    }
    if errors.is_empty() { Ok(examples) } else { Err(errors) }
}

impl Example<'_> {
    /// The block as a file in which every line has the line number that it has in the page.
    fn source(&self, text: &str) -> std::sync::Arc<Source> {
        Source::new(self.page, "\n".repeat(self.block.line - 1) + text)
    }

    /// Returns every difference between what the page shows and what the code does.
    fn differences(&self) -> String {
        self.differences_with(&self.block.text)
    }

    /// Does the same with another text in place of the block's.
    fn differences_with(&self, text: &str) -> String {
        let place = format!("{}:{}", self.page, self.block.line);
        let mut differences = String::new();
        let (table, found) = match self.block.language {
            "json" => {
                let compiled = compile(self.block.text.trim_end().as_bytes());
                let lines = compiled
                    .problems
                    .iter()
                    .map(|problem| format!("{}: {problem}\n", if problem.is_error() { "error" } else { "warning" }));
                (Some(compiled.table), lines.collect::<String>())
            }
            _ => {
                if !self.block.text.starts_with("pluginConfig:") {
                    let _ = writeln!(differences, "{place}: does not begin with `pluginConfig:`");
                }
                let (table, messages) = check(&self.source(text));
                (table, messages.iter().map(in_a_line).collect())
            }
        };
        if found != self.messages {
            let _ = writeln!(differences, "{place}: `check` prints\n{found}and not\n{}", self.messages);
        }
        if has_cases(&self.block.text) {
            match (table, cases::read(&self.source(text))) {
                (Some(table), Ok(cases)) => {
                    cases.iter().for_each(|case| differences += &mismatches(self.page, &table, case));
                }
                (_, Err(messages)) => messages.iter().for_each(|message| differences += &message.to_string()),
                (None, Ok(_)) => {}
            }
        }
        differences
    }
}

fn has_cases(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("cases:"))
}

/// Returns the table of a file, and everything that `check` prints for it.
fn check(source: &std::sync::Arc<Source>) -> (Option<RouteTable>, Vec<Message>) {
    let loaded = from_named(source);
    let mut messages = loaded.messages;
    let mut table = None;
    for configuration in &loaded.configurations {
        let (compiled, found) = configuration.compile();
        messages.extend(found);
        table = Some(compiled.table);
    }
    (table, messages)
}

/// Runs a case and returns what differs from its `expect`.
fn mismatches(page: &str, table: &RouteTable, case: &Case) -> String {
    let explanation = explain_with_response(table, &case.request, &case.response);
    let mut differences = String::new();
    for mismatch in case.compare(&explanation.fields) {
        let _ = writeln!(differences, "{page}:{}: {}: {mismatch}", mismatch.at.start.line, case.name);
    }
    differences
}

/// Returns the examples of all pages.
fn all_examples() -> Vec<Example<'static>> {
    let of_page = |(page, text)| examples(page, blocks(text)).unwrap_or_else(|errors| panic!("{errors}"));
    PAGES.into_iter().flat_map(of_page).collect()
}

#[test]
fn every_block_does_what_the_page_says() {
    let differences: String = all_examples().iter().map(Example::differences).collect();
    assert!(differences.is_empty(), "\n{differences}");
}

#[test]
fn tables_of_the_readme_pass_check() {
    let holds = |text: &str| text.lines().filter(|line| line.trim_start().starts_with("pluginConfig:")).count();
    let tables: Vec<Block> =
        blocks(README).into_iter().filter(|block| block.language == "yaml" && holds(&block.text) > 0).collect();
    let shown: usize = tables.iter().map(|block| holds(&block.text)).sum();
    assert_eq!(shown, holds(README), "a table is in no block, or in a block that is not `yaml`");
    for Block { line, text, .. } in &tables {
        let (_, messages) = check(&Source::new("README.md", "\n".repeat(line - 1) + text));
        assert!(messages.is_empty(), "{}", as_text(&messages));
    }
}

/// Only `check` may fail, because the digest in `wasm-plugin.yaml` is still to be filled in.
#[test]
fn commands_of_the_readme_can_be_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let can_be_run = |command: &&str| {
        let known = ["explain ", "routes ", "check ", "test "];
        known.iter().any(|start| command.starts_with(start)) && !command.contains('>')
    };
    let commands: Vec<&str> =
        README.lines().filter_map(|line| line.strip_prefix("ksvc-router ")).filter(can_be_run).collect();
    for command in &commands {
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_ksvc-router"))
            .args(command.split_whitespace())
            .current_dir(&root)
            .output()
            .unwrap();
        let out = String::from_utf8([run.stdout, run.stderr].concat()).unwrap();
        let expected = if command.starts_with("check ") { 1 } else { 0 };
        assert_eq!(run.status.code(), Some(expected), "{command}\n{out}");
        assert_eq!(out.contains("placeholder-digest"), expected == 1, "{command}\n{out}");
        assert!(!out.contains("warning:"), "{command}\n{out}");
    }
    assert!(commands.len() >= 5, "{commands:?}");
}

#[test]
fn an_unknown_kind_of_block_is_reported_with_its_line() {
    for (page, line) in [
        ("# A\n\n```\nx\n```\n", ":4:"),
        ("```sh\nx\n```\n", ":2:"),
        ("```text\nerror: x\n```\n", ":2:"),
        ("```nginx before\nx\n```\n```yaml\npluginConfig:\n```\n", ":2:"),
        ("```nginx before\nx\n```\n", ":2:"),
        ("```yaml\npluginConfig:\n```\n```text\n```\n", ":5:"),
        ("```yaml\npluginConfig:\n```\nmore\n```text\nerror: x\n```\n", ":6:"),
        ("```yaml\npluginConfig:\n```\n```text\nerror: x\n```\n```text\nerror: y\n```\n", ":8:"),
    ] {
        let errors = examples(PAGE_NAME, blocks(page)).err().unwrap_or_else(|| panic!("{page}"));
        assert!(errors.contains(line), "{page}{errors}");
    }
}

#[test]
fn an_example_that_is_wrong_is_reported() {
    let table = "pluginConfig:\n  hosts: [a.example.com]\n  routes: [{match: GET /a, host: b.example.com}]\n";
    let case = "cases:\n  - {name: a case, request: {method: GET, url: a.example.com/a}, expect: {authority: OTHER}}\n";
    let example = |text: String, messages: &str| Example {
        page: PAGE_NAME,
        block: Block { language: "yaml", line: 1, text, follows: false },
        messages: messages.to_owned(),
    };
    for (text, messages, line) in [
        (table.to_owned() + &case.replace("OTHER", "c.example.com"), "", ":5:"),
        (table.replace("GET", "GET|GET"), "", ":1:"),
        (table.to_owned(), "error: x\n", ":1:"),
        (table.replace("pluginConfig", "spec"), "", ":1:"),
    ] {
        let wrong = example(text, messages);
        let differences = wrong.differences();
        assert!(differences.contains(line), "{}{differences}", wrong.block.text);
    }
    let other = example(table.to_owned() + case, "");
    let right = other.block.text.replace("OTHER", "b.example.com");
    assert_eq!(other.differences_with(&right), "");
}

// ---- the tables of keys

/// A row in a table of keys: `| key | type | default | meaning |`.
struct Row<'p> {
    line: usize,
    kind: &'p str,
    default: &'p str,
}

/// Returns the rows of the table whose header line begins with `header`, by key.
fn rows<'p>(header: &str) -> BTreeMap<&'p str, Row<'p>> {
    let lines = PAGE.lines().enumerate().skip_while(|(_, line)| !line.starts_with(header)).skip(2);
    let rows: BTreeMap<&str, Row> = lines
        .take_while(|(_, line)| line.starts_with('|'))
        .map(|(index, line)| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [key, kind, default, _] = cells[..] else { panic!("{PAGE_NAME}:{}: not four cells", index + 1) };
            (key.trim_matches('`'), Row { line: index + 1, kind, default })
        })
        .collect();
    assert!(!rows.is_empty(), "{PAGE_NAME} has no table `{header}`");
    rows
}

/// The tables of keys: how the header line begins, and the JSON pointer of the same keys in the schema.
const KEY_TABLES: [(&str, &str); 7] = [
    ("| key of `pluginConfig` |", ""),
    ("| key of a route |", "/properties/routes/items"),
    ("| key of `redirect` |", "/properties/routes/items/properties/redirect"),
    ("| key of `respond` |", "/properties/routes/items/properties/respond"),
    ("| key of `when` |", "/properties/routes/items/properties/when"),
    ("| key of `cors` |", "/properties/cors/oneOf/0"),
    ("| key of `requestHeaders` and `responseHeaders` |", "/properties/requestHeaders"),
];

fn plain(text: &str) -> String {
    text.replace('`', "")
}

#[test]
fn every_key_is_documented_with_its_type_and_default() {
    let schema = ksvc_routing::config::schema();
    for (header, pointer) in KEY_TABLES {
        let of = schema.pointer(pointer).unwrap_or_else(|| panic!("no schema at {pointer}"));
        let rows = rows(header);
        let properties = of["properties"].as_object().unwrap();
        let known: BTreeSet<&str> = properties.keys().map(String::as_str).collect();
        assert_eq!(rows.keys().copied().collect::<BTreeSet<_>>(), known, "the keys of `{header}`");
        let required = of["required"].as_array().map_or(&[][..], |required| required);
        for (key, Row { line, kind, default }) in rows {
            let at = format!("{PAGE_NAME}:{line}: `{key}`");
            let property = &properties[key];
            match (&property["type"], &property["enum"], &property["oneOf"]) {
                (Value::String(expected), ..) => {
                    let expected = match expected.as_str() {
                        "array" => "list",
                        "integer" => "number",
                        other => other,
                    };
                    assert!(kind.starts_with(expected), "{at} is a {expected}");
                }
                (_, Value::Array(words), _) => {
                    let words: Vec<String> = words.iter().map(|word| format!("`{}`", word.as_str().unwrap())).collect();
                    assert_eq!(kind, words.join(" or "), "{at}");
                }
                (.., Value::Array(kinds)) => {
                    let kind_of =
                        |kind: &Value| kind["type"].as_str().map_or(kind["enum"][0].to_string(), str::to_owned);
                    let kinds: Vec<String> = kinds.iter().map(kind_of).collect();
                    let kinds = kinds.join(" or ").replace("array", "list of strings");
                    assert_eq!(kind, kinds, "{at}");
                }
                _ => panic!("{at} is of no known kind"),
            }
            let about = property["description"].as_str().unwrap();
            let expected = about.split("efault: ").nth(1).map(|default| plain(default.trim_end_matches('.')));
            let expected = match expected {
                _ if required.contains(&key.into()) => "required".to_owned(),
                None => "none".to_owned(),
                Some(default) => default,
            };
            assert!(plain(default).contains(&expected), "{at} has the default {expected}");
        }
    }
}

/// A key of the table written with its default value changes the outcome of no example.
#[test]
fn a_default_written_out_changes_nothing() {
    let examples = all_examples();
    let schema = ksvc_routing::config::schema();
    let mut tried = 0;
    let mut differences = String::new();
    for (key, Row { default, .. }) in rows(KEY_TABLES[0].0) {
        let Some(value) = default.strip_prefix('`').and_then(|default| default.strip_suffix('`')) else { continue };
        let value = match &schema["properties"][key]["type"] {
            Value::String(kind) if kind == "boolean" => value.to_owned(),
            _ => Value::from(value).to_string(),
        };
        tried += 1;
        for example in examples.iter().filter(|example| has_cases(&example.block.text)) {
            let text = &example.block.text;
            if text.lines().any(|line| line.starts_with(&format!("  {key}:"))) {
                continue;
            }
            let written = format!("pluginConfig:\n  {key}: {value}");
            let found = example.differences_with(&text.replacen("pluginConfig:", &written, 1));
            if !found.is_empty() {
                let _ = writeln!(differences, "with `{key}: {value}`:\n{found}");
            }
        }
    }
    assert!(differences.is_empty(), "\n{differences}");
    assert_eq!(tried, 9, "defaults that were tried");
}

// ---- lists that have to be complete

/// The catalogue has these messages without an example, which would be long.
#[test]
fn messages_about_limits_are_documented() {
    let route = |text: &str, rest: &str| format!(r#"{{"match":"GET {text}","host":"c.d"{rest}}}"#);
    let table = |hosts: &str, routes: &str| format!(r#"{{"hosts":[{hosts}],"routes":[{routes}]}}"#);
    let one = r#""a.b""#;
    let when = |n| route("/a", &format!(r#","when":{{"headers":{{"x":"{n}"}}}}"#));
    let mixed = (0..limits::MIXED_SEGMENTS_AT_ONE_PLACE).map(|n| format!("{{from}}{n}{{to}}"));
    let mixed = mixed.chain(["{from}-{to}".to_owned()]);
    let documents = [
        " ".repeat(limits::DOCUMENT + 1),
        format!("[{}0]", "0,".repeat(limits::VALUES)),
        table(&vec![one; limits::HOSTS + 1].join(","), ""),
        table(one, &route(&"/".repeat(limits::TEXT + 1 - "GET ".len()), "")),
        table(one, &mixed.map(|segment| route(&format!("/{segment}"), "")).collect::<Vec<_>>().join(",")),
        table(one, &route(&"/a".repeat(limits::SEGMENTS + 1), "")),
        table(one, &(0..=limits::CONDITIONAL).map(when).collect::<Vec<_>>().join(",")),
    ];
    let found = documents.map(|document| {
        let problems = compile(document.as_bytes()).problems;
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        problem.kind.to_string()
    });
    let message = |entry: &CatalogueEntry| match entry.example {
        ksvc_routing::Example::Message(message) => Some(message()),
        _ => None,
    };
    assert_eq!(found[..], CATALOGUE.iter().filter_map(message).collect::<Vec<_>>());
    for message in found {
        assert!(PAGE.contains(&format!("- \"{message}\"")), "{message}");
    }
}

#[test]
fn every_limit_is_documented_with_its_value_and_reason() {
    let row = |limit: &Limit| format!("| {} | {} | {} |", limit.what, thousands(limit.value), limit.why);
    let expected: Vec<String> = limits::ALL.iter().map(row).collect();
    let found = PAGE.lines().skip_while(|line| *line != "| what | at most | why |").skip(2);
    let found: Vec<&str> = found.take_while(|line| line.starts_with('|')).collect();
    assert_eq!(found, expected);
}

/// `16,777,216`.
fn thousands(value: usize) -> String {
    match (value / 1000, value % 1000) {
        (0, rest) => rest.to_string(),
        (more, rest) => format!("{},{rest:03}", thousands(more)),
    }
}

fn has_row(cells: &[&str]) -> bool {
    PAGE.lines().any(|line| cells.iter().all(|cell| line.contains(cell)))
}

/// Every error response of an example is in the reference's table of error responses, word for word.
#[test]
fn answers_of_the_filter_are_documented() {
    let mut outcomes = BTreeSet::new();
    for example in all_examples().iter().filter(|example| has_cases(&example.block.text)) {
        let source = example.source(&example.block.text);
        let (Some(table), _) = check(&source) else { continue };
        for case in cases::read(&source).unwrap_or_default() {
            let headers = case.request.header_refs();
            let Decision::Answer(answer) = table.decide(&case.request.head(&headers), || false) else { continue };
            let kind = answer.headers.iter().find(|(name, _)| name == "content-type");
            if kind.is_none_or(|(_, kind)| &**kind != b"application/problem+json") {
                continue;
            }
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            let row =
                format!("| `{}` | {} {} |", answer.outcome.as_str(), body["status"], body["title"].as_str().unwrap());
            let detail = body["detail"].as_str().unwrap();
            let hazard = ["The request has ", "The request leads to "]
                .into_iter()
                .find_map(|start| detail.strip_prefix(start)?.strip_suffix('.'));
            let documented = match hazard {
                // The reasons why a path is unsafe have a table of their own.
                Some(hazard) => has_row(&[&row]) && has_row(&[&format!("| {hazard} |")]),
                None => has_row(&[&row, &format!("| {detail} |")]),
            };
            assert!(documented, "{row} {detail}");
            outcomes.insert(answer.outcome.as_str());
        }
    }
    let expected = ["brokenRoute", "deniedDirect", "methodNotAllowed", "notFound", "unsafePath"];
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn every_metric_is_documented() {
    let counters = Counter::ALL.iter().map(|counter| counter.name());
    for name in counters.chain(Gauge::ALL.iter().map(|gauge| gauge.name())) {
        assert!(PAGE.contains(&format!("| `{name}` |")), "the metric `{name}` has no row");
    }
}

#[test]
fn every_log_line_about_a_configuration_is_documented() {
    for line in ServedFrom::ALL.map(ServedFrom::message) {
        assert!(PAGE.contains(&format!("| `{line}: SUMMARY` |")), "the log line `{line}` has no row");
    }
}

// ---- docs/runbook.md

const RUNBOOK: &str = include_str!("../../../docs/runbook.md");
const RULES: &str = include_str!("../../../monitoring/prometheus-rules.yaml");

/// Returns the text of a section of the runbook, without its heading.
fn runbook_section(heading: &str) -> &str {
    let (_, from) = RUNBOOK.split_once(&format!("\n## {heading}\n")).unwrap();
    from.split_once("\n## ").unwrap().0
}

#[test]
fn every_alert_has_a_section_in_the_runbook() {
    let alerts: BTreeSet<&str> = RULES.lines().filter_map(|line| line.trim_start().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 7, "{alerts:?}");
    let sections: Vec<(&str, &str)> =
        runbook_section("Alerts").split("\n### ").skip(1).map(|section| section.split_once('\n').unwrap()).collect();
    let explained: BTreeSet<&str> = sections.iter().map(|(alert, _)| *alert).collect();
    assert_eq!(alerts.difference(&explained).collect::<Vec<_>>(), [&""; 0], "alerts without a section");
    assert_eq!(explained.difference(&alerts).collect::<Vec<_>>(), [&""; 0], "sections without an alert");
    for (alert, text) in sections {
        let commands = text.matches("```sh\n").count();
        assert!(commands > 0, "{alert}: no command");
        for part in ["**Meaning.** ", "**What users feel.** ", "**What to type.**", "**Over when** "] {
            assert_eq!(text.matches(part).count(), 1, "{alert}: {part}");
        }
    }
}

/// Returns the times and shares that a text names, such as `15 min` for "15 minutes" and `20 %` for "a fifth".
fn amounts(text: &str) -> BTreeSet<String> {
    let words = text.split_whitespace().map(|word| word.trim_matches(|c: char| !c.is_alphanumeric() && c != '%'));
    let words: Vec<String> = words.map(str::to_lowercase).collect();
    let amount = |pair: &[String]| {
        let number = match pair[0].as_str() {
            "a" => 1,
            "five" => 5,
            "ten" => 10,
            digits => digits.parse().ok()?,
        };
        match pair[1].as_str() {
            "minute" | "minutes" => Some(format!("{number} min")),
            "seconds" | "s" => Some(format!("{number} s")),
            "%" => Some(format!("{number} %")),
            "fifth" => Some("20 %".to_owned()),
            "tenth" => Some("10 %".to_owned()),
            _ => None,
        }
    };
    words.windows(2).filter_map(amount).collect()
}

/// Returns the amounts of an alert's rule: how long it must hold, how far back it looks, and what it compares with.
fn amounts_of_rule(rule: &Value) -> BTreeSet<String> {
    let expression = rule["expr"].as_str().unwrap();
    let windows = expression.split('[').skip(1).filter_map(|rest| rest.split_once(']')).map(|(window, _)| window);
    let times = rule["for"].as_str().into_iter().chain(windows);
    let times = times.map(|time| format!("{} min", time.strip_suffix('m').unwrap()));
    let words: Vec<&str> = expression.split_whitespace().collect();
    let thresholds = words.windows(3).filter(|words| words[1] == ">").filter_map(|words| {
        let threshold: f64 = words[2].parse().unwrap();
        match words[0] {
            name if name.contains(":ratio_") => Some(format!("{} %", (threshold * 100.0).round())),
            name if name.contains("_milliseconds:") => Some(format!("{} s", threshold / 1000.0)),
            _ => None,
        }
    });
    times.chain(thresholds).collect()
}

#[test]
fn the_pages_name_the_times_and_thresholds_of_the_rules() {
    const MONITORING: &str = include_str!("../../../docs/monitoring.md");
    let documents = ksvc_router_cli::yaml::parse(RULES, ksvc_router_cli::yaml::Origin::File).unwrap();
    let rules = documents[0].to_value();
    let rules = rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    let alerts: Vec<&Value> = rules.filter(|rule| rule["alert"].is_string()).collect();
    assert!(alerts.iter().filter(|rule| amounts_of_rule(rule).len() == 2).count() >= 4, "{alerts:?}");
    for rule in &alerts {
        let alert = rule["alert"].as_str().unwrap();
        let expected = amounts_of_rule(rule);
        assert!(!expected.is_empty(), "{alert}");
        let (_, section) = RUNBOOK.split_once(&format!("\n### {alert}\n")).unwrap();
        let section = section.split("\n#").next().unwrap();
        let part = |name: &str| section.split_once(name).unwrap().1.split("\n\n").next().unwrap();
        let meaning = part("**Meaning.** ");
        assert_eq!(amounts(meaning), expected, "docs/runbook.md, {alert}: {meaning}");
        let row = MONITORING.lines().find(|line| line.starts_with(&format!("| `{alert}` |"))).unwrap();
        let fires = row.split('|').nth(3).unwrap();
        assert_eq!(amounts(fires), expected, "docs/monitoring.md, {alert}: {fires}");
        for text in [meaning, fires] {
            let percentile = rule["expr"].as_str().unwrap().contains(":p99_");
            assert_eq!(text.contains("99th percentile"), percentile, "{alert}: {text}");
        }
        // The other texts name no other amounts, and the commands look back as far as the rule.
        let searched = section.split("--since=").skip(1).filter_map(|rest| rest.split_once("m "));
        let searched = searched.filter_map(|(minutes, _)| minutes.parse::<u32>().ok());
        let searched = searched.map(|minutes| format!("{minutes} min"));
        let summary = rule["annotations"]["summary"].as_str().unwrap();
        let others: BTreeSet<String> =
            searched.chain(amounts(part("**Over when** "))).chain(amounts(summary)).collect();
        assert!(others.is_subset(&expected), "{alert}: {others:?} instead of {expected:?}");
    }
    let ignores_few = |rule: &&Value| rule["expr"].as_str().unwrap().contains("requests:rate5m > 0.02");
    let (others, last_four) = alerts.split_at(alerts.len() - 4);
    assert!(last_four.iter().all(ignores_few) && !others.iter().any(ignores_few), "{alerts:?}");
    assert!(MONITORING.contains("\nThe last four alerts do not fire below 0.02 requests per second"));
}

/// The reference has the same log lines.
#[test]
fn every_log_line_is_in_the_runbook() {
    let lines = |text: &'static str| -> BTreeSet<Vec<&str>> {
        let levels = ["| info | ", "| warn | ", "| error | "];
        let rows = text.lines().filter(|line| levels.iter().any(|level| line.starts_with(level)));
        rows.map(|row| row.split(" | ").take(2).collect()).collect()
    };
    let (_, reference) = PAGE.split_once("\n### Log lines\n").unwrap();
    assert_eq!(lines(reference), lines(runbook_section("Log lines")));
    assert!(lines(reference).len() > ServedFrom::ALL.len());
}

/// A block with a table has cases, which are run. `check` accepts every other block of YAML without a message.
#[test]
fn blocks_of_the_runbook_do_what_it_says() {
    let yaml = || blocks(RUNBOOK).into_iter().filter(|block| block.language == "yaml");
    let (tables, manifests): (Vec<Block>, Vec<Block>) =
        yaml().partition(|block| block.text.starts_with("pluginConfig:"));
    assert!(tables.len() >= 2 && !manifests.is_empty());
    assert!(tables.iter().all(|block| has_cases(&block.text)), "a table without cases");
    let examples = examples("docs/runbook.md", tables).unwrap();
    let differences: String = examples.iter().map(Example::differences).collect();
    assert!(differences.is_empty(), "\n{differences}");
    for block in manifests {
        assert_eq!(messages_of(&block), (vec![], String::new()), "docs/runbook.md:{}", block.line);
    }
}

// ---- docs/command-line.md

const COMMANDS_PAGE: &str = include_str!("../../../docs/command-line.md");

/// Writes the messages, the transcripts and the table of codes in docs/command-line.md anew. The tests that write run one
/// after the other, because each of them writes the whole page.
const UPDATE: &str = "UPDATE_DOCS=1 cargo test -p ksvc-router-cli --test documentation -- --test-threads 1";

/// The codes of the messages about a block of manifests, and what `check` says of it.
fn messages_of(block: &Block) -> (Vec<&'static str>, String) {
    let file = from_named(&Source::new("docs/command-line.md", "\n".repeat(block.line - 1) + &block.text));
    let messages: Vec<Message> = check_files(&[file]).into_iter().flatten().collect();
    let with_code = |message: &Message| format!("{} [{}]\n", in_a_line(message).trim_end(), message.code);
    (messages.iter().map(|message| message.code).collect(), messages.iter().map(with_code).collect())
}

/// Returns the table of the codes that are not in docs/messages.md.
fn table_of_codes() -> String {
    let word = |kind: &MessageKind| if kind.severity == Severity::Error { "error" } else { "warning" };
    let row = |kind: &MessageKind| format!("| `{}` | {} | {} |\n", kind.code, word(kind), kind.explanation);
    let head = "| code | severity | meaning |\n|---|---|---|\n".to_owned();
    let is_of_table = |kind: &&MessageKind| CATALOGUE.iter().any(|entry| entry.code == kind.code);
    head + &catalogue::kinds().iter().filter(|kind| !is_of_table(kind)).map(row).collect::<String>()
}

#[test]
fn every_danger_is_documented_as_check_tells_it() {
    let mut page = COMMANDS_PAGE.to_owned();
    let mut shown = vec![];
    for danger in [
        Danger::PullAlways { pinned: true },
        Danger::ClientSideApply { size: 300_000 },
        Danger::TooLarge { size: 1_600_000 },
    ] {
        assert!(COMMANDS_PAGE.contains(&danger.to_string()), "{danger}");
        shown.push(danger.kind().code);
    }
    let blocks = blocks(COMMANDS_PAGE);
    for (index, block) in blocks.iter().enumerate().filter(|(_, block)| block.language == "yaml") {
        if block.text.starts_with("tables:") {
            // A table file of `import ksvc`.
            let read = ksvc_router_cli::import::ksvc::read_tables(&Source::new("docs/command-line.md", &block.text));
            assert!(read.as_ref().is_ok_and(|(_, warnings)| warnings.is_empty()), "line {}: {read:?}", block.line);
            continue;
        }
        let expected = blocks.get(index + 1).filter(|next| next.language == "text" && next.follows);
        let (codes, messages) = messages_of(block);
        shown.extend(codes);
        page = match expected {
            Some(next) => page.replacen(&format!("```text\n{}```", next.text), &format!("```text\n{messages}```"), 1),
            None => {
                assert_eq!(messages, "", "docs/command-line.md:{}: no block has these messages", block.line);
                page
            }
        };
    }
    let table =
        page.split_once("| code | severity | meaning |").and_then(|(_, after)| after.split_once("\n\n")).unwrap().0;
    page = page.replacen(&format!("| code | severity | meaning |{table}\n"), &table_of_codes(), 1);
    assert_is_page(&page);
    let shown: BTreeSet<&str> = shown.into_iter().collect();
    let kinds: BTreeSet<&str> = Danger::KINDS.iter().map(|kind| kind.code).collect();
    assert_eq!(kinds.difference(&shown).collect::<Vec<_>>(), [&""; 0], "dangers without an example");
}

/// Every `console` block shows a command, run in the repository's folder, and its output.
#[test]
fn every_transcript_is_what_the_command_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut page = COMMANDS_PAGE.to_owned();
    let blocks = blocks(COMMANDS_PAGE).into_iter().filter(|block| block.language == "console");
    let mut shown = 0;
    for Block { line, text, .. } in blocks {
        let (command, _) = text.split_once('\n').unwrap();
        let words = command.strip_prefix("$ ksvc-router ").unwrap_or_else(|| panic!("{line}: {command}"));
        // Words in single quotes have spaces.
        let quoted = words.split('\'').enumerate();
        let words = quoted.flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
            _ => vec![part.to_owned()],
        });
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_ksvc-router"))
            .args(words)
            .current_dir(&root)
            .output()
            .unwrap();
        let out = String::from_utf8(run.stdout).unwrap();
        page = page.replacen(&format!("```console\n{text}```"), &format!("```console\n{command}\n{out}```"), 1);
        shown += 1;
    }
    assert!(shown >= 5, "{shown} transcripts");
    assert_is_page(&page);
}

/// The checks of `doctor` are listed, and the example of `status` is what it prints.
#[test]
fn doctor_and_status_are_documented_as_they_are() {
    let head = "| code | what is checked |\n|---|---|\n";
    let (before, after) = COMMANDS_PAGE.split_once(head).unwrap();
    let after = after.trim_start_matches('\n');
    let rest = after.lines().skip_while(|line| line.starts_with('|')).map(|line| format!("{line}\n"));
    let rows: String = CHECKS.iter().map(|(code, what)| format!("| `{code}` | {what} |\n")).collect();
    let rest: String = rest.collect();
    let mut page = format!("{before}{head}{rows}\n{}", rest.trim_start_matches('\n'));

    let loaded = from_named(&Source::new("wasm-plugin.yaml", include_str!("../../../wasm-plugin.yaml")));
    // The digest, which is still to be filled in, is no part of the hash.
    let expected = Expected { has_errors: false, ..Expected::new(&loaded.configurations[0]) };
    let served = format!("2 of 2 gateways serve {:012x}", expected.hash);
    assert!(RUNBOOK.contains(&served), "docs/runbook.md does not have: {served}");
    let row = |pod: &str, hash: u64, is_degraded: bool| {
        let gauges = BTreeMap::from([("default".to_owned(), Gauges { hash, is_degraded })]);
        status::Row::new(&format!("istio-system/istio-ingressgateway-{pod}"), &expected, Ok(&gauges))
    };
    let rows = [
        row("b5z2k", expected.hash, false),
        row("x2x7p", 0x9e0c_11d5_02ff, true),
        status::Row::new("istio-system/istio-ingressgateway-zq8l4", &expected, Ok(&BTreeMap::new())),
    ];
    let example = status::as_text(std::slice::from_ref(&expected), &rows);
    let start = page.find("```text\nGATEWAY ").unwrap() + "```text\n".len();
    let end = start + page[start..].find("```").unwrap();
    page.replace_range(start..end, &example);
    assert_is_page(&page);
}

/// Returns the table of what the platforms have, and that of what serves instead of what they lack.
fn platform_tables() -> String {
    let supports = |setting: Setting| Platform::ALL.map(|platform| platform.support(setting));
    let cell = |support: Support| match support {
        Support::Yes(key) => format!("`{key}`"),
        Support::No { .. } => "no".to_owned(),
    };
    let heads = Platform::ALL.map(|platform| format!("`{}`", platform.word())).join(" | ");
    let mut text = format!("| setting | {heads} |\n|---|{}\n", "---|".repeat(Platform::ALL.len()));
    for setting in Setting::ALL {
        let cells = supports(setting).map(cell).join(" | ");
        let _ = writeln!(text, "| {} | {cells} |", setting.about());
    }
    text.push_str("\n| missing in | setting | what serves instead |\n|---|---|---|\n");
    for platform in Platform::ALL {
        // Settings with the same words stand in one row.
        let mut rows: Vec<(Vec<&str>, &str)> = Vec::new();
        for setting in Setting::ALL {
            let Support::No { instead } = platform.support(setting) else { continue };
            match rows.iter_mut().find(|(_, text)| *text == instead) {
                Some((settings, _)) => settings.push(setting.about()),
                None => rows.push((vec![setting.about()], instead)),
            }
        }
        for (settings, instead) in rows {
            let _ = writeln!(text, "| `{}` | {} | {instead} |", platform.word(), settings.join(", "));
        }
    }
    text
}

/// The tables are made from the data from which `render` makes its messages.
#[test]
fn the_page_says_what_every_platform_has_and_lacks() {
    let mut page = COMMANDS_PAGE.to_owned();
    let start = page.find("| setting | `wasm-plugin` |").expect("the table of the platforms");
    let last = page[start..].find("| missing in |").expect("the table of what is missing") + start;
    let end = page[last..].find("\n\n").map_or(page.len(), |end| last + end + 1);
    page.replace_range(start..end, &platform_tables());
    assert_is_page(&page);
}

/// Asserts that docs/command-line.md is as it should be, or writes it.
fn assert_is_page(page: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/command-line.md"), page).unwrap();
        return;
    }
    let difference = COMMANDS_PAGE.lines().zip(page.lines()).find(|(found, expected)| found != expected);
    assert_eq!(difference, None, "docs/command-line.md: to update the page, run\n{UPDATE}");
    assert_eq!(COMMANDS_PAGE.len(), page.len(), "docs/command-line.md: to update the page, run\n{UPDATE}");
}

#[test]
fn every_command_is_documented() {
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_ksvc-router")).arg("help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.len() > 4, "{help}");
    for command in commands {
        let is_row =
            |line: &str| line.starts_with(&format!("| `{command} ")) || line.starts_with(&format!("| `{command}`"));
        assert!(COMMANDS_PAGE.lines().any(is_row), "{command} has no row");
    }
}

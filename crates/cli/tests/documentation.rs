//! `docs/configuration.md` holds: every block of it is run, and its tables say what the code says. And the tables
//! that README.md shows pass `check`. `docs/command-line.md` shows every danger as `check` tells it.
//!
//! Blocks are of these kinds, all others fail:
//! - `yaml` with `pluginConfig:` and `cases:`: the cases are run against the table beside them;
//! - `yaml` with `pluginConfig:` alone: it is checked;
//! - `json`: the octets that the filter gets; they are checked too;
//! - `text`, directly behind one of these: what `ksvc-router check` has to say of it, `severity: place: what;
//!   remedy` line by line. Without such a block there must be nothing to say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ksvc_router_cli::cases::{self, Case};
use ksvc_router_cli::check::check as check_files;
use ksvc_router_cli::configuration::Configuration;
use ksvc_router_cli::danger::{Danger, dangers};
use ksvc_router_cli::explanation::explain_with_response;
use ksvc_router_cli::load::from_named;
use ksvc_router_cli::message::{Message, as_text};
use ksvc_router_cli::source::Source;
use ksvc_routing::{Decision, Problem, RouteTable, compile, limits};
use serde_json::Value;

const PAGE: &str = include_str!("../../../docs/configuration.md");
const PAGE_NAME: &str = "docs/configuration.md";
const README: &str = include_str!("../../../README.md");

/// Where messages, metrics and log lines are defined: no value lists them all, and the plugin is for wasm alone.
const PROBLEMS: &str = include_str!("../../routing/src/problem.rs");
const LIMITS: &str = include_str!("../../routing/src/limits.rs");
const METRICS: &str = include_str!("../../../src/metrics.rs");
const PLUGIN: &str = include_str!("../../../src/plugin.rs");

#[derive(Debug, PartialEq)]
struct Block<'p> {
    language: &'p str,
    /// Of its first line of text; lines count from 1.
    line: usize,
    text: String,
    /// Nothing but blank lines stands between this block and the one before.
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

/// What a block is an example of, and what `check` has to say of it.
struct Example<'p> {
    block: &'p Block<'p>,
    messages: &'p str,
}

/// The examples of a page, or what is wrong with its blocks.
fn examples<'p>(blocks: &'p [Block<'p>]) -> Result<Vec<Example<'p>>, String> {
    let mut examples: Vec<Example> = Vec::new();
    let mut faults = String::new();
    for block in blocks {
        let is_answered = examples.last().is_none_or(|example| !example.messages.is_empty());
        let is_first = match block.language {
            "yaml" | "json" => true,
            "text" if block.follows && !is_answered && !block.text.is_empty() => false,
            language => {
                let place = format!("{PAGE_NAME}:{}", block.line);
                let _ = writeln!(faults, "{place}: a block of no known kind: `{language}`, follows: {}", block.follows);
                continue;
            }
        };
        if is_first {
            examples.push(Example { block, messages: "" });
        } else if let Some(example) = examples.last_mut() {
            example.messages = &block.text;
        }
    }
    if faults.is_empty() { Ok(examples) } else { Err(faults) }
}

impl Example<'_> {
    /// The block as a file in which every line has the number that it has in the page.
    fn source(&self, text: &str) -> std::sync::Arc<Source> {
        Source::new(PAGE_NAME, "\n".repeat(self.block.line - 1) + text)
    }

    fn has_cases(&self) -> bool {
        self.block.text.lines().any(|line| line.starts_with("cases:"))
    }

    /// Everything that is not as the page says.
    fn faults(&self) -> String {
        self.faults_of(&self.block.text)
    }

    fn faults_of(&self, text: &str) -> String {
        let mut faults = String::new();
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
                    let _ = writeln!(faults, "{PAGE_NAME}:{}: does not begin with `pluginConfig:`", self.block.line);
                }
                let (table, messages) = check(&self.source(text));
                (table, messages.iter().map(in_a_line).collect())
            }
        };
        if found != self.messages {
            let line = self.block.line;
            let expected = self.messages;
            let _ = writeln!(faults, "{PAGE_NAME}:{line}: `check` says\n{found}and not\n{expected}");
        }
        if self.has_cases() {
            match (table, cases::read(&self.source(text))) {
                (Some(table), Ok(cases)) => cases.iter().for_each(|case| faults += &mismatches(&table, case)),
                (_, Err(messages)) => messages.iter().for_each(|message| faults += &message.to_string()),
                (None, Ok(_)) => {}
            }
        }
        faults
    }

    fn problems(&self) -> Vec<Problem> {
        match self.block.language {
            "json" => compile(self.block.text.trim_end().as_bytes()).problems,
            _ => {
                let loaded = from_named(&self.source(&self.block.text));
                let compiled = |configuration: &Configuration| compile(&configuration.json()).problems;
                loaded.configurations.iter().flat_map(compiled).collect()
            }
        }
    }
}

/// The table of a file, and all that `check` says of it.
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

/// A message without file, line and column.
fn in_a_line(message: &Message) -> String {
    let severity = if message.is_error() { "error" } else { "warning" };
    match message.place.as_str() {
        "" => format!("{severity}: {}\n", message.text),
        place => format!("{severity}: {place}: {}\n", message.text),
    }
}

fn mismatches(table: &RouteTable, case: &Case) -> String {
    let explanation = explain_with_response(table, &case.request, &case.response);
    let mut faults = String::new();
    for mismatch in case.compare(&explanation.fields) {
        let _ = writeln!(faults, "{PAGE_NAME}:{}: {}: {mismatch}", mismatch.at.start.line, case.name);
    }
    faults
}

fn page_examples<'p>(blocks: &'p [Block<'p>]) -> Vec<Example<'p>> {
    examples(blocks).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn every_block_does_what_the_page_says() {
    let blocks = blocks(PAGE);
    let faults: String = page_examples(&blocks).iter().map(Example::faults).collect();
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn tables_of_the_readme_pass_check() {
    let holds = |text: &str| text.lines().filter(|line| line.trim_start().starts_with("pluginConfig:")).count();
    let tables: Vec<Block> =
        blocks(README).into_iter().filter(|block| block.language == "yaml" && holds(&block.text) > 0).collect();
    let shown: usize = tables.iter().map(|block| holds(&block.text)).sum();
    assert_eq!(shown, holds(README), "a table stands in no block, or in one of no `yaml`");
    for Block { line, text, .. } in &tables {
        let (_, messages) = check(&Source::new("README.md", "\n".repeat(line - 1) + text));
        assert!(messages.is_empty(), "{}", as_text(&messages));
    }
}

#[test]
fn a_block_of_no_known_kind_is_told_with_its_line() {
    for (page, line) in [
        ("# A\n\n```\nx\n```\n", ":4:"),
        ("```sh\nx\n```\n", ":2:"),
        ("```text\nerror: x\n```\n", ":2:"),
        ("```yaml\npluginConfig:\n```\n```text\n```\n", ":5:"),
        ("```yaml\npluginConfig:\n```\nmore\n```text\nerror: x\n```\n", ":6:"),
        ("```yaml\npluginConfig:\n```\n```text\nerror: x\n```\n```text\nerror: y\n```\n", ":8:"),
    ] {
        let blocks = blocks(page);
        let faults = examples(&blocks).err().unwrap_or_else(|| panic!("{page}"));
        assert!(faults.contains(line), "{page}{faults}");
    }
}

#[test]
fn an_example_that_does_not_hold_is_told() {
    let table = "pluginConfig:\n  hosts: [a.example.com]\n  routes: [{match: GET /a, host: b.example.com}]\n";
    let case = "cases:\n  - {name: a case, request: {method: GET, url: a.example.com/a}, expect: {authority: OTHER}}\n";
    for (text, messages, line) in [
        (table.to_owned() + &case.replace("OTHER", "c.example.com"), "", ":5:"),
        (table.replace("GET", "GET|GET"), "", ":1:"),
        (table.to_owned(), "error: x\n", ":1:"),
        (table.replace("pluginConfig", "spec"), "", ":1:"),
    ] {
        let block = Block { language: "yaml", line: 1, text, follows: false };
        let faults = Example { block: &block, messages }.faults();
        assert!(faults.contains(line), "{}{faults}", block.text);
    }
    let block = Block { language: "yaml", line: 1, text: table.to_owned() + case, follows: false };
    let good = block.text.replace("OTHER", "b.example.com");
    assert_eq!(Example { block: &block, messages: "" }.faults_of(&good), "");
}

// ---- the tables of keys

/// A row of a table of keys: `| key | type | default | meaning |`.
struct Row<'p> {
    line: usize,
    kind: &'p str,
    default: &'p str,
}

/// The table of keys whose header begins with a text, by key.
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

/// The tables of keys, and where the schema defines what they are about.
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

/// Each default of the table, written out, changes the outcome of no example.
#[test]
fn a_default_written_out_changes_nothing() {
    let blocks = blocks(PAGE);
    let examples = page_examples(&blocks);
    let schema = ksvc_routing::config::schema();
    let mut tried = 0;
    let mut faults = String::new();
    for (key, Row { default, .. }) in rows(KEY_TABLES[0].0) {
        let Some(value) = default.strip_prefix('`').and_then(|default| default.strip_suffix('`')) else { continue };
        let value = match &schema["properties"][key]["type"] {
            Value::String(kind) if kind == "boolean" => value.to_owned(),
            _ => Value::from(value).to_string(),
        };
        tried += 1;
        for example in examples.iter().filter(|example| example.has_cases()) {
            let text = &example.block.text;
            if text.lines().any(|line| line.starts_with(&format!("  {key}:"))) {
                continue;
            }
            let written = format!("pluginConfig:\n  {key}: {value}");
            let found = example.faults_of(&text.replacen("pluginConfig:", &written, 1));
            if !found.is_empty() {
                let _ = writeln!(faults, "with `{key}: {value}`:\n{found}");
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
    assert_eq!(tried, 9, "defaults that were tried");
}

// ---- lists that have to be complete

/// The names of an enum's variants, from its source.
fn variants(source: &'static str, head: &str) -> BTreeSet<&'static str> {
    let body = source.split_once(head).and_then(|(_, body)| body.split_once("\n}")).unwrap().0;
    body.lines()
        .map(|line| line.trim().trim_end_matches(|c: char| !c.is_alphanumeric()))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(|line| line.split([' ', '{', '(']).next().unwrap_or(line))
        .collect()
}

#[test]
fn every_kind_of_message_has_an_example() {
    let blocks = blocks(PAGE);
    let problems: Vec<Problem> = page_examples(&blocks).iter().flat_map(Example::problems).collect();
    let shown: BTreeSet<String> = problems.iter().map(|problem| format!("{:?}", problem.kind)).collect();
    let is_shown = |kind: &&str| {
        shown.iter().any(|what| what.strip_prefix(kind).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric)))
    };
    let kinds = variants(PROBLEMS, "pub enum ProblemKind {");
    assert!(kinds.len() > 50, "{kinds:?}");
    let missing: Vec<&str> = kinds.into_iter().filter(|kind| !is_shown(kind)).collect();
    let limits = ["TooLarge", "TooLong", "TooMany", "TooManyConditional", "TooManySegments", "TooManyValues"];
    assert_eq!(missing, limits, "kinds that no example shows");
}

/// Examples would be long; `crates/routing/tests/limits.rs` has them.
#[test]
fn messages_about_limits_are_documented() {
    let route = |text: &str, rest: &str| format!(r#"{{"match":"GET {text}","host":"c.d"{rest}}}"#);
    let table = |hosts: &str, routes: &str| format!(r#"{{"hosts":[{hosts}],"routes":[{routes}]}}"#);
    let one = r#""a.b""#;
    let when = |n| route("/a", &format!(r#","when":{{"headers":{{"x":"{n}"}}}}"#));
    for document in [
        " ".repeat(limits::DOCUMENT + 1),
        format!("[{}0]", "0,".repeat(limits::VALUES)),
        table(&vec![one; limits::HOSTS + 1].join(","), ""),
        table(one, &route(&"/".repeat(limits::TEXT + 1 - "GET ".len()), "")),
        table(one, &route(&"/a".repeat(limits::SEGMENTS + 1), "")),
        table(one, &(0..=limits::CONDITIONAL).map(when).collect::<Vec<_>>().join(",")),
    ] {
        let problems = compile(document.as_bytes()).problems;
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert!(PAGE.contains(&format!("- \"{}\"", problem.kind)), "{problem}");
    }
}

/// A row for each constant: its comment up to the colon, its value, and the rest of its comment.
#[test]
fn every_limit_is_documented_with_its_value_and_reason() {
    let expected = LIMITS.split("\n\n").filter_map(|item| {
        let (about, constant) = item.split_once("\npub const ")?;
        let about = about.lines().map(|line| line.trim_start_matches("/// ")).collect::<Vec<_>>().join(" ");
        let (what, why) = about.strip_suffix('.')?.split_once(": ")?;
        let value = constant.trim_end().strip_suffix(';')?.split_once(" = ")?.1;
        let value: u64 = value.split(" * ").map(|factor| factor.replace('_', "").parse::<u64>().unwrap()).product();
        Some(format!("| {what} | {} | {why} |", thousands(value)))
    });
    let expected: Vec<String> = expected.collect();
    assert_eq!(expected.len(), LIMITS.matches("\npub const ").count());
    let found = PAGE.lines().skip_while(|line| *line != "| what | at most | why |").skip(2);
    let found: Vec<&str> = found.take_while(|line| line.starts_with('|')).collect();
    assert_eq!(found, expected);
}

/// `16,777,216`.
fn thousands(value: u64) -> String {
    match (value / 1000, value % 1000) {
        (0, rest) => rest.to_string(),
        (more, rest) => format!("{},{rest:03}", thousands(more)),
    }
}

fn has_row(cells: &[&str]) -> bool {
    PAGE.lines().any(|line| cells.iter().all(|cell| line.contains(cell)))
}

/// Every answer that an example gets stands in the table of answers, as it is given.
#[test]
fn answers_of_the_filter_are_documented() {
    let blocks = blocks(PAGE);
    let mut outcomes = BTreeSet::new();
    for example in page_examples(&blocks).iter().filter(|example| example.has_cases()) {
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
                // What makes a path unsafe has a table of its own.
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
    let names: Vec<&str> = METRICS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("(Counter::"))
        .filter_map(|line| line.split('"').nth(1))
        .chain(["routes", "config_degraded"])
        .collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        assert!(PAGE.contains(&format!("| `{name}` |")), "the metric `{name}` has no row");
    }
}

#[test]
fn every_log_line_about_a_configuration_is_documented() {
    let quoted = PLUGIN.split('"').skip(1).step_by(2);
    let lines: Vec<&str> = quoted.filter(|text| text.starts_with("configuration ")).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in lines {
        assert!(PAGE.contains(&format!("| `{line}: SUMMARY` |")), "the log line `{line}` has no row");
    }
}

/// As GitHub makes them.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[test]
fn links_within_the_page_lead_somewhere_and_the_contents_are_whole() {
    let mut in_block = false;
    let text: Vec<&str> = PAGE
        .lines()
        .filter(|line| {
            let fence = line.starts_with("```");
            in_block ^= fence;
            !in_block && !fence
        })
        .collect();
    let headings: Vec<&str> = text.iter().filter(|line| line.starts_with("##")).copied().collect();
    let anchors: BTreeSet<String> = headings.iter().map(|line| anchor(line.trim_start_matches(['#', ' ']))).collect();
    assert_eq!(anchors.len(), headings.len(), "two headings have the same name");
    let links: BTreeSet<&str> =
        text.iter().flat_map(|line| line.split("](#").skip(1)).filter_map(|rest| rest.split(')').next()).collect();
    for link in &links {
        assert!(anchors.contains(*link), "#{link} leads nowhere");
    }
    let contents: Vec<&&str> = text.iter().skip_while(|line| **line != "## Contents").skip(1).collect();
    let contents: String =
        contents.iter().take_while(|line| !line.starts_with("##")).map(|line| format!("{line}\n")).collect();
    for heading in headings.iter().filter(|line| **line != "## Contents") {
        let link = format!("](#{})", anchor(heading.trim_start_matches(['#', ' '])));
        assert!(contents.contains(&link), "the contents lack {heading}");
    }
}

// ---- docs/command-line.md

const COMMANDS_PAGE: &str = include_str!("../../../docs/command-line.md");
const DANGERS: &str = include_str!("../src/danger.rs");

/// The dangers of a block of manifests, and what `check` says of it.
fn dangers_of(block: &Block) -> (Vec<Danger>, String) {
    let file = from_named(&Source::new("docs/command-line.md", "\n".repeat(block.line - 1) + &block.text));
    let configurations: Vec<&Configuration> = file.configurations.iter().collect();
    let found = dangers(&configurations, &file.gateways).into_iter().map(|(danger, _)| danger).collect();
    let messages = check_files(&[file]);
    (found, messages.iter().flatten().map(in_a_line).collect())
}

#[test]
fn every_danger_is_documented_as_check_tells_it() {
    let blocks = blocks(COMMANDS_PAGE);
    let mut shown = vec![
        Danger::PullAlways { pinned: true },
        Danger::ClientSideApply { size: 300_000 },
        Danger::TooLarge { size: 1_600_000 },
    ];
    for danger in &shown {
        assert!(COMMANDS_PAGE.contains(&danger.to_string()), "{danger}");
    }
    for (index, block) in blocks.iter().enumerate().filter(|(_, block)| block.language == "yaml") {
        let expected = blocks.get(index + 1).filter(|next| next.language == "text" && next.follows);
        let (found, messages) = dangers_of(block);
        assert_eq!(messages, expected.map_or("", |next| &next.text), "docs/command-line.md:{}", block.line);
        shown.extend(found);
    }
    let kinds = variants(DANGERS, "pub enum Danger {");
    assert!(kinds.len() > 15, "{kinds:?}");
    let shown: BTreeSet<String> = shown.iter().map(|danger| format!("{danger:?}")).collect();
    let is_shown = |kind: &&&str| shown.iter().any(|danger| danger.split([' ', '{']).next() == Some(**kind));
    let missing: Vec<&&str> = kinds.iter().filter(|kind| !is_shown(kind)).collect();
    assert_eq!(missing, [&""; 0], "dangers without an example");
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

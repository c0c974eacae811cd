//! Tests that `docs/messages.md` shows the catalogue of problems, and that each example in the catalogue has its problem.
//!
//! The part of the page between two comments is made from the catalogue. After a change there, write it again:
//! `UPDATE_DOCS=1 cargo test -p ksvc-router-cli --test messages`.

mod common;

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use common::in_a_line;
use ksvc_router_cli::load::from_named;
use ksvc_router_cli::source::Source;
use ksvc_routing::{CATALOGUE, CatalogueEntry, Example, Problem, Severity, compile};

const UPDATE: &str = "UPDATE_DOCS=1 cargo test -p ksvc-router-cli --test messages";
/// The first line of the part that is made from the catalogue, and the first line after it.
const BEGIN: &str = "<!-- Made from crates/routing/src/problem/catalogue.rs. To update it, run\n     ";
const END: &str = "<!-- The rest is written by hand. -->\n";
/// The sections that are written by hand.
const OTHER_SECTIONS: [&str; 1] = ["Messages about YAML"];

/// Removes the indentation that all lines of an example have, and the empty lines around it.
fn without_indentation(example: &str) -> String {
    let lines = || example.lines().filter(|line| !line.trim().is_empty());
    let indentation = lines().map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    lines().map(|line| format!("{}\n", &line[indentation..])).collect()
}

/// Returns a file with the example as its `pluginConfig`.
fn plugin_config(example: &str) -> String {
    let lines = without_indentation(example);
    let indented: String = lines.lines().map(|line| format!("  {line}\n")).collect();
    format!("pluginConfig:\n{indented}")
}

/// Returns the problems of an example, and what `check` prints about them, one message a line.
fn check(example: &Example) -> (Vec<Problem>, String) {
    match example {
        Example::PluginConfig(text) => {
            let loaded = from_named(&Source::new("example.yaml", plugin_config(text)));
            assert!(loaded.messages.is_empty(), "{text}\n{:?}", loaded.messages);
            let [configuration] = &loaded.configurations[..] else { panic!("{text}") };
            let (compiled, messages) = configuration.compile();
            (compiled.problems, messages.iter().map(in_a_line).collect())
        }
        Example::Document(text) => {
            let problems = compile(text.as_bytes()).problems;
            let lines = problems.iter().map(|problem| format!("{}: {problem}\n", word(problem.severity())));
            let lines = lines.collect();
            (problems, lines)
        }
        Example::Message(_) => (Vec::new(), String::new()),
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// Breaks a paragraph into lines of at most 120 characters.
fn wrapped(paragraph: &str) -> String {
    let mut text = String::new();
    let mut width = 0;
    for word in paragraph.split(' ') {
        let length = word.chars().count();
        if width == 0 || width + 1 + length > 120 {
            text.push_str(if width == 0 { "" } else { "\n" });
            width = length;
        } else {
            text.push(' ');
            width += 1 + length;
        }
        text.push_str(word);
    }
    text
}

/// Returns the section of one kind of problem.
fn section(entry: &CatalogueEntry) -> String {
    let CatalogueEntry { code, severity, explanation, example, .. } = entry;
    let title = if *severity == Severity::Error { "Error" } else { "Warning" };
    let mut section = format!("### {code}\n\n{}\n\n", wrapped(&format!("**{title}.** {explanation}")));
    let (_, messages) = check(example);
    let (language, text) = match example {
        Example::PluginConfig(text) => ("yaml", plugin_config(text)),
        Example::Document(text) => ("json", format!("{text}\n")),
        Example::Message(message) => {
            let about = "An example would be too long for this page. One of the messages about these \
                         [limits](configuration.md#limits) is:";
            let _ = writeln!(section, "{}\n\n> {}: {}", wrapped(about), word(*severity), message());
            return section;
        }
    };
    let _ = writeln!(section, "```{language}\n{text}```\n\n```text\n{messages}```");
    section
}

/// Returns the part of the page that is made from the catalogue: the contents, and a section for each kind of problem.
fn generated() -> String {
    let mut contents = "## Contents\n\n".to_owned();
    let mut sections = String::new();
    for entries in CATALOGUE.chunk_by(|a, b| a.group == b.group) {
        let title = format!("Messages about {}", entries.first().map_or("", |entry| entry.group));
        let _ = writeln!(contents, "- [{title}](#{})", anchor(&title));
        let _ = writeln!(sections, "\n## {title}");
        for entry in entries {
            let _ = writeln!(contents, "  - [{0}](#{0})", entry.code);
            let _ = write!(sections, "\n{}", section(entry));
        }
    }
    for title in OTHER_SECTIONS {
        let _ = writeln!(contents, "- [{title}](#{})", anchor(title));
    }
    contents + &sections
}

/// Returns the anchor that GitHub gives a heading of words.
fn anchor(title: &str) -> String {
    title.to_lowercase().replace(' ', "-").replace('\'', "")
}

#[test]
fn page_shows_the_catalogue() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/messages.md");
    let committed = fs::read_to_string(&path).unwrap();
    let before = committed.split_once(BEGIN).map(|(before, _)| before).unwrap();
    let after = committed.split_once(END).map(|(_, after)| after).unwrap();
    let expected = format!("{before}{BEGIN}{UPDATE} -->\n\n{}\n{END}{after}", generated());
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
        return;
    }
    let difference =
        committed.lines().zip(expected.lines()).enumerate().find(|(_, (found, expected))| found != expected);
    if let Some((index, (found, expected))) = difference {
        panic!(
            "docs/messages.md:{}: found\n{found}\nand not\n{expected}\nTo update the page, run\n{UPDATE}",
            index + 1
        );
    }
    assert_eq!(committed.len(), expected.len(), "docs/messages.md: to update the page, run\n{UPDATE}");
}

#[test]
fn every_example_has_its_problem_and_no_other() {
    for CatalogueEntry { code, severity, example, .. } in CATALOGUE {
        let (problems, messages) = check(example);
        for problem in &problems {
            assert_eq!((problem.kind.code(), problem.severity()), (*code, *severity), "{messages}");
        }
        let expected = if matches!(example, Example::Message(_)) { 0..=0 } else { 1..=2 };
        assert!(expected.contains(&problems.len()), "{code} is shown {} times\n{messages}", problems.len());
    }
}

/// `crates/routing/tests/limits.rs` has documents beyond the limits.
#[test]
fn only_problems_about_limits_have_no_example() {
    let has_none = |entry: &&CatalogueEntry| matches!(entry.example, Example::Message(_));
    let without: Vec<&str> = CATALOGUE.iter().filter(has_none).map(|entry| entry.name).collect();
    assert_eq!(
        without,
        ["TooLarge", "TooManyValues", "TooMany", "TooLong", "TooManyMixed", "TooManySegments", "TooManyConditional"]
    );
}

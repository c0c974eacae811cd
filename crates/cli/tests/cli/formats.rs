//! `check --allow`, `--deny` and `--format`: stable codes, and messages for other programs.

use std::collections::HashSet;

use ksvc_router_cli::catalogue;
use ksvc_router_cli::formats::{as_github, as_sarif};
use ksvc_router_cli::kind::INVALID_CASE;
use ksvc_router_cli::message::Message;
use ksvc_router_cli::source::Source;
use ksvc_router_cli::source::position::{Position, Span};
use serde_json::{Value, json};

use crate::support::Folder;

/// A table with one error and one warning.
const TABLE: &str = "hosts: [API.example.com]\nroutes: []\nonNoMatch: maybe\n";
/// A table with one warning.
const WARNING: &str = "hosts: [API.example.com]\nroutes: []\n";

fn run(table: &str, args: &[&str]) -> crate::support::Run {
    Folder::new(&[("f.yaml", table)]).run(&[&["check", "f.yaml"], args].concat())
}

#[test]
fn codes_are_unique_and_words_with_hyphens() {
    let mut seen = HashSet::new();
    for kind in catalogue::kinds() {
        assert!(seen.insert(kind.code), "{} is there twice", kind.code);
        assert!(
            kind.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
            "{}",
            kind.code
        );
        assert!(kind.explanation.ends_with('.') && !kind.explanation.contains('\n'), "{}", kind.explanation);
    }
}

#[test]
fn every_message_ends_with_a_known_code() {
    let known: Vec<String> = catalogue::kinds().iter().map(|kind| format!(" [{}]", kind.code)).collect();
    let plugin = "kind: WasmPlugin\nspec: {pluginName: ksvc-router, url: x:latest, pluginConfig: {on: 1}}\n";
    for table in [TABLE, WARNING, "hosts: [\n", "a: 1\n", plugin] {
        let out = run(table, &[]).out;
        let messages: Vec<&str> =
            out.lines().filter(|line| line.starts_with("f.yaml:") && line.ends_with(']')).collect();
        assert!(!messages.is_empty(), "{out}");
        for message in out.lines().filter(|line| line.contains(": error: ") || line.contains(": warning: ")) {
            assert!(known.iter().any(|code| message.ends_with(code)), "{message}");
        }
    }
}

#[test]
fn a_warning_can_be_allowed_or_made_an_error() {
    assert_eq!(run(WARNING, &[]).code, 0);
    let allowed = run(WARNING, &["--allow", "upper-case-host"]);
    assert_eq!((allowed.code, &*allowed.out), (0, "f.yaml: 0 routes, 0 errors, 0 warnings\n"));
    for deny in ["upper-case-host", "warnings"] {
        let denied = run(WARNING, &["--deny", deny]);
        assert_eq!(denied.code, 1);
        assert!(denied.out.starts_with("f.yaml:1:9: error: hosts[0]: "), "{}", denied.out);
        assert!(denied.out.ends_with("1 error, 0 warnings\n"), "{}", denied.out);
    }
    assert_eq!(run(WARNING, &["--deny", "no-tag"]).code, 0);
    // An allowed code stays silent among denied warnings.
    assert_eq!(run(WARNING, &["--deny", "warnings", "--allow", "upper-case-host"]).code, 0);
}

#[test]
fn wrong_codes_exit_with_2_and_say_what_to_write() {
    for (args, words) in [
        (&["--allow", "upper-case-hosts"][..], "did you mean `upper-case-host`?"),
        (&["--deny", "warning"], "did you mean `warnings`?"),
        (&["--deny", "xyzzy"], "the word in brackets"),
        (&["--allow", "invalid-choice"], "only warnings can be allowed"),
        (&["--allow", "warnings"], "only single codes can be allowed"),
        (&["--allow", "no-tag", "--deny", "no-tag"], "`no-tag` is allowed and denied"),
    ] {
        let run = run(TABLE, args);
        assert_eq!((run.code, &*run.out), (2, ""), "{args:?}");
        assert!(run.err.contains(words), "{args:?}: {}", run.err);
    }
}

#[test]
fn github_shows_messages_as_workflow_commands() {
    let run = run(TABLE, &["--format", "github"]);
    assert_eq!(run.code, 1);
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(
        lines[0].starts_with(
            "::warning file=f.yaml,line=1,col=9,endLine=1,endColumn=23,title=upper-case-host::hosts[0]: hosts are "
        ),
        "{}",
        lines[0]
    );
    assert!(lines[1].starts_with("::error file=f.yaml,line=3,col=12,"), "{}", lines[1]);
    assert!(lines[1].ends_with(" [invalid-choice]"), "{}", lines[1]);
}

fn message(file: &str, text: &str) -> Message {
    Message::new(INVALID_CASE, &Source::new(file, ""), Span::point(Position::START), text)
}

#[test]
fn github_commands_are_escaped() {
    assert_eq!(
        as_github(&[message("a,b:c%.yaml", "100 %\r\n::error::x, y: z")]),
        "::error file=a%2Cb%3Ac%25.yaml,line=1,col=1,title=invalid-case::100 %25\\r\\n::error::x, y: z [invalid-case]\n"
    );
}

/// Asserts what SARIF 2.1.0 requires of a log, and what code scanning needs to show it.
#[track_caller]
fn assert_is_sarif(log: &Value) {
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "ksvc-router");
    let rules = driver["rules"].as_array().unwrap();
    for rule in rules {
        assert!(rule["id"].is_string() && rule["shortDescription"]["text"].is_string(), "{rule}");
        assert!(rule["help"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{rule}");
    }
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()), "{result}");
        assert!(result["message"]["text"].is_string());
        let location = &result["locations"][0]["physicalLocation"];
        assert!(location["artifactLocation"]["uri"].is_string());
        let region = &location["region"];
        let number = |key: &str| region[key].as_u64();
        assert!(number("startLine").unwrap() >= 1 && number("startColumn").unwrap() >= 1);
        if let (Some(line), Some(column)) = (number("endLine"), number("endColumn")) {
            assert!((line, column) >= (number("startLine").unwrap(), number("startColumn").unwrap()));
        }
    }
}

#[test]
fn sarif_has_rules_results_and_regions() {
    let run = run(TABLE, &["--format", "sarif"]);
    assert_eq!(run.code, 1);
    let log = run.json();
    assert_is_sarif(&log);
    let results = log["runs"][0]["results"].as_array().unwrap();
    let codes: Vec<&str> = results.iter().map(|result| result["ruleId"].as_str().unwrap()).collect();
    assert_eq!(codes, ["upper-case-host", "invalid-choice"]);
    assert_eq!(
        results[1]["locations"],
        json!([{"physicalLocation": {
            "artifactLocation": {"uri": "f.yaml"},
            "region": {"startLine": 3, "startColumn": 12, "endLine": 3, "endColumn": 17},
        }}])
    );
    let good = Folder::new(&[("f.yaml", "hosts: [a.b]\nroutes: []\n")]).run(&["check", "f.yaml", "--format", "sarif"]);
    assert_eq!((good.code, &good.json()["runs"][0]["results"]), (0, &json!([])));
}

#[test]
fn sarif_names_files_by_relative_uris() {
    for (file, uri) in
        [("./a b/ü.yaml", "a%20b/%C3%BC.yaml"), ("/x/y.yaml", "file:///x/y.yaml"), ("<stdin>", "%3Cstdin%3E")]
    {
        let log = as_sarif(&[message(file, "x")]);
        assert_is_sarif(&log);
        let location = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(location["artifactLocation"]["uri"], uri);
    }
    let folder = Folder::new(&[("m/f.yaml", WARNING)]);
    let absolute = folder.path("m/f.yaml");
    let log = folder.run(&["check", &absolute, "--format", "sarif"]).json();
    let location = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(location["artifactLocation"]["uri"], "m/f.yaml");
}

#[test]
fn other_commands_print_text_or_json() {
    let folder = Folder::new(&[("f.yaml", WARNING)]);
    for (args, expected) in [
        (&["routes", "f.yaml", "--format", "sarif"][..], "does not print `sarif`; write one of `text`, `json`\n"),
        (&["diff", "f.yaml", "f.yaml", "--format", "sarif"], "write one of `text`, `json`, `github`, `markdown`\n"),
        (&["check", "f.yaml", "--format", "junit"], "write one of `text`, `json`, `github`, `sarif`\n"),
        (&["up", "f.yaml", "--format", "json"], "prints `text` alone; leave the option out\n"),
    ] {
        let run = folder.run(args);
        assert_eq!((run.code, &*run.out), (2, ""), "{args:?}");
        assert!(run.err.ends_with(expected), "{args:?}: {}", run.err);
    }
}

#[test]
fn failed_cases_are_shown_by_github_too() {
    let case = "cases:\n- name: ping\n  request: {method: GET, url: a.b/}\n  expect: {status: 200}\n";
    let folder = Folder::new(&[("f.yaml", "hosts: [a.b]\nroutes: []\n"), ("c.yaml", case)]);
    let run = folder.run(&["test", "f.yaml", "c.yaml", "--format", "github"]);
    assert_eq!(
        (run.code, &*run.out),
        (1, "::error file=c.yaml,line=2,col=3,title=failed-case::ping: status: expected 200, got 404 [failed-case]\n")
    );
}

/// Formats that are for results alone have no place for messages.
#[test]
fn errors_of_the_input_are_text_where_the_format_is_for_results() {
    let cases = "cases: [{name: a, request: {method: GET, url: a.b/}, expect: {status: 404}}]\n";
    let folder = Folder::new(&[("good.yaml", WARNING), ("bad.yaml", "routes: [\n"), ("cases.yaml", cases)]);
    for args in [
        &["diff", "good.yaml", "bad.yaml", "--format", "markdown"][..],
        &["test", "bad.yaml", "cases.yaml", "--format", "junit"],
        &["test", "good.yaml", "bad.yaml", "--format", "junit"],
    ] {
        let run = folder.run(args);
        assert_eq!((run.code, &*run.out), (1, ""), "{args:?}");
        assert!(run.err.starts_with("bad.yaml:"), "{args:?}: {}", run.err);
    }
    let run = folder.run(&["diff", "good.yaml", "bad.yaml", "--format", "json"]);
    assert_eq!((run.code, &run.json()["messages"][0]["file"]), (1, &json!("bad.yaml")), "{}", run.out);
    let run = folder.run(&["diff", "bad.yaml", "good.yaml", "--format", "github"]);
    assert_eq!(run.code, 0);
    assert!(run.err.starts_with("::error file=bad.yaml,line="), "{}", run.err);
}

#[test]
fn what_import_prints_as_json_is_named() {
    for text in [r#"{"messages": [], "table": {"hosts": ["a.b"]}}"#, r#"{"messages": [], "tables": []}"#] {
        let folder = Folder::new(&[("f.json", text)]);
        for args in [&["check", "f.json"][..], &["render", "f.json", "--as", "higress"], &["routes", "f.json"]] {
            let run = folder.run(args);
            assert_eq!(run.code, 1);
            assert!((run.out + &run.err).contains("leave out `--format json`"), "{args:?}");
        }
    }
}

/// A full disk would otherwise leave a part of a document behind a success.
#[cfg(target_os = "linux")]
#[test]
fn output_that_can_not_be_written_is_an_error() {
    let folder = Folder::new(&[("f.yaml", WARNING)]);
    for args in [&["routes", "f.yaml", "--format", "json"][..], &["schema"], &["check", "f.yaml", "--format", "json"]] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_ksvc-router"))
            .args(args)
            .current_dir(folder.path("."))
            .stdout(full)
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(
            error.ends_with("error: the output could not be written completely: No space left on device\n"),
            "{error}"
        );
    }
}

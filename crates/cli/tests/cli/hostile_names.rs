//! Names and texts of users stay inside lines that begin with words of this program, whatever characters they have: a line
//! of a log that begins with `::` is a command for GitHub's runner.
#![cfg(unix)]

use std::fmt::Write as _;

use fastrand::Rng;
use serde_json::json;

use crate::support::Folder;

/// Parts of names from which the test makes names.
const PARTS: &[&str] = &[
    "a",
    "GET /a",
    "é🎉",
    " ",
    ":",
    "::",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "\u{1b}[2K",
    "\u{7f}",
    "\u{85}",
    "\u{9b}1A",
    "\u{2028}",
    "\u{2029}",
    "\u{202e}",
    "\u{2066}",
    "\n::error file=README.md,line=1,title=a::forged",
    "::warning::forged",
    "##",
];

fn name(random: &mut Rng) -> String {
    let parts = random.usize(1..5);
    (0..parts).map(|_| PARTS[random.usize(..PARTS.len())]).collect()
}

/// A table and cases with a name at every place that takes one, as JSON, which can have every character.
fn files(random: &mut Rng) -> [String; 3] {
    let route = |name: &str, match_: &str, host: &str| json!({"name": name, "match": match_, "host": host});
    let mut table = |host: &str| {
        json!({
            "name": name(random),
            "hosts": ["a.example.com"],
            "routes": [
                route(&name(random), "GET /a/{b}", host),
                {"match": "GET /r", "respond": {"status": 200, "body": name(random), "contentType": "text/plain"}},
                {"match": "GET /h", "host": host, "when": {"query": {"q": name(random)}}},
                {"match": "GET /c", "host": host, "requestHeaders": {"set": {"x-a": name(random)}}},
                // These have errors.
                route(&name(random), &name(random), host),
                {"match": "GET /z", "service": name(random), "namespace": name(random)},
                {name(random): 1, "match": "GET /y", "host": name(random)},
            ],
        })
        .to_string()
    };
    let (old, new) = (table("b.example.com"), table("c.example.com"));
    let cases = json!({
        "cases": [
            {
                "name": name(random),
                "request": {"method": "GET", "url": "https://a.example.com/a/b"},
                "expect": {"authority": name(random), "path": name(random)},
            },
            {"name": name(random), "request": {"method": "GET", "url": "https://a.example.com/r"}, "expect": {"status": 1}},
        ],
    });
    [old, new, cases.to_string()]
}

/// Returns whether a line is a message about a file in the form of GitHub, of which the properties are escaped.
fn is_message(line: &str) -> bool {
    let (command, rest) = line[2..].split_once(' ').unwrap_or_default();
    let is_known = matches!(command, "error" | "warning" | "notice");
    // In `README.md`, no table is.
    is_known && rest.starts_with("file=") && !rest.starts_with("file=README.md")
}

#[test]
fn no_name_begins_a_line_or_changes_what_a_terminal_shows() {
    let mut random = Rng::with_seed(19);
    let mut printed = String::new();
    for round in 0..12 {
        let [old, new, cases] = files(&mut random);
        let file = |name: String| name.replace('/', "_") + ".json";
        let (old_name, new_name) =
            (format!("{}/{}", name(&mut random).replace('/', "_"), file(name(&mut random))), "new.json");
        let cases_name = file(format!("c{}", name(&mut random)));
        let good = json!({"hosts": ["a.example.com"], "routes": [{"match": "GET /a/{b}", "host": "d.example.com"}]});
        let good = good.to_string();
        let new = if round % 2 == 0 { &new } else { &good };
        let folder = Folder::new(&[(&*old_name, &*old), (new_name, new), (&*cases_name, &*cases)]);
        let url = format!("https://a.example.com/{}", name(&mut random));
        for args in [
            &["check", &*old_name, "."][..],
            &["check", "--format", "github", "--", &*old_name, new_name],
            &["check", "--format", "github", "--", "."],
            &["test", "--", &*old_name, &*cases_name],
            &["test", "--format", "github", "--", &*old_name, &*cases_name],
            &["test", "--format", "junit", "--", &*old_name, &*cases_name],
            &["test", "--format", "github", "--", &*cases_name, &*old_name],
            &["routes", "--", &*old_name, new_name],
            &["explain", "--", &*old_name, "GET", "https://a.example.com/a/b"],
            &["explain", "--", &*old_name, "GET", &*url],
            &["diff", "--", &*old_name, new_name],
            &["diff", "--format", "github", "--", &*old_name, new_name],
            &["diff", "--format", "markdown", "--", &*old_name, new_name],
            &["check", "--", &*format!("no{url}")],
            &["check", &*format!("--allow={url}"), "a"],
            &["check", &*format!("--{url}"), "a"],
            &[&*url],
        ] {
            let run = folder.run(args);
            for text in [&run.out, &run.err] {
                for line in text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
                    let is_command = line.trim_start().starts_with("::");
                    assert!(!is_command || is_message(line), "{args:?}: {line:?}\n{text}");
                }
                let raw = text.chars().find(|c| {
                    (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}')
                });
                // The name of the file of a message is as it is, so that the runner finds the file.
                assert!(raw.is_none() || args.contains(&"github"), "{args:?}: {raw:?}\n{text}");
                // Writing to a string can't fail.
                let _ = write!(printed, "{text}");
            }
        }
    }
    for expected in [": error: ", "failed: ", "not covered: ", "forged", "::error file=", "considered", "request  GET"]
    {
        assert!(printed.contains(expected), "{expected} was not printed");
    }
}

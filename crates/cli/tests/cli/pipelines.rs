//! The hooks for pre-commit, and the commands of the GitHub Action, in a git repository with a change of a table.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ksvc_router_cli::load;
use serde_json::Value;

use crate::support::{Folder, GOOD};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

const CASES: &str = "cases:\n  - name: ping\n    request: {method: GET, url: https://api.example.com/faas/ping}\n    expect: {status: 200}\n";

/// A program named `gh` that records its arguments and plays GitHub's answers: `comments` is printed for a list, and
/// every call fails if there is a file `forbidden`.
const GH: &str = r#"#!/usr/bin/env bash
folder=$(dirname "$0")
printf '%s\n' "$*" >> "$folder/calls"
[[ ! -e "$folder/forbidden" ]] || exit 1
for argument in "$@"; do
  case "$argument" in
    body=@*) cp "${argument#body=@}" "$folder/body" ;;
    --paginate) cat "$folder/comments" ;;
  esac
done
"#;

/// Runs the program that is tested, by the name that the script looks for.
const PROGRAM: &str = "#!/usr/bin/env bash\nexec \"$REAL\" \"$@\"\n";

/// A pull request in a git repository: its base commit, and the files of its head.
struct PullRequest {
    folder: Folder,
    base: String,
}

impl PullRequest {
    fn new(file: &str, head: &str) -> Self {
        let folder = Folder::new(&[(file, GOOD), ("cases.yaml", CASES)]);
        let pull_request = Self { folder, base: String::new() };
        let bin = pull_request.bin();
        fs::create_dir_all(&bin).unwrap();
        for (name, text) in [("gh", GH), ("ksvc-router", PROGRAM), ("comments", ""), ("calls", "")] {
            fs::write(bin.join(name), text).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        pull_request.git(&["init", "--quiet"]);
        pull_request.git(&["add", "--", file, "cases.yaml"]);
        pull_request.git(&["commit", "--quiet", "-m", "base"]);
        let base = pull_request.git(&["rev-parse", "HEAD"]);
        fs::write(pull_request.folder.path(file), head).unwrap();
        Self { base: base.trim().to_owned(), ..pull_request }
    }

    fn bin(&self) -> PathBuf {
        self.folder.path(".git-tools").into()
    }

    fn git(&self, arguments: &[&str]) -> String {
        let identity = ["--literal-pathspecs", "-c", "user.name=test", "-c", "user.email=test@example.com"];
        let output =
            Command::new("git").args(identity).args(arguments).current_dir(self.folder.path("")).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a step of the action, as action.yml runs it, with these inputs beside its defaults.
    fn step(&self, step: &str, inputs: &[(&str, &str)]) -> Output {
        let bin = self.bin();
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(repository().join(".github/check-tables"));
        command
            .arg(step)
            .current_dir(self.folder.path(""))
            .env("PATH", path)
            .env("REAL", env!("CARGO_BIN_EXE_ksvc-router"));
        let defaults =
            [("PATHS", "."), ("TABLE", ""), ("CASES", ""), ("FAIL_UNDER", "0"), ("DENY", ""), ("COMMENT", "true")];
        command.envs(defaults).env("BASE", &self.base).env("PULL_REQUEST", "7").env("GITHUB_REPOSITORY", "o/r");
        for file in ["GITHUB_STEP_SUMMARY", "GITHUB_PATH"] {
            command.env(file, bin.join(file));
        }
        command.env("RUNNER_TEMP", &bin).envs(inputs.iter().copied());
        command.output().unwrap()
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.bin().join(file)).unwrap_or_default()
    }
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_action_checks_and_tests_the_tables() {
    let pull_request = PullRequest::new("table.yaml", GOOD);
    let inputs = [("PATHS", "table.yaml\n"), ("CASES", "cases.yaml\n")];
    let check = pull_request.step("check", &inputs);
    assert!(check.status.success(), "{}", out(&check));
    assert_eq!(out(&check), "| table.yaml: 6 routes, 0 errors, 0 warnings\n");
    let test = pull_request.step("test", &inputs);
    assert!(test.status.success(), "{}", out(&test));
    let test = pull_request.step("test", &[&inputs[..], &[("FAIL_UNDER", "100")]].concat());
    assert!(!test.status.success(), "{}", out(&test));

    let pull_request = PullRequest::new("table.yaml", &GOOD.replace("hosts:", "hots:"));
    let check = pull_request.step("check", &inputs);
    assert!(!check.status.success(), "{}", out(&check));
    assert!(out(&check).contains("::error file=table.yaml,line="), "{}", out(&check));
}

#[test]
fn the_difference_is_commented_once_and_then_updated() {
    let pull_request = PullRequest::new("table.yaml", &GOOD.replace("orders-write", "orders-new"));
    let inputs = [("TABLE", "table.yaml")];
    let compare = pull_request.step("compare", &inputs);
    assert!(compare.status.success(), "{}", out(&compare));
    let body = pull_request.read("body");
    assert!(
        body.starts_with("<!-- ksvc-router -->\n") && body.contains("orders-write") && body.contains("orders-new"),
        "{body}"
    );
    assert_eq!(pull_request.read("GITHUB_STEP_SUMMARY"), body);
    assert!(
        pull_request.read("calls").contains("--method POST repos/o/r/issues/7/comments"),
        "{}",
        pull_request.read("calls")
    );

    fs::write(pull_request.bin().join("comments"), "41\n42\n").unwrap();
    let compare = pull_request.step("compare", &inputs);
    assert!(compare.status.success(), "{}", out(&compare));
    let calls = pull_request.read("calls");
    assert!(calls.contains("--method PATCH repos/o/r/issues/comments/41 "), "{calls}");
    assert_eq!(calls.matches("--method POST").count(), 1, "{calls}");
}

#[test]
fn without_a_difference_no_comment_is_added() {
    let pull_request = PullRequest::new("table.yaml", GOOD);
    let compare = pull_request.step("compare", &[("TABLE", "table.yaml")]);
    assert!(compare.status.success(), "{}", out(&compare));
    assert!(!pull_request.read("calls").contains("--method"), "{}", pull_request.read("calls"));
}

#[test]
fn without_the_permission_the_difference_is_in_the_summary() {
    let pull_request = PullRequest::new("table.yaml", &GOOD.replace("orders-write", "orders-new"));
    fs::write(pull_request.bin().join("forbidden"), "").unwrap();
    let compare = pull_request.step("compare", &[("TABLE", "table.yaml")]);
    assert!(compare.status.success(), "{}", out(&compare));
    assert!(out(&compare).contains("::notice::"), "{}", out(&compare));
    assert!(pull_request.read("GITHUB_STEP_SUMMARY").contains("orders-new"));
}

#[test]
fn a_table_that_can_not_be_compared_is_explained() {
    let pull_request = PullRequest::new("table.yaml", &GOOD.replace("hosts:", "hots:"));
    let compare = pull_request.step("compare", &[("TABLE", "table.yaml")]);
    assert!(!compare.status.success());
    let out = out(&compare);
    assert!(out.contains("| table.yaml:2:1: error: hots: unknown key `hots`"), "{out}");
    assert!(out.contains("::error::the tables can not be compared"), "{out}");
    // The copy of the base is gone, so another step can make one.
    assert_eq!(pull_request.git(&["worktree", "list"]).lines().count(), 1);
}

/// A pull request chooses the names of files and the texts of tables.
#[test]
fn hostile_names_and_texts_are_no_commands() {
    let name = "$(touch hacked) `touch hacked`; touch hacked #.yaml";
    let hostile = GOOD.replace("pong", "\"$(touch hacked)\\n::set-output name=a::b\"");
    let pull_request = PullRequest::new(name, &hostile);
    for (step, inputs) in [
        ("check", vec![("PATHS", name)]),
        ("test", vec![("TABLE", name), ("CASES", "cases.yaml")]),
        ("compare", vec![("TABLE", name)]),
        ("check", vec![("PATHS", "--help")]),
    ] {
        let output = pull_request.step(step, &inputs);
        let out = out(&output);
        assert_eq!(output.status.success(), inputs[0].1 == name, "{step}: {out}");
        for line in out.lines().filter(|line| line.trim_start().starts_with("::")) {
            assert!(line.starts_with("::error"), "{step}: {out}");
        }
    }
    assert!(!Path::new(&pull_request.folder.path("hacked")).exists());
    // A folder in whose name a line begins that looks like a message about another file.
    let folder = "x\n::error file=README.md,line=1,title=boo::forged";
    let pull_request = PullRequest::new(&format!("{folder}/table.yaml"), &GOOD.replace("hosts:", "hots:"));
    let output = pull_request.step("check", &[("PATHS", ".")]);
    assert!(out(&output).starts_with("::error file=x%0A%3A%3Aerror file=README.md%2C"), "{}", out(&output));
    assert!(!out(&output).lines().any(|line| line.starts_with("::error file=README.md")), "{}", out(&output));
    // The runner ends a line at a carriage return too.
    let pull_request = PullRequest::new("x\r::add-mask::a.yaml", GOOD);
    let output = pull_request.step("check", &[("PATHS", ".")]);
    let printed = out(&output);
    assert!(!printed.split(['\r', '\n']).any(|line| line.starts_with("::")), "{printed:?}");
    // A name that is a workflow command.
    let pull_request = PullRequest::new("::stop-commands::x.yaml", GOOD);
    let output = pull_request.step("check", &[("PATHS", "::stop-commands::x.yaml")]);
    assert!(out(&output).starts_with("| \\u{3a}:stop-commands::x.yaml: 6 routes"), "{}", out(&output));
}

#[test]
fn a_program_without_a_checksum_is_refused() {
    let pull_request = PullRequest::new("table.yaml", GOOD);
    let install = |url, sum| pull_request.step("install", &[("BINARY_URL", url), ("BINARY_SHA256", sum)]);
    assert!(install("", "").status.success(), "the program is on PATH");
    let refused = install("https://127.0.0.1:1/ksvc-router", "");
    assert!(!refused.status.success() && out(&refused).contains("binary-sha256"), "{}", out(&refused));
    let refused = install("http://127.0.0.1:1/ksvc-router", &"5".repeat(64));
    assert!(!refused.status.success() && pull_request.read("GITHUB_PATH").is_empty(), "{}", out(&refused));
}

/// Each step gives the script what it reads, so that the runs above are those of the action.
#[test]
fn the_action_gives_its_script_every_input() {
    let action = yaml("action.yml");
    let script = fs::read_to_string(repository().join(".github/check-tables")).unwrap();
    let steps = action["runs"]["steps"].as_array().unwrap();
    let words: Vec<&str> = steps.iter().map(|step| step["run"].as_str().unwrap().rsplit(' ').next().unwrap()).collect();
    assert_eq!(words, ["install", "check", "test", "compare"]);
    for step in steps {
        let run = step["run"].as_str().unwrap();
        assert!(run.starts_with("\"$GITHUB_ACTION_PATH/.github/check-tables\" "), "{run}");
        for (name, value) in step["env"].as_object().unwrap() {
            let value = value.as_str().unwrap();
            let used =
                script.contains(&format!("${name}")) || script.contains(&format!("${{{name}")) || name == "GH_TOKEN";
            assert!(used, "the script does not read {name}");
            let input = value.trim_start_matches("${{ inputs.").trim_end_matches(" }}");
            let is_known = value.starts_with("${{ github.event.pull_request.") || !action["inputs"][input].is_null();
            assert!(is_known, "{value}");
        }
    }
}

fn yaml(file: &str) -> Value {
    let source = load::read(&repository().join(file)).unwrap().unwrap();
    load::parse(&source).unwrap()[0].to_value()
}

/// Runs every hook as pre-commit does, without names of files.
#[test]
fn the_hooks_run_in_a_repository_with_a_table() {
    let hooks = yaml(".pre-commit-hooks.yaml");
    let hooks = hooks.as_array().unwrap();
    let ids: Vec<&str> = hooks.iter().map(|hook| hook["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["ksvc-router-check", "ksvc-router-test"]);
    for (table, code) in [(GOOD.to_owned(), 0), (GOOD.replace("hosts:", "hots:"), 1)] {
        let folder = Folder::new(&[("table.yaml", &table), ("cases.yaml", CASES), ("other.yaml", "a: b")]);
        for hook in hooks {
            let mut words: Vec<&str> = hook["entry"].as_str().unwrap().split(' ').skip(1).collect();
            match hook["args"].as_array() {
                Some(arguments) => words.extend(arguments.iter().map(|argument| argument.as_str().unwrap())),
                None => words.extend(["table.yaml", "cases.yaml"]),
            }
            let run = folder.run(&words);
            assert_eq!(run.code, code, "{words:?}: {}{}", run.out, run.err);
        }
    }
}

//! Checks the workflows in `.github/workflows`, and the action in `action.yml`, as far as a machine without GitHub can:
//! actions are pinned, permissions are given job by job, and the commands of every step exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testenv::{repository, yaml};

/// The programs of the steps, apart from `cargo xtask` and files of the repository. All of them are on GitHub's runners,
/// but for `cosign`, which an action installs.
const PROGRAMS: &[&str] =
    &["cd", "cmp", "cosign", "echo", "find", "gh", "printf", "rustup", "sed", "sha256sum", "sudo", "xargs"];

/// A workflow, as text and as YAML.
struct Workflow {
    name: String,
    text: String,
    jobs: Vec<(String, Value)>,
    document: Value,
}

fn workflows() -> Result<Vec<Workflow>> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(repository().join(".github/workflows"))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    ensure!(paths.len() >= 2, "there are {} workflows", paths.len());
    let read = |path: PathBuf| {
        let document = yaml::read(&path)?;
        let jobs = document["jobs"].as_object().context("a workflow has no jobs")?;
        let jobs = jobs.iter().map(|(name, job)| (name.clone(), job.clone())).collect();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Workflow { name, text: fs::read_to_string(&path)?, jobs, document })
    };
    paths.into_iter().map(read).collect()
}

/// Returns the action of the repository, in the form of a workflow with one job.
fn action() -> Result<Workflow> {
    let path = repository().join("action.yml");
    let document = yaml::read(&path)?;
    let jobs = vec![("action".to_owned(), document["runs"].clone())];
    Ok(Workflow { name: "action.yml".to_owned(), text: fs::read_to_string(path)?, jobs, document })
}

/// Returns the workflows and the action.
fn all() -> Result<Vec<Workflow>> {
    let mut all = workflows()?;
    all.push(action()?);
    Ok(all)
}

impl Workflow {
    /// Returns the steps of all jobs, with the name of their job.
    fn steps(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.jobs.iter().flat_map(|(name, job)| {
            job["steps"].as_array().into_iter().flatten().map(move |step| (name.as_str(), step))
        })
    }
}

#[test]
fn every_action_is_pinned_by_commit_and_names_its_version() -> Result<()> {
    for workflow in all()? {
        let used: Vec<&str> = workflow.steps().filter_map(|(_, step)| step["uses"].as_str()).collect();
        let lines: Vec<&str> =
            workflow.text.lines().filter_map(|line| line.split_once("uses: ").map(|(_, rest)| rest)).collect();
        ensure!(used.len() == lines.len(), "{}: {used:?} and {lines:?}", workflow.name);
        for line in lines {
            let (action, version) = line.split_once(" # v").with_context(|| format!("{line:?} names no version"))?;
            let (_, commit) = action.split_once('@').with_context(|| format!("{action:?} is not pinned"))?;
            let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            ensure!(is_commit, "{}: {action} is not pinned by a commit", workflow.name);
            ensure!(version.split('.').count() == 3, "{}: {line:?} names no whole version", workflow.name);
        }
    }
    Ok(())
}

#[test]
fn every_job_has_its_own_permissions_and_an_end() -> Result<()> {
    for workflow in workflows()? {
        let name = &workflow.name;
        ensure!(workflow.document["permissions"] == serde_json::json!({}), "{name}: the workflow has permissions");
        for (job, settings) in &workflow.jobs {
            ensure!(settings["permissions"].is_object(), "{name}: {job} has no permissions");
            ensure!(settings["timeout-minutes"].is_u64(), "{name}: {job} has no timeout-minutes");
        }
        for (job, step) in workflow.steps() {
            let is_checkout = step["uses"].as_str().is_some_and(|action| action.starts_with("actions/checkout@"));
            let keeps_token = step.pointer("/with/persist-credentials") != Some(&Value::Bool(false));
            ensure!(!(is_checkout && keeps_token), "{name}: {job} keeps the token in the clone");
        }
    }
    Ok(())
}

/// An expression in a script is text that the shell reads as commands. In `env` it is data.
#[test]
fn no_script_has_an_expression_of_github() -> Result<()> {
    for workflow in all()? {
        for (job, step) in workflow.steps() {
            let script = step["run"].as_str().unwrap_or_default();
            ensure!(!script.contains("${{"), "{}: {job} has an expression in a script:\n{script}", workflow.name);
        }
    }
    Ok(())
}

#[test]
fn every_command_of_a_step_exists() -> Result<()> {
    let mut found = 0;
    for workflow in all()? {
        let mut written = BTreeSet::new();
        for (job, step) in workflow.steps() {
            let Some(script) = step["run"].as_str() else { continue };
            let context = || format!("{}: {job}: {script}", workflow.name);
            let parsed = Command::new("bash").args(["-n", "-c", script]).status().context("cannot start bash")?;
            ensure!(parsed.success(), "bash can't read the script: {}", context());
            for command in commands(script) {
                check(&command, &mut written).with_context(context)?;
                found += 1;
            }
        }
    }
    ensure!(found > 20, "only {found} commands were found");
    Ok(())
}

/// Checks that the program of a command is known and that its files exist. `written` has the files that earlier
/// commands have written.
fn check(command: &[String], written: &mut BTreeSet<String>) -> Result<()> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    match words[..] {
        // clap refuses an unknown subcommand or option before it prints the help.
        ["cargo", "xtask", ref arguments @ ..] => {
            let help = Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments).arg("--help").output()?;
            ensure!(help.status.success(), "{command:?}: {}", String::from_utf8_lossy(&help.stderr));
        }
        // The folder of the action is the root of the repository.
        [program, ..] if program.contains('/') => {
            let program = program.trim_start_matches("$GITHUB_ACTION_PATH/");
            ensure!(repository().join(program).is_file(), "there is no file {program}");
        }
        [program, ..] => ensure!(PROGRAMS.contains(&program), "the program {program:?} is not known"),
        [] => {}
    }
    if let Some(redirect) = words.iter().position(|word| *word == ">") {
        written.extend(words.get(redirect + 1).map(|file| (*file).to_owned()));
    }
    for word in words.iter().skip(1) {
        let is_file = [".md", ".toml", ".yaml", ".json"].iter().any(|end| word.ends_with(end));
        let is_made = word.starts_with("dist/release/") || written.contains(*word);
        ensure!(!is_file || is_made || repository().join(word).is_file(), "there is no file {word}");
    }
    Ok(())
}

/// Splits a script into its commands, and these into words. Quotes are removed. This is enough for the scripts here:
/// no crate reads the grammar of the shell in so few lines, and `bash -n` checks it.
fn commands(script: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words, mut word) = (Vec::new(), Vec::new(), String::new());
    let mut quote = None;
    let mut characters = script.chars().peekable();
    while let Some(c) = characters.next() {
        let next = characters.peek().copied();
        match (quote, c) {
            (Some(end), _) if c == end => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '\\') if next == Some('\n') => drop(characters.next()),
            // A command whose output becomes a part of this word. Its end needs no special case.
            (None | Some('"'), '$') if next == Some('(') => {
                characters.next();
                word.clear();
                words.clear();
            }
            (None, ' ') => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
            (None, '\n' | ';' | '|' | '&' | ')') => {
                words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty()));
                commands.extend(Some(std::mem::take(&mut words)).filter(|words| !words.is_empty()));
            }
            _ => word.push(c),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    commands.extend(Some(words).filter(|words| !words.is_empty()));
    // An assignment is no command.
    commands.retain(|words| !words[0].contains('=') || words.len() > 1);
    commands
}

/// The script of the action runs on GitHub's runners, and every step of the action must name it and its shell.
#[test]
fn the_script_of_the_action_can_be_run() -> Result<()> {
    let script = repository().join(".github/check-tables");
    let parsed = Command::new("bash").arg("-n").arg(&script).status().context("cannot start bash")?;
    ensure!(parsed.success(), "bash can't read {}", script.display());
    let unknown = Command::new(&script).arg("unknown").output().context("the script can't be executed")?;
    ensure!(unknown.status.code() == Some(1), "the script accepts an unknown command");
    ensure!(!fs::read_to_string(&script)?.contains("${{"), "an expression of GitHub in the script");
    for (_, step) in action()?.steps() {
        ensure!(step["shell"] == "bash", "a step of a composite action names its shell: {step}");
    }
    Ok(())
}

#[test]
fn commands_are_found_in_scripts() {
    let script = "a b 'c | d' \\\n  e\nx=$(f \"g; h\" | i) && j > k\nl=\"m\"\n";
    let expected = ["a|b|c | d|e", "f|g; h", "i", "j|>|k"];
    let found: Vec<String> = commands(script).iter().map(|words| words.join("|")).collect();
    assert_eq!(found, expected);
}

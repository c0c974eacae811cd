//! The table of requests in README.md is generated from the sample cases, and must be up to date.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, ensure};
use testenv::cases::{Case, CaseFile, Sent};
use testenv::repository;

const BEGIN: &str = "<!-- cases: testenv/cases/sample.yaml -->\n";
const END: &str = "<!-- /cases -->";

#[test]
fn the_table_of_the_readme_equals_the_sample_cases() -> Result<()> {
    let path = repository().join("README.md");
    let readme = fs::read_to_string(&path)?;
    let (before, rest) = readme.split_once(BEGIN).context("README.md has no place for the table")?;
    let (shown, after) = rest.split_once(END).context("README.md does not end its table")?;
    let generated = table(&CaseFile::read(&repository().join("testenv/cases/sample.yaml"))?.cases)?;
    if shown != generated && std::env::var_os("UPDATE").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{generated}{END}{after}"))?;
        return Ok(());
    }
    ensure!(
        shown == generated,
        "the table in README.md is out of date; `UPDATE=1 cargo test -p testenv --test readme` updates it"
    );
    Ok(())
}

fn table(cases: &[Case]) -> Result<String> {
    let mut table = String::from("\n| request | result |\n|---|---|\n");
    for case in cases {
        let Sent { method, headers, .. } = Sent::of(case);
        let headers: Vec<String> = headers.iter().map(|(name, value)| format!(" `{name}: {value}`")).collect();
        let request = format!("`{method} {}`{}", case.url, headers.concat());
        writeln!(table, "| {request} | {} |", result(case).context(case.name.clone())?)?;
    }
    table.push('\n');
    Ok(table)
}

fn result(case: &Case) -> Result<String> {
    let text = |field: &'static str| case.expected_text(field).context(field);
    let status = || case.expected("status").context("status");
    Ok(match text("outcome")? {
        "route" => format!("arrives at `{}` as `{}`", text("authority")?, text("path")?),
        "redirect" => format!("{} to `{}`", status()?, text("location")?),
        "respond" => format!("{}, answered in the gateway", status()?),
        "methodNotAllowed" => format!("405, `Allow: {}`", text("allow")?),
        "outOfScope" | "passThrough" => "passes unchanged".into(),
        _ => format!("{}: {}", status()?, case.name),
    })
}

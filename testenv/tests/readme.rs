//! README.md shows what the cases show: its table of requests is made from them.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context, Result, ensure};
use testenv::cases::{Case, CaseFile, Outcome};
use testenv::repository;

const BEGIN: &str = "<!-- cases: testenv/cases/sample.yaml -->\n";
const END: &str = "<!-- /cases -->";

#[test]
fn the_readmes_table_is_made_from_the_cases() -> Result<()> {
    let path = repository().join("README.md");
    let readme = fs::read_to_string(&path)?;
    let (before, rest) = readme.split_once(BEGIN).context("README.md has no place for the table")?;
    let (shown, after) = rest.split_once(END).context("README.md does not end its table")?;
    let made = table(&CaseFile::read(&repository().join("testenv/cases/sample.yaml"))?.cases)?;
    if shown != made && std::env::var_os("UPDATE").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{made}{END}{after}"))?;
        return Ok(());
    }
    ensure!(shown == made, "README.md's table is out of date: UPDATE=1 cargo test -p testenv --test readme");
    Ok(())
}

fn table(cases: &[Case]) -> Result<String> {
    let mut table = String::from("\n| request | what becomes of it |\n|---|---|\n");
    for case in cases {
        let headers: Vec<String> =
            case.request.headers.pairs().iter().map(|(name, value)| format!(" `{name}: {value}`")).collect();
        let request = format!("`{} {}`{}", case.request.method, case.request.url, headers.concat());
        writeln!(table, "| {request} | {} |", result(case).context(case.name.clone())?)?;
    }
    table.push('\n');
    Ok(table)
}

fn result(case: &Case) -> Result<String> {
    let expect = &case.expect;
    Ok(match expect.outcome.context("no outcome")? {
        Outcome::Route => {
            let authority = expect.authority.as_deref().context("no authority")?;
            format!("arrives at `{authority}` as `{}`", expect.path.as_deref().context("no path")?)
        }
        Outcome::Redirect => {
            let location = expect.location.as_deref().context("no location")?;
            format!("{} to `{location}`", expect.status.context("no status")?)
        }
        Outcome::Respond => format!("{}, answered in the gateway", expect.status.context("no status")?),
        Outcome::MethodNotAllowed => format!("405, `Allow: {}`", expect.allow.as_deref().context("no allow")?),
        Outcome::OutOfScope | Outcome::PassThrough => "left as it came".into(),
        _ => format!("{}: {}", expect.status.context("no status")?, case.name),
    })
}

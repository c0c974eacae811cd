//! An error such as 404 can come from the filter, from Envoy or from the function. docs/runbook.md explains by which
//! lines of the access log they can be distinguished. The tests check that Envoy writes exactly these lines, and that the
//! page has no other lines.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testenv::http1::Request;
use testenv::repository;
use testenv::stand_in::StandIn;

use crate::{ACCESS_LOG, access_log, breaks, faults, setup};

/// Returns the lines of the access log that docs/runbook.md explains: the first cells of its tables in that section.
fn explained_lines() -> Result<BTreeSet<String>> {
    let page = fs::read_to_string(repository().join("docs/runbook.md"))?;
    let (_, from) = page.split_once("\n## Access log\n").context("no section on the access log")?;
    let (section, _) = from.split_once("\n## ").context("the section does not end")?;
    ensure!(section.contains(&format!("`{ACCESS_LOG}`")), "docs/runbook.md does not show the format of the access log");
    // A `|` inside a cell is written as `\|`.
    let line = |row: &str| Some(row.strip_prefix("| `")?.split_once("` | ")?.0.replace("\\|", "|"));
    Ok(section.lines().filter_map(line).collect())
}

/// Checks that docs/runbook.md explains these lines of the access log.
pub(crate) fn documented(lines: &[&str]) -> Result<()> {
    let explained = explained_lines()?;
    for line in lines {
        ensure!(explained.contains(*line), "docs/runbook.md does not explain `{line}`");
    }
    Ok(())
}

/// The page explains no line that no test produces. Each test of these lines checks that Envoy writes them.
#[test]
fn each_line_that_the_runbook_explains_is_produced_by_a_test() -> Result<()> {
    let produced = answers().map(|(_, line, _)| line);
    let produced = produced.iter().chain([&BROKEN_TABLE]).chain(&faults::LINES).chain(breaks::LINES.iter().flatten());
    let produced: BTreeSet<String> = produced.map(|line| (*line).to_owned()).collect();
    assert_eq!(explained_lines()?, produced);
    Ok(())
}

/// Two sections of docs/operations.md name tests of this folder. The other sections name those under Istio.
#[test]
fn each_test_of_this_folder_that_operations_md_names_exists() -> Result<()> {
    let page = fs::read_to_string(repository().join("docs/operations.md"))?;
    let (_, from) = page.split_once("\n## Faults and what clients see\n").context("no section on faults")?;
    let (sections, _) = from.split_once("\n## A new version").context("the sections do not end")?;
    let mut sources = String::new();
    for file in fs::read_dir(repository().join("testenv/tests/traffic"))? {
        sources += &fs::read_to_string(file?.path())?;
    }
    let is_test = |code: &&str| {
        code.matches('_').count() > 3 && code.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
    };
    let named: Vec<_> = sections.split('`').filter(is_test).collect();
    ensure!(named.len() > 10, "the sections name too few tests: {named:?}");
    for name in named {
        ensure!(sources.contains(&format!("fn {name}(")), "docs/operations.md names {name}, which is no test here");
    }
    Ok(())
}

/// Requests, the line of each in the access log, and the content type of its response.
fn answers() -> [(Request, &'static str, Option<&'static str>); 15] {
    let public = |path: &str| Request::get("api.example.com", path);
    let orders = || public("/faas/orders/1");
    let method = |method: &str| Request { method: method.into(), ..orders() };
    let problem = Some("application/problem+json");
    let grpc = Request { method: "POST".into(), ..public("/faas/nothing") }.header("content-type", "application/grpc");
    let preflight =
        method("OPTIONS").header("origin", "https://app.example.com").header("access-control-request-method", "GET");
    [
        (orders(), "200 - via_upstream GET /orders/{id}", Some("application/json")),
        (orders().header("x-stand-in", "status=404"), "404 - via_upstream GET /orders/{id}", None),
        (public("/faas/missing/1"), "404 NR route_not_found GET /missing/{id}", None),
        (public("/faas/nothing"), "404 - notFound -", problem),
        (grpc, "200 - notFound -", Some("application/grpc")),
        (public("/faas/run/no_name"), "404 - notFound GET /run/{service}", problem),
        (Request::get("orders.shop.example.com", "/"), "404 - deniedDirect -", problem),
        (public("/elsewhere"), "404 NR route_not_found -", None),
        (method("DELETE"), "405 - methodNotAllowed -", problem),
        (public("/faas//"), "400 - unsafePath -", problem),
        (public("/faas/broken/1"), "503 - brokenRoute GET /broken/{id}", problem),
        (public("/faas/old/1"), "308 - redirect GET /old/{id}", None),
        (public("/faas/ping"), "200 - respond GET /ping", Some("text/plain")),
        (preflight, "204 - preflight GET /orders/{id}", None),
        (method("OPTIONS"), "204 - options -", None),
    ]
}

#[tokio::test]
async fn the_access_log_tells_who_answered() -> Result<()> {
    let table = json!({
        "hosts": ["api.example.com"], "basePath": "/faas", "domain": "example.com", "namespace": "shop",
        "denyDirect": true, "cors": {"allowOrigins": ["https://app.example.com"]},
        "routes": [
            {"match": "GET /orders/{id}", "service": "orders"},
            {"match": "GET /missing/{id}", "service": "missing"},
            {"match": "GET /run/{service}", "service": "{service}"},
            {"match": "GET /old/{id}", "redirect": {"to": "https://api.example.com/faas/orders/{id}"}},
            {"match": "GET /ping", "respond": {"status": 200, "body": "pong"}},
            {"match": "GET /broken/{id}", "service": "orders", "rewritePath": "/{unknown}"},
        ],
    });
    let stand_in = StandIn::start()?;
    let gateway = setup(table)?.start(stand_in.address())?;
    let answers = answers();
    for (number, (request, line, content_type)) in answers.iter().enumerate() {
        let response = request.send(gateway.address())?;
        let log = access_log(&gateway, number + 1).await?;
        println!("{}", log[number]);
        assert_eq!(log[number], *line);
        assert_eq!(response.header("content-type"), *content_type, "{line}");
        if line.contains("route_not_found") {
            assert!(response.body.is_empty(), "Envoy's own 404 has a body");
        }
    }
    documented(&answers.map(|(_, line, _)| line))
}

/// The line of every request in scope, if an error concerns the whole table.
const BROKEN_TABLE: &str = "503 - brokenRoute -";

#[tokio::test]
async fn an_error_of_the_whole_table_has_a_line_without_a_route() -> Result<()> {
    let stand_in = StandIn::start()?;
    let table = json!({"hosts": ["api.example.com"], "onNoMatch": "pass", "routes": []});
    let gateway = setup(table)?.start(stand_in.address())?;
    assert_eq!(Request::get("api.example.com", "/").send(gateway.address())?.status, 503);
    assert_eq!(access_log(&gateway, 1).await?, [BROKEN_TABLE]);
    documented(&[BROKEN_TABLE])
}

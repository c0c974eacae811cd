//! An error such as 404 can come from the filter, from Envoy or from the function. docs/operations.md explains by which
//! lines of the access log they can be distinguished. The tests check that Envoy writes exactly these lines.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testenv::http1::Request;
use testenv::repository;
use testenv::stand_in::StandIn;

use crate::{ACCESS_LOG, access_log, setup};

/// Checks that docs/operations.md shows these lines of the access log.
pub(crate) fn documented(lines: &[&str]) -> Result<()> {
    let page = fs::read_to_string(repository().join("docs/operations.md"))?;
    for line in lines.iter().chain(&[ACCESS_LOG]) {
        ensure!(page.contains(&format!("`{line}`")), "docs/operations.md does not show `{line}`");
    }
    Ok(())
}

/// Two sections of docs/operations.md name tests of this folder. The other sections name those under Istio.
#[test]
fn each_test_of_this_folder_that_operations_md_names_exists() -> Result<()> {
    let page = fs::read_to_string(repository().join("docs/operations.md"))?;
    let (_, from) = page.split_once("\n## What happened to a request\n").context("no section on requests")?;
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

#[tokio::test]
async fn the_access_log_tells_who_answered() -> Result<()> {
    let table = json!({
        "hosts": ["api.example.com"], "basePath": "/faas", "domain": "example.com", "namespace": "shop",
        "denyDirect": true,
        "routes": [
            {"match": "GET /orders/{id}", "service": "orders"},
            {"match": "GET /missing/{id}", "service": "missing"},
            {"match": "GET /old/{id}", "redirect": {"to": "https://api.example.com/faas/orders/{id}"}},
            {"match": "GET /ping", "respond": {"status": 200, "body": "pong"}},
            {"match": "GET /broken/{id}", "service": "orders", "rewritePath": "/{unknown}"},
        ],
    });
    let stand_in = StandIn::start()?;
    let gateway = setup(table)?.start(stand_in.address())?;
    let public = |path: &str| Request::get("api.example.com", path);
    let orders = || public("/faas/orders/1");
    let method = |method: &str| Request { method: method.into(), ..orders() };
    let problem = Some("application/problem+json");
    // The request, its line in the access log, and the content type of the response.
    let cases = [
        (orders(), "200 - via_upstream GET /orders/{id}", Some("application/json")),
        (orders().header("x-stand-in", "status=404"), "404 - via_upstream GET /orders/{id}", None),
        (public("/faas/missing/1"), "404 NR route_not_found GET /missing/{id}", None),
        (public("/faas/nothing"), "404 - notFound -", problem),
        (Request::get("orders.shop.example.com", "/"), "404 - deniedDirect -", problem),
        (public("/elsewhere"), "404 NR route_not_found -", None),
        (method("DELETE"), "405 - methodNotAllowed -", problem),
        (public("/faas//"), "400 - unsafePath -", problem),
        (public("/faas/broken/1"), "503 - brokenRoute GET /broken/{id}", problem),
        (public("/faas/old/1"), "308 - redirect GET /old/{id}", None),
        (public("/faas/ping"), "200 - respond GET /ping", Some("text/plain")),
    ];
    for (number, (request, line, content_type)) in cases.iter().enumerate() {
        let response = request.send(gateway.address())?;
        let log = access_log(&gateway, number + 1).await?;
        println!("{}", log[number]);
        assert_eq!(log[number], *line);
        assert_eq!(response.header("content-type"), *content_type, "{line}");
        if line.contains("route_not_found") {
            assert!(response.body.is_empty(), "Envoy's own 404 has a body");
        }
    }
    documented(&cases.map(|(_, line, _)| line))
}

//! The access log as JSON, in the format that docs/monitoring.md shows.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};
use testenv::gateway::Setup;
use testenv::http1::Request;
use testenv::stand_in::StandIn;
use testenv::{envoy, page, plugin, repository, yaml};

use crate::access_log;
use crate::common::table;
use crate::ksvc::Ksvc;
use crate::tracing::{exported, traced};

const PAGE: &str = "docs/monitoring.md";
const SECTION: &str = "## Fields of the access log";
/// A name that would break JSON if it were not escaped.
const HELLO: &str = r#"says "hello", \n, to 東京 and São Paulo 👋"#;

/// Returns the `access_log` that the page shows for the HTTP connection manager.
fn documented_log() -> Result<Value> {
    let blocks = page::yaml_blocks(PAGE, SECTION)?;
    let block = blocks.into_iter().find(|block| block["access_log"].is_array());
    Ok(block.context("no block of the access log")?["access_log"].take())
}

/// Returns a gateway that writes this log.
fn logging(version: &str) -> Result<Setup> {
    let mut table = table(json!([
        {"match": ["GET /orders/{id}", "POST /orders/{id}"], "service": "orders"},
        {"match": "GET /missing/{id}", "service": "missing"},
        {"match": "GET /broken/{id}", "service": "orders", "rewritePath": "/{unknown}"},
        {"name": HELLO, "match": "GET /hello", "respond": {"status": 200, "body": "hello"}},
    ]));
    table["stripBasePath"] = true.into();
    let setup = Setup::new(&envoy::pinned(version)?, &plugin()?, table);
    Ok(setup.connection_manager("access_log", documented_log()?))
}

/// The two formats and the table of fields in the page are the same list.
#[test]
fn all_lists_of_fields_are_the_same() -> Result<()> {
    let format = documented_log()?[0]["typed_config"]["log_format"]["json_format"].take();
    let file = yaml::read(&repository().join("monitoring/access-log.yaml"))?;
    let provider = &file["meshConfig"]["extensionProviders"][0];
    assert_eq!(provider["envoyFileAccessLog"]["logFormat"]["labels"], format);

    let text = fs::read_to_string(repository().join(PAGE))?;
    let rows = page::section(&text, SECTION)?.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split_once(" |")).map(|(cell, _)| cell);
    let explained: BTreeSet<&str> =
        cells.flat_map(|cell| cell.split(", ")).map(|name| name.trim_matches('`')).collect();
    let fields: BTreeSet<&str> = format.as_object().context("the fields")?.keys().map(String::as_str).collect();
    assert_eq!(explained, fields);
    Ok(())
}

/// Takes the fields out of a line that differ from run to run, and checks their types.
fn checked(line: &str) -> Result<Map<String, Value>> {
    let line: Value = serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))?;
    let Value::Object(mut fields) = line else { anyhow::bail!("no object: {line}") };
    let mut take = |name: &str| fields.remove(name).with_context(|| format!("no {name}"));
    let (time, duration, request) = (take("start_time")?, take("duration")?, take("request_id")?);
    ensure!(time.as_str().is_some_and(|time| time.ends_with('Z')), "{time}");
    ensure!(duration.is_u64(), "{duration}");
    ensure!(request.as_str().is_some_and(|id| id.len() == 36), "{request}");
    Ok(fields)
}

#[tokio::test]
async fn each_line_is_an_object_with_the_documented_fields() -> Result<()> {
    let stand_in = StandIn::start()?;
    let get = |path: &str| Request::get("api.example.com", path);
    let post = Request::new("POST", "api.example.com", "/faas/orders/1").body("hello");
    let delete = Request::new("DELETE", "api.example.com", "/faas/orders/1");
    let orders = "orders.shop.example.com";
    for version in envoy::VERSIONS {
        let gateway = logging(version)?.start(stand_in.address())?;
        for (number, (request, route, authority, code, details, flags)) in [
            (get("/faas/orders/1?by=me"), json!("GET /orders/{id}"), orders, 200, "via_upstream", "-"),
            (post.clone(), json!("GET /orders/{id}"), orders, 200, "via_upstream", "-"),
            (
                get("/faas/missing/1"),
                json!("GET /missing/{id}"),
                "missing.shop.example.com",
                404,
                "route_not_found",
                "NR",
            ),
            (get("/faas/broken/1"), json!("GET /broken/{id}"), "api.example.com", 503, "brokenRoute", "-"),
            (get("/faas/hello"), json!(HELLO), "api.example.com", 200, "respond", "-"),
            (get("/faas/nothing"), json!(null), "api.example.com", 404, "notFound", "-"),
            (delete.clone(), json!(null), "api.example.com", 405, "methodNotAllowed", "-"),
            (get("/elsewhere"), json!(null), "api.example.com", 404, "route_not_found", "NR"),
        ]
        .into_iter()
        .enumerate()
        {
            let response = request.send(gateway.address())?;
            let line = access_log(&gateway, number + 1).await?.swap_remove(number);
            let expected = json!({
                "route": route,
                "method": String::from_utf8(request.method)?,
                "host": "api.example.com",
                "path": String::from_utf8(request.path)?,
                "authority": authority,
                "response_code": code,
                "response_code_details": details,
                "response_flags": flags,
                "bytes_received": request.body.len(),
                "bytes_sent": response.body.len(),
                "trace_id": null,
            });
            assert_eq!(Value::from(checked(&line)?), expected, "{version}: {line}");
            assert_eq!(response.status, code);
        }
    }
    Ok(())
}

/// Envoy removes a client's `x-envoy-original-path`. The filter replaces `x-forwarded-host` if a service gets the request.
#[tokio::test]
async fn a_client_chooses_the_host_only_of_requests_that_no_service_gets() -> Result<()> {
    let stand_in = StandIn::start()?;
    let forged = r#"a"b\c"#;
    for version in envoy::VERSIONS {
        let gateway = logging(version)?.start(stand_in.address())?;
        for (number, (path, host)) in
            [("/faas/orders/1", "api.example.com"), ("/faas/hello", forged), ("/faas/nothing", forged)]
                .into_iter()
                .enumerate()
        {
            let request = Request::get("api.example.com", path).header("x-forwarded-host", forged);
            request.header("x-envoy-original-path", "/forged").send(gateway.address())?;
            let line = checked(&access_log(&gateway, number + 1).await?[number])?;
            assert_eq!((&line["path"], &line["host"]), (&json!(path), &json!(host)), "{version}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_line_has_the_id_of_its_trace() -> Result<()> {
    let (stand_in, mut collector) = (StandIn::start()?, Ksvc::start().await?);
    for version in envoy::VERSIONS {
        let setup = traced(version, json!({}), &collector)?.connection_manager("access_log", documented_log()?);
        let gateway = setup.start(stand_in.address())?;
        Request::get("api.example.com", "/faas/nothing").send(gateway.address())?;
        let id = HEXLOWER.encode(&exported(&mut collector).await?[0].trace_id);
        assert_eq!(checked(&access_log(&gateway, 1).await?[0])?["trace_id"], id, "{version}");
    }
    Ok(())
}

//! Large tables and several tables: as many routes as one Kubernetes object can contain, and several WasmPlugins on one
//! gateway.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testenv::http1::Request;

use crate::common::report;
use crate::{Env, tests, wasm_plugin};

tests! {
    fourteen_thousand_routes_pass_by_server_side_apply,
    tables_beyond_one_object_share_a_gateway,
    a_request_that_one_table_has_routed_is_left_alone_by_another,
}

const TARGETS: [&str; 3] = ["one.shop.example.com", "two.shop.example.com", "three.shop.example.com"];

/// Returns a table with this many routes `GET /items-N/{id}`, which lead to the targets in turn.
fn table(name: &str, base_path: &str, routes: usize) -> Value {
    let services = ["one", "two", "three"];
    let routes = (0..routes).zip(services.iter().cycle());
    let routes = routes.map(|(n, service)| json!({"match": format!("GET /items-{n}/{{id}}"), "service": service}));
    json!({
        "name": name,
        "hosts": ["api.example.com"],
        "basePath": base_path,
        "domain": "example.com",
        "namespace": "shop",
        "routes": routes.collect::<Vec<_>>(),
    })
}

fn fourteen_thousand_routes_pass_by_server_side_apply(env: &Env) -> Result<()> {
    const ROUTES: usize = 14_000;
    let gateway = env.gateway("large", &TARGETS)?;
    let plugin = wasm_plugin(&gateway, &table("large", "/faas", ROUTES))?;
    let begun = Instant::now();
    let live = gateway.apply_plugin(&plugin)?;
    println!(
        "{ROUTES} routes, {} bytes: live {} ms after the end of kubectl apply, {} ms after its start",
        plugin.to_string().len(),
        live.as_millis(),
        begun.elapsed().as_millis()
    );
    for n in [0, 1, 2, 6_999, 13_999] {
        let response = Request::get("api.example.com", format!("/faas/items-{n}/7")).send(gateway.address())?;
        ensure!(report(&response)?.authority == TARGETS[n % 3], "route {n}: {}", response.text());
    }
    ensure!(Request::get("api.example.com", "/faas/items-14000/7").send(gateway.address())?.status == 404);
    let routes = "ksvc_router_routes{wasm_filter=\"large\"}";
    gateway.eventually("the gauge shows all routes", || Ok(gateway.metric(routes)? == Some(ROUTES as u64)))
}

fn tables_beyond_one_object_share_a_gateway(env: &Env) -> Result<()> {
    let gateway = env.gateway("several", &TARGETS)?;
    for (name, routes) in [("a", 10_000), ("b", 10_000), ("c", 3)] {
        let mut plugin = wasm_plugin(&gateway, &table(name, &format!("/{name}"), routes))?;
        plugin["metadata"]["name"] = format!("ksvc-router-{name}").into();
        gateway.apply_plugin(&plugin)?;
    }
    let get = |path: &str| Request::get("api.example.com", path).send(gateway.address());
    for (path, target) in [("/a/items-9999/1", TARGETS[0]), ("/b/items-7/1", TARGETS[1]), ("/c/items-2/1", TARGETS[2])]
    {
        ensure!(report(&get(path)?)?.authority == target, "{path}");
    }
    ensure!(get("/c/items-3/1")?.status == 404);
    ensure!(report(&get("/d/items-3/1")?)?.authority == "api.example.com", "/d is in the scope of no table");
    for name in ["a", "b", "c"] {
        let routed = format!("ksvc_router_routed{{wasm_filter=\"{name}\"}}");
        gateway.eventually(&routed, || Ok(gateway.metric(&routed)? == Some(1)))?;
    }
    Ok(())
}

/// The other table matches every host and denies direct requests to the service of the first.
fn a_request_that_one_table_has_routed_is_left_alone_by_another(env: &Env) -> Result<()> {
    let gateway = env.gateway("teams", &TARGETS)?;
    let mut first = wasm_plugin(&gateway, &table("first", "/a", 3))?;
    first["metadata"]["name"] = "ksvc-router-first".into();
    first["spec"]["priority"] = 10.into();
    let mut second = table("second", "/", 0);
    second["hosts"] = json!(["*"]);
    second["denyDirect"] = true.into();
    second["requestHeaders"] = json!({"set": {"x-second": "was here"}});
    second["routes"] = json!([
        {"match": "ANY /{*rest}", "service": "two"},
        {"match": "GET /never", "service": "one"},
    ]);
    second.as_object_mut().map(|table| table.remove("basePath"));
    let mut second = wasm_plugin(&gateway, &second)?;
    second["metadata"]["name"] = "ksvc-router-second".into();
    gateway.apply_plugin(&first)?;
    gateway.apply_plugin(&second)?;

    let routed = report(&Request::get("api.example.com", "/a/items-0/1").send(gateway.address())?)?;
    ensure!(routed.authority == TARGETS[0] && routed.header("x-second").is_none(), "{routed:?}");
    let by_second = report(&Request::get("api.example.com", "/b").send(gateway.address())?)?;
    ensure!(by_second.authority == TARGETS[1] && by_second.header("x-second") == Some("was here"), "{by_second:?}");
    Ok(())
}

//! The plugin in real Envoy, in a listener with the settings of Istio's gateway: every case table, and the rules that a
//! case table can't express: HTTP/2, WebSocket, gRPC, streaming, edits and bad documents while requests run, and
//! metrics.

mod common;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use common::protocols::{self, http2, next_data, whole};
use common::{orders, orders_table, report, sample_table, table};
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use serde_json::{Value, json};
use testenv::cases::{self, CaseFile, Ingress};
use testenv::gateway::{Document, Gateway, Setup};
use testenv::http1::{self, Request};
use testenv::process::{Running, free_ports};
use testenv::stand_in::StandIn;
use testenv::{envoy, plugin, repository, yaml};

/// Counters and gauges are updated at once, and Envoy starts within a second, but the machine may be busy.
const LAG: Duration = Duration::from_secs(60);

// ---- the case tables

/// Defines one test for each file, so that a failure names its table and the tables run in parallel.
macro_rules! case_tables {
    ($($name:ident: $file:literal),* $(,)?) => {
        mod case_table {
            $(#[test] fn $name() -> super::Result<()> { super::run_cases($file, &super::envoy::find()?) })*
        }
        const CASE_TABLES: &[&str] = &[$($file),*];
    };
}

case_tables! {
    allow_paths: "allow-paths",
    captured_targets: "captured-targets",
    conditions: "conditions",
    cors: "cors",
    encoded_slashes: "encoded-slashes",
    headers: "headers",
    kept_headers: "kept-headers",
    methods: "methods",
    mixed_segments: "mixed-segments",
    own_cors: "own-cors",
    pass_through: "pass-through",
    precedence: "precedence",
    public_url: "public-url",
    request_headers: "request-headers",
    response_headers: "response-headers",
    rewrite_location: "rewrite-location",
    rewriting: "rewriting",
    sample: "sample",
    scope: "scope",
    strict_slash: "strict-slash",
    timeouts: "timeouts",
    trailing_slash: "trailing-slash",
    unsafe_paths: "unsafe-paths",
    when: "when",
}

#[test]
fn every_case_table_is_listed_here() -> Result<()> {
    let files = cases::files()?;
    let stems: Vec<_> = files.iter().filter_map(|path| path.file_stem()?.to_str()).collect();
    assert_eq!(stems, CASE_TABLES);
    Ok(())
}

/// Runs every case of a table on this Envoy.
fn run_cases(table: &str, envoy: &Path) -> Result<()> {
    let file = CaseFile::read(&repository().join(format!("testenv/cases/{table}.yaml")))?;
    let stand_in = StandIn::start()?;
    let gateway = file.setup(envoy, &plugin()?).start(stand_in.address())?;
    cases::run_all(&file, &Ingress::of_envoy(&gateway)).with_context(|| format!("testenv/cases/{table}.yaml"))
}

// ---- paths, hostile requests and the plugin's own responses

#[test]
fn the_plugin_matches_the_path_that_envoy_has_normalized() -> Result<()> {
    let (_stand_in, gateway) = start(orders_table("orders"))?;
    let get = |path: &str| Request::get("api.example.com", path).send(gateway.address());
    assert_eq!(report(&get("/faas/x/../orders/1")?)?.path, "/faas/orders/1");
    assert_eq!(get("/faas/orders/a%2Fb")?.status, 400);
    assert_eq!(get("/faas//orders/1")?.status, 400);
    // The normalized path is out of scope, so the request passes through.
    assert_eq!(report(&get("/faas/../orders/1")?)?.authority, "api.example.com");
    Ok(())
}

#[test]
fn hostile_requests_get_a_response_and_never_crash_the_plugin() -> Result<()> {
    let (_stand_in, gateway) = start(orders_table("orders"))?;
    for to in [gateway.address(), gateway.raw_path_address()] {
        let raw_paths: [&[u8]; 6] =
            [b"/faas/\xff\xfe", b"/faas/orders/\xc3\x28", b"/faas/%ff%fe%", b"/faas/%00", b"/faas/\\", b"/faas/%"];
        for path in raw_paths {
            let response = Request::get("api.example.com", path).send(to)?;
            let shown = String::from_utf8_lossy(path);
            // With normalize_path on, Envoy replaces `\` by `/`, and then no route matches.
            assert!([400, 404].contains(&response.status), "{shown}: {}", response.status);
        }
        let long = format!("/faas/orders/{}", "a".repeat(50_000));
        assert_eq!(Request::get("api.example.com", &long).send(to)?.status, 200);
        let deep = format!("/faas{}", "/a".repeat(20_000));
        assert_eq!(Request::get("api.example.com", &deep).send(to)?.status, 404);

        let odd_header = b"GET /faas/orders/1 HTTP/1.1\r\nhost: api.example.com\r\nx-beta: \xff\xfe\r\n\
            user-agent: \xff\r\nx-forwarded-host: \xc3\x28\r\nconnection: close\r\n\r\n";
        assert_eq!(http1::exchange(to, odd_header, false)?.status, 200);
        let no_host = b"GET /faas/orders/1 HTTP/1.0\r\n\r\n";
        assert!(http1::exchange(to, no_host, false)?.status < 500);
        // Envoy itself answers with 404.
        assert!(Request::new("OPTIONS", "api.example.com", "*").send(to)?.status < 500);
    }
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
    Ok(())
}

/// `check` warns of the methods that Envoy refuses over HTTP/1.1, before any filter runs. `CONNECT` has a meaning of its own.
#[test]
fn check_warns_of_exactly_the_methods_that_envoy_refuses() -> Result<()> {
    #[rustfmt::skip]
    const METHODS: &[&str] = &[
        "ACL", "BIND", "CHECKOUT", "COPY", "DELETE", "GET", "HEAD", "LINK", "LOCK", "MERGE", "MKACTIVITY", "MKCALENDAR",
        "MKCOL", "MOVE", "MSEARCH", "NOTIFY", "OPTIONS", "PATCH", "POST", "PROPFIND", "PROPPATCH", "PURGE", "PUT", "REBIND",
        "REPORT", "SEARCH", "SOURCE", "SUBSCRIBE", "TRACE", "UNBIND", "UNLINK", "UNLOCK", "UNSUBSCRIBE", "BREW", "FOO",
        "LIST", "VIEW", "M-SEARCH", "VERSION-CONTROL", "BASELINE-CONTROL", "LABEL", "ORDERPATCH", "PRI", "UPDATE", "get",
        "Get", "purge", "A", "X-GET",
    ];
    let (_stand_in, gateway) = start(table(json!([{"match": "ANY /a", "service": "orders"}])))?;
    for method in METHODS {
        let response = Request::new(method, "api.example.com", "/faas/a").header("content-length", "0");
        let is_refused = response.send(gateway.address())?.status == 400;
        let document = table(json!([{"match": format!("{method} /a"), "service": "orders"}]));
        let compiled = ksvc_routing::compile(document.to_string().as_bytes());
        let is_warned_of =
            compiled.problems.iter().any(|problem| ["refused-method", "method-case"].contains(&problem.kind.code()));
        ensure!(is_refused == is_warned_of, "{method}: Envoy refuses it: {is_refused}; a warning: {is_warned_of}");
    }
    Ok(())
}

#[test]
fn a_response_that_takes_longer_than_the_timeout_of_its_route_is_504() -> Result<()> {
    let document = table(json!([
        {"match": "GET /bounded", "service": "orders", "timeout": "200ms"},
        {"match": "GET /longer", "service": "orders", "timeout": "30s"},
        {"match": "GET /unbounded", "service": "orders"},
        {"match": "GET /retried", "service": "orders", "timeout": "10s", "requestHeaders": {
            "set": {"x-envoy-retry-on": "5xx", "x-envoy-max-retries": "2"}
        }},
    ]));
    let (stand_in, gateway) = start(document)?;
    let get = |path: &str, stand_in: &str, headers: &[(&str, &str)]| {
        let request = Request::get("api.example.com", format!("/faas{path}")).header("x-stand-in", stand_in);
        headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send(gateway.address())
    };
    assert_eq!(get("/longer", "delay=1000", &[])?.status, 200);
    assert_eq!(get("/bounded", "delay=3000", &[])?.status, 504);
    assert_eq!(get("/unbounded", "delay=1000", &[])?.status, 200);
    let grpc = get("/bounded", "delay=3000", &[("content-type", "application/grpc")])?;
    assert_eq!((grpc.status, grpc.header("grpc-status")), (200, Some("14")));

    let before = stand_in.requests();
    assert_eq!(get("/retried", "status=503", &[])?.status, 503);
    assert_eq!(stand_in.requests() - before, 3, "one request and two retries");
    Ok(())
}

/// Envoy's HTTP/1.1 codec refuses such bytes itself, but its HTTP/2 codec does not.
#[tokio::test]
async fn the_plugin_refuses_bytes_outside_ascii() -> Result<()> {
    let (_stand_in, gateway) = start(orders_table("orders"))?;
    let mut client = http2(gateway.raw_path_address()).await?;
    let request = hyper::Request::get("http://api.example.com/faas/orders/café").body(whole(""))?;
    let response = client.send_request(request).await?;
    assert_eq!(response.status(), 400);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    Ok(())
}

#[test]
fn the_plugins_own_responses_do_not_echo_the_request() -> Result<()> {
    let (_stand_in, gateway) = start(orders_table("orders"))?;
    for path in ["/faas/secret-path", "/faas/secret-path//", "/faas/orders/secret-path%2F"] {
        let request = Request::get("api.example.com", path).header("x-secret", "secret-header");
        let body = request.send(gateway.address())?.text();
        assert!(!body.contains("secret") && !body.contains("api.example.com"), "{path}: {body}");
    }
    Ok(())
}

// ---- protocols

#[tokio::test]
async fn http2_requests_of_one_connection_reach_their_ksvcs() -> Result<()> {
    let (_stand_in, gateway) = start(sample_table()?)?;
    protocols::http2_requests_of_one_connection_reach_their_ksvcs(gateway.address()).await
}

#[tokio::test]
async fn websockets_pass_through_a_rewritten_authority() -> Result<()> {
    let (_stand_in, gateway) = start(sample_table()?)?;
    protocols::websockets_pass_through_a_rewritten_authority(gateway.address()).await
}

#[tokio::test]
async fn unary_grpc_passes_through_a_rewritten_authority() -> Result<()> {
    let (_stand_in, gateway) = start(protocols::grpc_table())?;
    protocols::unary_grpc_passes_through_a_rewritten_authority(gateway.address()).await
}

#[tokio::test]
async fn messages_of_streaming_grpc_pass_one_by_one() -> Result<()> {
    let (_stand_in, gateway) = start(protocols::grpc_table())?;
    protocols::messages_of_streaming_grpc_pass_one_by_one(gateway.address()).await
}

#[tokio::test]
async fn a_grpc_call_without_a_route_gets_a_grpc_status() -> Result<()> {
    let (_stand_in, gateway) = start(protocols::grpc_table())?;
    protocols::a_grpc_call_without_a_route_gets_a_grpc_status(gateway.address()).await
}

#[tokio::test]
async fn bodies_are_streamed_and_not_buffered() -> Result<()> {
    let (_stand_in, gateway) = start(sample_table()?)?;
    protocols::bodies_are_streamed_and_not_buffered(gateway.address()).await
}

// ---- edits, and bad documents

#[test]
fn edits_while_requests_run_neither_fail_nor_misroute_any() -> Result<()> {
    let stand_in = StandIn::start()?;
    let setup = Setup::new(&envoy::find()?, &plugin()?, orders_table("one"));
    let mut gateway = setup.ksvcs(targets(&["one", "two"])).catch_all().workers(2).start(stand_in.address())?;
    let to = gateway.address();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..2).map(|_| scope.spawn(|| requests_until(&done, to))).collect();
        let edits = (|| {
            for service in ["two", "one", "two"] {
                gateway.edit(orders_table(service))?;
                let expected = format!("{service}.shop.example.com");
                eventually(LAG, "the new table on every worker", || {
                    let seen = (0..10).map(|_| Ok(report(&orders(to)?)?.authority == expected));
                    Ok(seen.collect::<Result<Vec<_>>>()?.into_iter().all(|new| new))
                })?;
            }
            anyhow::Ok(())
        })();
        done.store(true, Ordering::Relaxed);
        let mut sent = 0;
        for client in clients {
            sent += client.join().expect("a client thread panicked")?;
        }
        edits?;
        ensure!(sent > 20, "only {sent} requests ran during the edits");
        anyhow::Ok(())
    })
}

/// Sends requests until `done`. Each must reach the target of one of the two tables.
fn requests_until(done: &AtomicBool, to: SocketAddr) -> Result<usize> {
    let mut sent = 0;
    while !done.load(Ordering::Relaxed) {
        let report = report(&orders(to)?)?;
        ensure!(["one.shop.example.com", "two.shop.example.com"].contains(&report.authority.as_str()), "{report:?}");
        ensure!(report.header("x-forwarded-host") == Some("api.example.com"), "{report:?}");
        sent += 1;
    }
    Ok(sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_in_flight_keeps_the_old_table() -> Result<()> {
    let (_stand_in, mut gateway) = start(orders_table("orders"))?;
    let mut client = http2(gateway.address()).await?;
    let (mut chunks, body) = Channel::<Bytes, hyper::Error>::new(1);
    chunks.send_data(Bytes::from("before")).await?;
    let request = hyper::Request::get("http://api.example.com/faas/orders/1").header("x-stand-in", "stream");
    let mut response = client.send_request(request.body(body.boxed())?).await?.into_body();
    assert_eq!(next_data(&mut response).await?, "before");
    tokio::task::block_in_place(|| gateway.edit(table(json!([]))))?;
    chunks.send_data(Bytes::from("after")).await?;
    assert_eq!(next_data(&mut response).await?, "after");
    drop(chunks);
    response.collect().await?;
    Ok(())
}

/// If the agent has fetched the module, VMs survive edits, and Envoy does not notify them when an old plugin is gone.
#[test]
fn vms_that_survive_edits_free_the_old_tables() -> Result<()> {
    let stand_in = StandIn::start()?;
    let table = |edit: usize| {
        let route = |n| json!({"match": format!("GET /edit-{edit}/route-{n}/{{id}}"), "service": "orders"});
        common::table((0..5_000).map(route).collect())
    };
    let setup = Setup::new(&envoy::find()?, &plugin()?, table(0)).without_resource_version();
    let mut gateway = setup.start(stand_in.address())?;
    let mut before = 0;
    for edit in 1..=24 {
        gateway.edit(table(edit))?;
        let path = format!("/faas/edit-{edit}/route-4999/7");
        let response = Request::get("api.example.com", &path).send(gateway.address())?;
        ensure!(response.status == 200, "{path}: {}", response.status);
        if edit == 8 {
            before = resident(&gateway)?;
        }
    }
    let after = resident(&gateway)?;
    // Each old table would take a megabyte on each thread.
    ensure!(after < before + 20_000_000, "{before} bytes after 8 edits, {after} bytes after 24");
    Ok(())
}

/// Returns the resident memory of Envoy's process, in bytes.
fn resident(gateway: &Gateway) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.process_id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    Ok(line.context("no VmRSS")?.parse::<u64>()? * 1024)
}

#[test]
fn a_bad_document_on_a_running_gateway_keeps_the_last_good_table() -> Result<()> {
    bad_document_keeps_the_last_good_table(&envoy::find()?)
}

fn bad_document_keeps_the_last_good_table(envoy: &Path) -> Result<()> {
    let stand_in = StandIn::start()?;
    let setup = Setup::new(envoy, &plugin()?, orders_table("one"));
    let mut gateway = setup.ksvcs(targets(&["one", "two"])).catch_all().workers(2).start(stand_in.address())?;

    let bad = json!({"hosts": ["api.example.com"], "basePath": "/faas", "domain": "example.com", "namespace": "shop",
        "rutes": [],
        "routes": [{"match": "GET /orders/{id}", "service": "two"}, {"match": "/no-method", "service": "two"}]});
    gateway.edit(bad)?;
    for _ in 0..10 {
        assert_eq!(report(&orders(gateway.address())?)?.authority, "one.shop.example.com");
    }
    eventually(LAG, "one document is rejected and the gauge says degraded", || {
        let stat = |name| gateway.plugin_stat("default", name);
        Ok((stat("config_accepted")?, stat("config_rejected")?, stat("config_degraded")?) == (1, 1, 1))
    })?;
    let log = gateway.log();
    assert!(log.contains("rutes") && log.contains("routes[1].match"), "the log lacks an error or its place:\n{log}");

    gateway.edit(Document::Text("\u{0}not json".to_owned()))?;
    gateway.edit(Document::Absent)?;
    assert_eq!(report(&orders(gateway.address())?)?.authority, "one.shop.example.com");

    gateway.edit(orders_table("two"))?;
    eventually(LAG, "the corrected table serves", || {
        Ok(report(&orders(gateway.address())?)?.authority == "two.shop.example.com")
    })?;
    eventually(LAG, "two documents accepted, three rejected, no longer degraded", || {
        let stat = |name| gateway.plugin_stat("default", name);
        Ok((stat("config_accepted")?, stat("config_rejected")?, stat("config_degraded")?) == (2, 3, 0))
    })
}

#[test]
fn a_bad_document_at_the_start_of_a_gateway_serves_its_good_routes() -> Result<()> {
    let routes = json!([
        {"match": "GET /orders/{id}", "service": "orders"},
        {"match": "GET /broken/{id}", "service": "orders", "rewritePath": "/{unknown}"},
    ]);
    let (_stand_in, mut gateway) = start(table(routes))?;
    let get = |host: &str, path: &str| Request::get(host, path).send(gateway.address());
    assert_eq!(report(&get("api.example.com", "/faas/orders/1")?)?.authority, "orders.shop.example.com");
    let broken = get("api.example.com", "/faas/broken/1")?;
    assert_eq!((broken.status, broken.header("content-type")), (503, Some("application/problem+json")));
    assert_eq!(report(&get("www.example.com", "/faas/broken/1")?)?.authority, "www.example.com");
    assert_eq!(report(&get("api.example.com", "/other")?)?.authority, "api.example.com");
    eventually(LAG, "one document rejected, degraded, one request to a broken route", || {
        let stat = |name| gateway.plugin_stat("default", name);
        Ok((stat("config_rejected")?, stat("config_degraded")?, stat("broken_route")?) == (1, 1, 1))
    })?;

    gateway.edit(orders_table("orders"))?;
    eventually(LAG, "no longer degraded", || Ok(gateway.plugin_stat("default", "config_degraded")? == 0))
}

#[test]
fn an_unreadable_document_leaves_all_traffic_untouched() -> Result<()> {
    for document in [Document::Absent, Document::Text("{".to_owned()), Document::Table(json!({}))] {
        let (_stand_in, gateway) = start(document)?;
        let report = report(&orders(gateway.address())?)?;
        assert_eq!((report.authority.as_str(), report.header("x-forwarded-host")), ("api.example.com", None));
    }
    Ok(())
}

// ---- metrics and logs

#[test]
fn metrics_have_the_tables_name_as_a_label() -> Result<()> {
    let mut document = orders_table("orders");
    document["name"] = "shop".into();
    let (_stand_in, gateway) = start(document)?;
    let get = |path: &str| Request::get("api.example.com", path).send(gateway.address());
    for path in ["/faas/orders/1", "/faas/orders/2", "/faas/nothing", "/faas/orders//"] {
        get(path)?;
    }
    Request::new("DELETE", "api.example.com", "/faas/orders/1").send(gateway.address())?;
    let expected = [
        "ksvc_router_routed{wasm_filter=\"shop\"} 2",
        "ksvc_router_not_found{wasm_filter=\"shop\"} 1",
        "ksvc_router_unsafe_path{wasm_filter=\"shop\"} 1",
        "ksvc_router_method_not_allowed{wasm_filter=\"shop\"} 1",
        "ksvc_router_config_accepted{wasm_filter=\"shop\"} 1",
        "ksvc_router_routes{wasm_filter=\"shop\"} 1",
        "ksvc_router_config_degraded{wasm_filter=\"shop\"} 0",
    ];
    let mut page = String::new();
    let found = eventually(LAG, "all metrics are there", || {
        page = gateway.admin_get("/stats/prometheus")?;
        Ok(expected.iter().all(|expected| page.lines().any(|line| line == *expected)))
    });
    found.with_context(|| page.lines().filter(|line| line.contains("ksvc_router")).collect::<Vec<_>>().join("\n"))
}

#[test]
fn the_access_log_names_the_route() -> Result<()> {
    let (_stand_in, gateway) = start(sample_table()?)?;
    let beta = Request::get("api.example.com", "/faas/orders/1").header("x-beta", "true");
    beta.send(gateway.address())?;
    eventually(LAG, "the route is in the access log", || Ok(gateway.access_log().contains("route=orders-beta")))
}

// ---- other versions of Envoy, and envoy.yaml as users of func-e run it

#[test]
fn the_oldest_envoy_behaves_the_same() -> Result<()> {
    behaves_the_same(envoy::OLDEST)
}

#[test]
fn the_newest_envoy_behaves_the_same() -> Result<()> {
    behaves_the_same(envoy::NEWEST)
}

fn behaves_the_same(version: &str) -> Result<()> {
    let envoy = envoy::pinned(version)?;
    for table in CASE_TABLES {
        run_cases(table, &envoy)?;
    }
    bad_document_keeps_the_last_good_table(&envoy)
}

#[test]
fn wasm_plugin_yaml_and_ecds_yaml_have_the_same_table() -> Result<()> {
    let ecds: Value = yaml::read(&repository().join("testenv/ecds.yaml"))?;
    let text = ecds.pointer("/resources/0/typed_config/config/configuration/value");
    let table: Value = serde_json::from_str(text.and_then(Value::as_str).context("a JSON text")?)?;
    assert_eq!(table, sample_table()?, "copy `pluginConfig` of wasm-plugin.yaml to testenv/ecds.yaml");
    Ok(())
}

#[test]
fn envoy_accepts_the_unchanged_envoy_yaml() -> Result<()> {
    plugin()?;
    let mut validate = Command::new(envoy::find()?);
    let output =
        validate.args(["--mode", "validate", "-c", "testenv/envoy.yaml"]).current_dir(repository()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn envoy_yaml_serves_with_no_change_but_the_ports() -> Result<()> {
    plugin()?;
    let folder = tempfile::tempdir()?;
    // Only the ports are changed, because another gateway may run on this machine.
    let ports = free_ports::<3>()?;
    let mut bootstrap = fs::read_to_string(repository().join("testenv/envoy.yaml"))?;
    for (fixed, free) in ["10000", "10001", "9901"].iter().zip(ports) {
        bootstrap = bootstrap.replace(&format!("port_value: {fixed} "), &format!("port_value: {free} "));
    }
    let path = folder.path().join("envoy.yaml");
    fs::write(&path, bootstrap)?;
    let mut envoy = Command::new(envoy::find()?);
    envoy.arg("-c").arg(&path).args(["--disable-hot-restart", "--concurrency", "1"]).current_dir(repository());
    let _envoy = Running::start("Envoy", &mut envoy, &folder.path().join("envoy.log"), None)?;

    let gateway = SocketAddr::from(([127, 0, 0, 1], ports[0]));
    let order = Request::new("POST", "api.example.com", "/faas/orders?a=b").body("{\"größe\": 1}");
    eventually(LAG, "the gateway answers", || Ok(order.send(gateway).is_ok_and(|response| response.status == 200)))?;
    let arrived = report(&order.send(gateway)?)?;
    assert_eq!(
        (arrived.authority.as_str(), arrived.path.as_str()),
        ("orders-write.shop.example.com", "/faas/orders?a=b")
    );
    assert_eq!((arrived.method.as_str(), arrived.body.as_str()), ("POST", "{\"größe\": 1}"));
    assert_eq!(arrived.header("x-forwarded-host"), Some("api.example.com"));
    assert_eq!(arrived.header("knative-serving-revision"), Some("orders-write-00001"));
    Ok(())
}

// ---- helpers

/// Starts a gateway with this document, the KSVC `echo` and a virtual host for all other hosts.
fn start(document: impl Into<Document>) -> Result<(StandIn, Gateway)> {
    let stand_in = StandIn::start()?;
    let setup = Setup::new(&envoy::find()?, &plugin()?, document);
    let gateway = setup.ksvcs(targets(&["echo"])).catch_all().raw_paths().start(stand_in.address())?;
    Ok((stand_in, gateway))
}

/// Returns the hosts of these services.
fn targets(services: &[&str]) -> Vec<String> {
    services.iter().map(|service| format!("{service}.shop.example.com")).collect()
}

/// Waits until a condition is true. `what` names the condition.
fn eventually(patience: Duration, what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + patience;
    while !condition()? {
        ensure!(Instant::now() < deadline, "after {patience:?}, still not true: {what}");
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

//! Failures and what a user sees of each: KSVCs that refuse or reset connections or hang, a module file that is
//! missing, and gateways that are drained or restarted.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::{Response, StatusCode, Version};
use serde_json::{Value, json};
use testenv::gateway::{PLUGIN, Setup};
use testenv::http1::Request;
use testenv::process::free_ports;
use testenv::stand_in::{Report, StandIn};
use testenv::{envoy, plugin};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::client::{Client, VERSIONS};
use crate::common::protocols::next_data;
use crate::ksvc::{Ksvc, chunked, whole};
use crate::who_answered::documented;
use crate::{PATIENCE, access_log, gateway, orders, setup, trap};

fn orders_1() -> Request {
    Request::get("api.example.com", "/faas/orders/1")
}

#[tokio::test]
async fn a_ksvc_that_refuses_connections_is_a_503_of_envoys_own() -> Result<()> {
    let [unused_port] = free_ports()?;
    let gateway = gateway(orders(), SocketAddr::from((Ipv4Addr::LOCALHOST, unused_port)))?;
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let mut client = Client::connect(version, gateway.address()).await?;
        let response = client.send(client.request("GET", "/faas/orders/1").body(whole(""))?).await?;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{version:?}");
        assert_eq!(response.headers()["content-type"], "text/plain", "{version:?}: the response is not Envoy's");
        assert_eq!(access_log(&gateway, number + 1).await?[number], REFUSED);
    }
    documented(&[REFUSED])
}

#[tokio::test]
async fn a_ksvc_that_resets_the_connection_is_a_503_of_envoys_own() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let gateway = gateway(orders(), listener.local_addr()?)?;
    let resetting = tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            // Waits for the request, and then resets the connection instead of closing it.
            let _ = connection.read(&mut [0; 1024]).await;
            let _ = connection.set_zero_linger();
        }
    });
    let mut client = Client::connect(Version::HTTP_11, gateway.address()).await?;
    let response = client.send(client.request("GET", "/faas/orders/1").body(whole(""))?).await?;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(access_log(&gateway, 1).await?[0], RESET);
    resetting.abort();
    documented(&[RESET])
}

/// Gives every route a timeout, as `timeout` in a VirtualService does.
fn with_a_timeout(bootstrap: &mut Value) {
    let manager = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    for host in manager["route_config"]["virtual_hosts"].as_array_mut().into_iter().flatten() {
        for route in host["routes"].as_array_mut().into_iter().flatten() {
            route["route"]["timeout"] = "3s".into();
        }
    }
}

#[tokio::test]
async fn a_ksvc_that_hangs_is_a_504_where_its_route_has_a_timeout() -> Result<()> {
    let mut ksvc = Ksvc::start().await?;
    let gateway = setup(orders())?.bootstrap(with_a_timeout).start(ksvc.address)?;
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let mut client = Client::connect(version, gateway.address()).await?;
        let request = client.request("GET", "/faas/orders/1").body(whole(""))?;
        // The call is kept and never answered.
        let (response, call) = tokio::try_join!(client.send(request), ksvc.call())?;
        assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT, "{version:?}");
        assert_eq!(response.headers()["content-type"], "text/plain", "{version:?}: the response is not Envoy's");
        drop(call);
        assert_eq!(access_log(&gateway, number + 1).await?[number], HANGS);
    }
    documented(&[HANGS])
}

#[tokio::test]
async fn a_ksvc_that_hangs_amid_its_answer_breaks_it_off_where_its_route_has_a_timeout() -> Result<()> {
    let mut ksvc = Ksvc::start().await?;
    let gateway = setup(orders())?.bootstrap(with_a_timeout).start(ksvc.address)?;
    for (number, version) in VERSIONS.into_iter().enumerate() {
        let mut client = Client::connect(version, gateway.address()).await?;
        let request = client.request("GET", "/faas/orders/1").body(whole(""))?;
        let (mut chunks, body) = chunked();
        let (response, _) = ksvc.answer(client.send(request), Response::new(body)).await?;
        let mut response = response.into_body();
        chunks.send_data(Bytes::from("half")).await?;
        assert_eq!(next_data(&mut response).await?, "half");
        let rest = timeout(PATIENCE, response.frame()).await.context("the client does not see the break")?;
        let may_look_complete = version == Version::HTTP_2 && rest.is_none();
        assert!(may_look_complete || rest.is_some_and(|frame| frame.is_err()), "{version:?}: the client sees no error");
        assert_eq!(access_log(&gateway, number + 1).await?[number], HANGS_DURING_RESPONSE);
    }
    documented(&[HANGS_DURING_RESPONSE])
}

#[tokio::test]
async fn a_module_that_is_not_there_is_500_for_everything_until_it_is_and_then_changes_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let module = folder.path().join("plugin.wasm");
    let stand_in = StandIn::start()?;
    let setup = Setup::new(&envoy::find()?, &module, orders()).access_log(crate::ACCESS_LOG);
    let mut gateway = setup.start(stand_in.address())?;
    for host in ["api.example.com", "orders.shop.example.com", "www.example.net"] {
        assert_eq!(Request::get(host, "/faas/orders/1").send(gateway.address())?.status, 500, "{host}");
    }
    assert!(gateway.log().contains("Invalid path: "), "{}", gateway.log());
    let log = access_log(&gateway, 3).await?;
    assert!(log.iter().all(|line| line == NO_MODULE), "{log:?}");

    fs::copy(plugin()?, &module)?;
    gateway.write(PLUGIN, orders())?;
    eventually("the route serves", || Ok(orders_1().send(gateway.address())?.status == 200)).await?;

    fs::remove_file(&module)?;
    gateway.write(PLUGIN, json!({"hosts": ["api.example.com"], "routes": []}))?;
    eventually("Envoy has refused the edit", || Ok(gateway.log().matches("rejected: Invalid path: ").count() >= 2))
        .await?;
    assert_eq!(orders_1().send(gateway.address())?.status, 200, "the last module and table still serve");
    documented(&[NO_MODULE])
}

/// Changes the bootstrap so that Envoy has the routes of the KSVCs, but not their clusters.
fn without_clusters(bootstrap: &mut Value) {
    let manager = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    manager["route_config"]["validate_clusters"] = false.into();
    bootstrap["static_resources"]["clusters"] = json!([]);
}

/// Changes the bootstrap so that Envoy has the clusters of the KSVCs, but no address in them.
fn without_endpoints(bootstrap: &mut Value) {
    for cluster in bootstrap["static_resources"]["clusters"].as_array_mut().into_iter().flatten() {
        cluster["load_assignment"]["endpoints"] = json!([]);
    }
}

/// This is the state for a moment after a KSVC was made, or while none of its pods is ready.
#[tokio::test]
async fn a_ksvc_that_the_gateway_knows_only_in_part_is_a_503_of_envoys_own() -> Result<()> {
    let stand_in = StandIn::start()?;
    for (change, line) in [(without_clusters as fn(&mut Value), NO_CLUSTER), (without_endpoints, NO_ENDPOINT)] {
        let gateway = setup(orders())?.bootstrap(change).start(stand_in.address())?;
        assert_eq!(orders_1().send(gateway.address())?.status, 503, "{line}");
        assert_eq!(access_log(&gateway, 1).await?, [line]);
    }
    documented(&[NO_CLUSTER, NO_ENDPOINT])
}

/// The first request crashes the filter, and the second finds no filter, because this one is not started again. The
/// tests of `fail_strategy` under Istio show what happens with each `failStrategy`.
#[tokio::test]
async fn a_crash_of_the_filter_is_a_503_with_details_of_its_own() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let module = folder.path().join("trap.wasm");
    fs::write(&module, trap::module(false)?)?;
    let filter = json!({"name": "ksvc-router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {
            "name": "ksvc-router", "root_id": "ksvc-router", "failure_policy": "FAIL_CLOSED",
            "vm_config": {"runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": module}}},
        },
    }});
    let stand_in = StandIn::start()?;
    let gateway = setup(orders())?.filter(filter).start(stand_in.address())?;
    let request = || Request::get("orders.shop.example.com", "/");
    assert_eq!(request().send(gateway.address())?.status, 200, "the filter runs");
    for (number, request) in [(1, request().header("x-trap", "yes")), (2, request())] {
        assert_eq!(request.send(gateway.address())?.status, 503);
        assert_eq!(access_log(&gateway, number + 1).await?[number], TRAPPED);
    }
    documented(&[TRAPPED])
}

/// Istio's agent puts this filter in the place of a plugin whose module it can't fetch (`registry` under Istio).
#[tokio::test]
async fn the_filter_that_stands_for_a_module_that_was_not_fetched_is_a_403_for_everything() -> Result<()> {
    let deny_all = json!({"name": "ksvc-router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC", "rules": {},
    }});
    let stand_in = StandIn::start()?;
    let gateway = setup(orders())?.filter(deny_all).start(stand_in.address())?;
    for (number, host) in ["api.example.com", "orders.shop.example.com", "www.example.net"].iter().enumerate() {
        assert_eq!(Request::get(*host, "/faas/orders/1").send(gateway.address())?.status, 403, "{host}");
        assert_eq!(access_log(&gateway, number + 1).await?[number], DENIED);
    }
    documented(&[DENIED])
}

/// Waits until a condition is true. `what` names the condition.
async fn eventually(what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let waiting = async {
        while !condition()? {
            sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    timeout(PATIENCE, waiting).await.with_context(|| format!("still not true: {what}"))?
}

/// Sends requests while `meanwhile` runs, and checks that every one reaches the KSVC of its route. Returns how many
/// there were.
fn no_request_is_lost(to: SocketAddr, meanwhile: impl FnOnce() -> Result<()>) -> Result<usize> {
    let (done, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let response = orders_1().send(to)?;
                ensure!(response.status == 200, "{}: {}", response.status, response.text());
                let report: Report = serde_json::from_slice(&response.body)?;
                ensure!(report.authority == "orders.shop.example.com", "{report:?}");
                sent.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        });
        let outcome = meanwhile();
        done.store(true, Ordering::Relaxed);
        client.join().expect("the client panicked")?;
        outcome
    })?;
    Ok(sent.into_inner())
}

#[tokio::test]
async fn a_drained_gateway_routes_on_and_asks_its_clients_to_leave() -> Result<()> {
    let mut ksvc = Ksvc::start().await?;
    let gateway = setup(orders())?.drain_time(30).start(ksvc.address)?;
    let mut before = Client::connect(Version::HTTP_11, gateway.address()).await?;
    let request = before.request("GET", "/faas/orders/1").body(whole(""))?;
    let (mut chunks, body) = chunked();
    let (response, _) = ksvc.answer(before.send(request), Response::new(body)).await?;
    gateway.drain()?;
    // New requests are still routed, and the request in flight is completed.
    let mut during = Client::connect(Version::HTTP_11, gateway.address()).await?;
    let request = during.request("GET", "/faas/orders/2").body(whole(""))?;
    let (during_drain, arrived) = ksvc.answer(during.send(request), Response::new(whole("served"))).await?;
    assert_eq!(arrived.headers()["x-forwarded-host"], "api.example.com");
    assert_eq!(during_drain.headers()["connection"], "close");
    chunks.send_data(Bytes::from("whole")).await?;
    drop(chunks);
    assert_eq!(response.into_body().collect().await?.to_bytes(), "whole");
    Ok(())
}

#[test]
fn a_hot_restart_loses_no_request_and_keeps_the_table() -> Result<()> {
    let stand_in = StandIn::start()?;
    let mut gateway = setup(orders())?.hot_restart().start(stand_in.address())?;
    let to = gateway.address();
    let sent = no_request_is_lost(to, || {
        for _ in 0..2 {
            gateway.hot_restart()?;
            gateway.await_old_process()?;
        }
        Ok(())
    })?;
    println!("{sent} requests over two hot restarts, none lost");
    ensure!(sent > 10, "only {sent} requests ran during the restarts");
    Ok(())
}

const REFUSED: &str = "503 UF upstream_reset_before_response_started{remote_connection_failure|\
    delayed_connect_error:_Connection_refused} orders";
const RESET: &str = "503 UC upstream_reset_before_response_started{connection_termination} orders";
const HANGS: &str = "504 UT response_timeout orders";
const HANGS_DURING_RESPONSE: &str = "200 UT response_timeout orders";
const NO_MODULE: &str = "500 NFCF  -";
const NO_CLUSTER: &str = "503 NC cluster_not_found orders";
const NO_ENDPOINT: &str = "503 UH no_healthy_upstream orders";
const TRAPPED: &str = "503 - wasm_fail_stream -";
const DENIED: &str = "403 - rbac_access_denied_matched_policy[none] -";
/// All lines of the access log that the tests of this file produce.
pub(crate) const LINES: [&str; 9] =
    [REFUSED, RESET, HANGS, HANGS_DURING_RESPONSE, NO_MODULE, NO_CLUSTER, NO_ENDPOINT, TRAPPED, DENIED];

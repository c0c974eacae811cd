//! Knative's own mechanisms work through the filter: scaling from zero, and probes.

use std::time::Duration;

use anyhow::Result;
use hyper::{Response, Version};
use serde_json::json;
use testenv::gateway::{ROUTE_HEADER, VIRTUAL_HOST_HEADER};
use testenv::http1::Request;
use testenv::stand_in::StandIn;

use crate::client::{Client, VERSIONS};
use crate::common::report;
use crate::ksvc::{Ksvc, whole};
use crate::{gateway, orders, setup};

/// Longer than Envoy's default route timeout of 15 s, which Knative switches off.
const COLD_START: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_ksvc_that_starts_from_zero_is_waited_for_and_asked_once() -> Result<()> {
    let mut ksvc = Ksvc::start().await?;
    let gateway = gateway(orders(), ksvc.address)?;
    // In parallel, so that both wait at the same time.
    let mut waiting = Vec::new();
    for version in VERSIONS {
        let mut client = Client::connect(version, gateway.address()).await?;
        let request = client.request("POST", "/faas/orders/1").body(whole("hello"))?;
        waiting
            .push(tokio::spawn(async move { client.send(request).await.map(|response| (version, response.status())) }));
    }
    let calls = [ksvc.call().await?, ksvc.call().await?];
    tokio::time::sleep(COLD_START).await;
    assert!(!ksvc.has_more(), "a request was sent again while its KSVC was starting");
    for call in calls {
        call.answer(Response::new(whole("awake")))?;
    }
    for client in waiting {
        let (version, status) = client.await??;
        assert_eq!(status, 200, "{version:?}");
    }
    assert!(!ksvc.has_more(), "a request was sent again after it was answered");
    Ok(())
}

#[tokio::test]
async fn a_failed_request_is_not_sent_again() -> Result<()> {
    let mut ksvc = Ksvc::start().await?;
    let gateway = gateway(orders(), ksvc.address)?;
    let mut client = Client::connect(Version::HTTP_11, gateway.address()).await?;
    let request = client.request("POST", "/faas/orders/1").body(whole("hello"))?;
    let response = Response::builder().status(503).body(whole("not yet"))?;
    let (response, _) = ksvc.answer(client.send(request), response).await?;
    assert_eq!(response.status(), 503);
    assert!(!ksvc.has_more());
    Ok(())
}

/// Returns a probe as net-istio's prober sends it, with a Go client.
fn probe(host: &str) -> Request {
    Request::get(host, "/healthz")
        .header("user-agent", "Knative-Ingress-Probe")
        .header("k-network-probe", "probe")
        .header("k-network-hash", "override")
        .header("accept-encoding", "gzip")
}

#[test]
fn knatives_probes_pass_a_table_of_every_host_that_denies_the_direct_way() -> Result<()> {
    // Everything that could catch a probe: every host is in scope, a route matches its path, and `denyDirect` is on.
    let table = json!({"hosts": ["*"], "denyDirect": true, "domain": "example.com", "namespace": "shop", "routes": [
        {"match": "GET /healthz", "service": "orders-write"},
        {"match": "ANY /{*rest}", "service": "orders", "requestHeaders": {"set": {"x-set": "by the table"}}},
        {"match": "GET /beta", "service": "orders", "tag": "beta"},
    ]});
    let stand_in = StandIn::start()?;
    // A tag and a service that the table does not name. Their probes come through the same listener.
    let unnamed = ["canary-orders.shop.example.com", "invoices.billing.example.com"];
    let gateway = setup(table)?.ksvcs(unnamed).start(stand_in.address())?;

    let named = ["orders.shop.example.com", "orders-write.shop.example.com", "beta-orders.shop.example.com"];
    for host in named.into_iter().chain(unnamed) {
        for port in [":80", ":8080", ":443", ""] {
            let authority = format!("{host}{port}");
            let response = probe(&authority).send(gateway.address())?;
            assert_eq!(response.header(VIRTUAL_HOST_HEADER), Some(format!("{host}:80").as_str()), "{authority}");
            assert_eq!(response.header(ROUTE_HEADER), None, "{authority}");
            let arrived = report(&response)?;
            assert_eq!((arrived.authority.as_str(), arrived.path.as_str()), (authority.as_str(), "/healthz"));
            for untouched in ["x-forwarded-host", "x-set"] {
                assert_eq!(arrived.header(untouched), None, "{authority}");
            }
            let expected = [
                ("user-agent", "Knative-Ingress-Probe"),
                ("k-network-probe", "probe"),
                // net-istio's own route for probes sets the hash. The other virtual hosts here have no such route.
                ("k-network-hash", if host == "orders.shop.example.com" { "2f1b7c0f" } else { "override" }),
                ("accept-encoding", "gzip"),
            ];
            for (name, value) in expected {
                assert_eq!(arrived.header(name), Some(value), "{authority}: {name}");
            }
        }
    }

    // Without the header that makes it a probe: the host of a target is denied, and other hosts are routed by the
    // table.
    for (host, expected) in [("orders.shop.example.com:80", 404), ("invoices.billing.example.com:80", 200)] {
        let mut request = probe(host);
        request.headers.retain(|(name, _)| name != "k-network-probe");
        let response = request.send(gateway.address())?;
        assert_eq!(response.status, expected, "{host}: {}", response.text());
        if expected == 200 {
            let arrived = report(&response)?;
            assert_eq!(arrived.authority, "orders-write.shop.example.com");
            assert_eq!((arrived.header("k-network-hash"), arrived.header("user-agent")), (None, None));
        }
    }
    Ok(())
}

#[test]
fn with_deny_direct_only_probes_reach_a_ksvc_by_its_own_host() -> Result<()> {
    let mut table = orders();
    table["denyDirect"] = true.into();
    let stand_in = StandIn::start()?;
    let gateway = gateway(table, stand_in.address())?;
    let host = "orders.shop.example.com:8080";
    assert_eq!(report(&probe(host).send(gateway.address())?)?.authority, host);
    let mut other_path = probe(host);
    other_path.path = b"/faas/orders/1".to_vec();
    // net-gateway-api probes the paths of routes.
    assert_eq!(report(&other_path.send(gateway.address())?)?.authority, host);
    // Knative's proxies look at the first of two headers, so a request with two could reach a function.
    let two = Request::get(host, "/faas/orders/1").header("k-network-probe", "x").header("k-network-probe", "probe");
    assert_eq!(two.send(gateway.address())?.status, 404);
    assert_eq!(Request::get(host, "/healthz").send(gateway.address())?.status, 404);
    Ok(())
}

//! Traffic that is more than one request and one response, in real Envoy with real clients: streams, large bodies,
//! trailers, gRPC, broken connections, and failures of KSVCs and gateways. Also, how the access log shows who answered,
//! and what spans tell.

mod breaks;
mod client;
#[allow(dead_code, reason = "shared with other test programs, which use different parts of it")]
#[path = "../common/mod.rs"]
mod common;
mod faults;
mod grpc;
mod json_log;
mod knative;
mod ksvc;
mod large_bodies;
mod streams;
mod tracing;
#[path = "../common/trap.rs"]
mod trap;
mod who_answered;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testenv::gateway::{Document, Gateway, Setup};
use testenv::{envoy, plugin};

/// An operation that takes longer has hung. None is expected to come near this limit.
const PATIENCE: Duration = Duration::from_secs(60);

/// The format of the access log that docs/runbook.md explains.
const ACCESS_LOG: &str = "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% \
    %FILTER_STATE(wasm.ksvc_router.route:PLAIN)%";

/// Returns a table with one route for everything below `/faas/orders`.
fn orders() -> Value {
    json!({"hosts": ["api.example.com"], "basePath": "/faas", "domain": "example.com", "namespace": "shop",
        "routes": [{"name": "orders", "match": "ANY /orders/{*rest}", "service": "orders"}]})
}

/// Starts a gateway that has no hosts but those of `envoy.yaml`, with this server for all of them.
fn gateway(document: impl Into<Document>, ksvc: SocketAddr) -> Result<Gateway> {
    setup(document)?.start(ksvc)
}

fn setup(document: impl Into<Document>) -> Result<Setup> {
    Ok(Setup::new(&envoy::find()?, &plugin()?, document).access_log(ACCESS_LOG))
}

/// Waits until the access log has this many lines. Envoy writes a line shortly after the end of the request.
async fn access_log(gateway: &Gateway, lines: usize) -> Result<Vec<String>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let log: Vec<String> = gateway.access_log().lines().map(str::to_owned).collect();
        if log.len() >= lines {
            return Ok(log);
        }
        ensure!(Instant::now() < deadline, "expected {lines} lines in the access log, found {log:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

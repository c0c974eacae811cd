//! What a gateway with the plugin in it does to traffic that is more than a request and an answer: streams, large
//! bodies, trailers, gRPC, connections that break; and how to tell from the access log who answered. In real Envoy,
//! with real clients, each test named by its rule.

mod breaks;
mod client;
#[allow(dead_code, reason = "shared with other layers; nobody needs all of it")]
#[path = "../common/mod.rs"]
mod common;
mod faults;
mod grpc;
mod knative;
mod ksvc;
mod large_bodies;
mod streams;
mod who_answered;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testenv::gateway::{Document, Gateway, Setup};
use testenv::{envoy, plugin};

/// What takes longer hangs: nothing is expected to come near it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The access log that docs/operations.md explains.
const ACCESS_LOG: &str = "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% \
    %FILTER_STATE(wasm.ksvc_router.route:PLAIN)%";

/// One route for everything below `/faas/orders`.
fn orders() -> Value {
    json!({"hosts": ["api.example.com"], "basePath": "/faas", "domain": "example.com", "namespace": "shop",
        "routes": [{"name": "orders", "match": "ANY /orders/{*rest}", "service": "orders"}]})
}

/// A gateway that knows the hosts of `envoy.yaml` and no others, in front of this server.
fn gateway(document: impl Into<Document>, ksvc: SocketAddr) -> Result<Gateway> {
    setup(document)?.start(ksvc)
}

fn setup(document: impl Into<Document>) -> Result<Setup> {
    Ok(Setup::new(&envoy::find()?, &plugin()?, document).access_log(ACCESS_LOG))
}

/// Waits for this many lines of the access log; Envoy writes it a little after the request's end.
async fn access_log(gateway: &Gateway, lines: usize) -> Result<Vec<String>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let log: Vec<String> = gateway.access_log().lines().map(str::to_owned).collect();
        if log.len() >= lines {
            return Ok(log);
        }
        ensure!(Instant::now() < deadline, "{lines} lines are to come, and there is only {log:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

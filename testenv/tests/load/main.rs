//! Edits of the table under load, in real Envoy with two workers: no request is lost, memory does not grow, and the
//! tests measure how long requests have to wait. Each edit makes new VMs, as under Istio.
//!
//! `cargo xtask test --load` runs these tests in a small size, and with `--full` in the size of docs/reliability.md.
//! They run one after another and print what they measure.

mod counters;
mod edits;
mod generations;
mod memory;
mod requests;
mod soak;
mod stall;
mod table;
mod websockets;
mod worker;

use std::net::SocketAddr;

use anyhow::Result;
use serde_json::{Value, json};
use testenv::gateway::{Document, Gateway, Setup};
use testenv::{envoy, plugin};

const WORKERS: u32 = 2;

/// Returns whether the tests run in the size of docs/reliability.md.
fn full() -> bool {
    std::env::var_os("LOAD_FULL").is_some_and(|value| !value.is_empty())
}

/// Starts a gateway that answers in place of every KSVC and reports the authority of the request in a response header,
/// so that two cores are enough for the load. Only WebSockets go to the stand-in.
fn gateway(document: impl Into<Document>, stand_in: SocketAddr) -> Result<Gateway> {
    let setup = Setup::new(&envoy::find()?, &plugin()?, document);
    setup.workers(WORKERS).bootstrap(answer_directly).start(stand_in)
}

fn answer_directly(bootstrap: &mut Value) {
    bootstrap["enable_dispatcher_stats"] = true.into();
    bootstrap["stats_flush_interval"] = worker::FLUSH.into();
    let manager = &mut bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    manager["access_log"] = json!([]);
    let authority = json!([{"header": {"key": requests::AUTHORITY, "value": "%REQ(:AUTHORITY)%"}}]);
    let upgrade = json!([{"name": "upgrade", "present_match": true}]);
    let cluster = "outbound|80||orders-00001.shop.svc.cluster.local";
    manager["route_config"]["virtual_hosts"] = json!([{"name": "shop", "domains": ["*.shop.example.com"], "routes": [
        {"match": {"prefix": "/", "headers": upgrade}, "route": {"cluster": cluster, "timeout": "0s"}},
        {"match": {"prefix": "/"}, "direct_response": {"status": 200}, "response_headers_to_add": authority},
    ]}]);
}

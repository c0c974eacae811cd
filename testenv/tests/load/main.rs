//! What edits of the table cost the requests beside them, and whether they lose any, in real Envoy with two workers.
//! Each edit makes new VMs, as under Istio. `cargo xtask test --load` runs these, in a size for every day; with
//! `--full` in the one that docs/reliability.md tells of. They run one after another and print what they measure.

mod counters;
mod edits;
mod live;
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

/// Whether this run is one of those that docs/reliability.md tells of.
fn full() -> bool {
    std::env::var_os("LOAD_FULL").is_some_and(|value| !value.is_empty())
}

/// A gateway that answers for every KSVC by itself, with the authority by which it was reached, so that two cores are
/// enough for the load; all but WebSockets, which go to this stand-in.
fn gateway(document: impl Into<Document>, stand_in: SocketAddr) -> Result<Gateway> {
    let setup = Setup::new(&envoy::find()?, &plugin()?, document);
    setup.workers(WORKERS).bootstrap(change).start(stand_in)
}

fn change(bootstrap: &mut Value) {
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

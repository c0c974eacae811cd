//! Many copies of one filter in one Envoy, so that what a filter costs stands out from what a request costs.
//!
//! In front of each copy a [`reset`] makes the request again what a client has sent. A chain of these alone is what the
//! others are compared with. The route is selected once, behind all of them: no filter within the chain asks for it.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::cpu::Meter;
use crate::envoy::{Envoy, Plugin, bootstrap};
use crate::reset;

/// The response header that tells with which authority the last filter left the request.
pub const AUTHORITY: &str = "x-authority";

/// What there are copies of.
pub enum Link {
    /// Nothing: the resets alone.
    Control,
    Wasm(Plugin),
    /// A filter of Envoy's own, Lua say.
    Native(Value),
}

pub struct Chain {
    pub envoy: Envoy,
    /// Of the worker.
    pub meter: Meter,
    pub copies: u32,
}

impl Chain {
    /// Starts a chain that answers 200 by itself to what comes out of it. `host` is what the resets write.
    pub fn start(binary: &Path, link: &Link, copies: u32, host: &str) -> Result<Self> {
        let envoy = Envoy::start(binary, |folder| {
            let reset = Plugin { name: "reset", module: reset::write(folder, host)?, document: json!({}) };
            reset.write(folder, 1)?;
            let filter = match link {
                Link::Control => None,
                Link::Wasm(plugin) => {
                    plugin.write(folder, 1)?;
                    Some(plugin.filter(folder))
                }
                Link::Native(filter) => Some(filter.clone()),
            };
            let both = [Some(reset.filter(folder)), filter];
            let filters = (0..copies).flat_map(|_| both.clone()).flatten().collect();
            Ok(bootstrap(filters, everything(), Vec::new()))
        })?;
        let meter = Meter::workers(envoy.id());
        Ok(Self { envoy, meter, copies })
    }
}

/// The least of a route table.
fn everything() -> Value {
    json!({"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{
        "match": {"prefix": "/"},
        "direct_response": {"status": 200},
        "response_headers_to_add": [{"header": {"key": AUTHORITY, "value": "%REQ(:AUTHORITY)%"}}],
    }]}]})
}

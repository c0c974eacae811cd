//! A chain of many copies of one filter in one Envoy. The cost of a single copy is small beside the cost of a request;
//! the cost of many copies is not.
//!
//! In front of each copy, a [`reset`] filter restores the request that the client sent. A chain of reset filters alone is
//! the control that the other chains are compared with. Envoy selects the route again only once, behind the whole chain,
//! because no filter within the chain asks for the route.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testenv::http1::Request;

use crate::cpu::Meter;
use crate::ecds;
use crate::envoy::{Envoy, bootstrap, filter};
use crate::reset;

/// The response header that reports the `:authority` with which the request left the last filter.
const AUTHORITY: &str = "x-authority";

pub struct Chain {
    pub envoy: Envoy,
    /// Measures Envoy's worker thread.
    pub meter: Meter,
    pub copies: u32,
}

/// The filters that the chain repeats.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// The public host that a reset filter in front of the copy restores.
    pub reset: Option<&'static str>,
    /// The `typed_config` of the filter that is measured.
    pub filter: Option<Value>,
    /// Adds a native filter behind the copy, which asks for the route.
    pub asks_for_route: bool,
}

impl Chain {
    /// Starts Envoy with the chain. Envoy itself answers 200 to every request that passes through it.
    pub fn start(binary: &Path, link: &Link, copies: u32) -> Result<Self> {
        let envoy = Envoy::start(binary, |folder| {
            let mut filters = Vec::new();
            if let Some(host) = link.reset {
                let module = reset::write(folder, host)?;
                ecds::write(folder, "reset", &ecds::wasm(&module, &Value::Null, 1)?, 1)?;
                filters.push(ecds::filter(folder, "reset"));
            }
            if let Some(typed_config) = &link.filter {
                ecds::write(folder, "filter", typed_config, 1)?;
                filters.push(ecds::filter(folder, "filter"));
            }
            if link.asks_for_route {
                filters.push(filter("header_mutation", "header_mutation.v3.HeaderMutation"));
            }
            let filters = (0..copies).flat_map(|_| filters.clone()).collect();
            Ok(bootstrap(0, filters, json!({"route_config": catch_all()}), json!([])))
        })?;
        let meter = Meter::workers(envoy.id());
        Ok(Self { envoy, meter, copies })
    }

    /// Sends a request and checks that it leaves the chain with this authority.
    pub fn check(&self, method: &str, host: &str, path: &str, authority: &str) -> Result<()> {
        let response = Request::new(method, host, path).send(self.envoy.address)?;
        let actual = response.header(AUTHORITY).unwrap_or_default();
        ensure!(
            response.status == 200 && actual == authority,
            "{method} {path} with host {host}: status {} and authority {actual:?}, expected 200 and {authority:?}\n{}",
            response.status,
            self.envoy.log_tail()
        );
        Ok(())
    }
}

/// A route table with a single route, which matches every request.
fn catch_all() -> Value {
    json!({"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{
        "match": {"prefix": "/"},
        // Nearly all responses have a body, and Envoy may call a filter for it.
        "direct_response": {"status": 200, "body": {"inline_string": "{\"id\": 42}\n"}},
        "response_headers_to_add": [{"header": {"key": AUTHORITY, "value": "%REQ(:AUTHORITY)%"}}],
    }]}]})
}

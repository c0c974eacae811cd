//! Many copies of one filter in one Envoy, so that what a filter costs stands out from what a request costs.
//!
//! In front of each copy a [`reset`] makes the request again what a client has sent. A chain of these alone is what the
//! others are compared with. The route is selected anew once, behind all of them: no filter within the chain asks for it.

use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testenv::http1::Request;

use crate::cpu::Meter;
use crate::ecds;
use crate::envoy::{Envoy, bootstrap, filter};
use crate::reset;

/// The response header that tells with which authority the last filter left the request.
const AUTHORITY: &str = "x-authority";

pub struct Chain {
    pub envoy: Envoy,
    /// Of the worker.
    pub meter: Meter,
    pub copies: u32,
}

/// What there is of each copy.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// The public host that a reset in front writes back.
    pub reset: Option<&'static str>,
    /// The `typed_config` of the filter.
    pub filter: Option<Value>,
    /// Whether a native filter behind asks for the route.
    pub asks_for_route: bool,
}

impl Chain {
    /// Starts a chain that answers 200 by itself to what comes out of it.
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
            Ok(bootstrap(0, filters, json!({"route_config": everything()}), json!([])))
        })?;
        let meter = Meter::workers(envoy.id());
        Ok(Self { envoy, meter, copies })
    }

    /// Sends a request, which must come out with this authority.
    pub fn check(&self, method: &str, host: &str, path: &str, authority: &str) -> Result<()> {
        let response = Request::new(method, host, path).send(self.envoy.address)?;
        let came_out = response.header(AUTHORITY).unwrap_or_default();
        ensure!(
            response.status == 200 && came_out == authority,
            "{method} {path} of {host} came out as {} {came_out:?}, not {authority:?}\n{}",
            response.status,
            self.envoy.log_tail()
        );
        Ok(())
    }
}

/// The least of a route table.
fn everything() -> Value {
    json!({"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{
        "match": {"prefix": "/"},
        // As nearly all answers, it has a body, of which a filter may be told.
        "direct_response": {"status": 200, "body": {"inline_string": "{\"id\": 42}\n"}},
        "response_headers_to_add": [{"header": {"key": AUTHORITY, "value": "%REQ(:AUTHORITY)%"}}],
    }]}]})
}

//! The gateway that all hostile messages are sent to, and the check after each of them: no instance of the filter has
//! crashed, and a normal request is served.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testenv::gateway::{Gateway, Setup};
use testenv::http1::Request;
use testenv::stand_in::{Report, StandIn};
use testenv::{envoy, plugin};

/// A gateway whose services count the requests that arrive.
pub(crate) struct Guarded {
    pub(crate) gateway: Gateway,
    stand_in: StandIn,
    /// Envoy's statistics on VMs before the first message.
    vms: Vec<(String, u64)>,
}

impl Guarded {
    /// Starts a gateway that routes everything below `/faas/orders` and nothing else. The gateway has a virtual host
    /// for `payments.billing`, but no route leads there.
    pub(crate) fn start() -> Result<Self> {
        let table = json!({"hosts": ["api.example.com"], "basePath": "/faas", "domain": "example.com",
            "namespace": "shop", "routes": [{"name": "orders", "match": "ANY /orders/{*rest}", "service": "orders"}]});
        let stand_in = StandIn::start()?;
        let gateway =
            Setup::new(&envoy::find()?, &plugin()?, table).bootstrap(close_quickly).start(stand_in.address())?;
        let vms = Self::vms(&gateway)?;
        Ok(Self { gateway, stand_in, vms })
    }

    /// Returns how many requests have arrived at the services.
    pub(crate) fn arrived(&self) -> u64 {
        self.stand_in.requests()
    }

    /// Returns Envoy's statistics on VMs: how many run, and how many were created or restarted after a crash.
    fn vms(gateway: &Gateway) -> Result<Vec<(String, u64)>> {
        gateway.stats(r"^wasm\.")
    }

    /// Checks that a normal request is served and that the filter has not crashed.
    pub(crate) fn check_still_serves(&self) -> Result<()> {
        let response = Request::get("api.example.com", "/faas/orders/normal").send(self.gateway.address())?;
        ensure!(response.status == 200, "the next normal request gets status {}", response.status);
        let report: Report = serde_json::from_slice(&response.body)?;
        ensure!(report.authority == ORDERS && report.path == "/faas/orders/normal", "{report:?}");
        let vms = Self::vms(&self.gateway)?;
        ensure!(vms == self.vms, "the filter has crashed: {vms:?}, before the message {:?}", self.vms);
        Ok(())
    }
}

/// Makes Envoy close connections sooner. By default it waits for a second, so that its last bytes arrive.
fn close_quickly(bootstrap: &mut Value) {
    let listener = &mut bootstrap["static_resources"]["listeners"][0];
    listener["filter_chains"][0]["filters"][0]["typed_config"]["delayed_close_timeout"] = "0.05s".into();
}

pub(crate) const ORDERS: &str = "orders.shop.example.com";

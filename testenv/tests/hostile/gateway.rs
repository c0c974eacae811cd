//! The gateway that all shapes go to, and what has to hold after each: no instance of the filter has crashed, and an
//! honest request is served.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testenv::gateway::{Gateway, Setup};
use testenv::http1::Request;
use testenv::stand_in::{Report, StandIn};
use testenv::{envoy, plugin};

/// A gateway in front of services that count what arrives.
pub(crate) struct Guarded {
    pub(crate) gateway: Gateway,
    stand_in: StandIn,
    vms: Vec<(String, u64)>,
}

impl Guarded {
    /// Everything below `/faas/orders` is routed, and nothing else. No route leads to `payments.billing`, which the
    /// gateway has.
    pub(crate) fn start() -> Result<Self> {
        let table = json!({"hosts": ["api.example.com"], "basePath": "/faas", "domain": "example.com",
            "namespace": "shop", "routes": [{"name": "orders", "match": "ANY /orders/{*rest}", "service": "orders"}]});
        let stand_in = StandIn::start()?;
        let gateway = Setup::new(&envoy::find()?, &plugin()?, table).bootstrap(hurry).start(stand_in.address())?;
        let vms = Self::vms(&gateway)?;
        Ok(Self { gateway, stand_in, vms })
    }

    /// How many requests have arrived at any service.
    pub(crate) fn arrived(&self) -> u64 {
        self.stand_in.requests()
    }

    /// All that Envoy tells of VMs: those that run, and those that were ever made or made anew after a crash.
    fn vms(gateway: &Gateway) -> Result<Vec<(String, u64)>> {
        gateway.stats(r"^wasm\.")
    }

    pub(crate) fn goes_on(&self) -> Result<()> {
        let answer = Request::get("api.example.com", "/faas/orders/honest").send(self.gateway.address())?;
        ensure!(answer.status == 200, "an honest request is answered {} afterwards", answer.status);
        let report: Report = serde_json::from_slice(&answer.body)?;
        ensure!(report.authority == ORDERS && report.path == "/faas/orders/honest", "{report:?}");
        let vms = Self::vms(&self.gateway)?;
        ensure!(vms == self.vms, "the filter has crashed: {vms:?}, and before {:?}", self.vms);
        Ok(())
    }
}

/// Envoy keeps what it closes open for a second, so that its last words arrive.
fn hurry(bootstrap: &mut Value) {
    let listener = &mut bootstrap["static_resources"]["listeners"][0];
    listener["filter_chains"][0]["filters"][0]["typed_config"]["delayed_close_timeout"] = "0.05s".into();
}

pub(crate) const ORDERS: &str = "orders.shop.example.com";

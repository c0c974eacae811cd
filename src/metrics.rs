//! The counters and gauges of a table. Each count goes to Envoy at once. Counts that are collected here would have to
//! be passed on when the VM ends, and a module that exports the callback for that is also called at the end of every
//! stream, counted or not. That costs about as much as the count itself.

use ksvc_routing::Outcome;
use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

#[derive(Clone, Copy)]
pub enum Counter {
    Routed,
    NotFound,
    MethodNotAllowed,
    UnsafePath,
    Preflight,
    DeniedDirect,
    Answered,
    BrokenRoute,
    ConfigAccepted,
    ConfigRejected,
}

/// The name of each counter, in the order of the enum.
const COUNTERS: [(Counter, &str); 10] = [
    (Counter::Routed, "routed"),
    (Counter::NotFound, "not_found"),
    (Counter::MethodNotAllowed, "method_not_allowed"),
    (Counter::UnsafePath, "unsafe_path"),
    (Counter::Preflight, "preflight"),
    (Counter::DeniedDirect, "denied_direct"),
    (Counter::Answered, "answered"),
    (Counter::BrokenRoute, "broken_route"),
    (Counter::ConfigAccepted, "config_accepted"),
    (Counter::ConfigRejected, "config_rejected"),
];

impl Counter {
    fn of(outcome: Outcome) -> Option<Self> {
        Some(match outcome {
            Outcome::Route => Counter::Routed,
            Outcome::Redirect | Outcome::Respond => Counter::Answered,
            Outcome::Preflight => Counter::Preflight,
            Outcome::NotFound => Counter::NotFound,
            Outcome::MethodNotAllowed => Counter::MethodNotAllowed,
            Outcome::UnsafePath => Counter::UnsafePath,
            Outcome::DeniedDirect => Counter::DeniedDirect,
            Outcome::BrokenRoute => Counter::BrokenRoute,
            Outcome::PassThrough | Outcome::OutOfScope => return None,
        })
    }
}

/// The metrics of all tables with one name.
pub struct Metrics {
    name: String,
    /// Envoy's ids, with `Counter` as the index.
    counters: [Option<u32>; COUNTERS.len()],
    routes: Option<u32>,
    config_degraded: Option<u32>,
}

impl Metrics {
    /// Defines every metric, so that each exists from the start, with the value 0.
    pub fn define(name: &str) -> Self {
        // Istio's bootstrap turns `wasm_filter.<name>.` into a label.
        let define =
            |kind, metric| hostcalls::define_metric(kind, &format!("wasm_filter.{name}.ksvc_router.{metric}")).ok();
        Metrics {
            name: name.to_owned(),
            counters: COUNTERS.map(|(_, metric)| define(MetricType::Counter, metric)),
            routes: define(MetricType::Gauge, "routes"),
            config_degraded: define(MetricType::Gauge, "config_degraded"),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn count(&self, outcome: Outcome) {
        if let Some(counter) = Counter::of(outcome) {
            self.add(counter);
        }
    }

    pub fn add(&self, counter: Counter) {
        if let Some(Some(id)) = self.counters.get(counter as usize) {
            // Envoy refuses only ids that it has not given out.
            let _ = hostcalls::increment_metric(*id, 1);
        }
    }

    /// Sets the gauge of the number of routes.
    pub fn set_routes(&self, routes: usize) {
        if let Some(id) = self.routes {
            let _ = hostcalls::record_metric(id, routes as u64);
        }
    }

    /// Sets the gauge of whether the last document had errors.
    pub fn set_config_degraded(&self, degraded: bool) {
        if let Some(id) = self.config_degraded {
            let _ = hostcalls::record_metric(id, degraded.into());
        }
    }
}

//! Counters and gauges of one table. Each count is handed to the host at once: counts kept here would have to be handed over
//! when the VM ends, and a module that is called for that is called for the end of each stream too, which costs about
//! as much, for requests that are not counted as well.

use ksvc_routing::Outcome;

use crate::host::{self, MetricType};

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

/// In the order of the enum.
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

/// The metrics of one table name, defined once in a VM.
pub struct Metrics {
    name: String,
    /// The host's id, by `Counter`.
    counters: [Option<u32>; COUNTERS.len()],
    routes: Option<u32>,
    config_degraded: Option<u32>,
}

impl Metrics {
    /// Defines them all, so that they are there from the start, with 0.
    pub fn define(name: &str) -> Self {
        // Istio's bootstrap makes a label of `wasm_filter.<name>.`.
        let define = |kind, metric| host::define_metric(kind, &format!("wasm_filter.{name}.ksvc_router.{metric}"));
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
            host::increment_metric(*id);
        }
    }

    /// How many routes are served.
    pub fn set_routes(&self, routes: usize) {
        if let Some(id) = self.routes {
            host::record_metric(id, routes as u64);
        }
    }

    /// Whether the last document was bad.
    pub fn set_config_degraded(&self, degraded: bool) {
        if let Some(id) = self.config_degraded {
            host::record_metric(id, degraded.into());
        }
    }
}

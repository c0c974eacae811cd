//! The counters and gauges of a table. Each count goes to Envoy at once. Counts that are collected here would have to
//! be passed on when the VM ends, and a module that exports the callback for that is also called at the end of every
//! stream, counted or not. That costs about as much as the count itself.

use ksvc_routing::{Counter, Gauge, Outcome, RouteTable};
use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

/// The metrics of all tables with one name.
pub struct Metrics {
    name: String,
    /// Envoy's ids, with `Counter` as the index.
    counters: Vec<Option<u32>>,
    /// Envoy's ids, with `Gauge` as the index.
    gauges: Vec<Option<u32>>,
}

impl Metrics {
    /// Defines every metric, so that each exists from the start, with the value 0.
    pub fn define(name: &str) -> Self {
        // Istio's bootstrap turns `wasm_filter.<name>.` into a label.
        let define = |kind, metric: &str| {
            hostcalls::define_metric(kind, &format!("wasm_filter.{name}.ksvc_router.{metric}")).ok()
        };
        Metrics {
            name: name.to_owned(),
            counters: Counter::ALL.iter().map(|counter| define(MetricType::Counter, counter.name())).collect(),
            gauges: Gauge::ALL.iter().map(|gauge| define(MetricType::Gauge, gauge.name())).collect(),
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

    /// Sets the gauges of the table that is served.
    pub fn set_served(&self, table: &RouteTable) {
        self.set(Gauge::Routes, table.route_count() as u64);
        self.set(Gauge::ConfigHash, table.config_hash());
    }

    /// Sets the gauge of whether the last document had errors.
    pub fn set_config_degraded(&self, degraded: bool) {
        self.set(Gauge::ConfigDegraded, degraded.into());
    }

    fn set(&self, gauge: Gauge, value: u64) {
        if let Some(Some(id)) = self.gauges.get(gauge as usize) {
            let _ = hostcalls::record_metric(*id, value);
        }
    }
}

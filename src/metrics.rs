//! Counters and gauges of one table. Counts are kept here and handed to the host on the tick: a host call
//! a request would cost more than finding the route.

use std::cell::Cell;

use ksvc_routing::Outcome;

use crate::host::{self, MetricType};

/// Milliseconds between two flushes: counters lag by as much.
pub const TICK: u32 = 2_000;

#[derive(Clone, Copy)]
pub enum Counter {
    Routed,
    NotFound,
    MethodNotAllowed,
    UnsafePath,
    DeniedDirect,
    Answered,
    BrokenRoute,
    ConfigAccepted,
    ConfigRejected,
}

const COUNTERS: [(Counter, &str); 9] = [
    (Counter::Routed, "routed"),
    (Counter::NotFound, "not_found"),
    (Counter::MethodNotAllowed, "method_not_allowed"),
    (Counter::UnsafePath, "unsafe_path"),
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
            Outcome::NotFound => Counter::NotFound,
            Outcome::MethodNotAllowed => Counter::MethodNotAllowed,
            Outcome::UnsafePath => Counter::UnsafePath,
            Outcome::DeniedDirect => Counter::DeniedDirect,
            Outcome::BrokenRoute => Counter::BrokenRoute,
            Outcome::PassThrough | Outcome::OutOfScope => return None,
        })
    }
}

/// The counters of one table name.
pub struct Counters {
    name: String,
    /// The host's id and what it has not been told yet, by `Counter`.
    counts: [(Option<u32>, Cell<i64>); COUNTERS.len()],
}

impl Counters {
    /// Defines them all, so that they are there from the start, with 0.
    pub fn new(name: &str) -> Self {
        let define = |(_, counter)| (host::define_metric(MetricType::Counter, &stat(name, counter)), Cell::new(0));
        Counters { name: name.to_owned(), counts: COUNTERS.map(define) }
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
        if let Some((_, count)) = self.counts.get(counter as usize) {
            count.set(count.get() + 1);
        }
    }

    /// Tells the host what it does not know yet.
    pub fn flush(&self) {
        for (id, count) in &self.counts {
            if let (Some(id), 1..) = (*id, count.get()) {
                host::increment_metric(id, count.take());
            }
        }
    }
}

/// Sets a gauge of a table.
pub fn set_gauge(name: &str, gauge: &str, value: u64) {
    if let Some(id) = host::define_metric(MetricType::Gauge, &stat(name, gauge)) {
        host::record_metric(id, value);
    }
}

/// Istio's bootstrap makes a label of `wasm_filter.<name>.`.
fn stat(name: &str, metric: &str) -> String {
    format!("wasm_filter.{name}.ksvc_router.{metric}")
}

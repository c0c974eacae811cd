//! The results of a run, in the form of `docs/benchmarks/results.json`. The tables and plots are made from nothing else.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    /// `2026-11-25`.
    pub date: String,
    pub machine: Machine,
    pub measurements: Vec<Measurement>,
    pub latencies: Vec<Latency>,
    /// Each part that was skipped, with the reason: `nginx: not installed`.
    pub skipped: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_bytes: u64,
    pub kernel: String,
    /// Names and versions of Envoy, Go, nginx and rustc, and the sizes and hashes of the modules.
    pub versions: Vec<(String, String)>,
}

/// The meaning of a measured value, and its unit in the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Quantity {
    /// CPU that one copy of the filter adds to a request, isolated by a chain of copies, in nanoseconds.
    FilterCpu,
    /// The same for a module that does one thing more than the module before it.
    StepCpu,
    /// CPU of the gateway's process per request, in nanoseconds.
    GatewayCpu,
    /// CPU of the gateway and of every proxy in front of it per request, in nanoseconds.
    ChainCpu,
    /// CPU of a worker while it loads a new table, in nanoseconds. The worker serves nothing else for this time.
    LoadCpu,
    /// CPU of the gateway's main thread while it loads a new table, in nanoseconds.
    LoadMainCpu,
    /// Time from the new table's file until the last worker uses the table, in nanoseconds.
    LoadTime,
    /// Resident memory that the table adds to the gateway's process, in bytes.
    Memory,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Measurement {
    pub quantity: Quantity,
    /// `ours`, `no-op`, `lua`, …
    pub variant: String,
    /// `static`, `parameters`, `public API`.
    pub table: String,
    pub routes: usize,
    /// `hit`, `miss`, `404`, `405`. Empty if the value does not depend on the request.
    pub request: String,
    pub value: Spread,
    /// The value divided by that of the variant `against` in the same round.
    pub ratio: Option<Ratio>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ratio {
    pub against: String,
    pub spread: Spread,
}

/// The smallest, the median and the largest value of all rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub most: f64,
    pub rounds: usize,
}

/// Latencies at a fixed rate. They count from the time at which a request was due, so a stall counts for every request
/// that it delays.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    pub variant: String,
    pub routes: usize,
    /// Requests per second.
    pub rate: u32,
    pub requests: u64,
    /// Percentiles from 0 to 99.99 with their latencies in microseconds, enough of them to draw a curve.
    pub percentiles: Vec<(f64, f64)>,
}

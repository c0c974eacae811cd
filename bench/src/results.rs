//! What a run has measured, as `docs/benchmarks/results.json` keeps it: the tables and plots are made from this alone.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Results {
    /// `2026-11-25`.
    pub date: String,
    pub machine: Machine,
    pub measurements: Vec<Measurement>,
    pub latencies: Vec<Latency>,
    /// What was left out, and why: `nginx: not installed`.
    pub skipped: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_bytes: u64,
    pub kernel: String,
    /// Versions of what took part, by name: Envoy, Go, nginx, rustc, and the module (its size and hash).
    pub versions: Vec<(String, String)>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Quantity {
    /// Of one copy of the filter, isolated by chaining copies, in nanoseconds of CPU a request.
    FilterCpu,
    /// The same of a module that does one thing more than the one before it.
    StepCpu,
    /// Of the gateway's process alone, in nanoseconds of CPU a request.
    GatewayCpu,
    /// Of the gateway and every proxy beside it, in nanoseconds of CPU a request.
    ChainCpu,
    /// Of a worker while it takes up a new table, in nanoseconds of CPU: for so long it serves nothing else.
    LoadCpu,
    /// Of the gateway's main thread while it takes up a new table, in nanoseconds of CPU.
    LoadMainCpu,
    /// From the new table's file to the last worker, in nanoseconds.
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
    /// `hit`, `miss`, `404`, `405`; empty where no request takes part.
    pub request: String,
    pub value: Spread,
    /// Value divided by that of the variant `against` in the same round.
    pub ratio: Option<Ratio>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ratio {
    pub against: String,
    pub spread: Spread,
}

/// Of all rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    pub least: f64,
    pub median: f64,
    pub most: f64,
    pub rounds: usize,
}

/// At a fixed rate, from the time at which a request was due, so that a stall counts for all that it delays.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    pub variant: String,
    pub routes: usize,
    /// Requests a second.
    pub rate: u32,
    pub requests: u64,
    /// Percentile, and microseconds: enough of them to draw the curve, from 0 to 99.99.
    pub percentiles: Vec<(f64, f64)>,
}

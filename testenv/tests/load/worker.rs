//! Measures Envoy's workers from outside: how long the turns of their event loops take, during which they serve nothing
//! else, and how much CPU time they use.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use testenv::gateway::Gateway;

/// The interval at which Envoy merges its histograms.
pub(crate) const FLUSH: &str = "0.1s";
const UNTIL_FLUSHED: Duration = Duration::from_millis(250);

/// The number of turns of the workers' event loops so far, by their length in microseconds. The lengths have a
/// precision of two digits, like Envoy's histograms.
#[derive(Debug, Default)]
pub(crate) struct Turns(BTreeMap<u64, u64>);

impl Turns {
    pub(crate) fn so_far(gateway: &Gateway) -> Result<Self> {
        thread::sleep(UNTIL_FLUSHED);
        let page = "/stats?usedonly&histogram_buckets=detailed&format=json&filter=worker_.*loop_duration_us";
        let stats: Value = serde_json::from_str(&gateway.admin_get(page)?)?;
        let details = stats.pointer("/stats/0/histograms/details").and_then(Value::as_array);
        let mut turns = BTreeMap::new();
        for worker in details.context("no histograms of the workers")? {
            for bucket in worker["totals"].as_array().into_iter().flatten() {
                let length = bucket["lower_bound"].as_f64().unwrap_or_default();
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "microseconds")]
                let length = length as u64;
                *turns.entry(length).or_default() += bucket["count"].as_u64().unwrap_or_default();
            }
        }
        Ok(Self(turns))
    }

    /// Returns the longest turn since an earlier measurement.
    pub(crate) fn longest_since(&self, before: &Self) -> Duration {
        let new = |(length, count): &(&u64, &u64)| before.0.get(length).is_none_or(|earlier| earlier < count);
        Duration::from_micros(self.0.iter().rev().find(new).map_or(0, |(length, _)| *length))
    }
}

/// Returns the CPU time that each worker has used so far.
pub(crate) fn cpu(gateway: &Gateway) -> Result<Vec<Duration>> {
    let mut workers = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{}/task", gateway.process_id()))? {
        let task = task?.path();
        let name = fs::read_to_string(task.join("comm"))?.trim().to_owned();
        if name.starts_with("wrk:worker_") {
            let used = fs::read_to_string(task.join("schedstat"))?;
            let nanoseconds = used.split(' ').next().context("schedstat")?.parse()?;
            workers.insert(name, Duration::from_nanos(nanoseconds));
        }
    }
    Ok(workers.into_values().collect())
}

//! Measures the memory and the number of VMs of a gateway.

use std::fmt::{self, Display};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testenv::gateway::Gateway;

/// Long enough for old VMs to end. A VM ends after the last of its requests.
const PATIENCE: Duration = Duration::from_secs(20);

/// The memory of Envoy's process, in bytes, and its VMs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// The resident memory of the whole process.
    pub(crate) resident: u64,
    /// The part of it that Envoy has requested from its allocator. V8 requests its memory from the system instead.
    pub(crate) allocated: u64,
    /// The number of V8's VMs. The VM of each thread is a clone of one more VM, which never runs.
    pub(crate) vms: u64,
}

impl Memory {
    pub(crate) fn of(gateway: &Gateway) -> Result<Self> {
        let pages = fs::read_to_string(format!("/proc/{}/smaps_rollup", gateway.process_id()))?;
        let resident = pages.lines().find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix(" kB"));
        let resident = resident.context("no Rss")?.trim().parse::<u64>()? * 1024;
        let heap: Value = serde_json::from_str(&gateway.admin_get("/memory")?)?;
        let allocated = heap["allocated"].as_str().context("no `allocated`")?.parse()?;
        Ok(Self { resident, allocated, vms: vms(gateway)? })
    }

    /// Measures after at most this many VMs are left, or after waiting for long.
    pub(crate) fn once_settled(gateway: &Gateway, max_vms: u64) -> Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        while vms(gateway)? > max_vms && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(50));
        }
        Self::of(gateway)
    }
}

pub(crate) fn vms(gateway: &Gateway) -> Result<u64> {
    let gauges = gateway.stats(r"^wasm\.envoy\.wasm\.runtime\.v8\.active$")?;
    Ok(gauges.first().map_or(0, |(_, value)| *value))
}

impl Display for Memory {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = |bytes: u64| bytes / 1_000_000;
        write!(to, "{:>8} {:>9} {:>4}", megabytes(self.resident), megabytes(self.allocated), self.vms)
    }
}

pub(crate) const COLUMNS: &str = "resident allocated  VMs";

/// Checks that the last third of the measurements is not higher than the third before. An allocator may keep some
/// memory in reserve, so 10 % are allowed.
pub(crate) fn check_does_not_grow(curve: &[Memory]) -> Result<()> {
    let third = curve.len() / 3;
    let highest = |part: &[Memory]| part.iter().map(|memory| memory.resident).max().unwrap_or_default();
    let (rest, last) = curve.split_at(curve.len() - third);
    let before = highest(&rest[rest.len() - third..]);
    ensure!(highest(last) < before + before / 10, "memory grows: {curve:#?}");
    Ok(())
}

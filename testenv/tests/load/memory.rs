//! What a gateway holds in memory while edits go on, alone and with WebSockets that stay open for long.

use std::fmt::{self, Display};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testenv::gateway::Gateway;

/// An old VM goes when the last of its requests has.
const PATIENCE: Duration = Duration::from_secs(20);

/// In bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Resident, all of Envoy's process.
    pub(crate) resident: u64,
    /// Of it, what Envoy has asked its allocator for; V8's part comes from the system.
    pub(crate) allocated: u64,
    /// V8's VMs. Each thread's is a clone of one more, which is never run.
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

    /// Once only so many VMs are left.
    pub(crate) fn once_settled(gateway: &Gateway, left: u64) -> Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        while vms(gateway)? > left && Instant::now() < deadline {
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

/// The last third of a curve is no higher than the third before, but for what an allocator keeps at hand.
pub(crate) fn levels_off(curve: &[Memory]) -> Result<()> {
    let third = curve.len() / 3;
    let highest = |part: &[Memory]| part.iter().map(|memory| memory.resident).max().unwrap_or_default();
    let (rest, last) = curve.split_at(curve.len() - third);
    let before = highest(&rest[rest.len() - third..]);
    ensure!(highest(last) < before + before / 10, "memory grows on: {curve:#?}");
    Ok(())
}

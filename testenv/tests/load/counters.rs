//! Compares the filter's counters with the requests that were sent.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testenv::gateway::Gateway;

use crate::requests::{COUNTERS, Outcomes};

/// Longer than a loaded machine takes to update the counters.
const LAG: Duration = Duration::from_secs(6);
const PATIENCE: Duration = Duration::from_secs(20);

/// Checks that each outcome was counted exactly as often as it occurred, over all edits and VMs.
pub(crate) fn check(gateway: &Gateway, answered: &Outcomes) -> Result<()> {
    let counted =
        || -> Result<Vec<u64>> { COUNTERS.iter().map(|counter| gateway.plugin_stat("default", counter)).collect() };
    let expected = &answered[..COUNTERS.len()];
    let deadline = Instant::now() + PATIENCE;
    while counted()? != expected && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(100));
    }
    // Also wait for counts that come late, so that nothing is counted twice.
    thread::sleep(LAG);
    let counted = counted()?;
    ensure!(counted == expected, "{COUNTERS:?}: {expected:?} requests were sent, {counted:?} were counted");
    println!("counted as sent: {COUNTERS:?} {counted:?}; out of scope and not counted: {}", answered[COUNTERS.len()]);
    Ok(())
}

//! The filter's counters, held to what was sent.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testenv::gateway::Gateway;

use crate::requests::{COUNTERS, Outcomes};

/// Longer than a loaded machine takes to show what is counted.
const LAG: Duration = Duration::from_secs(6);
const PATIENCE: Duration = Duration::from_secs(20);

/// Each outcome was counted as often as it was answered, over all edits and VMs.
pub(crate) fn tell(gateway: &Gateway, answered: &Outcomes) -> Result<()> {
    let counted =
        || -> Result<Vec<u64>> { COUNTERS.iter().map(|counter| gateway.plugin_stat("default", counter)).collect() };
    let expected = &answered[..COUNTERS.len()];
    let deadline = Instant::now() + PATIENCE;
    while counted()? != expected && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(100));
    }
    // And none is counted twice.
    thread::sleep(LAG);
    let counted = counted()?;
    ensure!(counted == expected, "of {COUNTERS:?} there were {expected:?}, and {counted:?} were counted");
    println!("counted, as sent: {COUNTERS:?} {counted:?}; out of scope, and not counted: {}", answered[COUNTERS.len()]);
    Ok(())
}

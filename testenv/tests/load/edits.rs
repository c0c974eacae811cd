//! Edits under a steady load, with good and bad documents in turn: no request fails or reaches a wrong service, and
//! memory does not grow.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testenv::stand_in::StandIn;

use crate::counters;
use crate::generations::Generations;
use crate::memory::{self, Memory, vms};
use crate::requests::{Load, Shape};
use crate::table::{bad, table};
use crate::{full, gateway};

const ROUTES: usize = 10_000;
const STEADY: Shape = Shape { http1: 16, http2: 4, streams: 8, pause: Duration::from_millis(5) };

#[test]
fn edits_good_and_bad_in_turn_lose_and_misroute_nothing() -> Result<()> {
    let edits = if full() { 1000 } else { 20 };
    let stand_in = StandIn::start()?;
    let mut gateway = gateway(table(ROUTES, 0), stand_in.address())?;
    let live = Arc::new(Generations::new(0));
    let mut load = Load::start(gateway.address(), STEADY, ROUTES, &live)?;
    let at_first = vms(&gateway)?;
    let begun = Instant::now();
    println!("{edits} edits of {ROUTES} routes, every second one bad; memory in MB:\nedits    {}", memory::COLUMNS);
    println!("{:<8} {}", 0, Memory::of(&gateway)?);
    let mut curve = Vec::new();
    for edit in 1..=edits {
        if edit % 2 == 1 {
            live.edit(&mut gateway, edit, table(ROUTES, edit))?;
        } else {
            gateway.edit(bad(ROUTES, edit / 2))?;
        }
        load.check()?;
        if edit % (edits / 10) == 0 {
            let memory = Memory::once_settled(&gateway, at_first)?;
            println!("{edit:<8} {memory}");
            ensure!(memory.vms == at_first, "there are {} VMs, and at first there were {at_first}", memory.vms);
            curve.push(memory);
        }
    }
    let took = begun.elapsed();
    let longest = load.longest();
    let answered = load.stop()?;
    let sent: u64 = answered.iter().sum();
    println!(
        "{sent} requests in {} s during the edits, none lost or misrouted; the longest took {} ms",
        took.as_secs(),
        longest.as_millis()
    );
    ensure!(gateway.plugin_stat("default", "config_accepted")? == edits / 2 + 1);
    ensure!(gateway.plugin_stat("default", "config_rejected")? == edits / 2);
    counters::check(&gateway, &answered)?;
    memory::check_does_not_grow(&curve)
}

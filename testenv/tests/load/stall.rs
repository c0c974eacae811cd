//! For how long an edit holds a worker up: nothing of that worker is served meanwhile.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use testenv::stand_in::StandIn;

use crate::live::Live;
use crate::requests::{Load, Shape};
use crate::table::table;
use crate::worker::{Turns, cpu};
use crate::{full, gateway};

/// Sparse: a request now and then to each worker, and the cores free for the edit but for that.
const PROBES: Shape = Shape { http1: 16, http2: 4, streams: 4, pause: Duration::from_millis(10) };

/// Prints, for tables of several sizes, the least of the edits, the median and the worst. Where others use the machine,
/// the CPU is what it would be without them, and the least of the turns comes near it.
#[test]
fn an_edit_holds_a_worker_up_for_a_moment() -> Result<()> {
    let stand_in = StandIn::start()?;
    let edits = if full() { 20 } else { 6 };
    println!(
        "The stall of an edit in ms, least/median/worst of {edits} edits. CPU: of a worker, nothing else to do. turn: the \
         longest of a worker's event loop under a few requests. latency: the longest of those requests. live: from \
         the file to the last worker."
    );
    println!(
        "{:<8} {:<17} {:<17} {:<17} {:<17} {:<17} latency, no edit",
        "routes", "CPU", "turn", "latency", "live", "turn, no edit"
    );
    for routes in [10, 1_000, 10_000, 100_000] {
        if routes > 10_000 && !full() {
            continue;
        }
        let edits = if routes > 10_000 { edits.min(5) } else { edits };
        let mut gateway = gateway(table(routes, 0), stand_in.address())?;
        let live = Arc::new(Live::new(0));

        let mut cpus = Vec::new();
        for generation in 1..=edits {
            let document = table(routes, generation);
            let before = cpu(&gateway)?;
            live.edit(&mut gateway, generation, document)?;
            // The old VMs go a little later.
            thread::sleep(Duration::from_millis(100));
            cpus.extend(cpu(&gateway)?.iter().zip(before).map(|(after, before)| *after - before));
        }

        let mut load = Load::start(gateway.address(), PROBES, routes, &live)?;
        thread::sleep(Duration::from_millis(300));
        let (mut turns, mut latencies, mut lives) = (Vec::new(), Vec::new(), Vec::new());
        let (mut quiet_turns, mut quiet_latencies) = (Vec::new(), Vec::new());
        for generation in edits + 1..=2 * edits {
            let document = table(routes, generation);
            let before = Turns::so_far(&gateway)?;
            load.longest();
            thread::sleep(Duration::from_millis(300));
            quiet_latencies.push(load.longest());
            let between = Turns::so_far(&gateway)?;
            quiet_turns.push(between.longest_since(&before));
            load.longest();
            let begun = Instant::now();
            live.edit(&mut gateway, generation, document)?;
            load.check()?;
            lives.push(begun.elapsed());
            thread::sleep(Duration::from_millis(100));
            latencies.push(load.longest());
            turns.push(Turns::so_far(&gateway)?.longest_since(&between));
        }
        load.stop()?;
        let [cpus, turns, latencies, lives, quiet_turns, quiet_latencies] =
            [cpus, turns, latencies, lives, quiet_turns, quiet_latencies].map(spread);
        println!("{routes:<8} {cpus:<17} {turns:<17} {latencies:<17} {lives:<17} {quiet_turns:<17} {quiet_latencies}");
    }
    Ok(())
}

fn spread(mut of: Vec<Duration>) -> String {
    of.sort();
    let milliseconds = |at: usize| of.get(at).map_or(0.0, |held| held.as_secs_f64() * 1e3);
    format!("{:.1}/{:.1}/{:.1}", milliseconds(0), milliseconds(of.len() / 2), milliseconds(of.len().saturating_sub(1)))
}

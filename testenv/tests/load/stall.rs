//! Measures for how long an edit stalls a worker, which serves no request during that time.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use testenv::stand_in::StandIn;

use crate::generations::Generations;
use crate::requests::{Load, Shape};
use crate::table::table;
use crate::worker::{Turns, cpu};
use crate::{full, gateway};

/// A sparse load: an occasional request to each worker, so that the cores are otherwise free for the edit.
const PROBES: Shape = Shape { http1: 16, http2: 4, streams: 4, pause: Duration::from_millis(10) };

/// Prints the least, the median and the worst of several edits, for tables of several sizes. If other programs use the
/// machine too, the CPU time is not affected, and the least turn comes near it.
#[test]
fn the_stall_of_a_worker_by_an_edit_is_measured() -> Result<()> {
    let stand_in = StandIn::start()?;
    let edits = if full() { 20 } else { 6 };
    println!(
        "The stall of an edit in ms, least/median/worst of {edits} edits. CPU: the CPU time of a worker without \
         requests. turn: the longest turn of a worker's event loop under a few requests. latency: the longest latency of \
         those requests. live: the time from writing the file until the last worker has the table."
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
        let live = Arc::new(Generations::new(0));

        let mut cpus = Vec::new();
        for generation in 1..=edits {
            let document = table(routes, generation);
            let before = cpu(&gateway)?;
            live.edit(&mut gateway, generation, document)?;
            // The old VMs end a little later.
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

/// Formats the least, the median and the largest duration.
fn spread(mut durations: Vec<Duration>) -> String {
    durations.sort();
    let count = durations.len();
    let milliseconds = |index: usize| durations.get(index).map_or(0.0, |duration| duration.as_secs_f64() * 1e3);
    format!("{:.1}/{:.1}/{:.1}", milliseconds(0), milliseconds(count / 2), milliseconds(count.saturating_sub(1)))
}

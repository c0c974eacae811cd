//! Requests by the million, hits and misses, with an edit now and then: memory stays flat, and the counters are exact.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use testenv::stand_in::StandIn;

use crate::live::Live;
use crate::memory::{self, Memory};
use crate::requests::{Load, Shape};
use crate::table::table;
use crate::{counters, full, gateway};

const ROUTES: usize = 1_000;
const AS_MANY_AS_CAN_BE: Shape = Shape { http1: 16, http2: 8, streams: 16, pause: Duration::ZERO };

#[test]
fn a_soak_leaves_memory_flat_and_the_counters_exact() -> Result<()> {
    let requests = if full() { 10_000_000 } else { 100_000 };
    let edits = 20;
    let stand_in = StandIn::start()?;
    let mut gateway = gateway(table(ROUTES, 0), stand_in.address())?;
    let live = Arc::new(Live::new(0));
    println!("{requests} requests to {ROUTES} routes, in MB:\nrequests   edits {}", memory::COLUMNS);
    println!("{:<10} {:<5} {}", 0, 0, Memory::of(&gateway)?);
    let begun = Instant::now();
    let mut load = Load::start(gateway.address(), AS_MANY_AS_CAN_BE, ROUTES, &live)?;
    let mut curve = Vec::new();
    for edit in 1..=edits {
        let sent = loop {
            let sent: u64 = load.answered().iter().sum();
            if sent >= requests * edit / edits {
                break sent;
            }
            load.check()?;
            thread::sleep(Duration::from_millis(10));
        };
        let memory = Memory::of(&gateway)?;
        println!("{sent:<10} {:<5} {memory}", edit - 1);
        curve.push(memory);
        live.edit(&mut gateway, edit, table(ROUTES, edit))?;
    }
    let answered = load.stop()?;
    let sent: u64 = answered.iter().sum();
    println!(
        "{:.0} requests a second, all answered as they should have been",
        sent as f64 / begun.elapsed().as_secs_f64()
    );
    counters::tell(&gateway, &answered)?;
    memory::levels_off(&curve)
}

//! Millions of requests, hits and misses, with an occasional edit: memory does not grow, and the counters are exact.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use testenv::stand_in::StandIn;

use crate::generations::Generations;
use crate::memory::{self, Memory};
use crate::requests::{Load, Shape};
use crate::table::table;
use crate::{counters, full, gateway};

const ROUTES: usize = 1_000;
const FASTEST: Shape = Shape { http1: 16, http2: 8, streams: 16, pause: Duration::ZERO };

#[test]
fn in_a_soak_memory_does_not_grow_and_the_counters_are_exact() -> Result<()> {
    let requests = if full() { 10_000_000 } else { 100_000 };
    let edits = 20;
    let stand_in = StandIn::start()?;
    let mut gateway = gateway(table(ROUTES, 0), stand_in.address())?;
    let live = Arc::new(Generations::new(0));
    println!("{requests} requests to {ROUTES} routes; memory in MB:\nrequests   edits {}", memory::COLUMNS);
    println!("{:<10} {:<5} {}", 0, 0, Memory::of(&gateway)?);
    let begun = Instant::now();
    let mut load = Load::start(gateway.address(), FASTEST, ROUTES, &live)?;
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
    println!("{:.0} requests a second, all answered as expected", sent as f64 / begun.elapsed().as_secs_f64());
    counters::check(&gateway, &answered)?;
    memory::check_does_not_grow(&curve)
}

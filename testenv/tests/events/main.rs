//! Random sequences of events on real Envoy, compared with a model of the contract's rules for accepting a document.
//! The most important rule is that no document is ever refused, in no order of events.
//!
//! The events are good documents and every kind of bad document, plugins that are deleted and created again, another
//! table on the same gateway, policies, workers that lag behind, crashes, hot restarts and drains.

mod document;
mod harness;
mod in_flight;
mod model;
mod probe;
#[path = "../common/random.rs"]
#[allow(dead_code, reason = "shared with other test programs, which use different parts of it")]
mod random;
mod sequence;
mod versions;

use std::env;
use std::sync::Mutex;
use std::thread;

use anyhow::Result;
use testenv::envoy;

use crate::random::Random;
use crate::sequence::Tally;

/// The number of sequences, unless `EVENTS_SEQUENCES` in the environment sets another.
const SEQUENCES: u64 = 4;

/// The number of events in a sequence.
const EVENTS: usize = 12;

/// How many sequences run in parallel. Most of the time they wait.
const PARALLEL: usize = 3;

#[test]
fn no_order_of_events_breaks_the_contract() -> Result<()> {
    let sequences: u64 = env::var("EVENTS_SEQUENCES").ok().map_or(Ok(SEQUENCES), |number| number.parse())?;
    let mut random = Random::new("EVENTS_SEED");
    // The first sequence uses the seed itself, so that a single sequence can be repeated.
    let seeds: Vec<u64> = (0..sequences).map(|n| if n == 0 { random.seed() } else { random.next() }).collect();
    let envoy = envoy::find()?;
    let remaining = Mutex::new(seeds);
    // After a failure, the other threads finish only their current sequence.
    let give_up = || remaining.lock().expect("no thread panics with the lock").clear();
    let run = || {
        let mut tally = Tally::default();
        while let Some(seed) = { remaining.lock().expect("no thread panics with the lock").pop() } {
            let run = sequence::run(&envoy, seed, EVENTS).inspect_err(|_| give_up())?;
            println!("EVENTS_SEED={seed}: {} events, {} responses", run.events, run.responses);
            tally.events += run.events;
            tally.responses += run.responses;
            tally.stalls += run.stalls;
        }
        anyhow::Ok(tally)
    };
    let tallies = thread::scope(|scope| {
        let threads: Vec<_> = (0..PARALLEL).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread panicked")).collect::<Result<Vec<_>>>()
    })?;
    let total = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    let (events, responses, stalls) =
        (total(|tally| tally.events), total(|tally| tally.responses), total(|tally| tally.stalls));
    println!(
        "{sequences} sequences, {events} events, in {stalls} of them a worker lagged behind; {responses} responses, \
         none was wrong"
    );
    Ok(())
}

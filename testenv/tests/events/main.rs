//! A document is never refused, in no order of events: the contract's rules of accepting a configuration, as a model, and
//! real Envoy, driven by the same events: good documents and every kind of bad one, plugins deleted and made again, another
//! table beside it, policies, workers that lag behind, crashes, hot restarts and drains.

mod document;
mod held;
mod model;
mod probe;
#[path = "../common/random.rs"]
#[allow(dead_code, reason = "shared with other layers; nobody needs all of it")]
mod random;
mod sequence;
mod versions;
mod world;

use std::env;
use std::sync::Mutex;
use std::thread;

use anyhow::Result;
use testenv::envoy;

use crate::random::Random;
use crate::sequence::Tally;

/// In the ordinary run; `EVENTS_SEQUENCES` in the environment is another number.
const SEQUENCES: u64 = 4;

/// Of one sequence.
const EVENTS: usize = 12;

/// How many sequences are tried at a time: most of the time they wait.
const AT_A_TIME: usize = 3;

#[test]
fn no_order_of_events_is_served_otherwise_than_the_contract_says() -> Result<()> {
    let sequences: u64 = env::var("EVENTS_SEQUENCES").ok().map_or(Ok(SEQUENCES), |number| number.parse())?;
    let mut random = Random::new("EVENTS_SEED");
    // The first is that of the seed itself, so that one sequence can be run again.
    let seeds: Vec<u64> = (0..sequences).map(|n| if n == 0 { random.seed() } else { random.next() }).collect();
    let envoy = envoy::find()?;
    let left = Mutex::new(seeds);
    // The others go no further than the sequence that they are at.
    let give_up = || left.lock().expect("nobody panics with it").clear();
    let run = || {
        let mut tally = Tally::default();
        while let Some(seed) = { left.lock().expect("nobody panics with it").pop() } {
            let run = sequence::run(&envoy, seed, EVENTS).inspect_err(|_| give_up())?;
            println!("EVENTS_SEED={seed}: {} events, {} answers", run.events, run.answers);
            tally.events += run.events;
            tally.answers += run.answers;
            tally.lags += run.lags;
        }
        anyhow::Ok(tally)
    };
    let tallies = thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread panicked")).collect::<Result<Vec<_>>>()
    })?;
    let total = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    let (events, answers, lags) =
        (total(|tally| tally.events), total(|tally| tally.answers), total(|tally| tally.lags));
    println!(
        "{sequences} sequences, {events} events, in {lags} a worker lagged behind; {answers} answers: none was wrong"
    );
    Ok(())
}

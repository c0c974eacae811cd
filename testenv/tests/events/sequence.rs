//! Makes random sequences of events, each from its own seed, and carries them out.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use testenv::gateway::Delivery;

use crate::document::{self, Document, OTHER, OURS, Owner};
use crate::harness::{Event, Harness, Shape};
use crate::random::Random;

/// The size of a sequence in which every outcome was allowed.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) events: usize,
    pub(crate) responses: usize,
    /// The number of events in which a worker lagged behind the main thread.
    pub(crate) stalls: usize,
}

/// Returns a gateway of a random shape.
fn shape(random: &mut Random) -> Shape {
    // If everything is in the bootstrap, every edit needs a restart, which is slow. So this is done one time in six.
    let (delivery, listeners_by_file) = match random.below(6) {
        0 => (Delivery::Listener, false),
        1..=2 => (Delivery::Listener, true),
        _ => (Delivery::Ecds, true),
    };
    Shape {
        delivery,
        listeners_by_file,
        resource_version: random.below(3) > 0,
        workers: *random.pick(&[1, 2, 2, 4]),
        drain_time: *random.pick(&[1, 20]),
    }
}

fn event(harness: &Harness, shape: Shape, random: &mut Random) -> Event {
    let owner = if random.below(4) == 0 { OTHER } else { OURS };
    if !shape.listeners_by_file {
        return match random.below(4) {
            0 => Event::Crash,
            1 => Event::HotRestart,
            _ => Event::Put(OURS, document::random(OURS, random)),
        };
    }
    match random.below(20) {
        0..=2 if harness.exists(owner) => Event::Remove(owner),
        3..=5 => Event::Policy(!harness.denies()),
        6..=8 if harness.exists(OURS) => {
            let mut documents = vec![edit(harness, OURS, random)];
            documents.extend((0..1 + random.below(3)).map(|_| document::random(OURS, random)));
            documents.dedup_by_key(|document| document.label.clone());
            Event::EditsDuringStall(documents)
        }
        9 => Event::Crash,
        10 => Event::HotRestart,
        11 if harness.exists(OURS) => Event::Drain(edit(harness, OURS, random)),
        _ => Event::Put(owner, edit(harness, owner, random)),
    }
}

/// Returns a random document other than the current one, which Envoy would not see as an edit without a resource
/// version.
fn edit(harness: &Harness, owner: Owner, random: &mut Random) -> Document {
    loop {
        let document = document::random(owner, random);
        if !harness.has(owner, &document) {
            return document;
        }
    }
}

/// Runs a random sequence of this many events. An error names the seed and every event up to the one that failed.
pub(crate) fn run(envoy: &Path, seed: u64, events: usize) -> Result<Tally> {
    let mut random = Random::of(seed);
    let shape = shape(&mut random);
    let first = document::random(OURS, &mut random);
    follow(envoy, shape, &first, events, |harness| event(harness, shape, &mut random))
        .with_context(|| format!("EVENTS_SEED={seed} EVENTS_SEQUENCES=1"))
}

/// Carries out this many events. Each is made by `next` after those before it have been carried out.
pub(crate) fn follow(
    envoy: &Path,
    shape: Shape,
    first: &Document,
    events: usize,
    mut next: impl FnMut(&Harness) -> Event,
) -> Result<Tally> {
    let mut history = format!("{shape:?}\n  0. it starts with a document, {}\n", first.label);
    let mut harness = Harness::start(envoy, shape, first).with_context(|| history.clone())?;
    for number in 1..=events {
        let event = next(&harness);
        let _ = writeln!(history, "  {number}. {event}");
        harness.carry_out(&event).with_context(|| history.clone())?;
    }
    Ok(Tally { events, responses: harness.responses, stalls: harness.stalls })
}

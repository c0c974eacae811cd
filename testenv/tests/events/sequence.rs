//! Random sequences of events, each from a seed of its own.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use testenv::gateway::Delivery;

use crate::document::{self, BESIDE, Document, OURS, Owner};
use crate::random::Random;
use crate::world::{Event, Shape, World};

/// What came of a sequence that was right throughout.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) events: usize,
    pub(crate) answers: usize,
    pub(crate) lags: usize,
}

/// A gateway of any shape.
fn shape(random: &mut Random) -> Shape {
    // Where all is in the bootstrap every edit takes a restart, and those are slow: one in six.
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

fn event(world: &World, shape: Shape, random: &mut Random) -> Event {
    let owner = if random.below(4) == 0 { BESIDE } else { OURS };
    if !shape.listeners_by_file {
        return match random.below(4) {
            0 => Event::Crash,
            1 => Event::HotRestart,
            _ => Event::Put(OURS, document::any(OURS, random)),
        };
    }
    match random.below(20) {
        0..=2 if world.is_there(owner) => Event::Remove(owner),
        3..=5 => Event::Policy(!world.denies()),
        6..=8 if world.is_there(OURS) => {
            let mut documents = vec![edit(world, OURS, random)];
            documents.extend((0..1 + random.below(3)).map(|_| document::any(OURS, random)));
            documents.dedup_by_key(|document| document.is.clone());
            Event::Lag(documents)
        }
        9 => Event::Crash,
        10 => Event::HotRestart,
        11 if world.is_there(OURS) => Event::Drain(edit(world, OURS, random)),
        _ => Event::Put(owner, edit(world, owner, random)),
    }
}

/// Not what is there: without a resource version Envoy sees no edit in that.
fn edit(world: &World, owner: Owner, random: &mut Random) -> Document {
    loop {
        let document = document::any(owner, random);
        if !world.has(owner, &document) {
            return document;
        }
    }
}

/// Runs a sequence of this many events. The error tells the seed, and every event up to the one that went wrong.
pub(crate) fn run(envoy: &Path, seed: u64, events: usize) -> Result<Tally> {
    let mut random = Random::of(seed);
    let shape = shape(&mut random);
    let first = document::any(OURS, &mut random);
    follow(envoy, shape, &first, events, |world| event(world, shape, &mut random))
        .with_context(|| format!("EVENTS_SEED={seed} EVENTS_SEQUENCES=1"))
}

/// Carries out as many events as there are to be, each made when the ones before have been.
pub(crate) fn follow(
    envoy: &Path,
    shape: Shape,
    first: &Document,
    events: usize,
    mut next: impl FnMut(&World) -> Event,
) -> Result<Tally> {
    let mut told = format!("{shape:?}\n  0. it starts with a document, {}\n", first.is);
    let mut world = World::start(envoy, shape, first).with_context(|| told.clone())?;
    for number in 1..=events {
        let event = next(&world);
        let _ = writeln!(told, "  {number}. {event}");
        world.take(&event).with_context(|| told.clone())?;
    }
    Ok(Tally { events, answers: world.answers, lags: world.lags })
}

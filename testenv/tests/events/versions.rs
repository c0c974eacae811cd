//! Every event once, on every Envoy that an Istio of the last years ships.

use anyhow::Result;
use testenv::envoy;
use testenv::gateway::Delivery;

use crate::document::{BESIDE, Document, OURS, bad_ones, good, large};
use crate::sequence::follow;
use crate::world::{Event, Shape};

/// One test a version, so that they run side by side, and a failure names its own.
macro_rules! on_every_envoy {
    ($($test:ident: $version:literal),* $(,)?) => {
        $(#[test] fn $test() -> Result<()> { every_event($version) })*

        #[test]
        fn every_version_is_tried() {
            assert_eq!(envoy::VERSIONS, [$($version),*]);
        }
    };
}

on_every_envoy! {
    every_event_on_envoy_1_36: "1.36.4",
    every_event_on_envoy_1_37: "1.37.0",
    every_event_on_envoy_1_38: "1.38.2",
    every_event_on_envoy_1_39: "1.39.3",
    every_event_on_envoy_1_40: "1.40.0",
}

fn every_event(version: &str) -> Result<()> {
    let envoy = envoy::pinned(version)?;
    let bad = |is: &str| -> Document {
        let found = bad_ones(OURS).into_iter().find(|document| document.is == format!("bad: {is}"));
        found.expect("a bad document of this kind")
    };
    let put = |document: Document| Event::Put(OURS, document);

    let by_ecds =
        Shape { delivery: Delivery::Ecds, listeners_by_file: true, resource_version: true, workers: 2, drain_time: 20 };
    let events = [
        // On a new pod.
        Event::Policy(true),
        put(bad("not UTF-8")),
        Event::Policy(false),
        put(good(OURS, "one", true)),
        // An edit.
        put(bad("a broken rewrite")),
        Event::Policy(true),
        Event::Lag(vec![large(OURS, "two", 500), bad("absent"), good(OURS, "three", false), bad("duplicates")]),
        Event::Policy(false),
        // Beside another table.
        Event::Put(BESIDE, good(BESIDE, "two", false)),
        put(bad("1 MB of garbage")),
        Event::Put(BESIDE, bad_ones(BESIDE).remove(0)),
        Event::Remove(OURS),
        put(bad("an unreadable match")),
        Event::HotRestart,
        put(good(OURS, "one", false)),
        put(bad("null")),
        Event::Crash,
        Event::Drain(good(OURS, "two", false)),
        put(bad("unreadable hosts")),
    ];
    let mut left = events.iter();
    follow(&envoy, by_ecds, &bad("a misspelt key"), events.len(), |_| left.next().expect("as many").clone())?;

    let in_the_bootstrap = Shape { delivery: Delivery::Listener, listeners_by_file: false, ..by_ecds };
    let events = [put(bad("absent")), Event::Crash, put(good(OURS, "one", false))];
    let mut left = events.iter();
    let first = bad("an unreadable domain");
    follow(&envoy, in_the_bootstrap, &first, events.len(), |_| left.next().expect("as many").clone())?;
    Ok(())
}

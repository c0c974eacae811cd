//! Every kind of event once, on every version of Envoy that the tests run on.

use anyhow::Result;
use testenv::envoy;
use testenv::gateway::Delivery;

use crate::document::{Document, OTHER, OURS, all_bad, good, large};
use crate::harness::{Event, Harness, Shape};
use crate::sequence::follow;

/// Defines one test for each version, so that they run in parallel and a failure names its version.
macro_rules! on_every_envoy {
    ($($test:ident: $version:literal),* $(,)?) => {
        $(#[test] fn $test() -> Result<()> { every_event($version) })*

        #[test]
        fn every_version_has_a_test() {
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
    let bad = |label: &str| -> Document {
        let found = all_bad(OURS).into_iter().find(|document| document.label == format!("bad: {label}"));
        found.expect("a bad document of this kind")
    };
    let put = |document: Document| Event::Put(OURS, document);

    let by_ecds =
        Shape { delivery: Delivery::Ecds, listeners_by_file: true, resource_version: true, workers: 2, drain_time: 20 };
    let events = [
        // On a new pod:
        Event::Policy(true),
        put(bad("not UTF-8")),
        Event::Policy(false),
        put(good(OURS, "one", true)),
        // Edits:
        put(bad("a broken rewrite")),
        Event::Policy(true),
        Event::EditsDuringStall(vec![
            large(OURS, "two", 500),
            bad("absent"),
            good(OURS, "three", false),
            bad("duplicates"),
        ]),
        Event::Policy(false),
        // With another table on the gateway:
        Event::Put(OTHER, good(OTHER, "two", false)),
        put(bad("1 MB of garbage")),
        Event::Put(OTHER, all_bad(OTHER).remove(0)),
        Event::Remove(OURS),
        put(bad("an unreadable match")),
        Event::HotRestart,
        put(good(OURS, "one", false)),
        put(bad("null")),
        Event::Crash,
        Event::Drain(good(OURS, "two", false)),
        put(bad("unreadable hosts")),
    ];
    let mut remaining = events.iter();
    let next = |_: &Harness| remaining.next().expect("there are that many events").clone();
    follow(&envoy, by_ecds, &bad("a misspelt key"), events.len(), next)?;

    let in_the_bootstrap = Shape { delivery: Delivery::Listener, listeners_by_file: false, ..by_ecds };
    let events = [put(bad("absent")), Event::Crash, put(good(OURS, "one", false))];
    let mut remaining = events.iter();
    let next = |_: &Harness| remaining.next().expect("there are that many events").clone();
    follow(&envoy, in_the_bootstrap, &bad("an unreadable domain"), events.len(), next)?;
    Ok(())
}

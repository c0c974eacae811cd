//! Tests that the order of paths is the same as in the crate `matchit`, an independent router. This is compared for all
//! tables that `matchit` can hold: with literal segments, `{name}`, and `{*name}` as the last segment.
//!
//! A failure prints the seed of its random numbers. `KSVC_ROUTING_SEED=… cargo test -p ksvc-routing` repeats it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

mod common;

use std::collections::BTreeSet;

use common::{HOST, good, pick, request, seeded_rng};
use ksvc_routing::Outcome;
use serde_json::json;

const TABLES: usize = 3_000;
const PATTERNS: usize = 12;
const REQUESTS: usize = 20;

fn random_pattern(rng: &mut fastrand::Rng) -> String {
    let mut pattern = String::new();
    for depth in 0..rng.usize(1..5) {
        let segment = match rng.usize(..3) {
            0 => format!("{{p{depth}}}"),
            _ => pick(rng, &["a", "b", "ab", "abc", "c-1"]).to_owned(),
        };
        pattern = format!("{pattern}/{segment}");
    }
    match rng.usize(..6) {
        0 | 1 => format!("{pattern}/{{*rest}}"),
        2 => format!("{pattern}/"),
        _ => pattern,
    }
}

fn random_path(rng: &mut fastrand::Rng) -> String {
    let segments = (0..rng.usize(1..6)).map(|_| format!("/{}", pick(rng, &["a", "b", "ab", "abc", "c-1", "x", "y.z"])));
    let path: String = segments.collect();
    if rng.usize(..5) == 0 { format!("{path}/") } else { path }
}

#[test]
fn paths_are_ordered_as_matchit_orders_them() {
    let (mut rng, seed) = seeded_rng();
    eprintln!("KSVC_ROUTING_SEED={seed}");
    let (mut found, mut refused) = (0, 0);
    for _ in 0..TABLES {
        let patterns: BTreeSet<String> = (0..PATTERNS).map(|_| random_pattern(&mut rng)).collect();
        let mut router = matchit::Router::new();
        let mut routes = Vec::new();
        for pattern in patterns {
            match router.insert(&pattern, pattern.clone()) {
                Ok(()) => routes.push(json!({"match": format!("GET {pattern}"), "host": "a.example.com"})),
                Err(_) => refused += 1,
            }
        }
        let document = json!({"hosts": [HOST], "routes": routes});
        let table = good(&document);
        for _ in 0..REQUESTS {
            let path = random_path(&mut rng);
            let seen = request("GET", &path).on(&table);
            let expected = router.at(&path).ok().map(|found| format!("GET {}", found.value));
            let matched = seen.chosen.as_ref().map(|chosen| chosen.matched.to_string());
            assert_eq!(matched, expected, "{path}\n{document}");
            let outcome = if expected.is_some() { Outcome::Route } else { Outcome::NotFound };
            assert_eq!(seen.outcome, outcome, "{path}\n{document}");
            found += usize::from(expected.is_some());
        }
    }
    assert!(found > TABLES * REQUESTS / 10, "only {found} requests found a route");
    assert!(refused < TABLES, "matchit refused {refused} patterns");
}

//! Tests `decide` with random tables and requests: it must find what the slow matcher finds, and keep the rules that
//! hold for all tables.
//!
//! A failure prints the seed of its random numbers. `KSVC_ROUTING_SEED=… cargo test -p ksvc-routing` repeats it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod common;
#[path = "common/slow.rs"]
mod slow;

use std::collections::{BTreeMap, BTreeSet};

use common::{Request, Seen, good, lossy, seeded_rng};
use ksvc_routing::{Considered, Outcome, RouteTable, compile};
use slow::{Expected, Table, random_request, random_table};

const TABLES: usize = 4_000;
const REQUESTS: usize = 15;

/// Runs a check on random tables, each with random requests.
fn for_random_tables(tables: usize, mut check: impl FnMut(&mut fastrand::Rng, &Table, &RouteTable, &[Request])) {
    let (mut rng, seed) = seeded_rng();
    eprintln!("KSVC_ROUTING_SEED={seed}");
    for _ in 0..tables {
        let table = random_table(&mut rng);
        let requests = (0..REQUESTS).map(|_| random_request(&mut rng, &table)).collect::<Vec<_>>();
        check(&mut rng, &table, &good(&table.document()), &requests);
    }
}

/// Removes all routes without which a request is still decided wrongly.
fn shrunk(mut table: Table, request: &Request) -> Table {
    let mut index = 0;
    while index < table.routes.len() {
        let mut fewer = table.clone();
        fewer.routes.remove(index);
        match Expected::of(&request.on(&good(&fewer.document()))) == slow::decide(&fewer, request) {
            true => index += 1,
            false => table = fewer,
        }
    }
    table
}

#[test]
fn decide_agrees_with_the_slow_matcher() {
    let mut outcomes = BTreeMap::<&str, usize>::new();
    for_random_tables(TABLES, |_, table, compiled, requests| {
        for request in requests {
            let seen = request.on(compiled);
            if Expected::of(&seen) != slow::decide(table, request) {
                let table = shrunk(table.clone(), request);
                let (found, expected) =
                    (Expected::of(&request.on(&good(&table.document()))), slow::decide(&table, request));
                panic!("{request:?}\n   found {found:?}\nexpected {expected:?}\n{}", table.document());
            }
            *outcomes.entry(seen.outcome.as_str()).or_default() += 1;
        }
    });
    // The random tables and requests are useful only if every outcome is common.
    for outcome in ["route", "preflight", "notFound", "methodNotAllowed", "unsafePath", "passThrough", "outOfScope"] {
        let share = outcomes.get(outcome).copied().unwrap_or_default() * 100 / (TABLES * REQUESTS);
        assert!(share >= 1, "{outcome} is rare: {outcomes:?}");
    }
}

#[test]
fn the_order_in_the_file_matters_only_between_routes_that_are_otherwise_equal() {
    for_random_tables(TABLES / 4, |rng, table, compiled, requests| {
        let mut shuffled = table.clone();
        rng.shuffle(&mut shuffled.routes);
        let other = good(&shuffled.document());
        for request in requests {
            let (before, after) = (request.on(compiled), request.on(&other));
            let expected = slow::decide(table, request);
            if !slow::is_settled_by_file_order(table, request) {
                let message = format!("{request:?}\n{expected:?}\n{}\n{}", table.document(), shuffled.document());
                assert_eq!(before.without_place(), after.without_place(), "{message}");
            }
        }
    });
}

#[test]
fn neither_the_query_nor_the_spelling_of_the_host_matters() {
    for_random_tables(TABLES / 4, |rng, table, compiled, requests| {
        for request in requests {
            let before = request.on(compiled);
            let mut other = request.clone();
            let host = lossy(request.authority.as_deref().unwrap());
            if !host.contains([':', '[']) {
                let (dot, port) = (common::pick(rng, &["", "."]), common::pick(rng, &["", ":80", ":8443"]));
                let bare = host.trim_end_matches('.').to_ascii_uppercase();
                other = other.host(&format!("{bare}{dot}{port}"));
            }
            if table.routes.iter().all(|route| route.query.is_empty()) {
                let path = lossy(request.path.as_deref().unwrap());
                let query = common::pick(rng, &["", "?", "?v=2", "?/../%zz//?\\&%2f"]);
                other.path = Some(format!("{}{query}", path.split('?').next().unwrap()).into_bytes());
            }
            assert_eq!(
                Expected::of(&before),
                Expected::of(&other.on(compiled)),
                "{request:?}\n{other:?}\n{}",
                table.document()
            );
        }
    });
}

#[test]
fn explain_agrees_with_decide() {
    for_random_tables(TABLES / 2, |_, table, compiled, requests| {
        for request in requests {
            let decided = request.on(compiled);
            request.with_head(|head| {
                let explanation = compiled.explain(head);
                let message = format!("{request:?}\n{:#?}\n{}", explanation.considered, table.document());
                assert_eq!(Seen::of(&explanation.decision), decided, "{message}");
                let chosen = explanation.considered.iter().filter(|considered| considered.result == Considered::Chosen);
                let chosen = chosen.map(|considered| (considered.route, considered.matched)).collect::<Vec<_>>();
                let expected = decided.chosen.iter().map(|chosen| (&*chosen.route, &*chosen.matched));
                assert_eq!(chosen, expected.collect::<Vec<_>>(), "{message}");
                let mut after = explanation.considered.iter().skip_while(|it| it.result != Considered::Chosen).skip(1);
                let passed_over = |result: &Considered| matches!(result, Considered::Behind | Considered::OtherMethod);
                assert!(after.all(|considered| passed_over(&considered.result)), "{message}");
                if matches!(decided.outcome, Outcome::Route | Outcome::NotFound | Outcome::MethodNotAllowed) {
                    let listed = explanation.considered.iter().map(|it| (it.route.to_owned(), it.matched.to_owned()));
                    assert_eq!(listed.collect::<BTreeSet<_>>(), slow::considered(table, request), "{message}");
                }
            });
        }
    });
}

#[test]
fn routes_are_listed_in_the_order_in_which_they_are_tried() {
    for_random_tables(TABLES / 4, |_, table, compiled, requests| {
        let listed = compiled.routes();
        let listed = listed.iter().map(|line| format!("{} {} {}", line.route, line.methods, line.path));
        let listed = listed.collect::<Vec<_>>();
        let elements = table.routes.iter().map(|route| route.matches.len()).sum::<usize>();
        assert_eq!(listed.len(), elements, "{listed:?}\n{}", table.document());
        for request in requests {
            // Among the elements that match, a more specific one must be listed before a less specific one.
            let in_turn = slow::paths_in_turn(table, request);
            let place = |line: &String| listed.iter().position(|listed| listed == line).unwrap();
            for pair in in_turn.windows(2) {
                let (upper, lower) = (pair[0].iter().map(place).min(), pair[1].iter().map(place).max());
                assert!(upper < lower, "{pair:?}\n{listed:#?}\n{}", table.document());
            }
        }
    });
}

#[test]
fn no_document_and_no_head_can_cause_a_panic() {
    let bytes = |rng: &mut fastrand::Rng, at_most: usize| {
        let choices = b"/%.;?#\\*{}:[]@ aA2fF\x00\x7f\xc3\xa9\xff,\"'-";
        (0..rng.usize(..at_most)).map(|_| choices[rng.usize(..choices.len())]).collect::<Vec<_>>()
    };
    for_random_tables(TABLES / 2, |rng, table, compiled, requests| {
        let mut heads = requests.to_vec();
        for request in &mut heads {
            for part in [&mut request.method, &mut request.authority, &mut request.path] {
                match rng.u8(..4) {
                    0 => *part = None,
                    1 => *part = Some(bytes(rng, 12)),
                    2 => part.iter_mut().for_each(|text| text.extend(bytes(rng, 4))),
                    _ => {}
                }
            }
            request.headers.push((bytes(rng, 6), bytes(rng, 6)));
            request.headers.push((b"content-type".to_vec(), b"application/grpc".to_vec()));
        }
        let mut mutated = table.document().to_string().into_bytes();
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(..mutated.len());
            let until = rng.usize(at..mutated.len()).min(at + rng.usize(..20));
            let with = if rng.bool() { bytes(rng, 5) } else { Vec::new() };
            mutated.splice(at..until, with);
        }
        let compiled_from = [compile(&mutated), compile(&bytes(rng, 40))];
        for compiled in &compiled_from {
            for problem in &compiled.problems {
                assert!(!problem.to_string().is_empty());
            }
        }
        for table in [compiled, &compiled_from[0].table, &compiled_from[1].table] {
            table.routes();
            for request in &heads {
                request.on(table);
                request.with_head(|head| table.explain(head).considered.len());
            }
        }
    });
}

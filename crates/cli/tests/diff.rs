//! Holds `diff` to its two promises, on random tables: every difference that it reports is one (each has a request that
//! shows it, which is tried again here), and it misses none that random requests find.
//!
//! A failure prints the seed of its random numbers. `KSVC_ROUTING_SEED=… KSVC_ROUTER_DIFF_TABLES=… cargo test -p
//! ksvc-router-cli --test diff` repeats it, or tries more.

#[path = "../../routing/tests/common/mod.rs"]
mod common;
#[path = "../../routing/tests/common/slow.rs"]
mod slow;

use common::{Choices, good, pick, seeded_rng};
use ksvc_router_cli::diff::seen::Seen;
use ksvc_router_cli::diff::{Bounds, Difference, Entry, compare};
use ksvc_router_cli::request::Request;
use serde_json::{Value, json};
use slow::{Table, random_request, random_table};

/// How many pairs of tables are compared: by default few, so that the test is quick.
fn tables() -> usize {
    let wanted = std::env::var("KSVC_ROUTER_DIFF_TABLES").ok();
    wanted.map_or(24, |wanted| wanted.parse().expect("KSVC_ROUTER_DIFF_TABLES is a number"))
}

/// How many random requests are tried with each pair.
const REQUESTS: usize = 500;

fn request(random: &common::Request) -> Request {
    Request {
        method: random.method.clone().unwrap(),
        scheme: Some(b"https".to_vec()),
        authority: random.authority.clone(),
        path: random.path.clone(),
        headers: random.headers.clone(),
    }
}

fn line(request: &Request) -> String {
    let text = |bytes: &Option<Vec<u8>>| common::lossy(bytes.as_deref().unwrap_or_default());
    let mut line = format!("{} {}{}", common::lossy(&request.method), text(&request.authority), text(&request.path));
    for (name, value) in &request.headers {
        line += &format!(" -H '{}: {}'", common::lossy(name), common::lossy(value));
    }
    line
}

fn short(seen: &Seen) -> String {
    let headers =
        seen.answer_headers.iter().map(|(name, value)| format!("{}: {}", common::lossy(name), common::lossy(value)));
    format!(
        "{:?} {} {:?} {} {}",
        seen.route.map(|id| id.route),
        seen.outcome,
        seen.matched,
        common::lossy(&seen.path),
        headers.collect::<Vec<_>>().join(", ")
    )
}

fn describe(difference: &Difference) -> String {
    let entry = |entry: &Entry| {
        format!("{:?} {}: {} | {}\n", entry.kind, line(&entry.example), short(&entry.before), short(&entry.after))
    };
    difference.entries.iter().map(entry).collect()
}

/// Changes a table a little.
fn edit(rng: &mut fastrand::Rng, table: &Table) -> Table {
    let mut table = table.clone();
    let other = random_table(rng);
    for _ in 0..1 + rng.below(2) {
        let index = rng.below(table.routes.len().max(1));
        match rng.below(14) {
            0..3 if index < table.routes.len() => _ = table.routes.remove(index),
            3..6 => {
                let mut added = other.routes.clone();
                added.truncate(1);
                added.iter_mut().for_each(|route| route.name = "added".to_owned());
                table.routes.retain(|route| route.name != "added");
                table.routes.extend(added);
            }
            6 if index < table.routes.len() => table.routes[index].name = "moved".to_owned(),
            7 => table.ignore_trailing_slash ^= true,
            8 => table.pass_through ^= true,
            9 => table.hosts = other.hosts.clone(),
            10 => table.cors = other.cors,
            11 if index < table.routes.len() => table.routes[index].cors = Some(Some(rng.u32(0..2))),
            12 if index < table.routes.len() => {
                let route = &mut table.routes[index];
                match rng.below(3) {
                    0 => route.headers.clear(),
                    1 => route.query = vec![("v".to_owned(), pick(rng, &["1", "1*", "*", "2"]).to_owned())],
                    _ => route.cookies = vec![("v".to_owned(), pick(rng, &["1", "1*", "*"]).to_owned())],
                }
            }
            13 => {
                table.base_path = other.base_path.clone();
                table.strip_base_path = other.strip_base_path;
            }
            _ => {}
        }
    }
    slow::without_duplicates(table)
}

fn is_covered(difference: &Difference, before: &Seen, after: &Seen) -> bool {
    let outcome = |seen: &Seen| if seen.route.is_none() { seen.outcome } else { "" };
    difference.entries.iter().any(|entry| {
        (entry.old, entry.new) == (before.route, after.route)
            && (outcome(&entry.before), outcome(&entry.after)) == (outcome(before), outcome(after))
    })
}

#[test]
fn no_difference_that_random_requests_find_is_missed() {
    let (mut rng, seed) = seeded_rng();
    eprintln!("KSVC_ROUTING_SEED={seed}");
    let (mut differing, mut found, mut tried) = (0, 0, 0);
    for round in 0..tables() {
        let table = random_table(&mut rng);
        let edited = edit(&mut rng, &table);
        let (old, new) = (good(&table.document()), good(&edited.document()));
        let difference = compare(&[&old], &[&new], &Bounds::default());
        for entry in &difference.entries {
            let before = Seen::new(&[&old], &entry.example, &[]);
            let after = Seen::new(&[&new], &entry.example, &[]);
            assert!(!before.is_same(&after), "round {round}: {}", line(&entry.example));
        }
        tried += difference.requests;
        differing += usize::from(!difference.is_empty());
        for index in 0..REQUESTS {
            let random = random_request(&mut rng, if index % 2 == 0 { &table } else { &edited });
            let request = request(&random);
            let (before, after) = (Seen::new(&[&old], &request, &[]), Seen::new(&[&new], &request, &[]));
            if before.is_same(&after) {
                continue;
            }
            found += 1;
            assert!(
                is_covered(&difference, &before, &after) || difference.not_compared.places > 0,
                "round {round}: {}\n{}\n{}\n{}\n{}\n{}",
                line(&request),
                short(&before),
                short(&after),
                table.document(),
                edited.document(),
                describe(&difference)
            );
        }
    }
    eprintln!("{differing} pairs differ, {tried} requests tried by the comparison, {found} random requests differ");
    assert!(differing * 3 > tables(), "only {differing} of the pairs differ, with {found} requests");
}

/// Writes a document in other words: the order of routes, the names of parameters, lists, methods, and defaults.
fn reworded(rng: &mut fastrand::Rng, document: &Value, keeps_order: bool) -> Value {
    let mut routes = Vec::new();
    for route in document["routes"].as_array().unwrap() {
        let elements = match &route["match"] {
            Value::Array(elements) => elements.clone(),
            element => vec![element.clone()],
        };
        let mut split = Vec::new();
        for element in &elements {
            let element = element.as_str().unwrap().replace("{x}", "{renamed}").replace("{y}", "{x}");
            let (methods, path) = element.split_once(' ').unwrap();
            match rng.coin() {
                true => split.extend(methods.split('|').map(|method| format!("{method} {path}"))),
                false => split.push(element),
            }
        }
        if rng.coin() {
            // One route for each element.
            for element in split {
                let mut copy = route.clone();
                copy["match"] = json!(element);
                routes.push(copy);
            }
        } else {
            let mut copy = route.clone();
            copy["match"] = json!(split);
            routes.push(copy);
        }
    }
    for route in &mut routes {
        if rng.coin() {
            route["namespace"] = json!("shop");
        }
    }
    if !keeps_order {
        rng.shuffle(&mut routes);
    }
    let mut document = document.clone();
    document["routes"] = json!(routes);
    for (key, value) in [
        ("onNoMatch", json!("notFound")),
        ("trailingSlash", json!("strict")),
        ("unsafePaths", json!("reject")),
        ("stripInternalHeaders", json!(true)),
        ("hostTemplate", json!("{service}.{namespace}.{domain}")),
    ] {
        if document.get(key).is_none() && rng.coin() {
            document[key] = value;
        }
    }
    document
}

/// Returns whether the order in the file matters: some path has two elements with the same method, or CORS, which has the
/// policy of the first.
fn depends_on_order(table: &Table) -> bool {
    let has_cors = table.cors.is_some() || table.routes.iter().any(|route| route.cors.is_some());
    let has_conditions = table
        .routes
        .iter()
        .any(|route| !(route.headers.is_empty() && route.cookies.is_empty() && route.query.is_empty()));
    has_cors || has_conditions
}

#[test]
fn equal_tables_in_other_words_do_not_differ() {
    let (mut rng, seed) = seeded_rng();
    eprintln!("KSVC_ROUTING_SEED={seed}");
    for round in 0..tables() {
        let table = random_table(&mut rng);
        let document = table.document();
        let other = reworded(&mut rng, &document, depends_on_order(&table));
        let (old, new) = (good(&document), good(&other));
        let difference = compare(&[&old], &[&new], &Bounds::default());
        assert!(difference.is_empty(), "round {round}:\n{document}\n{other}\n{}", describe(&difference));
    }
}

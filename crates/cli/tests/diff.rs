//! Holds `diff` to its two promises, on random tables: every difference that it reports is one (each has a request that
//! shows it, which is tried again here), and it misses none that random requests find.
//!
//! A failure prints the seed of its random numbers. `KSVC_ROUTING_SEED=… KSVC_ROUTER_DIFF_TABLES=… cargo test -p
//! ksvc-router-cli --test diff` repeats it, or tries more.

#[path = "../../routing/tests/common/mod.rs"]
mod common;
#[path = "../../routing/tests/common/slow.rs"]
mod slow;

use std::collections::BTreeMap;

use common::{Choices, good, pick, seeded_rng};
use ksvc_explanation::request::Request;
use ksvc_router_cli::diff::seen::Seen;
use ksvc_router_cli::diff::{Bounds, Difference, Entry, compare};
use ksvc_routing::RouteTable;
use serde_json::{Value, json};
use slow::{Table, random_request, random_table};

/// How many pairs of tables are compared, if the environment says it.
fn wanted() -> Option<usize> {
    let wanted = std::env::var("KSVC_ROUTER_DIFF_TABLES").ok()?;
    Some(wanted.parse().expect("KSVC_ROUTER_DIFF_TABLES is a number"))
}

/// How many pairs of tables are compared: by default few, so that the test is quick, and enough for the shares that are
/// checked. About half of the pairs are compared as a whole; of 16 pairs it was often less than the quarter that is asked.
fn tables() -> usize {
    wanted().unwrap_or(64)
}

/// How much is tried for a pair: by default little, so that the test is quick. A pair for which this is too little is not
/// held to the promise.
fn bounds() -> Bounds {
    match wanted() {
        Some(_) => Bounds::default(),
        None => Bounds { requests: 2_000, ..Bounds::default() },
    }
}

/// How many random requests are tried with each pair.
const REQUESTS: usize = 500;

/// What a document has besides the parts that `slow` knows: of the table as a whole, and of the routes by their names.
#[derive(Debug, Clone, Default)]
struct Extras {
    table: Vec<(&'static str, Value)>,
    routes: BTreeMap<String, Vec<(&'static str, Value)>>,
}

fn random_extras(rng: &mut fastrand::Rng, table: &Table) -> Extras {
    let mut extras = Extras::default();
    let of_table = [
        ("denyDirect", json!(true)),
        ("stripInternalHeaders", json!(false)),
        ("rewriteLocation", json!(true)),
        ("requestHeaders", json!({"set": {"x-table": "1"}, "remove": ["x-a"]})),
        ("responseHeaders", json!({"set": {"x-served-by": "gateway"}, "remove": ["server"]})),
    ];
    extras.table.extend(of_table.into_iter().filter(|_| rng.one_in(6)));
    let mut names_namespace = false;
    for route in &table.routes {
        if rng.bool() {
            continue;
        }
        let captured = captured_by_all(&route.matches);
        let value = captured.first().map_or("v2".to_owned(), |name| format!("{{{name}}}"));
        let part = match rng.below(8) {
            0 => ("rewritePath", json!("/v2")),
            1 | 2 => ("rewritePath", json!(format!("/{value}/v2"))),
            3 => ("requestHeaders", json!({"set": {"x-value": value}})),
            4 => ("responseHeaders", json!({"set": {"x-value": value}})),
            5 => ("timeout", json!(pick(rng, &["5s", "6s"]))),
            6 => ("service", json!(value)),
            _ => {
                names_namespace = true;
                ("namespace", json!(value))
            }
        };
        extras.routes.insert(route.name.clone(), vec![part]);
    }
    if names_namespace {
        extras
            .table
            .push(("allowNamespaces", json!(pick(rng, &["a,1", "a*", "ab,v2"]).split(',').collect::<Vec<_>>())));
    }
    extras
}

/// Returns the parameters that take one segment, or a part of one, in all elements of a `match`.
fn captured_by_all(elements: &[String]) -> Vec<String> {
    let parameters = |element: &String| -> Vec<String> {
        let names = element.split('{').skip(1).filter_map(|text| text.split_once('}')).map(|(name, _)| name.to_owned());
        names.filter(|name| name.starts_with(['x', 'y'])).collect()
    };
    let mut common = elements.first().map(parameters).unwrap_or_default();
    common.retain(|name| elements.iter().all(|element| parameters(element).contains(name)));
    common
}

/// Returns the document of a table, with its extras if they are allowed there.
fn document(table: &Table, extras: &Extras) -> Value {
    let plain = table.document();
    let mut document = plain.clone();
    for (key, value) in &extras.table {
        document[key] = value.clone();
    }
    for route in document["routes"].as_array_mut().unwrap() {
        for (key, value) in extras.routes.get(route["name"].as_str().unwrap()).into_iter().flatten() {
            route[key] = value.clone();
        }
    }
    let compiled = ksvc_routing::compile(document.to_string().as_bytes());
    if compiled.problems.iter().any(|problem| problem.is_error()) { plain } else { document }
}

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
        match rng.below(15) {
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
            14 => {
                // The base path moves into the paths of the routes.
                let base = table.base_path.take().unwrap_or_default();
                for element in table.routes.iter_mut().flat_map(|route| &mut route.matches) {
                    *element = element.replacen(" /", &format!(" {base}/"), 1);
                }
            }
            _ => {}
        }
    }
    slow::without_duplicates(table)
}

fn is_covered(difference: &Difference, before: &Seen, after: &Seen) -> bool {
    let outcome = |seen: &Seen| match (seen.route, seen.is_untouched()) {
        (Some(_), _) => "",
        (None, true) => "untouched",
        (None, false) => seen.outcome,
    };
    difference.entries.iter().any(|entry| {
        (entry.old, entry.new) == (before.route, after.route)
            && (outcome(&entry.before), outcome(&entry.after)) == (outcome(before), outcome(after))
    })
}

/// The tables of a gateway.
struct Gateway {
    documents: Vec<Value>,
    tables: Vec<RouteTable>,
}

impl Gateway {
    fn new(documents: Vec<Value>) -> Self {
        let tables = documents.iter().map(good).collect();
        Self { documents, tables }
    }

    fn tables(&self) -> Vec<&RouteTable> {
        self.tables.iter().collect()
    }
}

#[test]
fn no_difference_that_random_requests_find_is_missed() {
    let (mut rng, seed) = seeded_rng();
    eprintln!("KSVC_ROUTING_SEED={seed}");
    let (mut differing, mut found, mut tried, mut whole) = (0, 0, 0, 0);
    for round in 0..tables() {
        let table = random_table(&mut rng);
        let edited = edit(&mut rng, &table);
        let extras = random_extras(&mut rng, &table);
        let edited_extras = if rng.one_in(3) { random_extras(&mut rng, &edited) } else { extras.clone() };
        let mut old = vec![document(&table, &extras)];
        let mut new = vec![document(&edited, &edited_extras)];
        let mut asked = vec![&table, &edited];
        let second = random_table(&mut rng);
        if rng.one_in(4) {
            // A second table stands behind the first one, or before it.
            let document = document(&second, &random_extras(&mut rng, &second));
            let at = rng.below(2);
            old.insert(at, document.clone());
            new.insert(at, document);
            asked.push(&second);
            if rng.one_in(4) {
                new.reverse();
            }
        }
        let (old, new) = (Gateway::new(old), Gateway::new(new));
        let difference = compare(&old.tables(), &new.tables(), &bounds());
        for entry in &difference.entries {
            let before = Seen::new(&old.tables(), &entry.example, &[]);
            let after = Seen::new(&new.tables(), &entry.example, &[]);
            let sent = ["x-served-by".to_owned(), "server".to_owned(), "x-value".to_owned()];
            let before_response = Seen::new(&old.tables(), &entry.example, &sent);
            let after_response = Seen::new(&new.tables(), &entry.example, &sent);
            assert!(
                !before.is_same(&after) || !before_response.is_same(&after_response),
                "round {round}: {}",
                line(&entry.example)
            );
            assert!(
                entry.example.path.as_deref().is_some_and(|path| path.starts_with(b"/")),
                "{}",
                line(&entry.example)
            );
        }
        tried += difference.requests;
        whole += usize::from(difference.not_compared.places == 0);
        differing += usize::from(!difference.is_empty());
        for index in 0..REQUESTS {
            let mut random = random_request(&mut rng, asked[index % asked.len()]);
            if rng.one_in(16) {
                random.authority =
                    Some(format!("{}.shop.example.com", pick(&mut rng, &["r0", "r1", "a", "ab"])).into());
            }
            let request = request(&random);
            // Envoy answers such requests itself, before any filter.
            if request.path.as_deref().is_some_and(|path| !path.starts_with(b"/")) {
                continue;
            }
            let (before, after) = (Seen::new(&old.tables(), &request, &[]), Seen::new(&new.tables(), &request, &[]));
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
                json!(old.documents),
                json!(new.documents),
                describe(&difference)
            );
        }
    }
    eprintln!(
        "{whole} pairs compared as a whole, {differing} pairs differ, {tried} requests tried by the comparison, {found} random requests differ"
    );
    assert!(whole * 4 > tables(), "only {whole} of the pairs are compared as a whole");
    assert!(differing * 3 > tables(), "only {differing} of the pairs differ, with {found} requests");
}

/// Below a `basePath`, the table answers what it has no route for, also if its only route is that of the `basePath` itself.
#[test]
fn what_has_no_route_below_a_base_path_is_compared() {
    let table = |base: Option<&str>, route: &str| {
        let mut table = json!({
            "hosts": ["a.example.com"], "domain": "example.com", "namespace": "shop",
            "routes": [{"match": route, "service": "a"}],
        });
        match base {
            Some(base) => table["basePath"] = base.into(),
            None => table["cors"] = json!({"allowOrigins": ["https://app.example.com"]}),
        }
        good(&table)
    };
    let all = table(None, "GET /x");
    for base in ["/a", "/a/b"] {
        let below = table(Some(base), "GET /");
        let difference = compare(&[&all], &[&below, &all], &Bounds::default());
        let preflight = |entry: &&Entry| {
            let example = &entry.example;
            let is_preflight = example.headers.iter().any(|(name, _)| name == b"access-control-request-method");
            is_preflight && example.path.as_deref().is_some_and(|path| path.starts_with(format!("{base}/").as_bytes()))
        };
        let found = difference.entries.iter().find(preflight);
        let entry = found.unwrap_or_else(|| panic!("{base}: {}", describe(&difference)));
        let outcome = |tables: &[&RouteTable]| Seen::new(tables, &entry.example, &[]).outcome;
        assert_eq!(
            (outcome(&[&all]), outcome(&[&below, &all])),
            ("preflight", "notFound"),
            "{}",
            describe(&difference)
        );
    }
}

/// One table refuses bytes outside ASCII that are not encoded, and the other one accepts them.
#[test]
fn paths_outside_ascii_that_are_not_encoded_are_compared() {
    let table = |unsafe_paths: &str| {
        good(&json!({
            "hosts": ["a.example.com"], "domain": "example.com", "namespace": "shop", "basePath": "/é",
            "unsafePaths": unsafe_paths, "routes": [{"match": "GET /a", "service": "a"}],
        }))
    };
    let (old, new) = (table("reject"), table("allow"));
    let difference = compare(&[&old], &[&new], &Bounds::default());
    let outcomes: Vec<_> = difference.entries.iter().map(|entry| (entry.before.outcome, entry.after.outcome)).collect();
    for after in ["route", "methodNotAllowed", "notFound"] {
        assert!(outcomes.contains(&("unsafePath", after)), "{after}: {}", describe(&difference));
    }
}

#[test]
fn what_a_bound_leaves_out_is_counted_and_named() {
    let table = |service: &str| {
        let conditions = |n: usize| json!({"headers": {"x-a": n.to_string()}});
        let mut routes: Vec<Value> =
            (0..9).map(|n| json!({"match": "GET /early/{x}/{y}", "service": service, "when": conditions(n)})).collect();
        routes.push(json!({"match": "GET /late/{id}", "service": service}));
        routes.push(json!({"match": "GET /of/{ns}/{svc}", "service": "{svc}", "namespace": "{ns}"}));
        good(&json!({
            "hosts": ["a.example.com"], "domain": "example.com", "namespace": "shop", "allowNamespaces": ["a", "b", "c"],
            "routes": routes,
        }))
    };
    let (old, new) = (table("one"), table("two"));
    let not_compared = |bounds: Bounds| {
        let not_compared = compare(&[&old], &[&new], &bounds).not_compared;
        (not_compared.places > 0, not_compared.routes.into_iter().collect::<Vec<_>>().join(", "))
    };
    let all = Bounds::default();
    let (early, late, captured) = ("GET /early/{x}/{y}", "GET /late/{id}", "GET /of/{ns}/{svc}");
    assert_eq!(not_compared(all), (false, String::new()));
    // The walk goes through the paths in their order; the routes that it does not reach are named.
    let short_walk = not_compared(Bounds { classes: 6, ..all });
    assert!(short_walk.0 && short_walk.1.contains(late) && short_walk.1.contains(captured), "{short_walk:?}");
    let few = not_compared(Bounds { requests_of_class: 5, ..all });
    assert!(few.0 && few.1.contains(early) && few.1.contains(captured), "{few:?}");
    let none_left = not_compared(Bounds { requests: 0, ..all });
    assert!(none_left.0 && none_left.1.contains(late), "{none_left:?}");
    assert_eq!(not_compared(Bounds { captured_hosts: 2, ..all }), (true, captured.to_owned()));
}

/// Writes a document in other words: the order of routes, the names of parameters, lists, methods, and defaults.
fn reworded(rng: &mut fastrand::Rng, document: &Value, keeps_order: bool) -> Value {
    let mut routes = Vec::new();
    for route in document["routes"].as_array().unwrap() {
        // The parameters swap their names, in the paths and where their values are used.
        let route = if rng.bool() {
            let text = route.to_string().replace("{x", "{#").replace("{y", "{x").replace("{#", "{y");
            serde_json::from_str(&text).unwrap()
        } else {
            route.clone()
        };
        let elements = match &route["match"] {
            Value::Array(elements) => elements.clone(),
            element => vec![element.clone()],
        };
        let mut split = Vec::new();
        for element in &elements {
            let element = element.as_str().unwrap().to_owned();
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
        if route.get("namespace").is_none() && rng.coin() {
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
        let extras = random_extras(&mut rng, &table);
        let document = document(&table, &extras);
        let other = reworded(&mut rng, &document, depends_on_order(&table));
        let (old, new) = (good(&document), good(&other));
        let difference = compare(&[&old], &[&new], &Bounds::default());
        assert!(difference.is_empty(), "round {round}:\n{document}\n{other}\n{}", describe(&difference));
    }
}

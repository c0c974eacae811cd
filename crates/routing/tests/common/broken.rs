//! Compares a good document with the same document with errors in it. The document with errors is served in part, and
//! no request may be routed to where the good document would not have sent it.
#![allow(dead_code, reason = "each test uses its part")]

use ksvc_routing::{Outcome, RouteTable, compile};
use serde_json::{Value, json};

use super::common::{Choices, Request, Seen, good};
use super::slow;

/// A good document, a copy of it with errors, and the tables of both.
pub(crate) struct Broken {
    good: Value,
    broken: Value,
    good_table: RouteTable,
    broken_table: RouteTable,
    /// True if the errors may make the scope unreadable.
    may_hide_scope: bool,
    /// True if only routes have errors, and none in its `match`. Then all requests that do not reach a broken route are decided as before.
    only_routes: bool,
}

impl Broken {
    /// Makes a document with random errors. Returns `None` if the errors have undone each other.
    pub(crate) fn random(rng: &mut impl Choices, table: &slow::Table) -> Option<Self> {
        let good_document = random_document(rng, table);
        let mut broken = good_document.clone();
        let mut may_hide_scope = false;
        for _ in 0..[1, 1, 1, 2, 3][rng.below(5)] {
            may_hide_scope |= break_something(rng, &mut broken);
        }
        let compiled = compile(broken.to_string().as_bytes());
        if compiled.is_good() {
            return None;
        }
        let (keys, broken_keys) = (good_document.as_object().unwrap(), broken.as_object().unwrap());
        let is_same = |(key, value): (&String, &Value)| key == "routes" || broken[key] == *value;
        let matches = |document: &Value| {
            let routes = document["routes"].as_array().map(Vec::as_slice).unwrap_or_default();
            routes.iter().map(|route| route["match"].clone()).collect::<Vec<_>>()
        };
        // A `match` that can't be read matches more paths than before, which makes other routes serve their methods.
        let only_routes = keys.len() == broken_keys.len()
            && keys.iter().all(is_same)
            && matches(&broken).iter().all(|pattern| matches(&good_document).contains(pattern));
        Some(Broken {
            good_table: good(&good_document),
            broken_table: compiled.table,
            good: good_document,
            broken,
            may_hide_scope,
            only_routes,
        })
    }

    /// Decides a request with both tables.
    ///
    /// # Panics
    ///
    /// Panics if the request is routed to where the good document does not send it.
    pub(crate) fn check(&self, request: &Request) {
        let (expected, seen) = (request.on(&self.good_table), request.on(&self.broken_table));
        let is_right = match seen.outcome {
            Outcome::BrokenRoute => true,
            Outcome::OutOfScope | Outcome::PassThrough if self.may_hide_scope => true,
            Outcome::NotFound | Outcome::MethodNotAllowed | Outcome::UnsafePath if !self.only_routes => true,
            // The gateway answers, but it may not know with which methods and which CORS. If nobody recognizes `basePath`,
            // it answers for other paths than it should.
            Outcome::Preflight | Outcome::Options => expected.outcome != Outcome::Route || self.may_hide_scope,
            _ => destination(seen.clone()) == destination(expected.clone()),
        };
        let Broken { good, broken, .. } = self;
        assert!(is_right, "{request:?}\n{expected:?}\n{seen:?}\ngood   {good}\nbroken {broken}");
    }
}

/// Puts one error into a good document. Returns whether it may make the scope unreadable.
fn break_something(rng: &mut impl Choices, document: &mut Value) -> bool {
    let routes = document["routes"].as_array().map_or(0, Vec::len);
    if routes > 0 && !rng.one_in(4) {
        let index = rng.below(routes);
        break_route(rng, document, index);
        return false;
    }
    let keys = document.as_object().unwrap().keys().filter(|key| *key != "routes").cloned().collect::<Vec<_>>();
    let key = &keys[rng.below(keys.len())];
    match rng.below(5) {
        0 => document["unheard-of"] = json!(true),
        // `cors: null` is not an error.
        1 if key != "cors" => document[key] = Value::Null,
        2 => document[key] = one_of(rng, [json!({ "a": 1 }), json!(7), json!("no such thing"), json!([[]])]),
        3 if rng.one_in(4) && key != "denyDirect" => {
            // A key that nobody recognizes. An unrecognizable `denyDirect` denies nothing.
            let value = document.as_object_mut().unwrap().remove(key).unwrap();
            document[format!("z{key}-unheard-of")] = value;
        }
        _ => misspell(rng, document, key),
    }
    // A misspelt `stripBasePath` may look like `basePath`.
    ["hosts", "basePath", "stripBasePath"].contains(&&**key)
}

fn break_route(rng: &mut impl Choices, document: &mut Value, index: usize) {
    let routes = document["routes"].as_array_mut().unwrap();
    let route = &mut routes[index];
    match rng.below(10) {
        9 => route["timeout"] = one_of(rng, [json!(30), json!("1h"), json!("soon")]),
        7 | 8 => break_match(rng, &mut route["match"]),
        0 => {
            let mut copy = route.clone();
            copy["name"] = json!("double");
            routes.insert(rng.below(routes.len() + 1), copy);
        }
        1 => route["host"] = json!(7),
        2 => route["service"] = one_of(rng, [json!(7), json!("Not_A_Name"), json!(null)]),
        3 => route["rewritePath"] = json!("/{no-such-capture}"),
        4 => {
            let headers = json!({ "headers": { "a b": "1" } });
            route["when"] = one_of(rng, [json!("x"), json!({ "header": {} }), headers]);
        }
        5 => route["unheard-of"] = json!(1),
        _ => {
            let keys = route.as_object().unwrap().keys().filter(|key| *key != "match").cloned().collect::<Vec<_>>();
            let key = &keys[rng.below(keys.len())];
            misspell(rng, route, key);
        }
    }
}

/// Makes a segment with a parameter unreadable.
fn break_match(rng: &mut impl Choices, patterns: &mut Value) {
    let pattern = match patterns {
        Value::Array(patterns) => {
            let index = rng.below(patterns.len());
            &mut patterns[index]
        }
        pattern => pattern,
    };
    let text = pattern.as_str().unwrap();
    let parameters = text.match_indices(['}']).map(|(at, _)| at).collect::<Vec<_>>();
    let doubled = |at: &usize| text[at + 1..].starts_with('}') || text[..*at].ends_with('}');
    let parameters = parameters.into_iter().filter(|at| !doubled(at)).collect::<Vec<_>>();
    if !parameters.is_empty() {
        let (before, after) = text.split_at(parameters[rng.below(parameters.len())]);
        *pattern = json!(format!("{before}{}{}", one_of(rng, [" ", "", "{"]), &after[1..]));
    }
}

fn misspell(rng: &mut impl Choices, object: &mut Value, key: &str) {
    let value = object.as_object_mut().unwrap().remove(key).unwrap();
    let misspelt = match rng.below(4) {
        0 => key.to_ascii_lowercase() + "s",
        1 => key[1..].to_owned(),
        2 => key[..key.len() - 1].to_owned(),
        _ => format!("{}{}", &key[..2], &key[1..]),
    };
    object[misspelt] = value;
}

fn one_of<T: Clone, const N: usize>(rng: &mut impl Choices, from: [T; N]) -> T {
    from[rng.below(N)].clone()
}

/// Makes a good document with all kinds of routes.
fn random_document(rng: &mut impl Choices, table: &slow::Table) -> Value {
    let mut document = table.document();
    for route in document["routes"].as_array_mut().unwrap() {
        match rng.below(7) {
            0 => route["namespace"] = json!("billing"),
            6 => route["timeout"] = json!("30s"),
            1 => route["rewritePath"] = json!("/v2"),
            2 => {
                let (key, target) = match rng.coin() {
                    true => ("respond", json!({ "status": 204 })),
                    false => ("redirect", json!({ "to": "/elsewhere" })),
                };
                route.as_object_mut().unwrap().remove("service");
                route[key] = target;
            }
            _ => {}
        }
    }
    if rng.one_in(4) {
        document["stripInternalHeaders"] = json!(false);
    }
    document
}

/// Removes what errors may change although the request goes to the same place: the index of the route, the reason why it
/// is left unchanged, and what depends on CORS.
fn destination(mut seen: Seen) -> Seen {
    seen.chosen = None;
    // Both leave the request to the gateway's own routes.
    if seen.outcome == Outcome::PassThrough {
        seen.outcome = Outcome::OutOfScope;
    }
    seen.headers.retain(|(name, _)| name != "vary" && !name.starts_with("access-control-"));
    // It is not known whether CORS applies if the `cors` of a route can't be read.
    for (_, value) in seen.headers.iter_mut().filter(|(name, _)| name == "allow") {
        *value = value.split(", ").filter(|method| *method != "OPTIONS").collect::<Vec<_>>().join(", ");
    }
    seen
}

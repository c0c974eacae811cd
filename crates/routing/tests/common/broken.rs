//! A good document and the same one with errors in it: where the broken one is served in part, no request goes to where
//! the whole one would not have sent it.
#![allow(dead_code, reason = "each test uses its part")]

use ksvc_routing::{Outcome, RouteTable, compile};
use serde_json::{Value, json};

use super::common::{Choices, Request, Seen, good};
use super::slow;

/// What is served of a document with errors, beside the same without them.
pub(crate) struct Broken {
    whole: Value,
    broken: Value,
    expected: RouteTable,
    served: RouteTable,
    scope_hidden: bool,
    /// Only routes have errors: what is not broken is decided as ever.
    routes_alone: bool,
}

impl Broken {
    /// `None` where the slips have mended each other.
    pub(crate) fn random(rng: &mut impl Choices, table: &slow::Table) -> Option<Self> {
        let whole = random_document(rng, table);
        let mut broken = whole.clone();
        let mut scope_hidden = false;
        for _ in 0..[1, 1, 1, 2, 3][rng.below(5)] {
            scope_hidden |= break_something(rng, &mut broken);
        }
        let compiled = compile(broken.to_string().as_bytes());
        if compiled.is_good() {
            return None;
        }
        let (keys, broken_keys) = (whole.as_object().unwrap(), broken.as_object().unwrap());
        let same = |(key, value): (&String, &Value)| key == "routes" || broken[key] == *value;
        let routes_alone = keys.len() == broken_keys.len() && keys.iter().all(same);
        Some(Broken { expected: good(&whole), served: compiled.table, whole, broken, scope_hidden, routes_alone })
    }

    /// # Panics
    /// Where the request goes elsewhere than the whole document says.
    pub(crate) fn check(&self, request: &Request) {
        let (expected, seen) = (request.on(&self.expected), request.on(&self.served));
        let right = match seen.outcome {
            Outcome::BrokenRoute => true,
            Outcome::OutOfScope if self.scope_hidden => true,
            Outcome::NotFound | Outcome::MethodNotAllowed | Outcome::UnsafePath if !self.routes_alone => true,
            // It leads nowhere; methods whose routes are broken are not among those that it is reported.
            Outcome::Preflight => expected.outcome == Outcome::Preflight,
            _ => destination(seen.clone()) == destination(expected.clone()),
        };
        let Broken { whole, broken, .. } = self;
        assert!(right, "{request:?}\n{expected:?}\n{seen:?}\nwhole  {whole}\nbroken {broken}");
    }
}

/// Puts one error into a good document, but not into a `match`. Says whether it may hide the scope.
fn break_something(rng: &mut impl Choices, document: &mut Value) -> bool {
    let routes = document["routes"].as_array().map_or(0, Vec::len);
    if routes > 0 && !rng.one_in(4) {
        let index = rng.below(routes);
        break_route(rng, document, index);
        return false;
    }
    let keys = document
        .as_object()
        .unwrap()
        .keys()
        .filter(|key| !["routes", "trailingSlash"].contains(&&***key))
        .cloned()
        .collect::<Vec<_>>();
    let key = &keys[rng.below(keys.len())];
    match rng.below(4) {
        0 => document["unheard-of"] = json!(true),
        // Without CORS the document would be another good one.
        1 if key != "cors" => document[key] = Value::Null,
        2 => document[key] = one_of(rng, [json!({ "a": 1 }), json!(7), json!("no such thing"), json!([[]])]),
        _ => misspell(rng, document, key),
    }
    ["hosts", "basePath"].contains(&&**key)
}

fn break_route(rng: &mut impl Choices, document: &mut Value, index: usize) {
    let routes = document["routes"].as_array_mut().unwrap();
    let route = &mut routes[index];
    match rng.below(7) {
        0 => {
            let mut double = route.clone();
            double["name"] = json!("double");
            routes.insert(rng.below(routes.len() + 1), double);
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

fn one_of<const N: usize>(rng: &mut impl Choices, from: [Value; N]) -> Value {
    from[rng.below(N)].clone()
}

/// A good document of all kinds of routes.
fn random_document(rng: &mut impl Choices, table: &slow::Table) -> Value {
    let mut document = table.document();
    for route in document["routes"].as_array_mut().unwrap() {
        match rng.below(6) {
            0 => route["namespace"] = json!("billing"),
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

/// Without the place in the document, which errors move.
fn destination(mut seen: Seen) -> Seen {
    seen.chosen = None;
    // Whether CORS applies can't be known where a route's `cors` can't be read.
    for (_, value) in seen.headers.iter_mut().filter(|(name, _)| name == "allow") {
        *value = value.split(", ").filter(|method| *method != "OPTIONS").collect::<Vec<_>>().join(", ");
    }
    seen
}

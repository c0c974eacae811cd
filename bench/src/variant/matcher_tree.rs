//! The gateway with Envoy's generic matching API in place of a list of routes. No resource of Istio generates this.
//!
//! One map holds whole paths, the other the part of a path before its first parameter. An entry leads to one route or to a
//! list of routes, which still check the method and the path. A path with a query is found only in the map of prefixes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::bare::other;
use super::native;
use crate::gateway::{Parts, UPSTREAM};
use crate::table::{BASE, OTHER, Table};

pub(super) fn parts(table: &Table) -> Parts {
    let mut literals: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let mut prefixes: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let routes = native::routes(table, UPSTREAM);
    for (route, rendered) in table.routes.iter().zip(routes) {
        match route.path.split_once('{') {
            Some((before, _)) => prefixes.entry(format!("{BASE}{before}")).or_default().push(rendered),
            None => literals.entry(format!("{BASE}{}", route.path)).or_default().push(rendered),
        }
    }
    prefixes.insert(OTHER.to_owned(), vec![other()]);
    let below = tree("prefix_match_map", prefixes);
    let matcher = if literals.is_empty() {
        below
    } else {
        let mut exact = tree("exact_match_map", literals);
        exact["on_no_match"] = json!({"matcher": below});
        exact
    };
    Parts { filter: None, routing: json!({"matcher": matcher}) }
}

fn tree(kind: &str, map: BTreeMap<String, Vec<Value>>) -> Value {
    let action = |mut routes: Vec<Value>| {
        let config = match routes.len() {
            1 => typed("config.route.v3.Route", routes.remove(0)),
            _ => typed("config.route.v3.RouteList", json!({"routes": routes})),
        };
        json!({"action": {"name": "route", "typed_config": config}})
    };
    let map: serde_json::Map<_, _> = map.into_iter().map(|(path, routes)| (path, action(routes))).collect();
    let input = typed("type.matcher.v3.HttpRequestHeaderMatchInput", json!({"header_name": ":path"}));
    json!({"matcher_tree": {"input": {"name": "path", "typed_config": input}, kind: {"map": map}}})
}

fn typed(kind: &str, mut value: Value) -> Value {
    value["@type"] = format!("type.googleapis.com/envoy.{kind}").into();
    value
}

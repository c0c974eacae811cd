//! The gateway with Envoy's own routes, in the form in which istiod renders a VirtualService. Each route has an exact path or
//! a regular expression, and matches the method as a header. Envoy tries the routes in order.

use serde_json::{Value, json};

use super::bare::other;
use crate::gateway::{Parts, UPSTREAM};
use crate::table::{BASE, Route, Table};

pub(super) fn parts(table: &Table) -> Parts {
    Parts { filter: None, routing: json!({"routes": routes(table, UPSTREAM)}) }
}

/// Returns a route to the cluster for each route of the table.
pub(super) fn routes(table: &Table, cluster: &str) -> Vec<Value> {
    let route = |route: &Route| {
        let mut matched = path(route);
        matched["case_sensitive"] = true.into();
        matched["headers"] = json!([{"name": ":method", "string_match": {"exact": route.method}}]);
        json!({
            "match": matched,
            "route": {
                "cluster": cluster,
                "timeout": "0s",
                "host_rewrite_literal": route.authority(),
                "retry_policy": {
                    "retry_on": "connect-failure,refused-stream,unavailable,cancelled",
                    "num_retries": 2,
                    "host_selection_retry_max_attempts": "5",
                },
                "max_grpc_timeout": "0s",
            },
            "decorator": {"operation": format!("{}:80/*", route.authority())},
        })
    };
    table.routes.iter().map(route).chain([other()]).collect()
}

/// Returns a match for exactly the paths of a route.
fn path(route: &Route) -> Value {
    match regex(route) {
        Some(regex) => json!({"safe_regex": {"regex": regex}}),
        None => json!({"path": format!("{BASE}{}", route.path)}),
    }
}

/// Returns a regular expression for the paths of a route, or `None` if its path has no parameter.
pub(super) fn regex(route: &Route) -> Option<String> {
    let escaped = |segment: &str| {
        let escaped =
            |c: char| if c.is_ascii_alphanumeric() || "-_~".contains(c) { c.to_string() } else { format!("\\{c}") };
        segment.chars().map(escaped).collect::<String>()
    };
    let segments =
        route.path.split('/').map(|part| if part.starts_with('{') { "[^/]+".to_owned() } else { escaped(part) });
    route.path.contains('{').then(|| format!("{BASE}{}", segments.collect::<Vec<_>>().join("/")))
}

//! The gateway with routes of Envoy's own, as istiod makes them of a VirtualService: one after another, each with an
//! exact path or a regular expression and the method as a header. They are tried in this order.

use serde_json::{Value, json};

use super::bare::other;
use crate::gateway::{Parts, UPSTREAM};
use crate::table::{BASE, Route, Table};

pub(super) fn parts(table: &Table) -> Parts {
    Parts { filter: None, routing: json!({"routes": routes(table, UPSTREAM)}) }
}

/// All of them lead to this cluster.
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

/// Matches its paths, and no others.
fn path(route: &Route) -> Value {
    match regex(route) {
        Some(regex) => json!({"safe_regex": {"regex": regex}}),
        None => json!({"path": format!("{BASE}{}", route.path)}),
    }
}

/// `None` for a path of literals.
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

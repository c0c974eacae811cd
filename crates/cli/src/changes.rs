//! Which routes two versions of a table do not have in common.

use std::collections::HashMap;

use ksvc_routing::{Line, RouteTable};

/// One element of a route's `match`, as `routes` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    methods: String,
    path: String,
    conditions: Vec<String>,
    target: String,
    name: String,
    extras: Vec<String>,
}

impl Route {
    /// Returns the routes of a table, sorted by precedence.
    pub fn all(table: &RouteTable) -> Vec<Self> {
        table.routes().into_iter().map(Self::new).collect()
    }

    fn new(line: Line<'_>) -> Self {
        Self {
            methods: line.methods.to_owned(),
            path: line.path,
            conditions: line.conditions,
            target: line.target,
            name: line.route.to_owned(),
            extras: line.extras,
        }
    }

    /// Returns the requests of the route, and where they go.
    fn describe(&self) -> String {
        format!("{} → {}", self.requests(), self.target)
    }

    /// Returns the methods, the path and the conditions, which no other route of the table has.
    fn requests(&self) -> String {
        let conditions: String = self.conditions.iter().map(|condition| format!(" [{condition}]")).collect();
        format!("{} {}{conditions}", self.methods, self.path)
    }

    /// Returns how this route differs from its former version.
    fn describe_change(&self, before: &Self) -> String {
        let mut changes = Vec::new();
        if self.target != before.target {
            changes.push(format!("→ {} (before: {})", self.target, before.target));
        }
        if self.name != before.name {
            changes.push(format!("name {} (before: {})", self.name, before.name));
        }
        if self.extras != before.extras {
            let extras = |route: &Self| match &route.extras[..] {
                [] => "nothing".to_owned(),
                extras => extras.join(", "),
            };
            changes.push(format!("also {} (before: {})", extras(self), extras(before)));
        }
        format!("{} {}", self.requests(), changes.join(", "))
    }
}

/// Returns a line for each route that was removed (`-`), changed (`~`) or added (`+`).
pub fn changes(before: &[Route], after: &[Route]) -> Vec<String> {
    let by_requests = |routes: &'_ [Route]| -> HashMap<String, usize> {
        routes.iter().enumerate().map(|(index, route)| (route.requests(), index)).collect()
    };
    let (known, kept) = (by_requests(before), by_requests(after));
    let removed = before.iter().filter(|route| !kept.contains_key(&route.requests()));
    let mut lines: Vec<String> = removed.map(|route| format!("- {}", route.describe())).collect();
    for route in after {
        match known.get(&route.requests()).map(|index| &before[*index]) {
            None => lines.push(format!("+ {}", route.describe())),
            Some(former) if former == route => {}
            Some(former) => lines.push(format!("~ {}", route.describe_change(former))),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use ksvc_routing::compile;

    use super::{Route, changes};

    fn routes(list: &str) -> Vec<Route> {
        let document = format!(
            r#"{{"hosts": ["a.example.com"], "domain": "example.com", "namespace": "shop", "routes": [{list}]}}"#
        );
        let compiled = compile(document.as_bytes());
        assert!(compiled.problems.is_empty(), "{:?}", compiled.problems);
        Route::all(&compiled.table)
    }

    #[test]
    fn a_route_is_removed_changed_or_added() {
        let before = routes(
            r#"{"match": "GET /kept", "service": "a"}, {"match": "GET /moved", "service": "a"},
            {"match": "GET /gone", "service": "a"}, {"match": "GET /named", "service": "a", "name": "old"}"#,
        );
        let after = routes(
            r#"{"match": "GET /kept", "service": "a"}, {"match": "GET /moved", "service": "b"},
            {"match": "GET /named", "service": "a", "name": "new", "requestHeaders": {"set": {"x-a": "b"}}},
            {"match": "POST /new", "service": "a", "when": {"headers": {"x-b": "c"}}}"#,
        );
        assert_eq!(
            changes(&before, &after),
            [
                "- GET /gone → a.shop.example.com",
                "~ GET /moved → b.shop.example.com (before: a.shop.example.com)",
                "~ GET /named name new (before: old), also request set x-a: b (before: nothing)",
                "+ POST /new [header x-b = \"c\"] → a.shop.example.com",
            ]
        );
        assert_eq!(changes(&after, &after), [""; 0]);
    }
}

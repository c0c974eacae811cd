//! Requests to begin with: one for each route, and the `curl` command of one that a table routes.

use ksvc_routing::{Decision, Line, Outcome};

use crate::tables::{Table, Tables};
use ksvc_explanation::request::Request;

/// These values are tried for a parameter of a path, in this order.
const VALUES: [&str; 3] = ["1", "a", "example"];

/// These methods are tried for `ANY`, in this order.
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// A request to the path of a route.
pub(crate) struct Example<'l> {
    pub(crate) method: &'l str,
    host: String,
    path: String,
    /// This is true if the route gets the request. Another route or table can get it instead, or the route can have
    /// conditions that a request without headers does not meet.
    pub(crate) is_routed: bool,
    outcome: Outcome,
}

impl Example<'_> {
    pub(crate) fn url(&self) -> String {
        format!("https://{}{}", self.host, self.path)
    }
}

/// Returns a `curl` command for the first route that a simple request finds, to a gateway at this address. Routes to a
/// service come before those that the gateway answers itself.
pub(crate) fn curl(tables: &Tables, address: &str) -> Option<String> {
    let find = |is_wanted: fn(Outcome) -> bool| {
        tables.as_slice().iter().enumerate().find_map(|(index, table)| {
            let lines = table.compiled.table.routes();
            lines.iter().find_map(|line| {
                let example =
                    of(tables, index, line).filter(|example| example.is_routed && is_wanted(example.outcome))?;
                let Example { method, host, path, .. } = example;
                let method = if method == "GET" { String::new() } else { format!("-X {method} ") };
                Some(format!("curl -i {method}-H 'Host: {host}' {}", quoted(&format!("http://{address}{path}"))))
            })
        })
    };
    find(|outcome| outcome == Outcome::Route).or_else(|| find(|outcome| outcome != Outcome::BrokenRoute))
}

/// Returns a request to the path of a line of this table, if possible one that its route gets. `None` if the table has no
/// hosts.
pub(crate) fn of<'l>(tables: &Tables, table: usize, line: &Line<'l>) -> Option<Example<'l>> {
    let host = host(&tables.as_slice()[table])?;
    let methods: Vec<&str> = match line.methods {
        "ANY" => METHODS.to_vec(),
        methods => methods.split('|').collect(),
    };
    let requests = VALUES.into_iter().flat_map(|value| methods.iter().map(move |method| (*method, value)));
    let mut examples =
        requests.map(|(method, value)| asked(tables, table, line, method, &host, path(&line.path, value)));
    let first = examples.next()?;
    // A request without headers can't meet the conditions of a route.
    if first.is_routed || !line.conditions.is_empty() {
        return Some(first);
    }
    Some(examples.find(|example| example.is_routed).unwrap_or(first))
}

/// Returns a request with what the tables decide about it.
fn asked<'l>(tables: &Tables, table: usize, line: &Line<'_>, method: &'l str, host: &str, path: String) -> Example<'l> {
    let request = Request::new(method, format!("{host}{path}").as_bytes());
    let headers = request.header_refs();
    let head = request.head(&headers);
    let decision = tables.as_slice()[table].compiled.table.decide(&head, || false);
    let chosen = match &decision {
        Decision::Forward(forward) => Some(&forward.chosen),
        Decision::Answer(answer) => answer.chosen.as_ref(),
        Decision::Untouched(_) => None,
    };
    let is_chosen = chosen.is_some_and(|chosen| chosen.index() == line.index);
    let outcome = decision.outcome();
    // A route that has captured a service to which it may not forward is chosen, and answers 404.
    let is_routed = is_chosen && outcome != Outcome::NotFound && tables.deciding(&request) == table;
    Example { method, host: host.to_owned(), path, is_routed, outcome }
}

/// Returns a public host of the table.
fn host(table: &Table) -> Option<String> {
    let hosts = table.configuration.node.as_ref()?.list("hosts");
    let first = hosts.first()?.text()?;
    Some(match first.strip_prefix('*') {
        Some("") => "www.example.com".to_owned(),
        Some(suffix) => format!("www{suffix}"),
        None => first.to_owned(),
    })
}

/// Returns a path for a pattern, with this value for each parameter.
fn path(pattern: &str, value: &str) -> String {
    let mut path = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        let (literal, after) = rest.split_at(at);
        path += literal;
        rest = if let Some(after) = after.strip_prefix("{{").or_else(|| after.strip_prefix("}}")) {
            path += if rest[at..].starts_with('{') { "{" } else { "}" };
            after
        } else {
            path += value;
            after.split_once('}').map_or("", |(_, after)| after)
        };
    }
    path += rest;
    let encoded = |byte: u8| match byte {
        b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'\'' | b'{' | b'}' | b'?' | b'#' => format!("%{byte:02X}"),
        byte if byte.is_ascii_graphic() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    path.bytes().map(encoded).collect()
}

/// Returns a URL as a word of a shell.
fn quoted(url: &str) -> String {
    let is_plain = url.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/.-_~%".contains(&byte));
    if is_plain { url.to_owned() } else { format!("'{url}'") }
}

#[cfg(test)]
mod tests {
    use super::{curl, of};
    use crate::load::from_named;
    use crate::source::Source;
    use crate::tables::Tables;

    fn tables(table: &str) -> Tables {
        Tables::new(from_named(&Source::new("table.yaml", table)).configurations)
    }

    fn curl_of(table: &str) -> Option<String> {
        curl(&tables(table), "127.0.0.1:10000")
    }

    /// Each route is given with its example, and whether the route gets it.
    #[test]
    fn a_route_gets_its_example_if_a_simple_request_finds_it() {
        for (routes, expected) in [
            (
                "{match: ANY /m, service: a}, {match: GET /m, service: b}",
                &[("ANY", "POST https://a.b/m", true), ("GET", "GET https://a.b/m", true)][..],
            ),
            (
                "{match: 'GET /o/{id}', service: a}, {match: GET /o/1, service: b}",
                &[("GET", "GET https://a.b/o/1", true), ("GET", "GET https://a.b/o/a", true)],
            ),
            (
                "{match: GET /o, when: {headers: {x: y}}, service: a}, {match: GET /o, service: b}",
                &[("GET", "GET https://a.b/o", false), ("GET", "GET https://a.b/o", true)],
            ),
            ("{match: 'GET /x/{a}}}', service: a}", &[("GET", "GET https://a.b/x/1%7D", true)]),
        ] {
            let table = format!("domain: example.com\nnamespace: shop\nhosts: [a.b]\nroutes: [{routes}]\n");
            let tables = tables(&table);
            let lines = tables.as_slice()[0].compiled.table.routes();
            let examples: Vec<_> = lines.iter().map(|line| (line.methods, of(&tables, 0, line).unwrap())).collect();
            let mut found: Vec<_> = examples
                .iter()
                .map(|(methods, example)| {
                    (*methods, format!("{} {}", example.method, example.url()), example.is_routed)
                })
                .collect();
            found.sort();
            let expected =
                expected.iter().map(|(methods, request, is_routed)| (*methods, (*request).to_owned(), *is_routed));
            assert_eq!(found, expected.collect::<Vec<_>>(), "{table}");
        }
    }

    #[test]
    fn the_example_finds_a_route_of_the_table() {
        const HEAD: &str = "{domain: example.com, namespace: shop, ";
        let with = |rest: &str| curl_of(&format!("{HEAD}{rest}}}"));
        for (table, expected) in [
            (
                "hosts: [api.example.com], basePath: /faas, routes: [{match: 'GET /orders/{id}', service: a}]",
                "curl -i -H 'Host: api.example.com' http://127.0.0.1:10000/faas/orders/1",
            ),
            (
                "hosts: ['*.example.com'], routes: [{match: 'POST /v{n}.json/{**rest}', service: a}]",
                "curl -i -X POST -H 'Host: www.example.com' http://127.0.0.1:10000/v1.json/1",
            ),
            (
                "hosts: ['*'], routes: [{match: 'ANY /a/grün;x/{{b}}', service: a}]",
                "curl -i -H 'Host: www.example.com' 'http://127.0.0.1:10000/a/gr%C3%BCn;x/%7Bb%7D'",
            ),
            (
                "hosts: [a.example.com], routes: [{match: GET /a, redirect: {to: /b}}, {match: GET /b, service: a}]",
                "curl -i -H 'Host: a.example.com' http://127.0.0.1:10000/b",
            ),
            (
                "hosts: [a.example.com], routes: [{match: GET /a, when: {headers: {x-a: b}}, service: a}, \
                 {match: GET /b, respond: {status: 204}}]",
                "curl -i -H 'Host: a.example.com' http://127.0.0.1:10000/b",
            ),
        ] {
            assert_eq!(with(table).as_deref(), Some(expected), "{table}");
        }
        assert_eq!(with("hosts: [a.example.com], routes: []"), None);
    }
}

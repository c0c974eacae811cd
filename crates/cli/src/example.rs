//! Requests to begin with: a URL for a route, and the `curl` command of a request that a table routes.

use ksvc_routing::Line;
use serde_json::Value;

use crate::tables::{Table, Tables};
use ksvc_explanation::decision::explain;
use ksvc_explanation::request::Request;

/// Returns a `curl` command for the first route that a simple request finds, to a gateway at this address. Routes to a
/// service come before those that the gateway answers itself.
pub(crate) fn curl(tables: &Tables, address: &str) -> Option<String> {
    let to_service = find(tables, address, |outcome| outcome == "route");
    to_service.or_else(|| find(tables, address, |outcome| outcome != "brokenRoute"))
}

fn find(tables: &Tables, address: &str, is_wanted: fn(&Value) -> bool) -> Option<String> {
    tables.as_slice().iter().enumerate().find_map(|(index, table)| {
        table.compiled.table.routes().iter().find_map(|line| {
            let (host, method, path) = (host(table)?, method(line), path(line));
            let request = Request::new(method, format!("{host}{path}").as_bytes());
            let explanation = explain(&table.compiled.table, &request);
            let is_found = tables.deciding(&request) == index && explanation.route_index == Some(line.index);
            if !is_found || !explanation.fields.get("outcome").is_some_and(is_wanted) {
                return None;
            }
            let method = if method == "GET" { String::new() } else { format!("-X {method} ") };
            Some(format!("curl -i {method}-H 'Host: {host}' {}", quoted(&format!("http://{address}{path}"))))
        })
    })
}

/// Returns a URL that the path of the route matches; `None` if the table has no hosts.
pub(crate) fn url(table: &Table, line: &Line<'_>) -> Option<String> {
    Some(format!("https://{}{}", host(table)?, path(line)))
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

/// Returns a method that the route serves.
pub(crate) fn method<'a>(line: &Line<'a>) -> &'a str {
    match line.methods.split('|').next() {
        Some("ANY") | None => "GET",
        Some(method) => method,
    }
}

/// Returns a path for the pattern, with `1` for each parameter.
fn path(line: &Line<'_>) -> String {
    let mut path = String::new();
    let mut rest = line.path.replace("{{", "%7B").replace("}}", "%7D");
    while let Some((literal, after)) = rest.split_once('{') {
        path += literal;
        path.push('1');
        rest = after.split_once('}').map(|(_, after)| after.to_owned()).unwrap_or_default();
    }
    path += &rest;
    let encoded = |byte: u8| match byte {
        b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'\'' => format!("%{byte:02X}"),
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
    use super::curl;
    use crate::load::from_named;
    use crate::source::Source;
    use crate::tables::Tables;

    fn curl_of(table: &str) -> Option<String> {
        let tables = Tables::new(from_named(&Source::new("table.yaml", table)).configurations);
        curl(&tables, "127.0.0.1:10000")
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

//! Fuzzes paths: the normal form, unsafe paths and scope, with a base path, a pattern and a request path of any bytes.
//! The decision is compared with that of the slow matcher.

use ksvc_routing::{Outcome, compile};

use crate::common::{HOST, Request, lossy, request};
use crate::input::{Input, decide_and_explain};
use crate::slow::{self, Expected, Route, Table};

/// The input has a byte of settings and these lines: the base path, which may be empty, the path of a pattern, and the
/// request's `:path`.
pub fn paths(data: &[u8]) {
    let mut input = Input(data);
    let settings = input.next();
    let (Some(base), Some(pattern)) = (input.line(), input.line()) else { return };
    let route = |name: &str, element: &str| Route {
        name: name.to_owned(),
        matches: vec![format!("GET {element}")],
        ..Route::default()
    };
    let table = Table {
        hosts: vec![HOST.to_owned()],
        base_path: (!base.is_empty()).then(|| base.to_owned()),
        strip_base_path: !base.is_empty() && settings & 1 > 0,
        ignore_trailing_slash: settings & 2 > 0,
        allow_unsafe_paths: settings & 4 > 0,
        allow_encoded_slashes: settings & 8 > 0,
        routes: vec![route("pattern", pattern), route("rest", "/rest/{*rest}")],
        ..Table::default()
    };
    let compiled = compile(table.document().to_string().as_bytes());
    let request = Request { path: Some(input.0.to_vec()), ..request("GET", "") };
    decide_and_explain(&compiled.table, &request);
    if !compiled.is_good() {
        return;
    }
    let seen = request.on(&compiled.table);
    assert_eq!(Expected::of(&seen), slow::decide(&table, &request), "{request:?}\n{}", table.document());
    if seen.outcome == Outcome::Route && table.strip_base_path {
        let path = lossy(input.0);
        let forwarded = seen.path.unwrap_or_else(|| path.clone());
        assert_eq!(forwarded, without_base(base, &path), "{request:?}\n{}", table.document());
    }
}

/// Returns the path and query without as many segments as the base path has.
fn without_base(base: &str, path: &str) -> String {
    let (alone, query) = path.find('?').map_or((path, ""), |at| path.split_at(at));
    let below = alone.split('/').skip(base.split('/').count()).collect::<Vec<_>>();
    format!("/{}{query}", below.join("/"))
}

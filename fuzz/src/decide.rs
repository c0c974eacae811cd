//! Fuzzes decisions: a random table must decide a random request as the slow matcher does, in every spelling of the
//! request that means the same.

use ksvc_routing::Outcome;

use crate::common::{Request, good, lossy};
use crate::input::{Input, decide_and_explain};
use crate::slow::{self, Expected};

/// The input begins with choices that make the table and the request. Then a byte selects the part of the request head
/// that the rest of the input replaces.
pub fn decide(data: &[u8]) {
    let mut input = Input(data);
    let table = slow::random_table(&mut input);
    let mut request = slow::random_request(&mut input, &table);
    let compiled = good(&table.document());
    let part = input.next();
    let (shuffle, rest) = (input.next(), input.0.to_vec());
    match part % 8 {
        1 => request.path = Some(rest),
        2 => request.path.get_or_insert_default().extend(rest),
        3 => request.authority = Some(rest),
        4 => return arbitrary(&compiled, request, &rest),
        _ => {}
    }
    let authority = request.authority.as_deref().unwrap_or_default();
    let seen = request.on(&compiled);
    if authority.is_empty() || !authority.is_ascii() {
        // Such an authority can't be passed on in a header, so the request is not routed.
        let is_not_routed = matches!(seen.outcome, Outcome::OutOfScope | Outcome::UnsafePath);
        assert!(is_not_routed, "{request:?}\n{seen:?}\n{}", table.document());
        return;
    }
    let expected = slow::decide(&table, &request);
    assert_eq!(Expected::of(&seen), expected, "{request:?}\n{}", table.document());
    decide_and_explain(&compiled, &request);

    let other = other_spelling(&table, &request);
    assert_eq!(Expected::of(&other.on(&compiled)), expected, "{request:?}\n{other:?}\n{}", table.document());

    if !table.routes.is_empty() && !slow::is_settled_by_file_order(&table, &request) {
        let mut reordered = table.clone();
        let by = usize::from(shuffle) % reordered.routes.len();
        reordered.routes.rotate_left(by);
        if shuffle > 127 {
            reordered.routes.reverse();
        }
        let after = request.on(&good(&reordered.document()));
        assert_eq!(after.without_place(), seen.without_place(), "{request:?}\n{}", table.document());
    }
}

/// Returns the request in another spelling: the host in upper case with a dot and a port, and another query if no route
/// has a condition on the query.
fn other_spelling(table: &slow::Table, request: &Request) -> Request {
    let mut other = request.clone();
    let host = lossy(request.authority.as_deref().unwrap_or_default());
    if !host.contains([':', '[']) && !host.ends_with('.') {
        other = other.host(&format!("{}.:8443", host.to_ascii_uppercase()));
    }
    if table.routes.iter().all(|route| route.query.is_empty()) && request.path.as_deref() != Some(b"*") {
        let path = request.path.as_deref().unwrap_or_default();
        let path = path.split(|&b| b == b'?').next().unwrap_or_default();
        other.path = Some([path, b"?/../%zz//?\\&%2f"].concat());
    }
    other
}

/// Decides a request head of arbitrary bytes, in which parts may be missing. Each line of `rest` replaces a part.
fn arbitrary(table: &ksvc_routing::RouteTable, mut request: Request, rest: &[u8]) {
    let mut input = Input(rest);
    let present = input.next();
    let mut lines = input.0.split(|&b| b == b'\n').map(<[u8]>::to_vec);
    for (index, part) in [&mut request.method, &mut request.authority, &mut request.path].into_iter().enumerate() {
        let line = lines.next();
        match present >> (2 * index) & 3 {
            0 => *part = line,
            1 => *part = None,
            2 => part.get_or_insert_default().extend(line.unwrap_or_default()),
            _ => {}
        }
    }
    request.routed = present >= 128;
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        request.headers.push((name, value));
    }
    decide_and_explain(table, &request);
    let sent = request.headers.clone();
    request.with_head(|head| {
        if let ksvc_routing::Decision::Forward(forward) = &table.decide(head, || request.routed) {
            let sent = sent.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>();
            for plan in forward.response.iter() {
                table.respond(plan, &sent);
            }
        }
    });
}

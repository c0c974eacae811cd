//! A random table and a random head: decided as the slow matcher decides it, whatever is spelt otherwise.

use ksvc_routing::Outcome;

use crate::common::{Request, good, lossy};
use crate::octets::{Octets, survives};
use crate::slow::{self, Expected};

/// Choices make the table and the request; then an octet says which part of the head the rest replaces.
pub fn decide(data: &[u8]) {
    let mut octets = Octets(data);
    let table = slow::random_table(&mut octets);
    let mut request = slow::random_request(&mut octets, &table);
    let compiled = good(&table.document());
    let part = octets.next();
    let (shuffle, rest) = (octets.next(), octets.0.to_vec());
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
        // It can't be written on, so nothing is routed by it.
        let left = matches!(seen.outcome, Outcome::OutOfScope | Outcome::UnsafePath);
        assert!(left, "{request:?}\n{seen:?}\n{}", table.document());
        return;
    }
    let expected = slow::decide(&table, &request);
    assert_eq!(Expected::of(&seen), expected, "{request:?}\n{}", table.document());
    survives(&compiled, &request);

    let other = respelt(&table, &request);
    assert_eq!(Expected::of(&other.on(&compiled)), expected, "{request:?}\n{other:?}\n{}", table.document());

    if !table.routes.is_empty() && !slow::is_settled_by_file_order(&table, &request) {
        let mut turned = table.clone();
        let by = usize::from(shuffle) % turned.routes.len();
        turned.routes.rotate_left(by);
        if shuffle > 127 {
            turned.routes.reverse();
        }
        let after = request.on(&good(&turned.document()));
        assert_eq!(after.without_place(), seen.without_place(), "{request:?}\n{}", table.document());
    }
}

/// The host in capitals with a port, and another query where no route asks for one.
fn respelt(table: &slow::Table, request: &Request) -> Request {
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

/// A head of any octets, parts of which may be missing: each line replaces one.
fn arbitrary(table: &ksvc_routing::RouteTable, mut request: Request, rest: &[u8]) {
    let mut octets = Octets(rest);
    let present = octets.next();
    let mut lines = octets.0.split(|&b| b == b'\n').map(<[u8]>::to_vec);
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
    survives(table, &request);
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

//! Configurations: any octets as a document, as what shared data holds, and errors put into a good document.

use ksvc_routing::{Rollout, RouteTable, ServedFrom, compile};
use serde_json::Value;

use crate::broken::Broken;
use crate::common::shared_data::ProcessData;
use crate::common::{Request, Seen, request};
use crate::octets::{Octets, survives};
use crate::slow;

/// An input that begins with NUL is shared data and documents in turn; with 1, choices that make a good document and
/// break it; all others are a document.
pub fn configuration(data: &[u8]) {
    match data {
        [0, rest @ ..] => documents_in_turn(rest),
        [1, rest @ ..] => errors_in_a_good_document(rest),
        document => one_document(document),
    }
}

fn requests() -> impl Iterator<Item = Request> {
    let paths = ["/", "", "*", "/a", "/a/", "/a/1?v=1", "/faas/orders/42", "/faas/payments/a/b", "/faas/a%2Fb", "//"];
    let hosts = ["api.example.com", "orders.shop.example.com", "x.wild.example.com:80"];
    let heads = paths.into_iter().flat_map(move |path| hosts.map(|host| request("GET", path).host(host)));
    heads.enumerate().map(|(index, request)| match index % 4 {
        0 => request,
        1 => request.header("x-beta", "true").header("origin", "https://app.example.com").grpc(),
        2 => Request { method: Some(b"OPTIONS".to_vec()), ..request }
            .header("origin", "https://app.example.com")
            .header("access-control-request-method", "GET"),
        _ => Request { method: Some(b"DELETE".to_vec()), ..request }.already_routed(),
    })
}

fn serves(table: &RouteTable) {
    let _ = (table.routes().len(), table.name().len(), table.route_count(), table.host_count());
    requests().for_each(|request| survives(table, &request));
}

fn one_document(document: &[u8]) {
    let compiled = compile(document);
    for problem in &compiled.problems {
        assert!(!problem.to_string().is_empty());
    }
    serves(&compiled.table);
    let Rollout { table, served, judgement, .. } = ProcessData::default().roll_out(document, None, None);
    let judgement = judgement.expect("the first run judges");
    assert_eq!(served == ServedFrom::New, compiled.is_good());
    assert_eq!(judgement.good.is_some(), compiled.is_good());
    assert_eq!(table.routes().len(), compiled.table.routes().len());
    if compiled.is_good() {
        same_as_istio_sends_it(document, &compiled.table);
    }
}

/// Istio's control plane reads a document into a protobuf Struct and writes it again: keys sorted, nothing else new.
fn same_as_istio_sends_it(document: &[u8], table: &RouteTable) {
    let value: Value = serde_json::from_slice(document).expect("a good document is JSON");
    let again = compile(value.to_string().as_bytes());
    assert!(again.is_good(), "{:?}\n{value}", again.problems);
    let sorted = |mut seen: Seen| {
        seen.set.sort();
        seen.added.sort();
        seen.removed.sort();
        seen.headers.sort();
        seen
    };
    for request in requests() {
        assert_eq!(sorted(request.on(&again.table)), sorted(request.on(table)), "{request:?}\n{value}");
    }
}

/// Fields with a NUL between them: the last good document, the record, and documents that are handed over in turn,
/// each with a version if it begins with one digit.
fn documents_in_turn(data: &[u8]) {
    let mut fields = data.split(|&b| b == 0).map(<[u8]>::to_vec);
    let good = fields.next().filter(|good| !good.is_empty());
    let mut shared = ProcessData { good, record: fields.next(), image: None };
    let mut seen = None;
    for field in fields.take(6) {
        let digit = field.first().filter(|first| first.is_ascii_digit()).map(|digit| char::from(*digit).to_string());
        let document = if digit.is_some() { &field[1..] } else { &field };
        let rollout = shared.roll_out(document, digit.as_deref(), seen);
        serves(&rollout.table);
        let is_good = compile(document).is_good();
        let last_is_good = shared.good.as_deref().is_some_and(|good| compile(good).is_good());
        if let Some(judgement) = rollout.judgement {
            let expected = match (is_good, last_is_good) {
                (true, _) => ServedFrom::New,
                (false, true) => ServedFrom::LastGood,
                (false, false) => ServedFrom::InPart,
            };
            assert_eq!(rollout.served, expected);
            assert!(serde_json::from_slice::<Value>(&judgement.record).is_ok());
            assert_eq!(judgement.good.as_deref(), is_good.then_some(document));
            shared.keep(&judgement);
        }
        seen = Some(rollout.number);
    }
}

fn errors_in_a_good_document(data: &[u8]) {
    let mut octets = Octets(data);
    let table = slow::random_table(&mut octets);
    let Some(broken) = Broken::random(&mut octets, &table) else { return };
    for _ in 0..4 {
        broken.check(&slow::random_request(&mut octets, &table).header("k-network-hash", "1"));
    }
}

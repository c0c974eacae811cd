//! Fuzzes configurations: any bytes as a document, any bytes in shared data, and good documents with added errors.

use ksvc_routing::{Rollout, RouteTable, ServedFrom, compile};
use serde_json::Value;

use crate::broken::Broken;
use crate::common::shared_data::ProcessData;
use crate::common::{Request, Seen, request};
use crate::input::{Input, decide_and_explain};
use crate::slow;

/// An input that begins with byte 0 is the content of shared data and a sequence of documents. One that begins with
/// byte 1 is a sequence of choices that make a good document and add an error to it. All others are a document.
pub fn configuration(data: &[u8]) {
    match data {
        [0, rest @ ..] => sequence_of_documents(rest),
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

/// Uses every part of a table.
fn use_table(table: &RouteTable) {
    let _ = (table.routes().len(), table.name().len(), table.route_count(), table.host_count());
    requests().for_each(|request| decide_and_explain(table, &request));
}

fn one_document(document: &[u8]) {
    let compiled = compile(document);
    for problem in &compiled.problems {
        assert!(!problem.to_string().is_empty());
    }
    use_table(&compiled.table);
    let Rollout { table, served, judgement, .. } = ProcessData::default().roll_out(document, None, None);
    let judgement = judgement.expect("the first run judges");
    assert_eq!(served == ServedFrom::New, compiled.is_good());
    assert_eq!(judgement.good.is_some(), compiled.is_good());
    assert_eq!(table.routes().len(), compiled.table.routes().len());
    if compiled.is_good() {
        same_after_istio(document, &compiled.table);
    }
}

/// Checks that the document means the same after Istio's control plane has read it into a protobuf Struct and written
/// it again, which sorts its keys and changes nothing else.
fn same_after_istio(document: &[u8], table: &RouteTable) {
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

/// The fields of the input are separated by byte 0: the last good document, the record, and then the documents of the
/// sequence. A document that begins with a digit has that digit as its version.
fn sequence_of_documents(data: &[u8]) {
    let mut fields = data.split(|&b| b == 0).map(<[u8]>::to_vec);
    let good = fields.next().filter(|good| !good.is_empty());
    let mut shared = ProcessData { good, record: fields.next(), image: None };
    let mut seen = None;
    for field in fields.take(6) {
        let digit = field.first().filter(|first| first.is_ascii_digit()).map(|digit| char::from(*digit).to_string());
        let document = if digit.is_some() { &field[1..] } else { &field };
        let rollout = shared.roll_out(document, digit.as_deref(), seen);
        use_table(&rollout.table);
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
    let mut input = Input(data);
    let table = slow::random_table(&mut input);
    let Some(broken) = Broken::random(&mut input, &table) else { return };
    for _ in 0..4 {
        broken.check(&slow::random_request(&mut input, &table).header("k-network-hash", "1"));
    }
}

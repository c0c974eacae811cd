//! Runs the case tables of `testenv/cases` through the module.

use std::collections::BTreeMap;

use module_host::{Exchange, Head, HeaderMap, LocalResponse, Process, Verdict};
use serde_json::Value;
use testenv::cases::{self, Case, CaseFile, Differences, Sent, own_status};

use crate::PLUGIN;

#[test]
fn every_case_holds() {
    let files = cases::files().expect("the case tables can be listed");
    assert!(!files.is_empty(), "there are no case tables");
    let mut count = 0;
    let mut failures = Vec::new();
    for path in files {
        let file = CaseFile::read(&path).unwrap_or_else(|error| panic!("{error:#}"));
        let process = Process::new();
        let root = process.vm(&[]).root(PLUGIN);
        assert!(root.configure(file.table.to_string()));
        for case in &file.cases {
            count += 1;
            let head = head(case);
            let mut exchange = root.send(Head::from_bytes(head.pairs().to_vec()));
            for difference in differences(case, &head, &mut exchange) {
                failures.push(format!("{}: {}: {difference}", path.display(), case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{} differences in {count} cases:\n{}", failures.len(), failures.join("\n"));
    println!("{count} cases");
}

/// Returns the request's headers as Envoy would have them.
fn head(case: &Case) -> HeaderMap {
    let Sent { method, scheme, authority, path, headers } = Sent::of(case);
    let pseudo = [(":authority", authority), (":path", path), (":method", method), (":scheme", scheme)];
    let pseudo = pseudo.into_iter().map(|(name, value)| (name.to_owned(), value));
    pseudo.chain(headers).map(|(name, value)| (name.into_bytes(), value.into_bytes())).collect()
}

/// Returns the headers of the service's response.
fn response(case: &Case) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let status = (":status".to_owned(), "200".to_owned());
    std::iter::once(status).chain(case.response.iter().map(|(name, value)| (text(name), text(value)))).collect()
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
    headers.pairs().iter().map(|(name, value)| (text(name), text(value))).collect()
}

fn differences(case: &Case, sent: &HeaderMap, exchange: &mut Exchange) -> Vec<String> {
    let mut differences = Differences::default();
    let outcome = case.expected_text("outcome");
    let routed = exchange.filter_state("wasm.ksvc_router.route");
    match &exchange.verdict.clone() {
        Verdict::Continue => {
            let headers = exchange.headers();
            let answered = response(case);
            let received = exchange.response(&answered.iter().map(|(n, v)| (&**n, &**v)).collect::<Vec<_>>(), true);
            let kind = if routed.is_some() { "routed" } else { "untouched" };
            let expected = match outcome {
                None => kind,
                Some("route") => "routed",
                Some("outOfScope" | "passThrough") => "untouched",
                Some(_) => "answered",
            };
            differences.check("outcome", &expected, &kind);
            if routed.is_none() {
                differences.check("headers", sent, &headers);
                differences.check("response headers", &answered, &texts(&received));
                differences.check("route cache cleared", &0, &exchange.route_cache_clears());
            } else {
                check_routed(sent, exchange, &mut differences);
            }
            check_fields(case, &mut differences, |field, header| match (field, header) {
                ("route", _) => Some(routed.clone().map(Value::from)),
                ("authority", _) => Some(headers.text(":authority").map(Value::from)),
                ("path", _) => Some(headers.text(":path").map(Value::from)),
                ("requestHeaders", name) => Some(cases::value_of(name, &texts(&headers))),
                ("responseHeaders", name) => Some(cases::value_of(name, &texts(&received))),
                _ => None,
            });
        }
        Verdict::Answered(response) => {
            let kind = match outcome {
                Some("route" | "outOfScope" | "passThrough") => "goes on",
                _ => "answered",
            };
            differences.check("outcome", &kind, &"answered");
            if let Some(status) = case.expected("status") {
                differences.check("status", &status.as_u64(), &Some(response.status.into()));
            }
            check_fields(case, &mut differences, |field, header| match field {
                "allow" | "location" => Some(response.headers.text(field).map(Value::from)),
                "responseHeaders" => Some(cases::value_of(header, &texts(&response.headers))),
                _ => None,
            });
            check_answer(outcome, response, &mut differences);
        }
        Verdict::Paused => differences.0.push("the request waits".to_owned()),
    }
    differences.0
}

/// Compares each expected field with what was found. `found` returns `None` for a field that does not apply here, and
/// `Some(None)` for one that is absent.
fn check_fields(
    case: &Case,
    differences: &mut Differences,
    found: impl Fn(&str, Option<&str>) -> Option<Option<Value>>,
) {
    for expected in &case.expect {
        let Some(found) = found(expected.field, expected.header.as_deref()) else { continue };
        let mismatch = expected.compare(found.as_ref());
        differences.0.extend(mismatch.map(|mismatch| mismatch.to_string()));
    }
}

/// Checks what holds for every routed request.
fn check_routed(sent: &HeaderMap, exchange: &Exchange, differences: &mut Differences) {
    let headers = exchange.headers();
    differences.check("x-forwarded-host", &sent.text(":authority"), &headers.text("x-forwarded-host"));
    let (before, after) = (sent.text(":path"), headers.text(":path"));
    let original = (before != after).then_some(before).flatten();
    if original.is_some() || sent.text("x-envoy-original-path").is_none() {
        differences.check("x-envoy-original-path", &original, &headers.text("x-envoy-original-path"));
    }
    differences.check("route cache cleared", &true, &(exchange.route_cache_clears() > 0));
    for name in [":method", ":scheme"] {
        differences.check(name, &sent.text(name), &headers.text(name));
    }
}

/// Checks what holds for every response that the module sends itself.
fn check_answer(outcome: Option<&str>, response: &LocalResponse, differences: &mut Differences) {
    if let Some(outcome) = outcome {
        differences.check("details", &outcome, &response.details.as_str());
    }
    let Some(status) = outcome.and_then(own_status) else { return };
    differences.check("status", &u32::from(status), &response.status);
    let mut content_type = response.headers.text("content-type");
    if response.grpc_status >= 0 {
        return;
    }
    differences.check("content-type", &Some("application/problem+json".to_owned()), &content_type.take());
    let problem: BTreeMap<String, Value> = serde_json::from_slice(&response.body).unwrap_or_default();
    differences.check("problem's status", &Some(&Value::from(status)), &problem.get("status"));
    for key in ["title", "detail"] {
        differences.check(&format!("a {key}"), &true, &problem.get(key).is_some_and(Value::is_string));
    }
}

//! The case tables of `testenv/cases`, through the module.

use std::collections::BTreeMap;

use serde_json::Value;
use testenv::cases::{self, Case, CaseFile, Outcome};
use testenv::wasm_host::{Exchange, Head, HeaderMap, LocalResponse, Process, Verdict};

use crate::PLUGIN;

#[test]
fn every_case_holds() {
    let files = cases::files().expect("the case tables can be listed");
    assert!(!files.is_empty(), "there are no case tables");
    let mut count = 0;
    let mut failures = Vec::new();
    for path in files {
        let file = CaseFile::read(&path).unwrap_or_else(|error| panic!("{error:#}"));
        let table = file.table().unwrap_or_else(|error| panic!("{error:#}"));
        let process = Process::new();
        let root = process.vm(&[]).root(PLUGIN);
        assert!(root.configure(table.to_string()));
        for case in &file.cases {
            count += 1;
            let head = head(case);
            let exchange = root.send(Head::from_bytes(head.pairs().to_vec()));
            for difference in differences(case, &head, &exchange) {
                failures.push(format!("{}: {}: {difference}", path.display(), case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{} differences in {count} cases:\n{}", failures.len(), failures.join("\n"));
    println!("{count} cases");
}

/// The request's headers as Envoy would have them.
fn head(case: &Case) -> HeaderMap {
    let (authority, path) = case.request.authority_and_path();
    // `OPTIONS *` has no URL of its own.
    let path = if case.request.method == "OPTIONS" && path == "/*" { "*" } else { path };
    let pseudo = [(":authority", authority), (":path", path), (":method", &case.request.method), (":scheme", "https")];
    let pseudo = pseudo.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let all = pseudo.chain(case.request.headers.pairs());
    all.map(|(name, value)| (name.into_bytes(), value.into_bytes())).collect()
}

fn differences(case: &Case, sent: &HeaderMap, exchange: &Exchange) -> Vec<String> {
    let mut differences = Differences(Vec::new());
    let expect = &case.expect;
    let routed = exchange.filter_state("wasm.ksvc_router.route");
    match &exchange.verdict {
        Verdict::Continue => {
            let headers = exchange.headers();
            let kind = if routed.is_some() { "routed" } else { "untouched" };
            let expected = match expect.outcome {
                None => kind,
                Some(Outcome::Route) => "routed",
                Some(Outcome::OutOfScope | Outcome::PassThrough) => "untouched",
                Some(_) => "answered",
            };
            differences.check("outcome", &expected, &kind);
            if routed.is_none() {
                differences.check("headers", sent, &headers);
                differences.check("route cache cleared", &0, &exchange.route_cache_clears());
            } else {
                check_routed(sent, exchange, &mut differences);
            }
            if let Some(route) = &expect.route {
                differences.check("route", &Some(route), &routed.as_ref());
            }
            let compared = [(":authority", &expect.authority), (":path", &expect.path)];
            for (name, expected) in compared {
                if expected.is_some() {
                    differences.check(name, expected, &headers.text(name));
                }
            }
            for (name, value) in expect.request_headers.iter().flatten() {
                differences.check(name, value, &headers.text(name));
            }
        }
        Verdict::Answered(response) => {
            let kind = match expect.outcome {
                Some(Outcome::Route | Outcome::OutOfScope | Outcome::PassThrough) => "goes on",
                _ => "answered",
            };
            differences.check("outcome", &kind, &"answered");
            if let Some(status) = expect.status {
                differences.check("status", &u32::from(status), &response.status);
            }
            for (name, expected) in [("allow", &expect.allow), ("location", &expect.location)] {
                if expected.is_some() {
                    differences.check(name, expected, &response.headers.text(name));
                }
            }
            check_answer(expect.outcome, response, &mut differences);
        }
        Verdict::Paused => differences.0.push("the request waits".to_owned()),
    }
    differences.0
}

/// What holds for every routed request.
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

/// What holds for every answer of the module's own making.
fn check_answer(outcome: Option<Outcome>, response: &LocalResponse, differences: &mut Differences) {
    let status = match outcome {
        Some(Outcome::NotFound | Outcome::DeniedDirect) => 404,
        Some(Outcome::MethodNotAllowed) => 405,
        Some(Outcome::UnsafePath) => 400,
        Some(Outcome::BrokenRoute) => 503,
        _ => return,
    };
    differences.check("status", &status, &response.status);
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

struct Differences(Vec<String>);

impl Differences {
    fn check<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, expected: &T, found: &T) {
        if expected != found {
            self.0.push(format!("{what}: expected {expected:?}, found {found:?}"));
        }
    }
}

//! Measures how long a request and a document take natively. `cargo bench -p ksvc-routing --bench routing` runs all
//! benchmarks, and with `-- PART` those whose name contains `PART`.
//!
//! These benchmarks are for daily work. The cost of the plugin itself is counted in `testenv/tests/module/budget.rs`
//! and measured in Envoy by `cargo xtask bench`.
#![allow(clippy::expect_used, reason = "a benchmark may panic")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ksvc_routing::{DocumentId, Hash, Head, SharedData, compile, roll_out};
use serde_json::{Value, json};

/// Makes a document with many APIs, each with five kinds of routes, like the budgets of `testenv`.
fn document(routes: usize) -> Vec<u8> {
    let routes_of_api = |n: usize| {
        [
            json!({"match": format!("GET /api{n}/things"), "service": format!("things{n}")}),
            json!({"match": format!("POST /api{n}/things"), "service": format!("things{n}-write")}),
            json!({"match": format!("GET|PUT /api{n}/things/{{id}}/parts/{{part}}"), "service": format!("parts{n}")}),
            json!({"match": format!("ANY /api{n}/files/{{*rest}}"), "service": "files", "rewritePath": "/v2/{rest}"}),
            json!({"match": format!("GET /api{n}/old"), "redirect": {"to": format!("/faas/api{n}/things")}}),
        ]
    };
    let routes: Vec<Value> = (0..routes / 5).flat_map(routes_of_api).collect();
    let document = json!({
        "hosts": ["api.example.com"], "basePath": "/faas", "domain": "example.com", "namespace": "shop", "routes": routes,
    });
    document.to_string().into_bytes()
}

fn requests(criterion: &mut Criterion) {
    let compiled = compile(&document(1_000));
    assert!(compiled.is_good());
    let mut group = criterion.benchmark_group("request among 1,000 routes");
    for (kind, method, path) in [
        ("hit, literal", "GET", "/faas/api7/things"),
        ("hit, parameters", "GET", "/faas/api7/things/42/parts/9"),
        ("hit, rest", "GET", "/faas/api7/files/a/b/c"),
        ("miss, out of scope", "GET", "/elsewhere"),
        ("miss, 404", "GET", "/faas/api7/nothing/42"),
        ("miss, 405", "DELETE", "/faas/api7/things/42/parts/9"),
    ] {
        let headers: Vec<(&[u8], &[u8])> = vec![
            (b":scheme", b"https"),
            (b"user-agent", b"curl/8.0"),
            (b"accept", b"*/*"),
            (b"x-request-id", b"5a7f4d6c-36a1-4f0e-8f5c-6a1d2b3c4d5e"),
        ];
        let mut head = Head::read(&headers);
        head.method = Some(method.as_bytes());
        head.authority = Some(b"api.example.com");
        head.path = Some(path.as_bytes());
        group.bench_function(kind, |bencher| bencher.iter(|| drop(compiled.table.decide(black_box(&head), || false))));
    }
}

/// Looks up the same paths in the router `matchit`. It only finds a pattern: it has no methods, conditions or
/// fall-through.
fn peer(criterion: &mut Criterion) {
    let mut router = matchit::Router::new();
    let document: Value = serde_json::from_slice(&document(1_000)).expect("JSON");
    for route in document.get("routes").and_then(Value::as_array).into_iter().flatten() {
        let path = route.get("match").and_then(Value::as_str).and_then(|text| text.split(' ').nth(1)).expect("a path");
        // One pattern is enough for all methods of a path, so the others are refused.
        let _ = router.insert(format!("/faas{path}"), ());
    }
    let mut group = criterion.benchmark_group("matchit, path among 1,000 routes");
    for (kind, path) in [
        ("hit, literal", "/faas/api7/things"),
        ("hit, parameters", "/faas/api7/things/42/parts/9"),
        ("hit, rest", "/faas/api7/files/a/b/c"),
        ("miss", "/faas/api7/nothing/42"),
    ] {
        group.bench_function(kind, |bencher| bencher.iter(|| router.at(black_box(path)).is_ok()));
    }
}

/// The shared data that the first run of a process has left for the others.
#[derive(Default)]
struct Stored {
    document: Vec<u8>,
    record: Option<Vec<u8>>,
    image: Option<Vec<u8>>,
}

impl SharedData for Stored {
    fn document(&self) -> Vec<u8> {
        self.document.clone()
    }

    fn record(&self) -> Option<Vec<u8>> {
        self.record.clone()
    }

    fn good(&self) -> Option<Vec<u8>> {
        None
    }

    fn image(&self) -> Option<Vec<u8>> {
        self.image.clone()
    }
}

fn documents(criterion: &mut Criterion) {
    let mut compiling = criterion.benchmark_group("compile");
    for routes in [10, 1_000, 10_000] {
        let document = document(routes);
        compiling.throughput(Throughput::Elements(routes as u64)).sample_size(20);
        compiling.bench_with_input(BenchmarkId::from_parameter(routes), &document, |bencher, document| {
            bencher.iter(|| compile(black_box(document)));
        });
    }
    compiling.finish();

    let mut following = criterion.benchmark_group("follow");
    for routes in [10, 1_000, 10_000] {
        let mut stored = Stored { document: document(routes), ..Stored::default() };
        let mut hash = Hash::default();
        hash.update(&stored.document);
        let id = DocumentId { hash: hash.digest(), version: Some("1"), seen: None, size: stored.document.len() };
        let judgement = roll_out(&id, &stored).judgement.expect("the first run judges");
        (stored.record, stored.image) = (Some(judgement.record), Some(judgement.image.to_vec()));
        assert!(roll_out(&id, &stored).judgement.is_none(), "the others follow");
        following.throughput(Throughput::Elements(routes as u64)).sample_size(20);
        following.bench_function(BenchmarkId::from_parameter(routes), |bencher| {
            bencher.iter(|| roll_out(black_box(&id), &stored));
        });
    }
}

criterion_group!(benches, requests, peer, documents);
criterion_main!(benches);

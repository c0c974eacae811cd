//! Tests which document a process serves. A model of Envoy's shared data stands for the process; a run is one thread
//! that gets a document.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod common;

use common::shared_data::ProcessData;
use common::{HOST, request};
use ksvc_routing::{Judgement, Outcome, Rollout, ServedFrom};
use serde_json::json;

/// One process: the shared data of its runs.
#[derive(Default, Clone, PartialEq, Debug)]
struct Process {
    shared: ProcessData,
}

/// The result of a run.
#[derive(Debug)]
struct Run {
    served: ServedFrom,
    /// The authority to which the served table forwards `GET /a`, or else the outcome.
    target: String,
    judgement: Option<Judgement>,
}

impl Process {
    /// Runs in a new VM.
    fn run(&mut self, document: &str, version: Option<&str>) -> Run {
        self.run_in(&mut None, document, version)
    }

    /// Runs in a VM. `vm` is the number of the last judgement that the VM has seen, if it has seen any.
    fn run_in(&mut self, vm: &mut Option<u64>, document: &str, version: Option<&str>) -> Run {
        let Rollout { table, served, number, judgement } = self.shared.roll_out(document.as_bytes(), version, *vm);
        *vm = Some(number);
        let seen = request("GET", "/a").on(&table);
        let target = match seen.outcome {
            Outcome::Route => seen.authority,
            outcome => outcome.as_str().to_owned(),
        };
        if let Some(judgement) = &judgement {
            self.shared.keep(judgement);
        }
        Run { served, target, judgement }
    }

    /// Runs for the first time with a document. This run must judge the document.
    fn judge(&mut self, document: &str, version: &str) -> (ServedFrom, String, Judgement) {
        let run = self.run(document, Some(version));
        (run.served, run.target, run.judgement.expect("the first run judges"))
    }

    /// Runs again with a document. This run must follow the record, and store nothing.
    fn follow(&mut self, document: &str, version: &str) -> (ServedFrom, String) {
        let before = self.clone();
        let run = self.run(document, Some(version));
        assert!(run.judgement.is_none(), "judged twice: {run:?}");
        assert_eq!(*self, before);
        (run.served, run.target)
    }
}

fn good(target: &str, name: &str) -> String {
    json!({ "hosts": [HOST], "name": name, "routes": [{ "match": "GET /a", "host": target }] }).to_string()
}

/// Makes a bad document. Its `GET /b` can be served, and its `GET /a` is broken.
fn bad(name: &str) -> String {
    let routes = json!([{ "match": "GET /a", "host": "a b" }, { "match": "GET /b", "host": "b.example.com" }]);
    json!({ "hosts": [HOST], "name": name, "routes": routes }).to_string()
}

const A: &str = "a.example.net";
const B: &str = "b.example.net";

#[test]
fn the_first_run_judges_and_the_workers_follow() {
    let mut process = Process::default();
    let (served, target, judgement) = process.judge(&good(A, "x"), "1");
    assert_eq!((served, &*target, judgement.good.is_some()), (ServedFrom::New, A, true));
    assert!(judgement.problems.is_empty());
    assert_eq!(process.shared.good, Some(good(A, "x").into_bytes()));
    for _ in 0..3 {
        assert_eq!(process.follow(&good(A, "x"), "1"), (ServedFrom::New, A.to_owned()));
    }
}

#[test]
fn after_a_bad_document_the_last_good_one_is_still_served() {
    let mut process = Process::default();
    process.judge(&good(A, "x"), "1");
    process.judge(&good(B, "x"), "2");
    for (version, document) in [("3", bad("x")), ("4", String::new()), ("5", "garbage".to_owned())] {
        let (served, target, judgement) = process.judge(&document, version);
        assert_eq!((served, &*target, judgement.good.is_some()), (ServedFrom::LastGood, B, false));
        assert!(judgement.problems.iter().any(ksvc_routing::Problem::is_error));
        assert_eq!(process.follow(&document, version), (ServedFrom::LastGood, B.to_owned()));
        assert_eq!(process.shared.good, Some(good(B, "x").into_bytes()));
    }
}

#[test]
fn a_bad_document_without_a_good_one_before_it_is_served_in_part() {
    let mut process = Process::default();
    let (served, target, judgement) = process.judge(&bad("x"), "1");
    assert_eq!((served, &*target, judgement.good.is_some()), (ServedFrom::InPart, "brokenRoute", false));
    assert_eq!(process.shared.good, None);
    assert_eq!(process.follow(&bad("x"), "1"), (ServedFrom::InPart, "brokenRoute".to_owned()));
    let (served, target, _) = process.judge("", "2");
    assert_eq!((served, &*target), (ServedFrom::InPart, "outOfScope"));
}

#[test]
fn a_late_worker_never_brings_an_older_table_back() {
    let mut process = Process::default();
    process.judge(&good(A, "x"), "1");
    process.judge(&good(B, "x"), "2");
    process.follow(&good(A, "x"), "1");
    let (served, target, _) = process.judge(&bad("x"), "3");
    assert_eq!((served, &*target), (ServedFrom::LastGood, B));
    process.follow(&good(A, "x"), "1");
    process.follow(&good(B, "x"), "2");
    assert_eq!(process.follow(&bad("x"), "3"), (ServedFrom::LastGood, B.to_owned()));
    // A late run serves the first document in part, as it was judged, although there is a good one now.
    let mut cold = Process::default();
    cold.judge(&bad("x"), "1");
    cold.judge(&good(A, "x"), "2");
    cold.follow(&bad("x"), "1");
    assert_eq!(cold.judge("", "3").1, A);
}

#[test]
fn another_document_with_a_known_version_is_judged() {
    let mut process = Process::default();
    process.judge(&good(A, "x"), "1");
    assert_eq!(process.judge(&good(B, "x"), "1").1, B);
    assert_eq!(process.judge("", "1").1, B);
}

#[test]
fn without_a_version_a_document_is_judged_if_it_differs_from_the_last_one() {
    let mut process = Process::default();
    for (document, served, target, judged) in [
        (bad("x"), ServedFrom::InPart, "brokenRoute", true),
        (bad("x"), ServedFrom::InPart, "brokenRoute", false),
        (good(A, "x"), ServedFrom::New, A, true),
        (good(A, "x"), ServedFrom::New, A, false),
        (bad("x"), ServedFrom::LastGood, A, true),
        (bad("x"), ServedFrom::LastGood, A, false),
        (good(B, "x"), ServedFrom::New, B, true),
        // An edit can bring back an earlier document.
        (good(A, "x"), ServedFrom::New, A, true),
        (String::new(), ServedFrom::LastGood, A, true),
        (String::new(), ServedFrom::LastGood, A, false),
    ] {
        let run = process.run(&document, None);
        assert_eq!((run.served, &*run.target, run.judgement.is_some()), (served, target, judged), "{document}");
    }
}

#[test]
fn without_a_version_the_newest_good_document_is_kept_however_late_a_thread_is() {
    // Every thread gets both documents in this order, but at its own pace.
    let documents = [good(A, "x"), good(B, "x")];
    for late in [[0, 0, 0, 1, 1, 1], [0, 1, 0, 1, 0, 1], [0, 1, 0, 0, 1, 1], [0, 0, 1, 1, 0, 1]] {
        let mut process = Process::default();
        for document in late {
            process.run(&documents[document], None);
        }
        assert_eq!(process.run("", None).target, B, "{late:?}");
    }
}

/// Runs a document like Envoy does: first in a VM that it throws away, then in the VM of the main thread, and then in
/// the VM of each worker. A worker may be several documents late.
#[test]
fn without_a_version_lasting_vms_judge_each_document_once_at_any_pace() {
    let (mut rng, seed) = common::seeded_rng();
    for _ in 0..200 {
        let mut process = Process::default();
        let documents: Vec<String> = (0..8)
            .map(|_| match rng.u8(..4) {
                0 => bad("x"),
                1 => String::new(),
                2 => good(A, "x"),
                _ => good(B, "x"),
            })
            .collect();
        let (mut main, mut workers) = (None, [(None, 0); 3]);
        let mut last_good = None;
        for (n, document) in documents.iter().enumerate() {
            let is_edit = n == 0 || documents[n - 1] != *document;
            let run = process.run(document, None);
            assert_eq!(run.judgement.is_some(), is_edit, "seed {seed}, document {n} of {documents:?}");
            assert!(process.run_in(&mut main, document, None).judgement.is_none(), "seed {seed}, {documents:?}");
            if n == 0 {
                // When the gateway starts, no worker is late.
                for (vm, taken) in &mut workers {
                    assert!(process.run_in(vm, document, None).judgement.is_none());
                    *taken = 1;
                }
            }
            last_good = if run.served == ServedFrom::New { Some(document) } else { last_good };
            for (vm, taken) in &mut workers {
                while *taken <= n && rng.bool() {
                    let late = process.run_in(vm, &documents[*taken], None);
                    assert!(late.judgement.is_none(), "seed {seed}, document {taken} of {documents:?}");
                    *taken += 1;
                }
            }
            assert_eq!(process.shared.good.as_deref(), last_good.map(String::as_bytes), "seed {seed}, {documents:?}");
        }
    }
}

#[test]
fn shared_data_is_not_trusted() {
    let garbage = [&b""[..], b"\xff\x00", b"null", b"7", b"{}", b"{\"judged\":[{}]}", b"[]"];
    for record in garbage {
        for document in garbage.into_iter().chain([bad("y").as_bytes()]) {
            let mut process = Process {
                shared: ProcessData { good: Some(document.to_vec()), record: Some(record.to_vec()), image: None },
            };
            let (served, target, _) = process.clone().judge(&bad("x"), "1");
            assert_eq!((served, &*target), (ServedFrom::InPart, "brokenRoute"), "{record:?} {document:?}");
            let (served, target, judgement) = process.judge(&good(A, "x"), "1");
            assert_eq!(
                (served, &*target, judgement.good.is_some()),
                (ServedFrom::New, A, true),
                "{record:?} {document:?}"
            );
            assert_eq!(process.judge(&bad("x"), "2").1, A);
        }
    }
    // The document was good when it was judged, but the shared data has other bytes now.
    let mut process = Process::default();
    process.judge(&good(A, "x"), "1");
    process.judge(&bad("x"), "2");
    process.shared.good = Some(b"no longer".to_vec());
    process.shared.image = None;
    assert_eq!(process.follow(&bad("x"), "2"), (ServedFrom::InPart, "brokenRoute".to_owned()));
    process.shared.good = None;
    assert_eq!(process.judge(&bad("x"), "3").0, ServedFrom::InPart);
}

#[test]
fn a_worker_reads_the_table_from_the_image_and_compiles_nothing() {
    let mut process = Process::default();
    process.judge(&good(A, "x"), "1");
    process.shared.good = None;
    let followed = process.shared.roll_out_unread(good(A, "x").as_bytes(), "1");
    assert_eq!((followed.served, followed.table.name(), followed.table.route_count()), (ServedFrom::New, "x", 1));
}

#[test]
fn an_image_is_used_only_for_the_document_that_is_served() {
    let mut process = Process::default();
    process.judge(&good(A, "x"), "1");
    let of_a = process.shared.image.clone();
    process.judge(&good(B, "x"), "2");
    process.shared.image = of_a.clone();
    assert_eq!(process.follow(&good(B, "x"), "2"), (ServedFrom::New, B.to_owned()));
    process.judge(&bad("x"), "3");
    process.shared.image = of_a.clone();
    assert_eq!(process.follow(&bad("x"), "3"), (ServedFrom::LastGood, B.to_owned()));
    // All of these are ignored: garbage, no bytes, a truncated image, an image of another build.
    let image = of_a.expect("the first judgement leaves an image");
    let mut others = vec![b"garbage".to_vec(), Vec::new()];
    others.extend((0..image.len()).map(|end| image[..end].to_vec()));
    others.push([b"x", &image[..]].concat());
    for other in others {
        let mut process = Process::default();
        process.judge(&good(A, "x"), "1");
        process.shared.image = Some(other);
        assert_eq!(process.follow(&good(A, "x"), "1"), (ServedFrom::New, A.to_owned()));
    }
}

#[test]
fn no_image_can_cause_a_panic() {
    let (mut rng, seed) = common::seeded_rng();
    eprintln!("KSVC_ROUTING_SEED={seed}");
    let document = json!({ "hosts": [HOST, "*.example.org"], "name": "x", "denyDirect": true, "basePath": "/b",
        "cors": { "allowOrigins": ["https://*.example.com", "https://a.example.com"] }, "trailingSlash": "ignore",
        "responseHeaders": { "set": { "x-a": "{id}" } },
        "routes": [
            { "match": "GET /a/{id}", "host": A, "rewritePath": "/{id}/x", "requestHeaders": { "add": { "x-b": "{id}" } } },
            { "match": ["POST /a/v{id}.json", "ANY /{*rest}"], "host": B, "when": { "query": { "a": "*" } } },
            { "match": "GET /r/{id}", "redirect": { "to": "/x/{id}" } },
            { "match": "GET /p", "respond": { "status": 200, "headers": { "x-c": "d" }, "body": "pong" } },
        ] })
    .to_string();
    let mut process = Process::default();
    process.judge(&document, "1");
    let image = process.shared.image.clone().expect("an image");
    for _ in 0..2_000 {
        let mut forged = image.clone();
        for _ in 0..rng.usize(1..6) {
            let at = rng.usize(..forged.len());
            forged[at] = rng.u8(..);
        }
        process.shared.image = Some(forged);
        let table = process.shared.roll_out(document.as_bytes(), Some("1"), None).table;
        for path in ["/b/a/1", "/b/a/v1.json?a=1", "/b/r/2", "/b/p", "/b", "/b/x/y/z/"] {
            for method in ["GET", "POST", "HEAD", "OPTIONS", "X"] {
                let _ = request(method, path).header("origin", "https://a.example.com").on(&table);
            }
        }
    }
}

#[test]
fn an_unreadable_name_is_replaced_by_the_last_good_one() {
    let mut process = Process::default();
    assert_eq!(process.judge("", "0").2.name, "default");
    process.judge(&good(A, "shop"), "1");
    let unreadable = [bad("not a name"), bad("x").replace("\"x\"", "7"), String::new(), "garbage".to_owned()];
    for (index, document) in unreadable.iter().enumerate() {
        assert_eq!(process.judge(document, &format!("bad{index}")).2.name, "shop", "{document}");
    }
}

#[test]
fn a_good_document_clears_the_gauges_of_all_other_names() {
    let mut process = Process::default();
    for (version, name) in [("1", "one"), ("2", "two"), ("3", "three")] {
        let judgement = process.judge(&bad(name), version).2;
        assert_eq!(judgement.name, name);
        assert!(judgement.cleared.is_empty());
    }
    let mut judgement = process.judge(&good(A, "two"), "4").2;
    judgement.cleared.sort_unstable();
    assert_eq!((&*judgement.name, judgement.cleared), ("two", vec!["one".to_owned(), "three".to_owned()]));
    assert!(process.judge(&good(B, "two"), "5").2.cleared.is_empty());
    // A renamed table leaves no gauge behind, not even the number of its routes.
    assert_eq!(process.judge(&good(B, "new"), "6").2.cleared, ["two"]);
    assert!(process.judge(&good(A, "new"), "7").2.cleared.is_empty());
}

#[test]
fn in_any_order_of_runs_the_last_good_document_is_the_last_one_judged_good() {
    let (mut rng, seed) = common::seeded_rng();
    eprintln!("KSVC_ROUTING_SEED={seed}");
    for _ in 0..300 {
        let mut process = Process::default();
        let (mut last_good, mut judged) = (None, Vec::<(String, String)>::new());
        for version in 0..12 {
            let target = format!("t{version}.example.net");
            let document = if rng.bool() { good(&target, "x") } else { bad(["x", "y"][rng.usize(..2)]) };
            let is_good = document.contains(&target);
            let (served, reached, _) = process.judge(&document, &version.to_string());
            if is_good {
                last_good = Some(target);
            }
            let expected = match (is_good, &last_good) {
                (true, _) => ServedFrom::New,
                (false, Some(_)) => ServedFrom::LastGood,
                (false, None) => ServedFrom::InPart,
            };
            assert_eq!(served, expected);
            assert_eq!(reached, last_good.clone().unwrap_or("brokenRoute".to_owned()));
            judged.push((document, version.to_string()));
            // Late workers follow, some of them with an older version.
            for _ in 0..rng.usize(..4) {
                let (document, version) = &judged[rng.usize(..judged.len())];
                process.follow(document, version);
            }
        }
    }
}

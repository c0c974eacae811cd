//! What requests and documents cost, counted and not measured: host calls, wasm instructions, bytes, memory. The
//! figures are the same on every machine. A change that raises a cost must raise the budget here.

use std::fmt::Write;

use module_host::{Counts, Exchange, Module, Process, Root};
use serde_json::json;

use crate::{PLUGIN, VERSION, api, configured, head, shop_with};

/// The size of `dist/plugin.wasm` in bytes.
const MODULE_SIZE: usize = 990_000;

/// How far instructions may exceed the budget, because another compiler may need more.
const SLACK_PERCENT: u64 = 3;

/// How to see the calls of each callback.
const EXPLAIN: &str = "`cargo test -p testenv --test module -- --nocapture budget` shows each callback's calls";

struct Budget {
    kind: &'static str,
    method: &'static str,
    authority: &'static str,
    path: &'static str,
    host_calls: u32,
    instructions: u64,
    /// The bytes that are copied between host and module, in both directions.
    bytes: usize,
}

const fn budget(
    kind: &'static str,
    method: &'static str,
    path: &'static str,
    (host_calls, instructions, bytes): (u32, u64, usize),
) -> Budget {
    Budget { kind, method, authority: "api.example.com", path, host_calls, instructions, bytes }
}

/// Requests to a table of 1,000 routes, from the beginning of the stream to its end.
const BUDGETS: [Budget; 9] = [
    budget("hit, literal", "GET", "/faas/api7/things", (5, 6_510, 348)),
    budget("hit, parameters", "GET", "/faas/api7/things/42/parts/9", (5, 7_590, 380)),
    budget("hit, rewritten", "GET", "/faas/api7/files/a/b/c", (7, 10_460, 415)),
    budget("miss, other path", "GET", "/elsewhere", (1, 2_980, 243)),
    Budget { authority: "www.example.com", ..budget("miss, other host", "GET", "/faas/api7/things", (1, 2_770, 250)) },
    budget("404", "GET", "/faas/api7/nothing/42", (3, 8_080, 400)),
    budget("405", "DELETE", "/faas/api7/things/42/parts/9", (3, 13_260, 476)),
    budget("400", "GET", "/faas/api7//things", (3, 8_060, 397)),
    budget("redirect", "GET", "/faas/api7/old", (4, 9_010, 324)),
];

/// A browser's requests to the same routes, in a table that uses every feature for headers and responses.
const WITH_ALL: [Budget; 5] = [
    budget("hit", "GET", "/faas/api7/things", (14, 22_170, 712)),
    budget("hit, rewritten", "GET", "/faas/api7/files/a/b/c", (13, 23_090, 708)),
    budget("preflight", "OPTIONS", "/faas/api7/things", (4, 23_100, 596)),
    budget("404", "GET", "/faas/api7/nothing/42", (3, 17_090, 591)),
    budget("redirect", "GET", "/faas/api7/old", (4, 22_810, 544)),
];

fn with_all() -> serde_json::Value {
    let mut document = thousand_routes();
    document["stripBasePath"] = true.into();
    document["rewriteLocation"] = true.into();
    document["cors"] =
        json!({"allowOrigins": ["https://app.example.com"], "exposeHeaders": ["x-total"], "maxAge": 600});
    document["requestHeaders"] = json!({"set": {"x-route": "{:route}"}, "remove": ["x-debug"]});
    document["responseHeaders"] = json!({"set": {"x-frame-options": "DENY"}, "remove": ["x-powered-by"]});
    document
}

fn thousand_routes() -> serde_json::Value {
    with_routes(1_000)
}

/// Routes of five kinds for each of `count / 5` APIs.
fn with_routes(count: usize) -> serde_json::Value {
    let routes: Vec<_> = (0..count / 5)
        .flat_map(|n| {
            [
                json!({"match": format!("GET /api{n}/things"), "service": format!("things{n}")}),
                json!({"match": format!("POST /api{n}/things"), "service": format!("things{n}-write")}),
                json!({"match": format!("GET|PUT /api{n}/things/{{id}}/parts/{{part}}"), "service": format!("parts{n}")}),
                json!({"match": format!("ANY /api{n}/files/{{*rest}}"), "service": "files", "rewritePath": "/v2/{rest}"}),
                json!({"match": format!("GET /api{n}/old"), "redirect": {"to": format!("/faas/api{n}/things")}}),
            ]
        })
        .collect();
    shop_with(&json!({"routes": routes}))
}

/// Sends a request and a response, and ends the stream. Returns what each callback cost.
fn cost(root: &Root, budget: &Budget) -> Vec<(&'static str, Counts)> {
    finished(root.send(head(budget.method, budget.authority, budget.path)))
}

/// Does the same with a request as a page of another origin sends it.
fn cost_of_page(root: &Root, budget: &Budget) -> Vec<(&'static str, Counts)> {
    finished(root.request(&[
        (":authority", budget.authority),
        (":path", budget.path),
        (":method", budget.method),
        (":scheme", "https"),
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "GET"),
        ("user-agent", "Mozilla/5.0"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "5a7f4d6c-36a1-4f0e-8f5c-6a1d2b3c4d5e"),
    ]))
}

fn finished(mut exchange: Exchange) -> Vec<(&'static str, Counts)> {
    exchange.response(&[(":status", "200"), ("content-type", "application/json"), ("server", "envoy")], false);
    exchange.finish()
}

#[test]
fn request_keeps_its_budget() {
    let (_process, root) = configured(&thousand_routes());
    keeps(&BUDGETS, |budget| cost(&root, budget));
}

#[test]
fn request_of_a_page_keeps_its_budget() {
    let (_process, root) = configured(&with_all());
    keeps(&WITH_ALL, |budget| cost_of_page(&root, budget));
}

/// Without CORS, header operations and locations in the table, a response makes no host call.
#[test]
fn response_without_changes_costs_no_host_call() {
    let (_process, root) = configured(&thousand_routes());
    for budget in &BUDGETS {
        for (callback, counts) in cost(&root, budget).iter().filter(|(name, _)| *name == "proxy_on_response_headers") {
            assert_eq!(counts.host_calls(), 0, "{callback} of {}", budget.kind);
            assert!(counts.instructions < 200, "{callback} of {}: {}", budget.kind, counts.instructions);
        }
    }
}

fn keeps(budgets: &[Budget], cost: impl Fn(&Budget) -> Vec<(&'static str, Counts)>) {
    // Some costs arise only once, at the first requests.
    for _ in 0..3 {
        budgets.iter().for_each(|budget| drop(cost(budget)));
    }
    let mut table = format!(
        "{:<18}{:>11}{:>9}{:>14}{:>9}{:>8}{:>9}\n",
        "", "host calls", "budget", "instructions", "budget", "bytes", "budget"
    );
    let mut details = String::new();
    let mut over_budget = Vec::new();
    for budget in budgets {
        let costs = cost(budget);
        let mut sum = Counts::default();
        writeln!(details, "{}:", budget.kind).expect("writing to a string can't fail");
        for (callback, counts) in &costs {
            sum += counts;
            let calls: Vec<_> = counts.calls.iter().map(|(call, count)| format!("{call} {count}")).collect();
            writeln!(details, "  {callback}: {} instructions, {}", counts.instructions, calls.join(", "))
                .expect("writing to a string can't fail");
        }
        let (kind, calls, instructions) = (budget.kind, sum.host_calls(), sum.instructions);
        writeln!(
            table,
            "{kind:<18}{calls:>11}{:>9}{instructions:>14}{:>9}{:>8}{:>9}",
            budget.host_calls, budget.instructions, sum.copied, budget.bytes
        )
        .expect("writing to a string can't fail");
        let most = budget.instructions + budget.instructions * SLACK_PERCENT / 100;
        if calls != budget.host_calls {
            over_budget.push(format!("{kind}: {calls} host calls, the budget is {}", budget.host_calls));
        }
        if sum.copied != budget.bytes {
            over_budget.push(format!("{kind}: {} bytes, the budget is {}", sum.copied, budget.bytes));
        }
        if instructions > most {
            over_budget.push(format!("{kind}: {instructions} instructions, the budget is {}", budget.instructions));
        }
    }
    println!("{table}\n{details}");
    assert!(over_budget.is_empty(), "{}\n{table}\n{EXPLAIN}", over_budget.join("\n"));
}

/// What a document costs the first VM that receives it and another one.
struct Spent {
    to_judge: u64,
    to_follow: u64,
    /// The size of the image that the others copy, in bytes.
    image: u64,
    /// The first VM's memory afterwards, in bytes.
    memory_of_judge: u64,
    /// Another VM's memory afterwards, in bytes.
    memory_of_follower: u64,
}

fn spent_on(document: &str) -> Spent {
    let process = Process::new();
    let configure = || {
        let root = process.vm(&[(VERSION, "1")]).root(PLUGIN);
        let (_, counts) = root.configure_counted(document);
        println!("{counts:?}");
        (counts.instructions, root.vm().memory() as u64)
    };
    let (to_judge, memory_of_judge) = configure();
    let (to_follow, memory_of_follower) = configure();
    let keys = process.shared_keys();
    let image = keys.iter().find(|key| key.ends_with("/image")).and_then(|key| process.shared_data(key));
    let image = image.expect("the first VM has stored the image").len() as u64;
    Spent { to_judge, to_follow, image, memory_of_judge, memory_of_follower }
}

/// Every worker's requests wait while its VM receives a document. The first VM, on the main thread, compiles the
/// document, and the others copy the result. Each VM has memory of its own and never gives any back.
#[test]
fn document_keeps_its_budget() {
    /// The routes are visited twice. The first time, they are counted and their ends are found. The second time, each
    /// is read, its pattern is added to the tree, and the rows of all lists are written.
    const TO_JUDGE: u64 = 40_580_000;
    const TO_JUDGE_A_ROUTE: u64 = 40_670;
    /// The document is hashed.
    const TO_FOLLOW: u64 = 167_200;
    const TO_FOLLOW_A_ROUTE: u64 = 133;
    /// Its strings; two or three nodes of the tree with 28 bytes each; a pattern with 20, a route with 23, 25 for each
    /// name that it captures, 11 for each method. Few routes also have a rewritten path (30) or a `{*name}` (16).
    const IMAGE_OF_A_ROUTE: u64 = 194;
    /// The document, the image, in which the lists grow, and small structures for sorting and look-ups.
    const MEMORY_OF_JUDGE: u64 = 1_572_864;
    const MEMORY_OF_JUDGE_A_ROUTE: u64 = 380;
    /// The image.
    const MEMORY_OF_FOLLOWER: u64 = 1_376_256;
    const MEMORY_OF_FOLLOWER_A_ROUTE: u64 = 196;

    let few = spent_on(&thousand_routes().to_string());
    let many = spent_on(&with_routes(11_000).to_string());
    let a_route = |of: fn(&Spent) -> u64| (of(&many) - of(&few)) / 10_000;
    let budgets = [
        ("first VM, 1,000 routes: instructions", few.to_judge, TO_JUDGE),
        ("first VM, one more route: instructions", a_route(|spent| spent.to_judge), TO_JUDGE_A_ROUTE),
        ("another VM, 1,000 routes: instructions", few.to_follow, TO_FOLLOW),
        ("another VM, one more route: instructions", a_route(|spent| spent.to_follow), TO_FOLLOW_A_ROUTE),
        ("image, one more route: bytes", a_route(|spent| spent.image), IMAGE_OF_A_ROUTE),
        ("memory of the first VM, 1,000 routes: bytes", few.memory_of_judge, MEMORY_OF_JUDGE),
        (
            "memory of the first VM, one more route: bytes",
            a_route(|spent| spent.memory_of_judge),
            MEMORY_OF_JUDGE_A_ROUTE,
        ),
        ("memory of another VM, 1,000 routes: bytes", few.memory_of_follower, MEMORY_OF_FOLLOWER),
        (
            "memory of another VM, one more route: bytes",
            a_route(|spent| spent.memory_of_follower),
            MEMORY_OF_FOLLOWER_A_ROUTE,
        ),
    ];
    for (what, spent, budget) in budgets {
        println!("{what:<50}{spent:>12}, budget {budget:>12}");
    }
    for (what, spent, budget) in budgets {
        assert!(spent <= budget + budget * SLACK_PERCENT / 100, "{what}: {spent}, the budget is {budget}\n{EXPLAIN}");
    }
}

#[test]
fn budget_is_the_same_in_every_run() {
    let document = thousand_routes();
    let costs = || {
        let (_process, root) = configured(&document);
        BUDGETS.iter().map(|budget| cost(&root, budget)).collect::<Vec<_>>()
    };
    assert_eq!(costs(), costs());
}

#[test]
fn budget_does_not_grow_with_the_table() {
    let few = json!({"routes": [{"match": "GET /api7/things", "service": "things"}]});
    let cost_of = |document| {
        let (_process, root) = configured(&document);
        let cost = |_| api(&root, "GET", "/faas/api7/things").finish();
        let costs = (0..3).map(cost).next_back().expect("three");
        costs.iter().map(|(_, counts)| counts.instructions).sum::<u64>()
    };
    let (few, many) = (cost_of(shop_with(&few)), cost_of(thousand_routes()));
    println!("a literal hit: {few} instructions with 1 route, {many} with 1,000");
    assert!(many < few * 2, "a literal hit: {few} instructions with 1 route, {many} with 1,000");
}

#[test]
fn module_keeps_its_budget_of_bytes() {
    let size = Module::plugin().size();
    println!("dist/plugin.wasm: {size} bytes");
    assert!(
        size <= MODULE_SIZE,
        "dist/plugin.wasm has {size} bytes, the budget is {MODULE_SIZE}; `cargo tree -p ksvc-router --target \
         wasm32-wasip1` shows what it is made of"
    );
}

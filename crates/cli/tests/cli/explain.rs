//! `explain`: the JSON object for each outcome, and the text with the reasons.

use serde_json::{Value, json};

use crate::support::{Folder, GOOD};

#[track_caller]
fn explain(table: &str, args: &[&str]) -> Value {
    let args = [&["explain", "f.yaml", "--format", "json"], args].concat();
    let run = Folder::new(&[("f.yaml", table)]).run(&args);
    assert_eq!(run.code, 0, "{}", run.err);
    run.json()
}

#[test]
fn a_route_shows_what_is_forwarded() {
    let url = "https://API.example.com:443/faas/payments/a%2Db/c?x=/y";
    assert_eq!(
        explain(GOOD, &["DELETE", url, "-H", "X-A: 1", "-H", "x-a: 2", "-H", "K-Original-Host: evil"]),
        json!({
            "outcome": "route",
            "route": "ANY /payments/{*rest}",
            "match": "ANY /payments/{*rest}",
            "authority": "payments.billing.example.com",
            "path": "/v2/a%2Db/c?x=/y",
            "params": {"rest": "a%2Db/c"},
            "requestHeaders": {
                "x-a": ["1", "2"],
                "x-forwarded-host": "API.example.com:443",
                "x-envoy-original-path": "/faas/payments/a%2Db/c?x=/y",
            },
        })
    );
}

#[test]
fn a_path_without_a_rewrite_is_forwarded_unchanged() {
    let explained = explain(GOOD, &["GET", "api.example.com/faas/orders/4%32?x=1", "-H", "x-beta: true"]);
    assert_eq!(explained["path"], "/faas/orders/4%32?x=1");
    assert_eq!(explained["route"], "beta");
    assert_eq!(explained["match"], "GET /orders/{id}");
}

#[test]
fn a_redirect_shows_its_location() {
    assert_eq!(
        explain(GOOD, &["GET", "api.example.com/faas/old/7?x=1"]),
        json!({
            "outcome": "redirect",
            "route": "GET /old/{id}",
            "match": "GET /old/{id}",
            "params": {"id": "7"},
            "status": 301,
            "location": "/faas/orders/7?x=1",
        })
    );
}

#[test]
fn a_response_of_the_gateway_shows_its_status() {
    assert_eq!(
        explain(GOOD, &["HEAD", "api.example.com/faas/ping"]),
        json!({"outcome": "respond", "route": "GET /ping", "match": "GET /ping", "params": {}, "status": 200})
    );
}

#[test]
fn answers_without_a_route_show_their_status() {
    assert_eq!(explain(GOOD, &["GET", "api.example.com/faas/nope"]), json!({"outcome": "notFound", "status": 404}));
    assert_eq!(
        explain(GOOD, &["DELETE", "api.example.com/faas/orders/1"]),
        json!({"outcome": "methodNotAllowed", "status": 405, "allow": "GET, HEAD, PATCH, PUT"})
    );
    assert_eq!(
        explain(GOOD, &["GET", "api.example.com/faas//orders"]),
        json!({"outcome": "unsafePath", "status": 400})
    );
    let deny = format!("denyDirect: true\n{GOOD}");
    assert_eq!(
        explain(&deny, &["GET", "orders.shop.example.com/faas/orders/1"]),
        json!({"outcome": "deniedDirect", "status": 404})
    );
}

#[test]
fn untouched_requests_show_the_reason() {
    assert_eq!(explain(GOOD, &["GET", "https://other.example.com/faas/orders/1"]), json!({"outcome": "outOfScope"}));
    assert_eq!(explain(GOOD, &["GET", "https://api.example.com/faaster"]), json!({"outcome": "outOfScope"}));
    let pass = format!("onNoMatch: passThrough\n{GOOD}");
    assert_eq!(explain(&pass, &["GET", "https://api.example.com/faas/nope"]), json!({"outcome": "passThrough"}));
}

#[test]
fn a_table_with_errors_is_explained_as_a_gateway_serves_it() {
    let table = GOOD.replace("service: payments", "service: Payments!");
    let folder = Folder::new(&[("f.yaml", &table)]);
    let broken = folder.run(&["explain", "f.yaml", "GET", "api.example.com/faas/payments/1", "--format", "json"]);
    assert_eq!(broken.json()["outcome"], "brokenRoute");
    assert_eq!(broken.json()["status"], 503);
    assert!(broken.err.contains("error: routes[3].service: "), "{}", broken.err);
    assert!(broken.err.contains("what a gateway that starts with it does"), "{}", broken.err);
    assert_eq!(broken.code, 1);
    let whole = folder.run(&["explain", "f.yaml", "GET", "api.example.com/faas/orders/1", "--format", "json"]);
    assert_eq!(whole.json()["outcome"], "route");
}

#[test]
fn the_text_shows_the_passed_over_routes_with_the_reasons() {
    let folder = Folder::new(&[("f.yaml", GOOD)]);
    let run =
        folder.run(&["explain", "f.yaml", "GET", "https://api.example.com/faas/orders/42", "-H", "k-network-hash: x"]);
    assert_eq!(
        run.out,
        "outcome    route\n\
         route      GET /orders/{id}\n\
         match      GET /orders/{id}\n\
         authority  orders.shop.example.com\n\
         path       /faas/orders/42\n\
         param      id = 42\n\
         set        x-forwarded-host: api.example.com\n\
         remove     k-network-hash\n\
         considered\n\
         \x20 GET /orders/{id} (beta)                passed over: header `x-beta` is not \"true\"\n\
         \x20 GET /orders/{id}                       chosen\n\
         \x20 PUT|PATCH /orders/{id} (POST /orders)  passed over: it does not serve the method\n"
    );
}

#[test]
fn a_url_without_a_host_is_reported() {
    let run = Folder::new(&[("f.yaml", GOOD)]).run(&["explain", "f.yaml", "GET", "/faas/orders/42"]);
    assert!(run.err.contains("has no host"), "{}", run.err);
}

#[test]
fn a_malformed_header_exits_with_2() {
    let folder = Folder::new(&[("f.yaml", GOOD)]);
    for header in ["x-beta", "host: a", ": x"] {
        assert_eq!(folder.run(&["explain", "f.yaml", "GET", "a/", "-H", header]).code, 2, "{header}");
    }
}

#[test]
fn several_tables_in_one_file_are_an_error() {
    let text = format!("{GOOD}---\n{GOOD}");
    let run = Folder::new(&[("f.yaml", &text)]).run(&["explain", "f.yaml", "GET", "api.example.com/faas/ping"]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("this is a second route table, beside the one of f.yaml:2"), "{}", run.err);
}

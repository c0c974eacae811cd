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

/// Returns the explanation without the routes that were considered.
#[track_caller]
fn decision(table: &str, args: &[&str]) -> Value {
    let mut explained = explain(table, args);
    explained.as_object_mut().unwrap().remove("considered");
    explained
}

#[test]
fn a_route_shows_what_is_forwarded() {
    let url = "https://API.example.com:443/faas/payments/a%2Db/c?x=/y";
    assert_eq!(
        decision(GOOD, &["DELETE", url, "-H", "X-A: 1", "-H", "x-a: 2", "-H", "K-Original-Host: evil"]),
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
        decision(GOOD, &["GET", "api.example.com/faas/old/7?x=1"]),
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
        decision(GOOD, &["HEAD", "api.example.com/faas/ping"]),
        json!({
            "outcome": "respond",
            "route": "GET /ping",
            "match": "GET /ping",
            "params": {},
            "status": 200,
            "responseHeaders": {"content-type": "text/plain"},
        })
    );
}

#[test]
fn answers_without_a_route_show_their_status() {
    assert_eq!(decision(GOOD, &["GET", "api.example.com/faas/nope"]), json!({"outcome": "notFound", "status": 404}));
    assert_eq!(
        decision(GOOD, &["DELETE", "api.example.com/faas/orders/1"]),
        json!({"outcome": "methodNotAllowed", "status": 405, "allow": "GET, HEAD, PATCH, PUT"})
    );
    assert_eq!(
        decision(GOOD, &["GET", "api.example.com/faas//orders"]),
        json!({
            "outcome": "unsafePath",
            "status": 400,
            "reason": "The request has an empty path segment.",
            "unsafe": {"index": 6, "text": "", "bytes": [], "what": "an empty path segment"},
        })
    );
    let deny = format!("denyDirect: true\n{GOOD}");
    assert_eq!(
        decision(&deny, &["GET", "orders.shop.example.com/faas/orders/1"]),
        json!({"outcome": "deniedDirect", "status": 404})
    );
}

#[test]
fn untouched_requests_show_the_reason() {
    let pass = format!("onNoMatch: passThrough\n{GOOD}");
    for (table, url, outcome, reason) in [
        (
            GOOD,
            "https://other.example.com/faas/orders/1",
            "outOfScope",
            "the host \"other.example.com\" is not in `hosts`, which has api.example.com",
        ),
        (GOOD, "https://api.example.com/faaster", "outOfScope", "the path is not below `basePath`, which is /faas"),
        (
            &pass,
            "https://api.example.com/faas/nope",
            "passThrough",
            "no route matches, and `onNoMatch` is `passThrough`",
        ),
    ] {
        assert_eq!(explain(table, &["GET", url]), json!({"outcome": outcome, "reason": reason}));
    }
    let deny = format!("denyDirect: true\n{GOOD}");
    let url = "https://orders.shop.example.com/healthz";
    let probe = explain(&deny, &["GET", url, "-H", "k-network-probe: probe"]);
    assert_eq!(probe, json!({"outcome": "outOfScope", "reason": "it is Knative's own probe of this host"}));
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

/// Returns a manifest with a table of one route, which matches every path.
fn plugin(name: &str, base: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: {name}}}\nspec:\n  \
         pluginName: ksvc-router\n  url: file:///plugin.wasm\n{spec}  pluginConfig:\n    {{name: {name}, hosts: [api.example.com], \
         {base}routes: [{{match: 'ANY /{{*rest}}', host: {name}.example.com}}]}}\n"
    )
}

#[test]
fn of_several_tables_the_first_in_the_gateways_order_decides() {
    let url = "https://api.example.com/a/b";
    let decides = |text: &str| {
        let run = Folder::new(&[("f.yaml", text)]).run(&["explain", "f.yaml", "GET", url, "--format", "json"]);
        (run.json()["table"]["name"].clone(), run.json()["authority"].clone(), run.json()["passed"].clone())
    };
    for (first, second, expected) in [
        ("", "", "one"),
        ("", "  priority: -1\n", "two"),
        ("  priority: 1\n", "  priority: 2\n", "two"),
        ("  priority: 1\n", "  phase: STATS\n", "two"),
        ("  phase: AUTHZ\n", "  phase: AUTHN\n", "two"),
        ("  phase: STATS\n", "  phase: UNSPECIFIED_PHASE\n", "one"),
    ] {
        let (table, authority, passed) = decides(&(plugin("one", "", first) + &plugin("two", "", second)));
        assert_eq!((table, authority), (json!(expected), json!(format!("{expected}.example.com"))), "{first}{second}");
        assert_eq!(passed, json!([]));
    }
    let (table, _, passed) = decides(&(plugin("one", "basePath: /x, ", "") + &plugin("two", "", "")));
    assert_eq!(table, "two");
    assert_eq!(
        passed,
        json!([{
            "name": "one", "file": "f.yaml", "line": 9, "outcome": "outOfScope",
            "reason": "the path is not below `basePath`, which is /x",
        }])
    );
    let text = plugin("one", "basePath: /x, ", "") + &plugin("two", "", "");
    let run = Folder::new(&[("f.yaml", &text)]).run(&["explain", "f.yaml", "GET", url]);
    assert!(
        run.out.starts_with(
            "passed     one (f.yaml:9): outOfScope: the path is not below `basePath`, which is /x\n\
             table      two (f.yaml:18)\noutcome    route\n"
        ),
        "{}",
        run.out
    );
    // If no table is concerned, the first one says why.
    let run = Folder::new(&[("f.yaml", &text)]).run(&["explain", "f.yaml", "GET", "https://b.example.com/"]);
    assert!(run.out.contains("table      one"), "{}", run.out);
}

#[test]
fn a_folder_may_hold_the_tables() {
    let folder =
        Folder::new(&[("m/a.yaml", &plugin("one", "basePath: /x, ", "")), ("m/b.yaml", &plugin("two", "", ""))]);
    let run = folder.run(&["explain", "m", "GET", "https://api.example.com/a"]);
    assert!(run.code == 0 && run.out.contains("authority  two.example.com"), "{}{}", run.out, run.err);
}

#[test]
fn an_unsafe_path_shows_the_byte() {
    let explained = explain(GOOD, &["GET", "api.example.com/faas/orders/a%2Fb"]);
    assert_eq!(explained["reason"], "The request has an encoded slash.");
    assert_eq!(
        explained["unsafe"],
        json!({"index": 14, "text": "%2F", "bytes": [37, 50, 70], "what": "an encoded slash"})
    );
    let run = Folder::new(&[("f.yaml", GOOD)]).run(&["explain", "f.yaml", "GET", "api.example.com/faas/a b"]);
    assert!(run.out.contains("byte       7 (0x20): a control or non-ASCII byte\n"), "{}", run.out);
}

#[test]
fn a_path_without_a_route_shows_the_nearest_ones() {
    let nearest = |url: &str| {
        let explained = explain(GOOD, &["GET", url]);
        let paths = explained["nearest"].as_array().cloned().unwrap_or_default();
        paths.iter().map(|near| near["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(nearest("api.example.com/faas/order/42")[0], "GET /faas/orders/{id}");
    assert_eq!(nearest("api.example.com/faas/old/1/2")[0], "GET /faas/old/{id}");
    assert_eq!(nearest("api.example.com/faas/pong")[0], "GET /faas/ping");
    // A path is named once, however many routes have it.
    assert_eq!(
        nearest("api.example.com/faas/orders/1/2"),
        ["GET /faas/orders/{id}", "PUT|PATCH /faas/orders/{id}", "POST /faas/orders"]
    );
    // Found, or out of scope.
    assert!(nearest("api.example.com/faas/ping").is_empty() && nearest("api.example.com/pong").is_empty());
    let run = Folder::new(&[("f.yaml", GOOD)]).run(&["explain", "f.yaml", "GET", "api.example.com/faas/old/1/2"]);
    assert!(run.out.contains("nearest\n  GET /faas/old/{id}"), "{}", run.out);
}

#[test]
fn json_has_the_considered_routes() {
    assert_eq!(
        explain(GOOD, &["GET", "api.example.com/faas/orders/42"])["considered"],
        json!([
            {"route": "beta", "match": "GET /orders/{id}", "result": "passed over: header `x-beta` is not \"true\""},
            {"route": "GET /orders/{id}", "match": "GET /orders/{id}", "result": "chosen"},
            {"route": "POST /orders", "match": "PUT|PATCH /orders/{id}", "result": "passed over: it does not serve the method"},
        ])
    );
}

#[test]
fn a_response_with_a_body_has_the_content_type_that_envoy_adds() {
    let headers = |respond: &str| {
        let table = format!("hosts: [a.b]\nroutes: [{{match: GET /, respond: {{status: 200{respond}}}}}]\n");
        explain(&table, &["GET", "a.b/"])["responseHeaders"].clone()
    };
    assert_eq!(headers(", body: pong"), json!({"content-type": "text/plain"}));
    assert_eq!(
        headers(", body: '{}', headers: {content-type: application/json}"),
        json!({"content-type": "application/json"})
    );
    assert_eq!(headers(""), json!(null));
    assert_eq!(headers(", headers: {content-type: text/css}"), json!(null));
    // A gRPC client gets a gRPC status, whoever has set which `content-type`.
    let table = "hosts: [a.b]\nresponseHeaders: {set: {x-a: b}}\nroutes: [{match: GET /, respond: {status: 200, body: a, headers: {content-type: text/css}}}]\n";
    for (method, url) in [("GET", "a.b/"), ("POST", "a.b/"), ("GET", "a.b/none"), ("GET", "a.b//")] {
        let found = explain(table, &[method, url, "-H", "content-type: application/grpc+proto"]);
        assert_eq!(found["responseHeaders"]["content-type"], "application/grpc", "{method} {url}");
        let found = explain(table, &[method, url, "-H", "content-type: application/grpc-web"]);
        assert_ne!(found["responseHeaders"]["content-type"], "application/grpc", "{method} {url}");
    }
}

/// A request that finds no route because of a small mistake names the mistake.
#[test]
fn a_small_mistake_in_a_request_is_the_reason() {
    let table = "hosts: [a.b]\ndomain: example.com\nnamespace: shop\nroutes:\n  - {match: GET /orders, service: a}\n  \
        - {match: 'GET /items/', service: a}\n  - {match: 'POST /carts/{id}', service: a}\n";
    for (method, url, reason) in [
        ("GET", "a.b/orders/", json!("a route matches the path without the `/` at its end")),
        ("GET", "a.b/orders/?q=/", json!("a route matches the path without the `/` at its end")),
        ("GET", "a.b/items", json!("a route matches the path with a `/` at its end")),
        ("GET", "a.b/Orders", json!("paths are case-sensitive, and a route matches this one in lower case")),
        ("get", "a.b/orders", json!("methods are case-sensitive, and a route serves this one in upper case")),
        ("PUT", "a.b/orders", json!(null)),
        ("put", "a.b/orders", json!(null)),
        ("GET", "a.b/carts/1/", json!(null)),
        ("GET", "a.b/other", json!(null)),
        ("GET", "a.b/orders", json!(null)),
    ] {
        assert_eq!(explain(table, &[method, url])["reason"], reason, "{method} {url}");
    }
}

#[test]
fn the_reason_of_an_unsafe_path_is_the_same_for_a_grpc_client() {
    let table = "hosts: [a.b]\ndomain: example.com\nnamespace: shop\nroutes: [{match: 'GET /x/{**rest}', service: a, rewritePath: '/{rest}'}]\n";
    for url in ["a.b/a//b", "a.b/x/%2e%2e/b", "a.b/a%2fb"] {
        let plain = explain(table, &["GET", url])["reason"].clone();
        assert!(plain.as_str().is_some_and(|reason| !reason.is_empty()), "{url}: {plain}");
        assert_eq!(explain(table, &["GET", url, "-H", "content-type: application/grpc"])["reason"], plain, "{url}");
    }
}

#[test]
fn what_is_no_request_is_refused() {
    let folder = Folder::new(&[("f.yaml", GOOD)]);
    for (arguments, words) in [
        (&["https://api.example.com/", "GET"][..], "write the method first, such as `GET`, and then the URL"),
        (&["GE T", "https://api.example.com/"], "\"GE T\" is not a method"),
        (&["", "https://api.example.com/"], "the method is empty"),
        (&["GET", "https://api.example.com/", "-H", "x beta: 1"], "write letters, digits and `-`"),
        (&["GET", "https://api.example.com/", "-H", "x: 1\ny: 2"], "a value has no line breaks"),
    ] {
        let run = folder.run(&[&["explain", "f.yaml"], arguments].concat());
        assert_eq!((run.code, &*run.out), (2, ""), "{arguments:?}");
        assert!(run.err.starts_with("error: ") && run.err.contains(words), "{}", run.err);
    }
}

#[test]
fn a_table_with_an_error_outside_its_routes_has_no_host_in_scope() {
    let table = GOOD.replace("basePath: /faas", "basePath: /");
    let run = Folder::new(&[("f.yaml", &table)]).run(&["explain", "f.yaml", "GET", "https://api.example.com/orders/1"]);
    assert_eq!(run.code, 1);
    let reason = "no host is in scope, because the table is missing or has an error outside its routes";
    assert!(run.out.contains(reason), "{}{}", run.out, run.err);
}

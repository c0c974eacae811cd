//! A KSVC from its first `kubectl apply` to its deletion, called by method and path.

use anyhow::{Result, ensure};
use serde_json::json;
use testenv::http1::{Request, Response};
use testenv::knative::function::REVISION_HEADER;
use testenv::knative::objects;
use testenv::knative::serving::eventually;

use crate::{Env, tests};

tests! { a_ksvc_is_routed_from_its_first_revision_to_its_deletion }

fn a_ksvc_is_routed_from_its_first_revision_to_its_deletion(env: &Env) -> Result<()> {
    let api = env.api("lifecycle")?;
    let read = json!({"match": "GET /orders/{id}", "service": "orders"});
    let write = json!({"match": "POST /orders", "service": "orders-write"});
    api.apply(&api.table(json!([read, write])))?;
    let post = || api.send(&Request::new("POST", &api.host, "/orders").body("{}"));

    // The route is there before the KSVC, so the gateway knows no such host.
    let absent = api.get("/orders/1")?;
    ensure!((absent.status, absent.body.len()) == (404, 0), "no KSVC, and yet a response: {absent:?}");

    // Made.
    let orders = api.ksvc("orders");
    api.serve(&[orders.clone(), api.ksvc("orders-write")])?;
    let first = api.await_status("/orders/1", 200)?;
    ensure!(first.header(REVISION_HEADER) == Some("orders-00001"), "{first:?}");
    let written = post()?;
    ensure!(written.header(REVISION_HEADER) == Some("orders-write-00001"), "{written:?}");
    ensure!(api.send(&Request::new("DELETE", &api.host, "/orders"))?.status == 405);

    // Changed: the same route reaches the new revision, and no request is lost on the way.
    let changed = objects::with_variable(orders.clone(), "COLOUR", "blue");
    api.knative.cluster().apply(std::slice::from_ref(&changed))?;
    let mut sent = 0;
    eventually("the route reaches the new revision", || {
        let response = api.get("/orders/1")?;
        sent += 1;
        ensure!(response.status == 200, "request {sent} during the change: {response:?}");
        Ok(response.header(REVISION_HEADER) == Some("orders-00002"))
    })?;
    api.knative.await_ready(&[changed])?;

    // Another route for it, by an edit of the table alone. Until then the filter itself answers.
    let list = Request::get(&api.host, "/orders");
    let unknown = api.send(&list)?;
    ensure!(unknown.status == 405, "{unknown:?}");
    api.apply(&api.table(json!([read, write, {"match": "GET /orders", "service": "orders"}])))?;
    let listed = api.send(&list)?;
    ensure!(listed.header(REVISION_HEADER) == Some("orders-00002"), "{listed:?}");

    // Deleted: the gateway knows no such host any more, and says so without a word.
    api.knative.cluster().kubectl(["delete", "ksvc", "orders", "-n", &api.name])?;
    eventually("the gateway has no route to the deleted KSVC", || {
        ensure!(post()?.status == 200, "the other route does not go on");
        let responses = api.send_at_once(&vec![Request::get(&api.host, "/orders/1"); 8])?;
        let old = |response: &Response| response.header(REVISION_HEADER) == Some("orders-00002");
        // For a moment the route is still there. Then the activator answers 404 itself, with the name of the revision.
        ensure!(responses.iter().all(|response| response.status != 200 || old(response)), "{responses:?}");
        Ok(responses.iter().all(|response| response.status == 404 && response.body.is_empty()))
    })?;
    let gone = api.get("/orders/gone")?;
    ensure!((gone.status, gone.header("content-type"), gone.text().as_str()) == (404, None, ""), "{gone:?}");
    ensure!(post()?.status == 200, "the other route does not go on");

    // Made again under the same name: the table needs no edit.
    api.serve(&[orders])?;
    let again = api.await_status("/orders/1", 200)?;
    ensure!(again.header(REVISION_HEADER) == Some("orders-00001"), "{again:?}");

    // The access log names the route, and says that the gateway knows no such host.
    let access = api.access(&api.host, "/orders/gone")?;
    let expected =
        "status=404 flags=NR details=route_not_found authority=orders.lifecycle.example.com route=GET /orders/{id}";
    ensure!(access == expected, "{access}");
    Ok(())
}

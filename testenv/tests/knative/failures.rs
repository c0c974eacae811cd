//! Functions that fail: what the client sees, and what it does not change.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testenv::http1::Request;
use testenv::knative::function::{NUMBER_HEADER, REVISION_HEADER};
use testenv::stand_in::RESPONSE_HEADERS;

use crate::api::{Api, number};
use crate::{Env, tests};

tests! {
    a_crash_of_a_function_is_a_502_of_queue_proxy_as_by_host,
    a_crash_in_the_middle_of_a_response_cuts_it_as_by_host,
    a_function_that_hangs_is_a_504_of_knative_as_by_host,
    an_error_of_the_function_itself_arrives_as_it_is_and_is_not_tried_again,
}

/// Serves these KSVCs and `other`, each by a route to `/NAME`.
fn serve(api: &Api<'_>, mut ksvcs: Vec<serde_json::Value>) -> Result<()> {
    ksvcs.push(api.ksvc("other"));
    let names = ksvcs.iter().map(|ksvc| ksvc["metadata"]["name"].as_str().unwrap_or_default());
    let routes = names.clone().map(|name| json!({"match": format!("GET|POST /{name}"), "service": name}));
    api.apply(&api.table(routes.collect()))?;
    api.serve(&ksvcs)?;
    for ksvc in &ksvcs {
        api.await_status(&format!("/{}", ksvc["metadata"]["name"].as_str().unwrap_or_default()), 200)?;
    }
    Ok(())
}

/// Checks that the route to another function goes on.
fn check_other(api: &Api<'_>) -> Result<()> {
    let other = api.get("/other")?;
    ensure!(other.status == 200, "the other route does not go on: {other:?}");
    Ok(())
}

fn a_crash_of_a_function_is_a_502_of_queue_proxy_as_by_host(env: &Env) -> Result<()> {
    let api = env.api("crash")?;
    // One function for each way, because the pause before a restart grows with each crash.
    serve(&api, vec![api.ksvc("one"), api.ksvc("two")])?;
    let host = api.ksvc_host("two");
    // Not GET: Go's proxies send a GET again if the connection broke.
    let crash = |host: &str, path: &str| Request::new("POST", host, path).header("x-stand-in", "exit=3").body("x");
    let crashed = api.send_at_once(&[crash(&api.host, "/one?crash"), crash(&host, "/two?crash")])?;
    check_other(&api)?;
    for response in &crashed {
        ensure!(response.status == 502, "{response:?}");
        // queue-proxy's text is the error that Go's HTTP client had at that moment. There are many of them: they name the
        // connection to the function, or HTTP, or the end of the stream.
        let text = response.text();
        let known = text.trim().ends_with("EOF") || ["tcp 127.0.0.1:", "http: "].iter().any(|part| text.contains(part));
        ensure!(known, "not an error of the connection to the function: {response:?}");
        ensure!(response.header("content-type") == Some("text/plain; charset=utf-8"), "{response:?}");
        ensure!(response.header("x-content-type-options") == Some("nosniff"), "{response:?}");
        ensure!(response.header(REVISION_HEADER).is_none(), "{response:?}");
    }
    // The next requests are answered once Kubernetes has started the function again.
    for path in ["/one", "/two"] {
        api.await_status(path, 200)?;
    }
    for (host, path) in [(&api.host, "/one?crash"), (&host, "/two?crash")] {
        let access = api.access(host, path)?;
        ensure!(access.starts_with("status=502 flags=- details=via_upstream "), "{access}");
    }
    Ok(())
}

fn a_crash_in_the_middle_of_a_response_cuts_it_as_by_host(env: &Env) -> Result<()> {
    let api = env.api("cut")?;
    serve(&api, vec![api.ksvc("one"), api.ksvc("two")])?;
    let host = api.ksvc_host("two");
    for (host, path) in [(&api.host, "/one?cut"), (&host, "/two?cut")] {
        // queue-proxy sends no small part of a response before the rest is there.
        let cut = api.send(&Request::get(host, path).header("x-stand-in", "exit-after=100000"));
        let error = cut.err().with_context(|| format!("{path}: the response is whole"))?;
        ensure!(format!("{error:#}").contains("HTTP/1.1 200 OK"), "{path}: no begin of the response: {error:#}");
        check_other(&api)?;
    }
    for path in ["/one", "/two"] {
        api.await_status(path, 200)?;
    }
    for (host, path) in [(&api.host, "/one?cut"), (&host, "/two?cut")] {
        let access = api.access(host, path)?;
        ensure!(access.starts_with("status=200 flags=UPE details=upstream_reset_after_response_started"), "{access}");
    }
    Ok(())
}

fn a_function_that_hangs_is_a_504_of_knative_as_by_host(env: &Env) -> Result<()> {
    let api = env.api("hang")?;
    let impatient = |name: &str| {
        let mut ksvc = api.ksvc(name);
        ksvc["spec"]["template"]["spec"]["timeoutSeconds"] = 2.into();
        ksvc
    };
    serve(&api, vec![impatient("one"), impatient("two")])?;
    let host = api.ksvc_host("two");
    let hang = |host: &str, path: &str| Request::get(host, path).header("x-stand-in", "hang=5000");
    let before = number(&api.await_status("/one", 200)?, NUMBER_HEADER)?;
    let hung = api.send_at_once(&[hang(&api.host, "/one?hang"), hang(&host, "/two?hang")])?;
    for response in &hung {
        // The time is up in the activator and in queue-proxy at once, and either may be the first to say so.
        let known = ["activator request timeout", "request timeout"].contains(&response.text().as_str());
        ensure!(response.status == 504 && known, "{response:?}");
        ensure!(response.header("content-type") == Some("text/plain; charset=utf-8"), "{response:?}");
    }
    check_other(&api)?;
    // Nothing starts the function again, because only a liveness probe would. It goes on when it wakes up.
    let after = number(&api.await_status("/one", 200)?, NUMBER_HEADER)?;
    ensure!(after > before, "the function has started again: request {after} after request {before}");
    Ok(())
}

fn an_error_of_the_function_itself_arrives_as_it_is_and_is_not_tried_again(env: &Env) -> Result<()> {
    let api = env.api("errors")?;
    serve(&api, vec![api.ksvc("one")])?;
    let host = api.ksvc_host("one");
    let mut last = number(&api.get("/one")?, NUMBER_HEADER)?;
    for status in [500, 502, 503, 504] {
        for (host, path) in [(&api.host, "/one"), (&host, "/two")] {
            let request =
                Request::get(host, format!("{path}?{status}")).header("x-stand-in", &format!("status={status}"));
            let response = api.send(&request)?;
            ensure!(response.status == status, "{path}: {response:?}");
            ensure!(response.header(REVISION_HEADER) == Some("one-00001"), "{path}: {response:?}");
            let report: testenv::stand_in::Report = serde_json::from_slice(&response.body)?;
            ensure!(report.authority == api.ksvc_host("one"), "{path}: {report:?}");
            last += 1;
            ensure!(number(&response, NUMBER_HEADER)? == last, "{path}: sent more than once: {response:?}");
        }
    }
    // A gRPC status in the response's headers is different: Istio's default is to try two more times.
    for (host, path) in [(&api.host, "/one"), (&host, "/two")] {
        let unavailable = Request::get(host, path).header(RESPONSE_HEADERS, r#"[["grpc-status", "14"]]"#);
        last += 3;
        let response = api.send(&unavailable)?;
        ensure!(number(&response, NUMBER_HEADER)? == last, "{path}: not sent three times: {response:?}");
    }
    let access = api.access(&api.host, "/one?503")?;
    ensure!(access.starts_with("status=503 flags=- details=via_upstream "), "{access}");
    Ok(())
}

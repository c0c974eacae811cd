//! Knative's limits of a function: its concurrency and its time.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testenv::http1::Request;
use testenv::knative::function::MOST_HEADER;
use testenv::knative::objects::{annotated, with_variable};

use crate::api::{Api, number};
use crate::{Env, tests};

tests! {
    requests_beyond_the_concurrency_of_a_pod_wait_and_are_all_answered,
    requests_beyond_the_queue_of_a_pod_get_a_503_of_queue_proxy,
    the_shorter_of_the_timeouts_of_route_and_ksvc_ends_a_request,
    a_timeout_shorter_than_a_cold_start_does_not_stop_the_start,
}

/// Returns a KSVC whose pods handle one request at a time.
fn one_at_a_time(api: &Api<'_>, name: &str) -> Value {
    let mut ksvc = api.ksvc(name);
    ksvc["spec"]["template"]["spec"]["containerConcurrency"] = 1.into();
    ksvc
}

fn slow(api: &Api<'_>, path: &str, milliseconds: u32) -> Request {
    Request::get(&api.host, path).header("x-stand-in", &format!("delay={milliseconds}"))
}

fn requests_beyond_the_concurrency_of_a_pod_wait_and_are_all_answered(env: &Env) -> Result<()> {
    let api = env.api("concurrency")?;
    api.apply(&api.table(json!([
        {"match": "GET /one", "service": "one"},
        {"match": "GET /any", "service": "any"},
    ])))?;
    api.serve(&[one_at_a_time(&api, "one"), annotated(api.ksvc("any"), "max-scale", "1")])?;
    let most = |path: &str| {
        let responses = api.send_at_once(&vec![slow(&api, path, 700); 6])?;
        let most = responses.iter().map(|response| {
            ensure!(response.status == 200, "{path}: {response:?}");
            number(response, MOST_HEADER)
        });
        most.collect::<Result<Vec<_>>>()
    };
    let limited = most("/one")?;
    ensure!(limited.iter().all(|most| *most == 1), "two requests at the same time in one pod: {limited:?}");
    // Without the limit they overlap, so the requests above could have.
    let unlimited = most("/any")?;
    ensure!(unlimited.iter().any(|most| *most > 1), "no requests at the same time: {unlimited:?}");
    Ok(())
}

fn requests_beyond_the_queue_of_a_pod_get_a_503_of_queue_proxy(env: &Env) -> Result<()> {
    let api = env.api("queue")?;
    api.apply(&api.table_to("one"))?;
    let ksvc = annotated(one_at_a_time(&api, "one"), "max-scale", "1");
    api.serve(&[annotated(ksvc, "target-burst-capacity", "0")])?;
    api.await_activator("/one", false)?;
    // One is handled, ten wait, and queue-proxy refuses the others.
    let responses = api.send_at_once(&vec![slow(&api, "/one", 3000); 16])?;
    let (answered, refused): (Vec<_>, Vec<_>) = responses.iter().partition(|response| response.status == 200);
    ensure!(answered.len() >= 11, "only {} of 16 are answered: {responses:?}", answered.len());
    ensure!(!refused.is_empty(), "more than eleven requests fit into one pod");
    for response in refused {
        ensure!(
            (response.status, response.text().trim()) == (503, "pending request queue full"),
            "neither the function nor queue-proxy has answered: {response:?}"
        );
    }
    Ok(())
}

/// The bodies of the 504 of each part.
const ENVOY: &[&str] = &["upstream request timeout"];
const QUEUE_PROXY: &[&str] = &["request timeout"];
/// The time is up in both at once, and either may be the first to say so.
const ACTIVATOR: &[&str] = &["activator request timeout", "request timeout"];

fn the_shorter_of_the_timeouts_of_route_and_ksvc_ends_a_request(env: &Env) -> Result<()> {
    let api = env.api("timeouts")?;
    api.apply(&api.table(json!([
        {"match": "GET /direct/short", "service": "direct", "timeout": "1s"},
        {"match": "GET /direct/long", "service": "direct", "timeout": "20s"},
        {"match": "GET /direct/none", "service": "direct"},
        {"match": "GET /activator/short", "service": "activator", "timeout": "1s"},
        {"match": "GET /activator/long", "service": "activator", "timeout": "20s"},
    ])))?;
    let ksvc = |name: &str, capacity: &str| {
        let mut ksvc = annotated(api.ksvc(name), "target-burst-capacity", capacity);
        ksvc["spec"]["template"]["spec"]["timeoutSeconds"] = 6.into();
        ksvc
    };
    api.serve(&[ksvc("direct", "0"), ksvc("activator", "-1")])?;
    api.await_activator("/direct/none", false)?;
    api.await_activator("/activator/long", true)?;
    // The requests by host have no timeout but that of Knative.
    let (direct, activator) = (api.ksvc_host("direct"), api.ksvc_host("activator"));
    let cases = [
        (&api.host, "/direct/short", ENVOY, "UT details=response_timeout"),
        (&api.host, "/direct/long", QUEUE_PROXY, "- details=via_upstream"),
        (&api.host, "/direct/none", QUEUE_PROXY, "- details=via_upstream"),
        (&direct, "/direct/host", QUEUE_PROXY, "- details=via_upstream"),
        (&api.host, "/activator/short", ENVOY, "UT details=response_timeout"),
        (&api.host, "/activator/long", ACTIVATOR, "- details=via_upstream"),
        (&activator, "/activator/host", ACTIVATOR, "- details=via_upstream"),
    ];
    // The query tells these requests from those above.
    let path = |path: &str| format!("{path}?slow");
    let requests = cases.map(|(host, at, ..)| Request::get(host, path(at)).header("x-stand-in", "delay=15000"));
    for ((_, at, body, _), response) in cases.iter().zip(api.send_at_once(&requests)?) {
        ensure!(response.status == 504 && body.contains(&response.text().as_str()), "{at}: {response:?}");
    }
    for (host, at, _, flags) in cases {
        let access = api.access(host, &path(at))?;
        ensure!(access.starts_with(&format!("status=504 flags={flags} ")), "{at}: {access}");
    }
    Ok(())
}

fn a_timeout_shorter_than_a_cold_start_does_not_stop_the_start(env: &Env) -> Result<()> {
    let api = env.api("impatient")?;
    api.apply(&api.table(json!([
        {"match": "GET /route", "service": "route", "timeout": "1s"},
        {"match": "GET /ksvc", "service": "ksvc", "timeout": "30s"},
        {"match": "GET /patient", "service": "patient", "timeout": "60s"},
    ])))?;
    let ksvc = |name: &str| {
        let ksvc = annotated(api.ksvc(name), "initial-scale", "0");
        with_variable(ksvc, "FUNCTION_DELAY", "4000")
    };
    let mut limited = ksvc("ksvc");
    limited["spec"]["template"]["spec"]["timeoutSeconds"] = 2.into();
    api.serve(&[ksvc("route"), limited, ksvc("patient")])?;
    for name in ["route", "ksvc", "patient"] {
        ensure!(api.pods(name)?.is_empty(), "{name} has a pod before the first request");
    }
    // A KSVC's `timeoutSeconds` includes the start too, because the activator counts it.
    let responses = api.send_at_once(&["/route", "/ksvc", "/patient"].map(|path| Request::get(&api.host, path)))?;
    let seen: Vec<_> = responses.iter().map(|response| (response.status, response.text())).collect();
    ensure!(seen[0] == (504, "upstream request timeout".to_owned()), "/route: {seen:?}");
    ensure!(seen[1] == (504, "activator request timeout".to_owned()), "/ksvc: {seen:?}");
    ensure!(seen[2].0 == 200, "/patient: {seen:?}");
    // The first request has started the pod, so a later one is answered.
    for path in ["/route", "/ksvc"] {
        api.await_status(path, 200)?;
    }
    Ok(())
}

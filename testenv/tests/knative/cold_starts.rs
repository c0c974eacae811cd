//! Requests through the plugin that start a pod.

use std::future::Future;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testenv::http1::{Request, Response};
use testenv::knative::function::REVISION_HEADER;
use testenv::knative::objects::{annotated, h2c};
use testenv::knative::serving::eventually;
use testenv::stand_in::Report;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::api::{Api, PATIENCE};
use crate::common::{protocols, report};
use crate::{Env, Test, tests};

tests! {
    cold_ksvcs_called_side_by_side_answer_their_own_requests,
    a_request_of_each_protocol_starts_a_cold_function,
    large_bodies_pass_whole_through_a_cold_start,
    requests_that_wait_for_the_same_cold_function_are_all_answered,
}

/// What measures and checks nothing.
pub(crate) const MEASUREMENTS: &[Test] = &[("cold_starts::cold_start_times", cold_start_times)];

/// Returns a route to each KSVC, from `GET /NAME/{id}`.
fn route_each(ksvcs: &[String]) -> Value {
    ksvcs.iter().map(|name| json!({"match": format!("GET /{name}/{{id}}"), "service": name})).collect()
}

fn ensure_cold(api: &Api, ksvc: &str) -> Result<()> {
    let pods = api.pods(ksvc)?;
    ensure!(pods.is_empty(), "{ksvc} is not cold: {pods:?}");
    Ok(())
}

/// Checks that the first revision of this KSVC has answered, and returns its report.
fn report_of(api: &Api, ksvc: &str, response: &Response) -> Result<Report> {
    let report = report(response)?;
    let revision = response.header(REVISION_HEADER).unwrap_or_default();
    ensure!(report.authority == api.ksvc_host(ksvc) && revision == format!("{ksvc}-00001"), "{revision}: {report:?}");
    Ok(report)
}

fn cold_ksvcs_called_side_by_side_answer_their_own_requests(env: &Env) -> Result<()> {
    const KSVCS: usize = 20;
    const REQUESTS_EACH: usize = 5;
    let api = env.api("cold-many")?;
    let names: Vec<String> = (0..KSVCS).map(|number| format!("f{number}")).collect();
    let (used, unused) = names.split_at(2);
    api.apply(&api.table(route_each(&names)))?;
    // Two KSVCs have scaled to zero, the others have never had a pod.
    let ksvcs = used.iter().map(|name| annotated(api.ksvc(name), "window", "6s"));
    api.serve(&ksvcs.chain(unused.iter().map(|name| api.cold(name))).collect::<Vec<_>>())?;
    for name in used {
        report_of(&api, name, &api.get(&format!("/{name}/first"))?)?;
        api.await_no_pods(name)?;
    }
    for name in &names {
        ensure_cold(&api, name)?;
    }

    let of_each = |id| names.iter().map(move |name| (name, format!("/{name}/{id}")));
    let calls: Vec<_> = (0..REQUESTS_EACH).flat_map(of_each).collect();
    let requests: Vec<_> = calls.iter().map(|(_, path)| Request::get(&api.host, path)).collect();
    let begun = Instant::now();
    for ((name, path), response) in calls.iter().zip(api.try_at_once(&requests)) {
        let report = response.and_then(|response| report_of(&api, name, &response)).with_context(|| path.clone())?;
        ensure!(report.path == *path, "{path}: {report:?}");
    }
    eprintln!("{} requests to {KSVCS} cold KSVCs at once, none lost, in {:?}", requests.len(), begun.elapsed());
    Ok(())
}

fn a_request_of_each_protocol_starts_a_cold_function(env: &Env) -> Result<()> {
    let api = env.api("cold-protocols")?;
    api.apply(&api.table(json!([
        {"match": "GET /plain", "service": "plain"},
        {"match": "GET /faas/orders/{id}", "service": "orders"},
        {"match": "PUT /faas/orders/{id}", "service": "orders-write"},
        {"match": "ANY /faas/payments/{*rest}", "service": "payments", "rewritePath": "/v2/{rest}"},
        {"match": "POST /echo.Echo/Say", "service": "echo"},
        {"match": "POST /echo.Echo/Chat", "service": "chat"},
    ])))?;
    let http = ["plain", "orders", "orders-write", "payments"].map(|name| api.cold(name));
    let grpc = ["echo", "chat"].map(|name| h2c(api.cold(name)));
    api.serve(&[&http[..], &grpc].concat())?;

    ensure_cold(&api, "plain")?;
    report_of(&api, "plain", &api.get("/plain")?)?;
    let at = || protocols::At {
        gateway: env.knative.address(),
        host: api.host.clone(),
        namespace: api.name.clone(),
        of_payments: api.name.clone(),
    };
    let runtime = Runtime::new()?;
    let check = |ksvcs: &[&str], rule: std::pin::Pin<Box<dyn Future<Output = Result<()>>>>| {
        ksvcs.iter().try_for_each(|ksvc| ensure_cold(&api, ksvc))?;
        runtime.block_on(async { timeout(PATIENCE, rule).await.context("it hangs")? }).with_context(|| ksvcs.join(", "))
    };
    check(&["orders", "orders-write"], Box::pin(protocols::http2_requests_of_one_connection_reach_their_ksvcs(at())))?;
    check(&["payments"], Box::pin(protocols::websockets_pass_through_a_rewritten_authority(at())))?;
    check(&["echo"], Box::pin(protocols::unary_grpc_passes_through_a_rewritten_authority(at())))?;
    check(&["chat"], Box::pin(protocols::messages_of_streaming_grpc_pass_one_by_one(at())))
}

fn large_bodies_pass_whole_through_a_cold_start(env: &Env) -> Result<()> {
    const SIZE: usize = 20 << 20;
    let api = env.api("cold-bodies")?;
    api.apply(&api.table(json!([
        {"match": "POST /up", "service": "up"},
        {"match": "GET /down", "service": "down"},
    ])))?;
    api.serve(&[api.cold("up"), api.cold("down")])?;
    ensure_cold(&api, "up")?;
    let request = Request::new("POST", &api.host, "/up").header("x-stand-in", "count").body(vec![b'x'; SIZE]);
    let counted = report_of(&api, "up", &api.send(&request)?)?.body;
    ensure!(counted == SIZE.to_string(), "{counted} of {SIZE} bytes have arrived");
    ensure_cold(&api, "down")?;
    let response = api.send(&Request::get(&api.host, "/down").header("x-stand-in", &format!("bytes={SIZE}")))?;
    let (status, length) = (response.status, response.body.len());
    ensure!(status == 200 && response.body == vec![b'x'; SIZE], "status {status}, {length} of {SIZE} bytes");
    Ok(())
}

fn requests_that_wait_for_the_same_cold_function_are_all_answered(env: &Env) -> Result<()> {
    const REQUESTS: usize = 200;
    let api = env.api("cold-crowd")?;
    api.apply(&api.table_to("function"))?;
    api.serve(&[api.cold("function")])?;
    ensure_cold(&api, "function")?;
    let paths: Vec<_> = (0..REQUESTS).map(|id| format!("/requests/{id}")).collect();
    let requests: Vec<_> = paths.iter().map(|path| Request::get(&api.host, path)).collect();
    let begun = Instant::now();
    for (path, response) in paths.iter().zip(api.try_at_once(&requests)) {
        let report =
            response.and_then(|response| report_of(&api, "function", &response)).with_context(|| path.clone())?;
        ensure!(report.path == *path, "{path}: {report:?}");
    }
    eprintln!("{REQUESTS} requests to one cold KSVC at once, none lost, in {:?}", begun.elapsed());
    Ok(())
}

/// Measures cold starts through the plugin and by the KSVC's own host, in turn.
fn cold_start_times(env: &Env) -> Result<()> {
    const EACH: usize = 20;
    let api = env.exclusive_api("cold-times")?;
    let name = |number: usize| format!("f{number}");
    let names: Vec<_> = (0..2 * EACH).map(name).collect();
    api.apply(&api.table(route_each(&names)))?;
    // A KSVC that has never had a pod is no measure: Knative's autoscaler starts its first pod only at its next round,
    // which it makes every 2 s. After a scale to zero it starts one at once.
    api.serve(&names.iter().map(|name| annotated(api.ksvc(name), "window", "6s")).collect::<Vec<_>>())?;
    eventually("no pod is left", || Ok(env.knative.cluster().kubectl(["get", "pods", "-n", &api.name])?.is_empty()))?;
    let mut times = [Vec::new(), Vec::new()];
    for (number, name) in names.iter().enumerate() {
        ensure_cold(&api, name)?;
        // Both ways come first equally often.
        let way = (number + number / 2) % 2;
        let path = format!("/{name}/1");
        let host = if way == 0 { api.host.clone() } else { api.ksvc_host(name) };
        // Nothing of the last function's end should run during the next start.
        thread::sleep(Duration::from_secs(2));
        let begun = Instant::now();
        let response = api.send(&Request::get(host, &path))?;
        times[way].push(begun.elapsed());
        report_of(&api, name, &response)?;
        env.knative.cluster().kubectl(["delete", "ksvc", name, "-n", &api.name, "--wait=false"])?;
    }
    let [through, by_host] = times.map(|times| {
        let mut times: Vec<_> = times.iter().map(Duration::as_millis).collect();
        times.sort_unstable();
        times
    });
    // All of them, because they come in groups: the median depends on how many of 20 fall into each.
    for (way, times) in [("through the plugin", through), ("by the KSVC's host", by_host)] {
        eprintln!("{EACH} cold starts {way}, in ms: {times:?}");
    }
    Ok(())
}

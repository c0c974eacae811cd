//! Revisions of a KSVC behind one route: traffic splits, tags, rollouts.

use std::sync::Mutex;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testenv::http1::{Request, Response};
use testenv::knative::function::REVISION_HEADER;
use testenv::knative::objects::{annotated, with_variable};
use testenv::knative::serving::eventually;

use crate::api::Api;
use crate::common::report;
use crate::load::{Client, under_load};
use crate::{Env, tests};

tests! {
    a_traffic_split_holds_behind_one_route,
    a_route_with_a_tag_reaches_the_revision_with_the_tag,
    a_rollout_under_load_loses_nothing,
    a_revision_that_never_becomes_ready_takes_nothing_from_the_old_one,
}

/// Returns a KSVC that differs from the one with another number, so that applying both makes two revisions.
fn edition(api: &Api, name: &str, number: usize) -> Value {
    with_variable(api.ksvc(name), "EDITION", &number.to_string())
}

fn with_traffic(mut ksvc: Value, traffic: Value) -> Value {
    ksvc["spec"]["traffic"] = traffic;
    ksvc
}

/// Returns the revision that has answered.
fn revision(response: &Response) -> Result<String> {
    report(response)?;
    Ok(response.header(REVISION_HEADER).unwrap_or_default().to_owned())
}

fn a_traffic_split_holds_behind_one_route(env: &Env) -> Result<()> {
    // With 10 % for the second revision, the number of its responses is outside of these bounds with a probability of
    // 8.2e-10.
    const REQUESTS: usize = 800;
    const FEWEST: usize = 25;
    const MOST: usize = 135;
    let api = env.api("split")?;
    api.apply(&api.table_to("function"))?;
    api.serve(&[edition(&api, "function", 1)])?;
    let split = json!([
        {"revisionName": "function-00001", "percent": 90},
        {"revisionName": "function-00002", "percent": 10},
    ]);
    api.serve(&[with_traffic(edition(&api, "function", 2), split)])?;
    let mut client = Client::new(env.knative.address());
    let mut of_second = 0;
    for id in 0..REQUESTS {
        match &*revision(&client.send(&Request::get(&api.host, format!("/{id}")))?)? {
            "function-00001" => {}
            "function-00002" => of_second += 1,
            other => anyhow::bail!("revision {other:?} has answered"),
        }
    }
    eprintln!("{of_second} of {REQUESTS} requests went to the revision with 10 % of the traffic");
    ensure!((FEWEST..=MOST).contains(&of_second), "{of_second} of {REQUESTS} went to the revision with 10 %");
    Ok(())
}

fn a_route_with_a_tag_reaches_the_revision_with_the_tag(env: &Env) -> Result<()> {
    let api = env.api("tagged")?;
    api.apply(&api.table(json!([
        {"match": "GET /orders/{id}", "service": "orders"},
        {"match": "GET /orders/{id}", "when": {"headers": {"x-canary": "*"}}, "service": "orders", "tag": "canary"},
        {"match": "GET /preview/{tag}/{id}", "service": "orders", "tag": "{tag}"},
    ])))?;
    api.serve(&[edition(&api, "orders", 1)])?;
    let canary = json!([
        {"revisionName": "orders-00001", "percent": 100},
        {"revisionName": "orders-00002", "percent": 0, "tag": "canary"},
    ]);
    api.serve(&[with_traffic(edition(&api, "orders", 2), canary)])?;
    let get = |path: &str| Request::get(&api.host, path);
    let cases = [
        (get("/orders/1"), "orders", "orders-00001"),
        (get("/orders/1").header("x-canary", "yes"), "canary-orders", "orders-00002"),
        (get("/preview/canary/1"), "canary-orders", "orders-00002"),
    ];
    for (request, host, expected) in &cases {
        for _ in 0..5 {
            let response = api.send(request)?;
            let (report, revision) = (report(&response)?, revision(&response)?);
            let as_expected = revision == *expected && report.authority == api.ksvc_host(host);
            ensure!(as_expected, "{revision} and not {expected} has answered {report:?}");
        }
    }
    // There is no such host, so this is the gateway's own response.
    let unknown = api.get("/preview/other/1")?;
    ensure!(unknown.status == 404 && unknown.header(REVISION_HEADER).is_none(), "{unknown:?}");
    Ok(())
}

fn a_rollout_under_load_loses_nothing(env: &Env) -> Result<()> {
    const CLIENTS: usize = 4;
    let api = env.api("rollout")?;
    api.apply(&api.table_to("function"))?;
    let short_lived = |number| annotated(edition(&api, "function", number), "window", "6s");
    api.serve(&[short_lived(1)])?;
    let seen = Mutex::new([0, 0]);
    let client = |_| {
        |client: &mut Client| {
            let revision = revision(&client.send(&Request::get(&api.host, "/orders/1"))?)?;
            let index = ["function-00001", "function-00002"].iter().position(|known| *known == revision);
            let Some(index) = index else { anyhow::bail!("revision {revision:?} has answered") };
            seen.lock().expect("no thread panics")[index] += 1;
            Ok(())
        }
    };
    let ((), sent) = under_load(env.knative.address(), CLIENTS, client, || {
        eventually("the old revision answers", || Ok(seen.lock().expect("no thread panics")[0] > 50))?;
        api.serve(&[short_lived(2)])?;
        for _ in 0..40 {
            let revision = revision(&api.get("/orders/1")?)?;
            ensure!(revision == "function-00002", "{revision} has answered after the KSVC was ready again");
        }
        // The load goes on while the pods of the old revision end.
        eventually("the old revision has no pods", || {
            Ok(api.pods("function")?.iter().all(|pod| pod.starts_with("function-00002-")))
        })
    })?;
    let [old, new] = *seen.lock().expect("no thread panics");
    ensure!(old > 50 && new > 50, "{old} responses of the old revision, {new} of the new one");
    eprintln!("{sent} requests during a rollout, none lost: {old} to the old revision, {new} to the new one");
    Ok(())
}

fn a_revision_that_never_becomes_ready_takes_nothing_from_the_old_one(env: &Env) -> Result<()> {
    const CLIENTS: usize = 2;
    let api = env.api("never-ready")?;
    api.apply(&api.table_to("function"))?;
    api.serve(&[edition(&api, "function", 1)])?;
    let broken = with_variable(edition(&api, "function", 2), "FUNCTION_EXIT", "1");
    let broken = annotated(broken, "serving.knative.dev/progress-deadline", "5s");
    let client = |_| {
        |client: &mut Client| {
            let revision = revision(&client.send(&Request::get(&api.host, "/orders/1"))?)?;
            ensure!(revision == "function-00001", "{revision} has answered");
            Ok(())
        }
    };
    let ((), sent) = under_load(env.knative.address(), CLIENTS, client, || {
        env.knative.cluster().apply(&[broken])?;
        let wait = ["wait", "-n", &api.name, "--for", "condition=Ready=False", "--timeout", "60s", "ksvc", "function"];
        env.knative.cluster().kubectl(wait)?;
        Ok(())
    })?;
    eprintln!("{sent} requests beside a revision that never becomes ready, none lost");
    // The next good revision takes over.
    api.serve(&[edition(&api, "function", 3)])?;
    let revision = revision(&api.get("/orders/1")?)?;
    ensure!(revision == "function-00003", "{revision} has answered");
    Ok(())
}

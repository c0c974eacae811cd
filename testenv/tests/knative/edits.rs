//! Edits of the table while KSVCs scale up and down.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testenv::http1::Request;
use testenv::knative::objects::annotated;
use testenv::knative::serving::eventually;
use testenv::stand_in::Report;

use crate::api::Api;
use crate::common::report;
use crate::load::{Client, Stop, under_load};
use crate::{Env, tests};

tests! { edits_while_ksvcs_scale_up_and_down_lose_and_misroute_nothing }

/// Each edit routes the two paths of a pair to the two KSVCs of the pair, the other way round than the edit before.
struct Pair {
    paths: [&'static str; 2],
    ksvcs: [&'static str; 2],
}

/// The KSVCs that are called all the time.
const STEADY: Pair = Pair { paths: ["/a", "/b"], ksvcs: ["one", "two"] };

/// The KSVCs that scale up and down.
const SCALING: Pair = Pair { paths: ["/c", "/d"], ksvcs: ["three", "four"] };

/// The header in which a function gets the number of the edit that has routed the request to it.
const EDIT: &str = "x-edit";

/// Returns the KSVC to which this edit routes a path.
fn service(path: &str, edit: usize) -> &'static str {
    let of = |pair: &Pair| {
        let index = pair.paths.iter().position(|known| *known == path)?;
        Some(pair.ksvcs[(index + edit) % 2])
    };
    of(&STEADY).or_else(|| of(&SCALING)).expect("a path of a pair")
}

fn table(api: &Api, edit: usize) -> Value {
    let paths = STEADY.paths.iter().chain(&SCALING.paths);
    let routes = paths.map(|path| json!({"match": format!("GET {path}"), "service": service(path, edit)}));
    let mut table = api.table(routes.collect());
    table["requestHeaders"] = json!({"set": {EDIT: edit.to_string()}});
    table
}

/// Checks that a request was routed by one of the edits so far, and to the service that this edit says. Returns the
/// number of the edit.
fn check(api: &Api, path: &str, report: &Report, newest: usize) -> Result<usize> {
    let edit: usize = report.header(EDIT).context("no plugin has seen the request")?.parse()?;
    let as_expected = edit <= newest && report.authority == api.ksvc_host(service(path, edit));
    ensure!(as_expected, "{path}, edit {edit} of {newest}: {report:?}");
    Ok(edit)
}

fn edits_while_ksvcs_scale_up_and_down_lose_and_misroute_nothing(env: &Env) -> Result<()> {
    let api = env.api("edits")?;
    let to = env.knative.address();
    api.apply(&table(&api, 0))?;
    // Under the load below, each needs several pods. Without load it scales to zero as soon as it can.
    let scaling = [("initial-scale", "0"), ("window", "6s"), ("target", "2"), ("max-scale", "3")];
    let scaling = SCALING
        .ksvcs
        .map(|name| scaling.iter().fold(api.ksvc(name), |ksvc, (name, value)| annotated(ksvc, name, value)));
    api.serve(&[&STEADY.ksvcs.map(|name| api.ksvc(name))[..], &scaling].concat())?;

    let newest = AtomicUsize::new(0);
    // Returns a client that sends requests for both paths of a pair in turn.
    let client = |pair: &'static Pair, delay: &'static str| {
        let (api, newest) = (&api, &newest);
        let (mut sent, mut last) = (0, (0, 0));
        move |client: &mut Client| {
            let path = pair.paths[sent % 2];
            sent += 1;
            let response = client.send(&Request::get(&api.host, path).header("x-stand-in", delay))?;
            let edit = check(api, path, &report(&response)?, newest.load(Ordering::SeqCst))?;
            // One worker serves a connection, and never goes back to an older table.
            let (connection, edit_before) = last;
            ensure!(client.opened != connection || edit >= edit_before, "edit {edit} after edit {edit_before}");
            last = (client.opened, edit);
            Ok(())
        }
    };
    let busy = || -> Result<usize> {
        let scaled_up = || {
            eventually("both KSVCs have several pods", || {
                SCALING.ksvcs.iter().try_fold(true, |all, name| anyhow::Ok(all && api.pods(name)?.len() > 1))
            })
        };
        let ((), sent) = under_load(to, 8, |_| client(&SCALING, "delay=50"), scaled_up)?;
        Ok(sent)
    };

    let done = AtomicBool::new(false);
    let edit_until_done = || -> Result<usize> {
        let mut edit = 0;
        while !done.load(Ordering::Relaxed) {
            edit += 1;
            newest.store(edit, Ordering::SeqCst);
            api.apply(&table(&api, edit))?;
            thread::sleep(Duration::from_millis(100));
        }
        Ok(edit)
    };
    let scale = || -> Result<usize> {
        let first = busy().context("the first time from zero")?;
        SCALING.ksvcs.iter().try_for_each(|name| api.await_no_pods(name))?;
        // The pods are just about to end.
        Ok(first + busy().context("the second time from zero")?)
    };
    let edit_and_scale = || {
        thread::scope(|scope| {
            let edits = scope.spawn(edit_until_done);
            let stop = Stop(&done);
            let scaled = scale();
            drop(stop);
            let edits = edits.join().expect("the edits panicked");
            Ok((edits?, scaled?))
        })
    };
    let ((edits, scaling), steady) = under_load(to, 2, |_| client(&STEADY, ""), edit_and_scale)?;
    eprintln!("{edits} edits, {steady} requests to steady KSVCs and {scaling} to scaling ones, none lost");
    ensure!(edits >= 3, "only {edits} edits");
    // The last edit is live everywhere.
    let last = || {
        let mut requests = (0..8).map(|_| check(&api, "/a", &report(&api.get("/a")?)?, edits));
        requests.try_fold(true, |all, edit| anyhow::Ok(all && edit? == edits))
    };
    eventually("all requests are routed by the last edit", last)
}

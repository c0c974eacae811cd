//! Edits under load, with good and bad documents in turn: no request fails or reaches a wrong service.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::common::{orders, orders_table, report};
use crate::{Env, tests, wasm_plugin};

tests! { a_hundred_edits_under_load_lose_and_misroute_nothing }

const EDITS: usize = 100;

fn a_hundred_edits_under_load_lose_and_misroute_nothing(env: &Env) -> Result<()> {
    let gateway = env.gateway("edits", &["one.shop.example.com", "two.shop.example.com"])?;
    gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table("one"))?)?;
    let to = gateway.address();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..2).map(|_| scope.spawn(|| requests_until(&done, to))).collect();
        let mut times = Vec::new();
        let edits = (0..EDITS / 2).try_for_each(|n| {
            let service = if n % 2 == 0 { "two" } else { "one" };
            let since_apply = gateway.apply_plugin(&wasm_plugin(&gateway, &orders_table(service))?)?;
            let applied = Instant::now() - since_apply;
            let expected = format!("{service}.shop.example.com");
            // Several requests, so that both workers are asked.
            gateway.eventually("both workers have the new table", || {
                let seen = (0..8).map(|_| Ok(report(&orders(to)?)?.authority == expected));
                Ok(seen.collect::<Result<Vec<_>>>()?.into_iter().all(|new| new))
            })?;
            times.push(applied.elapsed());
            gateway.apply_plugin(&wasm_plugin(&gateway, &bad(n))?)?;
            ensure!(report(&orders(to)?)?.authority == expected, "edit {n}: the bad document replaced the good one");
            anyhow::Ok(())
        });
        done.store(true, Ordering::Relaxed);
        let mut sent = 0;
        for client in clients {
            sent += client.join().expect("a client thread panicked")?;
        }
        edits?;
        times.sort();
        let percentile = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default().as_millis();
        println!(
            "{EDITS} edits under {sent} requests, none lost; live {} ms after the end of kubectl apply (median), {} ms \
             (90 %)",
            percentile(50),
            percentile(90)
        );
        ensure!(sent > EDITS, "only {sent} requests ran during the edits");
        anyhow::Ok(())
    })?;
    let metric = |name: &str| gateway.metric(&format!("ksvc_router_{name}{{wasm_filter=\"default\"}}"));
    gateway.eventually("every document is counted once", || {
        let half = EDITS as u64 / 2;
        Ok(metric("config_accepted")? == Some(half + 1) && metric("config_rejected")? == Some(half))
    })?;
    ensure!(metric("config_degraded")? == Some(1), "the last document was a bad one");
    Ok(())
}

/// Returns a table with an error, which is a different one each time.
fn bad(n: usize) -> Value {
    let mut table = orders_table("wrong");
    match n % 4 {
        0 => table["rutes"] = json!([]),
        1 => table["routes"][0]["match"] = "orders".into(),
        2 => table["hosts"] = "api.example.com".into(),
        _ => table = json!({}),
    }
    table["note"] = n.into(); // an unknown key, which makes it a new document each time
    table
}

/// Sends requests until `done`. Each must reach the target of one of the two tables.
fn requests_until(done: &AtomicBool, to: SocketAddr) -> Result<usize> {
    let mut sent = 0;
    while !done.load(Ordering::Relaxed) {
        let report = report(&orders(to)?).with_context(|| format!("request {sent}"))?;
        ensure!(["one.shop.example.com", "two.shop.example.com"].contains(&report.authority.as_str()), "{report:?}");
        sent += 1;
        thread::sleep(Duration::from_millis(2)); // leaves time on the two cores for the edits
    }
    Ok(sent)
}

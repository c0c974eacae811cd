//! `cargo xtask up`: a gateway on loopback with the route table of `wasm-plugin.yaml`. Sends the sample requests,
//! prints what came of each, and then follows the file: an edit is live within a second, and while a document
//! has errors the last good table goes on serving.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use testenv::cases::{self, Case, CaseFile, Outcomes, Sent};
use testenv::gateway::Gateway;
use testenv::stand_in::StandIn;
use testenv::{envoy, plugin, repository, yaml};

use crate::build;

/// Where the gateway and its admin interface listen, as in envoy.yaml, if nobody else does.
const PORTS: (u16, u16) = (10000, 9901);

const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) fn run(once: bool) -> Result<ExitCode> {
    build::all()?;
    let envoy = envoy::find()?;
    let manifest = repository().join("wasm-plugin.yaml").canonicalize().context("there is no wasm-plugin.yaml")?;
    check(&manifest)?;

    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    ctrlc::set_handler(move || stopped.store(true, Ordering::Relaxed))?;

    let samples = CaseFile::read(&repository().join("testenv/cases/sample.yaml"))?;
    let stand_in = StandIn::start()?;
    let ports = (free_or_any(PORTS.0), free_or_any(PORTS.1));
    let document = fs::read_to_string(&manifest)?;
    eprintln!("==> Starting {}", envoy.display());
    let gateway = samples.setup(&envoy, &plugin()?).ports(ports.0, ports.1).start(stand_in.address())?;

    let as_expected = send(&samples.cases, &gateway)?;
    if once {
        return Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let address = gateway.address();
    println!("\nThe gateway serves at http://{address}, Envoy's admin at http://{}:", gateway.admin_address());
    println!("  curl -i -H 'Host: api.example.com' http://{address}/faas/orders/42");
    println!("Edit wasm-plugin.yaml and save it: the edit is live within a second. Ctrl-C stops everything.");
    follow(&manifest, document, gateway, &stop)?;
    eprintln!("Stopped.");
    Ok(ExitCode::SUCCESS)
}

fn free_or_any(port: u16) -> u16 {
    TcpListener::bind(("127.0.0.1", port)).map_or(0, |_| port)
}

/// Sends every case's request and prints one line each; whether all did what they should.
fn send(cases: &[Case], gateway: &Gateway) -> Result<bool> {
    let requests: Vec<String> = cases.iter().map(written).collect();
    let width = requests.iter().map(|request| request.chars().count()).max().unwrap_or_default();
    println!("\n  {:<width$}   {:<6} reached the KSVC stand-in as", "request", "status");
    let mut all = true;
    for (case, request) in cases.iter().zip(&requests) {
        let outcome = cases::run(case, gateway)?;
        let mark = if outcome.differences.is_empty() { ' ' } else { '!' };
        println!("{mark} {request:<width$}   {:<6} {}", outcome.response.status, reached(&outcome));
        for difference in &outcome.differences {
            println!("    {}: {difference}", case.name);
        }
        all &= outcome.differences.is_empty();
    }
    let verdict = if all {
        "Every request did what its case expects."
    } else {
        "Not every request did what its case expects: see the lines with `!`."
    };
    println!("{verdict}");
    Ok(all)
}

fn written(case: &Case) -> String {
    let Sent { method, headers, .. } = Sent::of(case);
    let headers = headers.iter().map(|(name, value)| format!(" [{name}: {value}]"));
    format!("{method} {}{}", case.url, headers.collect::<String>())
}

fn reached(outcome: &Outcomes) -> String {
    match (&outcome.arrived, outcome.response.header("location")) {
        (Some(arrived), _) => format!("{} {}", arrived.authority, arrived.path),
        (None, Some(location)) => format!("- (redirect to {location})"),
        (None, None) => "- (answered in the gateway)".to_owned(),
    }
}

/// Hands every new content of the manifest to the gateway until told to stop.
fn follow(manifest: &Path, mut document: String, mut gateway: Gateway, stop: &AtomicBool) -> Result<()> {
    let mut last_seen = document.clone();
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(LOOK_EVERY);
        // Between an editor's remove and its rename there is no file.
        let Ok(seen) = fs::read_to_string(manifest) else { continue };
        // What still changes from one look to the next is half written.
        let settled = seen == last_seen;
        last_seen = seen;
        if !settled || last_seen == document {
            continue;
        }
        document.clone_from(&last_seen);
        println!("\nwasm-plugin.yaml has changed:");
        if let Err(error) = take_up(manifest, &mut gateway)
            && !stop.load(Ordering::Relaxed)
        {
            println!("{error:#}");
        }
    }
    Ok(())
}

fn take_up(manifest: &Path, gateway: &mut Gateway) -> Result<()> {
    let seen = Instant::now();
    // What is not YAML can't be sent, and `check` says where it goes wrong; all else is sent, errors and all, as
    // Kubernetes would: the plugin itself keeps the last good table.
    let edited = yaml::plugin_config(manifest).map(|table| gateway.edit(table));
    let took = seen.elapsed();
    let good = check(manifest)?;
    match edited {
        Ok(Ok(())) if good => println!("The new table is live, after {} ms.", took.as_millis()),
        Ok(Err(error)) => return Err(error),
        Err(error) if good => return Err(error.context("the last good table goes on serving")),
        _ => println!("The last good table goes on serving."),
    }
    Ok(())
}

/// Prints what `ksvc-router check` says of the file; whether it is free of errors.
fn check(manifest: &Path) -> Result<bool> {
    let program: PathBuf = repository().join("dist/ksvc-router");
    let mut check = Command::new(&program);
    // By its name alone, so that messages begin as a user would call the file.
    let file = manifest.file_name().context("the manifest is a file")?;
    check.arg("check").arg(file).current_dir(repository());
    let status = check.status().with_context(|| format!("cannot start {}", program.display()))?;
    Ok(status.success())
}

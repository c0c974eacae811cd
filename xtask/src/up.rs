//! `cargo xtask up`: a gateway on loopback with the route table of `wasm-plugin.yaml`. Sends the sample requests,
//! prints what came of each, and then follows the file: an edit is live within a second, and while a document
//! has errors the last good table goes on serving.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use testenv::cases::{CaseFile, Ingress};
use testenv::gateway::Gateway;
use testenv::process::free_or_any;
use testenv::stand_in::StandIn;
use testenv::{envoy, plugin, repository, yaml};

use crate::{build, check, samples, stop};

/// Where the gateway and its admin interface listen, as in envoy.yaml, if nobody else does.
const PORTS: (u16, u16) = (10000, 9901);

const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) fn run(once: bool) -> Result<ExitCode> {
    build::all()?;
    let envoy = envoy::find()?;
    let manifest = repository().join("wasm-plugin.yaml").canonicalize().context("there is no wasm-plugin.yaml")?;
    check::run(&manifest)?;

    let stop = stop::on_ctrl_c()?;

    let samples = CaseFile::read(&repository().join(samples::FILE))?;
    let stand_in = StandIn::start()?;
    let ports = (free_or_any(PORTS.0), free_or_any(PORTS.1));
    let document = fs::read_to_string(&manifest)?;
    eprintln!("==> Starting {}", envoy.display());
    let gateway = samples.setup(&envoy, &plugin()?).ports(ports.0, ports.1).start(stand_in.address())?;

    let as_expected = samples::send(&samples.cases, &Ingress::of_envoy(&gateway))?;
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
    let good = check::run(manifest)?;
    match edited {
        Ok(Ok(())) if good => println!("The new table is live, after {} ms.", took.as_millis()),
        Ok(Err(error)) => return Err(error),
        Err(error) if good => return Err(error.context("the last good table goes on serving")),
        _ => println!("The last good table goes on serving."),
    }
    Ok(())
}

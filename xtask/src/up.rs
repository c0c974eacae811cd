//! `cargo xtask up`: starts a gateway on loopback with the table of `wasm-plugin.yaml`, sends the sample requests and
//! prints their results. Then it follows the file: an edit is live within a second, and while a document has errors,
//! the last good table continues to serve.

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

/// The ports of the gateway and of its admin interface, as in envoy.yaml. Any that is taken is replaced by a free one.
const PORTS: (u16, u16) = (10000, 9901);

const POLL_INTERVAL: Duration = Duration::from_millis(100);

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
    println!(
        "\nThe gateway serves at http://{address}, Envoy's admin interface at http://{}:",
        gateway.admin_address()
    );
    println!("  curl -i -H 'Host: api.example.com' http://{address}/faas/orders/42");
    println!("Edit wasm-plugin.yaml and save it: the edit is live within a second. Ctrl-C stops everything.");
    follow(&manifest, document, gateway, &stop)?;
    eprintln!("Stopped.");
    Ok(ExitCode::SUCCESS)
}

/// Gives every new content of the manifest to the gateway, until `stop`.
fn follow(manifest: &Path, mut document: String, mut gateway: Gateway, stop: &AtomicBool) -> Result<()> {
    let mut last_seen = document.clone();
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(POLL_INTERVAL);
        // There may be no file for a moment, if an editor removes the old one before it renames the new one.
        let Ok(seen) = fs::read_to_string(manifest) else { continue };
        // If the file differs from the last look, it may be half written.
        let is_complete = seen == last_seen;
        last_seen = seen;
        if !is_complete || last_seen == document {
            continue;
        }
        document.clone_from(&last_seen);
        println!("\nwasm-plugin.yaml has changed:");
        if let Err(error) = apply_edit(manifest, &mut gateway)
            && !stop.load(Ordering::Relaxed)
        {
            println!("{error:#}");
        }
    }
    Ok(())
}

fn apply_edit(manifest: &Path, gateway: &mut Gateway) -> Result<()> {
    let begun = Instant::now();
    // A file that is not YAML can't be sent, and `check` shows where its error is. Everything else is sent, even with
    // errors, as Kubernetes would: the plugin itself keeps the last good table.
    let edited = yaml::plugin_config(manifest).map(|table| gateway.edit(table));
    let elapsed = begun.elapsed();
    let good = check::run(manifest)?;
    match edited {
        Ok(Ok(())) if good => println!("The new table is live, after {} ms.", elapsed.as_millis()),
        Ok(Err(error)) => return Err(error),
        Err(error) if good => return Err(error.context("the last good table continues to serve")),
        _ => println!("The last good table continues to serve."),
    }
    Ok(())
}

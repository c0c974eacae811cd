//! `cargo xtask up --istio`: starts a gateway as in a user's cluster, with `wasm-plugin.yaml` and the built module. It
//! sends the sample requests over HTTPS, and then follows the object in the API server: an edit with `kubectl edit` is
//! live at once, and its errors are shown with their places.

use std::fs;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use testenv::cases::{CaseFile, Ingress};
use testenv::http1::Endpoint;
use testenv::istio::certificates::Purpose;
use testenv::istio::control_plane::ROOT_NAMESPACE;
use testenv::istio::ingress::Setup;
use testenv::istio::{ControlPlane, IngressGateway, Tools, objects};
use testenv::process::{find_on_path, free_or_any, stop_on_a_signal};
use testenv::stand_in::StandIn;
use testenv::{plugin, repository, yaml};

use crate::{build, check, samples};

const HTTP: u16 = 8080;
const HTTPS: u16 = 8443;
const ADMIN: u16 = 15000;

const POLL_INTERVAL: Duration = Duration::from_millis(500);

pub(crate) fn run(once: bool) -> Result<ExitCode> {
    build::all()?;
    let tools = Tools::find_or_build()?;
    let stop = stop_on_a_signal()?;
    let file = CaseFile::read(&repository().join(samples::FILE))?;
    let stand_in = StandIn::start()?;

    eprintln!("==> Starting etcd, kube-apiserver and istiod");
    let begun = Instant::now();
    let plane = ControlPlane::start(&tools)?;
    eprintln!("==> Starting the ingress gateway, pilot-agent and Envoy");
    let [http, https, admin] = [HTTP, HTTPS, ADMIN].map(free_port);
    let gateway = Setup::new(ROOT_NAMESPACE).ports([http, https, 0, 0], admin).start(&plane)?;
    let [http, https, ..] = gateway.ports();

    let hosts: Vec<&str> = file.cases.iter().filter_map(|case| case.expected_text("authority")).collect();
    gateway.serve(&servers(&plane, http, https)?, &hosts, stand_in.address())?;
    let manifest = yaml::read(&repository().join("wasm-plugin.yaml"))?;
    let plugin = objects::wasm_plugin(manifest, ROOT_NAMESPACE, &plugin()?, &[https], None)?;
    gateway.apply_plugin(&plugin)?;
    eprintln!("    {:.1} s", begun.elapsed().as_secs_f64());

    let tls = Endpoint { address: gateway.at(https), tls: Some(plane.authority().client()?) };
    let as_expected = samples::send(&file.cases, &Ingress::of_istio(tls.clone(), tls));
    if once {
        return Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    print_usage(&plane, &gateway, https);
    follow(&plane, &gateway, stop)?;
    eprintln!("Stopping …");
    Ok(ExitCode::SUCCESS)
}

/// Returns the port if it is free, or else 0 for any free port.
fn free_port(port: u16) -> u16 {
    let chosen = free_or_any(port);
    if chosen != port {
        eprintln!("    port {port} is taken, so another one is used");
    }
    chosen
}

/// Returns two servers: HTTPS with one certificate for the public host and the KSVCs, and plain HTTP that redirects
/// there.
fn servers(plane: &ControlPlane, http: u16, https: u16) -> Result<[Value; 2]> {
    let names =
        ["api.example.com", "*.example.com", "*.shop.example.com", "*.billing.example.com", "*.other.example.com"];
    let certificate = plane.authority().sign("gateway", Purpose::Server(&names))?;
    let mut redirecting = objects::http_server(http);
    redirecting["tls"] = json!({"httpsRedirect": true});
    let mut secure = objects::https_server(https, &["*"], &certificate);
    secure["port"]["name"] = "https".into();
    Ok([redirecting, secure])
}

fn print_usage(plane: &ControlPlane, gateway: &IngressGateway, https: u16) {
    let authority = plane.authority().file();
    println!(
        "\nThe gateway serves at https://{}, Envoy's admin interface at http://{}:",
        gateway.at(https),
        gateway.admin_address()
    );
    println!(
        "  curl -i --cacert {} --connect-to ::127.0.0.1:{https} https://api.example.com/faas/orders/42",
        authority.display()
    );
    println!("In another shell:");
    println!("  export KUBECONFIG={}", plane.cluster().kubeconfig().display());
    println!("  {} edit wasmplugin ksvc-router", kubectl(plane));
    println!("An edit is live at once, or its errors are shown here. Ctrl-C stops everything.");
}

/// Returns how a user calls kubectl: by its name, or by the path of the one that was built.
pub(crate) fn kubectl(plane: &ControlPlane) -> String {
    let built = plane.tools().program("kubectl");
    if find_on_path("kubectl").is_some() { "kubectl".to_owned() } else { built.display().to_string() }
}

/// Prints for every new version of the WasmPlugin whether it is live, or its errors.
pub(crate) fn follow(plane: &ControlPlane, gateway: &IngressGateway, stop: &AtomicBool) -> Result<()> {
    let mut seen = gateway.plugin_version("ksvc-router");
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(POLL_INTERVAL);
        let version = gateway.plugin_version("ksvc-router");
        if version == seen {
            continue;
        }
        seen = version;
        let Some(version) = &seen else {
            println!("\nThe WasmPlugin was deleted: every request passes unchanged.");
            continue;
        };
        println!("\nThe WasmPlugin has changed (resource version {version}):");
        // After Ctrl-C, an error is expected, because the programs may have ended.
        if let Err(error) = report_version(plane, gateway, version)
            && !stop.load(Ordering::Relaxed)
        {
            println!("{error:#}");
        }
    }
    Ok(())
}

fn report_version(plane: &ControlPlane, gateway: &IngressGateway, version: &str) -> Result<()> {
    // The same text that `kubectl edit` shows, so that the line numbers agree.
    let shown = plane.cluster().kubectl(["get", "wasmplugin", "ksvc-router", "-o", "yaml"])?;
    let file = plane.folder().join("wasmplugin-ksvc-router.yaml");
    fs::write(&file, shown)?;
    let good = check::run(&file)?;
    gateway.await_plugin("ksvc-router", version)?;
    println!("{}", if good { "The new table is live." } else { "The last good table continues to serve." });
    Ok(())
}

//! `cargo xtask up --knative`: starts a cluster with real Knative, three KSVCs and `wasm-plugin.yaml` with the built
//! module. It sends the sample requests, and then follows the object in the API server as `up --istio` does.

use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};
use testenv::cases::{CaseFile, Ingress};
use testenv::istio::control_plane::ROOT_NAMESPACE;
use testenv::istio::objects::wasm_plugin;
use testenv::istio::tools::ENVOY;
use testenv::knative::objects::{ksvc, web_server, with_variable};
use testenv::knative::serving::HTTP;
use testenv::knative::{Knative, Tools, namespaces};
use testenv::{envoy, plugin, repository, yaml};

use crate::{build, samples, up_istio};

pub(crate) fn run(once: bool) -> Result<ExitCode> {
    if !namespaces::are_entered() {
        namespaces::check_machine()?;
        build::all()?;
        Tools::find_or_build()?;
        envoy::pinned(ENVOY)?;
    }
    if let Some(code) = namespaces::enter()? {
        return Ok(code);
    }
    // The kernel ends everything in the namespaces when this process, their first, has ended.
    ctrlc::set_handler(|| {
        eprintln!("Stopped.");
        std::process::exit(0);
    })?;

    eprintln!("==> Starting Kubernetes, Istio and Knative");
    let begun = Instant::now();
    let knative = Knative::start(&Tools::find_or_build()?)?;
    eprintln!("    {:.1} s", begun.elapsed().as_secs_f64());
    eprintln!("==> Applying three KSVCs, a web server outside Knative, and wasm-plugin.yaml");
    let begun = Instant::now();
    apply(&knative)?;
    eprintln!("    {:.1} s", begun.elapsed().as_secs_f64());

    let file = CaseFile::read(&repository().join(samples::FILE))?;
    let as_expected = samples::send(&file.cases, &Ingress::of_knative(knative.address().into()));
    if once {
        return Ok(if as_expected { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    print_usage(&knative);
    up_istio::follow(knative.plane(), knative.gateway(), &AtomicBool::new(false))?;
    Ok(ExitCode::SUCCESS)
}

/// Applies what the sample requests need.
fn apply(knative: &Knative) -> Result<()> {
    let cluster = knative.cluster();
    for namespace in ["shop", "billing", "other"] {
        cluster.namespace(namespace)?;
    }
    // Each function names the host that it serves, so that the samples see whether it is the right one.
    let with_host = |namespace: &str, name: &str, host: &str| {
        with_variable(ksvc(namespace, name), "FUNCTION_HOST", &format!("{host}.{namespace}.example.com"))
    };
    let revision = |mut ksvc: Value, name: &str, traffic: Value| {
        ksvc["spec"]["template"]["metadata"]["name"] = name.into();
        ksvc["spec"]["traffic"] = traffic;
        ksvc
    };
    let all = json!({"revisionName": "orders-stable", "percent": 100});
    let stable = revision(with_host("shop", "orders", "orders"), "orders-stable", json!([all]));
    let tagged = json!([all, {"revisionName": "orders-beta", "percent": 0, "tag": "beta"}]);
    let beta = revision(with_host("shop", "orders", "beta-orders"), "orders-beta", tagged);
    knative.serve(&[
        stable,
        with_host("shop", "orders-write", "orders-write"),
        with_host("billing", "payments", "payments"),
    ])?;
    knative.serve(&[beta])?;
    cluster.apply(&web_server("other", "legacy", &["legacy.other.example.com"]))?;
    cluster.apply(&web_server("other", "website", &[]))?;
    cluster.kubectl(["rollout", "status", "-n", "other", "--timeout", "60s", "deployment"])?;

    let manifest = yaml::read(&repository().join("wasm-plugin.yaml"))?;
    knative.gateway().apply_plugin(&wasm_plugin(manifest, ROOT_NAMESPACE, &plugin()?, &[HTTP], None)?)?;
    Ok(())
}

fn print_usage(knative: &Knative) {
    let (enter, address) = (namespaces::script(), knative.address());
    let (enter, kubectl) = (enter.display(), up_istio::kubectl(knative.plane()));
    println!("\nAll of it runs in network, mount and process namespaces of its own. In another shell:");
    println!("  {enter} curl -i -H 'Host: api.example.com' http://{address}/faas/orders/42");
    println!("  {enter} {kubectl} get ksvc,pods -A");
    println!("  {enter} {kubectl} edit wasmplugin -n {ROOT_NAMESPACE} ksvc-router");
    println!("Without a command, {enter} starts a shell in them.");
    println!(
        "An edit is live at once, or its errors are shown here. Ctrl-C stops everything and leaves nothing behind."
    );
}

//! The alternatives to a WasmPlugin: the same table in a TrafficExtension and in an EnvoyFilter.

use anyhow::{Context, Result};
use serde_json::json;
use testenv::cases::{self, CaseFile, Ingress};
use testenv::http1::Endpoint;
use testenv::istio::IngressGateway;
use testenv::{plugin, repository, yaml};

use crate::{Env, eventually, manifest, tests};

tests! {
    a_traffic_extension_routes_as_its_table_says,
    an_envoy_filter_routes_as_its_table_says,
}

fn samples() -> Result<CaseFile> {
    CaseFile::read(&repository().join("testenv/cases/sample.yaml"))
}

fn gateway(env: &Env, namespace: &str, samples: &CaseFile) -> Result<IngressGateway> {
    let hosts: Vec<&str> = samples.cases.iter().filter_map(|case| case.expected_text("authority")).collect();
    env.gateway(namespace, &hosts)
}

/// Waits until all sample requests have the expected results.
fn run_samples(gateway: &IngressGateway, samples: &CaseFile) -> Result<()> {
    let address = Endpoint::from(gateway.address());
    let ingress = Ingress::of_istio(address.clone(), address);
    eventually(gateway, "the sample requests have the expected results", || cases::run_all(samples, &ingress))
}

fn a_traffic_extension_routes_as_its_table_says(env: &Env) -> Result<()> {
    let samples = samples()?;
    let gateway = gateway(env, "extension", &samples)?;
    let plugin_file = format!("file://{}", plugin()?.display());
    let plugin = manifest()?;
    let spec = &plugin["spec"];
    let extension = json!({
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "TrafficExtension",
        "metadata": {"name": "ksvc-router", "namespace": "extension"},
        "spec": {
            "selector": spec["selector"],
            "match": [{"ports": [{"number": gateway.ports()[0]}]}],
            "wasm": {
                "url": plugin_file,
                "pluginName": spec["pluginName"],
                "failStrategy": spec["failStrategy"],
                "pluginConfig": spec["pluginConfig"],
            },
        },
    });
    env.plane.cluster().apply(&[extension])?;
    run_samples(&gateway, &samples)
}

fn an_envoy_filter_routes_as_its_table_says(env: &Env) -> Result<()> {
    let samples = samples()?;
    let gateway = gateway(env, "filter", &samples)?;
    let mut filter = yaml::read(&repository().join("envoyfilter/local.yaml"))?;
    filter["metadata"]["namespace"] = "filter".into();
    let patch = filter.pointer_mut("/spec/configPatches/0").context("a patch")?;
    *patch.pointer_mut("/match/listener/portNumber").context("a port")? = gateway.ports()[0].into();
    let file = patch.pointer_mut("/patch/value/typed_config/config/vm_config/code/local/filename");
    *file.context("a file")? = plugin()?.display().to_string().into();
    env.plane.cluster().apply(&[filter])?;
    run_samples(&gateway, &samples)
}

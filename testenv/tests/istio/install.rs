//! Follows docs/install.md under Istio's control plane. Only ports and the namespace of the gateway's pods differ from the
//! page, because the gateway listens on free ports of loopback, and a Gateway applies only to the pods of its own
//! namespace here.

use std::fs;

use anyhow::Result;
use serde_json::{Value, json};
use testenv::istio::certificates::Purpose;
use testenv::istio::control_plane::ROOT_NAMESPACE;
use testenv::istio::ingress::Setup;
use testenv::istio::{IngressGateway, objects};
use testenv::plugin;

use crate::page::Page;
use crate::{Env, manifest, tests};

tests! {
    the_page_installs_the_filter,
}

const API: &str = "api.example.com";
const KNATIVE: &str = "knative-serving";

fn the_page_installs_the_filter(env: &Env) -> Result<()> {
    let gateway = cluster_with_knative(env)?;
    let [https, http, ..] = gateway.ports();
    let page = Page::new("docs/install.md", &env.plane, |text| {
        text.replace("number: 443,", &format!("number: {https},"))
            .replace("number: 80,", &format!("number: {http},"))
            .replace("\n      hosts:", "\n      bind: 127.0.0.1\n      hosts:")
            .replace("$ADDRESS:443", &format!("$ADDRESS:{https}"))
            .replace("$ADDRESS:80", &format!("$ADDRESS:{http}"))
            .replace("\n80 HTTP", &format!("\n{http} HTTP"))
            .replace("secret tls api-example-com -n istio-system", &format!("secret tls api-example-com -n {KNATIVE}"))
    })?;
    let certificate = env.plane.authority().sign("install", Purpose::Server(&[API]))?;
    fs::copy(certificate.certificate, page.folder.join("api.example.com.crt"))?;
    fs::copy(certificate.key, page.folder.join("api.example.com.key"))?;
    let manifest = objects::wasm_plugin(manifest()?, ROOT_NAMESPACE, &plugin()?, &[https], None)?;
    fs::write(page.folder.join("wasm-plugin.yaml"), manifest.to_string())?;

    let follow = |heading: &str, are_chosen: fn(&str) -> bool| {
        page.follow(heading, are_chosen, |condition| {
            gateway.eventually("the commands print what the page says", condition)
        })
    };
    follow("### Read Knative's settings", |_| true)?;
    follow("### Find the gateway's address", |_| true)?;
    follow("### Knative's own Gateway with net-istio", |_| true)?;
    follow("### HTTPS with one certificate", |_| true)?;
    // The admission policy is for the whole cluster, which other tests use too. It has tests of its own, and so have the
    // chart and the base for Kustomize.
    // `doctor` has tests of its own too: here it would miss the KSVCs.
    let applies = |commands: &str| commands.contains("wasm-plugin.yaml") && !commands.contains("doctor");
    follow("## 5. Apply the table", applies)?;
    follow("## 6. Check the installation", |commands| commands.contains("curl "))?;
    // This takes the Gateway away from the pods.
    follow("### Istio's Helm chart gateway", |_| true)
}

/// Starts a gateway, and makes what a cluster has before the installation: Knative's ConfigMaps, the Gateway and the
/// routes that net-istio makes, and the Service of the gateway's pods.
fn cluster_with_knative(env: &Env) -> Result<IngressGateway> {
    let gateway = Setup::new(KNATIVE).start(&env.plane)?;
    gateway.serve(&[named_http(gateway.ports()[1])], &["orders.shop.example.com"], env.stand_in.address())?;
    gateway.delete("virtualservice", "catch-all")?;
    let cluster = env.plane.cluster();
    let config_map = |name: &str, data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": KNATIVE, "name": name}, "data": data});
    let service = "istio-ingressgateway.istio-system.svc.cluster.local";
    let example = "an example that is no setting";
    cluster.apply(&[
        config_map(
            "config-network",
            json!({
                "_example": example,
                "ingress-class": "istio.ingress.networking.knative.dev",
                "domain-template": "{{.Name}}.{{.Namespace}}.{{.Domain}}",
            }),
        ),
        config_map("config-domain", json!({"_example": example, "example.com": ""})),
        config_map(
            "config-istio",
            json!({"_example": example, "gateway.knative-serving.knative-ingress-gateway": service}),
        ),
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": ROOT_NAMESPACE, "name": "istio-ingressgateway"},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 443}]},
        }),
        // istiod gives a Secret only to a gateway whose service account may read it. The charts make such a Role.
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"namespace": KNATIVE, "name": "secrets"},
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "watch", "list"]}],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"namespace": KNATIVE, "name": "secrets"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "secrets"},
            "subjects": [{"kind": "ServiceAccount", "name": objects::SERVICE_ACCOUNT}],
        }),
        // The pod of the chart `gateway`.
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": KNATIVE, "name": "istio-ingress", "labels": {"istio": "ingress"}},
            "spec": {"containers": [{"name": "istio-proxy", "image": "auto"}]},
        }),
    ])?;
    let address = r#"{"status":{"loadBalancer":{"ingress":[{"ip":"127.0.0.1"}]}}}"#;
    let service = "service/istio-ingressgateway";
    cluster.kubectl(["patch", service, "-n", ROOT_NAMESPACE, "--subresource", "status", "-p", address])?;
    Ok(gateway)
}

/// Returns the server of net-istio's Gateway on this port.
fn named_http(port: u16) -> Value {
    let mut server = objects::http_server(port);
    server["port"]["name"] = "http".into();
    server
}

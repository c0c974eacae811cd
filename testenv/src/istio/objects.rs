//! Makes the Kubernetes objects that users, net-istio and the tests apply. They are JSON values and not the types of a
//! crate, because the tests read manifests as JSON and change single fields of them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::certificates::Certificate;
use crate::gateway::{ROUTE_HEADER, VIRTUAL_HOST_HEADER};

/// The name of the service account of a gateway's pods.
pub const SERVICE_ACCOUNT: &str = "istio-ingressgateway";

/// Returns the service account of the gateway's pods in this namespace.
pub fn service_account(namespace: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": SERVICE_ACCOUNT}})
}

/// Returns the labels that an ingress gateway's pods have in a default installation.
pub fn gateway_labels() -> Value {
    json!({"istio": "ingressgateway", "app": "istio-ingressgateway"})
}

/// Returns the name of the gateway's pod in this namespace.
pub fn gateway_pod(namespace: &str) -> String {
    format!("{namespace}-gateway")
}

fn object(api_version: &str, kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"namespace": namespace, "name": name},
        "spec": spec,
    })
}

/// Returns an object of `networking.istio.io`, such as a Gateway or a VirtualService.
pub fn networking(kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    // EnvoyFilter is the only kind that is still alpha.
    let version = if kind == "EnvoyFilter" { "v1alpha3" } else { "v1" };
    object(&format!("networking.istio.io/{version}"), kind, namespace, name, spec)
}

/// Returns an AuthorizationPolicy or a RequestAuthentication for the gateways of a namespace.
pub fn security(kind: &str, namespace: &str, name: &str, mut spec: Value) -> Value {
    spec["selector"] = json!({"matchLabels": {"istio": "ingressgateway"}});
    object("security.istio.io/v1", kind, namespace, name, spec)
}

/// Returns the Gateway that the VirtualServices of this namespace bind to, with these `servers`, which listen on
/// loopback.
pub fn gateway(namespace: &str, servers: &[Value]) -> Value {
    let servers = servers.iter().map(|server| {
        let mut server = server.clone();
        server["bind"] = "127.0.0.1".into();
        server
    });
    let servers: Vec<Value> = servers.collect();
    let spec = json!({"selector": {"istio": "ingressgateway"}, "servers": servers});
    networking("Gateway", namespace, "knative-ingress-gateway", spec)
}

/// Returns a plain-HTTP server of a Gateway, for every host.
pub fn http_server(port: u16) -> Value {
    json!({"port": {"number": port, "name": format!("http-{port}"), "protocol": "HTTP"}, "hosts": ["*"]})
}

/// Returns an HTTPS server of a Gateway, for these hosts.
pub fn https_server(port: u16, hosts: &[&str], certificate: &Certificate) -> Value {
    json!({
        "port": {"number": port, "name": format!("https-{port}"), "protocol": "HTTPS"},
        "hosts": hosts,
        "tls": {
            "mode": "SIMPLE",
            "serverCertificate": certificate.certificate,
            "privateKey": certificate.key,
        },
    })
}

/// Returns a Secret with a certificate and its key.
pub fn tls_secret(namespace: &str, name: &str, certificate: &Certificate) -> Result<Value> {
    let (certificate, key) = (fs::read_to_string(&certificate.certificate)?, fs::read_to_string(&certificate.key)?);
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": namespace, "name": name},
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": certificate, "tls.key": key},
    }))
}

/// Returns what net-istio makes for a KSVC with this host: a VirtualService that matches the host by prefix and sends
/// the request to the revision. The revision's service is a ServiceEntry here, because no pods run. Two response
/// headers show the tests which route and which virtual host served a request.
pub fn ksvc(namespace: &str, host: &str, stand_in: SocketAddr) -> [Value; 2] {
    let name = host.split(':').next().unwrap_or(host);
    let mut labels = name.split('.');
    let (service, ksvc_namespace) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    let revision = format!("{service}-00001");
    let private_host = format!("{revision}.{ksvc_namespace}.svc.cluster.local");
    let route = json!({
        "match": [{"authority": {"prefix": name}, "gateways": [gateway_name(namespace)]}],
        "route": [{
            "destination": {"host": private_host, "port": {"number": 80}},
            "headers": {
                "request": {"set": {"Knative-Serving-Namespace": ksvc_namespace, "Knative-Serving-Revision": revision}},
                "response": {"set": marks(&format!("{name}:80"))},
            },
            "weight": 100,
        }],
        "retries": {},
    });
    [
        virtual_service(namespace, &format!("{service}-{ksvc_namespace}-ingress"), name, route),
        service_entry(namespace, &private_host, 80, stand_in),
    ]
}

/// Returns a VirtualService for all hosts that belong to no KSVC, with its ServiceEntry.
pub fn catch_all(namespace: &str, stand_in: SocketAddr) -> [Value; 2] {
    let host = "catch-all.testenv.svc.cluster.local";
    let route = json!({
        "route": [{
            "destination": {"host": host, "port": {"number": 80}},
            "headers": {"response": {"set": marks("catch-all")}},
        }],
        "retries": {},
    });
    [virtual_service(namespace, "catch-all", "*", route), service_entry(namespace, host, 80, stand_in)]
}

/// Returns the response headers that name the plugin's route and this virtual host.
fn marks(virtual_host: &str) -> Value {
    json!({ROUTE_HEADER: "%FILTER_STATE(wasm.ksvc_router.route:PLAIN)%", VIRTUAL_HOST_HEADER: virtual_host})
}

fn gateway_name(namespace: &str) -> String {
    format!("{namespace}/knative-ingress-gateway")
}

fn virtual_service(namespace: &str, name: &str, host: &str, route: Value) -> Value {
    let spec = json!({"gateways": [gateway_name(namespace)], "hosts": [host], "http": [route]});
    networking("VirtualService", namespace, name, spec)
}

/// Returns a service that only the gateways of this namespace see, at an address of this machine.
pub fn service_entry(namespace: &str, host: &str, port: u16, at: SocketAddr) -> Value {
    let name: String = host.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let spec = json!({
        "hosts": [host],
        "exportTo": ["."],
        "location": "MESH_EXTERNAL",
        "resolution": "STATIC",
        "ports": [{"number": port, "name": "http", "protocol": "HTTP", "targetPort": at.port()}],
        "endpoints": [{"address": at.ip().to_string()}],
    });
    networking("ServiceEntry", namespace, &name, spec)
}

/// Changes a WasmPlugin manifest of the repository for a test: puts it into this namespace, takes the module from this
/// file, applies it to these ports, and replaces its table if one is given.
pub fn wasm_plugin(
    mut manifest: Value,
    namespace: &str,
    module: &Path,
    ports: &[u16],
    table: Option<&Value>,
) -> Result<Value> {
    manifest["metadata"]["namespace"] = namespace.into();
    let spec = manifest.get_mut("spec").context("the manifest has no spec")?;
    spec["url"] = format!("file://{}", module.display()).into();
    let named_ports = spec.pointer_mut("/match/0/ports").context("the manifest names no port")?;
    *named_ports = ports.iter().map(|port| json!({"number": port})).collect();
    if let Some(table) = table {
        spec["pluginConfig"] = table.clone();
    }
    Ok(manifest)
}

/// Makes the endpoint of a ServiceEntry speak HTTP/2 without TLS, as a KSVC does whose port is named `h2c`.
pub fn h2c(mut service_entry: Value) -> Value {
    service_entry["spec"]["ports"][0]["protocol"] = "HTTP2".into();
    service_entry
}

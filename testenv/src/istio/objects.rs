//! Objects as users, net-istio and the tests apply them.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::certificates::Certificate;
use crate::gateway::{ROUTE_HEADER, VIRTUAL_HOST_HEADER};

/// The labels of an ingress gateway's pods in a default install.
pub fn gateway_labels() -> Value {
    json!({"istio": "ingressgateway", "app": "istio-ingressgateway"})
}

fn object(api_version: &str, kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"namespace": namespace, "name": name},
        "spec": spec,
    })
}

pub fn networking(kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    // The one kind that has not left alpha.
    let version = if kind == "EnvoyFilter" { "v1alpha3" } else { "v1" };
    object(&format!("networking.istio.io/{version}"), kind, namespace, name, spec)
}

/// An AuthorizationPolicy or a RequestAuthentication for the gateways of a namespace.
pub fn security(kind: &str, namespace: &str, name: &str, mut spec: Value) -> Value {
    spec["selector"] = json!({"matchLabels": {"istio": "ingressgateway"}});
    object("security.istio.io/v1", kind, namespace, name, spec)
}

/// The Gateway that VirtualServices of this namespace bind to, with these `servers`; they listen on loopback alone.
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

/// A plain-HTTP server for every host.
pub fn http_server(port: u16) -> Value {
    json!({"port": {"number": port, "name": format!("http-{port}"), "protocol": "HTTP"}, "hosts": ["*"]})
}

/// An HTTPS server for these hosts.
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

/// What net-istio makes of a KSVC of this host: a VirtualService that takes the host by prefix and sends it to the
/// revision. Its service is a ServiceEntry here, for no pods run. Two response headers tell the tests what chose it.
pub fn ksvc(namespace: &str, host: &str, stand_in: SocketAddr) -> [Value; 2] {
    let name = host.split(':').next().unwrap_or(host);
    let mut labels = name.split('.');
    let (service, of) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    let revision = format!("{service}-00001");
    let private = format!("{revision}.{of}.svc.cluster.local");
    let route = json!({
        "match": [{"authority": {"prefix": name}, "gateways": [gateway_name(namespace)]}],
        "route": [{
            "destination": {"host": private, "port": {"number": 80}},
            "headers": {
                "request": {"set": {"Knative-Serving-Namespace": of, "Knative-Serving-Revision": revision}},
                "response": {"set": told(&format!("{name}:80"))},
            },
            "weight": 100,
        }],
        "retries": {},
    });
    [
        virtual_service(namespace, &format!("{service}-{of}-ingress"), name, route),
        service_entry(namespace, &private, 80, stand_in),
    ]
}

/// Takes every host that no KSVC has.
pub fn catch_all(namespace: &str, stand_in: SocketAddr) -> [Value; 2] {
    let host = "catch-all.testenv.svc.cluster.local";
    let route = json!({
        "route": [{
            "destination": {"host": host, "port": {"number": 80}},
            "headers": {"response": {"set": told("catch-all")}},
        }],
        "retries": {},
    });
    [virtual_service(namespace, "catch-all", "*", route), service_entry(namespace, host, 80, stand_in)]
}

fn told(virtual_host: &str) -> Value {
    json!({ROUTE_HEADER: "%FILTER_STATE(wasm.ksvc_router.route:PLAIN)%", VIRTUAL_HOST_HEADER: virtual_host})
}

fn gateway_name(namespace: &str) -> String {
    format!("{namespace}/knative-ingress-gateway")
}

fn virtual_service(namespace: &str, name: &str, host: &str, route: Value) -> Value {
    let spec = json!({"gateways": [gateway_name(namespace)], "hosts": [host], "http": [route]});
    networking("VirtualService", namespace, name, spec)
}

/// A service of this namespace's gateways alone, at an address of this machine.
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

/// A manifest of the repository's, a WasmPlugin, as the tests apply it: in this namespace, with the module from this
/// file, on these ports, and with this table where one is given.
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
    let named = spec.pointer_mut("/match/0/ports").context("the manifest names no port")?;
    *named = ports.iter().map(|port| json!({"number": port})).collect();
    if let Some(table) = table {
        spec["pluginConfig"] = table.clone();
    }
    Ok(manifest)
}

/// A ServiceEntry whose endpoint speaks HTTP/2 without TLS, as a KSVC does whose port is named `h2c`.
pub fn h2c(mut service_entry: Value) -> Value {
    service_entry["spec"]["ports"][0]["protocol"] = "HTTP2".into();
    service_entry
}

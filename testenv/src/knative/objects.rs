//! Makes the objects of Knative and the Gateway API that users and the tests apply.

use serde_json::{Value, json};

use crate::gateway::ROUTE_HEADER;
use crate::istio::control_plane::ROOT_NAMESPACE;
use crate::istio::objects::{gateway_labels, networking};

/// The image of the pods whose program is the [`function`](super::function).
pub const FUNCTION_IMAGE: &str = "dev.local/function:1";

/// The name of the Gateway API's Gateway for requests from outside.
pub const GATEWAY: &str = "knative-gateway";

/// Returns a KSVC. A test changes the fields that it is about.
pub fn ksvc(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"template": {
            "metadata": {"annotations": {}},
            "spec": {"containers": [{"image": FUNCTION_IMAGE, "env": []}]},
        }},
    })
}

/// Sets an annotation of the revisions of a KSVC, in the group `autoscaling.knative.dev` if the name has no group.
#[must_use]
pub fn annotated(mut ksvc: Value, name: &str, value: &str) -> Value {
    let name = if name.contains('/') { name.to_owned() } else { format!("autoscaling.knative.dev/{name}") };
    ksvc["spec"]["template"]["metadata"]["annotations"][name] = value.into();
    ksvc
}

/// Sets a variable of the function of a KSVC.
#[must_use]
pub fn with_variable(mut ksvc: Value, name: &str, value: &str) -> Value {
    let variables = &mut ksvc["spec"]["template"]["spec"]["containers"][0]["env"];
    if let Some(variables) = variables.as_array_mut() {
        variables.push(json!({"name": name, "value": value}));
    }
    ksvc
}

/// Makes the function of a KSVC speak HTTP/2 without TLS, which gRPC needs.
#[must_use]
pub fn h2c(mut ksvc: Value) -> Value {
    ksvc["spec"]["template"]["spec"]["containers"][0]["ports"] = json!([{"name": "h2c", "containerPort": 8080}]);
    ksvc
}

/// Returns a web server outside Knative: a Deployment of the stand-in, its Service, and an HTTPRoute for these hosts, or
/// for every host that has no other route. Its responses name the first host as their virtual host.
pub fn web_server(namespace: &str, name: &str, hosts: &[&str]) -> [Value; 3] {
    let labels = json!({"app": name});
    let object = |api_version: &str, kind: &str, spec: Value| {
        json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {"namespace": namespace, "name": name},
            "spec": spec,
        })
    };
    let host = hosts.first().unwrap_or(&name);
    let container = json!({
        "name": "function",
        "image": FUNCTION_IMAGE,
        "env": [{"name": "PORT", "value": "8080"}, {"name": "FUNCTION_HOST", "value": host}],
    });
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [container]}});
    [
        object("apps/v1", "Deployment", json!({"selector": {"matchLabels": labels}, "template": template})),
        object("v1", "Service", json!({"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]})),
        object(
            "gateway.networking.k8s.io/v1",
            "HTTPRoute",
            json!({
                "parentRefs": [{"namespace": ROOT_NAMESPACE, "name": GATEWAY}],
                "hostnames": hosts,
                "rules": [{"backendRefs": [{"name": name, "port": 80}]}],
            }),
        ),
    ]
}

/// Returns an EnvoyFilter that adds the name of the plugin's route to each response, for the tests.
pub fn route_names() -> Value {
    let header = json!({"header": {"key": ROUTE_HEADER, "value": "%FILTER_STATE(wasm.ksvc_router.route:PLAIN)%"}});
    let patch = json!({"operation": "MERGE", "value": {"response_headers_to_add": [header]}});
    let spec = json!({
        "workloadSelector": {"labels": gateway_labels()},
        "configPatches": [{"applyTo": "ROUTE_CONFIGURATION", "match": {"context": "GATEWAY"}, "patch": patch}],
    });
    networking("EnvoyFilter", ROOT_NAMESPACE, "route-names", spec)
}

/// Returns a Gateway of the Gateway API, served by the pods of the Service with this name in the same namespace.
pub fn gateway(namespace: &str, name: &str, service: &str) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "gatewayClassName": "istio",
            "addresses": [{"type": "Hostname", "value": format!("{service}.{namespace}.svc.cluster.local")}],
            "listeners": [{
                "name": "http",
                "port": 80,
                "protocol": "HTTP",
                "allowedRoutes": {"namespaces": {"from": "All"}},
            }],
        },
    })
}

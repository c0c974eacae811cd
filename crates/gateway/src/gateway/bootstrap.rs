//! Builds Envoy's bootstrap and its LDS resources from `testenv/envoy.yaml` and the settings of a gateway.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::setup::Setup;

/// Envoy's bootstrap, which is a sample for people too.
const SAMPLE: &str = include_str!("../../../../testenv/envoy.yaml");

/// The response header with the route's name, which the plugin writes to filter state.
pub const ROUTE_HEADER: &str = "x-ksvc-route";

/// The response header with the name of the virtual host that served the request.
pub const VIRTUAL_HOST_HEADER: &str = "x-virtual-host";

const HTTP_CONNECTION_MANAGER: &str = "/filter_chains/0/filters/0/typed_config";
const ACCESS_LOG_FORMAT: &str = "/access_log/0/typed_config/log_format/text_format_source/inline_string";

impl Setup {
    /// Returns Envoy's bootstrap.
    pub(super) fn bootstrap_in(&self, folder: &Path, stand_ins: SocketAddr) -> Result<Value> {
        let mut bootstrap: Value = yaml_serde::from_str(SAMPLE)?;
        *at(&mut bootstrap, "/admin/address/socket_address/port_value")? = self.ports.1.into();
        let clusters = at(&mut bootstrap, "/static_resources/clusters")?.as_array_mut().context("clusters: a list")?;
        for cluster in &mut *clusters {
            let endpoint = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
            *at(cluster, endpoint)? = json!({"address": stand_ins.ip().to_string(), "port_value": stand_ins.port()});
        }
        clusters.extend(self.clusters.iter().cloned());
        let listeners = at(&mut bootstrap, "/static_resources/listeners")?;
        if self.listeners_by_file {
            *listeners = json!([]);
            bootstrap["dynamic_resources"]["lds_config"] = json!({
                "path_config_source": {"path": folder.join("lds.json")},
                "resource_api_version": "V3",
            });
        } else {
            *listeners = self.listeners(folder)?.into();
        }
        (self.bootstrap)(&mut bootstrap);
        Ok(bootstrap)
    }

    /// Returns the LDS resources, in this version.
    pub(super) fn lds_in(&self, folder: &Path, edit: u64) -> Result<Value> {
        let mut listeners = self.listeners(folder)?;
        for listener in &mut listeners {
            listener["@type"] = "type.googleapis.com/envoy.config.listener.v3.Listener".into();
        }
        Ok(json!({"version_info": edit.to_string(), "resources": listeners}))
    }

    /// Returns the listeners, as they are in the bootstrap.
    pub(super) fn listeners(&self, folder: &Path) -> Result<Vec<Value>> {
        let mut bootstrap: Value = yaml_serde::from_str(SAMPLE)?;
        let clusters = at(&mut bootstrap, "/static_resources/clusters")?.as_array().context("clusters: a list")?;
        let cluster_of_added_hosts = clusters.last().context("clusters: not empty")?["name"].clone();

        let mut ingress = at(&mut bootstrap, "/static_resources/listeners/0")?.take();
        *at(&mut ingress, "/address/socket_address/port_value")? = self.ports.0.into();
        let manager = at(&mut ingress, HTTP_CONNECTION_MANAGER)?;
        let mut new_filters = self.policies.clone();
        match &self.filter {
            Some(filter) => new_filters.push(filter.clone()),
            None => {
                for plugin in &self.plugins {
                    new_filters.push(plugin.filter(&self.module, self.delivery, folder)?);
                }
            }
        }
        let filters = at(manager, "/http_filters")?.as_array_mut().context("http_filters: a list")?;
        filters.splice(..1, new_filters); // they replace the first filter, which is the plugin
        if self.trusted_scheme {
            manager["xff_num_trusted_hops"] = 1.into();
        }
        if let Some(format) = &self.access_log {
            *at(manager, ACCESS_LOG_FORMAT)? = format.as_str().into();
        }
        for (key, value) in &self.connection_manager {
            manager[key] = value.clone();
        }
        let routes = at(manager, "/route_config")?;
        routes["response_headers_to_add"] = json!([{"header": {
            "key": ROUTE_HEADER, "value": "%FILTER_STATE(wasm.ksvc_router.route:PLAIN)%"
        }}]);
        let virtual_hosts = at(routes, "/virtual_hosts")?.as_array_mut().context("virtual_hosts: a list")?;
        let mut known: Vec<Value> = virtual_hosts.iter().map(|host| host["domains"][0].clone()).collect();
        for host in &self.hosts {
            let added = virtual_host(host, &cluster_of_added_hosts);
            if !known.contains(&added["domains"][0]) {
                known.push(added["domains"][0].clone());
                virtual_hosts.push(added);
            }
        }
        if self.catch_all {
            virtual_hosts.push(json!({"name": "catch-all", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "route": {"cluster": cluster_of_added_hosts, "timeout": "0s"}},
                {"match": {"path": "*"}, "route": {"cluster": cluster_of_added_hosts, "timeout": "0s"}},
            ]}));
        }
        for virtual_host in virtual_hosts {
            virtual_host["response_headers_to_add"] =
                json!([{"header": {"key": VIRTUAL_HOST_HEADER, "value": virtual_host["name"]}}]);
        }

        let mut listeners = vec![ingress];
        if self.raw_paths {
            let mut raw_paths = listeners[0].clone();
            raw_paths["name"] = "ingress-raw-paths".into();
            *at(&mut raw_paths, "/address/socket_address/port_value")? = 0.into();
            *at(&mut raw_paths, &format!("{HTTP_CONNECTION_MANAGER}/normalize_path"))? = false.into();
            listeners.push(raw_paths);
        }
        Ok(listeners)
    }
}

fn at<'a>(value: &'a mut Value, pointer: &str) -> Result<&'a mut Value> {
    value.pointer_mut(pointer).with_context(|| format!("testenv/envoy.yaml has no {pointer}"))
}

/// Returns the virtual host that istiod makes from net-istio's VirtualService of a KSVC: it matches the authority by
/// prefix and sets the headers that name the revision.
fn virtual_host(host: &str, cluster: &Value) -> Value {
    let name = host.split(':').next().unwrap_or(host);
    let mut labels = name.split('.');
    let (service, namespace) = (labels.next().unwrap_or_default(), labels.next().unwrap_or_default());
    let set = |key: &str, value: &str| json!({"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"});
    json!({
        "name": format!("{name}:80"),
        "domains": [name, format!("{name}:*")],
        "include_request_attempt_count": true,
        "routes": [{
            "match": {
                "prefix": "/",
                "headers": [{"name": ":authority", "string_match": {"prefix": name}}],
            },
            "route": {"cluster": cluster, "timeout": "0s"},
            "request_headers_to_add": [
                set("Knative-Serving-Namespace", namespace),
                set("Knative-Serving-Revision", &format!("{service}-00001")),
            ],
        }],
    })
}

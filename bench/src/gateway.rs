//! Envoy as an ingress gateway with Knative Services behind it. Its routes come by RDS and the filter of a variant by
//! ECDS, so that both can be edited while it runs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};
use testenv::process::free_ports;

use crate::ecds;
use crate::envoy::{self, Envoy, loopback};
use crate::table::{HOST, NAMESPACE, Table};

/// The cluster of all services.
pub(crate) const UPSTREAM: &str = "outbound|80||services";
/// The cluster that sends requests back to the gateway.
pub(crate) const ITSELF: &str = "outbound|80||gateway";

const FILTER: &str = "variant";
const ROUTES: &str = "routes.json";

/// The part of the gateway's configuration that a variant supplies.
pub(crate) struct Parts {
    /// The `typed_config` of an HTTP filter.
    pub(crate) filter: Option<Value>,
    /// The fields of the public host's virtual host that select a route, besides its name and domains.
    pub(crate) routing: Value,
}

pub struct Gateway {
    envoy: Envoy,
}

impl Gateway {
    /// Starts Envoy with version 1 of its routes and its filter.
    pub(crate) fn start(binary: &Path, parts: &Parts, table: &Table, upstream: SocketAddr) -> Result<Self> {
        let [port] = free_ports()?;
        let envoy = Envoy::start(binary, |folder| {
            let mut filters = Vec::new();
            if parts.filter.is_some() {
                filters.push(ecds::filter(folder, FILTER));
            }
            filters.extend([
                envoy::filter("grpc_stats", "grpc_stats.v3.FilterConfig"),
                envoy::filter("fault", "fault.v3.HTTPFault"),
                envoy::filter("cors", "cors.v3.Cors"),
            ]);
            if let Some(typed_config) = &parts.filter {
                ecds::write(folder, FILTER, typed_config, 1)?;
            }
            ecds::write_resource(&folder.join(ROUTES), &routes(parts, table), 1)?;
            let source = ecds::source(&folder.join(ROUTES));
            let rds = json!({"rds": {"route_config_name": ROUTES, "config_source": source}});
            let clusters = json!([cluster(UPSTREAM, upstream.port()), cluster(ITSELF, port)]);
            Ok(envoy::bootstrap(port, filters, rds, clusters))
        })?;
        Ok(Self { envoy })
    }

    pub fn address(&self) -> SocketAddr {
        self.envoy.address
    }

    pub fn id(&self) -> u32 {
        self.envoy.id()
    }

    pub(crate) fn log_tail(&self) -> String {
        self.envoy.log_tail()
    }

    /// Renders the edit to another table of the same services, so that applying it takes no further work.
    pub(crate) fn prepare(&self, parts: &Parts, table: &Table, version: u64) -> Edit {
        let (file, resource) = match &parts.filter {
            Some(typed_config) => ecds::resource(self.envoy.folder(), FILTER, typed_config),
            None => (self.envoy.folder().join(ROUTES), routes(parts, table)),
        };
        Edit { file, text: ecds::text(&resource, version) }
    }
}

/// A new text for a file that Envoy watches.
pub struct Edit {
    file: PathBuf,
    text: String,
}

impl Edit {
    /// Replaces the file.
    pub fn apply(&self) -> Result<()> {
        ecds::move_into_place(&self.file, &self.text)
    }
}

/// Returns the route configuration: the virtual host of the public host, and those of the services in the form that
/// net-istio makes istiod render.
fn routes(parts: &Parts, table: &Table) -> Value {
    let mut public = json!({"name": format!("{HOST}:80"), "domains": [HOST, format!("{HOST}:*")]});
    if let (Value::Object(public), Value::Object(routing)) = (&mut public, &parts.routing) {
        public.extend(routing.clone());
    }
    let services = table.authorities().into_iter().map(|authority| virtual_host(&authority));
    let all: Vec<_> = [public].into_iter().chain(services).collect();
    json!({
        "@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        "name": ROUTES,
        "ignore_port_in_host_matching": true,
        "virtual_hosts": all,
    })
}

fn virtual_host(authority: &str) -> Value {
    let service = authority.split('.').next().unwrap_or_default();
    let set = |key: &str, value: &str| json!({"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"});
    json!({
        "name": format!("{authority}:80"),
        "domains": [authority, format!("{authority}:*")],
        "include_request_attempt_count": true,
        "routes": [{
            "match": {"prefix": "/", "headers": [{"name": ":authority", "string_match": {"prefix": authority}}]},
            "route": {"cluster": UPSTREAM, "timeout": "0s"},
            "request_headers_to_add": [
                set("Knative-Serving-Namespace", NAMESPACE),
                set("Knative-Serving-Revision", &format!("{service}-00001")),
            ],
        }],
    })
}

fn cluster(name: &str, port: u16) -> Value {
    json!({
        "name": name,
        "connect_timeout": "10s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": loopback(port)}}]}]},
    })
}

//! The API of one test on the gateway that all tests share: its public host, the namespace of its KSVCs, and its
//! WasmPlugin. The namespace and the plugin are deleted when it is dropped.

use std::sync::{Barrier, PoisonError, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testenv::http1::{Request, Response};
use testenv::istio::control_plane::ROOT_NAMESPACE;
use testenv::istio::objects::wasm_plugin;
use testenv::knative::serving::{DOMAIN, HTTP, eventually};
use testenv::knative::{Knative, objects};
use testenv::{plugin, repository, yaml};

use crate::Env;
use crate::common::report;

/// Long enough for cold starts of many KSVCs at the same time on two cores.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Api<'a> {
    pub(crate) knative: &'a Knative,
    /// The name of the namespace and of the WasmPlugin.
    pub(crate) name: String,
    /// The public host.
    pub(crate) host: String,
    /// All namespaces, the first included, which are deleted in the end.
    namespaces: Vec<String>,
    _turn: Turn<'a>,
}

/// Whether other tests may run at the same time.
#[allow(dead_code, reason = "held until the test ends")]
enum Turn<'a> {
    Shared(RwLockReadGuard<'a, ()>),
    Exclusive(RwLockWriteGuard<'a, ()>),
}

impl Env {
    /// Returns an API with this name, on the host `NAME.test`.
    pub(crate) fn api(&self, name: &str) -> Result<Api<'_>> {
        let turn = Turn::Shared(self.turn.read().unwrap_or_else(PoisonError::into_inner));
        Api::new(self, name, turn)
    }

    /// Returns an API for a test that may affect the hosts of other tests, so that no other test runs at the same time.
    pub(crate) fn exclusive_api(&self, name: &str) -> Result<Api<'_>> {
        let turn = Turn::Exclusive(self.turn.write().unwrap_or_else(PoisonError::into_inner));
        Api::new(self, name, turn)
    }
}

impl<'a> Api<'a> {
    fn new(env: &'a Env, name: &str, turn: Turn<'a>) -> Result<Self> {
        let is_new = env.names.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        ensure!(is_new, "two tests use the name {name}");
        let knative = &env.knative;
        knative.cluster().namespace(name)?;
        let (name, host) = (name.to_owned(), format!("{name}.test"));
        Ok(Self { knative, namespaces: vec![name.clone()], name, host, _turn: turn })
    }

    /// Makes another namespace and returns its name, `NAME-SUFFIX`.
    pub(crate) fn another_namespace(&mut self, suffix: &str) -> Result<String> {
        let name = format!("{}-{suffix}", self.name);
        self.knative.cluster().namespace(&name)?;
        self.namespaces.push(name.clone());
        Ok(name)
    }

    /// Returns a KSVC in this namespace.
    pub(crate) fn ksvc(&self, name: &str) -> Value {
        objects::ksvc(&self.name, name)
    }

    /// Returns a KSVC in this namespace that is ready without ever having had a pod.
    pub(crate) fn cold(&self, name: &str) -> Value {
        objects::annotated(self.ksvc(name), "initial-scale", "0")
    }

    /// Returns the host of the KSVC with this name.
    pub(crate) fn ksvc_host(&self, name: &str) -> String {
        format!("{name}.{}.{DOMAIN}", self.name)
    }

    /// Applies KSVCs and waits until they are ready, and until the gateway knows all of each. net-gateway-api takes a KSVC
    /// for ready as soon as Envoy has its route, and then Envoy can answer 500 for a moment, until it has the cluster.
    pub(crate) fn serve(&self, ksvcs: &[Value]) -> Result<()> {
        self.knative.serve(ksvcs)?;
        for ksvc in ksvcs {
            let text = |key: &str| ksvc["metadata"][key].as_str().unwrap_or_default();
            let host = format!("{}.{}.{DOMAIN}", text("name"), text("namespace"));
            // It starts no pod.
            let probe = probe(&host, "/healthz");
            eventually(&format!("{host} is known"), || Ok(![500, 503].contains(&self.send(&probe)?.status)))?;
        }
        Ok(())
    }

    /// Waits until an object in this namespace is ready. The error contains its status.
    pub(crate) fn await_ready(&self, kind: &str, name: &str) -> Result<()> {
        let cluster = self.knative.cluster();
        let wait = ["wait", "-n", &self.name, "--for", "condition=Ready", "--timeout", "60s", kind, name];
        cluster.kubectl(wait).map(drop).with_context(|| {
            let status = cluster.kubectl(["get", "-n", &self.name, kind, name, "-o", "jsonpath={.status}"]);
            format!("{kind} {}/{name} is not ready: {}", self.name, status.unwrap_or_default())
        })
    }

    /// Returns a table with these routes for the public host.
    pub(crate) fn table(&self, routes: Value) -> Value {
        json!({"hosts": [self.host], "domain": DOMAIN, "namespace": self.name, "routes": routes})
    }

    /// Returns a table with one route for every method and path, to this KSVC.
    pub(crate) fn table_to(&self, service: &str) -> Value {
        self.table(json!([{"match": "ANY /{**path}", "service": service}]))
    }

    /// Returns `wasm-plugin.yaml` with this table and the built module, for the gateway's HTTP port.
    pub(crate) fn manifest(&self, table: &Value) -> Result<Value> {
        let mut manifest = yaml::read(&repository().join("wasm-plugin.yaml"))?;
        manifest["metadata"]["name"] = self.name.as_str().into();
        wasm_plugin(manifest, ROOT_NAMESPACE, &plugin()?, &[HTTP], Some(table))
    }

    /// Applies the WasmPlugin with this table, which must have no errors, and waits until Envoy runs it.
    pub(crate) fn apply(&self, table: &Value) -> Result<()> {
        let compiled = ksvc_routing::compile(table.to_string().as_bytes());
        let problems: Vec<_> =
            compiled.problems.iter().map(|problem| format!("{}: {}", problem.place, problem.kind)).collect();
        ensure!(compiled.is_good(), "the table of this test has errors: {}", problems.join("; "));
        self.apply_unchecked(table)
    }

    /// Applies the WasmPlugin with this table, which may have errors, and waits until Envoy runs it.
    pub(crate) fn apply_unchecked(&self, table: &Value) -> Result<()> {
        self.knative.gateway().apply_plugin(&self.manifest(table)?).map(drop)
    }

    /// Sends `GET path` to the public host.
    pub(crate) fn get(&self, path: &str) -> Result<Response> {
        self.send(&Request::get(&self.host, path))
    }

    /// Sends a request to the gateway, with enough patience for a cold start.
    pub(crate) fn send(&self, request: &Request) -> Result<Response> {
        request.send_within(PATIENCE, self.knative.address())
    }

    /// Waits until requests to this path, which a route leads to a function, pass the activator, or until they do not.
    /// The activator marks each request. All of several requests must agree, because each of Envoy's threads learns of
    /// the change by itself.
    pub(crate) fn await_activator(&self, path: &str, expected: bool) -> Result<()> {
        eventually(&format!("requests to {path} pass the activator: {expected}"), || {
            for response in self.send_at_once(&vec![Request::get(&self.host, path); 8])? {
                if report(&response)?.header("k-proxy-request").is_some() != expected {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// Sends several requests at the same moment, each over a connection of its own, and returns what becomes of each, in
    /// the same order.
    pub(crate) fn try_at_once(&self, requests: &[Request]) -> Vec<Result<Response>> {
        let all = Barrier::new(requests.len());
        thread::scope(|scope| {
            let send = |request| {
                all.wait();
                self.send(request)
            };
            let threads: Vec<_> = requests.iter().map(|request| scope.spawn(move || send(request))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a client panicked")).collect()
        })
    }

    /// Sends several requests at the same moment, and returns their responses in the same order.
    pub(crate) fn send_at_once(&self, requests: &[Request]) -> Result<Vec<Response>> {
        self.try_at_once(requests).into_iter().collect()
    }

    /// Returns what the gateway's access log says of the last request with this host and path, which must be there: its
    /// status, flags and details. Envoy writes the log every ten seconds.
    pub(crate) fn access(&self, host: &str, path: &str) -> Result<String> {
        let request = format!(" host={host} path={path} ");
        let mut found = None;
        eventually(&format!("the access log has {host}{path}"), || {
            let log = self.knative.gateway().log();
            let line = log.lines().rev().find(|line| line.starts_with("access: ") && line.contains(&request));
            found = line.and_then(|line| line.split_once(&request)).map(|(_, rest)| rest.to_owned());
            Ok(found.is_some())
        })?;
        Ok(found.unwrap_or_default())
    }

    /// Returns the names of the pods of a KSVC that are not about to end.
    pub(crate) fn pods(&self, ksvc: &str) -> Result<Vec<String>> {
        let selector = format!("serving.knative.dev/service={ksvc}");
        let alive = "jsonpath={range .items[*]}{.metadata.name} {.metadata.deletionTimestamp}{\"\\n\"}{end}";
        let listed = self.knative.cluster().kubectl(["get", "pods", "-n", &self.name, "-l", &selector, "-o", alive])?;
        let names = listed.lines().filter_map(|line| line.strip_suffix(' ').map(str::to_owned));
        Ok(names.collect())
    }

    /// Waits until a KSVC is scaled to zero.
    pub(crate) fn await_no_pods(&self, ksvc: &str) -> Result<()> {
        eventually(&format!("{ksvc} has no pods"), || Ok(self.pods(ksvc)?.is_empty()))
    }

    /// Waits until a response to `GET path` has this status. The error contains the last response.
    pub(crate) fn await_status(&self, path: &str, status: u16) -> Result<Response> {
        let mut last = self.get(path)?;
        let waited = eventually("the response has the status", || {
            last = self.get(path)?;
            Ok(last.status == status)
        });
        ensure!(waited.is_ok(), "{path}: status {} instead of {status}: {}", last.status, last.text());
        Ok(last)
    }
}

impl Drop for Api<'_> {
    fn drop(&mut self) {
        let cluster = self.knative.cluster();
        let _ = cluster.kubectl(["delete", "wasmplugin", &self.name, "-n", ROOT_NAMESPACE, "--ignore-not-found"]);
        for namespace in &self.namespaces {
            let _ = cluster.kubectl(["delete", "namespace", namespace, "--wait=false"]);
        }
    }
}

/// Returns the request that net-gateway-api probes a host with.
pub(crate) fn probe(host: &str, path: &str) -> Request {
    Request::get(host, path)
        .header("user-agent", "Knative-Ingress-Probe")
        .header("k-network-probe", "probe")
        .header("k-network-hash", "override")
}

/// Returns the number in this header of a response.
pub(crate) fn number(response: &Response, header: &str) -> Result<u64> {
    Ok(response.header(header).with_context(|| format!("no {header}: {response:?}"))?.parse()?)
}

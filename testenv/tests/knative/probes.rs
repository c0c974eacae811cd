//! Knative's own requests through the gateway: whatever the table says, KSVCs become ready.
//!
//! net-gateway-api is the only part of Knative that sends requests through the gateway by itself. It asks for each host of
//! a KSVC or DomainMapping, of each tag too, with the headers of [`probe`]: for the paths of its routes, which are `/` and
//! those of certificate challenges, and after a change for `/.well-known/knative/revision/NAMESPACE/REVISION`. The
//! activator or queue-proxy answers, and repeats `K-Network-Hash`, which tells net-gateway-api the version of the route.
//! net-gateway-api waits if the status is 404 or 503, and takes every other response without that header for success. A
//! test must therefore look at the responses too. The activator, the autoscaler and the kubelet talk to pods directly.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testenv::http1::{Request, Response};
use testenv::knative::function::REVISION_HEADER;
use testenv::knative::objects::ksvc;
use testenv::knative::serving::{DOMAIN, eventually};

use crate::api::{Api, probe};
use crate::{Env, tests};

tests! {
    ksvcs_become_ready_with_every_setting_of_the_table,
    ksvcs_become_ready_with_a_broken_table,
    a_ksvc_that_is_the_host_of_a_route_becomes_ready_only_as_a_service,
    new_revisions_and_tags_become_ready_behind_denied_hosts,
    ksvcs_with_the_same_name_in_two_namespaces_become_ready,
    certificate_challenges_reach_denied_hosts,
}

/// What net-gateway-api has logged about its probes of a host.
#[derive(Debug, Clone)]
pub(crate) struct Probes {
    /// The URLs without the host, in the order of the first probe of each.
    pub(crate) paths: Vec<String>,
    /// The responses for which it asked again.
    pub(crate) failed: Vec<String>,
    /// The responses that it took for success without knowing.
    pub(crate) abandoned: Vec<String>,
}

impl Probes {
    pub(crate) fn of(api: &Api<'_>, host: &str) -> Result<Self> {
        let mut probes = Self { paths: Vec::new(), failed: Vec::new(), abandoned: Vec::new() };
        for entry in fs::read_dir(api.knative.folder().join("pods"))? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().contains("net-gateway-api")) {
                probes.add(&fs::read_to_string(path)?, &format!("http://{host}/"));
            }
        }
        Ok(probes)
    }

    fn add(&mut self, log: &str, url: &str) {
        for line in log.lines().filter(|line| line.contains(url)) {
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            let message = line["message"].as_str().unwrap_or_default();
            if let Some(rest) = message.strip_prefix("Processing probe for ").and_then(|rest| rest.strip_prefix(url)) {
                let path = format!("/{}", rest.split(',').next().unwrap_or_default());
                if !self.paths.contains(&path) {
                    self.paths.push(path);
                }
            } else if message.contains(" failed, ") {
                self.failed.push(message.to_owned());
            // Envoy answers 500 while it has a route and not yet the cluster of a new revision.
            } else if message.contains(" abandoned, ") && !message.contains("status is 500") {
                self.abandoned.push(message.to_owned());
            }
        }
    }
}

/// Checks that a host was probed and is ready because Knative has answered, and not because net-gateway-api gave up.
fn ensure_probed(api: &Api<'_>, host: &str) -> Result<()> {
    let probes = Probes::of(api, host)?;
    ensure!(!probes.paths.is_empty() && probes.abandoned.is_empty(), "{host}: {probes:?}");
    for path in &probes.paths {
        ensure_answered_by_knative(api, host, path)?;
    }
    Ok(())
}

/// Checks that Knative's proxies answer a probe, without the function.
fn ensure_answered_by_knative(api: &Api<'_>, host: &str, path: &str) -> Result<()> {
    let mut response = api.send(&probe(host, path))?;
    // Without its route yet, Envoy answers 404 with no body, and without the cluster yet, 500. The filter's 404 has a body.
    let is_known =
        |response: &Response| response.status != 500 && (response.status != 404 || !response.body.is_empty());
    eventually("the gateway has the route and the cluster of the revision", || {
        if !is_known(&response) {
            response = api.send(&probe(host, path))?;
        }
        Ok(is_known(&response))
    })?;
    let by_knative = response.header("k-network-hash").is_some() && response.header(REVISION_HEADER).is_none();
    ensure!(response.status == 200 && by_knative, "the probe of {host}{path}: {response:?}");
    Ok(())
}

fn is_denied(response: &Response) -> bool {
    response.status == 404 && response.text().contains("This host is not served here.")
}

fn ksvcs_become_ready_with_every_setting_of_the_table(env: &Env) -> Result<()> {
    let api = env.exclusive_api("probed")?;
    api.serve(&[api.ksvc("first")])?;
    let everything = json!(["*"]);
    let to_first = json!([{"match": "ANY /{**path}", "service": "first"}]);
    let captured = json!([{"match": "ANY /{ns}/{svc}/{**path}", "service": "{svc}", "namespace": "{ns}"}]);
    let teapot = json!([{"match": "ANY /{**path}", "respond": {"status": 418}}]);
    let paths = ["GET /", "GET /healthz", "GET /.well-known/{**path}"];
    let redirect = json!([{"match": paths, "redirect": {"to": "/elsewhere"}}]);
    let cors = json!({"allowOrigins": ["*"], "allowMethods": ["GET"]});
    let headers = json!({"set": {"x-added": "x"}, "remove": ["user-agent", "server"]});
    // The last value is the status of the same request without the headers of a probe: what the table says.
    let tables = [
        ("deny-direct", json!({"denyDirect": true}), 404),
        ("all-hosts", json!({"hosts": everything}), 404),
        ("suffix", json!({"hosts": ["*.example.com"], "denyDirect": true}), 404),
        ("both", json!({"hosts": everything, "denyDirect": true}), 404),
        ("catch-all", json!({"hosts": everything, "routes": to_first}), 200),
        ("respond", json!({"hosts": everything, "routes": teapot}), 418),
        ("redirect", json!({"hosts": everything, "routes": redirect}), 308),
        ("cors", json!({"hosts": everything, "denyDirect": true, "cors": cors}), 404),
        ("pass-through", json!({"hosts": everything, "denyDirect": true, "onNoMatch": "passThrough"}), 404),
        (
            "base-path",
            json!({"hosts": everything, "denyDirect": true, "basePath": "/faas", "stripBasePath": true}),
            404,
        ),
        (
            "headers",
            json!({
                "hosts": everything, "routes": to_first, "stripInternalHeaders": false, "requestHeaders": headers,
                "responseHeaders": headers, "trailingSlash": "ignore", "unsafePaths": "allow",
            }),
            200,
        ),
        ("captured", json!({"denyDirect": true, "allowNamespaces": [api.name], "routes": captured}), 404),
        ("any", json!({"hosts": everything, "denyDirect": true, "allowNamespaces": ["*"], "routes": captured}), 404),
    ];
    let mut failures = Vec::new();
    for (name, settings, status) in tables {
        let mut table = api.table(json!([{"match": format!("GET /{name}"), "service": name}]));
        for (key, value) in settings.as_object().context("the settings")? {
            table[key] = value.clone();
        }
        let check = || {
            api.apply(&table)?;
            api.serve(&[api.cold(name)])?;
            let host = api.ksvc_host(name);
            ensure_probed(&api, &host)?;
            let unprobed = api.send(&Request::get(&host, "/"))?;
            ensure!(unprobed.status == status, "without the headers of a probe: {unprobed:?}");
            // Routed to another KSVC than the host's.
            ensure!(status != 200 || unprobed.header(REVISION_HEADER) == Some("first-00001"), "{unprobed:?}");
            Ok(())
        };
        if let Err(error) = check() {
            failures.push(format!("{name}: {error:#}"));
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

fn ksvcs_become_ready_with_a_broken_table(env: &Env) -> Result<()> {
    let api = env.exclusive_api("broken")?;
    // No good table comes before these, so the gateway serves what can be served.
    let route = |name: &str| json!({"match": format!("GET /{name}"), "service": name});
    let mut unreadable_key = api.table(json!([route("key")]));
    unreadable_key["hosts"] = json!(["*"]);
    unreadable_key["denyDirect"] = "yes".into();
    let mut broken_route = api.table(json!([route("route"), {"match": "/{**path}", "service": "other"}]));
    broken_route["hosts"] = json!(["*"]);
    let mut unreadable_hosts = api.table(json!([route("hosts")]));
    unreadable_hosts["hosts"] = json!(["*."]);
    unreadable_hosts["denyDirect"] = true.into();
    // The status of the same request without the headers of a probe.
    for (name, table, status) in
        [("key", unreadable_key, 404), ("route", broken_route, 503), ("hosts", unreadable_hosts, 200)]
    {
        api.apply_unchecked(&table)?;
        api.serve(&[api.cold(name)]).with_context(|| format!("{table}"))?;
        let host = api.ksvc_host(name);
        ensure_probed(&api, &host)?;
        let unprobed = api.send(&Request::get(&host, "/"))?;
        ensure!(unprobed.status == status, "{name}: without the headers of a probe: {unprobed:?}");
    }
    Ok(())
}

fn a_ksvc_that_is_the_host_of_a_route_becomes_ready_only_as_a_service(env: &Env) -> Result<()> {
    let api = env.api("as-host")?;
    let host = api.ksvc_host("function");
    let mut table = api.table(json!([{"match": "GET /{**path}", "host": host}]));
    table["denyDirect"] = true.into();
    api.apply(&table)?;
    let function = api.cold("function");
    api.knative.cluster().apply(std::slice::from_ref(&function))?;
    eventually("the probe has failed", || Ok(Probes::of(&api, &host)?.failed.len() > 2))?;
    ensure!(is_denied(&api.send(&probe(&host, "/"))?), "the probe of a route's host passes");
    // net-istio asks for this path, and its probes pass.
    ensure_answered_by_knative(&api, &host, "/healthz")?;

    let mut table = api.table_to("function");
    table["denyDirect"] = true.into();
    api.apply(&table)?;
    api.knative.await_ready(&[function])?;
    ensure!(is_denied(&api.send(&Request::get(&host, "/"))?), "direct requests pass");
    ensure!(api.get("/")?.status == 200);
    Ok(())
}

fn new_revisions_and_tags_become_ready_behind_denied_hosts(env: &Env) -> Result<()> {
    let api = env.api("denied")?;
    let routes = json!([
        {"match": "GET /beta", "service": "function", "tag": "beta"},
        {"match": "GET /{**path}", "service": "function"},
    ]);
    let mut table = api.table(routes);
    table["denyDirect"] = true.into();
    api.apply(&table)?;
    let mut function = api.ksvc("function");
    api.serve(std::slice::from_ref(&function))?;
    let (host, beta) = (api.ksvc_host("function"), api.ksvc_host("beta-function"));
    let revision = |number: u32| format!("function-0000{number}");
    let path = |number: u32| format!("/.well-known/knative/revision/{}/{}", api.name, revision(number));

    function["spec"]["template"]["metadata"]["annotations"]["testenv/edit"] = "2".into();
    api.serve(std::slice::from_ref(&function))?;
    let served = api.get("/")?;
    ensure!(served.header(REVISION_HEADER) == Some(revision(2).as_str()), "{served:?}");
    ensure!(Probes::of(&api, &host)?.paths.contains(&path(2)), "{:?}", Probes::of(&api, &host)?);

    // The table changes while the KSVC has another revision and its first tag.
    function["spec"]["template"]["metadata"]["annotations"]["testenv/edit"] = "3".into();
    function["spec"]["traffic"] = json!([
        {"latestRevision": true, "percent": 100},
        {"revisionName": revision(2), "percent": 0, "tag": "beta"},
    ]);
    api.knative.cluster().apply(std::slice::from_ref(&function))?;
    table["stripInternalHeaders"] = false.into();
    table["cors"] = json!({"allowOrigins": ["*"]});
    api.apply(&table)?;
    api.knative.await_ready(&[function])?;
    let served = (api.get("/")?, api.get("/beta")?);
    ensure!(served.0.header(REVISION_HEADER) == Some(revision(3).as_str()), "{served:?}");
    ensure!(served.1.header(REVISION_HEADER) == Some(revision(2).as_str()), "{served:?}");

    for host in [&host, &beta] {
        let probes = Probes::of(&api, host)?;
        ensure!(probes.abandoned.is_empty() && !probes.paths.is_empty(), "{probes:?}");
        ensure_answered_by_knative(&api, host, "/")?;
        // Nothing of a function can be reached by the headers of a probe, on whatever path.
        ensure_answered_by_knative(&api, host, "/orders/1")?;
        ensure!(is_denied(&api.send(&Request::get(host, "/"))?), "{host}: direct requests pass");
        // The path of a probe alone does not make a probe.
        ensure!(is_denied(&api.send(&Request::get(host, path(3)))?), "{host}: direct requests pass");
        let two = probe(host, "/").header("k-network-probe", "probe");
        ensure!(is_denied(&api.send(&two)?), "{host}: a request with two headers of a probe passes");
    }
    Ok(())
}

fn ksvcs_with_the_same_name_in_two_namespaces_become_ready(env: &Env) -> Result<()> {
    let mut api = env.api("twins")?;
    let other = api.another_namespace("other")?;
    let routes = json!([
        {"match": "GET /here", "service": "function"},
        {"match": "GET /there", "service": "function", "namespace": other},
    ]);
    let mut table = api.table(routes);
    table["denyDirect"] = true.into();
    api.apply(&table)?;
    api.serve(&[api.ksvc("function"), ksvc(&other, "function")])?;
    for (path, namespace) in [("/here", &api.name), ("/there", &other)] {
        let host = format!("function.{namespace}.{DOMAIN}");
        ensure_probed(&api, &host)?;
        ensure!(is_denied(&api.send(&Request::get(&host, path))?), "{host}: direct requests pass");
        let response = api.get(path)?;
        ensure!(response.status == 200 && response.text().contains(&host), "{path}: {response:?}");
    }
    Ok(())
}

/// Returns such an Ingress as Knative makes while a KSVC waits for a certificate: the path of the challenge goes to the
/// solver, and all others to the KSVC. Here, both are the revision of another KSVC.
fn waiting_for_a_certificate(api: &Api<'_>, host: &str, challenge: &str, revision: &str) -> Value {
    let splits = json!([{
        "serviceNamespace": api.name, "serviceName": revision, "servicePort": 80, "percent": 100,
        "appendHeaders": {"Knative-Serving-Namespace": api.name, "Knative-Serving-Revision": revision},
    }]);
    let class = json!({"networking.knative.dev/ingress.class": "gateway-api.ingress.networking.knative.dev"});
    json!({
        "apiVersion": "networking.internal.knative.dev/v1alpha1",
        "kind": "Ingress",
        "metadata": {"namespace": api.name, "name": "waiting", "annotations": class},
        "spec": {"httpOption": "Enabled", "rules": [{
            "hosts": [host],
            "visibility": "ExternalIP",
            "http": {"paths": [{"path": challenge, "splits": splits}, {"splits": splits}]},
        }]},
    })
}

fn certificate_challenges_reach_denied_hosts(env: &Env) -> Result<()> {
    let api = env.exclusive_api("challenged")?;
    api.serve(&[api.ksvc("solver")])?;
    let mut table = api.table_to("waiting");
    table["denyDirect"] = true.into();
    api.apply(&table)?;
    let (host, challenge) = (api.ksvc_host("waiting"), "/.well-known/acme-challenge/token");
    let ingress = waiting_for_a_certificate(&api, &host, challenge, "solver-00001");
    api.knative.cluster().apply(&[ingress])?;
    api.await_ready("ingresses.networking.internal.knative.dev", "waiting")?;
    ensure_probed(&api, &host)?;
    let probes = Probes::of(&api, &host)?;
    ensure!(probes.paths.contains(&challenge.to_owned()), "{probes:?}");
    let solved = api.send(&Request::get(&host, challenge))?;
    ensure!(solved.header(REVISION_HEADER) == Some("solver-00001"), "{solved:?}");
    ensure!(is_denied(&api.send(&Request::get(&host, "/"))?), "direct requests pass");

    // A table for all hosts takes challenges for requests like others, unless it lets pass what it does not route.
    let mut table = api.table(json!([{"match": "GET /orders", "service": "solver"}]));
    table["hosts"] = json!(["*"]);
    api.apply(&table)?;
    ensure!(api.send(&Request::get(&host, challenge))?.status == 404, "the table lets a challenge pass");
    table["onNoMatch"] = "passThrough".into();
    api.apply(&table)?;
    let solved = api.send(&Request::get(&host, challenge))?;
    ensure!(solved.header(REVISION_HEADER) == Some("solver-00001"), "{solved:?}");
    Ok(())
}

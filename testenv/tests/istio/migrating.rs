//! The configurations of other programs in docs/migrating.md do what the page says of them: they send the requests of the
//! cases to the same service as the table beside them.

use anyhow::{Context, Result, ensure};
use ksvc_router_cli::cases;
use ksvc_router_cli::source::Source;
use serde_json::{Value, json};
use testenv::cases::{Case, Sent};
use testenv::http1::{Request, Response};
use testenv::istio::IngressGateway;
use testenv::istio::objects::{self, service_entry};
use testenv::stand_in::StandIn;
use testenv::{page, repository, yaml};

use crate::{Env, eventually, tests};

tests! {
    path_rules_of_a_virtual_service,
    a_virtual_service_that_sends_requests_through_the_gateway_twice,
    a_lua_filter,
}

const PAGE: &str = "docs/migrating.md";

/// A section of the page.
struct Section {
    /// The configuration of the other program.
    before: String,
    /// The cases of the table that does the same.
    cases: Vec<Case>,
}

impl Section {
    fn read(heading: &str, kind: &str) -> Result<Self> {
        let page = std::fs::read_to_string(repository().join(PAGE))?;
        let heading = format!("## {heading}");
        let source = Source::new(PAGE, page::block(&page, &heading, "yaml")?);
        let cases = cases::read(&source).map_err(|messages| yaml::error_of(&messages))?;
        ensure!(!cases.is_empty(), "{heading} has no cases");
        let before = page::block(&page, &heading, &format!("{kind} before"))?.to_owned();
        Ok(Self { before, cases })
    }

    /// Returns the object with its namespace and gateway replaced by those of the test.
    fn virtual_service(&self, gateway: &IngressGateway) -> Result<Value> {
        let mut object = yaml::parse(&Source::new(PAGE, &*self.before))?;
        object["metadata"]["namespace"] = gateway.namespace().into();
        object["spec"]["gateways"] = json!([format!("{}/knative-ingress-gateway", gateway.namespace())]);
        Ok(object)
    }
}

/// The services of the rules are Kubernetes Services, which have a stand-in each, so that the test sees which one a
/// request has reached.
fn path_rules_of_a_virtual_service(env: &Env) -> Result<()> {
    let section = Section::read("Path rules of a VirtualService", "yaml")?;
    let gateway = env.gateway("migrating-rules", &[])?;
    let object = section.virtual_service(&gateway)?;
    let rules = object["spec"]["http"].as_array().context("a list of rules")?;
    let hosts = rules.iter().filter_map(|rule| rule.pointer("/route/0/destination/host").and_then(Value::as_str));
    let mut services = Vec::new();
    for host in hosts {
        let stand_in = StandIn::start()?;
        env.plane.cluster().apply(&[service_entry(gateway.namespace(), host, 80, stand_in.address())])?;
        services.push((host, stand_in));
    }
    env.plane.cluster().apply(std::slice::from_ref(&object))?;
    for case in &section.cases {
        let expected = case.expected_text("authority").map(|authority| {
            let labels: Vec<&str> = authority.split('.').collect();
            format!("{}.{}.svc.cluster.local", labels[0], labels[1])
        });
        eventually(&gateway, "the rule is in force", || {
            let counts: Vec<u64> = services.iter().map(|(_, stand_in)| stand_in.requests()).collect();
            let response = send(case, &gateway)?;
            let reached = services.iter().zip(counts).find(|((_, stand_in), before)| stand_in.requests() > *before);
            let reached = reached.map(|((host, _), _)| (*host).to_owned());
            ensure!(reached == expected, "{}: reached {reached:?} and not {expected:?}", case.name);
            if let Some(path) = case.expected_text("path") {
                let report: Value = serde_json::from_slice(&response.body)?;
                ensure!(report["path"] == *path, "{}: {report}", case.name);
            }
            same_response(case, &response)
        })?;
    }
    Ok(())
}

fn a_virtual_service_that_sends_requests_through_the_gateway_twice(env: &Env) -> Result<()> {
    let section = Section::read("A VirtualService that sends requests through the gateway twice", "yaml")?;
    let gateway = env.gateway("migrating-twice", &authorities(&section.cases))?;
    // With a name of its own, because other tests make a Service of the name on the page.
    let itself = "gateway.migrating-twice.svc.cluster.local";
    let mut object = section.virtual_service(&gateway)?;
    for rule in object["spec"]["http"].as_array_mut().context("a list of rules")? {
        rule["route"][0]["destination"]["host"] = itself.into();
    }
    let itself = service_entry(gateway.namespace(), itself, 80, gateway.address());
    env.plane.cluster().apply(&[itself, object])?;
    section.cases.iter().try_for_each(|case| reaches(case, &gateway))
}

fn a_lua_filter(env: &Env) -> Result<()> {
    let section = Section::read("A Lua filter", "lua")?;
    let gateway = env.gateway("migrating-lua", &authorities(&section.cases))?;
    let lua = json!({
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": section.before},
        },
    });
    let filter = json!({"name": "envoy.filters.network.http_connection_manager"});
    let listener = json!({"portNumber": gateway.ports()[0], "filterChain": {"filter": filter}});
    let patch = json!({
        "applyTo": "HTTP_FILTER",
        "match": {"context": "GATEWAY", "listener": listener},
        "patch": {"operation": "INSERT_FIRST", "value": lua},
    });
    let mut object = objects::networking("EnvoyFilter", gateway.namespace(), "lua", json!({"configPatches": [patch]}));
    object["apiVersion"] = "networking.istio.io/v1alpha3".into();
    env.plane.cluster().apply(&[object])?;
    section.cases.iter().try_for_each(|case| reaches(case, &gateway))
}

fn authorities(cases: &[Case]) -> Vec<&str> {
    cases.iter().filter_map(|case| case.expected_text("authority")).collect()
}

/// Waits until the request of a case reaches the KSVC that the case expects, with the path that it expects.
fn reaches(case: &Case, gateway: &IngressGateway) -> Result<()> {
    eventually(gateway, "the rule is in force", || {
        let response = send(case, gateway)?;
        if let Some(authority) = case.expected_text("authority") {
            let report: Value = serde_json::from_slice(&response.body).context("no report of a stand-in")?;
            ensure!(report["authority"] == *authority, "{}: {report}", case.name);
            let path = case.expected_text("path").unwrap_or_default();
            ensure!(path.is_empty() || report["path"] == *path, "{}: {report}", case.name);
        }
        same_response(case, &response)
    })
}

fn send(case: &Case, gateway: &IngressGateway) -> Result<Response> {
    let Sent { method, authority, path, headers, .. } = Sent::of(case);
    let mut request = Request::new(&method, &authority, &path);
    request.headers = headers;
    request.send(gateway.address())
}

/// Compares what the case expects of the gateway's own response.
fn same_response(case: &Case, response: &Response) -> Result<()> {
    if let Some(status) = case.expected("status") {
        ensure!(*status == response.status, "{}: status {}", case.name, response.status);
    }
    if let Some(location) = case.expected_text("location") {
        // Envoy writes the whole URL.
        let found = response.header("location").unwrap_or_default();
        ensure!(found.ends_with(location), "{}: location {found}", case.name);
    }
    Ok(())
}

//! Istio's policies together with the filter. By default they run before the filter, so they see the public host, path
//! and method. The tests apply the manifests of `docs/security/` and check what `docs/security.md` says about them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use data_encoding::BASE64URL_NOPAD;
use rcgen::{KeyPair, PKCS_ED25519, SigningKey};
use serde_json::{Deserializer, Value, json};
use testenv::http1::{Request, Response};
use testenv::istio::control_plane::EXT_AUTHZ;
use testenv::istio::ingress::Setup;
use testenv::istio::{IngressGateway, objects};
use testenv::listener::Listener;
use testenv::repository;
use testenv::stand_in::Report;

use crate::common::{report, sample_table, table};
use crate::{Env, tests, wasm_plugin};

tests! {
    tokens_are_judged_by_public_host_method_and_path,
    claims_reach_the_function_and_headers_of_their_names_do_not,
    a_policy_applies_to_the_host_that_the_client_named,
    a_plugin_before_the_policies_hides_the_public_request_from_them,
    a_policy_on_a_prefix_of_the_host_applies_to_every_spelling,
    a_policy_on_a_path_applies_to_every_spelling_without_escapes,
    an_allow_policy_denies_everything_but_what_knative_needs,
    an_external_service_decides_about_the_public_request_and_all_manifests_hold_together,
    a_policy_closes_the_direct_way_for_every_host,
    the_filter_closes_the_direct_way_for_the_hosts_of_its_table,
    internal_headers_of_a_client_arrive_only_by_the_direct_way,
    preflights_need_a_rule_of_their_own,
}

const API: &str = "api.example.com";
const ORDERS: &str = "orders.shop.example.com";
const WRITE: &str = "orders-write.shop.example.com";
/// A tag of a KSVC that the sample table names.
const BETA: &str = "beta-orders.shop.example.com";
/// A tag of a KSVC that the sample table does not name.
const CANARY: &str = "canary-orders.shop.example.com";

fn tokens_are_judged_by_public_host_method_and_path(env: &Env) -> Result<()> {
    let issuer = Issuer::new()?;
    let gateway = start(env, "tokens", &sample_table()?)?;
    apply(env, &gateway, &["tokens.yaml", "knative.yaml"], &issuer)?;
    let reader = issuer.token(&json!({"groups": ["readers"]}))?;
    let clerk = issuer.token(&json!({"groups": ["readers", "clerks"]}))?;
    let get = |path: &str| Request::get(API, path);
    let put = || Request::new("PUT", API, "/faas/orders/42");

    eventually(&gateway, || {
        answers(&gateway, &get("/faas/orders/42"), 403)?;
        arrives(&gateway, &bearing(&reader, get("/faas/orders/42")), ORDERS)?;
        answers(&gateway, &bearing("nonsense", get("/faas/orders/42")), 401)
    })?;
    for path in ["/faas/orders/42?expand=items", "/faas/orders/a%20b"] {
        arrives(&gateway, &bearing(&reader, get(path)), ORDERS)?;
    }
    arrives(&gateway, &bearing(&reader, Request::get("api.example.com:443", "/faas/orders/42")), ORDERS)?;
    answers(&gateway, &bearing(&reader, Request::new("HEAD", API, "/faas/orders/42")), 200)?;

    // Invalid tokens.
    let hour_ago = since_1970()?.saturating_sub(3600);
    let expired = issuer.token(&json!({"exp": hour_ago}))?;
    let forged = Issuer::new()?.token(&json!({}))?;
    let foreign = issuer.token(&json!({"iss": "https://other.example.net"}))?;
    for token in [&expired, &forged, &foreign] {
        answers(&gateway, &bearing(token, get("/faas/orders/42")), 401)?;
    }
    let for_others = issuer.token(&json!({"aud": ["other.example.net"]}))?;
    answers(&gateway, &bearing(&for_others, get("/faas/orders/42")), 403)?;

    // A method that requires a claim.
    answers(&gateway, &put(), 403)?;
    answers(&gateway, &bearing(&reader, put()), 403)?;
    arrives(&gateway, &bearing(&clerk, put()), WRITE)?;
    arrives(&gateway, &bearing(&clerk, Request::new("POST", API, "/faas/orders")), WRITE)?;
    let no_groups = issuer.token(&json!({}))?;
    answers(&gateway, &bearing(&no_groups, put()), 403)?;

    // Denied: paths that the table routes but no rule names, a path that a rule covers but the table does not route,
    // the direct way, and another spelling of the public host.
    answers(&gateway, &bearing(&clerk, get("/faas/payments/7")), 403)?;
    answers(&gateway, &bearing(&clerk, get("/faas/ping")), 403)?;
    answers(&gateway, &bearing(&clerk, get("/faas/orders/42/items")), 403)?;
    answers(&gateway, &bearing(&clerk, Request::get(ORDERS, "/faas/orders/42")), 403)?;
    answers(&gateway, &bearing(&clerk, Request::get("api.example.com.", "/faas/orders/42")), 403)?;

    // A RequestAuthentication applies to all ports, so it also judges the tokens of calls from within the cluster.
    let local = gateway.at(gateway.ports()[2]);
    let inside = |token: Option<&String>| {
        let request = Request::get("orders.shop.svc.cluster.local", "/");
        let request = token.map_or(request.clone(), |token| bearing(token, request));
        request.send(local)
    };
    eventually(&gateway, || {
        ensure!(inside(Some(&foreign))?.status == 401);
        Ok(())
    })?;
    ensure!(inside(None)?.status == 200);
    Ok(())
}

fn claims_reach_the_function_and_headers_of_their_names_do_not(env: &Env) -> Result<()> {
    let issuer = Issuer::new()?;
    let gateway = start(env, "claims", &sample_table()?)?;
    // Only the RequestAuthentication, not the policy that requires a token. So a request without one arrives too.
    let tokens: Vec<Value> = manifest(env, &gateway, "tokens.yaml", &issuer)?;
    let tokens: Vec<Value> = tokens.into_iter().filter(|object| object["kind"] == "RequestAuthentication").collect();
    env.plane.cluster().apply(&tokens)?;
    let request = || {
        let request = Request::get(API, "/faas/orders/42").header("x-jwt-sub", "root");
        request.header("X-JWT-Email", "root@example.com").header("x-jwt-sub", "again")
    };
    let values = |report: &Report, name: &str| -> Vec<String> {
        report.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.clone()).collect()
    };
    let alice = issuer.token(&json!({"sub": "alice", "email": "alice@example.com"}))?;
    eventually(&gateway, || {
        let report = arrives(&gateway, &bearing(&alice, request()), ORDERS)?;
        ensure!(values(&report, "x-jwt-sub") == ["alice"], "{report:?}");
        ensure!(values(&report, "x-jwt-email") == ["alice@example.com"], "{report:?}");
        ensure!(report.header("authorization").is_none(), "the token itself reached the function: {report:?}");
        Ok(())
    })?;
    let without_email = issuer.token(&json!({"sub": "bob"}))?;
    for request in [bearing(&without_email, request()), request()] {
        let report = arrives(&gateway, &request, ORDERS)?;
        ensure!(values(&report, "x-jwt-email").is_empty(), "{report:?}");
        ensure!(["", "bob"].contains(&&*values(&report, "x-jwt-sub").concat()), "{report:?}");
    }
    let direct = Request::get(ORDERS, "/faas/orders/42").header("x-jwt-sub", "root");
    // The listeners apply a policy at different times.
    eventually(&gateway, || {
        for port in &gateway.ports()[..3] {
            let report = report(&direct.send(gateway.at(*port))?)?;
            ensure!(report.authority == ORDERS && report.header("x-jwt-sub").is_none(), "{report:?}");
        }
        Ok(())
    })
}

fn a_policy_applies_to_the_host_that_the_client_named(env: &Env) -> Result<()> {
    let gateway = start(env, "hosts", &sample_table()?)?;
    let deny = |operation: &Value| {
        let spec = json!({"action": "DENY", "rules": [{"to": [{"operation": operation}]}]});
        env.plane.cluster().apply(&[objects::security("AuthorizationPolicy", "hosts", "deny", spec)])
    };
    let (public, direct) = (Request::get(API, "/faas/orders/42"), Request::get(ORDERS, "/faas/orders/42"));

    deny(&json!({"hosts": [ORDERS]}))?;
    eventually(&gateway, || {
        answers(&gateway, &direct, 403)?;
        arrives(&gateway, &public, ORDERS).map(drop)
    })?;
    deny(&json!({"hosts": [API], "paths": ["/faas/orders/*"], "methods": ["GET"]}))?;
    eventually(&gateway, || {
        answers(&gateway, &public, 403)?;
        arrives(&gateway, &direct, ORDERS).map(drop)
    })?;
    arrives(&gateway, &Request::new("PUT", API, "/faas/orders/42"), WRITE)?;
    answers(&gateway, &Request::get(API, "/faas/ping"), 200)?;
    // Routes for GET also serve HEAD, but a policy on GET does not apply to HEAD.
    answers(&gateway, &Request::new("HEAD", API, "/faas/orders/42"), 200)?;
    // The rewritten path does not count: `ANY /payments/{*rest}` is rewritten to `/v2/{rest}`.
    deny(&json!({"hosts": [API], "paths": ["/v2/*"]}))?;
    let payments = Request::get(API, "/faas/payments/7");
    eventually(&gateway, || {
        answers(&gateway, &Request::get(API, "/v2/7"), 403)?;
        arrives(&gateway, &payments, "payments.billing.example.com").map(drop)
    })?;
    deny(&json!({"hosts": [API], "paths": ["/faas/payments/*"]}))?;
    eventually(&gateway, || answers(&gateway, &payments, 403))
}

/// This is why `wasm-plugin.yaml` sets no phase.
fn a_plugin_before_the_policies_hides_the_public_request_from_them(env: &Env) -> Result<()> {
    let gateway = start(env, "phase", &sample_table()?)?;
    let deny = |host: &str| {
        let spec = json!({"action": "DENY", "rules": [{"to": [{"operation": {"hosts": [host]}}]}]});
        env.plane.cluster().apply(&[objects::security("AuthorizationPolicy", "phase", "deny", spec)])
    };
    let public = Request::get(API, "/faas/orders/42");
    deny(API)?;
    eventually(&gateway, || answers(&gateway, &public, 403))?;
    for phase in ["AUTHN", "AUTHZ"] {
        let mut plugin = wasm_plugin(&gateway, &sample_table()?)?;
        plugin["spec"]["phase"] = phase.into();
        gateway.apply_plugin(&plugin)?;
        eventually(&gateway, || arrives(&gateway, &public, ORDERS).map(drop))?;
    }
    deny(ORDERS)?;
    eventually(&gateway, || answers(&gateway, &public, 403))
}

/// The filter ignores the case, the port and a trailing dot of a host. Istio ignores only the case.
fn a_policy_on_a_prefix_of_the_host_applies_to_every_spelling(env: &Env) -> Result<()> {
    const SPELLINGS: [&str; 6] = [
        API,
        "Api.Example.COM",
        "api.example.com:443",
        "api.example.com:8443",
        "api.example.com.",
        "api.example.com.:443",
    ];
    let gateway = start(env, "spellings", &sample_table()?)?;
    let spellings_not_denied = |hosts: Value| -> Result<Vec<&str>> {
        let operation = json!({"hosts": hosts, "paths": ["/faas/orders/*"]});
        let spec = json!({"action": "DENY", "rules": [{"to": [{"operation": operation}]}]});
        env.plane.cluster().apply(&[objects::security("AuthorizationPolicy", "spellings", "deny", spec)])?;
        let path = "/faas/orders/42";
        // The first host is named only by this policy. When it is denied, the policy is enforced.
        let marker = hosts[0].as_str().context("a host")?.replace('*', "");
        eventually(&gateway, || answers(&gateway, &Request::get(&marker, path), 403))?;
        let mut passed = Vec::new();
        for host in SPELLINGS {
            let response = Request::get(host, path).send(gateway.address())?;
            match response.status {
                403 => {}
                _ => {
                    ensure!(report(&response)?.authority == ORDERS, "{host}");
                    passed.push(host);
                }
            }
        }
        Ok(passed)
    };
    for host in SPELLINGS {
        arrives(&gateway, &Request::get(host, "/faas/orders/42"), ORDERS)?;
    }
    ensure!(spellings_not_denied(json!(["one.example.com", API]))? == SPELLINGS[2..]);
    ensure!(spellings_not_denied(json!(["two.example.com", API, "api.example.com:*"]))? == SPELLINGS[4..]);
    ensure!(spellings_not_denied(json!(["three.example.com", "api.example.com*"]))?.is_empty());
    Ok(())
}

/// Envoy decodes spellings that mean the same, and the filter refuses those that could mean two things. But Envoy
/// leaves the hex digits of an escape as they are, and the filter accepts them in both cases.
fn a_policy_on_a_path_applies_to_every_spelling_without_escapes(env: &Env) -> Result<()> {
    const SPELLINGS: [&str; 17] = [
        "/faas/orders/42",
        "/faas/orders/42?a=b",
        "/faas/orders/42;a=b",
        "/faas/orders;a=b/42",
        "/faas/%6Frders/42",
        "/%66aas/orders/42",
        "/faas/./orders/42",
        "/faas/x/../orders/42",
        "/faas/%2e/orders/42",
        "/faas\\orders\\42",
        "//faas/orders/42",
        "/faas//orders/42",
        "/faas/orders%2F42",
        "/faas/orders/42/",
        "/faas/caf%C3%A9/1",
        "/faas/caf%c3%a9/1",
        "/faas/caf%C3%a9/1",
    ];
    let routes = json!([
        {"match": "GET /orders/{id}", "service": "orders"},
        {"match": "GET /café/{id}", "service": "orders"},
    ]);
    let gateway = start(env, "paths", &table(routes))?;
    let routed = || -> Result<Vec<&str>> {
        let mut routed = Vec::new();
        for path in SPELLINGS {
            let response = Request::get(API, path).send(gateway.address())?;
            if response.status == 200 && report(&response)?.authority == ORDERS {
                routed.push(path);
            }
        }
        Ok(routed)
    };
    let deny = |paths: Value| {
        let spec = json!({"action": "DENY", "rules": [{"to": [{"operation": {"hosts": [API], "paths": paths}}]}]});
        env.plane.cluster().apply(&[objects::security("AuthorizationPolicy", "paths", "deny", spec)])
    };
    ensure!(routed()?.len() == 12, "{:?}", routed()?);
    deny(json!(["/faas/orders/*", "/faas/caf%C3%A9/*"]))?;
    eventually(&gateway, || answers(&gateway, &Request::get(API, "/faas/orders/42"), 403))?;
    ensure!(routed()? == ["/faas/caf%c3%a9/1", "/faas/caf%C3%a9/1"], "{:?}", routed()?);
    deny(json!(["/faas/orders/*", "/faas/caf*"]))?;
    eventually(&gateway, || answers(&gateway, &Request::get(API, "/faas/caf%c3%a9/1"), 403))?;
    ensure!(routed()?.is_empty(), "{:?}", routed()?);
    Ok(())
}

fn an_allow_policy_denies_everything_but_what_knative_needs(env: &Env) -> Result<()> {
    let gateway = start(env, "allow", &sample_table()?)?;
    apply(env, &gateway, &["knative.yaml"], &Issuer::new()?)?;
    let public = Request::get(API, "/faas/orders/42");
    eventually(&gateway, || answers(&gateway, &public, 403))?;
    for host in [ORDERS, BETA, CANARY, "www.example.net"] {
        answers(&gateway, &Request::get(host, "/"), 403)?;
    }
    arrives(&gateway, &probe(ORDERS), "orders.shop.example.com:80")?;
    answers(&gateway, &Request::get(ORDERS, "/healthz"), 403)?;
    answers(&gateway, &Request::get(ORDERS, "/").header("k-network-probe", "probe"), 403)?;
    // At the public host, a probe is a request like others and may have a route.
    for host in [API, "api.example.com."] {
        answers(&gateway, &Request::get(host, "/healthz").header("k-network-probe", "probe"), 403)?;
    }
    // Calls from within the cluster use the port of knative-local-gateway.
    let local = gateway.at(gateway.ports()[2]);
    ensure!(report(&Request::get("orders.shop.svc.cluster.local", "/").send(local)?)?.path == "/");
    Ok(())
}

/// This is one test and not two, because a mesh has only one authorization service with this name.
fn an_external_service_decides_about_the_public_request_and_all_manifests_hold_together(env: &Env) -> Result<()> {
    let authorizer = Authorizer::start()?;
    let routes = json!([
        {"match": "GET /orders/{id}", "service": "orders"},
        {"match": "PUT /orders/{id}", "service": "orders-write"},
    ]);
    let mut document = table(routes);
    document["cors"] = json!({"allowOrigins": ["https://app.example.com"]});
    let gateway = start(env, "external", &document)?;
    let (_, host, port) = EXT_AUTHZ;
    let allowed = |request: Request| request.header("x-ext-authz", "allow");
    let get = |path: &str| Request::get(API, path);

    // While istiod does not know the service, every request is denied.
    apply(env, &gateway, &["external-authorization.yaml"], &Issuer::new()?)?;
    eventually(&gateway, || answers(&gateway, &allowed(get("/faas/orders/42")), 403))?;
    gateway.eventually("the access log shows the reason", || {
        Ok(gateway.log().contains("deny-due-to-bad-CUSTOM-action"))
    })?;
    env.plane.cluster().apply(&[objects::service_entry("external", host, port, authorizer.listener.address())])?;
    eventually(&gateway, || {
        answers(&gateway, &get("/faas/orders/42"), 429)?;
        arrives(&gateway, &allowed(get("/faas/orders/42")), ORDERS).map(drop)
    })?;
    let denied = get("/faas/orders/42?a=b").send(gateway.address())?;
    ensure!(denied.status == 429 && denied.text() == "over quota", "{denied:?}");
    let spoofed = allowed(Request::new("PUT", API, "/faas/orders/43?c=d")).header("x-ext-authz-user", "root");
    let arrived = arrives(&gateway, &spoofed, WRITE)?;
    let users: Vec<_> = arrived.headers.iter().filter(|(name, _)| name == "x-ext-authz-user").collect();
    ensure!(users.len() == 1 && users[0].1 == "alice", "{arrived:?}");
    // Without those of the checks above, which have no query.
    let mut requests = authorizer.requests();
    requests.retain(|request| request.path.contains('?'));
    let seen: Vec<_> = requests.iter().map(|request| (&*request.method, &*request.authority, &*request.path)).collect();
    ensure!(seen == [("GET", API, "/faas/orders/42?a=b"), ("PUT", API, "/faas/orders/43?c=d")], "{requests:?}");

    // If the service does not set its header, a client can set it. So the service must set it each time.
    let silent = get("/faas/orders/42").header("x-ext-authz", "silent").header("x-ext-authz-user", "root");
    ensure!(arrives(&gateway, &silent, ORDERS)?.header("x-ext-authz-user") == Some("root"));
    // The service is asked for every spelling of the public host.
    for host in ["API.example.com", "api.example.com:443", "api.example.com.", "api.example.com.:443"] {
        answers(&gateway, &Request::get(host, "/faas/orders/42"), 429)?;
    }
    // It is not asked for other hosts, nor for preflights that the filter answers, which have no credentials.
    authorizer.requests();
    arrives(&gateway, &Request::get(ORDERS, "/"), ORDERS)?;
    answers(&gateway, &preflight(API, "/faas/orders/42"), 204)?;
    ensure!(authorizer.requests().is_empty());
    let options = || Request::new("OPTIONS", API, "/faas/orders/42");
    let (method, origin) = ("access-control-request-method", "https://app.example.com");
    answers(&gateway, &options(), 429)?;
    answers(&gateway, &options().header("origin", "").header(method, "GET"), 429)?;
    answers(&gateway, &options().header("origin", origin).header(method, "P T"), 429)?;

    let issuer = Issuer::new()?;
    let mut manifests = Vec::new();
    for entry in repository().join("docs/security").read_dir()? {
        manifests.push(entry?.file_name().to_string_lossy().into_owned());
    }
    apply(env, &gateway, &manifests.iter().map(String::as_str).collect::<Vec<_>>(), &issuer)?;
    let token = issuer.token(&json!({}))?;
    eventually(&gateway, || {
        answers(&gateway, &allowed(get("/faas/orders/42")), 403)?;
        answers(&gateway, &bearing(&token, get("/faas/orders/42")), 429)?;
        answers(&gateway, &bearing("nonsense", allowed(get("/faas/orders/42"))), 401)?;
        answers(&gateway, &Request::get(CANARY, "/"), 403)?;
        answers(&gateway, &preflight(API, "/faas/orders/42"), 204)?;
        arrives(&gateway, &probe(CANARY), "canary-orders.shop.example.com:80")?;
        arrives(&gateway, &bearing(&token, allowed(get("/faas/orders/42"))), ORDERS).map(drop)
    })?;
    let local = gateway.at(gateway.ports()[2]);
    ensure!(report(&Request::get("orders.shop.svc.cluster.local", "/").send(local)?)?.path == "/");

    // Without the service, every request is denied.
    drop(authorizer);
    answers(&gateway, &bearing(&token, allowed(get("/faas/orders/42"))), 403)
}

fn a_policy_closes_the_direct_way_for_every_host(env: &Env) -> Result<()> {
    let gateway = start(env, "direct", &sample_table()?)?;
    for host in [ORDERS, BETA, CANARY] {
        arrives(&gateway, &Request::get(host, "/any/path"), host)?;
    }
    apply(env, &gateway, &["direct-way.yaml"], &Issuer::new()?)?;
    eventually(&gateway, || answers(&gateway, &Request::get(ORDERS, "/any/path"), 403))?;
    for host in
        [BETA, CANARY, "users.shop.example.com", "www.example.net", "orders.shop.example.com:443", "api.example.com."]
    {
        answers(&gateway, &Request::get(host, "/faas/orders/42"), 403)?;
    }
    for host in [API, "API.example.com", "api.example.com:443"] {
        arrives(&gateway, &Request::get(host, "/faas/orders/42"), ORDERS)?;
    }
    // Knative's probes and its ACME challenges pass, and nothing similar to them does.
    let arrived = arrives(&gateway, &probe(CANARY), "canary-orders.shop.example.com:80")?;
    ensure!(arrived.header("k-network-probe") == Some("probe"), "{arrived:?}");
    arrives(&gateway, &Request::get(ORDERS, "/.well-known/acme-challenge/token"), ORDERS)?;
    answers(&gateway, &Request::get(ORDERS, "/healthz"), 403)?;
    answers(&gateway, &Request::get(ORDERS, "/healthz").header("k-network-probe", "queue"), 403)?;
    answers(&gateway, &Request::new("POST", ORDERS, "/healthz").header("k-network-probe", "probe"), 403)?;
    answers(&gateway, &Request::get(ORDERS, "/orders").header("k-network-probe", "probe"), 403)?;
    let local = gateway.at(gateway.ports()[2]);
    ensure!(report(&Request::get("orders.shop.svc.cluster.local", "/").send(local)?)?.path == "/");
    Ok(())
}

fn the_filter_closes_the_direct_way_for_the_hosts_of_its_table(env: &Env) -> Result<()> {
    let mut sample = sample_table()?;
    sample["denyDirect"] = true.into();
    let gateway = start(env, "deny-direct", &sample)?;
    let denied = |host: &str| {
        let response = Request::get(host, "/any/path").send(gateway.address())?;
        let problem = response.header("content-type") == Some("application/problem+json");
        ensure!(response.status == 404 && problem, "{host}: {response:?}");
        anyhow::Ok(())
    };
    for host in
        [ORDERS, WRITE, BETA, "payments.billing.example.com", "ORDERS.shop.example.com:443", "orders.shop.example.com."]
    {
        denied(host)?;
    }
    arrives(&gateway, &Request::get(API, "/faas/orders/42"), ORDERS)?;
    arrives(&gateway, &probe(ORDERS), "orders.shop.example.com:80")?;
    arrives(&gateway, &Request::get(ORDERS, "/.well-known/acme-challenge/token"), ORDERS)?;
    // The filter does not cover a tag or a KSVC that the table does not name, nor a port without the plugin. A policy
    // does.
    let plain = || Request::get(ORDERS, "/any/path").send(gateway.at(gateway.ports()[1]));
    for host in [CANARY, "users.shop.example.com"] {
        arrives(&gateway, &Request::get(host, "/any/path"), host)?;
    }
    ensure!(plain()?.status == 200);
    apply(env, &gateway, &["direct-way.yaml"], &Issuer::new()?)?;
    eventually(&gateway, || answers(&gateway, &Request::get(CANARY, "/any/path"), 403))?;
    answers(&gateway, &Request::get("users.shop.example.com", "/any/path"), 403)?;
    eventually(&gateway, || {
        ensure!(plain()?.status == 403);
        Ok(())
    })?;
    arrives(&gateway, &probe(CANARY), "canary-orders.shop.example.com:80")?;
    Ok(())
}

fn internal_headers_of_a_client_arrive_only_by_the_direct_way(env: &Env) -> Result<()> {
    const INTERNAL: [(&str, &str); 11] = [
        ("k-original-host", "evil.example.net"),
        ("k-network-probe", "probe"),
        ("k-network-hash", "override"),
        ("k-proxy-request", "activator"),
        ("k-passthrough-lb", "true"),
        ("k-kubelet-probe", "queue"),
        ("knative-serving-tag", "canary"),
        ("knative-serving-default-route", "false"),
        ("knative-serving-revision", "other-00001"),
        ("knative-serving-namespace", "other"),
        ("user-agent", "kube-probe/1.36"),
    ];
    /// The headers that Knative's own VirtualService sets.
    const SET: [(&str, &str); 2] =
        [("knative-serving-revision", "orders-00001"), ("knative-serving-namespace", "shop")];
    let gateway = start(env, "internal", &sample_table()?)?;
    let sent = |host: &str| {
        let request = Request::get(host, "/faas/orders/42");
        INTERNAL.iter().fold(request, |request, (name, value)| request.header(name, value))
    };
    let routed = arrives(&gateway, &sent(API), ORDERS)?;
    let direct = arrives(&gateway, &sent(ORDERS), ORDERS)?;
    for (name, value) in INTERNAL {
        let set = SET.iter().find(|(set, _)| *set == name).map(|(_, value)| *value);
        let routed_values = routed.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| &**value);
        ensure!(routed_values.collect::<Vec<_>>() == Vec::from_iter(set), "{name}: {routed:?}");
        ensure!(direct.header(name) == set.or(Some(value)), "{name}: {direct:?}");
    }
    Ok(())
}

fn preflights_need_a_rule_of_their_own(env: &Env) -> Result<()> {
    let issuer = Issuer::new()?;
    let routes = json!([
        {"match": "ANY /orders/{id}", "service": "orders"},
        {"match": "GET /items/{id}", "service": "orders"},
    ]);
    let mut document = table(routes);
    document["cors"] = json!({"allowOrigins": ["https://app.example.com"]});
    let gateway = start(env, "preflights", &document)?;
    apply(env, &gateway, &["tokens.yaml", "knative.yaml"], &issuer)?;
    let real = preflight(API, "/faas/orders/42");
    eventually(&gateway, || answers(&gateway, &real, 403))?;

    apply(env, &gateway, &["preflights.yaml"], &issuer)?;
    // The filter answers it, although a route of this path serves OPTIONS too.
    eventually(&gateway, || answers(&gateway, &real, 204))?;
    for path in ["/faas/items/42", "/faas/nothing"] {
        answers(&gateway, &preflight(API, path), 204)?;
    }

    // The filter would pass each of these to the service, so none may pass without a token.
    let options = || Request::new("OPTIONS", API, "/faas/orders/42");
    let (method, origin) = ("access-control-request-method", "https://app.example.com");
    answers(&gateway, &options(), 403)?;
    answers(&gateway, &options().header("origin", origin), 403)?;
    answers(&gateway, &options().header(method, "GET"), 403)?;
    answers(&gateway, &options().header("origin", "").header(method, "GET"), 403)?;
    answers(&gateway, &options().header("origin", origin).header(method, ""), 403)?;
    answers(&gateway, &options().header("origin", origin).header(method, "P T"), 403)?;
    answers(&gateway, &options().header("origin", origin).header(method, "P T").header(method, "GET"), 403)?;
    let get = Request::get(API, "/faas/orders/42").header("origin", "https://app.example.com").header(method, "GET");
    answers(&gateway, &get, 403)?;
    answers(&gateway, &preflight(ORDERS, "/faas/orders/42"), 403)?;
    answers(&gateway, &preflight(API, "/elsewhere"), 403)
}

// ---- the gateway, its objects and requests

/// Starts a gateway with three ports that stand for those in the manifests: 8443, which has the plugin, 8080, and 8081,
/// which is Knative's local gateway.
fn start(env: &Env, namespace: &str, table: &Value) -> Result<IngressGateway> {
    let gateway = Setup::new(namespace).start(&env.plane)?;
    let ports = gateway.ports();
    let servers: Vec<Value> = ports[..3].iter().map(|port| objects::http_server(*port)).collect();
    let hosts = [ORDERS, WRITE, BETA, CANARY, "payments.billing.example.com"];
    gateway.serve(&servers, &hosts, env.stand_in.address())?;
    gateway.apply_plugin(&wasm_plugin(&gateway, table)?)?;
    Ok(gateway)
}

/// Applies manifests of `docs/security/`, changed for this gateway.
fn apply(env: &Env, gateway: &IngressGateway, manifests: &[&str], issuer: &Issuer) -> Result<()> {
    let mut objects = Vec::new();
    for name in manifests {
        objects.extend(manifest(env, gateway, name, issuer)?);
    }
    env.plane.cluster().apply(&objects)
}

/// Returns the objects of a manifest of `docs/security/`, changed for this gateway: in its namespace, with its ports,
/// and with the keys of this issuer in place of the URL from which they would be fetched.
fn manifest(env: &Env, gateway: &IngressGateway, name: &str, issuer: &Issuer) -> Result<Vec<Value>> {
    let path = repository().join("docs/security").join(name);
    let read = ["create", "--dry-run=client", "--output", "json", "--filename"];
    let read = env.plane.cluster().run(read, &[path.as_os_str()], None)?;
    let objects = Deserializer::from_str(&read).into_iter::<Value>().map(|object| {
        let mut object = object?;
        object["metadata"]["namespace"] = gateway.namespace().into();
        if let Some(rules) = object.pointer_mut("/spec/jwtRules").and_then(Value::as_array_mut) {
            for rule in rules.iter_mut().filter_map(Value::as_object_mut) {
                rule.remove("jwksUri").context("a rule without jwksUri")?;
                rule.insert("jwks".to_owned(), issuer.keys().into());
            }
        }
        let rules = object.pointer_mut("/spec/rules").and_then(Value::as_array_mut);
        let operations = rules.into_iter().flatten().filter_map(|rule| rule.get_mut("to")?.as_array_mut()).flatten();
        for port in operations.filter_map(|to| to.pointer_mut("/operation/ports")?.as_array_mut()).flatten() {
            let index = ["8443", "8080", "8081", "8444"].iter().position(|in_manifest| port == in_manifest);
            *port = gateway.ports()[index.with_context(|| format!("no listener for {port}"))?].to_string().into();
        }
        Ok(object)
    });
    objects.collect()
}

/// Waits until a policy that was applied is enforced, so that all checks succeed. If they never do, the error contains
/// the last failure.
fn eventually(gateway: &IngressGateway, mut checks: impl FnMut() -> Result<()>) -> Result<()> {
    // Each worker of Envoy gets a policy at its own time, and a new connection can come to any of them.
    crate::eventually(gateway, "the policy is enforced", || (0..8).try_for_each(|_| checks()))
}

/// Describes a request for error messages.
fn describe(request: &Request) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{} {}{} {:?}", text(&request.method), text(&request.authority), text(&request.path), request.headers)
}

/// Checks that the gateway answers with this status.
fn answers(gateway: &IngressGateway, request: &Request, status: u16) -> Result<()> {
    let response = request.send(gateway.address())?;
    ensure!(response.status == status, "{}: expected status {status}, got {response:?}", describe(request));
    Ok(())
}

/// Checks that the request reaches a function under this authority, and returns the function's report.
fn arrives(gateway: &IngressGateway, request: &Request, authority: &str) -> Result<Report> {
    let response: Response = request.send(gateway.address())?;
    let report = report(&response).with_context(|| describe(request))?;
    ensure!(report.authority == authority, "{}: {report:?}", describe(request));
    Ok(report)
}

/// Returns the request with this token.
fn bearing(token: &str, request: Request) -> Request {
    request.header("authorization", &format!("Bearer {token}"))
}

/// Returns the preflight that a browser sends before a `PUT`.
fn preflight(host: &str, path: &str) -> Request {
    let request = Request::new("OPTIONS", host, path).header("origin", "https://app.example.com");
    request.header("access-control-request-method", "PUT").header("access-control-request-headers", "authorization")
}

/// Returns the probe with which net-istio checks that a new route is live (`pkg/status` of knative.dev/networking).
fn probe(host: &str) -> Request {
    let request = Request::get(format!("{host}:80"), "/healthz").header("user-agent", "Knative-Ingress-Probe");
    request.header("k-network-probe", "probe").header("k-network-hash", "override")
}

// ---- tokens

/// Signs tokens (RFC 7519) with a key of its own.
struct Issuer {
    key: KeyPair,
}

impl Issuer {
    fn new() -> Result<Self> {
        Ok(Self { key: KeyPair::generate_for(&PKCS_ED25519)? })
    }

    /// Returns the public key, with which others check the tokens, as a JSON Web Key Set.
    fn keys(&self) -> String {
        let public = BASE64URL_NOPAD.encode(self.key.public_key_raw());
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "testenv", "x": public}]}).to_string()
    }

    /// Returns a token with these claims, and otherwise with those that tokens.yaml accepts.
    fn token(&self, claims: &Value) -> Result<String> {
        let mut all = json!({
            "iss": "https://issuer.example.com",
            "aud": ["api.example.com"],
            "sub": "alice",
            "exp": since_1970()? + 3600,
        });
        for (name, value) in claims.as_object().context("claims are an object")? {
            all[name] = value.clone();
        }
        let header = json!({"alg": "EdDSA", "typ": "JWT", "kid": "testenv"});
        let encode = |part: &Value| BASE64URL_NOPAD.encode(part.to_string().as_bytes());
        let signed = format!("{}.{}", encode(&header), encode(&all));
        let signature = BASE64URL_NOPAD.encode(&self.key.sign(signed.as_bytes())?);
        Ok(format!("{signed}.{signature}"))
    }
}

fn since_1970() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

// ---- the external authorization service

/// An external authorization service, which ends when this is dropped. It decides by the header `x-ext-authz`: with
/// `allow` it allows the request and sets the name of a user, with `silent` it allows the request and sets nothing, and
/// otherwise it answers 429. It records the requests that it was asked about.
struct Authorizer {
    listener: Listener,
    requests: Arc<Mutex<Vec<Report>>>,
}

impl Authorizer {
    fn start() -> Result<Self> {
        let requests: Arc<Mutex<Vec<Report>>> = Arc::default();
        let recorded = Arc::clone(&requests);
        // A connection that breaks off is neither recorded nor answered.
        let listener = Listener::start(move |connection| drop(decide(connection, &recorded)))?;
        Ok(Self { listener, requests })
    }

    /// Returns the requests that it was asked about since the last call.
    fn requests(&self) -> Vec<Report> {
        std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads one request, records it and answers it. It is recorded first: whoever has the answer finds the record.
fn decide(mut connection: TcpStream, requests: &Mutex<Vec<Report>>) -> Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(60)))?;
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    let report = loop {
        let read = connection.read(&mut chunk)?;
        ensure!(read > 0, "the request broke off");
        bytes.extend(&chunk[..read]);
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Request::new(&mut fields);
        // Envoy sends its question without a body.
        if head.parse(&bytes)?.is_complete() {
            let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
            let headers: Vec<_> =
                head.headers.iter().map(|field| (field.name.to_ascii_lowercase(), text(field.value))).collect();
            let host = headers.iter().find(|(name, _)| name == "host").map(|(_, value)| value.clone());
            break Report {
                authority: host.unwrap_or_default(),
                method: head.method.unwrap_or_default().to_owned(),
                path: head.path.unwrap_or_default().to_owned(),
                headers,
                body: String::new(),
            };
        }
    };
    let response = match report.header("x-ext-authz") {
        Some("allow") => "200 OK\r\nx-ext-authz-user: alice\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        Some("silent") => "200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        _ => "429 Too Many Requests\r\ncontent-length: 10\r\nconnection: close\r\n\r\nover quota",
    };
    requests.lock().unwrap_or_else(PoisonError::into_inner).push(report);
    connection.write_all(format!("HTTP/1.1 {response}").as_bytes())?;
    Ok(())
}

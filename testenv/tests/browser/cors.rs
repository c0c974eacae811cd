//! CORS in a real browser: headless Chromium opens a page of one origin, which calls the API of another origin through
//! real Envoy with the plugin. The tests check what the page can read, what the browser refuses and why, and what
//! reaches the function.

mod page;
mod server;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use page::{Call, open};
use serde_json::{Value, json};
use server::{Arrived, Function};
use testenv::gateway::{Gateway, Setup};
use testenv::{envoy, plugin};

const APP: &str = "http://app.example.com";
const EVIL: &str = "http://evil.example.net";
/// The access log is written every 50 ms, and the machine may be busy.
const LAG: Duration = Duration::from_secs(60);

const NO_ORIGIN: &str = "No 'Access-Control-Allow-Origin' header";
const NOT_OK: &str = "It does not have HTTP ok status";

// ---- what a page can read

#[test]
fn a_page_of_an_allowed_origin_reads_the_body_and_only_the_exposed_headers() -> Result<()> {
    let mut document = table(json!({"allowOrigins": [APP], "exposeHeaders": ["x-total"]}));
    document["routes"][1]["cors"] = json!({"allowOrigins": [APP], "exposeHeaders": ["*"]});
    let api = Api::start(document)?;
    let query = "?x-total=7&x-secret=8";
    let calls = [format!("/orders/1{query}"), format!("/public{query}"), "/ping".into()].map(|path| Call::get(&path));
    let [some, every, fixed] = open(APP, api.gateway.address(), calls)?;
    assert_eq!((some.readable()?, some.body.as_str()), (200, "from the function"));
    assert_eq!((some.header("x-total"), some.header("x-secret")), (Some("7"), None));
    assert_eq!((every.header("x-total"), every.header("x-secret")), (Some("7"), Some("8")));
    assert_eq!((fixed.readable()?, fixed.body.as_str()), (200, "pong"));
    let arrived = api.function.arrived();
    assert_eq!(methods(&arrived), ["GET", "GET"]);
    assert_eq!(arrived[0].header("origin"), Some(APP));
    api.received(&["GET", "GET", "GET"])
}

#[test]
fn a_page_of_another_origin_reads_nothing_but_calls_without_preflight_reach_the_function() -> Result<()> {
    let api = Api::start(table(json!({"allowOrigins": [APP], "allowHeaders": ["x-csrf", "content-type"]})))?;
    let form = Call::new("POST", "/public").header("content-type", "text/plain").body("a=b");
    let calls = [Call::get("/orders/1"), form, Call::put("/orders/1"), Call::get("/nothing")];
    let [get, form, put, missing] = open(EVIL, api.gateway.address(), calls)?;
    for outcome in [get, form, put, missing] {
        outcome.refused(NO_ORIGIN)?;
    }
    assert_eq!(methods(&api.function.arrived()), ["GET", "POST"]);
    api.received(&["GET", "POST", "OPTIONS", "GET"])
}

#[test]
fn a_wildcard_origin_allows_one_label_and_the_same_scheme_and_port() -> Result<()> {
    let api = Api::start(table(json!({"allowOrigins": ["http://*.example.com"]})))?;
    let visit = |origin: &str| -> Result<_> {
        let [outcome] = open(origin, api.gateway.address(), [Call::get("/orders/1")])?;
        Ok(outcome)
    };
    assert_eq!(visit(APP)?.readable()?, 200);
    for origin in ["http://a.b.example.com", "http://app.example.com:8081"] {
        visit(origin)?.refused(NO_ORIGIN)?;
    }
    Ok(())
}

/// If the browser's cache used the first response for the second call, the browser would refuse that call.
#[test]
fn a_response_cached_without_an_origin_is_not_used_for_a_page() -> Result<()> {
    let mut document = table(json!({"allowOrigins": [APP]}));
    document["routes"][1]["cors"] = Value::Null;
    let api = Api::start(document)?;
    let varying = Call::get("/orders/1?cache-control=max-age=600");
    // The same without `Vary: Origin`, which shows that it is this header that keeps the responses apart.
    let shared = Call::get("/public?cache-control=max-age=600&access-control-allow-origin=*");
    let without_origin = |call: &Call| call.clone().option("mode", "no-cors");
    let calls = [without_origin(&varying), varying.clone(), varying, without_origin(&shared), shared];
    let [opaque, read, again, opaque_too, shared] = open(APP, api.gateway.address(), calls)?;
    for outcome in [opaque, opaque_too] {
        assert_eq!((outcome.readable()?, outcome.body.as_str()), (0, ""));
    }
    assert_eq!((read.readable()?, again.readable()?, shared.readable()?), (200, 200, 200));
    let arrived = api.function.arrived();
    let origins: Vec<_> = arrived.iter().map(|request| request.header("origin")).collect();
    assert_eq!(origins, [None, Some(APP), None], "the browser caches what it may cache: {arrived:?}");
    Ok(())
}

// ---- preflights

#[test]
fn a_preflight_is_answered_in_the_gateway_and_cached_for_max_age() -> Result<()> {
    let mut document = table(json!({"allowOrigins": [APP], "allowHeaders": ["x-csrf", "content-type"], "maxAge": 600}));
    document["routes"][1]["cors"] =
        json!({"allowOrigins": [APP], "allowHeaders": ["x-csrf", "content-type"], "maxAge": 0});
    let api = Api::start(document)?;
    let calls = ["/orders/1", "/orders/1", "/public", "/public"].map(Call::put);
    for outcome in open(APP, api.gateway.address(), calls)? {
        assert_eq!((outcome.readable()?, outcome.body.as_str()), (200, "from the function"));
    }
    let arrived = api.function.arrived();
    assert_eq!(methods(&arrived), ["PUT", "PUT", "PUT", "PUT"]);
    assert_eq!((arrived[0].header("x-csrf"), arrived[0].body.as_str()), (Some("1"), "{}"));
    api.received(&["OPTIONS", "PUT", "PUT", "OPTIONS", "PUT", "OPTIONS", "PUT"])
}

#[test]
fn a_method_or_header_that_is_not_allowed_is_refused_by_the_browser() -> Result<()> {
    let api = Api::start(table(json!({"allowOrigins": [APP], "allowHeaders": ["x-csrf"]})))?;
    let calls = [
        Call::new("DELETE", "/orders/1"),
        Call::new("PUT", "/orders/1").header("x-other", "1"),
        Call::get("/orders/1").header("content-type", "application/json"),
        Call::new("PUT", "/orders/1").header("X-CSRF", "1"),
    ];
    let [method, header, content_type, allowed] = open(APP, api.gateway.address(), calls)?;
    method.refused("Method DELETE is not allowed by Access-Control-Allow-Methods")?;
    header.refused("Request header field x-other is not allowed by Access-Control-Allow-Headers")?;
    content_type.refused("Request header field content-type is not allowed by Access-Control-Allow-Headers")?;
    assert_eq!(allowed.readable()?, 200);
    assert_eq!(methods(&api.function.arrived()), ["PUT"]);
    Ok(())
}

#[test]
fn a_star_allows_every_method_and_header_even_with_credentials() -> Result<()> {
    let cors = json!({"allowOrigins": [APP], "allowMethods": ["*"], "allowHeaders": ["*"], "allowCredentials": true});
    let api = Api::start(table(cors))?;
    let call = Call::new("PURGE", "/public").header("authorization", "Bearer token").header("x-other", "1");
    let [outcome] = open(APP, api.gateway.address(), [call.with_credentials()])?;
    assert_eq!(outcome.readable()?, 200);
    assert_eq!(methods(&api.function.arrived()), ["PURGE"]);
    Ok(())
}

#[test]
fn a_preflight_succeeds_for_a_route_with_a_condition_on_a_header() -> Result<()> {
    let mut document = table(json!({"allowOrigins": [APP], "allowHeaders": ["x-beta"]}));
    document["routes"] = json!([
        {"match": "PUT /orders/{id}", "service": "orders-write", "when": {"headers": {"x-beta": "true"}}},
    ]);
    let api = Api::start(document)?;
    let calls = [Call::new("PUT", "/orders/1").header("x-beta", "true"), Call::new("PUT", "/orders/1")];
    let [with, without] = open(APP, api.gateway.address(), calls)?;
    assert_eq!((with.readable()?, without.readable()?), (200, 404));
    assert_eq!(methods(&api.function.arrived()), ["PUT"]);
    Ok(())
}

// ---- credentials

#[test]
fn credentials_work_only_where_they_are_allowed() -> Result<()> {
    let headers = json!(["x-csrf", "content-type"]);
    let mut document = table(json!({"allowOrigins": [APP], "allowHeaders": headers, "allowCredentials": true}));
    document["routes"][1]["cors"] = json!({"allowOrigins": [APP], "allowHeaders": headers});
    document["routes"][2]["cors"] = json!({"allowOrigins": ["*"]});
    let api = Api::start(document)?;
    let calls = [
        Call::get("/orders/1").with_credentials(),
        Call::put("/orders/1").with_credentials(),
        Call::get("/orders/1"),
        Call::get("/public").with_credentials(),
        Call::put("/public").with_credentials(),
        Call::get("/public"),
        Call::get("/ping").with_credentials(),
        Call::get("/ping"),
    ];
    let [get, put, bare, simple, asking, public, any, any_bare] = open(APP, api.gateway.address(), calls)?;
    for read in [get, put, bare, public, any_bare] {
        assert_eq!(read.readable()?, 200);
    }
    for refused in [simple, asking] {
        refused.refused("'Access-Control-Allow-Credentials' header in the response is '' which must be 'true'")?;
    }
    any.refused("must not be the wildcard '*' when the request's credentials mode is 'include'")?;
    let arrived = api.function.arrived();
    assert_eq!(methods(&arrived), ["GET", "PUT", "GET", "GET", "GET"]);
    let cookies: Vec<_> = arrived.iter().map(|request| request.header("cookie").is_some()).collect();
    assert_eq!(cookies, [true, true, false, true, false], "a call without preflight arrives with its cookie");
    Ok(())
}

// ---- errors

#[test]
fn the_filters_own_errors_are_readable() -> Result<()> {
    let cors = json!({"allowOrigins": [APP], "allowHeaders": ["x-csrf", "content-type"], "exposeHeaders": ["allow"]});
    let api = Api::start(table(cors))?;
    let calls = [
        Call::get("/nothing"),
        Call::put("/nothing"),
        Call::new("POST", "/orders/1"),
        Call::get("/orders/a%2Fb"),
        Call::get("/orders//1"),
    ];
    let [missing, missing_put, method, escape, empty] = open(APP, api.gateway.address(), calls)?;
    let expected = [(&missing, 404), (&missing_put, 404), (&method, 405), (&escape, 400), (&empty, 400)];
    for (outcome, status) in expected {
        is_problem(outcome, status)?;
    }
    assert_eq!(method.header("allow"), Some("GET, HEAD, OPTIONS, PUT"));
    assert_eq!(methods(&api.function.arrived()), [""; 0]);
    Ok(())
}

/// A preflight lists the methods that are served, and a status other than 2xx allows nothing.
#[test]
fn a_page_reads_no_error_if_its_preflight_fails() -> Result<()> {
    let api = Api::start(table(json!({"allowOrigins": [APP], "allowHeaders": ["x-csrf", "content-type"]})))?;
    let calls = [Call::new("DELETE", "/orders/1"), Call::put("/orders/a%2Fb")];
    let [method, unsafe_path] = open(APP, api.gateway.address(), calls)?;
    method.refused("Method DELETE is not allowed by Access-Control-Allow-Methods")?;
    unsafe_path.refused(NOT_OK)?;
    api.received(&["OPTIONS", "OPTIONS"])
}

#[test]
fn the_error_of_a_broken_route_is_readable_if_no_preflight_is_needed() -> Result<()> {
    let mut document = table(json!({"allowOrigins": [APP], "allowHeaders": ["x-csrf", "content-type"]}));
    document["routes"][0]["rewritePath"] = "/{unknown}".into();
    let api = Api::start(document)?;
    let calls = [Call::get("/orders/1"), Call::put("/orders/1"), Call::get("/public")];
    let [broken, asking, whole] = open(APP, api.gateway.address(), calls)?;
    is_problem(&broken, 503)?;
    asking.refused(NOT_OK)?;
    assert_eq!(whole.readable()?, 200);
    assert_eq!(methods(&api.function.arrived()), ["GET"]);
    Ok(())
}

#[test]
fn errors_of_envoy_after_the_filter_are_readable() -> Result<()> {
    let mut document = table(json!({"allowOrigins": [APP]}));
    document["routes"][1]["service"] = "unknown".into();
    let api = Api::start(document)?;
    let calls = [Call::get("/orders/1?break"), Call::get("/public")];
    let [broken_off, unknown_host] = open(APP, api.gateway.address(), calls)?;
    assert_eq!((broken_off.readable()?, unknown_host.readable()?), (503, 404));
    Ok(())
}

// ---- functions with their own CORS, and routes with their own CORS

#[test]
fn the_cors_headers_of_a_function_are_replaced() -> Result<()> {
    let api = Api::start(table(json!({"allowOrigins": [APP]})))?;
    let own = |origin: &str| {
        let twice = format!("access-control-allow-origin={origin}&access-control-allow-origin={origin}");
        let rest = "access-control-allow-credentials=true&access-control-expose-headers=x-secret&x-secret=8";
        [format!("/orders/1?{twice}&{rest}"), format!("/nothing?{twice}")].map(|path| Call::get(&path))
    };
    for origin in ["*", APP, EVIL] {
        let [found, missing] = open(APP, api.gateway.address(), own(origin))?;
        assert_eq!((found.readable()?, found.header("x-secret")), (200, None), "{origin}");
        assert_eq!(missing.readable()?, 404);
    }
    for outcome in open(EVIL, api.gateway.address(), own("*"))? {
        outcome.refused(NO_ORIGIN)?;
    }
    Ok(())
}

#[test]
fn the_cors_of_a_route_replaces_that_of_the_table() -> Result<()> {
    let mut document = table(json!({"allowOrigins": [APP]}));
    document["routes"][1]["cors"] = json!({"allowOrigins": [EVIL], "allowHeaders": ["x-csrf", "content-type"]});
    let api = Api::start(document)?;
    let calls = || [Call::get("/public"), Call::put("/public"), Call::get("/orders/1"), Call::get("/nothing")];
    let [get, put, other, missing] = open(EVIL, api.gateway.address(), calls())?;
    assert_eq!((get.readable()?, put.readable()?), (200, 200));
    other.refused(NO_ORIGIN)?;
    missing.refused(NO_ORIGIN)?;
    let [get, put, other, missing] = open(APP, api.gateway.address(), calls())?;
    get.refused(NO_ORIGIN)?;
    put.refused(NO_ORIGIN)?;
    assert_eq!((other.readable()?, missing.readable()?), (200, 404));
    Ok(())
}

#[test]
fn with_cors_null_the_function_answers_preflights_and_sets_headers() -> Result<()> {
    let mut document = table(json!({"allowOrigins": [APP], "allowHeaders": ["x-csrf", "content-type"]}));
    document["routes"][1]["cors"] = Value::Null;
    let api = Api::start(document)?;
    let own = format!(
        "access-control-allow-origin={EVIL}&access-control-allow-methods=PUT&\
        access-control-allow-headers=x-csrf,content-type"
    );
    let twice = "access-control-allow-origin=*&access-control-allow-origin=*";
    let calls = [
        Call::put(&format!("/public?{own}")),
        Call::get(&format!("/public?{own}")),
        Call::get("/public"),
        Call::get(&format!("/public?{twice}")),
    ];
    let [put, get, silent, doubled] = open(EVIL, api.gateway.address(), calls)?;
    assert_eq!((put.readable()?, get.readable()?), (200, 200));
    silent.refused(NO_ORIGIN)?;
    doubled.refused("contains multiple values")?;
    assert_eq!(methods(&api.function.arrived()), ["OPTIONS", "PUT", "GET", "GET", "GET"]);
    Ok(())
}

// ---- redirects

#[test]
fn a_redirect_in_the_gateway_is_followed() -> Result<()> {
    let api = Api::start(redirects(json!({
        "allowOrigins": [APP], "allowHeaders": ["x-csrf", "content-type"], "maxAge": 600,
    })))?;
    let [get, put] = open(APP, api.gateway.address(), [Call::get("/old/1"), Call::put("/old/1")])?;
    for outcome in [get, put] {
        assert_eq!((outcome.readable()?, outcome.url.as_str()), (200, "http://api.example.com/orders/1"));
    }
    let arrived = api.function.arrived();
    assert_eq!(methods(&arrived), ["GET", "PUT"]);
    assert_eq!((arrived[1].header("origin"), arrived[1].body.as_str()), (Some(APP), "{}"));
    api.received(&["GET", "GET", "OPTIONS", "PUT", "OPTIONS", "PUT"])
}

/// After such a redirect, a browser sends `Origin: null`, which no list of origins can contain.
#[test]
fn a_redirect_to_another_host_is_followed_only_where_every_origin_is_allowed() -> Result<()> {
    let named = Api::start(redirects(json!({"allowOrigins": [APP]})))?;
    let [elsewhere] = open(APP, named.gateway.address(), [Call::get("/elsewhere/1")])?;
    elsewhere.refused(NO_ORIGIN)?;
    let arrived = named.function.arrived();
    assert_eq!((methods(&arrived), arrived[0].header("origin")), (vec!["GET"], Some("null")));

    let every = Api::start(redirects(json!({"allowOrigins": ["*"]})))?;
    let [elsewhere] = open(APP, every.gateway.address(), [Call::get("/elsewhere/1")])?;
    assert_eq!((elsewhere.readable()?, elsewhere.url.as_str()), (200, "http://v2.example.com/orders/1"));
    Ok(())
}

fn redirects(cors: Value) -> Value {
    let mut document = table(cors);
    document["hosts"] = json!(["api.example.com", "v2.example.com"]);
    document["routes"] = json!([
        {"match": "GET|PUT /orders/{id}", "service": "orders"},
        {"match": "GET|PUT /old/{id}", "redirect": {"to": "/orders/{id}"}},
        {"match": "GET /elsewhere/{id}", "redirect": {"to": "http://v2.example.com/orders/{id}"}},
    ]);
    document
}

// ---- a policy before the filter

const CORS_WITH_TOKENS: &str = r#"{"allowOrigins": ["http://app.example.com"], "allowHeaders": ["authorization"]}"#;

#[test]
fn after_a_policy_that_requires_a_token_every_call_of_a_page_fails() -> Result<()> {
    let api = Api::with_policy(policy(json!({"token": has_token()})), table(serde_json::from_str(CORS_WITH_TOKENS)?))?;
    let [with_token, without_token] = open(APP, api.gateway.address(), calls_with_and_without_token())?;
    // The preflight has no token.
    with_token
        .refused("Response to preflight request doesn't pass access control check: No 'Access-Control-Allow-Origin'")?;
    // Envoy answers 403, but the page can read neither the status nor the body.
    without_token.refused(NO_ORIGIN)?;
    assert_eq!(methods(&api.function.arrived()), [""; 0]);
    api.received(&["OPTIONS", "GET"])?;
    assert_eq!(api.gateway.access_log().matches(" 403 rbac_access_denied").count(), 2);
    Ok(())
}

#[test]
fn with_a_rule_for_preflights_calls_with_a_token_work_and_a_refusal_is_still_unreadable() -> Result<()> {
    let policies = json!({"token": has_token(), "preflights": is_preflight()});
    let api = Api::with_policy(policy(policies), table(serde_json::from_str(CORS_WITH_TOKENS)?))?;
    let [with_token, without_token] = open(APP, api.gateway.address(), calls_with_and_without_token())?;
    assert_eq!((with_token.readable()?, with_token.body.as_str()), (200, "from the function"));
    without_token.refused(NO_ORIGIN)?;
    assert_eq!(methods(&api.function.arrived()), ["GET"]);
    api.received(&["OPTIONS", "GET", "GET"])
}

/// The filter is the one that istiod makes for a RequestAuthentication. It lets preflights pass without a further rule.
#[test]
fn the_refusal_of_an_invalid_token_is_unreadable() -> Result<()> {
    // The key is from RFC 8037, appendix A.2.
    let key = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let filter = json!({"name": "envoy.filters.http.jwt_authn", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"issuer": {"issuer": "https://issuer.example.com", "local_jwks": {"inline_string": key}}},
        "rules": [{"match": {"prefix": "/"}, "requires": {"requires_any": {"requirements": [
            {"provider_name": "issuer"}, {"allow_missing": {}},
        ]}}}],
        "bypass_cors_preflight": true,
    }});
    let api = Api::with_policy(filter, table(serde_json::from_str(CORS_WITH_TOKENS)?))?;
    let [with_token, without_token] = open(APP, api.gateway.address(), calls_with_and_without_token())?;
    with_token.refused(NO_ORIGIN)?;
    assert_eq!(without_token.readable()?, 200);
    assert_eq!(methods(&api.function.arrived()), ["GET"]);
    api.received(&["OPTIONS", "GET", "GET"])?;
    assert!(api.gateway.access_log().contains(" 401 "), "{}", api.gateway.access_log());
    Ok(())
}

fn calls_with_and_without_token() -> [Call; 2] {
    [Call::get("/orders/1").header("authorization", "Bearer token"), Call::get("/orders/1")]
}

/// Returns the filter that istiod makes for AuthorizationPolicies with `action: ALLOW`.
fn policy(policies: Value) -> Value {
    json!({"name": "envoy.filters.http.rbac", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        "rules": {"action": "ALLOW", "policies": policies},
    }})
}

fn has_token() -> Value {
    json!({
        "permissions": [{"any": true}],
        "principals": [{"header": {"name": "authorization", "present_match": true}}],
    })
}

/// Returns the rule of `docs/security/preflights.yaml`.
fn is_preflight() -> Value {
    let present = |name: &str| json!({"header": {"name": name, "present_match": true}});
    json!({
        "permissions": [{"header": {"name": ":method", "string_match": {"exact": "OPTIONS"}}}],
        "principals": [{"and_ids": {"ids": [present("origin"), present("access-control-request-method")]}}],
    })
}

// ---- helpers

/// A gateway with one function behind it.
struct Api {
    function: Function,
    gateway: Gateway,
}

impl Api {
    fn start(document: Value) -> Result<Self> {
        Self::of(Setup::new(&envoy::find()?, &plugin()?, document))
    }

    fn with_policy(policy: Value, document: Value) -> Result<Self> {
        Self::of(Setup::new(&envoy::find()?, &plugin()?, document).policy(policy))
    }

    fn of(setup: Setup) -> Result<Self> {
        let function = Function::start()?;
        let gateway = setup.start(function.address())?;
        Ok(Self { function, gateway })
    }

    /// Checks the methods of all requests that the gateway has received, including preflights.
    fn received(&self, expected: &[&str]) -> Result<()> {
        let deadline = Instant::now() + LAG;
        loop {
            let log = self.gateway.access_log();
            let methods: Vec<_> = log.lines().filter_map(|line| line.split(' ').nth(1)).collect();
            if methods.len() >= expected.len() {
                ensure!(methods == expected, "{log}");
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "after {LAG:?}, not all of {expected:?} are in the access log:\n{log}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn table(cors: Value) -> Value {
    json!({
        "hosts": ["api.example.com"],
        "domain": "example.com",
        "namespace": "shop",
        "cors": cors,
        "routes": [
            {"match": "GET|PUT /orders/{id}", "service": "orders"},
            {"match": "ANY /public", "service": "orders-write"},
            {"match": "GET /ping", "respond": {"status": 200, "body": "pong"}},
        ],
    })
}

fn methods(arrived: &[Arrived]) -> Vec<&str> {
    arrived.iter().map(|request| request.method.as_str()).collect()
}

fn is_problem(outcome: &page::Outcome, status: u16) -> Result<()> {
    ensure!(outcome.readable()? == status, "{outcome:?}");
    ensure!(outcome.header("content-type") == Some("application/problem+json"), "{outcome:?}");
    let problem: Value = serde_json::from_str(&outcome.body).with_context(|| outcome.body.clone())?;
    ensure!(problem["status"] == status, "{problem}");
    Ok(())
}

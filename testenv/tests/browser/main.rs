//! CORS, judged by who it is for: headless Chromium opens a page of one origin, which calls the API on another through
//! real Envoy with the plugin. What the page may read, what is refused and why, and what reaches the function.

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
const LAG: Duration = Duration::from_secs(10);

const NO_ORIGIN: &str = "No 'Access-Control-Allow-Origin' header";
const NOT_OK: &str = "It does not have HTTP ok status";

// ---- what a page may read

#[test]
fn a_page_of_an_allowed_origin_reads_the_body_and_the_exposed_headers_alone() -> Result<()> {
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
    api.took(&["GET", "GET", "GET"])
}

#[test]
fn a_page_of_another_origin_reads_nothing_and_what_needs_no_preflight_is_called_all_the_same() -> Result<()> {
    let api = Api::start(table(json!({"allowOrigins": [APP], "allowHeaders": ["x-csrf", "content-type"]})))?;
    let form = Call::new("POST", "/public").header("content-type", "text/plain").body("a=b");
    let calls = [Call::get("/orders/1"), form, Call::put("/orders/1"), Call::get("/nothing")];
    let [get, form, put, missing] = open(EVIL, api.gateway.address(), calls)?;
    for outcome in [get, form, put, missing] {
        outcome.refused(NO_ORIGIN)?;
    }
    assert_eq!(methods(&api.function.arrived()), ["GET", "POST"]);
    api.took(&["GET", "POST", "OPTIONS", "GET"])
}

#[test]
fn a_first_label_of_any_name_is_one_label_of_the_same_scheme_and_port() -> Result<()> {
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

/// A cache that gave the first answer to the second call would have the browser refuse it.
#[test]
fn an_answer_kept_without_an_origin_is_not_given_to_a_page() -> Result<()> {
    let mut document = table(json!({"allowOrigins": [APP]}));
    document["routes"][1]["cors"] = Value::Null;
    let api = Api::start(document)?;
    let kept = Call::get("/orders/1?cache-control=max-age=600");
    // To tell that it is `Vary` that keeps them apart.
    let alike = Call::get("/public?cache-control=max-age=600&access-control-allow-origin=*");
    let without_origin = |call: &Call| call.clone().option("mode", "no-cors");
    let calls = [without_origin(&kept), kept.clone(), kept, without_origin(&alike), alike];
    let [opaque, read, again, opaque_too, alike] = open(APP, api.gateway.address(), calls)?;
    for outcome in [opaque, opaque_too] {
        assert_eq!((outcome.readable()?, outcome.body.as_str()), (0, ""));
    }
    assert_eq!((read.readable()?, again.readable()?, alike.readable()?), (200, 200, 200));
    let arrived = api.function.arrived();
    let origins: Vec<_> = arrived.iter().map(|request| request.header("origin")).collect();
    assert_eq!(origins, [None, Some(APP), None], "and what may be kept is: {arrived:?}");
    Ok(())
}

// ---- preflights

#[test]
fn a_preflight_is_answered_in_the_gateway_and_kept_for_max_age() -> Result<()> {
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
    api.took(&["OPTIONS", "PUT", "PUT", "OPTIONS", "PUT", "OPTIONS", "PUT"])
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
fn a_star_allows_every_method_and_header_also_with_credentials() -> Result<()> {
    let cors = json!({"allowOrigins": [APP], "allowMethods": ["*"], "allowHeaders": ["*"], "allowCredentials": true});
    let api = Api::start(table(cors))?;
    let call = Call::new("PURGE", "/public").header("authorization", "Bearer token").header("x-other", "1");
    let [outcome] = open(APP, api.gateway.address(), [call.with_credentials()])?;
    assert_eq!(outcome.readable()?, 200);
    assert_eq!(methods(&api.function.arrived()), ["PURGE"]);
    Ok(())
}

#[test]
fn a_preflight_passes_for_a_route_that_asks_for_a_header() -> Result<()> {
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
fn credentials_are_taken_where_they_are_allowed_and_refused_by_the_browser_where_not() -> Result<()> {
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
    assert_eq!(cookies, [true, true, false, true, false], "what needs no preflight comes with its cookie");
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

/// The methods that are served are what a preflight is told, and a status other than 2xx is none that allows.
#[test]
fn where_the_preflight_itself_fails_the_page_reads_no_error() -> Result<()> {
    let api = Api::start(table(json!({"allowOrigins": [APP], "allowHeaders": ["x-csrf", "content-type"]})))?;
    let calls = [Call::new("DELETE", "/orders/1"), Call::put("/orders/a%2Fb")];
    let [method, unsafe_path] = open(APP, api.gateway.address(), calls)?;
    method.refused("Method DELETE is not allowed by Access-Control-Allow-Methods")?;
    unsafe_path.refused(NOT_OK)?;
    api.took(&["OPTIONS", "OPTIONS"])
}

#[test]
fn a_broken_route_is_readable_where_no_preflight_is_needed() -> Result<()> {
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
fn errors_of_the_gateway_behind_the_filter_are_readable() -> Result<()> {
    let mut document = table(json!({"allowOrigins": [APP]}));
    document["routes"][1]["service"] = "unknown".into();
    let api = Api::start(document)?;
    let calls = [Call::get("/orders/1?break"), Call::get("/public")];
    let [broken_off, unknown_host] = open(APP, api.gateway.address(), calls)?;
    assert_eq!((broken_off.readable()?, unknown_host.readable()?), (503, 404));
    Ok(())
}

// ---- functions that do CORS by themselves, and routes that differ

#[test]
fn headers_of_a_function_that_does_cors_by_itself_are_replaced() -> Result<()> {
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
fn a_routes_own_cors_stands_in_place_of_the_tables() -> Result<()> {
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
fn with_null_a_function_answers_preflights_and_sets_headers_by_itself() -> Result<()> {
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
    api.took(&["GET", "GET", "OPTIONS", "PUT", "OPTIONS", "PUT"])
}

/// From there on a browser tells `Origin: null`, which no list of origins can have.
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

// ---- a policy in front of the filter

const CORS_WITH_TOKENS: &str = r#"{"allowOrigins": ["http://app.example.com"], "allowHeaders": ["authorization"]}"#;

#[test]
fn behind_a_policy_that_asks_for_a_token_every_call_of_a_page_fails() -> Result<()> {
    let api = Api::behind(policy(json!({"token": has_token()})), table(serde_json::from_str(CORS_WITH_TOKENS)?))?;
    let [bearing, bare] = open(APP, api.gateway.address(), calls_with_and_without_token())?;
    // Its preflight has no token.
    bearing
        .refused("Response to preflight request doesn't pass access control check: No 'Access-Control-Allow-Origin'")?;
    // Envoy's 403: the page learns neither the status nor the body.
    bare.refused(NO_ORIGIN)?;
    assert_eq!(methods(&api.function.arrived()), [""; 0]);
    api.took(&["OPTIONS", "GET"])?;
    assert_eq!(api.gateway.access_log().matches(" 403 rbac_access_denied").count(), 2);
    Ok(())
}

#[test]
fn with_a_rule_for_preflights_a_token_passes_and_a_refusal_is_still_unreadable() -> Result<()> {
    let policies = json!({"token": has_token(), "preflights": is_preflight()});
    let api = Api::behind(policy(policies), table(serde_json::from_str(CORS_WITH_TOKENS)?))?;
    let [bearing, bare] = open(APP, api.gateway.address(), calls_with_and_without_token())?;
    assert_eq!((bearing.readable()?, bearing.body.as_str()), (200, "from the function"));
    bare.refused(NO_ORIGIN)?;
    assert_eq!(methods(&api.function.arrived()), ["GET"]);
    api.took(&["OPTIONS", "GET", "GET"])
}

/// As istiod makes it of a RequestAuthentication, which lets preflights through by itself.
#[test]
fn a_token_that_is_refused_is_unreadable() -> Result<()> {
    // RFC 8037, appendix A.2.
    let key = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let filter = json!({"name": "envoy.filters.http.jwt_authn", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"issuer": {"issuer": "https://issuer.example.com", "local_jwks": {"inline_string": key}}},
        "rules": [{"match": {"prefix": "/"}, "requires": {"requires_any": {"requirements": [
            {"provider_name": "issuer"}, {"allow_missing": {}},
        ]}}}],
        "bypass_cors_preflight": true,
    }});
    let api = Api::behind(filter, table(serde_json::from_str(CORS_WITH_TOKENS)?))?;
    let [refused, bare] = open(APP, api.gateway.address(), calls_with_and_without_token())?;
    refused.refused(NO_ORIGIN)?;
    assert_eq!(bare.readable()?, 200);
    assert_eq!(methods(&api.function.arrived()), ["GET"]);
    api.took(&["OPTIONS", "GET", "GET"])?;
    assert!(api.gateway.access_log().contains(" 401 "), "{}", api.gateway.access_log());
    Ok(())
}

fn calls_with_and_without_token() -> [Call; 2] {
    [Call::get("/orders/1").header("authorization", "Bearer token"), Call::get("/orders/1")]
}

/// As istiod makes it of AuthorizationPolicies that allow.
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

/// What `docs/security/preflights.yaml` asks for.
fn is_preflight() -> Value {
    let present = |name: &str| json!({"header": {"name": name, "present_match": true}});
    json!({
        "permissions": [{"header": {"name": ":method", "string_match": {"exact": "OPTIONS"}}}],
        "principals": [{"and_ids": {"ids": [present("origin"), present("access-control-request-method")]}}],
    })
}

// ---- shared

/// A function behind a gateway.
struct Api {
    function: Function,
    gateway: Gateway,
}

impl Api {
    fn start(document: Value) -> Result<Self> {
        Self::of(Setup::new(&envoy::find()?, &plugin()?, document))
    }

    fn behind(policy: Value, document: Value) -> Result<Self> {
        Self::of(Setup::new(&envoy::find()?, &plugin()?, document).policy(policy))
    }

    fn of(setup: Setup) -> Result<Self> {
        let function = Function::start()?;
        let gateway = setup.start(function.address())?;
        Ok(Self { function, gateway })
    }

    /// The methods of all requests that the gateway took, preflights among them.
    fn took(&self, expected: &[&str]) -> Result<()> {
        let deadline = Instant::now() + LAG;
        loop {
            let log = self.gateway.access_log();
            let methods: Vec<_> = log.lines().filter_map(|line| line.split(' ').nth(1)).collect();
            if methods.len() >= expected.len() {
                ensure!(methods == expected, "{log}");
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "waited {LAG:?} in vain for {expected:?}; the access log:\n{log}");
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

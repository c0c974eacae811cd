//! What arrives at a function that is called through the plugin: its host, its forwarded headers, and no header of
//! Knative's that a client has chosen.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testenv::http1::{Request, Response};
use testenv::knative::function::{MOST_HEADER, REVISION_HEADER};
use testenv::knative::objects::{annotated, with_variable};
use testenv::knative::serving::{NAMESPACE, eventually};
use testenv::stand_in::Report;

use crate::api::{Api, number};
use crate::common::report;
use crate::{Env, tests};

tests! {
    a_function_gets_the_same_request_as_by_its_host_and_the_public_host,
    a_function_learns_the_prefix_that_was_taken_off_its_path,
    no_internal_header_of_a_client_has_an_effect,
    a_client_cannot_choose_a_revision_by_the_tag_header,
    a_client_cannot_get_past_the_concurrency_of_a_pod,
    a_client_cannot_hide_its_requests_from_the_autoscaler,
    only_a_true_probe_passes_the_closed_direct_way,
}

/// Serves two KSVCs: requests to `/direct` go past the activator, and those to `/proxied` through it.
fn serve_both(api: &Api<'_>, table: &Value) -> Result<()> {
    api.apply(table)?;
    // Without a pod, the way to `direct` would lead through the activator.
    let ksvc = |name: &str, capacity: &str| {
        annotated(annotated(api.ksvc(name), "target-burst-capacity", capacity), "min-scale", "1")
    };
    api.serve(&[ksvc("direct", "0"), ksvc("proxied", "-1")])?;
    api.await_activator("/direct", false)?;
    api.await_activator("/proxied", true)
}

/// Returns the table for `serve_both`, with this setting.
fn table(api: &Api<'_>, name: &str, value: impl Into<Value>) -> Value {
    let mut table = api.table(json!([
        {"match": "ANY /direct/{**path}", "service": "direct"},
        {"match": "ANY /proxied/{**path}", "service": "proxied"},
    ]));
    table[name] = value.into();
    table
}

fn a_function_gets_the_same_request_as_by_its_host_and_the_public_host(env: &Env) -> Result<()> {
    let api = env.api("arrival")?;
    serve_both(&api, &table(&api, "stripInternalHeaders", true))?;
    let trace = [
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("tracestate", "vendor=1"),
        ("b3", "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1"),
        ("x-b3-traceid", "4bf92f3577b34da6a3ce929d0e0e4736"),
        ("x-b3-spanid", "00f067aa0ba902b7"),
        ("x-b3-sampled", "1"),
        ("baggage", "tenant=7"),
    ];
    let client = api.knative.address().ip();
    for (name, hops) in [("direct", 1), ("proxied", 2)] {
        let mut request = Request::new("POST", &api.host, format!("/{name}/a/{name}?x=1&y"))
            .header("x-forwarded-host", "chosen.test")
            .header("forwarded", "host=chosen.test")
            .header("x-forwarded-prefix", "/chosen")
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-for", "203.0.113.9")
            .header("x-request-id", "0b1c2d3e-1111-4222-8333-444455556666")
            .header("user-agent", "a client")
            .body("the body");
        for (name, value) in trace {
            request = request.header(name, value);
        }
        let routed = report(&api.send(&request)?)?;
        let by_host = Request { authority: api.ksvc_host(name).into(), ..request };
        let by_host = report(&api.send(&by_host)?)?;
        let changed = ["x-forwarded-host", "forwarded", "x-forwarded-prefix", "x-request-id"];
        ensure!(without(&routed, &changed) == without(&by_host, &changed), "{name}: {routed:#?} {by_host:#?}");

        ensure!(routed.authority == api.ksvc_host(name), "{name}: {routed:?}");
        ensure!(routed.header("x-forwarded-host") == Some(&api.host), "{name}: {routed:?}");
        ensure!(routed.header("x-forwarded-prefix").is_none(), "{name}: {routed:?}");
        ensure!(routed.header("x-forwarded-proto") == Some("http"), "{name}: {routed:?}");
        for (header, value) in trace {
            ensure!(routed.header(header) == Some(value), "{name}: {header}: {routed:?}");
        }
        // The gateway makes an id of its own for each request from outside.
        let id = routed.header("x-request-id").context("x-request-id")?;
        ensure!(id.len() == 36 && !id.starts_with("0b1c2d3e"), "{name}: {routed:?}");
        // Each proxy adds the address that called it. queue-proxy makes `forwarded` before it adds its own.
        let addresses = routed.header("x-forwarded-for").context("x-forwarded-for")?;
        ensure!(addresses.starts_with(&format!("203.0.113.9,{client}, {client}")), "{name}: {addresses}");
        ensure!(addresses.split(',').count() == 2 + hops, "{name}: {addresses}");
        let first = format!("for=203.0.113.9;host={};proto=http", api.host);
        let expected = vec![format!(", for={client}"); hops].concat();
        ensure!(routed.header("forwarded") == Some(&(first + &expected)), "{name}: {routed:?}");
    }
    Ok(())
}

/// Returns what arrived, without these headers.
fn without(report: &Report, names: &[&str]) -> Report {
    let mut report = report.clone();
    report.headers.retain(|(name, _)| !names.contains(&name.as_str()));
    report
}

fn a_function_learns_the_prefix_that_was_taken_off_its_path(env: &Env) -> Result<()> {
    let api = env.api("prefix")?;
    let rewritten = api.table(json!([{"match": "GET /shop/{**rest}", "service": "one", "rewritePath": "/{rest}"}]));
    api.apply(&rewritten)?;
    api.serve(&[api.ksvc("one")])?;
    let mut stripped = api.table(json!([{"match": "GET /{**rest}", "service": "one"}]));
    stripped["basePath"] = "/shop".into();
    stripped["stripBasePath"] = true.into();
    let other = api.table(json!([{"match": "GET /shop/{**rest}", "service": "one", "rewritePath": "/v2/{rest}"}]));
    for (what, table, path, prefix) in [
        ("rewritePath: /{rest}", rewritten, "/a?b=c", Some("/shop")),
        ("stripBasePath", stripped, "/a?b=c", Some("/shop")),
        ("rewritePath: /v2/{rest}", other, "/v2/a?b=c", None),
    ] {
        api.apply(&table)?;
        let arrived = api.send(&Request::get(&api.host, "/shop/a?b=c").header("x-forwarded-prefix", "/chosen"))?;
        let arrived = report(&arrived)?;
        ensure!(arrived.path == path, "{what}: {arrived:?}");
        ensure!(arrived.header("x-forwarded-prefix") == prefix, "{what}: {arrived:?}");
        ensure!(arrived.header("x-envoy-original-path") == Some("/shop/a?b=c"), "{what}: {arrived:?}");
        ensure!(arrived.authority == api.ksvc_host("one"), "{what}: {arrived:?}");
    }
    Ok(())
}

type Headers<'a> = &'a [(&'a str, &'a str)];

/// What becomes of a request with certain headers: the function gets it, or who answers in its place, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    Function,
    /// The function gets it, with a `Host` that the client has chosen.
    FunctionAs(&'static str),
    /// The status and the body of an answer of a proxy.
    Answer(u16, &'static str),
}
use Outcome::{Answer, Function, FunctionAs};

const NO_HASH: Outcome = Answer(400, "a probe request must contain a non-empty \"K-Network-Hash\" header");
const NO_VALUE: Outcome = Answer(400, "unexpected probe header value:");

/// Headers that a client could choose, and what Knative does with them where nothing removes them: at queue-proxy, and
/// at the activator in front of it.
const CHOSEN: &[(Headers<'_>, Outcome, Outcome)] = &[
    (&[("k-network-probe", "probe")], NO_HASH, NO_HASH),
    (&[("k-network-probe", "probe"), ("k-network-hash", "x")], Answer(200, ""), Answer(200, "")),
    (&[("k-network-probe", "queue")], Function, Answer(400, "unexpected probe header value: \"queue\"")),
    (&[("k-network-probe", "activator")], Function, Answer(200, "activator")),
    (
        &[("k-network-probe", "x"), ("k-network-probe", "probe")],
        Function,
        Answer(400, "unexpected probe header value: \"x\""),
    ),
    (&[("k-network-hash", "override")], Function, Function),
    (&[("k-kubelet-probe", "x")], Function, Answer(200, "")),
    (&[("user-agent", "kube-probe/1.36")], NO_VALUE, Answer(200, "")),
    (&[("user-agent", "kube-probe/1.36"), ("k-network-probe", "queue")], Answer(200, "queue"), Answer(200, "")),
    (&[("user-agent", "Knative-Activator-Probe")], NO_VALUE, NO_VALUE),
    (&[("user-agent", "Knative-Autoscaling-Probe")], NO_VALUE, NO_VALUE),
    (&[("user-agent", "Knative-Activator-Probe/1")], NO_VALUE, NO_VALUE),
    (&[("user-agent", "Knative-Ingress-Probe")], Function, Function),
    (&[("k-proxy-request", "activator")], Function, Function),
    (&[("k-proxy-request", "x")], Function, Function),
    (&[("k-passthrough-lb", "true")], Function, Function),
    (&[("k-original-host", "chosen.test")], FunctionAs("chosen.test"), FunctionAs("chosen.test")),
    // net-gateway-api's routes replace these two.
    (&[("knative-serving-revision", "proxied-00001"), ("knative-serving-namespace", "internal")], Function, Function),
    (&[("knative-serving-tag", "x")], Function, Function),
    (&[("knative-serving-default-route", "true")], Function, Function),
];

fn with_headers(request: Request, headers: Headers<'_>) -> Request {
    headers.iter().fold(request, |request, (name, value)| request.header(name, value))
}

fn no_internal_header_of_a_client_has_an_effect(env: &Env) -> Result<()> {
    let api = env.api("internal")?;
    serve_both(&api, &table(&api, "stripInternalHeaders", true))?;
    let mut failures = Vec::new();
    for strip in [true, false] {
        api.apply(&table(&api, "stripInternalHeaders", strip))?;
        for (headers, direct, proxied) in CHOSEN {
            for (name, without) in [("direct", direct), ("proxied", proxied)] {
                let response = api.send(&with_headers(Request::get(&api.host, format!("/{name}/x")), headers))?;
                let expected = if strip { &Function } else { without };
                if let Err(error) = check_outcome(&api, name, &response, *expected, strip) {
                    failures.push(format!("{name}, stripInternalHeaders {strip}, {headers:?}: {error:#}"));
                }
            }
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}

fn check_outcome(api: &Api<'_>, name: &str, response: &Response, expected: Outcome, strip: bool) -> Result<()> {
    let host = api.ksvc_host(name);
    let host = match expected {
        Answer(status, body) => {
            ensure!((response.status, response.text().trim()) == (status, body), "{response:?} {}", response.text());
            return not_from_function(response);
        }
        Function => &host,
        FunctionAs(host) => host,
    };
    let arrived = report(response)?;
    ensure!(arrived.authority == *host, "{arrived:?}");
    if strip {
        // The activator's own mark is the only one left.
        let left = |name: &str| name.starts_with("k-") || name.starts_with("knative-") || name == "user-agent";
        let left: Vec<_> = arrived.headers.iter().filter(|(name, _)| left(name)).collect();
        let mark = ("k-proxy-request".to_owned(), "activator".to_owned());
        let expected = if name == "proxied" { vec![&mark] } else { vec![] };
        ensure!(left == expected, "{left:?}");
    }
    Ok(())
}

fn not_from_function(response: &Response) -> Result<()> {
    ensure!(response.header(REVISION_HEADER).is_none(), "the function has answered: {response:?}");
    Ok(())
}

fn a_client_cannot_choose_a_revision_by_the_tag_header(env: &Env) -> Result<()> {
    // The setting is Knative's, for all KSVCs.
    let api = env.exclusive_api("arrival-of-tag")?;
    let set = |value: &str| {
        let patch = json!({"data": {"tag-header-based-routing": value}}).to_string();
        let patch = ["patch", "configmap", "config-features", "-n", NAMESPACE, "--type=merge", "-p", &patch];
        api.knative.cluster().kubectl(patch).map(drop)
    };
    set("enabled")?;
    let result = choose_a_revision_by_the_tag_header(&api);
    set("disabled")?;
    result
}

fn choose_a_revision_by_the_tag_header(api: &Api<'_>) -> Result<()> {
    let ksvc = api.ksvc("one");
    api.serve(std::slice::from_ref(&ksvc))?;
    let mut next = with_variable(ksvc, "COLOUR", "blue");
    next["spec"]["traffic"] = json!([
        {"revisionName": "one-00001", "percent": 100},
        {"latestRevision": true, "percent": 0, "tag": "next"},
    ]);
    api.serve(&[next])?;
    let chosen = |host: &str| {
        let response = api.send(&Request::get(host, "/").header("knative-serving-tag", "next"))?;
        ensure!(response.status == 200, "{response:?}");
        Ok(response.header(REVISION_HEADER).unwrap_or_default().to_owned())
    };
    let host = api.ksvc_host("one");
    eventually("Knative routes by the tag's header", || Ok(chosen(&host)? == "one-00002"))?;
    for (strip, expected) in [(true, "one-00001"), (false, "one-00002")] {
        let mut table = api.table_to("one");
        table["stripInternalHeaders"] = strip.into();
        api.apply(&table)?;
        let revision = chosen(&api.host)?;
        ensure!(revision == expected, "stripInternalHeaders {strip}: {revision} instead of {expected}");
    }
    Ok(())
}

fn a_client_cannot_get_past_the_concurrency_of_a_pod(env: &Env) -> Result<()> {
    let api = env.api("unlimited")?;
    let mut ksvc = annotated(annotated(api.ksvc("one"), "target-burst-capacity", "0"), "max-scale", "1");
    ksvc["spec"]["template"]["spec"]["containerConcurrency"] = 1.into();
    let mut table = api.table_to("one");
    table["stripInternalHeaders"] = true.into();
    api.apply(&table)?;
    api.serve(&[ksvc])?;
    api.await_activator("/", false)?;
    let request = Request::get(&api.host, "/").header("k-kubelet-probe", "x").header("x-stand-in", "delay=700");
    let most = || {
        let responses = api.send_at_once(&vec![request.clone(); 4])?;
        let most = responses.iter().map(|response| report(response).and_then(|_| number(response, MOST_HEADER)));
        most.collect::<Result<Vec<_>>>()
    };
    let limited = most()?;
    ensure!(limited.iter().all(|most| *most == 1), "two requests at the same time: {limited:?}");
    // Without the setting, queue-proxy takes them for probes of the kubelet and lets all of them in at once.
    table["stripInternalHeaders"] = false.into();
    api.apply(&table)?;
    let unlimited = most()?;
    ensure!(unlimited.iter().any(|most| *most > 1), "no two requests at the same time: {unlimited:?}");
    Ok(())
}

fn a_client_cannot_hide_its_requests_from_the_autoscaler(env: &Env) -> Result<()> {
    let api = env.api("hidden")?;
    let settings =
        [("target-burst-capacity", "0"), ("target", "1"), ("window", "6s"), ("min-scale", "1"), ("max-scale", "2")];
    let ksvc = settings.iter().fold(api.ksvc("one"), |ksvc, (name, value)| annotated(ksvc, name, value));
    let table = |strip: bool| {
        let mut table = api.table_to("one");
        table["stripInternalHeaders"] = strip.into();
        table
    };
    api.apply(&table(true))?;
    api.serve(&[ksvc])?;
    api.await_activator("/", false)?;
    // queue-proxy does not count a request that says that the activator has counted it.
    let hidden = Request::get(&api.host, "/").header("k-proxy-request", "activator").header("x-stand-in", "delay=2000");
    let scale_after_requests = || -> Result<u32> {
        for response in api.send_at_once(&vec![hidden.clone(); 4])? {
            ensure!(response.status == 200, "{response:?}");
        }
        let path = "jsonpath={.items[0].status.desiredScale}";
        let scale = api.knative.cluster().kubectl(["get", "podautoscaler", "-n", &api.name, "-o", path])?;
        Ok(scale.trim().parse()?)
    };
    // Without the setting, four requests at a time for longer than the autoscaler's window are none.
    api.apply(&table(false))?;
    eventually("the requests before are out of the autoscaler's window", || Ok(scale_after_requests()? == 1))?;
    for round in 1..=3 {
        let scale = scale_after_requests()?;
        ensure!(scale == 1, "round {round}: scaled to {scale} by requests that are hidden");
    }
    api.apply(&table(true))?;
    eventually("the autoscaler sees the requests", || Ok(scale_after_requests()? == 2))
}

fn only_a_true_probe_passes_the_closed_direct_way(env: &Env) -> Result<()> {
    let api = env.api("closed-way")?;
    serve_both(&api, &table(&api, "denyDirect", true))?;
    let no_probes: &[Headers<'_>] = &[
        &[],
        &[("k-network-probe", "x"), ("k-network-probe", "probe")],
        &[("k-network-probe", "probe"), ("k-network-probe", "x")],
        &[("k-network-probe", "probe"), ("k-network-probe", "probe")],
        &[("k-network-probe", "probe,probe")],
        &[("k-network-probe", "Probe")],
        &[("k-network-probe", "")],
        &[("k-network-probe", "queue")],
        &[("k-network-probe", "activator")],
        // Envoy removes the headers that `connection` names before the plugin sees the request.
        &[("k-network-probe", "probe"), ("connection", "k-network-probe")],
        &[("k-network-hash", "override")],
        &[("k-kubelet-probe", "x")],
        &[("user-agent", "kube-probe/1.36")],
        &[("user-agent", "Knative-Ingress-Probe"), ("k-network-hash", "override")],
    ];
    // Knative's proxies answer these themselves, whatever else is in them.
    let probes: &[Headers<'_>] = &[
        &[("k-network-probe", "probe")],
        &[("k-network-probe", "probe"), ("k-network-hash", "x")],
        &[("k-network-probe", "probe"), ("k-kubelet-probe", "x")],
        &[("k-network-probe", "probe"), ("user-agent", "kube-probe/1.36")],
        &[("k-network-probe", "probe"), ("user-agent", "Knative-Activator-Probe")],
        &[("k-network-probe", "probe"), ("k-original-host", "chosen.test"), ("k-proxy-request", "activator")],
        &[("k-network-probe", "probe"), ("upgrade", "websocket"), ("connection", "upgrade")],
    ];
    let to = |name: &str, headers| {
        let request = Request::new("POST", api.ksvc_host(name), format!("/{name}/x")).body("x");
        api.send(&with_headers(request, headers))
    };
    for name in ["direct", "proxied"] {
        for headers in no_probes {
            let response = to(name, headers)?;
            let ours = response.header("content-type") == Some("application/problem+json");
            ensure!(response.status == 404 && ours, "{name} {headers:?}: {response:?}");
        }
        for headers in probes {
            let response = to(name, headers)?;
            not_from_function(&response).with_context(|| format!("{name} {headers:?}"))?;
        }
        let probed = to(name, &[("k-network-probe", "probe"), ("k-network-hash", "x")])?;
        ensure!((probed.status, probed.header("k-network-hash")) == (200, Some("x")), "{name}: {probed:?}");
    }
    // While the way is open, the first of these does reach the function.
    api.apply(&table(&api, "denyDirect", false))?;
    let open = to("direct", no_probes[1])?;
    ensure!(open.header(REVISION_HEADER) == Some("direct-00001"), "{open:?}");
    Ok(())
}

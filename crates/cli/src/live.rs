//! Runs test cases in a real gateway: sends each case's request through it and compares what reached the stand-in, or
//! the gateway's own response, with what the case expects. It is written by hand because the format of the cases is this
//! project's own.

mod results;

use std::fmt;

use anyhow::{Context, Result};
use local_gateway::gateway::{Gateway, ROUTE_HEADER, VIRTUAL_HOST_HEADER};
use local_gateway::http1::{Endpoint, Request, Response};
use local_gateway::stand_in::{RESPONSE_HEADERS, Report};
use serde_json::{Value, json};

use crate::cases::Case;

pub use results::Results;

/// The request of a case, as text.
#[derive(Debug)]
pub struct Sent {
    pub method: String,
    /// `http` or `https`, as in the URL.
    pub scheme: String,
    pub authority: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
}

impl Sent {
    pub fn of(case: &Case) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let request = &case.request;
        let mut headers: Vec<_> = request.headers.iter().map(|(name, value)| (text(name), text(value))).collect();
        if !case.response.is_empty() {
            let response: Vec<_> = case.response.iter().map(|(name, value)| (text(name), text(value))).collect();
            headers.push((RESPONSE_HEADERS.to_owned(), json!(response).to_string()));
        }
        Self {
            method: text(&request.method),
            scheme: text(request.scheme.as_deref().unwrap_or(b"https")),
            authority: text(request.authority.as_deref().unwrap_or_default()),
            path: text(request.path.as_deref().unwrap_or_default()),
            headers,
        }
    }

    fn to_request(&self) -> Request {
        let mut request = Request::new(&self.method, &self.authority, &self.path);
        request.headers.clone_from(&self.headers);
        request
    }

    /// Returns whether Envoy's HTTP/1.1 codec refuses the request before any filter sees it: it accepts no byte outside
    /// ASCII, no control byte, no space and no `#` in a path.
    fn refused_by_envoy(&self) -> bool {
        !self.path.starts_with('/') || self.path.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'#')
    }

    /// Returns whether Envoy's `normalize_path` could change the path before the plugin sees it.
    pub fn changed_by_normalization(&self) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        path.contains("/.")
            || path.contains("//")
            || path.bytes().any(|byte| !(byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte)))
    }
}

/// Returns the status of the plugin's own response to a request with this outcome, or `None` if the outcome alone does
/// not determine it.
pub fn own_status(outcome: &str) -> Option<u16> {
    match outcome {
        "notFound" | "deniedDirect" => Some(404),
        "methodNotAllowed" => Some(405),
        "unsafePath" => Some(400),
        "brokenRoute" => Some(503),
        _ => None,
    }
}

/// The result of one case.
#[derive(Debug)]
pub struct CaseResult {
    /// The request that reached the stand-in, or `None` if no request did.
    pub arrived: Option<Report>,
    pub response: Response,
    /// The differences from what the case expects. The case passes if there are none.
    pub differences: Vec<String>,
}

/// The listeners of a gateway that the cases' requests are sent to.
#[derive(Debug, Clone)]
pub struct Ingress {
    /// A listener with the settings of Istio's gateway.
    pub usual: Endpoint,
    /// A listener with `normalize_path` off, on which paths reach the plugin as they were sent.
    pub raw_paths: Endpoint,
    /// Whether the gateway cuts fragments off before the plugin sees the path, as Istio's bootstrap makes Envoy do. By
    /// default, Envoy answers a request with a fragment with 400.
    pub cuts_fragments: bool,
    /// Whether the gateway takes the scheme of a request from its header `x-forwarded-proto`. A gateway without TLS
    /// otherwise sees every request as `http`.
    pub trusted_scheme: bool,
    /// The headers that are added on the way from the gateway to the stand-in, besides those that Envoy adds.
    pub added_headers: &'static [&'static str],
}

impl Ingress {
    /// Returns the listeners of an Envoy that runs without Istio.
    pub fn of_envoy(gateway: &Gateway) -> Self {
        Self {
            usual: gateway.address().into(),
            raw_paths: gateway.raw_path_address().into(),
            cuts_fragments: false,
            trusted_scheme: false,
            added_headers: &[],
        }
    }

    /// Returns the listeners of Istio's gateways.
    pub fn of_istio(usual: Endpoint, raw_paths: Endpoint) -> Self {
        Self { usual, raw_paths, cuts_fragments: true, trusted_scheme: false, added_headers: &[] }
    }

    /// Returns the listener of Istio's gateway with real Knative behind it.
    pub fn of_knative(usual: Endpoint) -> Self {
        Self { added_headers: &["forwarded", "k-proxy-request"], ..Self::of_istio(usual.clone(), usual) }
    }
}

/// Sends the request of a case and compares the result with what the case expects.
pub fn run(case: &Case, ingress: &Ingress) -> Result<CaseResult> {
    let sent = Sent::of(case);
    let to = if sent.changed_by_normalization() { &ingress.raw_paths } else { &ingress.usual };
    let mut request = sent.to_request();
    if ingress.trusted_scheme && !sent.headers.iter().any(|(name, _)| name == SCHEME_HEADER) {
        request.headers.push((SCHEME_HEADER.to_owned(), sent.scheme.clone()));
    }
    let response = request.send(to).with_context(|| format!("case {:?}", case.name))?;
    let arrived = match response.header("x-stand-in") {
        // The response to HEAD has no body, so it can't contain the stand-in's report.
        Some(_) if response.body.is_empty() => None,
        Some(_) => Some(serde_json::from_slice(&response.body).context("the stand-in's report")?),
        None => None,
    };
    let mut differences = Differences::default();
    match sent.path.split_once('#') {
        Some((path, _)) if ingress.cuts_fragments => {
            let arrived = arrived.as_ref().map(|report: &Report| report.path.as_str());
            differences.check("the path up to its fragment", &Some(path), &arrived);
        }
        _ => compare(case, &sent, &response, arrived.as_ref(), ingress, &mut differences),
    }
    Ok(CaseResult { arrived, response, differences: differences.0 })
}

fn compare(
    case: &Case,
    sent: &Sent,
    response: &Response,
    arrived: Option<&Report>,
    ingress: &Ingress,
    differences: &mut Differences,
) {
    let reached = response.header("x-stand-in").is_some();
    match case.expected_text("outcome") {
        None => {}
        Some("route") => {
            differences.check("reached a KSVC", &true, &reached);
            differences.check("status", &200, &response.status);
            if let Some(arrived) = arrived {
                compare_routed(sent, arrived, differences);
            }
        }
        Some("passThrough" | "outOfScope") => {
            differences.check("reached the stand-in", &true, &reached);
            if let Some(arrived) = arrived {
                compare_untouched(sent, arrived, ingress, differences);
            }
        }
        Some(outcome) => {
            differences.check("reached a KSVC", &false, &reached);
            compare_own_response(case, sent, outcome, response, differences);
        }
    }
    for expected in &case.expect {
        let found = match (expected.field, arrived) {
            ("route", _) if reached => response.header(ROUTE_HEADER).map(Value::from),
            ("authority", Some(arrived)) => Some(arrived.authority.as_str().into()),
            ("path", Some(arrived)) => Some(arrived.path.as_str().into()),
            ("requestHeaders", Some(arrived)) => value_of(expected.header.as_deref(), &arrived.headers),
            ("responseHeaders", _) => value_of(expected.header.as_deref(), &response.headers),
            ("status", _) => Some(response.status.into()),
            ("allow" | "location", _) => response.header(expected.field).map(Value::from),
            // It can't be seen from outside the gateway.
            _ => continue,
        };
        differences.0.extend(expected.compare(found.as_ref()).map(|mismatch| mismatch.to_string()));
    }
    if let (Some(authority), Some(_)) = (case.expected_text("authority"), arrived) {
        // If the virtual host of the target has served the request, Envoy has selected the route again.
        let host = authority.split(':').next();
        let served_by = response.header(VIRTUAL_HOST_HEADER).and_then(|name| name.split(':').next());
        differences.check("virtual host", &host, &served_by);
    }
}

/// Returns the value of a header in the form that a case has: a list if the header occurs several times.
pub fn value_of(name: Option<&str>, headers: &[(String, String)]) -> Option<Value> {
    let values: Vec<&str> =
        headers.iter().filter(|(known, _)| Some(known.as_str()) == name).map(|(_, value)| value.as_str()).collect();
    match values[..] {
        [] => None,
        [value] => Some(value.into()),
        _ => Some(json!(values)),
    }
}

/// Checks what must be true for every routed request, even if the case does not mention it.
fn compare_routed(sent: &Sent, arrived: &Report, differences: &mut Differences) {
    differences.check("method", &sent.method, &arrived.method);
    differences.check("x-forwarded-host", &Some(sent.authority.as_str()), &arrived.header("x-forwarded-host"));
    let original = (arrived.path != sent.path).then_some(sent.path.as_str());
    differences.check("x-envoy-original-path", &original, &arrived.header("x-envoy-original-path"));
}

/// Checks that the plugin leaves a request outside its scope untouched: no header is added, removed or changed.
fn compare_untouched(sent: &Sent, arrived: &Report, ingress: &Ingress, differences: &mut Differences) {
    differences.check("authority", &sent.authority, &arrived.authority);
    differences.check("path", &sent.path, &arrived.path);
    // The virtual host of a KSVC sets headers on every request; the virtual host for all other hosts does not.
    let by_target = arrived.header("knative-serving-revision").is_some();
    let set_by_target = |name: &str| by_target && (name.starts_with("knative-serving-") || name == "k-network-hash");
    let mut sent = sent.headers.clone();
    let mut received = arrived.headers.clone();
    let added = |name: &str| ADDED_BY_ENVOY.contains(&name) || ingress.added_headers.contains(&name);
    received.retain(|(name, _)| sent.iter().any(|(sent, _)| sent == name) || !added(name));
    for headers in [&mut sent, &mut received] {
        headers.retain(|(name, _)| !set_by_target(name));
        headers.sort();
    }
    differences.check("headers", &sent, &received);
}

/// Checks a response of the plugin itself.
fn compare_own_response(case: &Case, sent: &Sent, outcome: &str, response: &Response, differences: &mut Differences) {
    let Some(status) = own_status(outcome) else {
        return;
    };
    if case.expected("status").is_none() {
        differences.check("status", &status, &response.status);
    }
    if outcome == "unsafePath" && sent.refused_by_envoy() {
        return; // the 400 is Envoy's own and has no body
    }
    differences.check("content-type", &Some("application/problem+json"), &response.header("content-type"));
    if sent.method == "HEAD" {
        return;
    }
    let problem: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    differences.check("the problem's status", &Some(u64::from(status)), &problem["status"].as_u64());
    for key in ["title", "detail"] {
        differences.check(&format!("the problem has a {key}"), &true, &problem[key].is_string());
    }
}

/// The header that names the scheme with which a request has come to the first proxy.
const SCHEME_HEADER: &str = "x-forwarded-proto";

/// The headers that Envoy adds in this setup, with or without the plugin.
const ADDED_BY_ENVOY: [&str; 7] = [
    "content-length",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
    "x-envoy-attempt-count",
    "x-envoy-external-address",
    "x-envoy-decorator-operation", // from istiod's configuration, with the name of the service
];

/// The differences from what was expected, with a line for each.
#[derive(Debug, Default)]
pub struct Differences(pub Vec<String>);

impl Differences {
    pub fn check<T: PartialEq + fmt::Debug>(&mut self, what: &str, expected: &T, found: &T) {
        if expected != found {
            self.0.push(format!("{what}: expected {expected:?}, found {found:?}"));
        }
    }
}

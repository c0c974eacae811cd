//! The case tables of `testenv/cases/*.yaml`, in the format of `ksvc-router test`, and the runner that sends each
//! case through a gateway and compares what arrived, or what was answered, with what the case expects.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
pub use ksvc_router_cli::cases::Case;
use ksvc_router_cli::{cases, load};
use serde_json::{Value, json};

use crate::gateway::{ROUTE_HEADER, Setup, VIRTUAL_HOST_HEADER};
use crate::http1::{Endpoint, Request, Response};
use crate::stand_in::{RESPONSE_HEADERS, Report};
use crate::{repository, yaml};

/// One file: a route table and the requests that show what it does.
#[derive(Debug)]
pub struct CaseFile {
    /// The table under test: the file's own, or that of the repository's `wasm-plugin.yaml`.
    pub table: Value,
    pub cases: Vec<Case>,
}

/// Every case file of the repository, by path.
pub fn files() -> Result<Vec<PathBuf>> {
    let folder = repository().join("testenv/cases");
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    Ok(files)
}

impl CaseFile {
    pub fn read(path: &Path) -> Result<Self> {
        let source = load::read(path)?.map_err(|message| yaml::told(&[message]))?;
        let cases = cases::read(&source).map_err(|messages| yaml::told(&messages))?;
        let own = load::from_named(&source).configurations.pop().and_then(|configuration| configuration.node);
        let table = match own {
            Some(table) => table.to_value(),
            None => yaml::plugin_config(&repository().join("wasm-plugin.yaml"))?,
        };
        Ok(Self { table, cases })
    }

    /// A gateway with the table under test, a KSVC for every authority that a case expects, and a stand-in for
    /// all other hosts.
    pub fn setup(&self, envoy: &Path, plugin: &Path) -> Setup {
        let targets = self.cases.iter().filter_map(|case| case.expected_text("authority"));
        Setup::new(envoy, plugin, self.table.clone()).ksvcs(targets).catch_all().as_sent()
    }
}

/// A case's request as text.
#[derive(Debug)]
pub struct Sent {
    pub method: String,
    /// `http` or `https`, as the URL says; a gateway without TLS sees all as `http`.
    pub scheme: String,
    pub authority: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
}

impl Sent {
    pub fn of(case: &Case) -> Self {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
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

    fn on_the_wire(&self) -> Request {
        let mut request = Request::new(&self.method, &self.authority, &self.path);
        request.headers.clone_from(&self.headers);
        request
    }

    /// Whether Envoy's HTTP/1.1 codec answers such a request itself, before any filter: it takes no octet beyond
    /// ASCII, no control octet, no blank and no `#` in a path.
    fn refused_by_envoy(&self) -> bool {
        !self.path.starts_with('/') || self.path.bytes().any(|octet| !octet.is_ascii_graphic() || octet == b'#')
    }

    /// Whether Envoy's `normalize_path` could change the path before the plugin sees it.
    fn changed_by_normalization(&self) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        path.contains("/.")
            || path.contains("//")
            || path.bytes().any(|octet| !(octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&octet)))
    }
}

/// The status that the plugin answers by itself, where the outcome alone says so.
pub fn own_status(outcome: &str) -> Option<u16> {
    match outcome {
        "notFound" | "deniedDirect" => Some(404),
        "methodNotAllowed" => Some(405),
        "unsafePath" => Some(400),
        "brokenRoute" => Some(503),
        _ => None,
    }
}

/// What came of one case.
#[derive(Debug)]
pub struct Outcomes {
    /// What reached the stand-in, where anything did.
    pub arrived: Option<Report>,
    pub response: Response,
    /// How it differs from what the case expects; empty is a pass.
    pub differences: Vec<String>,
}

/// Where a gateway takes the cases' requests.
#[derive(Debug, Clone)]
pub struct Ingress {
    /// A listener as Istio's gateway has it.
    pub usual: Endpoint,
    /// One with `normalize_path` off, on which paths arrive at the plugin as they were sent.
    pub as_sent: Endpoint,
    /// Whether fragments are cut off before the plugin sees the path, as Istio's bootstrap has it; Envoy by itself
    /// answers such a request with 400.
    pub cuts_fragments: bool,
}

impl Ingress {
    /// A gateway of Istio's.
    pub fn of_istio(usual: Endpoint, as_sent: Endpoint) -> Self {
        Self { usual, as_sent, cuts_fragments: true }
    }
}

/// Sends the case's request and compares.
pub fn run(case: &Case, ingress: &Ingress) -> Result<Outcomes> {
    let sent = Sent::of(case);
    let to = if sent.changed_by_normalization() { &ingress.as_sent } else { &ingress.usual };
    let response = sent.on_the_wire().send(to).with_context(|| format!("case {:?}", case.name))?;
    let arrived = match response.header("x-stand-in") {
        // A stand-in answers HEAD too, but its report can't come along: the access log has to do.
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
        _ => compare(case, &sent, &response, arrived.as_ref(), &mut differences),
    }
    Ok(Outcomes { arrived, response, differences: differences.0 })
}

/// Runs every case of a file; an error that names all that fail, and how.
pub fn run_all(file: &CaseFile, ingress: &Ingress) -> Result<()> {
    let mut failures = Vec::new();
    for case in &file.cases {
        let outcome = run(case, ingress)?;
        if !outcome.differences.is_empty() {
            let (method, status) = (Sent::of(case).method, outcome.response.status);
            let differences = outcome.differences.join("\n    ");
            failures.push(format!("- {} ({method} {}, answered {status})\n    {differences}", case.name, case.url));
        }
    }
    let (failed, all) = (failures.len(), file.cases.len());
    ensure!(failures.is_empty(), "{failed} of {all} cases fail\n{}", failures.join("\n"));
    Ok(())
}

fn compare(case: &Case, sent: &Sent, response: &Response, arrived: Option<&Report>, differences: &mut Differences) {
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
            differences.check("reached the gateway's own route", &true, &reached);
            if let Some(arrived) = arrived {
                compare_untouched(sent, arrived, differences);
            }
        }
        Some(outcome) => {
            differences.check("reached a KSVC", &false, &reached);
            compare_answered(case, sent, outcome, response, differences);
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
            // Nobody outside sees it.
            _ => continue,
        };
        differences.0.extend(expected.compare(found.as_ref()).map(|mismatch| mismatch.to_string()));
    }
    if let (Some(authority), Some(_)) = (case.expected_text("authority"), arrived) {
        // Envoy has selected the route anew only if the target's own virtual host has left its mark.
        let host = authority.split(':').next();
        let marked = response.header(VIRTUAL_HOST_HEADER).and_then(|name| name.split(':').next());
        differences.check("virtual host", &host, &marked);
    }
}

/// A header's value as a case has it: a list where it comes several times.
pub fn value_of(name: Option<&str>, headers: &[(String, String)]) -> Option<Value> {
    let values: Vec<&str> =
        headers.iter().filter(|(held, _)| Some(held.as_str()) == name).map(|(_, value)| value.as_str()).collect();
    match values[..] {
        [] => None,
        [value] => Some(value.into()),
        _ => Some(json!(values)),
    }
}

/// What holds for every routed request, whether or not the case says it.
fn compare_routed(sent: &Sent, arrived: &Report, differences: &mut Differences) {
    differences.check("method", &sent.method, &arrived.method);
    differences.check("x-forwarded-host", &Some(sent.authority.as_str()), &arrived.header("x-forwarded-host"));
    let original = (arrived.path != sent.path).then_some(sent.path.as_str());
    differences.check("x-envoy-original-path", &original, &arrived.header("x-envoy-original-path"));
}

/// Outside its scope the plugin touches nothing: not a header comes, goes or changes.
fn compare_untouched(sent: &Sent, arrived: &Report, differences: &mut Differences) {
    differences.check("authority", &sent.authority, &arrived.authority);
    differences.check("path", &sent.path, &arrived.path);
    // A KSVC's virtual host sets headers of its own, whatever came; the catch-all does not.
    let by_target = arrived.header("knative-serving-revision").is_some();
    let set_by_target = |name: &str| by_target && (name.starts_with("knative-serving-") || name == "k-network-hash");
    let mut sent = sent.headers.clone();
    let mut held = arrived.headers.clone();
    held.retain(|(name, _)| sent.iter().any(|(sent, _)| sent == name) || !ADDED_BY_ENVOY.contains(&name.as_str()));
    for headers in [&mut sent, &mut held] {
        headers.retain(|(name, _)| !set_by_target(name));
        headers.sort();
    }
    differences.check("headers", &sent, &held);
}

fn compare_answered(case: &Case, sent: &Sent, outcome: &str, response: &Response, differences: &mut Differences) {
    let Some(status) = own_status(outcome) else {
        return;
    };
    if case.expected("status").is_none() {
        differences.check("status", &status, &response.status);
    }
    if outcome == "unsafePath" && sent.refused_by_envoy() {
        return; // Envoy's own 400 has no body
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

/// Headers that Envoy adds in this setup, with or without the plugin.
const ADDED_BY_ENVOY: [&str; 7] = [
    "content-length",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
    "x-envoy-attempt-count",
    "x-envoy-external-address",
    "x-envoy-decorator-operation", // istiod's, with the name of the service
];

/// How something differs from what was expected, a line each.
#[derive(Debug, Default)]
pub struct Differences(pub Vec<String>);

impl Differences {
    pub fn check<T: PartialEq + fmt::Debug>(&mut self, what: &str, expected: &T, found: &T) {
        if expected != found {
            self.0.push(format!("{what}: expected {expected:?}, found {found:?}"));
        }
    }
}

//! The case tables of `testenv/cases/*.yaml`, in the format of `ksvc-router test`, and the runner that sends each
//! case through a gateway and compares what arrived, or what was answered, with what the case expects.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::gateway::{Gateway, ROUTE_HEADER, Setup, VIRTUAL_HOST_HEADER};
use crate::http1::{Request, Response};
use crate::stand_in::Report;
use crate::{repository, yaml};

/// One file: a route table and the requests that show what it does.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CaseFile {
    /// The table under test; without it, that of the repository's `wasm-plugin.yaml`.
    pub plugin_config: Option<Value>,
    pub cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The rule that the case holds.
    pub name: String,
    pub request: CaseRequest,
    pub expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseRequest {
    pub method: String,
    /// Taken as it is: the authority up to the next `/` or `?`, the rest is `:path`.
    pub url: String,
    #[serde(default)]
    pub headers: Headers,
}

/// `{name: value}`, or a list of `name: value` where order or repetition matters.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Headers {
    Map(BTreeMap<String, String>),
    List(Vec<String>),
}

impl Default for Headers {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Headers {
    pub fn pairs(&self) -> Vec<(String, String)> {
        match self {
            Self::Map(map) => map.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect(),
            Self::List(lines) => lines
                .iter()
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
        }
    }
}

/// What has to come of it. Fields that are not given are not compared.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expect {
    pub outcome: Option<Outcome>,
    pub route: Option<String>,
    #[serde(rename = "match")]
    pub matched: Option<String>,
    pub authority: Option<String>,
    pub path: Option<String>,
    pub params: Option<BTreeMap<String, String>>,
    /// Headers as they reach the KSVC; null for one that must not.
    pub request_headers: Option<BTreeMap<String, Option<String>>>,
    pub status: Option<u16>,
    pub allow: Option<String>,
    pub location: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    Route,
    Redirect,
    Respond,
    Preflight,
    NotFound,
    MethodNotAllowed,
    UnsafePath,
    DeniedDirect,
    BrokenRoute,
    PassThrough,
    OutOfScope,
}

impl Outcome {
    /// The status that the plugin answers by itself, where the outcome alone says so.
    fn own_status(self) -> Option<u16> {
        match self {
            Self::NotFound | Self::DeniedDirect => Some(404),
            Self::MethodNotAllowed => Some(405),
            Self::UnsafePath => Some(400),
            Self::BrokenRoute => Some(503),
            _ => None,
        }
    }
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
        yaml::read(path)
    }

    /// The table under test.
    pub fn table(&self) -> Result<Value> {
        match &self.plugin_config {
            Some(table) => Ok(table.clone()),
            None => yaml::plugin_config(&repository().join("wasm-plugin.yaml")),
        }
    }

    /// A gateway with the table under test, a KSVC for every authority that a case expects, and a stand-in for
    /// all other hosts.
    pub fn setup(&self, envoy: &Path, plugin: &Path) -> Result<Setup> {
        let targets = self.cases.iter().filter_map(|case| case.expect.authority.clone());
        Ok(Setup::new(envoy, plugin, self.table()?).ksvcs(targets).catch_all().as_sent())
    }
}

impl CaseRequest {
    /// The parts of the URL as the plugin sees them: `:authority` and `:path`.
    pub fn authority_and_path(&self) -> (&str, &str) {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()))
    }

    fn on_the_wire(&self) -> Request {
        let (authority, path) = self.authority_and_path();
        let mut request = Request::new(&self.method, authority, path);
        request.headers = self.headers.pairs();
        request
    }

    /// Whether Envoy's HTTP/1.1 codec answers such a request itself, before any filter: it takes no octet beyond
    /// ASCII, no control octet, no blank and no `#` in a path.
    fn refused_by_envoy(&self) -> bool {
        let (_, path) = self.authority_and_path();
        !path.starts_with('/') || path.bytes().any(|octet| !octet.is_ascii_graphic() || octet == b'#')
    }

    /// Whether Envoy's `normalize_path` could change the path before the plugin sees it.
    fn changed_by_normalization(&self) -> bool {
        let (_, path) = self.authority_and_path();
        let path = path.split('?').next().unwrap_or_default();
        path.contains("/.")
            || path.contains("//")
            || path.bytes().any(|octet| !(octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&octet)))
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

impl Case {
    /// Sends the case's request and compares.
    pub fn run(&self, gateway: &Gateway) -> Result<Outcomes> {
        let to = if self.request.changed_by_normalization() { gateway.address_as_sent() } else { gateway.address() };
        let response = self.request.on_the_wire().send(to).with_context(|| format!("case {:?}", self.name))?;
        let arrived = match response.header("x-stand-in") {
            // A stand-in answers HEAD too, but its report can't come along: the access log has to do.
            Some(_) if response.body.is_empty() => None,
            Some(_) => Some(serde_json::from_slice(&response.body).context("the stand-in's report")?),
            None => None,
        };
        let mut differences = Differences(Vec::new());
        self.compare(&response, arrived.as_ref(), &mut differences);
        Ok(Outcomes { arrived, response, differences: differences.0 })
    }

    fn compare(&self, response: &Response, arrived: Option<&Report>, differences: &mut Differences) {
        let expect = &self.expect;
        let reached = response.header("x-stand-in").is_some();
        if let Some(outcome) = expect.outcome {
            match outcome {
                Outcome::Route => {
                    differences.check("reached a KSVC", &true, &reached);
                    differences.check("status", &200, &response.status);
                    if let Some(arrived) = arrived {
                        self.compare_routed(arrived, differences);
                    }
                }
                Outcome::PassThrough | Outcome::OutOfScope => {
                    differences.check("reached the gateway's own route", &true, &reached);
                    if let Some(arrived) = arrived {
                        self.compare_untouched(arrived, differences);
                    }
                }
                _ => {
                    differences.check("reached a KSVC", &false, &reached);
                    self.compare_answered(outcome, response, differences);
                }
            }
        }
        if let Some(route) = &expect.route
            && reached
        {
            differences.check("route", &Some(route.as_str()), &response.header(ROUTE_HEADER));
        }
        if let Some(arrived) = arrived {
            if let Some(authority) = &expect.authority {
                differences.check("authority", authority, &arrived.authority);
                // Envoy has selected the route anew only if the target's own virtual host has left its mark.
                let host = authority.split(':').next();
                let marked = response.header(VIRTUAL_HOST_HEADER).and_then(|name| name.split(':').next());
                differences.check("virtual host", &host, &marked);
            }
            if let Some(path) = &expect.path {
                differences.check("path", path, &arrived.path);
            }
            for (name, value) in expect.request_headers.iter().flatten() {
                differences.check(name, &value.as_deref(), &arrived.header(&name.to_ascii_lowercase()));
            }
        }
        if let Some(status) = expect.status {
            differences.check("status", &status, &response.status);
        }
        if let Some(allow) = &expect.allow {
            differences.check("allow", &Some(allow.as_str()), &response.header("allow"));
        }
        if let Some(location) = &expect.location {
            differences.check("location", &Some(location.as_str()), &response.header("location"));
        }
    }

    /// What holds for every routed request, whether or not the case says it.
    fn compare_routed(&self, arrived: &Report, differences: &mut Differences) {
        let (authority, path) = self.request.authority_and_path();
        differences.check("method", &self.request.method, &arrived.method);
        differences.check("x-forwarded-host", &Some(authority), &arrived.header("x-forwarded-host"));
        let original = (arrived.path != path).then_some(path);
        differences.check("x-envoy-original-path", &original, &arrived.header("x-envoy-original-path"));
    }

    /// Outside its scope the plugin touches nothing: not a header comes, goes or changes.
    fn compare_untouched(&self, arrived: &Report, differences: &mut Differences) {
        let (authority, path) = self.request.authority_and_path();
        differences.check("authority", &authority, &arrived.authority.as_str());
        if !path.is_empty() {
            differences.check("path", &self.request.on_the_wire().path.as_slice(), &arrived.path.as_bytes());
        }
        // A KSVC's virtual host sets headers of its own, whatever came; the catch-all does not.
        let by_target = arrived.header("knative-serving-revision").is_some();
        let set_by_target =
            |name: &str| by_target && (name.starts_with("knative-serving-") || name == "k-network-hash");
        let mut sent = self.request.headers.pairs();
        let mut held = arrived.headers.clone();
        held.retain(|(name, _)| sent.iter().any(|(sent, _)| sent == name) || !ADDED_BY_ENVOY.contains(&name.as_str()));
        for headers in [&mut sent, &mut held] {
            headers.retain(|(name, _)| !set_by_target(name));
            headers.sort();
        }
        differences.check("headers", &sent, &held);
    }

    fn compare_answered(&self, outcome: Outcome, response: &Response, differences: &mut Differences) {
        let Some(status) = outcome.own_status() else {
            return;
        };
        if self.expect.status.is_none() {
            differences.check("status", &status, &response.status);
        }
        if outcome == Outcome::UnsafePath && self.request.refused_by_envoy() {
            return; // Envoy's own 400 has no body
        }
        differences.check("content-type", &Some("application/problem+json"), &response.header("content-type"));
        if self.request.method == "HEAD" {
            return;
        }
        let problem: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        differences.check("the problem's status", &Some(u64::from(status)), &problem["status"].as_u64());
        for key in ["title", "detail"] {
            differences.check(&format!("the problem has a {key}"), &true, &problem[key].is_string());
        }
    }
}

/// Headers that Envoy adds in this setup, with or without the plugin.
const ADDED_BY_ENVOY: [&str; 5] =
    ["x-forwarded-for", "x-forwarded-proto", "x-request-id", "x-envoy-attempt-count", "x-envoy-external-address"];

struct Differences(Vec<String>);

impl Differences {
    fn check<T: PartialEq + fmt::Debug>(&mut self, what: &str, expected: &T, found: &T) {
        if expected != found {
            self.0.push(format!("{what}: expected {expected:?}, found {found:?}"));
        }
    }
}

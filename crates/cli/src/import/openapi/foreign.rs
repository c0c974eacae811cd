//! Reads the extensions of other gateways that say where an operation goes: `x-google-backend` (API Gateway and Endpoints),
//! `x-kuadrant`, and `x-amazon-apigateway-integration`. What they say that a table can't is named in a warning.

use std::collections::{BTreeMap, HashSet};

use super::Options;
use super::destination::Destination;
use super::document::{At, Located};
use super::kinds::{FOREIGN_HOST, NOT_CARRIED_OVER};
use super::operation::Operation;
use super::path::PathTemplate;
use super::reference::Resolver;
use crate::words::{describe, short};
use crate::yaml::Value;

/// What an extension says.
#[derive(Debug, Default)]
pub(super) struct Foreign {
    pub(super) destination: Option<(Destination, At)>,
    pub(super) rewrite_path: Option<String>,
    pub(super) timeout: Option<String>,
    pub(super) is_disabled: bool,
    /// Whether everything below the path goes there too.
    pub(super) is_prefix: bool,
}

/// What has been reported already, so that an extension of many operations is reported once.
#[derive(Debug, Default)]
pub(super) struct Reported(HashSet<(String, usize, usize, String)>);

impl Reported {
    fn report(&mut self, kind: crate::kind::MessageKind, at: &At, text: String, resolver: &mut Resolver) {
        let start = at.span.start;
        if self.0.insert((at.source.name.clone(), start.line, start.column, text.clone())) {
            resolver.messages.report(kind, at, text);
        }
    }
}

const GOOGLE: &str = "x-google-backend";
const KUADRANT: &str = "x-kuadrant";
const AMAZON: &str = "x-amazon-apigateway-integration";

/// Reads the innermost extension of an operation. `full` is its path with the base path.
pub(super) fn read(
    operation: &Operation,
    full: &PathTemplate,
    options: &Options,
    reported: &mut Reported,
    resolver: &mut Resolver,
) -> Option<Foreign> {
    let last = operation.levels.len().saturating_sub(1);
    let (depth, key, value) = operation.levels.iter().enumerate().find_map(|(depth, level)| {
        [GOOGLE, KUADRANT, AMAZON].into_iter().find_map(|key| Some((depth, key, level.get(key)?)))
    })?;
    let mut reader = Reader { operation, full, options, reported, resolver, key, lost: Vec::new() };
    let foreign = match key {
        GOOGLE => reader.google(&value, depth == last),
        KUADRANT => reader.kuadrant(&value),
        _ => reader.amazon(&value),
    };
    let lost = std::mem::take(&mut reader.lost);
    if !lost.is_empty() {
        let text = format!("of `{key}`, this is not carried over: {}", lost.join(", "));
        reported.report(NOT_CARRIED_OVER, &value.at(), text, resolver);
    }
    Some(foreign)
}

struct Reader<'a> {
    operation: &'a Operation,
    full: &'a PathTemplate,
    options: &'a Options,
    reported: &'a mut Reported,
    resolver: &'a mut Resolver,
    key: &'static str,
    /// What a table can't say, each with the reason or what to do instead.
    lost: Vec<String>,
}

impl Reader<'_> {
    fn lose(&mut self, what: impl Into<String>) {
        self.lost.push(what.into());
    }

    /// Loses each of these keys that the value has.
    fn lose_keys(&mut self, value: &Located, keys: &[(&str, &str)]) {
        for (key, why) in keys {
            if value.get(key).is_some_and(|value| !matches!(value.node.value, Value::Null | Value::Bool(false))) {
                self.lose(format!("`{key}` ({why})"));
            }
        }
    }

    /// An object with an address, or from OpenAPI 3 on also the name of a backend in `x-google-api-management`.
    fn google(&mut self, value: &Located, is_document: bool) -> Foreign {
        let mut backend = value.clone();
        if let Some(name) = value.node.text() {
            let root = self.operation.levels.last();
            let named = root.and_then(|root| root.get("x-google-api-management")?.get("backends")?.get(name));
            match named {
                Some(named) => backend = named,
                None => {
                    self.lose(format!("the backend `{name}`, which `x-google-api-management` does not have"));
                    return Foreign::default();
                }
            }
        }
        const TOKEN: &str = "the gateway makes no identity tokens";
        self.lose_keys(
            &backend,
            &[("jwt_audience", TOKEN), ("jwtAudience", TOKEN), ("disable_auth", TOKEN), ("disableAuth", TOKEN)],
        );
        let deadline = backend.get("deadline").filter(|deadline| !deadline.node.is_null());
        let timeout = deadline.as_ref().and_then(|deadline| milliseconds(deadline, 1000.0));
        if let (Some(deadline), None) = (&deadline, &timeout) {
            self.lose(format!("`deadline` ({} is no number of seconds above 0)", describe(&deadline.node)));
        }
        let Some(address) = backend.get("address") else { return Foreign { timeout, ..Foreign::default() } };
        let Some((destination, path)) = self.address(&address) else {
            return Foreign { timeout, ..Foreign::default() };
        };
        let translation = ["path_translation", "pathTranslation"].into_iter().find_map(|key| backend.get(key));
        // Google's default depends on where the backend is written.
        let is_appended = match translation.as_ref().and_then(|translation| translation.node.text()) {
            Some("APPEND_PATH_TO_ADDRESS") => true,
            Some("CONSTANT_ADDRESS") => false,
            _ => is_document,
        };
        if let Some(translation) = translation.filter(|translation| {
            !matches!(translation.node.text(), Some("APPEND_PATH_TO_ADDRESS" | "CONSTANT_ADDRESS"))
        }) {
            self.lose(format!(
                "`path_translation` ({} is neither `APPEND_PATH_TO_ADDRESS` nor `CONSTANT_ADDRESS`)",
                describe(&translation.node)
            ));
        }
        let path = path.trim_end_matches('/');
        let rewrite_path = match (is_appended, path) {
            (true, "") => None,
            (true, path) => Some(format!("{path}{}", self.full.to_rewrite())),
            (false, path) => {
                if self.full.parameters().next().is_some() {
                    self.lose("the parameters of the path, which CONSTANT_ADDRESS adds to the query");
                }
                let path = if path.is_empty() { "/" } else { path };
                Some(path.to_owned()).filter(|path| *path != self.full.to_rewrite())
            }
        };
        Foreign { destination: Some((destination, address.at())), rewrite_path, timeout, ..Foreign::default() }
    }

    /// `backendRefs`, as an HTTPRoute has them.
    fn kuadrant(&mut self, value: &Located) -> Foreign {
        let is = |key: &str, wanted: bool| {
            value.node.get(key).is_some_and(|flag| matches!(flag.value, Value::Bool(flag) if flag == wanted))
        };
        self.lose_keys(value, &[("rate_limit", "the filter has no limits; Kuadrant's RateLimitPolicy can stay")]);
        let is_prefix = value.node.text_at("pathMatchType") == Some("PathPrefix");
        let mut foreign =
            Foreign { is_disabled: is("disable", true) || is("enable", false), is_prefix, ..Foreign::default() };
        let Some(references) = value.get("backendRefs") else { return foreign };
        let mut items = references.items();
        let Some(first) = items.next() else { return foreign };
        if items.next().is_some() {
            self.lose("all `backendRefs` but the first (split the traffic of the Knative Service instead)");
        }
        let Some(name) = first.node.text_at("name") else { return foreign };
        let of_route = self.operation.levels.last().and_then(|root| root.get("info")?.get(KUADRANT)?.get("route"));
        let namespace = first.node.text_at("namespace").map(str::to_owned);
        let namespace = namespace.or_else(|| of_route?.node.text_at("namespace").map(str::to_owned));
        let destination = Destination::Service { name: name.to_owned(), namespace, tag: None };
        foreign.destination = Some((destination, first.at()));
        foreign
    }

    /// An integration of Amazon's API Gateway: only those with the URL of an HTTP server have an equivalent.
    fn amazon(&mut self, value: &Located) -> Foreign {
        let Some(value) = self.resolver.resolve(value) else { return Foreign::default() };
        let kind = value.node.text_at("type").unwrap_or_default().to_ascii_lowercase();
        let timeout = value.get("timeoutInMillis").and_then(|time| milliseconds(&time, 1.0));
        let nothing = Foreign { timeout: timeout.clone(), ..Foreign::default() };
        match &*kind {
            "http" | "http_proxy" => {}
            "mock" => {
                self.lose("the mock integration (a route with `respond` can answer instead)");
                return nothing;
            }
            "aws" | "aws_proxy" => {
                let uri = value.node.text_at("uri").unwrap_or_default().to_owned();
                let what = if uri.contains(":lambda:") {
                    format!("the Lambda function \"{uri}\"")
                } else if uri.is_empty() {
                    format!("the AWS service of type `{kind}`")
                } else {
                    format!("the AWS service \"{uri}\"")
                };
                self.lose(format!("{what} (run it as a Knative Service)"));
                return nothing;
            }
            _ => {
                self.lose(format!("the type \"{kind}\""));
                return nothing;
            }
        }
        const BODY: &str = "the filter does not read bodies";
        self.lose_keys(
            &value,
            &[
                ("requestTemplates", BODY),
                ("credentials", "the gateway signs no requests"),
                ("connectionId", "a VPC link of Amazon's"),
            ],
        );
        let method = value.node.text_at("httpMethod").unwrap_or_default().to_owned();
        if !matches!(&*method, "" | "ANY") && method != self.operation.method {
            self.lose(format!("`httpMethod: {method}` (the filter does not change methods)"));
        }
        let Some(uri) = value.get("uri") else { return nothing };
        let Some((destination, path)) = self.address(&uri) else { return nothing };
        let names = self.mapped_names(&value);
        let rewrite_path = self.filled(&path, &names).filter(|path| *path != self.full.to_rewrite());
        Foreign { destination: Some((destination, uri.at())), rewrite_path, timeout, ..Foreign::default() }
    }

    /// Returns the parameter of the path for each name in the integration's URI.
    fn mapped_names(&mut self, value: &Located) -> BTreeMap<String, String> {
        let mut names = BTreeMap::new();
        let Some(mappings) = value.get("requestParameters") else { return names };
        for entry in mappings.node.entries() {
            let target = entry.key.text.strip_prefix("integration.request.path.");
            let source = entry.value.text().and_then(|text| text.strip_prefix("method.request.path."));
            match (target, source) {
                (Some(target), Some(source)) => _ = names.insert(target.to_owned(), source.to_owned()),
                _ => self.lose(format!("`requestParameters.{}`", entry.key.text)),
            }
        }
        names
    }

    /// Fills the names of parameters in the path of an URI in as the table has them.
    fn filled(&mut self, path: &str, names: &BTreeMap<String, String>) -> Option<String> {
        let mut filled = String::new();
        let mut rest = path;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}')?;
            let wanted = names.get(name).map_or(name, |name| name);
            let known = self.full.parameters().find(|(written, _)| *written == wanted).map(|(_, name)| name.to_owned());
            let Some(known) = known else {
                self.lose(format!("the path of the URI, because the path of the operation has no `{wanted}`"));
                return None;
            };
            filled += &format!("{before}{{{known}}}");
            rest = after;
        }
        filled += rest;
        Some(if filled.is_empty() { "/".to_owned() } else { filled })
    }

    /// Splits an address into the target and the path. The host of a Knative Service becomes that service.
    fn address(&mut self, value: &Located) -> Option<(Destination, String)> {
        let Some(text) = value.node.text() else {
            self.lose(format!("the address, which is {} and not a URL", describe(&value.node)));
            return None;
        };
        if let Some((scheme, _)) = text.split_once("://")
            && !["http", "https", "grpc", "grpcs"].contains(&&*scheme.to_ascii_lowercase())
        {
            self.lose(format!(
                "the address {:?} (the gateway reaches services by `http://` and `https://`)",
                short(text)
            ));
            return None;
        }
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let default_port = if text.starts_with("https:") { ":443" } else { ":80" };
        let host = authority.strip_suffix(default_port).unwrap_or(authority).to_lowercase();
        if host.is_empty() || host.contains(['$', '{']) {
            let text = format!("the address \"{text}\", which is filled in elsewhere");
            self.lose(text);
            return None;
        }
        let path = path.split(['?', '#']).next().unwrap_or_default().to_owned();
        if let Some(service) = self.service(&host) {
            return Some((service, path));
        }
        let text = format!(
            "`{}` becomes `host: {host}`, and the gateway needs a route for that host; for a Knative Service, write \
             `x-ksvc-service`, or its domain with `--domain`",
            self.key
        );
        self.reported.report(FOREIGN_HOST, &value.at(), text, self.resolver);
        Some((Destination::Host(host), path))
    }

    /// Returns the service that has a host, if the host has the form of one.
    fn service(&self, host: &str) -> Option<Destination> {
        let host = host.split(':').next().unwrap_or_default();
        let suffix = self.options.domain.as_ref().map(|domain| format!(".{domain}"));
        let inner = [Some(".svc.cluster.local"), Some(".svc"), suffix.as_deref()];
        let names = inner.into_iter().flatten().find_map(|suffix| host.strip_suffix(suffix))?;
        let (name, namespace) = names.split_once('.').filter(|(_, namespace)| !namespace.contains('.'))?;
        Some(Destination::Service { name: name.to_owned(), namespace: Some(namespace.to_owned()), tag: None })
    }
}

/// Returns a time as a table has it. `unit` is the number of milliseconds that 1 stands for.
fn milliseconds(value: &Located, unit: f64) -> Option<String> {
    let time = (value.node.to_value().as_f64()? * unit).round();
    (time > 0.0).then(|| format!("{time}ms"))
}

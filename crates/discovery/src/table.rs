//! A table before and after services have claimed routes in it.

use ksvc_routing::MatchKey;
use serde_json::{Map, Value, json};

use crate::ownership::Grant;
use crate::service::ServiceId;

/// A table before services claim anything in it.
#[derive(Debug, Clone, PartialEq)]
pub struct TableDefinition {
    /// The name by which annotations mean the table.
    pub name: String,
    /// The keys of the configuration but `routes`.
    pub settings: Map<String, Value>,
    /// Routes that the table has whatever services claim, as the configuration has them.
    pub routes: Vec<Value>,
    /// Which namespaces may claim which paths.
    pub grants: Vec<Grant>,
}

/// A table with the routes that services have claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The name of the table.
    pub name: String,
    /// The keys of the configuration but `routes`.
    pub settings: Map<String, Value>,
    /// The routes of the definition.
    pub routes: Vec<Value>,
    /// The claimed routes, sorted by service.
    pub claimed: Vec<ClaimedRoute>,
}

impl Table {
    /// Returns the configuration of the filter.
    pub fn to_configuration(&self) -> Value {
        let mut configuration = self.settings.clone();
        let claimed = self.claimed.iter().map(ClaimedRoute::to_route);
        configuration.insert("routes".to_owned(), self.routes.iter().cloned().chain(claimed).collect());
        Value::Object(configuration)
    }
}

/// The route of a service: all its matches in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedRoute {
    /// The service.
    pub service: ServiceId,
    /// The matches, sorted.
    pub matches: Vec<ClaimedMatch>,
    /// How the route names the service.
    pub target: Target,
}

/// A match that a service has claimed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaimedMatch {
    /// The match, as the annotation has it.
    pub text: String,
    /// What it matches.
    pub key: MatchKey,
    /// The number of its line in the annotation, which counts from 0.
    pub line: usize,
}

/// How a route names a service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// By its name and its namespace, from which the table makes the host.
    Service,
    /// By its host, because the table would make another one.
    Host(String),
}

impl ClaimedRoute {
    /// Returns the route as the configuration has it. Its name is that of the service.
    fn to_route(&self) -> Value {
        let mut route = Map::new();
        route.insert("name".to_owned(), self.service.to_string().into());
        let texts = self.matches.iter().map(|one| one.text.as_str());
        let is_one = self.matches.len() == 1;
        route.insert("match".to_owned(), if is_one { texts.collect::<String>().into() } else { texts.collect() });
        match &self.target {
            Target::Service => route.extend(target(&self.service)),
            Target::Host(host) => route.extend([("host".to_owned(), host.as_str().into())]),
        }
        Value::Object(route)
    }
}

/// Returns the keys of a route that forwards to a service.
fn target(service: &ServiceId) -> [(String, Value); 2] {
    let of = |text: &str| Value::from(text);
    [("service".to_owned(), of(&service.name)), ("namespace".to_owned(), of(&service.namespace))]
}

impl TableDefinition {
    /// Returns a document with one route for a match, and with the settings of the table that say what a match means.
    pub(crate) fn with_match(&self, text: &str) -> Vec<u8> {
        let means = ["basePath", "stripBasePath", "trailingSlash", "unsafePaths", "onNoMatch"];
        let mut document = self.some_settings(&means);
        document.insert("routes".to_owned(), json!([{"match": text, "host": "a.example"}]));
        Value::Object(document).to_string().into_bytes()
    }

    /// Returns a document with one route for a service, and with the settings of the table that make its host.
    pub(crate) fn with_service(&self, service: &ServiceId) -> Vec<u8> {
        let mut document = self.some_settings(&["domain", "hostTemplate"]);
        let mut route = Map::from_iter(target(service));
        route.insert("match".to_owned(), "GET /".into());
        document.insert("routes".to_owned(), Value::Array(vec![Value::Object(route)]));
        Value::Object(document).to_string().into_bytes()
    }

    /// Returns whether the table has this host.
    pub(crate) fn has_host(&self, host: &str) -> bool {
        let hosts = self.settings.get("hosts").and_then(Value::as_array).into_iter().flatten();
        hosts.filter_map(Value::as_str).any(|known| known.eq_ignore_ascii_case(host))
    }

    /// Returns whether a path is the same with a slash at its end and without.
    pub(crate) fn ignores_trailing_slash(&self) -> bool {
        self.settings.get("trailingSlash").and_then(Value::as_str) == Some("ignore")
    }

    fn some_settings(&self, keys: &[&str]) -> Map<String, Value> {
        let kept = self.settings.iter().filter(|(key, _)| keys.contains(&key.as_str()));
        let mut document: Map<String, Value> = kept.map(|(key, value)| (key.clone(), value.clone())).collect();
        document.insert("hosts".to_owned(), json!(["*"]));
        document
    }

    /// Returns the matches of the routes without conditions. Those of routes with conditions can always be told apart from
    /// claims, which have none.
    pub(crate) fn unconditional_matches(&self) -> impl Iterator<Item = &str> {
        let has_conditions = |route: &Value| match &route["when"] {
            Value::Object(when) => when.values().any(|names| names.as_object().is_some_and(|names| !names.is_empty())),
            _ => false,
        };
        self.routes.iter().filter(move |route| !has_conditions(route)).flat_map(|route| {
            let list = route.get("match").and_then(Value::as_array).map_or(&[][..], |list| list);
            route.get("match").and_then(Value::as_str).into_iter().chain(list.iter().filter_map(Value::as_str))
        })
    }
}

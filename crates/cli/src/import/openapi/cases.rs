//! Makes a test case for each operation: a request that reaches its route, which the compiled table confirms.

use ksvc_routing::{Decision, RouteTable};
use percent_encoding::AsciiSet;
use serde_json::{Map, Value, json};

use super::example::values;
use super::kinds::NO_CASE;
use super::operation::Operation;
use super::path::Part;
use super::plan::Plan;
use super::reference::Resolver;
use super::table::Built;
use crate::percent::{COMPONENT, component, encoded};
use ksvc_explanation::request::Request;

/// What is encoded in a value: a list keeps its commas, and an address its signs.
const VALUE: &AsciiSet = &COMPONENT.remove(b':').remove(b',').remove(b'@');
/// What is encoded in a value of several segments.
const REST: &AsciiSet = &VALUE.remove(b'/');
/// What is encoded in the literal text of a path, in which triplets such as `%20` may stand already.
const PATH: &AsciiSet = &REST
    .remove(b'%')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b';')
    .remove(b'=');

/// How many requests are tried for one operation.
const TRIES: usize = 64;

/// Returns a file of cases. An operation that no request was found for is reported.
pub(super) fn make(built: &Built, resolver: &mut Resolver) -> Value {
    let host = built.plans.servers.hosts.first().map_or_else(String::new, |host| host.replace('*', "any"));
    let mut cases = Vec::new();
    for (index, route) in built.routes.iter().enumerate() {
        for plan in route.operations.iter().filter_map(|operation| built.plans.operations.get(*operation)) {
            let base = &built.plans.servers.base_path;
            let mut maker = Maker { plan, prefix: format!("https://{host}{}", escape_base(base)), resolver };
            let tried = maker.requests();
            let found = tried.iter().find_map(|written| Some((written, written.reaches(&built.compiled, index)?)));
            match (found, tried.first()) {
                (Some((written, case)), _) => cases.push(written.to_case(&plan.operation, case)),
                (None, Some(first)) => {
                    let text = format!(
                        "no request was found that reaches `{}`: {} `{}`",
                        plan.operation.title(),
                        first.instead(&built.compiled),
                        first.url
                    );
                    resolver.messages.report(NO_CASE, &plan.operation.at, text);
                }
                (None, None) => {}
            }
        }
    }
    json!({ "cases": cases })
}

/// Returns a base path as a request has it.
fn escape_base(base: &str) -> String {
    encoded(base, PATH)
}

/// A request as a case has it.
struct Written {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
}

/// What a case expects.
struct Expected {
    authority: String,
    route: String,
}

impl Written {
    fn request(&self) -> Request {
        let mut request = Request::new(self.method.as_bytes(), self.url.as_bytes());
        for (name, value) in &self.headers {
            // A condition has no header that a case can't have.
            let _ = request.add_header(name.as_bytes(), value.as_bytes());
        }
        request
    }

    /// Returns what to expect, if the request reaches the route with this index.
    fn reaches(&self, table: &RouteTable, route: usize) -> Option<Expected> {
        let request = self.request();
        let headers = request.header_refs();
        match table.decide(&request.head(&headers), || false) {
            Decision::Forward(forward) if forward.chosen.index() == route => Some(Expected {
                authority: String::from_utf8_lossy(&forward.authority).into_owned(),
                route: forward.chosen.route().to_owned(),
            }),
            _ => None,
        }
    }

    /// Says what becomes of a request that does not reach its operation.
    fn instead(&self, table: &RouteTable) -> String {
        let request = self.request();
        let headers = request.header_refs();
        match table.decide(&request.head(&headers), || false) {
            Decision::Forward(forward) => format!("the route `{}` takes", forward.chosen.route()),
            decision => format!("the outcome is `{}` for", decision.outcome().as_str()),
        }
    }

    fn to_case(&self, operation: &Operation, expected: Expected) -> Value {
        let mut request = Map::new();
        request.insert("method".to_owned(), json!(self.method));
        request.insert("url".to_owned(), json!(self.url));
        if !self.headers.is_empty() {
            let headers: Map<String, Value> =
                self.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            request.insert("headers".to_owned(), Value::Object(headers));
        }
        json!({
            "name": operation.id.clone().unwrap_or_else(|| operation.title()),
            "request": request,
            "expect": {"outcome": "route", "authority": expected.authority, "route": expected.route},
        })
    }
}

struct Maker<'a> {
    plan: &'a Plan,
    /// The scheme, the host and the base path.
    prefix: String,
    resolver: &'a mut Resolver,
}

impl Maker<'_> {
    /// Returns requests for the operation, the best one first.
    fn requests(&mut self) -> Vec<Written> {
        let operation = &self.plan.operation;
        let mut choices = Vec::new();
        for part in &self.plan.path.parts {
            if let Part::Parameter { written, .. } = part {
                let parameter = operation.parameter("path", written);
                let style = parameter.and_then(|parameter| parameter.written.node.text_at("style")).unwrap_or_default();
                let prefix = match style {
                    "matrix" => format!(";{written}="),
                    "label" => ".".to_owned(),
                    _ => String::new(),
                };
                let found = values(parameter, written, self.resolver);
                choices.push(found.into_iter().map(|value| (prefix.clone(), value)).collect::<Vec<_>>());
            }
        }
        let (query, headers) = self.conditions();
        // First all parameters have their best values, then all have their next ones, then each one of them alone.
        let most = choices.iter().map(Vec::len).max().unwrap_or(1);
        let together = (0..most).map(|choice| choices.iter().map(|values| choice.min(values.len() - 1)).collect());
        let mut all: Vec<Vec<usize>> = together.collect();
        for (at, values) in choices.iter().enumerate() {
            for choice in 1..values.len() {
                let mut combination = vec![0; choices.len()];
                combination[at] = choice;
                all.push(combination);
            }
        }
        all.truncate(TRIES);
        // Beside `ANY`, the path may have routes of its own for some methods.
        let methods = match &*operation.method {
            "ANY" => &["POST", "GET", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE"][..],
            method => &[method],
        };
        let written = |method: &str, combination: &[usize]| {
            let mut chosen = choices.iter().zip(combination).map(|(values, choice)| &values[*choice]);
            let mut url = self.prefix.clone();
            for part in &self.plan.path.parts {
                match part {
                    Part::Literal(text) => url += &encoded(text, PATH),
                    Part::Parameter { is_rest, .. } => {
                        if let Some((prefix, value)) = chosen.next() {
                            url += prefix;
                            url += &encoded(value, if *is_rest { REST } else { VALUE });
                        }
                    }
                }
            }
            let url = if query.is_empty() { url } else { format!("{url}?{}", query.join("&")) };
            Written { method: method.to_owned(), url, headers: headers.clone() }
        };
        methods.iter().flat_map(|method| all.iter().map(|combination| written(method, combination))).collect()
    }

    /// Returns the pairs of the query and the headers that the conditions of the route need.
    fn conditions(&mut self) -> (Vec<String>, Vec<(String, String)>) {
        let (mut query, mut headers) = (Vec::new(), Vec::new());
        for condition in &self.plan.path.conditions {
            let is_header = condition.place == "headers";
            let value = match &*condition.value {
                "*" => {
                    let place = if is_header { "header" } else { "query" };
                    let parameter = self.plan.operation.parameter(place, &condition.name);
                    values(parameter, &condition.name, self.resolver)
                        .into_iter()
                        .find(|value| !is_header || value.bytes().all(|byte| (b' '..=b'~').contains(&byte)))
                }
                value => Some(value.to_owned()),
            };
            let value = value.unwrap_or_default();
            match is_header {
                true => headers.push((condition.name.clone(), value)),
                false => query.push(format!("{}={}", component(&condition.name), encoded(&value, VALUE))),
            }
        }
        (query, headers)
    }
}

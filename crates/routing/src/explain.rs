//! Explanations for the command line: why a request goes where it goes, and the routes of a table as a list.

mod reasons;

use std::fmt;

pub use reasons::UnsafePart;

use crate::decide::decision::Decision;
use crate::decide::search::{MethodOrder, Step, Trail};
use crate::path::RequestPath;
use crate::request::Head;
use crate::table::RouteTable;
use crate::table::conditions::FailedCondition;
use crate::table::schema::{
    Candidate, CapturedHost, Condition, Conditions, Cors, Expected, Operation, Origins, Part, ROUTE, Route, Target,
    Template,
};

/// A decision, and the routes that were considered for it.
#[derive(Debug)]
pub struct Explanation<'a> {
    /// The decision, as [`decide`](RouteTable::decide) returns it.
    pub decision: Decision<'a>,
    /// Every element of `match` whose path matches, in the order of precedence. It is empty if no route was looked for,
    /// for example because the request is out of scope.
    pub considered: Vec<ConsideredRoute<'a>>,
}

/// A route that was considered for a request, by one element of its `match`.
#[derive(Debug)]
pub struct ConsideredRoute<'a> {
    /// The name of the route.
    pub route: &'a str,
    /// The element of `match`, as the document has it.
    pub matched: &'a str,
    /// Why the route was chosen or passed over.
    pub result: Considered,
}

/// Why a route was chosen or passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Considered {
    /// It was chosen.
    Chosen,
    /// It does not serve the method of the request.
    OtherMethod,
    /// The request does not fulfil one of its conditions. The text describes it, such as ``header `x-beta` is not
    /// present``.
    ConditionFails(String),
    /// A route before it was chosen.
    Behind,
}

impl fmt::Display for Considered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Considered::Chosen => f.write_str("chosen"),
            Considered::OtherMethod => f.write_str("passed over: it does not serve the method"),
            Considered::ConditionFails(condition) => write!(f, "passed over: {condition}"),
            Considered::Behind => f.write_str("not reached: a route before it was chosen"),
        }
    }
}

/// One element of a route's `match`, as a line of the list that [`RouteTable::routes`] returns.
#[derive(Debug)]
pub struct Line<'a> {
    /// The element as the document has it, such as `GET /orders/{id}`.
    pub matched: &'a str,
    /// The methods as the document has them, such as `GET|POST` or `ANY`.
    pub methods: &'a str,
    /// The path, with `basePath` before it.
    pub path: String,
    /// The name of the route.
    pub route: &'a str,
    /// The target of the route: the authority to which it forwards, with ` path …` if it rewrites the path;
    /// `redirect …`, `respond …` or `broken`.
    pub target: String,
    /// The conditions of the route, such as `header x-beta = "true"`.
    pub conditions: Vec<String>,
    /// The other things that the route does, including those that the table does for it, such as
    /// `cors https://app.example.com` or `request set x-a: b`.
    pub extras: Vec<String>,
    /// The index of the route in the document: it is `routes[index]`.
    pub index: usize,
}

/// The trail of `explain`: what the search did with each candidate.
#[derive(Default)]
struct Notes {
    /// The methods that the search looked for; `None` if there was no search.
    order: Option<MethodOrder>,
    /// The pattern of a candidate, and what the search did with it.
    steps: Vec<(u32, Step)>,
}

impl Trail for Notes {
    fn begin(&mut self, order: MethodOrder) {
        *self = Notes { order: Some(order), steps: Vec::new() };
    }

    fn note(&mut self, candidate: Candidate, step: Step) {
        self.steps.push((candidate.pattern, step));
    }
}

impl RouteTable {
    /// Decides as [`decide`](RouteTable::decide) does for a request that no other table has routed, and explains the
    /// decision.
    ///
    /// ```
    /// use ksvc_routing::{Considered, Head, compile};
    ///
    /// let document = br#"{
    ///     "hosts": ["api.example.com"], "domain": "example.com", "namespace": "shop",
    ///     "routes": [
    ///         {"match": "POST /orders", "service": "orders-write"},
    ///         {"match": "ANY /{*rest}", "service": "fallback"}
    ///     ]
    /// }"#;
    /// let table = compile(document).table;
    ///
    /// let headers: Vec<(&[u8], &[u8])> =
    ///     vec![(b":method", b"GET"), (b":authority", b"api.example.com"), (b":path", b"/orders")];
    /// let explanation = table.explain(&Head::read(&headers));
    /// assert_eq!(explanation.considered[0].matched, "POST /orders");
    /// assert_eq!(explanation.considered[0].result, Considered::OtherMethod);
    /// assert_eq!(explanation.considered[1].result, Considered::Chosen);
    /// ```
    pub fn explain<'a>(&'a self, head: &Head<'a>) -> Explanation<'a> {
        let mut notes = Notes::default();
        let decision = self.decide_on_trail(head, || false, &mut notes);
        let path = head.path.map(RequestPath::read);
        let below = path.as_ref().and_then(|path| self.below(path));
        let considered = notes.order.map(|order| self.considered(order, &notes.steps, below)).unwrap_or_default();
        Explanation { decision, considered }
    }

    /// Lists every element of `match` whose path matches, in the order of precedence, with what the search did with it.
    fn considered(&self, order: MethodOrder, steps: &[(u32, Step)], below: Option<&[u8]>) -> Vec<ConsideredRoute<'_>> {
        let mut considered = Vec::new();
        let mut is_chosen = false;
        for entry in self.matching_entries(below) {
            let mut listed = Vec::new();
            let candidates = self.candidates(entry);
            for candidate in order.ranked(candidates.clone()).into_iter().chain(candidates) {
                let Some(pattern) = self.patterns.get(candidate.pattern) else { continue };
                let Some(route) = self.route(candidate.pattern) else { continue };
                if listed.contains(&candidate.pattern) {
                    continue;
                }
                listed.push(candidate.pattern);
                let step = steps.iter().find(|(pattern, _)| *pattern == candidate.pattern);
                let result = match step {
                    _ if !order.has(candidate.method) => Considered::OtherMethod,
                    _ if is_chosen => Considered::Behind,
                    Some((_, Step::Chosen)) => {
                        is_chosen = true;
                        Considered::Chosen
                    }
                    Some((_, Step::ConditionFails(failed))) => Considered::ConditionFails(self.describe_failed(failed)),
                    None => Considered::Behind,
                };
                let (route, matched) = (self.strings.get(route.name), self.strings.get(pattern.text));
                considered.push(ConsideredRoute { route, matched, result });
            }
        }
        considered
    }

    /// Returns the elements of all `match`es in the order of precedence: if two of them match a path, the first one is
    /// tried first.
    pub fn routes(&self) -> Vec<Line<'_>> {
        let mut lines = Vec::new();
        for entry in self.tree.in_order(&self.strings) {
            let mut seen = Vec::new();
            for candidate in self.candidates(entry) {
                if seen.contains(&candidate.pattern) {
                    continue;
                }
                seen.push(candidate.pattern);
                lines.extend(self.line(candidate));
            }
        }
        lines
    }

    /// Returns the line of a candidate's pattern.
    fn line(&self, candidate: Candidate) -> Option<Line<'_>> {
        let (pattern, route) = (self.patterns.get(candidate.pattern)?, self.route(candidate.pattern)?);
        let written = self.strings.get(pattern.text);
        let (methods, path) = match written.split_once(' ') {
            Some((methods, path)) => (methods, path.trim_start()),
            None if written.starts_with('/') => ("ANY", written),
            None => (written, ""),
        };
        let path = if path == "/" && !self.base.is_empty() { "" } else { path };
        let conditions = self.condition_sets.get(candidate.conditions);
        Some(Line {
            matched: written,
            methods,
            path: format!("{}{path}", self.base.text),
            route: self.strings.get(route.name),
            target: self.describe_target(route),
            conditions: self.describe_conditions(conditions.unwrap_or_default()),
            extras: self.describe_extras(route),
            index: pattern.route as usize,
        })
    }

    /// Describes the target of a route, such as `redirect 308 /orders`.
    fn describe_target(&self, route: Route) -> String {
        match route.target {
            Target::Forward(_) | Target::Captured(_) => {
                let authority = self.describe_authority(route.target);
                match self.extras(route).rewrite {
                    None => authority,
                    Some(path) => format!("{authority} path {}", self.describe_template(path)),
                }
            }
            Target::Redirect(to, status) => format!("redirect {status} {}", self.describe_template(to)),
            Target::Respond(response) => match self.responses.get(response) {
                Some(response) => format!("respond {}", response.status),
                None => "broken".to_owned(),
            },
            Target::Broken => "broken".to_owned(),
        }
    }

    /// Describes the authority to which a target forwards, such as `{name}.shop.example.com`.
    fn describe_authority(&self, target: Target) -> String {
        let captured = match target {
            Target::Forward(authority) => return self.strings.get(authority).to_owned(),
            Target::Captured(host) => self.captured_hosts.get(host),
            _ => None,
        };
        let Some(CapturedHost { service, namespace }) = captured else { return "broken".to_owned() };
        let host = self.describe_template(self.settings.host_template);
        let (service, namespace) = (self.describe_template(service), self.describe_template(namespace));
        // A captured value may be named like a field of the host template, so both are replaced at once.
        let parts = host.split("{service}").map(|part| part.replace("{namespace}", &namespace));
        parts.collect::<Vec<_>>().join(&service)
    }

    /// Describes what the table and a route do besides forwarding or answering.
    fn describe_extras(&self, route: Route) -> Vec<String> {
        let own = self.extras(route);
        let mut extras = Vec::new();
        if let Cors::On(policy) = own.cors
            && let Some(policy) = self.policies.get(policy)
        {
            extras.push(format!("cors {}", self.origin_list(policy.origins).join(" ")));
        }
        let is_forwarded = route.target.forwards();
        let table_operations = self.operations.span(self.settings.request_headers).filter(|_| is_forwarded);
        for operation in table_operations.chain(self.operations.span(own.request_headers)) {
            extras.push(format!("request {}", self.describe_operation(operation)));
        }
        if !route.is_broken() {
            let table_operations = self.operations.span(self.settings.response_headers);
            for operation in table_operations.chain(self.operations.span(own.response_headers)) {
                extras.push(format!("response {}", self.describe_operation(operation)));
            }
        }
        extras
    }

    /// Describes conditions, such as `header x-beta = "true"`.
    fn describe_conditions(&self, conditions: Conditions) -> Vec<String> {
        let describe = |part: &str, Condition { name, expected }: Condition| match expected {
            Expected::Present => format!("{part} {}", self.strings.get(name)),
            Expected::Equal(value) => format!("{part} {} = {:?}", self.strings.get(name), self.strings.get(value)),
            Expected::Prefix(prefix) => {
                format!("{part} {} = {:?}", self.strings.get(name), format!("{}*", self.strings.get(prefix)))
            }
        };
        let parts = [("header", conditions.headers), ("cookie", conditions.cookies), ("query", conditions.query)];
        let described = |(part, span)| self.conditions.span(span).map(move |condition| describe(part, condition));
        parts.into_iter().flat_map(described).collect()
    }

    /// Describes why a condition is not fulfilled.
    fn describe_failed(&self, failed: &FailedCondition) -> String {
        let (part, name) = (failed.part, self.strings.get(failed.condition.name));
        match failed.condition.expected {
            Expected::Present => format!("{part} `{name}` is not present"),
            Expected::Equal(value) => format!("{part} `{name}` is not \"{}\"", self.strings.get(value)),
            Expected::Prefix(prefix) => format!("{part} `{name}` does not begin with \"{}\"", self.strings.get(prefix)),
        }
    }

    /// Describes an operation, such as `set x-a: b`.
    fn describe_operation(&self, operation: Operation) -> String {
        let (key, name) = (operation.key(), self.strings.get(operation.name()));
        match operation.template() {
            Some(template) => format!("{key} {name}: {}", self.describe_template(template)),
            None => format!("{key} {name}"),
        }
    }

    /// Describes a template as it could be written in a document.
    pub(crate) fn describe_template(&self, template: Template) -> String {
        let part = |part: Part| match part {
            Part::Literal(text) => self.strings.get(text).replace('{', "{{").replace('}', "}}"),
            Part::Capture(name) => format!("{{{}}}", self.strings.get(name)),
            Part::Route => format!("{{{ROUTE}}}"),
        };
        self.strings.parts(template).map(part).collect()
    }

    /// Returns origins as they could be written in a document.
    pub(crate) fn origin_list(&self, origins: Origins) -> Vec<String> {
        let any = origins.any.then_some("*".to_owned());
        let exact = self.strings.list(origins.exact).map(str::to_owned);
        let wildcards = self.strings.pairs(origins.wildcards).map(|(before, after)| format!("{before}*{after}"));
        any.into_iter().chain(exact).chain(wildcards).collect()
    }
}

//! Why a request goes where it goes, and the table as a list: for the command line.

use std::fmt;

use crate::decide::cors::Preflight;
use crate::decide::decision::Decision;
use crate::decide::search::{MethodOrder, toggle_trailing_slash};
use crate::path::RequestPath;
use crate::request::Head;
use crate::table::RouteTable;
use crate::table::conditions::Query;
use crate::table::schema::{Candidate, Condition, Conditions, Cors, Expected, Route, StringId, Target};

/// A decision with the routes that were considered for it.
#[derive(Debug)]
pub struct Explanation<'a> {
    pub decision: Decision<'a>,
    /// Every `match` whose path matches, most specific first.
    pub considered: Vec<ConsideredRoute<'a>>,
}

#[derive(Debug)]
pub struct ConsideredRoute<'a> {
    /// The route's name.
    pub route: &'a str,
    /// The element of `match` as written.
    pub matched: &'a str,
    pub result: Considered,
}

/// Why a route was chosen or passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Considered {
    Chosen,
    OtherMethod,
    /// The condition that does not hold.
    ConditionFails(String),
    /// It has conditions, and those of a more specific path have failed.
    OnlyUnconditional,
    /// A route before it was chosen.
    Behind,
}

impl fmt::Display for Considered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Considered::Chosen => f.write_str("chosen"),
            Considered::OtherMethod => f.write_str("passed over: it does not serve the method"),
            Considered::ConditionFails(condition) => write!(f, "passed over: {condition}"),
            Considered::OnlyUnconditional => f.write_str(
                "passed over: conditions failed at a more specific path, so only unconditional routes are next",
            ),
            Considered::Behind => f.write_str("not reached: a route before it was chosen"),
        }
    }
}

/// One element of `match` in the order of precedence.
#[derive(Debug)]
pub struct Line<'a> {
    /// As written: `GET|POST`, `ANY`.
    pub methods: &'a str,
    /// `basePath` included.
    pub path: String,
    /// The route's name.
    pub route: &'a str,
    /// The authority, `redirect …`, `respond …` or `broken`.
    pub target: String,
    /// Such as `header x-beta = "true"`.
    pub conditions: Vec<String>,
    /// What is done beside, the table's share included: `cors https://app.example.com`, `request set x-a: b`.
    pub extras: Vec<String>,
    /// The route's place in the document: `routes[index]`.
    pub index: usize,
}

impl RouteTable {
    /// Decides as `decide` does for a request that no other table has routed, and says why.
    pub fn explain<'a>(&'a self, head: &Head<'a>) -> Explanation<'a> {
        let decision = self.decide(head, || false);
        let chosen = match &decision {
            Decision::Forward(forward) => Some(forward.chosen),
            Decision::Answer(answer) => answer.chosen,
            Decision::Untouched(_) => None,
        };
        let chosen = chosen.map(|chosen| (chosen.index(), chosen.matched()));
        let considered = match head.path.filter(|_| decision.outcome().is_in_scope() || chosen.is_some()) {
            Some(path) => self.consider(head, &RequestPath::read(path), chosen),
            None => Vec::new(),
        };
        Explanation { decision, considered }
    }

    fn consider(
        &self,
        head: &Head<'_>,
        path: &RequestPath<'_>,
        chosen: Option<(usize, &str)>,
    ) -> Vec<ConsideredRoute<'_>> {
        let Some(below) = self.base.below(&path.normal) else { return Vec::new() };
        let toggled = toggle_trailing_slash(below).filter(|_| self.settings.ignore_trailing_slash);
        // A preflight that is answered has been matched by what it asks for.
        let preflight = Preflight::read(head).filter(|preflight| {
            self.settings.uses_cors && self.answer_preflight(preflight, head, path, self.below(path)).is_some()
        });
        let method = preflight.map_or(head.method.unwrap_or_default(), |preflight| preflight.method);
        let head = if preflight.is_some() { None } else { Some(head) };
        let order = MethodOrder::new(self, method);
        let query = Query::new(path.query);
        let mut considered = Vec::new();
        let mut found = false;
        let mut seen = Vec::new();
        for below in [Some(below), toggled.as_deref()].into_iter().flatten() {
            for entry in self.matching(below) {
                if seen.contains(&entry) {
                    continue;
                }
                seen.push(entry);
                let mut listed = Vec::new();
                let candidates = self.candidates(entry);
                for candidate in order.in_turn(candidates.clone()).into_iter().chain(candidates) {
                    let Some(pattern) = self.patterns.get(candidate.pattern) else { continue };
                    let Some(route) = self.route(candidate.pattern) else { continue };
                    if listed.contains(&candidate.pattern) {
                        continue;
                    }
                    listed.push(candidate.pattern);
                    let matched = self.strings.get(pattern.text);
                    let result = if !order.has(candidate.method) {
                        Considered::OtherMethod
                    } else if found {
                        Considered::Behind
                    } else if let Some(condition) = self.failing(candidate, head, &query) {
                        Considered::ConditionFails(condition.described(&self.strings))
                    } else if chosen == Some((pattern.route as usize, matched)) {
                        found = true;
                        Considered::Chosen
                    } else {
                        Considered::OnlyUnconditional
                    };
                    considered.push(ConsideredRoute { route: self.strings.get(route.name), matched, result });
                }
            }
        }
        considered
    }

    /// The table in the order of precedence: where two patterns match a path, the upper one is tried first.
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

    fn line(&self, candidate: Candidate) -> Option<Line<'_>> {
        let (pattern, route) = (self.patterns.get(candidate.pattern)?, self.route(candidate.pattern)?);
        let written = self.strings.get(pattern.text);
        let (methods, path) = match written.split_once(' ') {
            Some((methods, path)) => (methods, path.trim_start()),
            None if written.starts_with('/') => ("ANY", written),
            None => (written, ""),
        };
        let text = |text: StringId| self.strings.get(text);
        let target = match route.target {
            Target::Forward(authority) => match self.extras(route).rewrite {
                None => text(authority).to_owned(),
                Some(path) => format!("{} path {}", text(authority), path.described(&self.strings)),
            },
            Target::Redirect(to, status) => format!("redirect {status} {}", to.described(&self.strings)),
            Target::Respond(response) => match self.responses.get(response) {
                Some(response) => format!("respond {}", response.status),
                None => "broken".to_owned(),
            },
            Target::Broken => "broken".to_owned(),
        };
        let path = if path == "/" && !self.base.is_empty() { "" } else { path };
        let conditions = self.condition_sets.get(candidate.conditions);
        Some(Line {
            methods,
            path: format!("{}{path}", self.base.text),
            route: text(route.name),
            target,
            conditions: self.described(conditions.unwrap_or_default()),
            extras: self.reported_extras(route),
            index: pattern.route as usize,
        })
    }

    fn reported_extras(&self, route: Route) -> Vec<String> {
        let own = self.extras(route);
        let mut extras = Vec::new();
        if let Cors::On(policy) = own.cors
            && let Some(policy) = self.policies.get(policy)
        {
            extras.push(format!("cors {}", policy.origins.described(&self.strings)));
        }
        let is_forwarded = matches!(route.target, Target::Forward(..));
        let of_table = self.operations.span(self.settings.request_headers).filter(|_| is_forwarded);
        for operation in of_table.chain(self.operations.span(own.request_headers)) {
            extras.push(format!("request {}", operation.described(&self.strings)));
        }
        if !matches!(route.target, Target::Broken) {
            let of_table = self.operations.span(self.settings.response_headers);
            for operation in of_table.chain(self.operations.span(own.response_headers)) {
                extras.push(format!("response {}", operation.described(&self.strings)));
            }
        }
        extras
    }

    fn described(&self, conditions: Conditions) -> Vec<String> {
        let describe = |part: &str, Condition { name, expected }: Condition| match expected {
            Expected::Present => format!("{part} {}", self.strings.get(name)),
            Expected::Equal(value) => format!("{part} {} = {:?}", self.strings.get(name), self.strings.get(value)),
        };
        let headers = self.conditions.span(conditions.headers).map(|condition| describe("header", condition));
        headers.chain(self.conditions.span(conditions.query).map(|condition| describe("query", condition))).collect()
    }
}

//! Why a request goes where it goes, and the table as a list: for the command line.

use std::fmt;

use crate::decide::decision::Decision;
use crate::decide::search::{MethodOrder, Step, Trail};
use crate::path::RequestPath;
use crate::request::Head;
use crate::table::RouteTable;
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

/// What the search noted, so that it can be explained.
#[derive(Default)]
struct Notes {
    /// The methods that the search looked for; `None` if there was no search.
    order: Option<MethodOrder>,
    steps: Vec<(u32, Step)>,
}

impl Trail for Notes {
    const KEPT: bool = true;

    fn begin(&mut self, order: MethodOrder) {
        *self = Notes { order: Some(order), steps: Vec::new() };
    }

    fn note(&mut self, candidate: Candidate, step: Step) {
        self.steps.push((candidate.pattern, step));
    }

    fn append(&mut self, part: Self) {
        self.steps.extend(part.steps);
    }
}

impl RouteTable {
    /// Decides as [`decide`](RouteTable::decide) does for a request that no other table has routed, and says why.
    pub fn explain<'a>(&'a self, head: &Head<'a>) -> Explanation<'a> {
        let mut notes = Notes::default();
        let decision = self.decide_on_trail(head, || false, &mut notes);
        let path = head.path.map(RequestPath::read);
        let below = path.as_ref().and_then(|path| self.base.below(&path.normal));
        let considered = match (notes.order, below) {
            (Some(order), Some(below)) => self.considered(order, &notes.steps, below),
            _ => Vec::new(),
        };
        Explanation { decision, considered }
    }

    /// Lists every element of `match` whose path matches, in the order of precedence, with what the search did with it.
    fn considered(&self, order: MethodOrder, steps: &[(u32, Step)], below: &[u8]) -> Vec<ConsideredRoute<'_>> {
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
                // Where trailing slashes are ignored, a candidate can be looked at twice. The last result counts.
                let step = steps.iter().rev().find(|(pattern, _)| *pattern == candidate.pattern);
                let result = match step {
                    _ if !order.has(candidate.method) => Considered::OtherMethod,
                    _ if is_chosen => Considered::Behind,
                    Some((_, Step::Chosen)) => {
                        is_chosen = true;
                        Considered::Chosen
                    }
                    Some((_, Step::ConditionFails(failing))) => {
                        Considered::ConditionFails(failing.described(&self.strings))
                    }
                    Some((_, Step::OnlyUnconditional)) => Considered::OnlyUnconditional,
                    None => Considered::Behind,
                };
                let (route, matched) = (self.strings.get(route.name), self.strings.get(pattern.text));
                considered.push(ConsideredRoute { route, matched, result });
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

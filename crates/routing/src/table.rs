//! The compiled route table: `decide` says what becomes of a request.

pub(crate) mod conditions;
pub(crate) mod hosts;
pub(crate) mod image;
pub(crate) mod schema;
pub(crate) mod strings;
pub(crate) mod tree;

use std::borrow::Cow;
use std::rc::Rc;

use crate::ResponsePlan;
use crate::bytes::is_ascii;
use crate::decide::cors::Preflight;
use crate::decide::decision::{Answer, Chosen, Decision, Outcome, OwnHeaders, Untouched};
use crate::decide::error;
use crate::decide::headers::{self};
use crate::decide::search::{Found, insert};
use crate::knative;
use crate::path::{self, BasePath, Hazard, RequestPath};
use crate::request::Head;
use crate::table::hosts::Membership;
use crate::table::image::{ImageReader, Rows, Span};
use crate::table::schema::{
    CANDIDATES, CAPTURES, CONDITION_SETS, CONDITIONS, Candidate, Capture, Condition, Conditions, Cors, ENTRIES,
    MatchRow, NoMatch, OPERATIONS, Operation, PATTERNS, POLICIES, Policy, RESPONSES, ROUTE_EXTRAS, ROUTES, Response,
    Route, RouteExtras, SETTINGS, Settings, StringId, Target, UNNAMED,
};
use crate::table::strings::Strings;
use crate::table::tree::Tree;

/// A route table. It is never empty of meaning: one compiled from a bad document serves what can be served.
///
/// All of it but `base` lies in its image.
#[derive(Debug, Default)]
pub struct RouteTable {
    image: Rc<Vec<u8>>,
    /// The hash of the document that it was compiled from.
    document: u64,
    pub(crate) base: BasePath,
    pub(crate) settings: Settings,
    pub(crate) strings: Strings,
    pub(crate) tree: Tree,
    /// By the tree's entry: where in `candidates`.
    pub(crate) entries: Rows<Span>,
    pub(crate) candidates: Rows<Candidate>,
    pub(crate) condition_sets: Rows<Conditions>,
    /// Of all sets.
    pub(crate) conditions: Rows<Condition>,
    pub(crate) patterns: Rows<MatchRow>,
    /// Of all patterns.
    captures: Rows<Capture>,
    routes: Rows<Route>,
    extras: Rows<RouteExtras>,
    pub(crate) responses: Rows<Response>,
    /// Of all routes, and of the table.
    pub(crate) operations: Rows<Operation>,
    pub(crate) policies: Rows<Policy>,
    /// The number of the method that most requests have. In a table without routes none is looked for.
    pub(crate) get: u16,
}

impl RouteTable {
    /// Name of the table, for logs and metrics.
    pub fn name(&self) -> &str {
        self.strings.get(self.settings.name)
    }

    /// The table of an image; `None` where it is none of these sources.
    pub(crate) fn read(image: Vec<u8>) -> Option<Self> {
        let image = Rc::new(image);
        let (lists, document) = ImageReader::new(image.clone())?;
        let settings: Settings = lists.list(SETTINGS)?.get(0)?;
        let strings = Strings::read(&lists)?;
        let mut table = RouteTable {
            base: BasePath::new(strings.get(settings.base)),
            settings,
            strings,
            tree: Tree::read(&lists)?,
            entries: lists.list(ENTRIES)?,
            candidates: lists.list(CANDIDATES)?,
            condition_sets: lists.list(CONDITION_SETS)?,
            conditions: lists.list(CONDITIONS)?,
            patterns: lists.list(PATTERNS)?,
            captures: lists.list(CAPTURES)?,
            routes: lists.list(ROUTES)?,
            extras: lists.list(ROUTE_EXTRAS)?,
            responses: lists.list(RESPONSES)?,
            operations: lists.list(OPERATIONS)?,
            policies: lists.list(POLICIES)?,
            image,
            document,
            get: UNNAMED,
        };
        table.get = table.method(b"GET");
        Some(table)
    }

    /// For other threads, which `read` it.
    pub(crate) fn image(&self) -> Rc<Vec<u8>> {
        self.image.clone()
    }

    /// The hash of the document that it was compiled from.
    pub(crate) fn document(&self) -> u64 {
        self.document
    }

    /// How many routes it serves, broken ones aside.
    pub fn route_count(&self) -> usize {
        self.settings.routes as usize
    }

    /// Whether some route, or the table, does something to responses: CORS, their headers, their `location`.
    pub fn changes_responses(&self) -> bool {
        self.settings.plans_responses
    }

    /// How many hosts it has.
    pub fn host_count(&self) -> usize {
        self.settings.hosts.len()
    }

    /// What is to be done with a request. `already_routed` tells whether another table has routed it; it is
    /// asked only where that can be.
    pub fn decide<'a>(&'a self, head: &Head<'a>, already_routed: impl FnOnce() -> bool) -> Decision<'a> {
        let Some(path) = head.path else { return Decision::Untouched(Untouched::OutOfScope) };
        let host = &*hosts::bare(head.authority.unwrap_or_default());
        let membership = self.settings.hosts.membership(&self.strings, host);
        let direct = self.settings.deny_direct
            && matches!(membership, None | Some(Membership::Any))
            && hosts::contains(&self.strings, self.settings.targets, host);
        // A host that is named in `hosts` is public, no KSVC's, so that a probe of it is a request like others.
        let is_probe = membership != Some(Membership::Exact) && knative::is_network_probe(head, path);
        if (membership.is_none() && !direct) || is_probe {
            return Decision::Untouched(Untouched::OutOfScope);
        }
        // A routed request carries `x-forwarded-host`: without it the filter state need not be read.
        let routed = head.is_forwarded && already_routed();
        if direct && !routed {
            return match path.starts_with(b"/.well-known/acme-challenge/") {
                true => Decision::Untouched(Untouched::OutOfScope),
                false => Decision::Answer(error::denied_direct(head)),
            };
        }
        if membership.is_none() || routed || (path == b"*" && head.method == Some(b"OPTIONS")) {
            return Decision::Untouched(Untouched::OutOfScope);
        }
        if !self.base.holds(path) {
            return Decision::Untouched(Untouched::OutOfScope);
        }
        self.decide_in_scope(head, path)
    }

    fn decide_in_scope<'a>(&'a self, head: &Head<'a>, whole_path: &'a [u8]) -> Decision<'a> {
        if !self.settings.uses_cors {
            return self.decide_alone(head, whole_path);
        }
        let mut decision = self.decide_alone(head, whole_path);
        if let Decision::Answer(answer) = &mut decision
            && !matches!(answer.outcome, Outcome::Preflight | Outcome::Redirect | Outcome::Respond)
        {
            let route = answer.chosen.and_then(|chosen| self.route(chosen.pattern));
            let cors = route.map_or(self.settings.cors, |route| self.extras(route).cors);
            if let Some(plan) = self.plan_of_fault(head, cors) {
                self.respond_by_itself(&plan, &mut answer.headers);
            }
        }
        decision
    }

    /// Carries a plan out on an answer of the filter's own.
    pub(crate) fn respond_by_itself(&self, plan: &ResponsePlan, headers: &mut OwnHeaders<'_>) {
        let there = headers.iter().map(|(name, value)| (name.as_bytes(), &**value)).collect::<Vec<_>>();
        let changes = self.respond(plan, &there);
        headers::apply(changes, headers);
    }

    /// As above, without what CORS asks of the filter's own errors.
    fn decide_alone<'a>(&'a self, head: &Head<'a>, whole_path: &'a [u8]) -> Decision<'a> {
        let path = RequestPath::read(whole_path);
        let hazard = if self.settings.reject_unsafe { path.hazard } else { None };
        if let Some(hazard) = hazard {
            return Decision::Answer(error::unsafe_path(head, hazard));
        }
        let (Some(method), true) = (readable(head.method), readable(head.authority).is_some()) else {
            return Decision::Answer(error::unreadable(head));
        };
        let below = self.below(&path);
        if self.settings.uses_cors
            && let Some(preflight) = Preflight::read(head)
            && let Some(answer) = self.answer_preflight(&preflight, head, &path, below)
        {
            return Decision::Answer(answer);
        }
        let found = match below {
            Some(below) => self.find(method, Some(head), path.query, below),
            None => Found::NotFound,
        };
        match (found, self.settings.no_match) {
            (Found::Found { pattern }, _) => self.act(pattern, head, &path),
            (_, NoMatch::PassThrough) => Decision::Untouched(Untouched::PassThrough),
            (_, NoMatch::Broken) => Decision::Answer(error::broken_table(head)),
            (Found::MethodNotAllowed { allow }, NoMatch::NotFound) => {
                Decision::Answer(error::method_not_allowed(head, allow))
            }
            (Found::NotFound, NoMatch::NotFound) => Decision::Answer(error::not_found(head)),
        }
    }

    /// The normal form of a path below `basePath`, to be looked up in the tree.
    pub(crate) fn below<'p>(&self, path: &'p RequestPath<'_>) -> Option<&'p [u8]> {
        // Only an empty path is the root without its slash.
        let is_path = path.raw.is_empty() || path.hazard != Some(Hazard::NoSlash);
        self.base.below(&path.normal).filter(|_| is_path)
    }

    /// The answer to a preflight; `None` where it goes on as the `OPTIONS` request that it is. It is matched by the
    /// method that it asks for, and by everything but headers.
    #[inline(never)]
    pub(crate) fn answer_preflight<'a>(
        &'a self,
        preflight: &Preflight<'a>,
        head: &Head<'_>,
        path: &RequestPath<'a>,
        below: Option<&[u8]>,
    ) -> Option<Answer<'a>> {
        let found = match below {
            Some(below) => self.find(preflight.method, None, path.query, below),
            None => Found::NotFound,
        };
        let chosen = match found {
            Found::Found { pattern } => self.route(pattern).map(|route| (self.chosen(pattern, route, path), route)),
            _ => None,
        };
        let cors = match &chosen {
            Some((_, route)) => self.extras(*route).cors,
            None if self.settings.no_match == NoMatch::PassThrough => Cors::Off,
            None => self.settings.cors,
        };
        let policy = match (cors, &chosen) {
            // Whether it would have been chosen, and with which CORS, may be what can't be read.
            (_, Some((chosen, Route { target: Target::Broken, .. }))) => {
                return Some(error::broken_route(head, *chosen));
            }
            (Cors::Off, _) => return None,
            (Cors::Unknown, _) => return Some(error::broken_table(head)),
            _ if chosen.is_none() && self.settings.no_match == NoMatch::Broken => {
                return Some(error::broken_table(head));
            }
            (Cors::On(policy), _) => self.policies.get(policy)?,
        };
        let methods = || match (&found, below) {
            (Found::NotFound, _) | (_, None) => String::from_utf8_lossy(preflight.method).into_owned(),
            (_, Some(below)) => self.methods_with(cors, preflight.method, path, below),
        };
        let headers = policy.answer(&self.strings, preflight, methods);
        Some(Answer {
            outcome: Outcome::Preflight,
            chosen: chosen.map(|(chosen, _)| chosen),
            status: 204,
            headers: headers.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            body: Cow::Borrowed(b""),
            grpc_status: None,
        })
    }

    /// The methods for which a preflight to a path would be reported the same: a browser may remember all of them.
    fn methods_with(&self, cors: Cors, asked: &[u8], path: &RequestPath<'_>, below: &[u8]) -> String {
        let asked = std::str::from_utf8(asked).unwrap_or_default();
        let mut methods = self.method_names(&self.matching_either(below));
        insert(&mut methods, asked);
        methods.retain(|method| match self.find(method.as_bytes(), None, path.query, below) {
            Found::Found { pattern } => self
                .route(pattern)
                .is_some_and(|route| self.extras(route).cors == cors && !matches!(route.target, Target::Broken)),
            _ => false,
        });
        methods.join(", ")
    }

    pub(crate) fn chosen<'a>(&'a self, pattern: u32, route: Route, path: &RequestPath<'a>) -> Chosen<'a> {
        Chosen { table: self, pattern, name: route.name, path: path.raw }
    }

    /// Names and values that a pattern captures in a path as it came, in its order; the path is gone through once.
    pub(crate) fn captured<'a>(&'a self, pattern: u32, path: &'a [u8]) -> impl Iterator<Item = (StringId, &'a [u8])> {
        let captures = self.patterns.get(pattern).map_or_else(Span::default, |pattern| pattern.captures);
        let below = self.base.strip(path);
        let mut tail = below.strip_prefix(b"/").unwrap_or(below);
        let mut at = 0;
        self.captures.span(captures).map(move |capture| {
            while at < capture.segment && !tail.is_empty() {
                let slash = tail.iter().position(|&b| b == b'/');
                tail = slash.and_then(|slash| tail.get(slash + 1..)).unwrap_or_default();
                at += 1;
            }
            if capture.rest {
                return (capture.name, tail);
            }
            let segment = tail.split(|&b| b == b'/').next().unwrap_or_default();
            (capture.name, path::without_affixes(segment, capture.prefix as usize, capture.suffix as usize))
        })
    }

    /// What a route has beside its target.
    pub(crate) fn extras(&self, route: Route) -> RouteExtras {
        self.extras.get(route.extras).unwrap_or(RouteExtras::of_most(self.settings.cors))
    }

    /// The route of a pattern.
    pub(crate) fn route(&self, pattern: u32) -> Option<Route> {
        self.routes.get(self.patterns.get(pattern)?.route)
    }
}

/// A pseudo header that can be read: it is there, and all ASCII.
#[inline(never)]
fn readable(value: Option<&[u8]>) -> Option<&[u8]> {
    value.filter(|value| !value.is_empty() && is_ascii(value))
}

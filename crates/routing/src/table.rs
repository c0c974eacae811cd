//! The compiled route table: `decide` says what becomes of a request.

use std::borrow::Cow;
use std::rc::Rc;

use crate::changes::{self, Changes, Operation};
use crate::condition::{Condition, Conditions};
use crate::cors::{Cors, Policy, Preflight};
use crate::decision::{Answer, Change, Chosen, Decision, Forward, Outcome, Untouched};
use crate::head::Head;
use crate::host::{self, HostSet, Membership};
use crate::image::{Reader, Rows, Span, row};
use crate::lists::{
    CANDIDATES, CAPTURES, CONDITION_SETS, CONDITIONS, ENTRIES, OPERATIONS, PATTERNS, POLICIES, ROUTES, SETTINGS,
};
use crate::octets::is_ascii;
use crate::path::{self, BasePath, Hazard, RequestPath};
use crate::response::Public;
use crate::search::{Found, Verdict, insert};
use crate::template::{Filling, Template};
use crate::texts::{Text, Texts};
use crate::tree::Tree;
use crate::{ResponsePlan, answer, internal};

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
    pub(crate) texts: Texts,
    pub(crate) tree: Tree,
    /// By the tree's entry: where in `candidates`.
    pub(crate) entries: Rows<Span>,
    pub(crate) candidates: Rows<Candidate>,
    pub(crate) condition_sets: Rows<Conditions>,
    /// Of all sets.
    pub(crate) conditions: Rows<Condition>,
    pub(crate) patterns: Rows<Pattern>,
    /// Of all patterns.
    captures: Rows<Capture>,
    routes: Rows<Route>,
    /// Of all routes, and of the table.
    pub(crate) operations: Rows<Operation>,
    pub(crate) policies: Rows<Policy>,
    /// The number of the method that most requests have.
    pub(crate) get: Option<u16>,
}

row! {
    /// The part of a table that does not come from its routes alone.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Settings {
        name: Text,
        hosts: HostSet,
        base: Text,
        strip_base: bool,
        no_match: NoMatch,
        ignore_trailing_slash: bool,
        reject_unsafe: bool,
        strip_internal: bool,
        deny_direct: bool,
        rewrite_location: bool,
        cors: Cors,
        request_headers: Span,
        response_headers: Span,
        /// A sorted list of all methods that routes name.
        methods: Span,
        /// A sorted list of the hosts of all targets, without port, lower case.
        targets: Span,
        /// How many routes can be served.
        routes: u32,
        /// Some route, or the table, has `cors`, or may have.
        uses_cors: bool,
        /// Some route, or the table, does something to responses.
        plans_responses: bool,
    }
}

impl Default for Settings {
    /// No host is the table's: nothing is touched.
    fn default() -> Self {
        Settings {
            name: Text::default(),
            hosts: HostSet::default(),
            base: Text::default(),
            strip_base: false,
            no_match: NoMatch::NotFound,
            ignore_trailing_slash: false,
            reject_unsafe: true,
            strip_internal: true,
            deny_direct: false,
            rewrite_location: false,
            cors: Cors::Off,
            request_headers: Span::default(),
            response_headers: Span::default(),
            methods: Span::default(),
            targets: Span::default(),
            routes: 0,
            uses_cors: false,
            plans_responses: false,
        }
    }
}

row! {
    /// What becomes of a request in scope that no route serves.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum NoMatch {
        0 NotFound,
        1 PassThrough,
        /// Whether it should pass can't be known.
        2 Broken,
        else NoMatch::Broken
    }
}

row! {
    /// A route's claim to one method of one path. Those of an entry are sorted: unreadable ones first, then by
    /// method, then by precedence.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Candidate {
        method: u16,
        /// Its pattern can't be read in whole: it stands before its equals, so that none of them gets what may
        /// have been meant for it.
        unreadable: bool,
        /// An index; that of no conditions is 0.
        conditions: u32,
        pattern: u32,
    }
}

row! {
    /// An element of `match`.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Pattern {
        route: u32,
        /// As written.
        text: Text,
        captures: Span,
    }
}

row! {
    /// Where a captured value stands in the path below `basePath`.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Capture {
        name: Text,
        segment: u32,
        /// Lengths of the literal text around it, in normal form.
        prefix: u32,
        suffix: u32,
        /// It takes all segments from there.
        rest: bool,
    }
}

row! {
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Route {
        name: Text,
        target: Target,
        /// The table's, where the route has none of its own.
        cors: Cors,
        /// What it does to headers beyond what the table does.
        request_headers: Span,
        response_headers: Span,
    }
}

row! {
    #[derive(Debug, Clone, Copy)]
    pub(crate) enum Target {
        0 Forward(authority: Text, rewrite: Option<Template>),
        1 Redirect(to: Template, status: u16),
        /// The headers are pairs.
        2 Respond(status: u16, headers: Span, body: Text),
        /// An error of the document bears on it.
        3 Broken,
        else Target::Broken
    }
}

impl RouteTable {
    /// Name of the table, for logs and metrics.
    pub fn name(&self) -> &str {
        self.texts.get(self.settings.name)
    }

    /// The table of an image; `None` where it is none of these sources.
    pub(crate) fn read(image: Vec<u8>) -> Option<Self> {
        let image = Rc::new(image);
        let (lists, document) = Reader::new(image.clone())?;
        let settings: Settings = lists.list(SETTINGS)?.get(0)?;
        let texts = Texts::read(&lists)?;
        let mut table = RouteTable {
            base: BasePath::new(texts.get(settings.base)),
            settings,
            texts,
            tree: Tree::read(&lists)?,
            entries: lists.list(ENTRIES)?,
            candidates: lists.list(CANDIDATES)?,
            condition_sets: lists.list(CONDITION_SETS)?,
            conditions: lists.list(CONDITIONS)?,
            patterns: lists.list(PATTERNS)?,
            captures: lists.list(CAPTURES)?,
            routes: lists.list(ROUTES)?,
            operations: lists.list(OPERATIONS)?,
            policies: lists.list(POLICIES)?,
            image,
            document,
            get: None,
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
        const OUT_OF_SCOPE: Decision<'static> = Decision::Untouched(Untouched::OutOfScope);
        let Some(path) = head.path else { return OUT_OF_SCOPE };
        let host = &*host::bare(head.authority.unwrap_or_default());
        let membership = self.settings.hosts.membership(&self.texts, host);
        let direct = self.settings.deny_direct
            && matches!(membership, None | Some(Membership::Any))
            && host::contains(&self.texts, self.settings.targets, host);
        // A host that is named in `hosts` is public, no KSVC's, so that a probe of it is a request like others.
        let is_probe = membership != Some(Membership::Exact) && internal::is_network_probe(head, path);
        if (membership.is_none() && !direct) || is_probe {
            return OUT_OF_SCOPE;
        }
        // A routed request carries `x-forwarded-host`: without it the filter state need not be read.
        let routed = head.is_forwarded && already_routed();
        if direct && !routed {
            return match path.starts_with(b"/.well-known/acme-challenge/") {
                true => OUT_OF_SCOPE,
                false => Decision::Answer(answer::denied_direct(head)),
            };
        }
        if membership.is_none() || routed || (path == b"*" && head.method == Some(b"OPTIONS")) {
            return OUT_OF_SCOPE;
        }
        if !self.base.holds(path) {
            return OUT_OF_SCOPE;
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
            let route = answer.chosen.and_then(|chosen| self.routes.get(chosen.index as u32));
            if let Some(plan) = self.plan_of_fault(head, route) {
                self.respond_by_itself(&plan, &mut answer.headers);
            }
        }
        decision
    }

    /// Carries a plan out on an answer of the filter's own.
    fn respond_by_itself(&self, plan: &ResponsePlan, headers: &mut Vec<(Cow<'_, str>, Cow<'_, [u8]>)>) {
        let there = headers.iter().map(|(name, value)| (name.as_bytes(), &**value)).collect::<Vec<_>>();
        let changes = self.respond(plan, &there);
        changes::apply(changes, headers);
    }

    /// As above, without what CORS asks of the filter's own errors.
    fn decide_alone<'a>(&'a self, head: &Head<'a>, whole_path: &'a [u8]) -> Decision<'a> {
        let path = RequestPath::read(whole_path);
        let hazard = if self.settings.reject_unsafe { path.hazard } else { None };
        if let Some(hazard) = hazard {
            return Decision::Answer(answer::unsafe_path(head, hazard));
        }
        let (Some(method), true) = (readable(head.method), readable(head.authority).is_some()) else {
            return Decision::Answer(answer::unreadable(head));
        };
        let below = self.below(&path);
        if self.settings.uses_cors
            && let Some(preflight) = Preflight::read(head)
            && let Some(answer) = self.answer_preflight(&preflight, head, &path, below)
        {
            return Decision::Answer(answer);
        }
        let verdict = match below {
            Some(below) => self.find(method, Some(head), path.query, below),
            None => Verdict::NotFound,
        };
        match (verdict, self.settings.no_match) {
            (Verdict::Found(found), _) => self.act(found, head, whole_path, &path),
            (_, NoMatch::PassThrough) => Decision::Untouched(Untouched::PassThrough),
            (_, NoMatch::Broken) => Decision::Answer(answer::broken_table(head)),
            (Verdict::MethodNotAllowed { allow }, NoMatch::NotFound) => {
                Decision::Answer(answer::method_not_allowed(head, allow))
            }
            (Verdict::NotFound, NoMatch::NotFound) => Decision::Answer(answer::not_found(head)),
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
    pub(crate) fn answer_preflight<'a>(
        &'a self,
        preflight: &Preflight<'a>,
        head: &Head<'_>,
        path: &RequestPath<'a>,
        below: Option<&[u8]>,
    ) -> Option<Answer<'a>> {
        let verdict = match below {
            Some(below) => self.find(preflight.method, None, path.query, below),
            None => Verdict::NotFound,
        };
        let chosen = match &verdict {
            Verdict::Found(found) => self.pattern(found.pattern),
            _ => None,
        };
        let chosen = chosen.map(|(pattern, route)| (self.chosen(pattern, route, path), route));
        let cors = match &chosen {
            Some((_, route)) => route.cors,
            None if self.settings.no_match == NoMatch::PassThrough => Cors::Off,
            None => self.settings.cors,
        };
        let policy = match (cors, &chosen) {
            // Whether it would have been chosen, and with which CORS, may be what can't be read.
            (_, Some((chosen, Route { target: Target::Broken, .. }))) => {
                return Some(answer::broken_route(head, *chosen));
            }
            (Cors::Off, _) => return None,
            (Cors::Unknown, _) => return Some(answer::broken_table(head)),
            _ if chosen.is_none() && self.settings.no_match == NoMatch::Broken => {
                return Some(answer::broken_table(head));
            }
            (Cors::On(policy), _) => self.policies.get(policy)?,
        };
        let methods = || match (&verdict, below) {
            (Verdict::NotFound, _) | (_, None) => String::from_utf8_lossy(preflight.method).into_owned(),
            (_, Some(below)) => self.methods_with(cors, preflight.method, path, below),
        };
        let headers = policy.answer(&self.texts, preflight, methods);
        Some(Answer {
            outcome: Outcome::Preflight,
            chosen: chosen.map(|(chosen, _)| chosen),
            status: 204,
            headers: headers.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            body: Cow::Borrowed(b""),
            grpc_status: None,
        })
    }

    /// The methods for which a preflight to a path would be told the same: a browser may remember all of them.
    fn methods_with(&self, cors: Cors, asked: &[u8], path: &RequestPath<'_>, below: &[u8]) -> String {
        let asked = std::str::from_utf8(asked).unwrap_or_default();
        let mut methods = self.method_names(&self.matching_either(below));
        insert(&mut methods, asked);
        methods.retain(|method| match self.find(method.as_bytes(), None, path.query, below) {
            Verdict::Found(found) => self
                .pattern(found.pattern)
                .is_some_and(|(_, route)| route.cors == cors && !matches!(route.target, Target::Broken)),
            _ => false,
        });
        methods.join(", ")
    }

    fn chosen<'a>(&'a self, pattern: Pattern, route: Route, path: &RequestPath<'a>) -> Chosen<'a> {
        Chosen {
            name: route.name,
            text: pattern.text,
            index: pattern.route as usize,
            captures: Captures {
                list: pattern.captures,
                all: &self.captures,
                base: &self.base,
                raw: path.raw,
                texts: &self.texts,
            },
        }
    }

    /// Carries the user's operations out on the headers of a routed request.
    fn change_request<'a>(
        &'a self,
        head: &Head<'_>,
        filling: &Filling<'a>,
        route: Route,
        changes: Vec<Change<'a>>,
    ) -> Result<Vec<Change<'a>>, Hazard> {
        if self.settings.request_headers.is_empty() && route.request_headers.is_empty() {
            return Ok(changes);
        }
        let mut changes = Changes::new(head.headers(), changes);
        for operation in [self.settings.request_headers, route.request_headers]
            .map(|span| self.operations.span(span))
            .into_iter()
            .flatten()
        {
            if let Some(rendered) = operation.render(&self.texts, filling)? {
                changes.carry_out(&self.texts, rendered);
            }
        }
        // A client may have chosen what a template has made of the path.
        if self.settings.strip_internal && changes.written("user-agent").any(internal::is_probe_agent) {
            changes.remove("user-agent");
        }
        Ok(changes.finish())
    }

    fn act<'a>(&'a self, found: Found, head: &Head<'a>, whole_path: &'a [u8], path: &RequestPath<'a>) -> Decision<'a> {
        let Some((pattern, route)) = self.pattern(found.pattern) else {
            return Decision::Answer(answer::broken_table(head));
        };
        let chosen = self.chosen(pattern, route, path);
        let filling = Filling::new(chosen);
        let unfit = |hazard| Decision::Answer(answer::unsafe_rewrite(head, chosen, hazard));
        match route.target {
            Target::Forward(authority, rewrite) => {
                let mut stripped = false;
                let forwarded = match rewrite {
                    Some(template) => {
                        let rewritten = match template.render(&self.texts, &filling) {
                            Ok(rewritten) => rewritten.unwrap_or_default(),
                            Err(hazard) => return unfit(hazard),
                        };
                        if let (true, Some(hazard)) = (self.settings.reject_unsafe, path::hazard(&rewritten)) {
                            return unfit(hazard);
                        }
                        Some(rewritten)
                    }
                    None if self.settings.strip_base => {
                        stripped = true;
                        let below = self.base.strip(path.raw);
                        Some(if below.is_empty() { b"/".to_vec() } else { below.to_vec() })
                    }
                    None => None,
                };
                let forwarded = forwarded.map(|path_alone| with_query(path_alone, path.query));
                let forwarded = forwarded.filter(|forwarded| forwarded != whole_path);
                let mut changes = Vec::with_capacity(6);
                changes.push(Change::Set(":authority", self.texts.octets(authority).into()));
                changes.push(Change::Set("x-forwarded-host", head.authority.unwrap_or_default().into()));
                if let Some(forwarded) = forwarded {
                    changes.push(Change::Set(":path", forwarded.into()));
                    changes.push(Change::Set("x-envoy-original-path", whole_path.into()));
                }
                if stripped {
                    changes.push(Change::Set("x-forwarded-prefix", self.base.normal.as_bytes().into()));
                }
                if self.settings.strip_internal {
                    internal::strip(head, &mut changes);
                }
                let changes = match self.change_request(head, &filling, route, changes) {
                    Ok(changes) => changes,
                    Err(hazard) => return unfit(hazard),
                };
                // What `rewritePath` has made of a path can't be undone in a location.
                let has_location = self.settings.rewrite_location && rewrite.is_none();
                let location = has_location.then(|| Public::of(head, authority, stripped));
                let response = match self.settings.plans_responses {
                    true => self.plan(head, &filling, route, location),
                    false => Ok(None),
                };
                match response {
                    Ok(response) => Decision::Forward(Forward { chosen, changes, response }),
                    Err(hazard) => unfit(hazard),
                }
            }
            Target::Redirect(to, status) => {
                let location = match to.render(&self.texts, &filling) {
                    Ok(location) => location.unwrap_or_default(),
                    Err(hazard) => return unfit(hazard),
                };
                // A captured `/` behind a leading one would name a host: `//evil.example`.
                // So would a control octet between the two, which browsers leave out.
                let leads_away = matches!(location.get(..2), Some(b"//" | b"/\\"));
                if leads_away {
                    return unfit(Hazard::EmptySegment);
                }
                if location.iter().any(u8::is_ascii_control) {
                    return unfit(Hazard::Octet);
                }
                let location = match location.contains(&b'?') {
                    true => location,
                    false => with_query_before_fragment(location, path.query),
                };
                let mut answer = Answer {
                    outcome: Outcome::Redirect,
                    chosen: Some(chosen),
                    status,
                    headers: vec![(Cow::Borrowed("location"), location.into())],
                    body: Cow::Borrowed(b""),
                    grpc_status: None,
                };
                match self.decorate(head, &filling, route, &mut answer) {
                    Ok(()) => Decision::Answer(answer),
                    Err(hazard) => unfit(hazard),
                }
            }
            Target::Respond(status, headers, body) => {
                let header = |(name, value): (&'a str, &'a str)| (name.into(), value.as_bytes().into());
                let mut answer = Answer {
                    outcome: Outcome::Respond,
                    chosen: Some(chosen),
                    status,
                    headers: self.texts.pairs(headers).map(header).collect(),
                    body: self.texts.octets(body).into(),
                    grpc_status: None,
                };
                match self.decorate(head, &filling, route, &mut answer) {
                    Ok(()) => Decision::Answer(answer),
                    Err(hazard) => unfit(hazard),
                }
            }
            Target::Broken => Decision::Answer(answer::broken_route(head, chosen)),
        }
    }

    /// Does to the answer of a route what would be done to a service's.
    fn decorate(
        &self,
        head: &Head<'_>,
        filling: &Filling<'_>,
        route: Route,
        answer: &mut Answer<'_>,
    ) -> Result<(), Hazard> {
        if self.settings.plans_responses
            && let Some(plan) = self.plan(head, filling, route, None)?
        {
            self.respond_by_itself(&plan, &mut answer.headers);
        }
        Ok(())
    }

    pub(crate) fn pattern(&self, index: u32) -> Option<(Pattern, Route)> {
        let pattern = self.patterns.get(index)?;
        Some((pattern, self.routes.get(pattern.route)?))
    }
}

/// A pseudo header that can be read: it is there, and all ASCII.
#[inline(never)]
fn readable(value: Option<&[u8]>) -> Option<&[u8]> {
    value.filter(|value| !value.is_empty() && is_ascii(value))
}

fn with_query(mut path: Vec<u8>, query: Option<&[u8]>) -> Vec<u8> {
    if let Some(query) = query {
        path.push(b'?');
        path.extend_from_slice(query);
    }
    path
}

fn with_query_before_fragment(mut location: Vec<u8>, query: Option<&[u8]>) -> Vec<u8> {
    let at = location.iter().position(|&b| b == b'#').unwrap_or(location.len());
    let fragment = location.split_off(at);
    let mut location = with_query(location, query);
    location.extend(fragment);
    location
}

/// The captured values of one request, as they stood in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Captures<'a> {
    list: Span,
    all: &'a Rows<Capture>,
    base: &'a BasePath,
    /// The path as it came.
    raw: &'a [u8],
    pub(crate) texts: &'a Texts,
}

impl<'a> Captures<'a> {
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.values().map(move |(name, value)| (self.texts.get(name), value))
    }

    /// Names and values in the order of the path, which is gone through once.
    pub(crate) fn values(self) -> impl Iterator<Item = (Text, &'a [u8])> {
        let below = self.base.strip(self.raw);
        let mut tail = below.strip_prefix(b"/").unwrap_or(below);
        let mut at = 0;
        self.all.span(self.list).map(move |capture| {
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
}

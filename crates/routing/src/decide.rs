//! From the head of a request to a [`Decision`].
//!
//! [`RouteTable::decide`] first finds out whether the request is in the table's scope (`scope`). Then it rejects unsafe
//! paths, answers preflights, and searches for the route (`search`). What a route does to the request is in `forward`, what
//! happens to the response later is in `response`.

mod captured_host;
pub(crate) mod cors;
pub(crate) mod decision;
pub(crate) mod error;
pub(crate) mod forward;
pub(crate) mod headers;
pub(crate) mod response;
pub(crate) mod scope;
pub(crate) mod search;
pub(crate) mod template;

use std::borrow::Cow;

use crate::bytes::is_ascii;
use crate::decide::cors::Preflight;
use crate::decide::decision::{Answer, Decision, Outcome, Untouched};
use crate::decide::scope::Scope;
use crate::decide::search::{Found, MethodOrder, NoRoute, Request, Trail};
use crate::path::RequestPath;
use crate::request::Head;
use crate::table::RouteTable;
use crate::table::conditions::{ConditionValues, HeaderConditions};
use crate::table::schema::{Cors, NoMatch, Target};

impl RouteTable {
    /// Decides what the filter does with a request.
    ///
    /// `already_routed` returns whether another table on the same gateway has routed the request. It is called only for
    /// requests that have an `x-forwarded-host` header, because a routed request always has one.
    ///
    /// ```
    /// use ksvc_routing::{Decision, Head, compile};
    ///
    /// let document = br#"{
    ///     "hosts": ["api.example.com"], "domain": "example.com", "namespace": "shop",
    ///     "routes": [{"match": "GET /orders/{id}", "service": "orders"}]
    /// }"#;
    /// let table = compile(document).table;
    ///
    /// let headers: Vec<(&[u8], &[u8])> =
    ///     vec![(b":method", b"GET"), (b":authority", b"api.example.com"), (b":path", b"/orders/42")];
    /// let head = Head::read(&headers);
    /// let Decision::Forward(forward) = table.decide(&head, || false) else { panic!("not forwarded") };
    /// assert_eq!(*forward.authority, *b"orders.shop.example.com");
    /// ```
    pub fn decide<'a>(&'a self, head: &Head<'a>, already_routed: impl FnOnce() -> bool) -> Decision<'a> {
        self.decide_on_trail(head, already_routed, &mut ())
    }

    /// Decides as `decide` does, and notes what the search does.
    pub(crate) fn decide_on_trail<'a, T: Trail>(
        &'a self,
        head: &Head<'a>,
        already_routed: impl FnOnce() -> bool,
        trail: &mut T,
    ) -> Decision<'a> {
        match self.scope(head, already_routed) {
            Scope::In(path) => self.decide_in_scope(head, path, trail),
            Scope::Out(_) => Decision::Untouched(Untouched::OutOfScope),
            Scope::Direct => Decision::Answer(error::denied_direct(head)),
        }
    }

    fn decide_in_scope<'a, T: Trail>(&'a self, head: &Head<'a>, whole_path: &'a [u8], trail: &mut T) -> Decision<'a> {
        let path = RequestPath::read(whole_path);
        if let Some(hazard) = self.settings.unsafe_paths.refuse(path.hazard, path.raw) {
            return self.answer(error::unsafe_path(head, hazard), head, self.settings.cors);
        }
        let (Some(method), true) = (readable(head.method), readable(head.authority).is_some()) else {
            return self.answer(error::unreadable(head), head, self.settings.cors);
        };
        let request =
            Request { head, path: &path, values: ConditionValues::new(*head, path.query), below: self.below(&path) };
        if let Some(preflight) = Preflight::read(head)
            && let Some(decision) = self.decide_preflight(&preflight, &request, trail)
        {
            return decision;
        }
        match self.find(&request, MethodOrder::new(self, method), HeaderConditions::Checked, trail) {
            Found::Route(pattern) => self.apply_route(pattern, head, &path),
            Found::Nothing(no_route) => self.decide_without_route(head, method, &no_route),
        }
    }

    /// Decides on a request in scope for which no route was found.
    #[inline(never)]
    fn decide_without_route<'a>(&'a self, head: &Head<'a>, method: &[u8], no_route: &NoRoute) -> Decision<'a> {
        let NoRoute { entries, method_is_served } = no_route;
        let answer = match self.settings.no_match {
            NoMatch::PassThrough => return Decision::Untouched(Untouched::PassThrough),
            NoMatch::Broken => return self.answer(error::broken_table(head), head, self.settings.cors),
            NoMatch::NotFound if *method_is_served => error::not_found(head),
            NoMatch::NotFound => match self.cors_applies(entries) {
                Some(true) if method == b"OPTIONS" => error::options(self.allow(entries)),
                None if method == b"OPTIONS" => error::broken_table(head),
                _ if entries.is_empty() => error::not_found(head),
                _ => error::method_not_allowed(head, self.allow(entries)),
            },
        };
        self.answer(answer, head, self.first_cors(method, entries))
    }

    /// Decides to answer a request, with the CORS headers that an actual response has.
    pub(crate) fn answer<'a>(&'a self, mut answer: Answer<'a>, head: &Head<'_>, cors: Cors) -> Decision<'a> {
        if let Some(plan) = self.plan_own_response(head, cors) {
            self.apply_to_own_response(&plan, &mut answer.headers);
        }
        Decision::Answer(answer)
    }

    /// Decides on a preflight. Returns `None` if it is treated as a plain `OPTIONS` request.
    ///
    /// It is matched by the method that it announces, and conditions on headers and cookies count as fulfilled. If CORS is
    /// on there, it is answered. Otherwise the service does its own CORS.
    #[inline(never)]
    fn decide_preflight<'a, T: Trail>(
        &'a self,
        preflight: &Preflight<'a>,
        request: &Request<'_, 'a>,
        trail: &mut T,
    ) -> Option<Decision<'a>> {
        if !self.settings.uses_cors {
            return self.forward_preflight(preflight, request, trail);
        }
        let order = MethodOrder::new(self, preflight.method);
        let found = self.find(request, order, HeaderConditions::Fulfilled, trail);
        let Request { head, path, .. } = request;
        let (chosen, cors) = match &found {
            Found::Route(pattern) => {
                let route = self.route(*pattern)?;
                let chosen = self.chosen(*pattern, route, path);
                // The part of the route that can't be read may be the one that says whether it is chosen, and with which
                // CORS.
                if route.is_broken() {
                    return Some(self.answer(error::broken_route(head, chosen), head, self.extras(route).cors));
                }
                let cors = self.extras(route).cors;
                if cors != Cors::Off && self.is_missing(route, chosen) {
                    return Some(self.answer(error::no_such_service(head, chosen), head, cors));
                }
                (Some(chosen), cors)
            }
            Found::Nothing(_) if self.settings.no_match == NoMatch::PassThrough => (None, Cors::Off),
            Found::Nothing(no_route) => (None, self.first_cors(preflight.method, &no_route.entries)),
        };
        let policy = match cors {
            Cors::Off => return self.forward_preflight(preflight, request, trail),
            Cors::On(policy) if chosen.is_some() || self.settings.no_match != NoMatch::Broken => {
                self.policies.get(policy)?
            }
            Cors::On(_) | Cors::Unknown => return Some(self.answer(error::broken_table(head), head, cors)),
        };
        let methods = || match &found {
            Found::Nothing(no_route) if no_route.entries.is_empty() => {
                String::from_utf8_lossy(preflight.method).into_owned()
            }
            _ => self.methods_with(cors, preflight.method, request),
        };
        let headers = policy.preflight_headers(&self.strings, preflight, methods);
        Some(Decision::Answer(Answer {
            outcome: Outcome::Preflight,
            chosen,
            status: 204,
            headers: headers.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            body: Cow::Borrowed(b""),
            grpc_status: None,
        }))
    }

    /// Forwards a preflight to the service, which does its own CORS. Routes for `OPTIONS` come before those for the
    /// announced method. A route whose conditions hold in the preflight itself comes before one whose conditions on headers
    /// and cookies would have to hold. Returns `None` if no service gets it.
    fn forward_preflight<'a, T: Trail>(
        &'a self,
        preflight: &Preflight<'a>,
        request: &Request<'_, 'a>,
        trail: &mut T,
    ) -> Option<Decision<'a>> {
        let order = MethodOrder::for_preflight(self, preflight.method);
        let mut find = |header_conditions| match self.find(request, order, header_conditions, trail) {
            Found::Route(pattern) => Some(pattern),
            Found::Nothing(_) => None,
        };
        let pattern = find(HeaderConditions::Checked).or_else(|| find(HeaderConditions::Fulfilled))?;
        if matches!(self.route(pattern)?.target, Target::Redirect(..) | Target::Respond(_)) {
            return None;
        }
        let mut decision = self.apply_route(pattern, request.head, request.path);
        if let Decision::Forward(forward) = &mut decision
            && let Some(plan) = &mut forward.response
        {
            plan.cors = None;
        }
        Some(decision)
    }

    /// Returns the methods for which a preflight to a path has the same answer. A browser may remember the answer for
    /// all of them.
    fn methods_with(&self, cors: Cors, asked: &[u8], request: &Request<'_, '_>) -> String {
        let asked = std::str::from_utf8(asked).unwrap_or_default();
        let routes = self.routes_by_method(request, asked);
        let methods = routes.into_iter().filter_map(|(method, pattern)| {
            let route = self.route(pattern?)?;
            let has_it = self.extras(route).cors == cors && !route.is_broken();
            has_it.then_some(method)
        });
        let methods: Vec<&str> = methods.collect();
        methods.join(", ")
    }
}

/// Returns a pseudo header if it is not empty and all ASCII.
#[inline(never)]
fn readable(value: Option<&[u8]>) -> Option<&[u8]> {
    value.filter(|value| !value.is_empty() && is_ascii(value))
}

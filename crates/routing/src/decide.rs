//! From the head of a request to a [`Decision`].
//!
//! [`RouteTable::decide`] first finds out whether the request is in the table's scope. Then it rejects unsafe paths,
//! answers preflights, and searches for the route (`search`). What a route does to the request is in `forward`, what
//! happens to the response later is in `response`.

mod captured_host;
pub(crate) mod cors;
pub(crate) mod decision;
pub(crate) mod error;
pub(crate) mod forward;
pub(crate) mod headers;
pub(crate) mod response;
pub(crate) mod search;
pub(crate) mod template;

use std::borrow::Cow;

use crate::bytes::is_ascii;
use crate::decide::cors::Preflight;
use crate::decide::decision::{Answer, Decision, Outcome, Untouched};
use crate::decide::search::{Found, Trail, insert};
use crate::path::RequestPath;
use crate::request::Head;
use crate::table::RouteTable;
use crate::table::hosts::{self, Membership};
use crate::table::schema::{Cors, NoMatch, Route, Target};

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
        let Some(path) = head.path else { return Decision::Untouched(Untouched::OutOfScope) };
        let host = &*hosts::normalize_host(head.authority.unwrap_or_default());
        let membership = self.settings.hosts.membership(&self.strings, host);
        let direct = self.settings.deny_direct
            && matches!(membership, None | Some(Membership::Any))
            && (hosts::contains(&self.strings, self.settings.other_hosts, host) || self.is_ksvc_host(host));
        // A host that `hosts` names exactly is public and not the host of a KSVC, so a probe to it is an ordinary
        // request.
        let is_probe =
            head.is_network_probe && membership != Some(Membership::Exact) && self.lets_probe_pass(host, path);
        if (membership.is_none() && !direct) || is_probe {
            return Decision::Untouched(Untouched::OutOfScope);
        }
        let routed = head.has_forwarded_host && already_routed();
        if direct && !routed {
            return match path.starts_with(b"/.well-known/acme-challenge/") {
                true => Decision::Untouched(Untouched::OutOfScope),
                false => Decision::Answer(error::denied_direct(head)),
            };
        }
        if membership.is_none() || routed || (path == b"*" && head.method == Some(b"OPTIONS")) {
            return Decision::Untouched(Untouched::OutOfScope);
        }
        if !self.base.contains(path) {
            return Decision::Untouched(Untouched::OutOfScope);
        }
        self.decide_in_scope(head, path, trail)
    }

    /// Returns whether one of Knative's probes to a host is left alone. Knative's proxies answer it themselves, on
    /// whatever path. The `host` of a route may be no KSVC, and then every path but that of net-istio's probes could
    /// reach something else.
    #[inline(never)]
    fn lets_probe_pass(&self, host: &[u8], path: &[u8]) -> bool {
        path == b"/healthz"
            || !hosts::contains(&self.strings, self.settings.other_hosts, host)
            || self.is_ksvc_host(host)
    }

    fn decide_in_scope<'a, T: Trail>(&'a self, head: &Head<'a>, whole_path: &'a [u8], trail: &mut T) -> Decision<'a> {
        if !self.settings.uses_cors {
            return self.decide_without_cors(head, whole_path, trail);
        }
        let mut decision = self.decide_without_cors(head, whole_path, trail);
        if let Decision::Answer(answer) = &mut decision
            && !matches!(answer.outcome, Outcome::Preflight | Outcome::Redirect | Outcome::Respond)
        {
            let route = answer.chosen.and_then(|chosen| self.route(chosen.pattern));
            let cors = route.map_or(self.settings.cors, |route| self.extras(route).cors);
            if let Some(plan) = self.plan_error_response(head, cors) {
                self.apply_to_own_response(&plan, &mut answer.headers);
            }
        }
        decision
    }

    /// Decides on a request in scope, without the CORS headers of the filter's own errors.
    fn decide_without_cors<'a, T: Trail>(
        &'a self,
        head: &Head<'a>,
        whole_path: &'a [u8],
        trail: &mut T,
    ) -> Decision<'a> {
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
            && let Some(answer) = self.answer_preflight(&preflight, head, &path, below, trail)
        {
            return Decision::Answer(answer);
        }
        let found = match below {
            Some(below) => self.find(method, Some(head), path.query, below, trail),
            None => Found::Nothing,
        };
        match (found, self.settings.no_match) {
            (Found::Route { pattern }, _) => self.apply_route(pattern, head, &path),
            (_, NoMatch::PassThrough) => Decision::Untouched(Untouched::PassThrough),
            (_, NoMatch::Broken) => Decision::Answer(error::broken_table(head)),
            (Found::MethodNotAllowed { allow }, NoMatch::NotFound) => {
                Decision::Answer(error::method_not_allowed(head, allow))
            }
            (Found::Nothing, NoMatch::NotFound) => Decision::Answer(error::not_found(head)),
        }
    }

    /// Answers a preflight. Returns `None` if CORS is off for it, so that it is treated as a plain `OPTIONS` request. A
    /// preflight is matched by the method that it announces, and conditions on headers count as fulfilled.
    #[inline(never)]
    fn answer_preflight<'a, T: Trail>(
        &'a self,
        preflight: &Preflight<'a>,
        head: &Head<'_>,
        path: &RequestPath<'a>,
        below: Option<&[u8]>,
        trail: &mut T,
    ) -> Option<Answer<'a>> {
        let found = match below {
            Some(below) => self.find(preflight.method, None, path.query, below, trail),
            None => Found::Nothing,
        };
        let chosen = match found {
            Found::Route { pattern } => self.route(pattern).map(|route| (self.chosen(pattern, route, path), route)),
            _ => None,
        };
        if let Some((chosen, route)) = chosen
            && self.is_missing(route, chosen)
        {
            return Some(error::no_such_service(head, chosen));
        }
        let cors = match &chosen {
            Some((_, route)) => self.extras(*route).cors,
            None if self.settings.no_match == NoMatch::PassThrough => Cors::Off,
            None => self.settings.cors,
        };
        let policy = match (cors, &chosen) {
            // The part of the route that can't be read may be the one that says whether it is chosen, and with which
            // CORS.
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
            (Found::Nothing, _) | (_, None) => String::from_utf8_lossy(preflight.method).into_owned(),
            (_, Some(below)) => self.methods_with(cors, preflight.method, path, below),
        };
        let headers = policy.preflight_headers(&self.strings, preflight, methods);
        Some(Answer {
            outcome: Outcome::Preflight,
            chosen: chosen.map(|(chosen, _)| chosen),
            status: 204,
            headers: headers.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            body: Cow::Borrowed(b""),
            grpc_status: None,
        })
    }

    /// Returns the methods for which a preflight to a path has the same answer. A browser may remember the answer for
    /// all of them.
    fn methods_with(&self, cors: Cors, asked: &[u8], path: &RequestPath<'_>, below: &[u8]) -> String {
        let asked = std::str::from_utf8(asked).unwrap_or_default();
        let mut methods = self.method_names(&self.matching_entries(below));
        insert(&mut methods, asked);
        methods.retain(|method| match self.find(method.as_bytes(), None, path.query, below, &mut ()) {
            Found::Route { pattern } => self
                .route(pattern)
                .is_some_and(|route| self.extras(route).cors == cors && !matches!(route.target, Target::Broken)),
            _ => false,
        });
        methods.join(", ")
    }
}

/// Returns a pseudo header if it is not empty and all ASCII.
#[inline(never)]
fn readable(value: Option<&[u8]>) -> Option<&[u8]> {
    value.filter(|value| !value.is_empty() && is_ascii(value))
}

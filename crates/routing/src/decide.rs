//! From a request to a decision.

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
use crate::decide::search::{Found, insert};
use crate::path::RequestPath;
use crate::request::Head;
use crate::table::RouteTable;
use crate::table::hosts::{self, Membership};
use crate::table::schema::{Cors, NoMatch, Route, Target};

impl RouteTable {
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
        let is_probe = membership != Some(Membership::Exact) && is_network_probe(head, path);
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
            (Found::Found { pattern }, _) => self.apply_route(pattern, head, &path),
            (_, NoMatch::PassThrough) => Decision::Untouched(Untouched::PassThrough),
            (_, NoMatch::Broken) => Decision::Answer(error::broken_table(head)),
            (Found::MethodNotAllowed { allow }, NoMatch::NotFound) => {
                Decision::Answer(error::method_not_allowed(head, allow))
            }
            (Found::NotFound, NoMatch::NotFound) => Decision::Answer(error::not_found(head)),
        }
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
}

/// A pseudo header that can be read: it is there, and all ASCII.
#[inline(never)]
fn readable(value: Option<&[u8]>) -> Option<&[u8]> {
    value.filter(|value| !value.is_empty() && is_ascii(value))
}

/// Knative's own check that a KSVC's host is served: never ours.
fn is_network_probe(head: &Head<'_>, path: &[u8]) -> bool {
    path == b"/healthz" && head.has("k-network-probe")
}

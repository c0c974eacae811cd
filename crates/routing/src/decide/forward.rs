//! What becomes of a request for which a route was found.
//!
//! Most are led to a service and no more. What others need is kept out of line, here as in the rest of the crate: what
//! every request runs through then lies close together, and a processor's cache is shared with all of Envoy.

use std::borrow::Cow;

use crate::bytes::equal;
use crate::decide::decision::{Answer, Decision, Forward, Outcome, Public};
use crate::decide::error;
use crate::decide::headers::{Change, Changes, OwnHeaders};
use crate::decide::template::Filling;
use crate::knative::{self, INTERNAL, is_probe_agent};
use crate::path::{self, Hazard, RequestPath};
use crate::request::Head;
use crate::table::image::NONE;
use crate::table::schema::{Response, Route, RouteExtras, Settings, StringId, Target, Template};
use crate::table::{Chosen, RouteTable};

/// A request with its route.
struct Routed<'r, 'a> {
    head: &'r Head<'a>,
    path: &'r RequestPath<'a>,
    filling: Filling<'a>,
    extras: RouteExtras,
}

impl RouteTable {
    pub(crate) fn apply_route<'a>(&'a self, pattern: u32, head: &Head<'a>, path: &RequestPath<'a>) -> Decision<'a> {
        let Some(route) = self.route(pattern) else {
            return Decision::Answer(error::broken_table(head));
        };
        match route.target {
            Target::Forward(authority) if !self.has_extras(route, head) => {
                Decision::Forward(self.forwarded(authority, self.chosen(pattern, route, path), head))
            }
            _ => self.apply_route_in_full(pattern, route, head, path),
        }
    }

    fn forwarded<'a>(&'a self, authority: StringId, chosen: Chosen<'a>, head: &Head<'a>) -> Forward<'a> {
        Forward {
            chosen,
            authority: self.strings.bytes(authority),
            forwarded_host: head.authority.unwrap_or_default(),
            changes: Vec::new(),
            response: None,
        }
    }

    /// Whether a route that leads to a service may do more to a request, or its response, than to lead it there.
    fn has_extras(&self, route: Route, head: &Head<'_>) -> bool {
        let Settings { strip_base, strip_internal, plans_responses, request_headers, .. } = &self.settings;
        let by_table = *strip_base || *plans_responses || !request_headers.is_empty();
        by_table || route.extras != NONE || (*strip_internal && head.may_be_internal)
    }

    #[inline(never)]
    fn apply_route_in_full<'a>(
        &'a self,
        pattern: u32,
        route: Route,
        head: &Head<'a>,
        path: &RequestPath<'a>,
    ) -> Decision<'a> {
        let chosen = self.chosen(pattern, route, path);
        let routed = Routed { head, path, filling: Filling::new(chosen), extras: self.extras(route) };
        let answer = match route.target {
            Target::Forward(authority) => {
                let mut forward = self.forwarded(authority, chosen, head);
                match self.apply_extras(authority, &routed, &mut forward) {
                    Ok(()) => return Decision::Forward(forward),
                    Err(hazard) => Err(hazard),
                }
            }
            Target::Redirect(to, status) => self.redirect(to, status, &routed),
            Target::Respond(response) => self.respond_with(self.responses.get(response), &routed),
            Target::Broken => Ok(error::broken_route(head, chosen)),
        };
        Decision::Answer(answer.unwrap_or_else(|hazard| error::unsafe_rewrite(head, chosen, hazard)))
    }

    /// What is to become of the request's path, other headers and response.
    fn apply_extras<'a>(
        &'a self,
        authority: StringId,
        routed: &Routed<'_, 'a>,
        forward: &mut Forward<'a>,
    ) -> Result<(), Hazard> {
        let Routed { head, filling, extras, .. } = routed;
        if extras.rewrite.is_some() || self.settings.strip_base {
            self.change_path(routed, &mut forward.changes)?;
        }
        if self.settings.strip_internal {
            strip_internal(head, &mut forward.changes);
        }
        self.change_request(routed, &mut forward.changes)?;
        if self.settings.plans_responses {
            // What `rewritePath` has made of a path can't be undone in a location.
            let has_location = self.settings.rewrite_location && extras.rewrite.is_none();
            let location = has_location.then(|| Public::of(head, authority, self.settings.strip_base));
            forward.response = self.plan_response(head, filling, extras, location)?;
        }
        Ok(())
    }

    /// To the path of `rewritePath`, or what is below `basePath`.
    #[inline(never)]
    fn change_path<'a>(&'a self, routed: &Routed<'_, 'a>, changes: &mut Vec<Change<'a>>) -> Result<(), Hazard> {
        let Routed { head, path, filling, extras } = routed;
        let forwarded = match extras.rewrite {
            Some(template) => {
                let rewritten = template.render(&self.strings, filling)?.unwrap_or_default();
                if let (true, Some(hazard)) = (self.settings.reject_unsafe, path::hazard(&rewritten)) {
                    return Err(hazard);
                }
                rewritten
            }
            None => match self.base.strip(path.raw) {
                b"" => b"/".to_vec(),
                below => below.to_vec(),
            },
        };
        let (forwarded, whole_path) = (with_query(forwarded, path.query), head.path.unwrap_or_default());
        if forwarded != whole_path {
            changes.push(Change::Set(":path", forwarded.into()));
            changes.push(Change::Set("x-envoy-original-path", whole_path.into()));
        }
        if extras.rewrite.is_none() {
            changes.push(Change::Set("x-forwarded-prefix", self.base.normal.as_bytes().into()));
        }
        Ok(())
    }

    /// Carries the user's operations out on the headers of a routed request.
    #[inline(never)]
    fn change_request<'a>(&'a self, routed: &Routed<'_, 'a>, changes: &mut Vec<Change<'a>>) -> Result<(), Hazard> {
        let operations = [self.settings.request_headers, routed.extras.request_headers];
        if operations.iter().all(|span| span.is_empty()) {
            return Ok(());
        }
        let mut changes = Changes::new(routed.head.headers(), changes);
        for operation in operations.map(|span| self.operations.span(span)).into_iter().flatten() {
            if let Some(rendered) = operation.render(&self.strings, &routed.filling)? {
                changes.carry_out(&self.strings, rendered);
            }
        }
        // A client may have chosen what a template has made of the path.
        if self.settings.strip_internal && changes.written("user-agent").any(knative::is_probe_agent) {
            changes.remove("user-agent");
        }
        Ok(())
    }

    #[inline(never)]
    fn redirect<'a>(&'a self, to: Template, status: u16, routed: &Routed<'_, 'a>) -> Result<Answer<'a>, Hazard> {
        let location = to.render(&self.strings, &routed.filling)?.unwrap_or_default();
        // A captured `/` behind a leading one would name a host: `//evil.example`.
        // So would a control byte between the two, which browsers leave out.
        if matches!(location.get(..2), Some(b"//" | b"/\\")) {
            return Err(Hazard::EmptySegment);
        }
        if location.iter().any(u8::is_ascii_control) {
            return Err(Hazard::InvalidByte);
        }
        let location = match location.contains(&b'?') {
            true => location,
            false => with_query_before_fragment(location, routed.path.query),
        };
        let headers = vec![(Cow::Borrowed("location"), location.into())];
        self.decorated(Outcome::Redirect, status, headers, b"", routed)
    }

    #[inline(never)]
    fn respond_with<'a>(&'a self, response: Option<Response>, routed: &Routed<'_, 'a>) -> Result<Answer<'a>, Hazard> {
        let Some(Response { status, headers, body }) = response else {
            return Ok(error::broken_route(routed.head, routed.filling.chosen));
        };
        let header = |(name, value): (&'a str, &'a str)| (name.into(), value.as_bytes().into());
        let headers = self.strings.pairs(headers).map(header).collect();
        self.decorated(Outcome::Respond, status, headers, self.strings.bytes(body), routed)
    }

    /// The answer of a route, to which is done what would be done to a service's.
    fn decorated<'a>(
        &self,
        outcome: Outcome,
        status: u16,
        mut headers: OwnHeaders<'a>,
        body: &'a [u8],
        routed: &Routed<'_, 'a>,
    ) -> Result<Answer<'a>, Hazard> {
        if self.settings.plans_responses
            && let Some(plan) = self.plan_response(routed.head, &routed.filling, &routed.extras, None)?
        {
            self.respond_by_itself(&plan, &mut headers);
        }
        let chosen = Some(routed.filling.chosen);
        Ok(Answer { outcome, chosen, status, headers, body: body.into(), grpc_status: None })
    }
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

/// Removes the internal headers that a request has.
#[inline(never)]
fn strip_internal(head: &Head<'_>, changes: &mut Vec<Change<'_>>) {
    if !head.may_be_internal {
        return;
    }
    for (name, value) in head.headers() {
        let internal = match name.first() {
            Some(b'k') => INTERNAL.iter().find(|known| equal(name, known.as_bytes())).copied(),
            Some(b'u') if equal(name, b"user-agent") && is_probe_agent(value) => Some("user-agent"),
            _ => None,
        };
        if let Some(known) = internal {
            let change = Change::Remove(known);
            if !changes.contains(&change) {
                changes.push(change);
            }
        }
    }
}

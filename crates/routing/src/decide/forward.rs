//! Applies a route to the request for which it was found.
//!
//! Most requests are forwarded to a service and nothing else is done to them. The code for the other ones is kept out
//! of line with `#[inline(never)]`, here and in the rest of the crate: the code that every request runs through then
//! lies close together, and takes less of the processor's cache, which all of Envoy shares.

use std::borrow::Cow;

use crate::bytes::equal;
use crate::decide::decision::{Answer, Decision, Forward, Outcome, PublicUrl, TargetAuthority};
use crate::decide::error;
use crate::decide::headers::{AnswerHeaders, Change, Changes};
use crate::decide::template::TemplateValues;
use crate::knative::{INTERNAL_HEADERS, is_probe_agent};
use crate::path::{self, Hazard, RequestPath};
use crate::request::Head;
use crate::table::image::NO_INDEX;
use crate::table::schema::{Part, Response, Route, RouteExtras, Settings, Target, Template};
use crate::table::{Chosen, RouteTable};

/// A request and the route that was found for it.
struct Routed<'r, 'a> {
    head: &'r Head<'a>,
    path: &'r RequestPath<'a>,
    values: TemplateValues<'a>,
    extras: RouteExtras,
}

impl RouteTable {
    /// Applies the route of a pattern to a request.
    pub(crate) fn apply_route<'a>(&'a self, pattern: u32, head: &Head<'a>, path: &RequestPath<'a>) -> Decision<'a> {
        let Some(route) = self.route(pattern) else {
            return self.answer(error::broken_table(head), head, self.settings.cors);
        };
        match route.target {
            Target::Forward(authority) if !self.has_extras(route, head) => {
                let authority = Cow::Borrowed(self.strings.bytes(authority));
                Decision::Forward(forward_to(authority, self.chosen(pattern, route, path), head))
            }
            _ => self.apply_route_in_full(pattern, route, head, path),
        }
    }

    /// Returns whether a request that is forwarded by a route, or its response, may need other changes too.
    fn has_extras(&self, route: Route, head: &Head<'_>) -> bool {
        let Settings { strip_base, strip_internal, plans_responses, request_headers, .. } = &self.settings;
        let by_table = *strip_base || *plans_responses || !request_headers.is_empty();
        let by_client = head.has_forwarding_claim || (*strip_internal && head.may_have_internal_headers);
        by_table || by_client || route.extras != NO_INDEX
    }

    /// Applies a route of any kind to a request.
    #[inline(never)]
    fn apply_route_in_full<'a>(
        &'a self,
        pattern: u32,
        route: Route,
        head: &Head<'a>,
        path: &RequestPath<'a>,
    ) -> Decision<'a> {
        let chosen = self.chosen(pattern, route, path);
        let routed = Routed { head, path, values: TemplateValues::new(chosen), extras: self.extras(route) };
        let error = |answer| self.answer(answer, head, routed.extras.cors);
        let decision = match route.target {
            Target::Forward(authority) => self.forward(TargetAuthority::Literal(authority), &routed),
            Target::Captured(host) => match self.captured_host(host, &routed.values) {
                Ok(Some(host)) => self.forward(TargetAuthority::Rendered(host.into()), &routed),
                Ok(None) => Ok(error(error::no_such_service(head, chosen))),
                Err(hazard) => Err(hazard),
            },
            Target::Redirect(to, status) => self.redirect(to, status, &routed).map(Decision::Answer),
            Target::Respond(response) => self.respond_with(self.responses.get(response), &routed).map(Decision::Answer),
            Target::Broken => Ok(error(error::broken_route(head, chosen))),
        };
        decision.unwrap_or_else(|hazard| error(error::unsafe_rewrite(head, chosen, hazard)))
    }

    /// Returns whether the path of a request names no service, although a route was chosen that could forward it.
    pub(crate) fn is_missing(&self, route: Route, chosen: Chosen<'_>) -> bool {
        let Target::Captured(host) = route.target else { return false };
        !matches!(self.captured_host(host, &TemplateValues::new(chosen)), Ok(Some(_)))
    }

    /// Forwards a request to an authority, with all changes that the table and the route make.
    fn forward<'a>(&'a self, target: TargetAuthority, routed: &Routed<'_, 'a>) -> Result<Decision<'a>, Hazard> {
        let authority = match &target {
            TargetAuthority::Literal(id) => Cow::Borrowed(self.strings.bytes(*id)),
            TargetAuthority::Rendered(authority) => Cow::Owned(authority.to_vec()),
        };
        let mut forward = forward_to(authority, routed.values.chosen, routed.head);
        self.apply_extras(target, routed, &mut forward)?;
        Ok(Decision::Forward(forward))
    }

    /// Adds the changes to the request's path and other headers, and the plan for its response.
    fn apply_extras<'a>(
        &'a self,
        target: TargetAuthority,
        routed: &Routed<'_, 'a>,
        forward: &mut Forward<'a>,
    ) -> Result<(), Hazard> {
        let Routed { head, values, extras, .. } = routed;
        let mut prefix = Some(Cow::Borrowed(&b""[..]));
        if extras.rewrite.is_some() || self.settings.strip_base {
            prefix = self.stripped_prefix(routed);
            self.change_path(routed, &mut forward.changes)?;
            if let Some(prefix) = prefix.as_ref().filter(|prefix| !prefix.is_empty()) {
                forward.changes.push(Change::Set("x-forwarded-prefix", prefix.clone()));
            }
        }
        self.remove_clients_headers(head, &mut forward.changes);
        self.change_request(routed, &mut forward.changes)?;
        if self.settings.plans_responses {
            let prefix = prefix.filter(|_| self.settings.rewrite_location);
            let location = prefix.map(|prefix| PublicUrl::new(head, target, &prefix));
            forward.response = self.plan_response(head, values, extras, location)?;
        }
        Ok(())
    }

    /// Returns the part of the path that is taken off before the request is forwarded, in normal form: `basePath`, or
    /// what stands before `{*rest}` if `rewritePath` is just `/{rest}`. Returns `None` if `rewritePath` makes another
    /// path, which can't be turned back.
    fn stripped_prefix<'a>(&'a self, routed: &Routed<'_, 'a>) -> Option<Cow<'a, [u8]>> {
        let Routed { path, values, extras, .. } = routed;
        let Some(template) = extras.rewrite else {
            return Some(self.base.normal.as_bytes().into());
        };
        let mut parts = self.strings.parts(template);
        let (Some(Part::Literal(slash)), Some(Part::Capture(name)), None) = (parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let rest = values.chosen.rest().filter(|(rest, _)| *rest == name && self.strings.bytes(slash) == b"/");
        let before = path.raw.strip_suffix(rest?.1)?;
        let prefix = RequestPath::read(before.strip_suffix(b"/").unwrap_or(before)).normal;
        // A prefix that begins with two slashes would make a location that names another host.
        (!prefix.starts_with(b"//")).then_some(prefix)
    }

    /// Changes the path to that of `rewritePath`, or removes `basePath` from it.
    #[inline(never)]
    fn change_path<'a>(&'a self, routed: &Routed<'_, 'a>, changes: &mut Vec<Change<'a>>) -> Result<(), Hazard> {
        let Routed { head, path, values, extras } = routed;
        let forwarded = match extras.rewrite {
            Some(template) => {
                let rewritten = template.render(&self.strings, values)?.unwrap_or_default();
                if let Some(hazard) = self.settings.unsafe_paths.refuse(path::hazard(&rewritten), &rewritten) {
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
        Ok(())
    }

    /// Removes the headers that a client must not choose: those with which it could claim another public URL, those that
    /// are internal to Knative, and the `user-agent` of a probe. Those that are already set need no removal.
    #[inline(never)]
    fn remove_clients_headers<'a>(&self, head: &Head<'a>, changes: &mut Vec<Change<'a>>) {
        let strip_internal = self.settings.strip_internal && head.may_have_internal_headers;
        if !head.has_forwarding_claim && !strip_internal {
            return;
        }
        for (name, value) in head.headers() {
            let removed = match name.first() {
                Some(b'f') if equal(name, b"forwarded") => Some("forwarded"),
                Some(b'x') if equal(name, b"x-forwarded-prefix") => Some("x-forwarded-prefix"),
                Some(b'k') if strip_internal => {
                    INTERNAL_HEADERS.iter().find(|known| equal(name, known.as_bytes())).copied()
                }
                Some(b'u') if strip_internal && equal(name, b"user-agent") && is_probe_agent(value) => {
                    Some("user-agent")
                }
                _ => None,
            };
            if let Some(removed) = removed.filter(|removed| !changes.iter().any(|change| change.name() == *removed)) {
                changes.push(Change::Remove(removed));
            }
        }
    }

    /// Applies `requestHeaders` of the table and of the route.
    #[inline(never)]
    fn change_request<'a>(&'a self, routed: &Routed<'_, 'a>, changes: &mut Vec<Change<'a>>) -> Result<(), Hazard> {
        let operations = [self.settings.request_headers, routed.extras.request_headers];
        if operations.iter().all(|span| span.is_empty()) {
            return Ok(());
        }
        let mut changes = Changes::new(routed.head.headers(), changes);
        for operation in operations.map(|span| self.operations.span(span)).into_iter().flatten() {
            if let Some(operation) = operation.render(&self.strings, &routed.values)? {
                changes.apply(&self.strings, operation);
            }
        }
        // A template may have made the value of the path, which the client has chosen.
        if self.settings.strip_internal && changes.new_values("user-agent").any(is_probe_agent) {
            changes.remove("user-agent");
        }
        Ok(())
    }

    /// Answers with a redirect. The request's query is kept, unless the location has one.
    #[inline(never)]
    fn redirect<'a>(&'a self, to: Template, status: u16, routed: &Routed<'_, 'a>) -> Result<Answer<'a>, Hazard> {
        let location = to.render(&self.strings, &routed.values)?.unwrap_or_default();
        // A location that begins with `//` names a host, such as `//evil.example`. A captured value that begins with a
        // slash could make one. So could a control byte between the two slashes, because browsers remove it.
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
        self.finish_answer(Outcome::Redirect, status, headers, b"", routed)
    }

    /// Answers as `respond` of the route says.
    #[inline(never)]
    fn respond_with<'a>(&'a self, response: Option<Response>, routed: &Routed<'_, 'a>) -> Result<Answer<'a>, Hazard> {
        let Some(Response { status, headers, body }) = response else {
            return Ok(error::broken_route(routed.head, routed.values.chosen));
        };
        let header = |(name, value): (&'a str, &'a str)| (name.into(), value.as_bytes().into());
        let headers = self.strings.pairs(headers).map(header).collect();
        self.finish_answer(Outcome::Respond, status, headers, self.strings.bytes(body), routed)
    }

    /// Returns the answer of a route, with the changes that the response of a service would get.
    fn finish_answer<'a>(
        &self,
        outcome: Outcome,
        status: u16,
        mut headers: AnswerHeaders<'a>,
        body: &'a [u8],
        routed: &Routed<'_, 'a>,
    ) -> Result<Answer<'a>, Hazard> {
        if self.settings.plans_responses
            && let Some(plan) = self.plan_response(routed.head, &routed.values, &routed.extras, None)?
        {
            self.apply_to_own_response(&plan, &mut headers);
        }
        let chosen = Some(routed.values.chosen);
        Ok(Answer { outcome, chosen, status, headers, body: body.into(), grpc_status: None })
    }
}

/// Returns the decision to forward a request to an authority, without other changes.
fn forward_to<'a>(authority: Cow<'a, [u8]>, chosen: Chosen<'a>, head: &Head<'a>) -> Forward<'a> {
    let forwarded_host = head.authority.unwrap_or_default();
    Forward { chosen, authority, forwarded_host, changes: Vec::new(), response: None }
}

/// Appends a query to a path.
fn with_query(mut path: Vec<u8>, query: Option<&[u8]>) -> Vec<u8> {
    if let Some(query) = query {
        path.push(b'?');
        path.extend_from_slice(query);
    }
    path
}

/// Inserts a query into a location, before its fragment.
fn with_query_before_fragment(mut location: Vec<u8>, query: Option<&[u8]>) -> Vec<u8> {
    let at = location.iter().position(|&b| b == b'#').unwrap_or(location.len());
    let fragment = location.split_off(at);
    let mut location = with_query(location, query);
    location.extend(fragment);
    location
}

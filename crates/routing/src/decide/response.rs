//! What becomes of a response: planned with the request, carried out when the response's head comes.

use crate::decide::decision::{Granted, Public, ResponsePlan};
use crate::decide::headers::{Change, Changes, OwnHeaders, apply};
use crate::decide::template::Filling;
use crate::path::Hazard;
use crate::request::Head;
use crate::table::schema::{Cors, RouteExtras, StringId};
use crate::table::{RouteTable, hosts};

impl Public {
    #[inline(never)]
    pub(crate) fn of(head: &Head<'_>, target: StringId, stripped: bool) -> Self {
        let authority = head.authority.unwrap_or_default();
        let bare = hosts::without_port(authority);
        let port = authority.get(bare.len()..).and_then(|tail| tail.strip_prefix(b":"));
        let has_port = port.is_some_and(|port| (1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit));
        // What Envoy or a proxy before it has seen; a list begins with the client's own.
        let forwarded = head.values("x-forwarded-proto").next().and_then(|list| list.split(|&b| b == b',').next());
        let scheme = [forwarded, head.values(":scheme").next()].into_iter().flatten().map(<[u8]>::trim_ascii);
        let mut known = scheme.filter_map(|scheme| match scheme {
            _ if scheme.eq_ignore_ascii_case(b"http") => Some("http"),
            _ if scheme.eq_ignore_ascii_case(b"https") => Some("https"),
            _ => None,
        });
        let scheme = known.next().unwrap_or("https");
        Public {
            scheme,
            authority: if has_port { authority } else { bare }.into(),
            target,
            stripped,
            asked: head.path.filter(|_| scheme == "http").map(Box::from),
        }
    }
}

impl RouteTable {
    /// What is to become of the response of a chosen route; `None` where it stays as it comes.
    #[inline(never)]
    pub(crate) fn plan_response(
        &self,
        head: &Head<'_>,
        filling: &Filling<'_>,
        extras: &RouteExtras,
        location: Option<Public>,
    ) -> Result<Option<Box<ResponsePlan>>, Hazard> {
        let mut operations = Vec::new();
        for operation in [self.settings.response_headers, extras.response_headers]
            .map(|span| self.operations.span(span))
            .into_iter()
            .flatten()
        {
            operations.extend(operation.render(&self.strings, filling)?);
        }
        let plan = ResponsePlan { location, operations, cors: self.granted(head, extras.cors) };
        let has_use = plan.location.is_some() || !plan.operations.is_empty() || plan.cors.is_some();
        Ok(has_use.then(|| Box::new(plan)))
    }

    /// Carries a plan out on an answer of the filter's own.
    pub(crate) fn respond_by_itself(&self, plan: &ResponsePlan, headers: &mut OwnHeaders<'_>) {
        let there = headers.iter().map(|(name, value)| (name.as_bytes(), &**value)).collect::<Vec<_>>();
        let changes = self.respond(plan, &there);
        apply(changes, headers);
    }

    /// What becomes of the filter's own answer where no route was chosen, or a route that can't answer.
    pub(crate) fn plan_of_fault(&self, head: &Head<'_>, cors: Cors) -> Option<ResponsePlan> {
        let cors = self.granted(head, cors)?;
        Some(ResponsePlan { location: None, operations: Vec::new(), cors: Some(cors) })
    }

    fn granted(&self, head: &Head<'_>, cors: Cors) -> Option<Granted> {
        let Cors::On(policy) = cors else { return None };
        let origin = self.policies.get(policy)?.granted(&self.strings, head.values("origin").next());
        Some(Granted { policy, origin })
    }

    /// The changes to a response's headers, whose names are in lower case, as Envoy has them.
    pub fn respond<'r>(&'r self, plan: &'r ResponsePlan, headers: &[(&[u8], &[u8])]) -> Vec<Change<'r>> {
        let mut list = Vec::new();
        let mut changes = Changes::new(headers, &mut list);
        if let Some(public) = &plan.location {
            let location = headers.iter().find(|(name, _)| *name == b"location");
            if let Some(back) = location.and_then(|(_, location)| self.turned_back(location, public)) {
                changes.set("location", back.into());
            }
        }
        for operation in &plan.operations {
            changes.carry_out(&self.strings, operation.borrowed());
        }
        if let Some(Granted { policy, origin }) = &plan.cors
            && let Some(policy) = self.policies.get(*policy)
        {
            policy.decorate(&self.strings, origin.as_deref(), &mut changes);
        }
        list
    }

    /// A location as the client can follow it; `None` where it can as it is.
    fn turned_back(&self, location: &[u8], public: &Public) -> Option<Vec<u8>> {
        // A service that heeds `x-forwarded-prefix` has put the base path in front already.
        let prefix = |path: &[u8]| {
            let alone = path.split(|b| matches!(b, b'?' | b'#')).next().unwrap_or_default();
            if public.stripped && !self.base.holds(alone) { self.base.normal.as_bytes() } else { b"" }
        };
        let Some(rest) = behind_scheme(location) else {
            let missing = if location.first() == Some(&b'/') { prefix(location) } else { b"" };
            return (!missing.is_empty()).then(|| [missing, location].concat());
        };
        let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        let target = hosts::without_port(self.strings.bytes(public.target));
        // Whatever the port: containers listen on others than the gateway. What has a user is no host alone.
        if authority.contains(&b'@') || !hosts::without_port(authority).eq_ignore_ascii_case(target) {
            return None;
        }
        let path = [prefix(path), path].concat();
        // From http to the same on https, as a gateway with `httpsRedirect` answers: with http it would go in a circle.
        let is_upgrade = location.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"https"))
            && public.asked.as_deref() == Some(&path);
        let scheme = if is_upgrade { "https" } else { public.scheme };
        Some([scheme.as_bytes(), b"://", &public.authority, &path].concat())
    }
}

/// What stands behind `http://`, `https://` or `//`.
fn behind_scheme(location: &[u8]) -> Option<&[u8]> {
    let rest = [&b"https:"[..], b"http:", b""].into_iter().find_map(|scheme| {
        let (start, rest) = location.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })?;
    rest.strip_prefix(b"//")
}

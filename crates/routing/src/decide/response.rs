//! Changes to responses.
//!
//! What has to be done with a response is planned with the request, as a [`ResponsePlan`]. [`RouteTable::respond`]
//! turns the plan into changes when the response headers arrive. The filter's own answers get the same changes at once.

use crate::bytes::strip_prefix;
use crate::decide::decision::{CorsPlan, PublicUrl, ResponsePlan, TargetAuthority};
use crate::decide::headers::{AnswerHeaders, Change, Changes, apply_changes};
use crate::decide::template::TemplateValues;
use crate::path::{Hazard, RequestPath};
use crate::request::Head;
use crate::table::schema::{Cors, RouteExtras};
use crate::table::{RouteTable, hosts};

impl PublicUrl {
    /// Returns the public URL of a request. `target` is the authority to which it is forwarded, and `prefix` the part
    /// of its path that is taken off.
    #[inline(never)]
    pub(crate) fn new(head: &Head<'_>, target: TargetAuthority, prefix: &[u8]) -> Self {
        let authority = head.authority.unwrap_or_default();
        // `x-forwarded-proto` has the scheme that Envoy, or a proxy before it, has seen. In a list of several, the
        // first one is that of the client.
        let forwarded = head.values("x-forwarded-proto").next().and_then(|list| list.split(|&b| b == b',').next());
        let schemes = [forwarded, head.values(":scheme").next()].into_iter().flatten().map(<[u8]>::trim_ascii);
        let mut known = schemes.filter_map(|scheme| match scheme {
            _ if scheme.eq_ignore_ascii_case(b"http") => Some("http"),
            _ if scheme.eq_ignore_ascii_case(b"https") => Some("https"),
            _ => None,
        });
        let scheme = known.next().unwrap_or("https");
        PublicUrl {
            scheme,
            authority: if port(authority).is_some() { authority } else { hosts::strip_port(authority) }.into(),
            target,
            prefix: prefix.into(),
            http_path: head.path.filter(|_| scheme == "http").map(Box::from),
        }
    }

    /// Puts the prefix in front of a path, with or without its query, if the prefix was taken off and is not there yet: a
    /// service that respects `x-forwarded-prefix` has put it there. Returns `None` if the path stays as it is.
    fn with_prefix(&self, path: &[u8]) -> Option<Vec<u8>> {
        let alone = path.split(|b| matches!(b, b'?' | b'#')).next().unwrap_or_default();
        let normal = RequestPath::read(alone).normal;
        let is_there = matches!(strip_prefix(&normal, &self.prefix).map(<[u8]>::first), Some(None | Some(b'/')));
        (!is_there).then(|| [&self.prefix, path].concat())
    }
}

impl RouteTable {
    /// Plans the response of a chosen route. Returns `None` if the response stays as it is.
    #[inline(never)]
    pub(crate) fn plan_response(
        &self,
        head: &Head<'_>,
        values: &TemplateValues<'_>,
        extras: &RouteExtras,
        location: Option<PublicUrl>,
    ) -> Result<Option<Box<ResponsePlan>>, Hazard> {
        let mut operations = Vec::new();
        for operation in [self.settings.response_headers, extras.response_headers]
            .map(|span| self.operations.span(span))
            .into_iter()
            .flatten()
        {
            operations.extend(operation.render(&self.strings, values)?);
        }
        let plan = ResponsePlan { location, operations, cors: self.plan_cors(head, extras.cors) };
        let changes_something = plan.location.is_some() || !plan.operations.is_empty() || plan.cors.is_some();
        Ok(changes_something.then(|| Box::new(plan)))
    }

    /// Applies a plan to the headers of an answer of the filter.
    pub(crate) fn apply_to_own_response(&self, plan: &ResponsePlan, headers: &mut AnswerHeaders<'_>) {
        let borrowed = headers.iter().map(|(name, value)| (name.as_bytes(), &**value)).collect::<Vec<_>>();
        let changes = self.respond(plan, &borrowed);
        apply_changes(changes, headers);
    }

    /// Plans a response of the filter itself, which is not that of a route. It gets CORS headers only. Returns `None` if
    /// CORS is off.
    pub(crate) fn plan_own_response(&self, head: &Head<'_>, cors: Cors) -> Option<ResponsePlan> {
        let cors = self.plan_cors(head, cors)?;
        Some(ResponsePlan { location: None, operations: Vec::new(), cors: Some(cors) })
    }

    /// Plans the CORS headers of a response. Returns `None` if CORS is off.
    fn plan_cors(&self, head: &Head<'_>, cors: Cors) -> Option<CorsPlan> {
        let Cors::On(policy) = cors else { return None };
        let origin = head.values("origin").next();
        let allowed_origin = self.policies.get(policy)?.allowed_origin(&self.strings, origin);
        Some(CorsPlan { policy, allowed_origin })
    }

    /// Returns the changes to the headers of a response, in the order in which they have to be made.
    ///
    /// `plan` is the [`response`](crate::Forward::response) of the decision on the request. `headers` are those of the
    /// response. Their names are in lower case, as Envoy passes them.
    ///
    /// ```
    /// use ksvc_routing::{Change, Decision, Head, compile};
    ///
    /// let document = br#"{
    ///     "hosts": ["api.example.com"], "domain": "example.com", "namespace": "shop",
    ///     "responseHeaders": {"remove": ["x-powered-by"]},
    ///     "routes": [{"match": "GET /orders/{id}", "service": "orders"}]
    /// }"#;
    /// let table = compile(document).table;
    ///
    /// let headers: Vec<(&[u8], &[u8])> =
    ///     vec![(b":method", b"GET"), (b":authority", b"api.example.com"), (b":path", b"/orders/42")];
    /// let Decision::Forward(forward) = table.decide(&Head::read(&headers), || false) else { panic!("not forwarded") };
    ///
    /// let plan = forward.response.expect("the table changes responses");
    /// let changes = table.respond(&plan, &[(b":status", b"200"), (b"x-powered-by", b"PHP")]);
    /// assert_eq!(changes, [Change::Remove("x-powered-by")]);
    /// ```
    pub fn respond<'r>(&'r self, plan: &'r ResponsePlan, headers: &[(&[u8], &[u8])]) -> Vec<Change<'r>> {
        let mut list = Vec::new();
        let mut changes = Changes::new(headers, &mut list);
        if let Some(public) = &plan.location {
            let location = headers.iter().find(|(name, _)| *name == b"location");
            if let Some(location) = location.and_then(|(_, location)| self.public_location(location, public)) {
                changes.set("location", location.into());
            }
        }
        for operation in &plan.operations {
            changes.apply(&self.strings, operation.reborrow());
        }
        if let Some(CorsPlan { policy, allowed_origin }) = &plan.cors
            && let Some(policy) = self.policies.get(*policy)
        {
            policy.set_response_headers(&self.strings, allowed_origin.as_deref(), &mut changes);
        }
        list
    }

    /// Returns the public form of a location, which the client can follow. Returns `None` if the location can stay as
    /// it is.
    fn public_location(&self, location: &[u8], public: &PublicUrl) -> Option<Vec<u8>> {
        let Some((scheme, rest)) = split_scheme(location) else {
            return public.with_prefix(location).filter(|_| location.first() == Some(&b'/'));
        };
        let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        // An authority with a user is not a host alone, so it stays.
        if authority.contains(&b'@') {
            return None;
        }
        let host = hosts::strip_port(authority);
        // Ports are not compared, because containers listen on other ports than the gateway.
        let target = match &public.target {
            TargetAuthority::Literal(id) => self.strings.bytes(*id),
            TargetAuthority::Rendered(authority) => authority,
        };
        if !host.eq_ignore_ascii_case(hosts::strip_port(target)) {
            // A service that makes locations from `x-forwarded-host` has used the public host itself.
            let scheme = if scheme.is_empty() { public.scheme } else { scheme };
            let is_own = host.eq_ignore_ascii_case(hosts::strip_port(&public.authority))
                && port_beside(authority, scheme) == port_beside(&public.authority, public.scheme);
            let start = location.get(..location.len() - path.len()).filter(|_| is_own)?;
            return public.with_prefix(path).map(|path| [start, &path].concat());
        }
        let path = public.with_prefix(path).unwrap_or_else(|| path.to_vec());
        // The redirect leads from http to the same URL on https, as that of a gateway with `httpsRedirect` does. With
        // http in its place, the client would be redirected in a circle.
        let is_upgrade = scheme == "https" && public.http_path.as_deref() == Some(&path);
        let scheme = if is_upgrade { "https" } else { public.scheme };
        Some([scheme.as_bytes(), b"://", &public.authority, &path].concat())
    }
}

/// Splits a location after `http://`, `https://` or `//`. Returns the scheme, which is empty for `//`, and the rest.
/// Returns `None` if it does not begin with one of these.
fn split_scheme(location: &[u8]) -> Option<(&'static str, &[u8])> {
    let (scheme, rest) = ["https", "http", ""].into_iter().find_map(|scheme| {
        let (start, rest) = location.split_at_checked(scheme.len())?;
        let rest = if scheme.is_empty() { rest } else { rest.strip_prefix(b":")? };
        start.eq_ignore_ascii_case(scheme.as_bytes()).then_some((scheme, rest))
    })?;
    Some((scheme, rest.strip_prefix(b"//")?))
}

/// Returns the port of an authority; `None` if it has none.
fn port(authority: &[u8]) -> Option<&[u8]> {
    let tail = authority.get(hosts::strip_port(authority).len()..)?;
    let port = tail.strip_prefix(b".").unwrap_or(tail).strip_prefix(b":")?;
    ((1..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit)).then_some(port)
}

/// Returns the port of an authority, unless it is the default port of the scheme.
fn port_beside<'a>(authority: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    port(authority).filter(|port| !matches!((scheme, *port), ("http", b"80") | ("https", b"443")))
}

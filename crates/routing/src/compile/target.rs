//! Where a route leads: a service, a host, a redirect or an answer.

use std::borrow::Cow;

use super::headers::forbidden_in_answer;
use super::route::Captured;
use super::settings::Defaults;
use super::{At, Compiler};
use crate::compile::host_name;
use crate::compile::template::Literal;
use crate::document::config::Route as RouteConfig;
use crate::document::read::Key;
use crate::problem::{Place, ProblemKind};
use crate::table::hosts;
use crate::table::schema::{RESPONSES, Response, Target, Template};

impl Compiler {
    /// Where the route leads, and with which path; `None` where an error bears on that.
    pub(super) fn target(
        &mut self,
        route: &RouteConfig<'_>,
        captured: &Captured<'_>,
        at: At,
        defaults: &Defaults<'_>,
    ) -> Option<(Target, Option<Template>)> {
        let targets = [
            ("service", route.service.is_present()),
            ("host", route.host.is_present()),
            ("redirect", route.redirect.is_present()),
            ("respond", route.respond.is_present()),
        ];
        // Everything that is written is checked, whatever else is wrong: all errors are reported at once.
        let service = self.service(route, at, defaults);
        let host = self.host(route, at);
        let redirect = self.redirect(route, captured, at);
        let respond = self.respond(route, at);
        let rewrite = match &route.rewrite_path {
            Key::Absent => Some(None),
            Key::Broken(_) => None,
            Key::Set(text) => self.rewrite_path(text, captured, at).map(Some),
        };
        // A target's host stays closed to direct requests, whatever else is wrong with the route.
        for authority in [&service, &host].into_iter().flatten().filter(|_| defaults.deny_direct) {
            self.targets.insert(String::from_utf8_lossy(&hosts::normalize_host(authority.as_bytes())).into_owned());
        }
        let found = || targets.into_iter().filter(|(_, is)| *is).map(|(key, _)| key);
        let target = match (found().next(), found().count()) {
            (None, _) => {
                // A misspelt target has been reported as an unknown key.
                let misspelt = |like: &Option<_>| targets.iter().any(|(target, _)| *like == Some(*target));
                if !route.unknown.iter().any(misspelt) {
                    self.report(at.place(), ProblemKind::NoTarget);
                }
                return None;
            }
            (Some(target), 1) => target,
            _ => {
                self.report(at.place(), ProblemKind::SeveralTargets { found: found().collect() });
                return None;
            }
        };
        let forwards = matches!(target, "service" | "host");
        for (key, is_present, with, belongs) in [
            ("namespace", route.namespace.is_present(), "`service`", target == "service"),
            ("tag", route.tag.is_present(), "`service`", target == "service"),
            ("rewritePath", route.rewrite_path.is_present(), "`service` or `host`", forwards),
            ("requestHeaders", route.request_headers.is_present(), "`service` or `host`", forwards),
        ] {
            if is_present && !belongs {
                self.report(at.key(key), ProblemKind::OnlyWith { key, with });
            }
        }
        let broken = defaults.all_broken
            || forwards && defaults.forwards_broken
            || forwards && defaults.plain_forwards_broken && !route.rewrite_path.is_present();
        if broken {
            return None;
        }
        match target {
            "redirect" => Some((redirect?, None)),
            "respond" => Some((respond?, None)),
            _ => {
                let authority = service.or(host)?;
                Some((Target::Forward(self.builder.shared(&authority)), rewrite?))
            }
        }
    }

    fn service(&mut self, route: &RouteConfig<'_>, at: At, defaults: &Defaults<'_>) -> Option<String> {
        let mut whole = true;
        for (key, value) in [("service", &route.service), ("namespace", &route.namespace), ("tag", &route.tag)] {
            match value {
                Key::Absent => {}
                Key::Broken(_) => whole = false,
                Key::Set(text) if host_name::is_dns_label(text) => {}
                Key::Set(text) => {
                    self.report(at.key(key), ProblemKind::DnsLabel { key, found: text.to_string() });
                    whole = false;
                }
            }
        }
        if !route.service.is_present() {
            return None;
        }
        let namespace = match &route.namespace {
            Key::Absent => &defaults.namespace,
            own => own,
        };
        let template = defaults.host_template.get();
        let needs_namespace = template.is_some_and(|template| template.needs_namespace);
        let needs_domain = template.is_some_and(|template| template.needs_domain);
        if needs_namespace && matches!(namespace, Key::Absent) {
            self.report(at.key("service"), ProblemKind::NoNamespace);
            whole = false;
        }
        if needs_domain && matches!(defaults.domain, Key::Absent) {
            self.report(at.key("service"), ProblemKind::NoDomain);
            whole = false;
        }
        let broken = (needs_namespace && namespace.is_broken()) || (needs_domain && defaults.domain.is_broken());
        if !whole || broken {
            return None;
        }
        let service = route.service.get()?;
        let name = match route.tag.get() {
            Some(tag) => Cow::Owned(format!("{tag}-{service}")),
            None => Cow::Borrowed(&**service),
        };
        let namespace = namespace.get().map_or("", |namespace| namespace);
        let domain = defaults.domain.get().map_or("", |domain| domain);
        let authority = template?.render(&name, namespace, domain);
        // All that it is made of is valid, so that nothing but a length can be wrong.
        if authority.len() > host_name::LABEL && !host_name::is_dns_name(&authority) {
            self.report(at.key("service"), ProblemKind::AuthorityTooLong { authority });
            return None;
        }
        if host_name::is_cluster_local(&authority) {
            self.report(at.key("service"), ProblemKind::ClusterLocalHost { host: authority.clone() });
        }
        Some(authority)
    }

    fn host(&mut self, route: &RouteConfig<'_>, at: At) -> Option<String> {
        let text = route.host.get()?;
        if let Err((reason, write)) = host_name::check_authority(text) {
            self.report(at.key("host"), ProblemKind::TargetHost { found: text.to_string(), reason, write });
            return None;
        }
        let authority = text.to_ascii_lowercase();
        if authority != **text {
            self.report(at.key("host"), ProblemKind::UpperCaseHost { host: text.to_string() });
        }
        if host_name::is_cluster_local(&authority) {
            self.report(at.key("host"), ProblemKind::ClusterLocalHost { host: authority.clone() });
        }
        Some(authority)
    }

    fn rewrite_path(&mut self, text: &str, captured: &Captured<'_>, at: At) -> Option<Template> {
        let mut whole = true;
        if !text.starts_with('/') {
            self.report(at.key("rewritePath"), ProblemKind::RewriteStart { found: text.to_owned() });
            whole = false;
        }
        if let Some(character) = text.chars().find(|c| matches!(c, '?' | '#')) {
            self.report(at.key("rewritePath"), ProblemKind::RewriteQuery { character });
            whole = false;
        }
        self.template(text, Literal::Path, captured, &|| at.key("rewritePath")).filter(|_| whole)
    }

    fn redirect(&mut self, route: &RouteConfig<'_>, captured: &Captured<'_>, at: At) -> Option<Target> {
        let redirect = route.redirect.get()?;
        let place = |key| at.key("redirect").key(key);
        let status = match &redirect.status {
            Key::Absent => Some(308),
            Key::Broken(_) => None,
            Key::Set(status) if matches!(status, 301 | 302 | 303 | 307 | 308) => Some(*status),
            Key::Set(status) => {
                let found = status.to_string();
                self.report(place("status"), ProblemKind::Status { found, allowed: "301, 302, 303, 307 or 308" });
                None
            }
        };
        let text = redirect.to.get()?;
        let fault = check_location(text);
        if let Err((reason, write)) = fault {
            self.report(place("to"), ProblemKind::RedirectTo { found: text.to_string(), reason, write });
        }
        let to = self.template(text, Literal::Verbatim, captured, &|| place("to"))?;
        (fault.is_ok() && redirect.unknown.is_empty()).then_some(Target::Redirect(to, status?))
    }

    fn respond(&mut self, route: &RouteConfig<'_>, at: At) -> Option<Target> {
        let respond = route.respond.get()?;
        let place = |key| at.key("respond").key(key);
        let status = respond.status.get().copied();
        let mut whole = respond.unknown.is_empty() && !respond.body.is_broken();
        if let Some(status) = status {
            if !(200..=599).contains(&status) {
                let found = status.to_string();
                self.report(place("status"), ProblemKind::Status { found, allowed: "a number from 200 to 599" });
                whole = false;
            } else if matches!(status, 204 | 205 | 304) && respond.body.get().is_some_and(|body| !body.is_empty()) {
                self.report(place("body"), ProblemKind::BodyForbidden { status });
                whole = false;
            }
        }
        let (headers, headers_are_whole) = self.headers(&respond.headers, &|| place("headers"), forbidden_in_answer);
        let names: Vec<String> = headers.iter().map(|(name, _)| self.builder.get(*name).to_owned()).collect();
        let pairs = names.iter().zip(&headers).flat_map(|(name, (_, value))| [name.as_str(), value]);
        let headers = self.builder.list(pairs);
        let body = self.builder.add(respond.body.get().map_or("", |body| body));
        if !whole || !headers_are_whole {
            return None;
        }
        Some(Target::Respond(self.builder.image.push(RESPONSES, Response { status: status?, headers, body })))
    }

    /// A template over the names that every pattern of the route captures.
    fn template(
        &mut self,
        text: &str,
        literals: Literal,
        captured: &Captured<'_>,
        place: &dyn Fn() -> Place,
    ) -> Option<Template> {
        let problems = &mut self.reader.problems;
        let faults = &|name: &str| captured.faults(name);
        let mut report = |kind| problems.report(place(), kind);
        Template::compile(text, literals, &mut self.builder, faults, &mut report)
    }
}

/// A redirect's location: a path, or a URL whose scheme and host are literal.
fn check_location(text: &str) -> Result<(), (&'static str, &'static str)> {
    const EXAMPLE: &str = "a path such as `/v2/{id}`, or a URL such as `https://www.example.com/{id}`";
    if text.bytes().any(|b| !(0x21..0x7f).contains(&b) || b == b'\\') {
        return Err((
            "has a space, a backslash, a control or a non-ASCII character, which no URL can have",
            "it percent-encoded",
        ));
    }
    if text.starts_with("//") {
        return Err(("has a host and no scheme", "the scheme too, such as `https://www.example.com/`"));
    }
    if text.starts_with('/') {
        return Ok(());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(("is neither a path nor a URL", EXAMPLE));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if scheme.contains(['{', '}']) || authority.contains(['{', '}']) {
        return Err(("has a captured value in its scheme or host, so a client could choose them", EXAMPLE));
    }
    if !matches!(scheme, "http" | "https") || host_name::check_authority(authority).is_err() {
        return Err(("is not an HTTP URL", EXAMPLE));
    }
    Ok(())
}

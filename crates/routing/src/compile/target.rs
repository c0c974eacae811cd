//! Compiles the target of a route: a service, a host, a redirect or a fixed response.

use super::headers::forbidden_in_answer;
use super::route::CaptureChecker;
use super::service::ServiceHost;
use super::settings::Defaults;
use super::{Compiler, RoutePlace};
use crate::compile::host_name;
use crate::compile::placeholder::{TextPart, TextParts};
use crate::compile::template::TemplateKind;
use crate::document::config::Route as RouteConfig;
use crate::document::read::Key;
use crate::foreign;
use crate::path::{self, Hazard};
use crate::problem::{Place, ProblemKind};
use crate::table::hosts;
use crate::table::schema::{RESPONSES, Response, Target, Template, UnsafePaths};

impl Compiler {
    /// Compiles the target of a route and its `rewritePath`. Returns `None` if an error affects them: one of the route,
    /// or one of the table.
    pub(super) fn target(
        &mut self,
        route: &RouteConfig<'_>,
        captures: &CaptureChecker<'_>,
        place: RoutePlace,
        defaults: &Defaults<'_>,
    ) -> Option<(Target, Option<Template>)> {
        // All keys are checked, even if the route has no single target, so that all errors are reported at once.
        let service = self.service(route, captures, place, defaults);
        let host = self.host(route, place);
        let redirect = self.redirect(route, captures, place);
        let respond = self.respond(route, place);
        let rewrite = match &route.rewrite_path {
            Key::Absent => Some(None),
            Key::Broken(_) | Key::Misspelt => None,
            Key::Set(text) => self.rewrite_path(text, captures, place, defaults).map(Some),
        };
        // Knative's probes of the host of a target pass, and direct requests to it are denied, even if the route has an
        // error.
        if let Some(ServiceHost::Literal(authority)) = &service {
            self.ksvc_hosts.insert(authority.clone());
        }
        if let Some(authority) = &host {
            self.other_hosts.insert(String::from_utf8_lossy(hosts::strip_port(authority.as_bytes())).into_owned());
        }
        let key = self.target_key(route, place)?;
        self.report_misplaced_keys(route, key, place);
        let forwards = is_forwarding(key);
        let broken = defaults.all_broken
            || forwards && defaults.forwards_broken
            || forwards && defaults.plain_forwards_broken && !route.rewrite_path.is_present();
        if broken {
            return None;
        }
        match key {
            "redirect" => Some((redirect?, None)),
            "respond" => Some((respond?, None)),
            _ => {
                let target = match (service, host) {
                    (Some(ServiceHost::Captured(host)), _) => Target::Captured(host),
                    (Some(ServiceHost::Literal(authority)), _) | (None, Some(authority)) => {
                        Target::Forward(self.builder.shared(&authority))
                    }
                    (None, None) => return None,
                };
                Some((target, rewrite?))
            }
        }
    }

    /// Returns the key of the route's target. Reports it if there is none, or more than one.
    fn target_key(&mut self, route: &RouteConfig<'_>, place: RoutePlace) -> Option<&'static str> {
        let targets = [
            ("service", route.service.is_present()),
            ("host", route.host.is_present()),
            ("redirect", route.redirect.is_present()),
            ("respond", route.respond.is_present()),
        ];
        let found: Vec<&str> = targets.into_iter().filter(|(_, is_present)| *is_present).map(|(key, _)| key).collect();
        match &*found {
            [] => {
                // A misspelt target has been reported as an unknown key.
                let misspelt = |like: &Option<_>| targets.iter().any(|(target, _)| *like == Some(*target));
                if !route.unknown.iter().any(misspelt) {
                    self.report(place.place(), ProblemKind::NoTarget);
                }
                None
            }
            [key] => Some(key),
            _ => {
                self.report(place.place(), ProblemKind::SeveralTargets { found });
                None
            }
        }
    }

    /// Reports keys that have no meaning with this target.
    fn report_misplaced_keys(&mut self, route: &RouteConfig<'_>, target: &str, place: RoutePlace) {
        let forwards = is_forwarding(target);
        for (key, is_present, with, belongs) in [
            ("namespace", route.namespace.is_present(), "`service`", target == "service"),
            ("tag", route.tag.is_present(), "`service`", target == "service"),
            ("rewritePath", route.rewrite_path.is_present(), "`service` or `host`", forwards),
            ("timeout", route.timeout.is_present(), "`service` or `host`", forwards),
            ("requestHeaders", route.request_headers.is_present(), "`service` or `host`", forwards),
        ] {
            if is_present && !belongs {
                self.report(place.key(key), ProblemKind::OnlyWith { key, with });
            }
        }
    }

    fn host(&mut self, route: &RouteConfig<'_>, place: RoutePlace) -> Option<String> {
        let text = route.host.get()?;
        if let Err((reason, write)) = host_name::check_authority(text) {
            self.report(place.key("host"), ProblemKind::TargetHost { found: text.to_string(), reason, write });
            return None;
        }
        let authority = text.to_ascii_lowercase();
        if authority != **text {
            self.report(place.key("host"), ProblemKind::UpperCaseHost { host: text.to_string() });
        }
        if host_name::is_cluster_local(&authority) {
            self.report(place.key("host"), ProblemKind::ClusterLocalHost { host: authority.clone() });
        }
        Some(authority)
    }

    fn rewrite_path(
        &mut self,
        text: &str,
        captures: &CaptureChecker<'_>,
        place: RoutePlace,
        defaults: &Defaults<'_>,
    ) -> Option<Template> {
        let mut is_valid = true;
        if !text.starts_with('/') {
            self.report(place.key("rewritePath"), ProblemKind::RewriteStart { found: text.to_owned() });
            is_valid = false;
        }
        if let Some(character) = text.chars().find(|c| matches!(c, '?' | '#')) {
            self.report(place.key("rewritePath"), ProblemKind::RewriteQuery { character });
            is_valid = false;
        }
        if let Some(problem) = foreign::templates::reference(text, &captures.common()) {
            self.report(place.key("rewritePath"), problem);
            return None;
        }
        let place = &|| place.key("rewritePath");
        let template = self.template(text, TemplateKind::Path, captures, place).filter(|_| is_valid)?;
        if !defaults.unsafe_paths_are_unknown {
            let refuse =
                |made: &str, allowing: UnsafePaths| allowing.refuse(path::hazard(made.as_bytes()), made.as_bytes());
            let made = filled(text, |_| SAMPLE);
            if let Some(hazard) = refuse(&made, defaults.unsafe_paths) {
                let with_slashes = refuse(&made, UnsafePaths::AllowEncodedSlash);
                let write = if with_slashes.is_none() { "allowEncodedSlash" } else { "allow" };
                self.report(place(), ProblemKind::RefusedRewrite { reason: hazard.describe(), write });
            } else {
                self.check_empty_rest(text, captures, place, |made| refuse(made, defaults.unsafe_paths));
            }
        }
        Some(template)
    }

    /// Warns if a template makes something that is refused of an empty rest.
    fn check_empty_rest(
        &mut self,
        text: &str,
        captures: &CaptureChecker<'_>,
        place: &dyn Fn() -> Place,
        refuse: impl Fn(&str) -> Option<Hazard>,
    ) {
        let refused = captures.empty_rests().find_map(|(rest, path)| {
            let hazard = refuse(&filled(text, |name| if name == rest { "" } else { SAMPLE }))?;
            let made = text.replace(&format!("{{{rest}}}"), "");
            Some(ProblemKind::EmptyRest { name: rest.into(), path: path.into(), made, reason: hazard.describe() })
        });
        if let Some(kind) = refused {
            self.report(place(), kind);
        }
    }

    fn redirect(
        &mut self,
        route: &RouteConfig<'_>,
        captures: &CaptureChecker<'_>,
        place: RoutePlace,
    ) -> Option<Target> {
        let redirect = route.redirect.get()?;
        let key_place = |key| place.key("redirect").key(key);
        let status = match &redirect.status {
            Key::Absent => Some(308),
            Key::Broken(_) | Key::Misspelt => None,
            Key::Set(status) if matches!(status, 301 | 302 | 303 | 307 | 308) => Some(*status),
            Key::Set(status) => {
                let found = status.to_string();
                self.report(key_place("status"), ProblemKind::Status { found, allowed: "301, 302, 303, 307 or 308" });
                None
            }
        };
        let text = redirect.to.get()?;
        if let Some(problem) = foreign::templates::reference(text, &captures.common()) {
            self.report(key_place("to"), problem);
            return None;
        }
        let checked = check_location(text);
        if let Err((reason, write)) = checked {
            self.report(key_place("to"), ProblemKind::RedirectTo { found: text.to_string(), reason, write });
        }
        let to = self.template(text, TemplateKind::Location, captures, &|| key_place("to"))?;
        let refuse = |made: &str| made.starts_with("//").then_some(Hazard::EmptySegment);
        self.check_empty_rest(text, captures, &|| key_place("to"), refuse);
        (checked.is_ok() && redirect.unknown.is_empty()).then_some(Target::Redirect(to, status?))
    }

    fn respond(&mut self, route: &RouteConfig<'_>, place: RoutePlace) -> Option<Target> {
        let respond = route.respond.get()?;
        let key_place = |key| place.key("respond").key(key);
        let status = respond.status.get().copied();
        let mut is_valid = respond.unknown.is_empty() && !respond.body.is_broken();
        if let Some(status) = status {
            if !(200..=599).contains(&status) {
                let found = status.to_string();
                self.report(key_place("status"), ProblemKind::Status { found, allowed: "a number from 200 to 599" });
                is_valid = false;
            } else if matches!(status, 204 | 205 | 304) && respond.body.get().is_some_and(|body| !body.is_empty()) {
                self.report(key_place("body"), ProblemKind::BodyForbidden { status });
                is_valid = false;
            }
        }
        let (headers, headers_are_valid) =
            self.headers(&respond.headers, &|| key_place("headers"), forbidden_in_answer);
        let names: Vec<String> = headers.iter().map(|(name, _)| self.builder.get(*name).to_owned()).collect();
        let pairs = names.iter().zip(&headers).flat_map(|(name, (_, value))| [name.as_str(), value]);
        let headers = self.builder.list(pairs);
        let body = self.builder.add(respond.body.get().map_or("", |body| body));
        if !is_valid || !headers_are_valid {
            return None;
        }
        Some(Target::Respond(self.builder.image.push(RESPONSES, Response { status: status?, headers, body })))
    }

    /// Compiles a template that uses names which every pattern of the route captures.
    fn template(
        &mut self,
        text: &str,
        kind: TemplateKind,
        captures: &CaptureChecker<'_>,
        place: &dyn Fn() -> Place,
    ) -> Option<Template> {
        let problems = &mut self.reader.problems;
        let name_errors = &|name: &str| captures.errors(name);
        let mut report = |kind| problems.report(place(), kind);
        Template::compile(text, kind, &mut self.builder, name_errors, &mut report)
    }
}

/// Returns whether the host of a target of this kind gets the request. The other kinds are answered in the gateway.
fn is_forwarding(target: &str) -> bool {
    matches!(target, "service" | "host")
}

/// A value that adds no hazard of its own to a path.
const SAMPLE: &str = "x";

/// Returns what a template makes of values, with its literal text in normal form.
fn filled<'v>(text: &'v str, value: impl Fn(&str) -> &'v str) -> String {
    let parts = TextParts(text).filter_map(Result::ok).map(|part| match part {
        TextPart::Literal(literal) => path::normal_literal(literal),
        TextPart::Placeholder(name) => value(name).into(),
    });
    parts.collect()
}

/// Checks the location of a redirect: a path, or a URL whose scheme and host are literal. Returns the reason for an
/// error, and what to write instead.
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

//! The keys of the table: what is in scope, and what routes take from it.

use std::borrow::Cow;

use super::Compiler;
use super::headers::{forbidden_in_request, forbidden_in_response};
use crate::compile::host_name;
use crate::compile::host_template::HostTemplate;
use crate::document::config::{Config, OnNoMatch, TrailingSlash, UnsafePaths};
use crate::document::read::Key;
use crate::path;
use crate::problem::{Place, ProblemKind};
use crate::table::schema::{Cors, HostSet, NoMatch, Settings};

/// What routes take from the table: errors there bear on the routes that need it.
pub(super) struct Defaults<'a> {
    pub(super) namespace: Key<Cow<'a, str>>,
    pub(super) domain: Key<String>,
    pub(super) host_template: Key<HostTemplate<'a>>,
    /// An error bears on every route.
    pub(super) all_broken: bool,
    /// An error bears on every route that forwards.
    pub(super) forwards_broken: bool,
    /// An error bears on every route that forwards the path as it came.
    pub(super) plain_forwards_broken: bool,
    pub(super) reject_unsafe: bool,
    pub(super) cors: Cors,
    /// The hosts of targets are closed to direct requests.
    pub(super) deny_direct: bool,
}

impl Compiler {
    pub(super) fn settings<'a>(&mut self, config: Config<'a>) -> (Settings, Defaults<'a>) {
        let root = Place::default();
        let mut parts = Settings::default();
        let mut defaults = Defaults {
            namespace: config.namespace,
            domain: Key::Absent,
            host_template: Key::Absent,
            all_broken: config.trailing_slash.is_broken() || config.unsafe_paths.is_broken(),
            forwards_broken: config.strip_internal_headers.is_broken(),
            plain_forwards_broken: config.strip_base_path.is_broken() || config.rewrite_location.is_broken(),
            cors: self.cors(&config.cors, &|| root.key("cors")).unwrap_or(Cors::Off),
            reject_unsafe: config.unsafe_paths.get() != Some(&UnsafePaths::Allow),
            // Whoever writes the key wants the way closed; what can't be read does not open it.
            deny_direct: matches!(config.deny_direct, Key::Set(true) | Key::Broken(_))
                || config.unknown.contains(&Some("denyDirect")),
        };
        if let Some(name) = config.name.get() {
            if is_table_name(name) {
                parts.name = self.builder.shared(name);
            } else {
                self.report(root.key("name"), ProblemKind::TableName { found: name.to_string() });
            }
        }
        parts.no_match = match config.on_no_match {
            Key::Absent | Key::Set(OnNoMatch::NotFound) => NoMatch::NotFound,
            Key::Set(OnNoMatch::PassThrough) => NoMatch::PassThrough,
            Key::Broken(_) => NoMatch::Broken,
        };
        // Where it can't be known whether the slash counts, a route that would be found without it is broken too.
        parts.ignore_trailing_slash =
            config.trailing_slash.get() == Some(&TrailingSlash::Ignore) || config.trailing_slash.is_broken();
        parts.reject_unsafe = defaults.reject_unsafe;
        parts.strip_base = config.strip_base_path.get() == Some(&true);
        parts.strip_internal = config.strip_internal_headers.get() != Some(&false);
        parts.deny_direct = defaults.deny_direct;
        parts.rewrite_location = config.rewrite_location.get() == Some(&true);
        // Whether a name is captured is known once the routes are read.
        let all_names = &|_: &str| Vec::new();
        let place = &|| root.key("requestHeaders");
        let (operations, whole) = self.operations(&config.request_headers, place, forbidden_in_request, all_names);
        parts.request_headers = operations;
        defaults.forwards_broken |= !whole;
        let place = &|| root.key("responseHeaders");
        let (operations, whole) = self.operations(&config.response_headers, place, forbidden_in_response, all_names);
        parts.response_headers = operations;
        defaults.all_broken |= !whole;
        if parts.strip_base && !config.base_path.is_present() {
            self.report(root.key("stripBasePath"), ProblemKind::StripWithoutBase);
        }
        self.hosts(&config.hosts, &mut parts);
        let mut scope_is_readable = true;
        match config.base_path {
            Key::Absent => {}
            Key::Broken(_) => scope_is_readable = false,
            Key::Set(text) => match check_base_path(&text) {
                Ok(()) => parts.base = self.builder.shared(&text),
                Err((reason, write)) => {
                    scope_is_readable = false;
                    self.report(
                        root.key("basePath"),
                        ProblemKind::BasePath { found: text.into_owned(), reason, write },
                    );
                }
            },
        }
        for like in &config.unknown {
            // What a key was meant for is known only by its likeness; it may bear on all routes.
            match like {
                Some("basePath" | "hosts") => scope_is_readable = false,
                Some("onNoMatch" | "routes") => parts.no_match = NoMatch::Broken,
                // A misspelt `denyDirect` has been taken for it above, and `name` bears on no route.
                Some("denyDirect" | "name") => {}
                Some("cors") => defaults.cors = Cors::Unknown,
                Some("trailingSlash") => {
                    parts.ignore_trailing_slash = true;
                    defaults.all_broken = true;
                }
                _ => defaults.all_broken = true,
            }
        }
        parts.cors = defaults.cors;
        if !scope_is_readable {
            parts.hosts = HostSet::default();
            parts.deny_direct = false;
        }
        if let Some(namespace) = defaults.namespace.get()
            && !host_name::is_dns_label(namespace)
        {
            let found = namespace.to_string();
            self.report(root.key("namespace"), ProblemKind::DnsLabel { key: "namespace", found });
            defaults.namespace = Key::Broken(None);
        }
        defaults.domain = match config.domain {
            Key::Absent => Key::Absent,
            Key::Broken(_) => Key::Broken(None),
            Key::Set(domain) if host_name::is_dns_name(&domain) => {
                if domain.bytes().any(|b| b.is_ascii_uppercase()) {
                    self.report(root.key("domain"), ProblemKind::UpperCaseHost { host: domain.to_string() });
                }
                Key::Set(domain.to_ascii_lowercase())
            }
            Key::Set(domain) => {
                self.report(root.key("domain"), ProblemKind::DnsName { key: "domain", found: domain.into_owned() });
                Key::Broken(None)
            }
        };
        defaults.host_template = match config.host_template {
            Key::Absent => Key::Set(HostTemplate::default()),
            Key::Broken(_) => Key::Broken(None),
            Key::Set(text) => match HostTemplate::read(text) {
                Ok(template) if !host_name::is_dns_name(&template.render("service", "namespace", "example.com")) => {
                    let found = template.render("{service}", "{namespace}", "{domain}");
                    self.report(root.key("hostTemplate"), ProblemKind::DnsName { key: "hostTemplate", found });
                    Key::Broken(None)
                }
                Ok(template) => Key::Set(template),
                Err(kind) => {
                    self.report(root.key("hostTemplate"), kind);
                    Key::Broken(None)
                }
            },
        };
        (parts, defaults)
    }

    /// Hosts that can be read are served, even where others can't: a request for them is in scope either way.
    fn hosts(&mut self, hosts: &Key<Vec<Option<Cow<'_, str>>>>, parts: &mut Settings) {
        let place = Place::default().key("hosts");
        if hosts.get().is_some_and(Vec::is_empty) {
            self.report(place.clone(), ProblemKind::NoHosts);
        }
        let hosts = hosts.get().map_or(&[][..], Vec::as_slice);
        let mut readable = Vec::with_capacity(hosts.len());
        for (index, text) in hosts.iter().enumerate() {
            let Some(text) = text else { continue };
            let place = place.index(index);
            match host_name::check_public_host(text) {
                Ok(()) => {
                    readable.push(&**text);
                    if text.bytes().any(|b| b.is_ascii_uppercase()) {
                        self.report(place, ProblemKind::UpperCaseHost { host: text.to_string() });
                    } else if text == "*" && parts.no_match == NoMatch::NotFound {
                        self.report(place, ProblemKind::AnyHostNotFound);
                    }
                }
                Err((reason, write)) => {
                    self.report(place, ProblemKind::Host { found: text.to_string(), reason, write })
                }
            }
        }
        // A host that can't be read may be a target's.
        parts.deny_direct &= readable.len() == hosts.len() && !readable.is_empty();
        parts.hosts = HostSet::new(readable, &mut self.builder);
    }
}

pub(crate) fn is_table_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn check_base_path(text: &str) -> Result<(), (&'static str, String)> {
    let trimmed = text.trim_end_matches('/');
    if trimmed.is_empty() {
        return Err(("covers every path", "take the key out".into()));
    }
    if !text.starts_with('/') {
        return Err(("does not begin with `/`", format!("write \"/{trimmed}\"")));
    }
    if trimmed != text {
        return Err(("ends with `/`", format!("write \"{trimmed}\"")));
    }
    if text.chars().any(char::is_control) {
        return Err(("has a control character", "take it out".into()));
    }
    if text.contains(['{', '}']) {
        return Err(("has a brace, but is literal", "write it without parameters".into()));
    }
    if text.contains(['?', '#']) {
        return Err(("has a query or a fragment", "write the path alone".into()));
    }
    match path::hazard(path::normal_literal(text).as_bytes()) {
        Some(_) => Err((
            "can be read in two ways",
            "write it without empty, `.` and `..` segments, `%2F`, `%5C` and `%00`".into(),
        )),
        None => Ok(()),
    }
}

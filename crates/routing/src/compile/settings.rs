//! Compiles the table's own keys: the scope, what applies to all requests, and the defaults of routes.

use std::borrow::Cow;

use super::Compiler;
use super::headers::{forbidden_in_request, forbidden_in_response};
use crate::compile::host_name;
use crate::compile::host_template::HostTemplate;
use crate::dns;
use crate::document::config::{self, Config, OnNoMatch, TrailingSlash};
use crate::document::read::Key;
use crate::path;
use crate::problem::{Place, ProblemKind};
use crate::table::schema::{Cors, HostSet, NamespaceSet, NoMatch, Settings, StringId, UnsafePaths};

/// The part of the table's own keys that is needed to compile a route. An error in a value affects only the routes that
/// use the value.
pub(super) struct Defaults<'a> {
    pub(super) namespace: Key<Cow<'a, str>>,
    pub(super) domain: Key<String>,
    pub(super) host_template: Key<HostTemplate<'a>>,
    pub(super) namespaces: Key<NamespaceSet>,
    /// An error affects every route.
    pub(super) all_broken: bool,
    /// An error affects every route that forwards requests.
    pub(super) forwards_broken: bool,
    /// An error affects every route that forwards requests without `rewritePath`.
    pub(super) plain_forwards_broken: bool,
    /// `unsafePaths` has an error, or is misspelt.
    pub(super) unsafe_paths_are_unknown: bool,
    /// Empty if it is absent, or has an error.
    pub(super) base_path: String,
    pub(super) unsafe_paths: UnsafePaths,
    pub(super) cors: Cors,
}

impl Compiler {
    /// Compiles all keys of the table but `routes`. Returns the settings of the table, and what the routes need from
    /// it.
    pub(super) fn settings<'a>(&mut self, config: Config<'a>) -> (Settings, Defaults<'a>) {
        let root = Place::default();
        let mut settings = Settings::default();
        let mut defaults = Defaults {
            namespace: config.namespace,
            domain: Key::Absent,
            host_template: Key::Absent,
            namespaces: self.namespaces(&config.allow_namespaces),
            all_broken: config.trailing_slash.is_broken() || config.unsafe_paths.is_broken(),
            forwards_broken: config.strip_internal_headers.is_broken(),
            plain_forwards_broken: config.strip_base_path.is_broken() || config.rewrite_location.is_broken(),
            cors: self.cors(&config.cors, &|| root.key("cors")).unwrap_or(Cors::Off),
            unsafe_paths_are_unknown: config.unsafe_paths.is_broken(),
            base_path: String::new(),
            unsafe_paths: match config.unsafe_paths {
                Key::Set(config::UnsafePaths::Allow) => UnsafePaths::Allow,
                Key::Set(config::UnsafePaths::AllowEncodedSlash) => UnsafePaths::AllowEncodedSlash,
                Key::Set(config::UnsafePaths::Reject) | Key::Absent | Key::Misspelt | Key::Broken(_) => {
                    UnsafePaths::Reject
                }
            },
        };
        if let Some(name) = config.name.get() {
            if is_table_name(name) {
                settings.name = self.builder.shared(name);
            } else {
                self.report(root.key("name"), ProblemKind::TableName { found: name.to_string() });
            }
        }
        settings.no_match = match config.on_no_match {
            Key::Absent | Key::Set(OnNoMatch::NotFound) => NoMatch::NotFound,
            Key::Set(OnNoMatch::PassThrough) => NoMatch::PassThrough,
            Key::Broken(_) | Key::Misspelt => NoMatch::Broken,
        };
        // If it is not known whether a trailing slash counts, it is ignored. All routes are broken then, and a request
        // that may have been meant for one of them must find it.
        let may_be_trailing_slash = |like: &Option<&str>| like.is_none_or(|like| like == "trailingSlash");
        settings.ignore_trailing_slash = config.trailing_slash.get() == Some(&TrailingSlash::Ignore)
            || config.trailing_slash.is_broken()
            || config.unknown.iter().any(may_be_trailing_slash);
        settings.unsafe_paths = defaults.unsafe_paths;
        settings.strip_base = config.strip_base_path.get() == Some(&true);
        settings.strip_internal = config.strip_internal_headers.get() != Some(&false);
        // Whoever writes this key wants direct requests to be denied. An error in it must not allow them.
        settings.deny_direct = config.deny_direct.is_broken() || config.deny_direct == Key::Set(true);
        settings.rewrite_location = config.rewrite_location.get() == Some(&true);

        // The names in these templates are checked after all routes are compiled.
        let no_errors = &|_: &str| Vec::new();
        let place = &|| root.key("requestHeaders");
        let (operations, are_valid) = self.operations(&config.request_headers, place, forbidden_in_request, no_errors);
        settings.request_headers = operations;
        defaults.forwards_broken |= !are_valid;
        let place = &|| root.key("responseHeaders");
        let (operations, are_valid) =
            self.operations(&config.response_headers, place, forbidden_in_response, no_errors);
        settings.response_headers = operations;
        defaults.all_broken |= !are_valid;

        if settings.strip_base && config.base_path.is_absent() {
            self.report(root.key("stripBasePath"), ProblemKind::StripWithoutBase);
        }
        self.hosts(&config.hosts, &mut settings);
        let base = self.base_path(config.base_path);
        defaults.base_path = base.map(|base| self.builder.get(base).to_owned()).unwrap_or_default();
        settings.base = base.unwrap_or_default();
        let mut scope_is_readable = base.is_some();
        for like in &config.unknown {
            // An unknown key may have been meant as the key that it is similar to, or else as anything.
            match like {
                Some("basePath" | "hosts") => scope_is_readable = false,
                Some("onNoMatch" | "routes") => settings.no_match = NoMatch::Broken,
                // `denyDirect` was handled above, and `name` affects no route.
                Some("denyDirect" | "name") => {}
                Some("cors") => defaults.cors = Cors::Unknown,
                Some("allowNamespaces") => defaults.namespaces = Key::Broken(None),
                _ => defaults.all_broken = true,
            }
        }
        settings.cors = defaults.cors;
        settings.namespaces = defaults.namespaces.clone().into_first().unwrap_or_default();
        if !scope_is_readable {
            settings.hosts = HostSet::default();
            settings.deny_direct = false;
        }

        if let Some(namespace) = defaults.namespace.get()
            && !dns::is_label(namespace.as_bytes())
        {
            let found = namespace.to_string();
            self.report(root.key("namespace"), ProblemKind::DnsLabel { key: "namespace", found });
            defaults.namespace = Key::Broken(None);
        }
        defaults.domain = self.domain(config.domain);
        defaults.host_template = self.host_template(config.host_template);
        (settings, defaults)
    }

    /// Compiles `hosts`. Valid hosts are served even if others are not valid: requests to them are in scope either way.
    fn hosts(&mut self, hosts: &Key<Vec<Option<Cow<'_, str>>>>, settings: &mut Settings) {
        let place = Place::default().key("hosts");
        if hosts.get().is_some_and(Vec::is_empty) {
            self.report(place.clone(), ProblemKind::NoHosts);
        }
        let hosts = hosts.get().map_or(&[][..], Vec::as_slice);
        let mut valid = Vec::with_capacity(hosts.len());
        for (index, text) in hosts.iter().enumerate() {
            let Some(text) = text else { continue };
            let place = place.index(index);
            match host_name::check_public_host(text) {
                Ok(()) => {
                    valid.push(&**text);
                    if text.bytes().any(|b| b.is_ascii_uppercase()) {
                        self.report(place, ProblemKind::UpperCaseHost { host: text.to_string() });
                    } else if text == "*" && settings.no_match == NoMatch::NotFound {
                        self.report(place, ProblemKind::AnyHostNotFound);
                    }
                }
                Err((reason, write)) => {
                    self.report(place, ProblemKind::Host { found: text.to_string(), reason, write })
                }
            }
        }
        // A host that can't be read may be the host of a target, and then it is public.
        settings.deny_direct &= valid.len() == hosts.len() && !valid.is_empty();
        settings.hosts = HostSet::new(valid, &mut self.builder);
    }

    /// Compiles `basePath`. Returns `None` if it has an error; the default string stands for an absent one.
    fn base_path(&mut self, base_path: Key<Cow<'_, str>>) -> Option<StringId> {
        match base_path {
            Key::Absent => Some(StringId::default()),
            Key::Broken(_) | Key::Misspelt => None,
            Key::Set(text) => match check_base_path(&text) {
                Ok(()) => Some(self.builder.shared(&text)),
                Err((reason, write)) => {
                    self.report(
                        Place::default().key("basePath"),
                        ProblemKind::BasePath { found: text.into_owned(), reason, write },
                    );
                    None
                }
            },
        }
    }

    /// Compiles `domain`. The result is in lower case.
    fn domain(&mut self, domain: Key<Cow<'_, str>>) -> Key<String> {
        let place = Place::default().key("domain");
        match domain {
            Key::Absent => Key::Absent,
            Key::Broken(_) | Key::Misspelt => Key::Broken(None),
            Key::Set(domain) if dns::is_name(domain.as_bytes()) => {
                if domain.bytes().any(|b| b.is_ascii_uppercase()) {
                    self.report(place, ProblemKind::UpperCaseHost { host: domain.to_string() });
                }
                Key::Set(domain.to_ascii_lowercase())
            }
            Key::Set(domain) => {
                self.report(place, ProblemKind::DnsName { key: "domain", found: domain.into_owned() });
                Key::Broken(None)
            }
        }
    }

    fn host_template<'a>(&mut self, text: Key<Cow<'a, str>>) -> Key<HostTemplate<'a>> {
        let place = Place::default().key("hostTemplate");
        match text {
            Key::Absent => Key::Set(HostTemplate::default()),
            Key::Broken(_) | Key::Misspelt => Key::Broken(None),
            Key::Set(text) => match HostTemplate::parse(text) {
                Ok(template) if !dns::is_name(template.render("service", "namespace", "example.com").as_bytes()) => {
                    let found = template.render("{service}", "{namespace}", "{domain}");
                    self.report(place, ProblemKind::DnsName { key: "hostTemplate", found });
                    Key::Broken(None)
                }
                Ok(template) => Key::Set(template),
                Err(kind) => {
                    self.report(place, kind);
                    Key::Broken(None)
                }
            },
        }
    }
}

/// Returns whether a text can be the name of a table, and so a part of a metric's name.
pub(crate) fn is_table_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Checks `basePath`. Returns the reason for an error, and what to do about it.
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

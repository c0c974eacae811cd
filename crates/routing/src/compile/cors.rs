//! Compiles `cors`, of the table or of a route.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Compiler;
use crate::bytes::is_token;
use crate::compile::host_name;
use crate::document::config::Cors as Config;
use crate::document::read::{Key, OrOff};
use crate::foreign::methods;
use crate::problem::{Instead, Place, ProblemKind};
use crate::table::origins::normalize_origin;
use crate::table::schema::{AllowedHeaders, AllowedMethods, Cors, Origins, Policy, StringId};

/// A list as written. An element is `None` if it can't be read.
type Written<'a> = Key<Vec<Option<Cow<'a, str>>>>;

/// A list of methods, or of header names, in which browsers ignore case.
struct Names<'c> {
    list: Vec<&'c str>,
    /// True if `*` is in the list.
    every: bool,
    is_valid: bool,
}

impl Compiler {
    /// Compiles `cors`. Returns `None` if the key is absent.
    pub(super) fn cors(&mut self, written: &Key<OrOff<Box<Config<'_>>>>, place: &dyn Fn() -> Place) -> Option<Cors> {
        match written {
            Key::Absent => None,
            Key::Broken(_) | Key::Misspelt => Some(Cors::Unknown),
            Key::Set(OrOff::Off) => Some(Cors::Off),
            Key::Set(OrOff::On(config)) => {
                let policy = self.policy(config, place);
                Some(policy.map_or(Cors::Unknown, |policy| Cors::On(self.add_policy(policy))))
            }
        }
    }

    /// Adds a policy, unless there is an equal one, and returns its number.
    fn add_policy(&mut self, policy: Policy) -> u32 {
        let next = self.policies.len() as u32;
        *self.policies.entry(policy).or_insert(next)
    }

    /// Compiles a policy. Returns `None` if it has errors.
    fn policy(&mut self, config: &Config<'_>, place: &dyn Fn() -> Place) -> Option<Policy> {
        let origins = self.origins(&config.allow_origins, &|| place().key("allowOrigins"));
        let method = |found: &str| ProblemKind::CorsMethod {
            found: found.to_owned(),
            is_every: found == "ANY" || methods::means_any(found),
        };
        let methods = self.names(&config.allow_methods, &|| place().key("allowMethods"), &is_method, &method);
        self.warn_of_methods(&config.allow_methods, place);
        let header = |found: &str| ProblemKind::HeaderName { found: found.to_owned() };
        let headers = self.names(&config.allow_headers, &|| place().key("allowHeaders"), &is_token, &header);
        let expose = self.names(&config.expose_headers, &|| place().key("exposeHeaders"), &is_token, &header);
        let credentials = config.allow_credentials.get() == Some(&true);
        let mut is_valid = methods.is_valid
            && headers.is_valid
            && expose.is_valid
            && config.unknown.is_empty()
            && !config.allow_credentials.is_broken()
            && !config.max_age.is_broken();
        if credentials && origins.as_ref().is_some_and(|origins| origins.any) {
            self.report(place().key("allowOrigins"), ProblemKind::AnyOriginWithCredentials);
            is_valid = false;
        }
        if credentials && expose.every {
            self.report(place().key("exposeHeaders"), ProblemKind::ExposeAnyWithCredentials);
            is_valid = false;
        }
        let policy = Policy {
            origins: origins.filter(|_| is_valid)?,
            methods: match &config.allow_methods {
                Key::Absent => AllowedMethods::OfRoutes,
                _ if methods.every => AllowedMethods::Every,
                _ => AllowedMethods::Listed(self.list(&methods.list)),
            },
            headers: match &headers {
                Names { every: true, .. } => AllowedHeaders::Every,
                Names { list, .. } if list.is_empty() => AllowedHeaders::None,
                Names { list, .. } => AllowedHeaders::Listed(self.list(list)),
            },
            expose: match &expose {
                Names { every: true, .. } => Some(self.list(&["*"])),
                Names { list, .. } if list.is_empty() => None,
                Names { list, .. } => Some(self.list(list)),
            },
            credentials,
            max_age: config.max_age.get().map(|seconds| self.builder.shared(&seconds.to_string())),
        };
        Some(policy)
    }

    /// Warns of methods that were probably not meant, or that Envoy refuses.
    fn warn_of_methods(&mut self, written: &Written<'_>, place: &dyn Fn() -> Place) {
        for (index, name) in written.get().into_iter().flatten().enumerate() {
            let name = name.as_deref().filter(|name| is_method(name));
            if let Some(warning) = name.and_then(|name| methods::method(name, &[])) {
                self.report(place().key("allowMethods").index(index), warning);
            }
        }
    }

    /// Returns the list as the value of a header.
    fn list(&mut self, names: &[&str]) -> StringId {
        self.builder.shared(&names.join(", "))
    }

    /// Checks a list of names. `error` returns the error for a name that is not valid.
    fn names<'c>(
        &mut self,
        written: &'c Written<'_>,
        place: &dyn Fn() -> Place,
        is_name: &dyn Fn(&str) -> bool,
        error: &dyn Fn(&str) -> ProblemKind,
    ) -> Names<'c> {
        let mut names = Names { list: Vec::new(), every: false, is_valid: !written.is_broken() };
        for (index, name) in written.get().into_iter().flatten().enumerate() {
            match name.as_deref() {
                None => names.is_valid = false,
                Some("*") => names.every = true,
                Some(name) if is_name(name) => names.list.push(name),
                Some(name) => {
                    self.report(place().index(index), error(name));
                    names.is_valid = false;
                }
            }
        }
        names
    }

    /// Compiles `allowOrigins`. Returns `None` if it has errors.
    fn origins(&mut self, written: &Written<'_>, place: &dyn Fn() -> Place) -> Option<Origins> {
        let list = written.get()?;
        let mut any = false;
        let (mut exact, mut wildcards) = (BTreeSet::new(), BTreeSet::new());
        let mut is_valid = true;
        if list.is_empty() {
            self.report(place(), ProblemKind::NoOrigins);
            is_valid = false;
        }
        for (index, origin) in list.iter().enumerate() {
            match origin.as_deref().map(|origin| (origin, check_origin(origin))) {
                None => is_valid = false,
                Some(("*", _)) => any = true,
                Some((origin, Ok(()))) => {
                    let normal = normalize_origin(origin);
                    match normal.split_once('*') {
                        Some((before, after)) => _ = wildcards.insert((before.to_owned(), after.to_owned())),
                        None => _ = exact.insert(normal),
                    }
                }
                Some((origin, Err((reason, write)))) => {
                    let found = origin.to_owned();
                    self.report(place().index(index), ProblemKind::CorsOrigin { found, reason, write });
                    is_valid = false;
                }
            }
        }
        let exact = self.builder.list(exact.iter().map(String::as_str));
        let wildcards = wildcards.iter().flat_map(|(before, after)| [before.as_str(), after.as_str()]);
        let wildcards = self.builder.list(wildcards);
        is_valid.then_some(Origins { any, exact, wildcards })
    }
}

/// Returns whether a text is a method and not a word for every method, which is `*` here.
fn is_method(name: &str) -> bool {
    is_token(name) && name != "ANY" && !methods::means_any(name)
}

/// Checks an origin: scheme, host and port (RFC 6454, section 6.2), with `*` allowed as the first label of the host.
/// Returns the reason for an error, and what to write instead.
fn check_origin(text: &str) -> Result<(), (&'static str, Instead)> {
    let words = |words: &str| Instead::Words(words.to_owned());
    let example = || words("an origin such as `https://app.example.com`");
    if text == "*" {
        return Ok(());
    }
    if text == "null" {
        return Err(("is the origin of every sandboxed page and local file", example()));
    }
    let separators = [',', ' ', ';'];
    if text.trim().contains(separators) {
        let origins: Vec<&str> = text.split(separators).filter(|origin| !origin.is_empty()).collect();
        let all_are_valid = origins.iter().all(|origin| check_origin(origin).is_ok());
        let write = if all_are_valid {
            format!("each in an element of its own: `[{}]`", quoted_list(&origins))
        } else {
            "each origin in an element of its own".to_owned()
        };
        return Err(("is more than one origin", words(&write)));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        let rest = text.trim_start_matches('/');
        let authority =
            host_name::check_origin_authority(rest).map_or_else(|(_, write)| write, |()| Some(rest.to_owned()));
        let write = authority.map_or_else(example, |authority| Instead::Text(format!("https://{authority}")));
        return Err(("has no scheme", write));
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !is_scheme {
        return Err(("has an invalid scheme", example()));
    }
    if matches!(rest.split([':', '/']).next(), Some("*")) {
        return Err(("has no host but `*`", words("`*` for every origin, or for example `https://*.example.com`")));
    }
    host_name::check_origin_authority(rest).map_err(|(reason, write)| {
        let reason = if reason == "has a path" { "has a path, which no origin has" } else { reason };
        let instead =
            || if rest.contains('*') { words("`https://*.example.com`, or `*` for every origin") } else { example() };
        let write = write.map_or_else(instead, |authority| Instead::Text(format!("{scheme}://{authority}")));
        (reason, write)
    })
}

/// Writes origins as the elements of a list in YAML.
fn quoted_list(origins: &[&str]) -> String {
    origins.iter().map(|origin| format!("\"{origin}\"")).collect::<Vec<_>>().join(", ")
}

//! Compiles `service`, `namespace` and `tag` of a route into the host of the service. Each of them may contain captured
//! values.

use std::borrow::Cow;

use super::route::CaptureChecker;
use super::settings::Defaults;
use super::{Compiler, RoutePlace};
use crate::compile::host_name;
use crate::compile::host_template::HostTemplate;
use crate::compile::placeholder::{TextPart, TextParts};
use crate::compile::template::TemplateKind;
use crate::dns;
use crate::document::config::Route as RouteConfig;
use crate::document::read::Key;
use crate::problem::{Place, ProblemKind};
use crate::table::schema::{CAPTURED_HOSTS, CapturedHost, NamespaceSet, Template};

/// The host of a service.
pub(super) enum ServiceHost {
    Literal(String),
    /// An index of `CAPTURED_HOSTS`.
    Captured(u32),
}

/// A `service`, `namespace` or `tag` as written, without errors.
#[derive(Clone, Copy)]
struct Name<'r> {
    text: &'r str,
    is_captured: bool,
}

impl Compiler {
    /// Compiles `service`, `namespace` and `tag`. Returns the host of the service.
    pub(super) fn service(
        &mut self,
        route: &RouteConfig<'_>,
        captures: &CaptureChecker<'_>,
        place: RoutePlace,
        defaults: &Defaults<'_>,
    ) -> Option<ServiceHost> {
        let service = self.name("service", &route.service, captures, place);
        let own_namespace = self.name("namespace", &route.namespace, captures, place);
        let tag = self.name("tag", &route.tag, captures, place);
        if !route.service.is_present() {
            return None;
        }
        let mut is_valid = !own_namespace.is_broken() && !tag.is_broken();
        let mut is_allowed = true;
        let names = [("service", &service), ("namespace", &own_namespace), ("tag", &tag)];
        let captured_key = names.iter().find(|(_, name)| name.get().is_some_and(|name| name.is_captured));
        let captured_key = captured_key.map(|(key, _)| *key);
        if let Some(key) = captured_key {
            let captures_namespace = own_namespace.get().is_some_and(|namespace| namespace.is_captured);
            is_valid &= self.check_host_template(key, place, defaults);
            is_allowed = !captures_namespace || self.check_namespaces(place, defaults);
        }
        let namespace = match (own_namespace, &defaults.namespace) {
            (Key::Absent, Key::Absent) => Key::Absent,
            (Key::Absent, Key::Broken(_) | Key::Misspelt) => Key::Broken(None),
            (Key::Absent, Key::Set(text)) => Key::Set(Name { text, is_captured: false }),
            (own, _) => own,
        };
        let template = defaults.host_template.get();
        let needs_namespace = template.is_some_and(|template| template.needs_namespace);
        let needs_domain = template.is_some_and(|template| template.needs_domain);
        if needs_namespace && matches!(namespace, Key::Absent) {
            self.report(place.key("service"), ProblemKind::NoNamespace);
            is_valid = false;
        }
        if needs_domain && matches!(defaults.domain, Key::Absent) {
            self.report(place.key("service"), ProblemKind::NoDomain);
            is_valid = false;
        }
        let broken = (needs_namespace && namespace.is_broken()) || (needs_domain && defaults.domain.is_broken());
        if !is_valid || broken {
            return None;
        }
        let service = service.get()?;
        let is_captured = captured_key.is_some();
        let label = match tag.get() {
            Some(tag) => Cow::Owned(format!("{}-{}", tag.text, service.text)),
            None => Cow::Borrowed(service.text),
        };
        let namespace = namespace.get().copied().unwrap_or(Name { text: "", is_captured: false });
        let domain = defaults.domain.get().map_or("", |domain| domain);
        let authority = template?.render(&label, namespace.text, domain);
        // The parts of the host are valid, so only the host or one of its labels can be too long.
        let is_short = match is_captured {
            true => dns::is_name(shortest(&authority).as_bytes()),
            false => dns::is_name(authority.as_bytes()),
        };
        if !is_short {
            self.report(place.key("service"), ProblemKind::AuthorityTooLong { authority });
            return None;
        }
        if host_name::is_cluster_local(&authority) {
            self.report(place.key("service"), ProblemKind::ClusterLocalHost { host: authority.clone() });
        }
        let host = match is_captured {
            // Even if the route has an error, direct requests to the hosts that are known are denied.
            true => ServiceHost::Captured(self.add_captured_host(&label, namespace.text, template?, domain)),
            false => ServiceHost::Literal(authority),
        };
        is_allowed.then_some(host)
    }

    /// Checks a `service`, `namespace` or `tag`.
    fn name<'r>(
        &mut self,
        key: &'static str,
        value: &'r Key<Cow<'_, str>>,
        captures: &CaptureChecker<'_>,
        place: RoutePlace,
    ) -> Key<Name<'r>> {
        let text = match value {
            Key::Absent => return Key::Absent,
            Key::Broken(_) | Key::Misspelt => return Key::Broken(None),
            Key::Set(text) => &**text,
        };
        let mut problems = Vec::new();
        let mut is_captured = false;
        for part in TextParts(text) {
            match part {
                Ok(TextPart::Literal(_)) => {}
                Ok(TextPart::Placeholder(written)) => {
                    is_captured = true;
                    let name = written.trim_start_matches('*');
                    if captures.is_rest(name) {
                        problems.push(ProblemKind::RestInHost { key, name: name.to_owned() });
                    } else if name != written {
                        problems.push(ProblemKind::RestInTemplate { name: name.to_owned() });
                    } else {
                        problems.extend(captures.errors(name));
                    }
                }
                Err(_) => problems.push(ProblemKind::HostBraces { key, found: text.to_owned() }),
            }
        }
        if problems.is_empty() && !dns::is_label(shortest(text).as_bytes()) {
            problems.push(ProblemKind::DnsLabel { key, found: text.to_owned() });
        }
        if problems.is_empty() {
            return Key::Set(Name { text, is_captured });
        }
        for problem in problems {
            self.report(place.key(key), problem);
        }
        Key::Broken(None)
    }

    /// Checks whether the host template allows captured values in the host of a service. `key` is the first key that has
    /// one. Returns whether the template does.
    fn check_host_template(&mut self, key: &'static str, place: RoutePlace, defaults: &Defaults<'_>) -> bool {
        let template = defaults.host_template.get();
        let is_ambiguous = template.is_some_and(|template| !template.separates_names());
        if let Some(template) = template.filter(|_| is_ambiguous) {
            let template = template.text().to_owned();
            self.report(place.key(key), ProblemKind::HostTemplateForCapture { key, template });
        }
        !is_ambiguous
    }

    /// Checks whether the table says which namespaces may be captured. Returns whether it says so without errors.
    fn check_namespaces(&mut self, place: RoutePlace, defaults: &Defaults<'_>) -> bool {
        if matches!(defaults.namespaces, Key::Absent) {
            self.report(place.key("namespace"), ProblemKind::NamespacesNotListed);
        }
        matches!(defaults.namespaces, Key::Set(_))
    }

    /// Adds a host with captured values. Hosts with the same texts are added once.
    fn add_captured_host(
        &mut self,
        service: &str,
        namespace: &str,
        host_template: &HostTemplate<'_>,
        domain: &str,
    ) -> u32 {
        let key = (service.to_owned(), namespace.to_owned());
        if let Some(known) = self.captured_hosts.get(&key) {
            return *known;
        }
        // The texts have been checked.
        let mut template = |text: &str| {
            let no_errors = &|_: &str| Vec::new();
            let template = Template::compile(text, TemplateKind::Name, &mut self.builder, no_errors, &mut |_| {});
            template.unwrap_or_default()
        };
        if self.host_template == Template::default() {
            self.host_template = template(&host_template.render("{service}", "{namespace}", domain));
        }
        let host = CapturedHost { service: template(service), namespace: template(namespace) };
        let index = self.builder.image.push(CAPTURED_HOSTS, host);
        self.captured_hosts.insert(key, index);
        index
    }

    /// Compiles `allowNamespaces`.
    pub(super) fn namespaces(&mut self, written: &Key<Vec<Option<Cow<'_, str>>>>) -> Key<NamespaceSet> {
        let place = Place::default().key("allowNamespaces");
        let elements = match written {
            Key::Absent => return Key::Absent,
            Key::Broken(_) | Key::Misspelt => return Key::Broken(None),
            Key::Set(elements) => elements,
        };
        if elements.is_empty() {
            self.report(place.clone(), ProblemKind::NoAllowedNamespaces);
        }
        let (mut exact, mut prefixes, mut any) = (Vec::new(), Vec::new(), false);
        let mut are_valid = !elements.is_empty();
        for (index, text) in elements.iter().enumerate() {
            let Some(text) = text.as_deref() else {
                are_valid = false;
                continue;
            };
            match text.strip_suffix('*') {
                Some("") => any = true,
                Some(prefix) if dns::is_label(format!("{prefix}a").as_bytes()) => prefixes.push(prefix),
                None if dns::is_label(text.as_bytes()) => exact.push(text),
                _ => {
                    let found = text.to_owned();
                    self.report(place.clone().index(index), ProblemKind::AllowedNamespace { found });
                    are_valid = false;
                }
            }
        }
        exact.sort_unstable();
        let set = NamespaceSet { exact: self.builder.list(exact), prefixes: self.builder.list(prefixes), any };
        if are_valid { Key::Set(set) } else { Key::Broken(Some(set)) }
    }
}

/// Returns the shortest text that captured values can make: one byte for each.
fn shortest(text: &str) -> String {
    let parts = TextParts(text).filter_map(Result::ok);
    parts.map(|part| if let TextPart::Literal(text) = part { text } else { "a" }).collect()
}

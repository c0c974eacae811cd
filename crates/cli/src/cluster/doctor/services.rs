//! The Knative Services to which a table forwards, and the settings of Knative that make their hosts.

use serde_json::Value;

use super::{Examination, Findings, some};
use crate::cluster::finding::Level;
use crate::cluster::objects::{CONFIG_MAP, KNATIVE_SERVICE, list, path, text};
use crate::cluster::plugins::{Plugin, TargetService};

const SERVICES: &str = "services";
const SETTINGS: &str = "knative-settings";

/// The host template of a table that has none, and of a Knative without `domain-template`.
const TEMPLATE: &str = "{service}.{namespace}.{domain}";

impl Examination<'_> {
    /// Checks that the services exist, are public and ready, and have the hosts that the table writes.
    pub(super) fn check_services(&self, plugin: &Plugin, found: &mut Findings) {
        let about = &plugin.about;
        let services = plugin.services();
        if self.objects.lacks(KNATIVE_SERVICE) {
            let text = "the cluster has no Knative Services at all; install Knative Serving";
            return found.add(Level::Error, SERVICES, about, text);
        }
        let mut good = Vec::new();
        for service in &services {
            let unread = self.objects.unread.iter().any(|unread| {
                unread.resource == KNATIVE_SERVICE
                    && unread.namespace.as_ref().is_none_or(|namespace| *namespace == service.namespace)
            });
            let place = format!("{about}: routes[{}]", service.route);
            match self.objects.find(KNATIVE_SERVICE, &service.namespace, &service.name) {
                None if unread => {
                    let text = format!("the services in `{}` could not be read", service.namespace);
                    found.add(Level::Skipped, SERVICES, &place, text);
                }
                None => {
                    let text = format!(
                        "the Knative Service `{}/{}` does not exist, so requests get 404; create it, or correct `service` or \
                         `namespace`",
                        service.namespace, service.name
                    );
                    found.add(Level::Error, SERVICES, &place, text);
                }
                Some(object) => match problem(object, service, plugin) {
                    Some((level, text)) => found.add(level, SERVICES, &place, text),
                    None => good.push(path(object)),
                },
            }
        }
        if !good.is_empty() {
            good.dedup();
            let text = format!("public, ready and with the host that the table writes: {}", some(good));
            found.add(Level::Ok, SERVICES, about, text);
        } else if services.is_empty() {
            found.add(Level::Ok, SERVICES, about, "the table names no Knative Service by its name");
        }
    }

    /// Checks Knative's ConfigMaps.
    pub(super) fn check_settings(&self, plugin: &Plugin, found: &mut Findings) {
        let about = &plugin.about;
        if self.is_unknown(CONFIG_MAP, SETTINGS, about, found) {
            return;
        }
        let config = |name| self.objects.find(CONFIG_MAP, &self.places.knative, name);
        let (Some(network), domain) = (config("config-network"), config("config-domain")) else {
            let text = format!("the namespace `{}` has no ConfigMap `config-network`", self.places.knative);
            return found.add(Level::Skipped, SETTINGS, about, text);
        };
        let before = found.0.len();
        let setting = |keys: &[&str]| {
            keys.iter().map(|key| network["data"][key].as_str().unwrap_or_default()).find(|value| !value.is_empty())
        };
        let is_on = |value: Option<&str>, word: &str| value.is_some_and(|value| value.eq_ignore_ascii_case(word));
        for (keys, word, annotation, exempt, effect) in [
            (
                &["external-domain-tls", "auto-tls"][..],
                "Enabled",
                "networking.knative.dev/disable-external-domain-tls",
                "true",
                "a Gateway of its own for HTTPS",
            ),
            (
                &["http-protocol"][..],
                "Redirected",
                "networking.knative.dev/http-protocol",
                "enabled",
                "a Gateway of its own, which redirects",
            ),
        ] {
            if !is_on(setting(keys), word) {
                continue;
            }
            let is_exempt = |service: &TargetService| {
                let object = self.objects.find(KNATIVE_SERVICE, &service.namespace, &service.name);
                let annotations = object.map(|object| &object["metadata"]["annotations"][annotation]);
                annotations.and_then(Value::as_str).is_some_and(|value| value.eq_ignore_ascii_case(exempt))
            };
            let affected: Vec<String> = plugin
                .services()
                .iter()
                .filter(|service| !is_exempt(service))
                .map(|service| format!("`{}/{}`", service.namespace, service.name))
                .collect();
            if !affected.is_empty() {
                let text = format!(
                    "`{}: {word}` in the ConfigMap `config-network` gives each service {effect}, so routed requests get 404; \
                     write the annotation `{annotation}: \"{exempt}\"` on {}",
                    keys[0],
                    some(affected)
                );
                found.add(Level::Error, SETTINGS, about, text);
            }
        }
        let template = setting(&["domain-template"]).map_or(TEMPLATE.to_owned(), host_template);
        let ours = plugin.text("hostTemplate").unwrap_or(TEMPLATE);
        // Other functions of Go's templates can't be written in a table.
        if template != ours && !template.contains("{{") {
            let text = format!(
                "Knative makes hosts by `{template}` (`domain-template` in `config-network`), and the table by `{ours}`; \
                 write `hostTemplate: \"{template}\"`"
            );
            found.add(Level::Error, SETTINGS, about, text);
        }
        let domains = domain.and_then(|domain| domain["data"].as_object()).into_iter().flatten();
        let domains: Vec<&str> = domains.map(|(key, _)| &**key).filter(|key| !key.starts_with('_')).collect();
        if let Some(ours) = plugin.text("domain")
            && !domains.is_empty()
            && !domains.iter().any(|domain| domain.eq_ignore_ascii_case(ours))
        {
            let text = format!(
                "Knative's domain is {} (ConfigMap `config-domain`), and the table's is `{ours}`; write `domain: {}`",
                some(domains.iter().map(|domain| format!("`{domain}`"))),
                domains[0]
            );
            found.add(Level::Error, SETTINGS, about, text);
        }
        if found.0.len() == before {
            found.add(Level::Ok, SETTINGS, about, "domain, template, TLS and redirects fit the table");
        }
    }
}

/// Returns Knative's domain template in the words of a table: `{{.Name}}` is `{service}`.
fn host_template(template: &str) -> String {
    let template: String = template.chars().filter(|c| !c.is_whitespace()).collect();
    template
        .replace("{{.Name}}", "{service}")
        .replace("{{.Namespace}}", "{namespace}")
        .replace("{{.Domain}}", "{domain}")
}

/// Returns what keeps requests from a service.
fn problem(object: &Value, service: &TargetService, plugin: &Plugin) -> Option<(Level, String)> {
    let name = path(object);
    let visibility = "networking.knative.dev/visibility";
    let is_labelled = object["metadata"]["labels"][visibility].as_str() == Some("cluster-local");
    let host_of = |url: &str| url.split("://").last().unwrap_or_default().trim_end_matches('/').to_owned();
    let host = host_of(text(object, "/status/url"));
    if is_labelled || host.ends_with(".svc.cluster.local") {
        let remedy = match is_labelled {
            true => {
                format!("remove the label `{visibility}: cluster-local`, and keep direct requests out by `denyDirect`")
            }
            false => {
                "give it a public domain in the ConfigMap `config-domain`, and keep direct requests out by `denyDirect`"
                    .to_owned()
            }
        };
        let text =
            format!("`{name}` is cluster-local, so the gateway has no route for it and requests get 404; {remedy}");
        return Some((Level::Error, text));
    }
    let ready = list(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == "Ready");
    if ready.map(|ready| text(ready, "/status")) != Some("True") {
        let why = ready.map_or("", |ready| text(ready, "/message"));
        let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
        let last_good = text(object, "/status/latestReadyRevisionName");
        return Some(match last_good {
            "" => (
                Level::Error,
                format!(
                    "`{name}` is not ready{why}, so requests get 404; see `kubectl describe ksvc -n {} {}`",
                    service.namespace, service.name
                ),
            ),
            revision => (
                Level::Warning,
                format!(
                    "the newest revision of `{name}` is not ready{why}, and `{revision}` serves; see `kubectl describe ksvc \
                     -n {} {}`",
                    service.namespace, service.name
                ),
            ),
        });
    }
    let host = match &service.tag {
        None => host,
        Some(tag) => {
            let traffic = list(object, "/status/traffic");
            let Some(target) = traffic.iter().find(|target| text(target, "/tag") == tag) else {
                let tags: Vec<String> = traffic
                    .iter()
                    .map(|t| text(t, "/tag"))
                    .filter(|t| !t.is_empty())
                    .map(|t| format!("`{t}`"))
                    .collect();
                let has = if tags.is_empty() { "it has none".to_owned() } else { format!("it has {}", some(tags)) };
                let text = format!(
                    "`{name}` has no tag `{tag}` ({has}), so requests get 404; write the tag in the `traffic` of the service, \
                     or correct `tag`"
                );
                return Some((Level::Error, text));
            };
            host_of(text(target, "/url"))
        }
    };
    if host.is_empty() || host.eq_ignore_ascii_case(&service.host) {
        return None;
    }
    let label = service.tag.as_ref().map_or(service.name.clone(), |tag| format!("{tag}-{}", service.name));
    let text = format!(
        "the host of `{name}` is `{host}`, and the table writes `{}`, so requests get 404; {}",
        service.host,
        remedy_for_host(&host, &label, &service.namespace, plugin)
    );
    Some((Level::Error, text))
}

/// Returns what to write in the table, so that it makes the host of a service.
fn remedy_for_host(host: &str, label: &str, namespace: &str, plugin: &Plugin) -> String {
    let domain = plugin.text("domain").unwrap_or_default();
    for (template, start) in [
        (TEMPLATE, format!("{label}.{namespace}.")),
        ("{service}-{namespace}.{domain}", format!("{label}-{namespace}.")),
        ("{service}.{domain}", format!("{label}.")),
    ] {
        let Some(rest) = host.strip_prefix(&start) else { continue };
        let mut write = Vec::new();
        if plugin.text("hostTemplate").unwrap_or(TEMPLATE) != template {
            write.push(format!("`hostTemplate: \"{template}\"`"));
        }
        if domain != rest {
            write.push(format!("`domain: {rest}`"));
        }
        return format!("write {}", write.join(" and "));
    }
    format!("write `host: {host}` in place of `service`, or correct `hostTemplate` and `domain`")
}

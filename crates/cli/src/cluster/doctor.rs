//! Judges whether an installation can work, from the objects that were read. Nothing here asks the cluster.
//!
//! Each check is a function that adds at least one finding: `attachment` for the pods, `ports` for the Gateways, `module`
//! for the module, `chain` for other filters, `services` for Knative, `admission` for the API server. The messages of
//! `check` about the same tables come after them.

mod admission;
mod attachment;
mod chain;
mod module;
mod ports;
mod services;

use serde_json::Value;

use super::finding::{Finding, Level};
use super::image::ImageAnswers;
use super::objects::{CONFIG_MAP, Objects, PLUGINS, Resource, Why, text};
use super::plugins::{Manifests, Plugin};
use super::read::Places;
use crate::check::check_in_mesh;
use crate::manifest::PLUGIN_NAME;
use crate::manifest::gateway::Gateway;
use crate::yaml::{self, Origin};

/// The codes of messages of `check` that only guess what the objects of the cluster say. `doctor` has checks for them.
const GUESSED: [&str; 6] =
    ["every-port", "plain-port", "service-port", "no-port", "other-selector", "addressed-gateway"];

const PLUGINS_CODE: &str = "plugins";

/// Everything that the checks look at.
pub struct Examination<'e> {
    pub manifests: &'e Manifests,
    pub plugins: &'e [Plugin],
    pub objects: &'e Objects,
    /// The answers of the registries; `None` if they were not asked.
    pub images: Option<&'e ImageAnswers>,
    pub places: &'e Places,
}

/// Makes all checks. The findings are in the order of the plugins, and those of the whole cluster come last.
pub fn examine(examination: &Examination<'_>) -> Vec<Finding> {
    let mut found = Findings::default();
    let gateways = examination.manifests.gateways();
    if examination.plugins.is_empty() {
        examination.no_plugins(&mut found);
    }
    let root = root_namespace(examination.objects, &examination.places.istio);
    for plugin in examination.plugins {
        examination.check_kind(plugin, &mut found);
        let pods = examination.attachment(plugin, &root, &mut found);
        let serving = ports::serving(&pods, &gateways, examination.objects);
        if !pods.is_empty() {
            examination.check_ports(plugin, &pods, &serving, &mut found);
            examination.check_knative_gateway(plugin, &pods, &gateways, &mut found);
        }
        examination.check_module(plugin, &pods, &mut found);
        if !pods.is_empty() {
            examination.check_chain(plugin, &pods, &root, &mut found);
        }
        examination.check_services(plugin, &mut found);
        examination.check_settings(plugin, &mut found);
    }
    examination.messages_of_check(&root, &mut found);
    examination.check_admission(&mut found);
    examination.unread(&mut found);
    found.0
}

/// The findings so far.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, level: Level, code: &'static str, about: &str, text: impl Into<String>) {
        self.0.push(Finding { level, code, about: about.to_owned(), text: text.into() });
    }
}

/// Returns Istio's root namespace: plugins in it apply to the gateways of every namespace.
pub fn root_namespace(objects: &Objects, istio: &str) -> String {
    let mesh = objects.find(CONFIG_MAP, istio, "istio").map_or("", |config_map| text(config_map, "/data/mesh"));
    let documents = yaml::parse(mesh, Origin::File).unwrap_or_default();
    let root = documents.first().and_then(|mesh| mesh.text_at("rootNamespace"));
    root.filter(|root| !root.is_empty()).unwrap_or(istio).to_owned()
}

impl Examination<'_> {
    fn no_plugins(&self, found: &mut Findings) {
        let unknown: Vec<String> = PLUGINS
            .into_iter()
            .filter(|kind| self.objects.unknown(*kind).is_some())
            .map(|kind| kind.plural.to_owned())
            .collect();
        let text = if !unknown.is_empty() {
            format!(
                "no table was found, but the {} could not be read; name the file that you want to apply, or ask for the \
                 right to read them",
                some(unknown)
            )
        } else if PLUGINS.into_iter().all(|kind| self.objects.lacks(kind)) {
            "it has none of the kinds WasmPlugin, TrafficExtension and EnvoyFilter; install Istio".to_owned()
        } else {
            format!(
                "it has no WasmPlugin, TrafficExtension or EnvoyFilter of this filter; name the file that you want to \
                 apply, or write `pluginName: {PLUGIN_NAME}` in the object that is there"
            )
        };
        found.add(Level::Error, PLUGINS_CODE, "the cluster", text);
    }

    /// Checks that the cluster has the kind of a plugin.
    fn check_kind(&self, plugin: &Plugin, found: &mut Findings) {
        let Some(resource) = plugin.resource().filter(|resource| self.objects.lacks(*resource)) else { return };
        let text = format!(
            "the cluster has no kind {}, so the file can't be applied; install a version of Istio that has it",
            resource.kind
        );
        found.add(Level::Error, PLUGINS_CODE, &plugin.about, text);
    }

    /// Adds a finding that a check is not possible, because objects of a kind are not known.
    fn is_unknown(&self, resource: Resource, code: &'static str, about: &str, found: &mut Findings) -> bool {
        let Some(unread) = self.objects.unknown(resource) else { return false };
        let text = format!("this needs the {}, which could not be read", unread.resource.plural);
        found.add(Level::Skipped, code, about, text);
        true
    }

    /// Adds what `check` says about the tables, their manifests, and the Gateways.
    fn messages_of_check(&self, root: &str, found: &mut Findings) {
        let Manifests { loaded, of_cluster, .. } = self.manifests;
        let all = check_in_mesh(loaded, Some(root)).into_iter().enumerate();
        for (index, messages) in all.filter(|(index, _)| self.manifests.is_examined(*index)) {
            for message in messages.into_iter().filter(|message| !GUESSED.contains(&message.code)) {
                let (name, start) = (&message.source.name, message.span.start);
                // An object of the cluster has no lines.
                let mut about = match index < *of_cluster {
                    true => name.clone(),
                    false => format!("{name}:{}:{}", start.line, start.column),
                };
                if !message.place.is_empty() {
                    about = format!("{about}: {}", message.place);
                }
                let level = if message.is_error() { Level::Error } else { Level::Warning };
                found.add(level, message.code, &about, message.text);
            }
        }
    }

    /// Adds the objects that could not be read.
    fn unread(&self, found: &mut Findings) {
        for unread in &self.objects.unread {
            let Resource { plural, .. } = unread.resource;
            let group = unread.resource.group();
            let place = unread.namespace.as_ref().map_or(String::new(), |name| format!(" in the namespace `{name}`"));
            let resource = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
            let in_group = if group.is_empty() { String::new() } else { format!(" in the API group `{group}`") };
            let about = format!("{resource}{place}");
            match &unread.why {
                // Each check says itself what a missing kind means.
                Why::NoSuchKind => {}
                Why::Forbidden { verb } => found.add(
                    Level::Skipped,
                    "not-readable",
                    &about,
                    format!(
                        "the API server does not let this user read them (403); ask for a role with the verb `{verb}` on \
                         `{plural}`{in_group}"
                    ),
                ),
                Why::Failed(message) => {
                    found.add(Level::Skipped, "not-readable", &about, format!("the API server answered: {message}"));
                }
            }
        }
    }
}

/// Returns a list of things with a limit: `a, b, c and 4 more`.
fn some(things: impl IntoIterator<Item = String>) -> String {
    const MOST: usize = 3;
    let things: Vec<String> = things.into_iter().collect();
    let shown = things.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
    match things.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Returns how many pods these are, with the name of the first: `2 pods (istio-system/gateway-1, …)`.
fn describe_pods(pods: &[&Value]) -> String {
    let first = pods.first().map_or(String::new(), |pod| super::objects::path(pod));
    match pods.len() {
        1 => format!("1 pod ({first})"),
        count => format!("{count} pods ({first}, …)"),
    }
}

/// Returns the name of a Gateway with its namespace.
fn gateway_path(gateway: &Gateway) -> String {
    match &gateway.namespace {
        Some(namespace) => format!("{namespace}/{}", gateway.name),
        None => gateway.name.clone(),
    }
}

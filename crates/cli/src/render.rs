//! Makes the manifest that brings a table to a gateway: for Istio, for Envoy itself, for Envoy Gateway and for Higress.
//!
//! `settings` reads what the manifest around a table says, and the options replace parts of it. `platform` says as data
//! which settings a platform has and lacks. Each other module writes the object of one platform.

mod envoy;
mod envoy_gateway;
mod higress;
mod istio;
mod module;
pub mod platform;
mod settings;
mod text;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::configuration::Configuration;
use crate::kind::{MessageKind, kinds};
use crate::manifest::{Kind, PLUGIN_NAME};
use crate::message::Message;
use crate::source::files::STDIN;
use crate::source::position::Span;
use crate::words::clean;
use crate::yaml;

pub use module::Module;
pub use platform::Platform;
use platform::Support;
use settings::{Origin, Settings, Target};

kinds! {
    /// The kinds that concern the manifests that `render` writes.
    OF_RENDERING:
    /// The module is not known, so the manifest has a placeholder that `check` refuses.
    Warning "placeholder-module" PLACEHOLDER_MODULE;
    /// The platform lacks a setting that the manifest has, so it is left out.
    Warning "dropped-setting" DROPPED_SETTING;
    /// The platform needs another value of a setting than the manifest has.
    Warning "changed-setting" CHANGED_SETTING;
}

/// Options that replace what the manifest around a table says.
#[derive(Debug, Default)]
pub struct Options {
    pub module: Option<Module>,
    pub name: Option<String>,
    pub namespace: Option<String>,
    pub selector: Option<Vec<(String, String)>>,
    /// The name of a Gateway of the Gateway API.
    pub gateway: Option<String>,
    pub ports: Vec<u16>,
}

/// The manifests, and what to say about them.
#[derive(Debug)]
pub struct Rendered {
    pub objects: Vec<Value>,
    pub messages: Vec<Message>,
}

/// One table, with everything that its manifest will say.
struct Job<'c> {
    configuration: &'c Configuration,
    settings: Settings,
    messages: Vec<Message>,
}

/// Makes the manifests of some tables. Tables with errors are refused, with all errors.
pub fn render(
    configurations: &[Configuration],
    platform: Platform,
    options: &Options,
) -> Result<Rendered, Vec<Message>> {
    let messages = configurations.iter().flat_map(|configuration| configuration.compile().1);
    let errors: Vec<Message> = messages.filter(Message::is_error).collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut names = BTreeSet::new();
    let (mut objects, mut messages) = (Vec::new(), Vec::new());
    for configuration in configurations {
        let mut job = Job::new(configuration, platform, options);
        job.make_name_unique(&mut names);
        job.report_lacks(platform);
        objects.push(match platform {
            Platform::WasmPlugin => istio::wasm_plugin(&job),
            Platform::TrafficExtension => istio::traffic_extension(&job),
            Platform::EnvoyFilter => envoy::envoy_filter(&mut job),
            Platform::EnvoyEcds => envoy::extension(&mut job),
            Platform::EnvoyGateway => envoy_gateway::policy(&mut job),
            Platform::Higress => higress::wasm_plugin(&mut job),
        });
        messages.append(&mut job.messages);
    }
    if platform == Platform::EnvoyEcds {
        objects = vec![json!({ "resources": objects })];
    }
    Ok(Rendered { objects, messages })
}

impl Rendered {
    /// Returns the manifests as YAML, each with a comment that says from what it was made.
    pub fn to_yaml(&self, platform: Platform, sources: &[String]) -> Result<String, serde_saphyr::ser::Error> {
        let mut comment = format!("# Made by `ksvc-router render --as {}`", platform.word());
        // What came through standard input is in no file of that name.
        if sources.iter().all(|source| source != STDIN) {
            let names: Vec<_> = sources.iter().map(|source| clean(source)).collect();
            comment += &format!(" from {}. Edit the table there, and render it again", names.join(", "));
        }
        comment += ".\n";
        let documents: Result<Vec<String>, _> =
            self.objects.iter().map(|object| yaml::write(&text::Readable(object))).collect();
        let mut text = comment + &documents?.join("---\n");
        // A literal block at the end of the file needs its last line ending.
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(text)
    }

    /// Returns the manifests as one JSON value: the only object, or a list that `kubectl` takes.
    pub fn to_json(&self) -> Value {
        match &self.objects[..] {
            [only] => only.clone(),
            objects => json!({"apiVersion": "v1", "kind": "List", "items": objects}),
        }
    }
}

impl<'c> Job<'c> {
    fn new(configuration: &'c Configuration, platform: Platform, options: &Options) -> Self {
        let mut settings = Settings::read(configuration);
        let mut messages = Vec::new();
        let mut tell = |kind, at, text: String| messages.push(Message::new(kind, &configuration.source, at, text));
        for (key, at) in &settings.others {
            tell(DROPPED_SETTING, *at, format!("`{key}` is not carried over; add it to the manifest if you need it"));
        }
        let source = source_platform(configuration);
        if let Some(source) = source.filter(|source| *source != platform) {
            settings.remove_what_was_forced(source);
        }
        settings.set_defaults(source, options);
        let at = configuration.at;
        let place = |origin: Origin| origin.place(configuration);
        if let Some(labels) = &options.selector {
            settings.selector = Some((labels.clone(), Origin::Option));
            settings.targets = None;
        }
        if let Some(name) = &options.gateway {
            settings.targets = Some((vec![Target::gateway(name)], Origin::Option));
            settings.selector = None;
        }
        if !options.ports.is_empty() {
            settings.ports = Some((options.ports.clone(), Origin::Option));
        }
        if let Some(module) = &options.module {
            settings.module = Some((module.clone(), Origin::Option));
        }
        let module = settings.module.as_ref();
        let what = match module {
            None => Some("is not named"),
            Some((module, _)) if module.is_placeholder() => Some("has only zeros as its digest"),
            Some((Module::Web { sha256: None, .. }, _)) if platform.needs_digest() => {
                Some("has no digest, which Envoy requires for a download")
            }
            Some(_) => None,
        };
        if let Some(what) = what {
            let text = format!(
                "the module {what}, so `check` refuses the manifest, and no gateway loads the module; name it with {}",
                platform.image_options()
            );
            tell(PLACEHOLDER_MODULE, module.map_or(at, |module| place(module.1)), text);
        }
        let names_listener = |(targets, _): &&(Vec<Target>, Origin)| targets.iter().any(|t| t.section.is_some());
        if let Some((_, origin)) = settings.targets.as_ref().filter(names_listener)
            && platform.has_ports_in_place_of_listeners()
            && options.ports.is_empty()
        {
            let text = format!(
                "{} has no place for `sectionName`, so it is left out; name the port of the listener with `--port`",
                platform.object()
            );
            tell(DROPPED_SETTING, place(*origin), text);
        }
        let namespace = settings.namespace.take();
        settings.namespace = options.namespace.clone().or(match (platform, namespace) {
            (Platform::Higress, Some(namespace)) if namespace != higress::NAMESPACE => {
                tell(
                    CHANGED_SETTING,
                    at,
                    format!(
                        "Higress reads WasmPlugins only in its own namespace, so the manifest has `{}` in place of \
                         `{namespace}`; if Higress is installed in another namespace, name that with `--namespace`",
                        higress::NAMESPACE
                    ),
                );
                Some(higress::NAMESPACE.to_owned())
            }
            (_, Some(namespace)) => Some(namespace),
            (platform, None) => platform.namespace().map(str::to_owned),
        });
        if let Some(name) = &options.name {
            settings.name.clone_from(name);
        }
        Self { configuration, settings, messages }
    }

    fn report(&mut self, kind: MessageKind, at: Span, text: impl Into<String>) {
        self.messages.push(Message::new(kind, &self.configuration.source, at, text));
    }

    /// Two objects of the same name would be one object in the cluster.
    fn make_name_unique(&mut self, names: &mut BTreeSet<String>) {
        let base = self.settings.name.clone();
        let mut number = 2;
        while !names.insert(self.settings.name.clone()) {
            self.settings.name = format!("{base}-{number}");
            number += 1;
        }
    }

    /// Reports every setting that the manifest has and the platform lacks.
    fn report_lacks(&mut self, platform: Platform) {
        for (setting, what, origin) in self.settings.named() {
            let at = origin.place(self.configuration);
            if let Support::No { instead } = platform.support(setting) {
                let text = format!("{} has no place for {what}, so it is left out; {instead}", platform.object());
                self.report(DROPPED_SETTING, at, text);
            }
        }
    }

    /// Returns the table as JSON, with its keys in the order of the file.
    fn table(&self) -> Value {
        self.configuration.node.as_ref().map_or(Value::Null, |node| node.to_value())
    }

    /// Returns the text that the plugin gets from Envoy: as it is, if the configuration is written as such a text, else
    /// as JSON with one route on a line.
    fn table_text(&self) -> String {
        self.configuration.text.clone().unwrap_or_else(|| text::json(&self.table()))
    }

    /// Returns `metadata`.
    fn metadata(&self) -> Value {
        match &self.settings.namespace {
            Some(namespace) => json!({"name": self.settings.name, "namespace": namespace}),
            None => json!({"name": self.settings.name}),
        }
    }

    /// Returns the module, or the placeholder.
    fn module(&self) -> Module {
        self.settings.module.as_ref().map_or_else(Module::placeholder, |(module, _)| module.clone())
    }
}

/// Returns the platform of the manifest around a table.
fn source_platform(configuration: &Configuration) -> Option<Platform> {
    match &configuration.manifest {
        Some(manifest) => Some(match manifest.kind {
            Kind::WasmPlugin => Platform::WasmPlugin,
            Kind::TrafficExtension => Platform::TrafficExtension,
            Kind::EnvoyFilter => Platform::EnvoyFilter,
            Kind::EnvoyExtensionPolicy => Platform::EnvoyGateway,
            Kind::HigressWasmPlugin => Platform::Higress,
        }),
        None => configuration.envoy_plugin.as_ref().map(|_| Platform::EnvoyEcds),
    }
}

/// Adds an entry to an object, if there is a value.
fn put(object: &mut Value, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object[key] = value.into();
    }
}

/// Returns the name of an object for a table: that of the plugin, with the name of the table behind it.
fn object_name(table: Option<&str>) -> String {
    let is_plain = |name: &&str| {
        name.len() <= 200 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    match table.filter(is_plain).map(|name| name.trim_matches('-')) {
        Some(name) if !name.is_empty() && name != PLUGIN_NAME => format!("{PLUGIN_NAME}-{name}"),
        _ => PLUGIN_NAME.to_owned(),
    }
}

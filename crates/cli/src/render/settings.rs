//! The settings around a table, in words that all platforms share, as a manifest of any kind has them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::module::Module;
use super::platform::{Platform, Setting, Support};
use super::{Options, object_name};
use crate::configuration::Configuration;
use crate::manifest::{Kind, Manifest};
use crate::source::position::Span;
use crate::yaml::{Entry, Node};

/// Where a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// An option of the command line.
    Option,
    /// A place in the file.
    File(Span),
    /// The user has not given it.
    Default,
}

impl Origin {
    /// Returns where a message about the setting points: at the table if the setting is not in the file.
    pub(super) fn place(self, configuration: &Configuration) -> Span {
        match self {
            Self::File(at) => at,
            Self::Option | Self::Default => configuration.at,
        }
    }
}

impl From<Span> for Origin {
    fn from(at: Span) -> Self {
        Self::File(at)
    }
}

/// A value, and where it comes from.
type Given<T> = Option<(T, Origin)>;

/// An object to which a manifest is attached.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub(super) group: String,
    pub(super) kind: String,
    pub(super) name: String,
    /// A listener of the Gateway, which only Envoy Gateway has here.
    pub(super) section: Option<String>,
}

/// The settings around a table.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    pub(super) selector: Given<Vec<(String, String)>>,
    pub(super) targets: Given<Vec<Target>>,
    pub(super) ports: Given<Vec<u16>>,
    pub(super) phase: Given<String>,
    pub(super) priority: Given<i64>,
    /// What happens after a crash, in Istio's words. `None` stands for `FAIL_RELOAD`, which `render` writes.
    pub(super) failure: Given<String>,
    pub(super) module: Given<Module>,
    /// Envoy's own source of the module: it names a cluster, for which other platforms have no place.
    pub(super) envoy_code: Option<Value>,
    pub(super) pull_policy: Given<String>,
    pub(super) pull_secret: Given<String>,
    pub(super) verification_key: Given<String>,
    pub(super) vm_config: Given<Value>,
    /// Keys that are in none of the fields above.
    pub(super) others: Vec<(String, Span)>,
}

impl Target {
    pub(super) fn gateway(name: &str) -> Self {
        Self {
            group: "gateway.networking.k8s.io".to_owned(),
            kind: "Gateway".to_owned(),
            name: name.to_owned(),
            section: None,
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"group": self.group, "kind": self.kind, "name": self.name})
    }
}

impl Settings {
    /// Reads what the manifest around a table says.
    pub(super) fn read(configuration: &Configuration) -> Self {
        let table = configuration.node.as_ref().and_then(|node| node.text_at("name"));
        let mut settings = Self {
            name: object_name(table),
            namespace: None,
            selector: None,
            targets: None,
            ports: None,
            phase: None,
            priority: None,
            failure: None,
            module: None,
            envoy_code: None,
            pull_policy: None,
            pull_secret: None,
            verification_key: None,
            vm_config: None,
            others: Vec::new(),
        };
        if let Some(plugin) = &configuration.envoy_plugin {
            settings.read_envoy(plugin, "config");
        }
        let Some(manifest) = &configuration.manifest else { return settings };
        let metadata = |key| manifest.document.at(&["metadata", key]).and_then(|value| value.text()).map(str::to_owned);
        settings.name = metadata("name").unwrap_or(settings.name);
        settings.namespace = metadata("namespace");
        settings.read_metadata(manifest);
        match manifest.kind {
            Kind::WasmPlugin | Kind::TrafficExtension | Kind::HigressWasmPlugin => settings.read_istio(manifest),
            Kind::EnvoyFilter => settings.read_envoy_filter(manifest),
            Kind::EnvoyExtensionPolicy => settings.read_policy(manifest),
        }
        settings
    }

    /// Sets what `wasm-plugin.yaml` of this repository has, as far as the file's own platform has no place for it: the HTTPS
    /// port of Istio's ingress gateway. A bare table has a place for nothing.
    pub(super) fn set_defaults(&mut self, source: Option<Platform>, options: &Options) {
        let lacks = |setting| source.is_none_or(|source| matches!(source.support(setting), Support::No { .. }));
        let has_gateway = options.gateway.is_some() || (self.targets.is_some() && options.selector.is_none());
        if lacks(Setting::Selector) && !has_gateway {
            self.selector = Some((vec![("istio".to_owned(), "ingressgateway".to_owned())], Origin::Default));
        }
        if lacks(Setting::Ports) {
            self.ports = Some((vec![if has_gateway { 443 } else { 8443 }], Origin::Default));
        }
    }

    /// Removes what the file has only because its own platform has no better place for it, so that the manifest of another
    /// platform has the default in place of it.
    pub(super) fn remove_what_was_forced(&mut self, source: Platform) {
        let is_closed = self.failure.as_ref().is_some_and(|(strategy, _)| strategy == "FAIL_CLOSE");
        if is_closed && matches!(source.support(Setting::Restart), Support::No { .. }) {
            self.failure = None;
        }
        if source == Platform::Higress {
            // It is the namespace in which Higress is installed.
            self.namespace = None;
        }
    }

    /// Returns every setting that is given by the user, with the words for it and its origin. That a crashed filter starts
    /// again is worth a word even if nobody has asked for it.
    pub(super) fn named(&self) -> Vec<(Setting, String, Origin)> {
        fn origin<T>(given: &Given<T>) -> Option<Origin> {
            given.as_ref().map(|given| given.1)
        }
        let mut named = Vec::new();
        let mut add = |setting, what: &str, option: &str, origin: Option<Origin>| match origin {
            Some(Origin::Option) => named.push((setting, format!("`{option}`"), Origin::Option)),
            Some(Origin::File(at)) => named.push((setting, what.to_owned(), Origin::File(at))),
            Some(Origin::Default) | None => {}
        };
        add(Setting::Selector, "labels of pods", "--selector", origin(&self.selector));
        add(Setting::Gateways, "`targetRefs`", "--gateway", origin(&self.targets));
        add(Setting::Ports, "ports", "--port", origin(&self.ports));
        if let Some((phase, at)) = self.phase.as_ref().filter(|(phase, _)| !phase.starts_with("UNSPECIFIED")) {
            add(Setting::Phase, &format!("the phase `{phase}`"), "", Some(*at));
        }
        add(Setting::Priority, "`priority`", "", origin(&self.priority));
        if let Some((module, at)) = &self.module {
            match module {
                // A placeholder has a message of its own.
                module if module.is_placeholder() => {}
                Module::Image { .. } => add(Setting::Image, "an image", "--image oci://…", Some(*at)),
                Module::File { .. } => add(Setting::File, "a file in the gateway", "--image file://…", Some(*at)),
                Module::Web { .. } => {}
            }
        }
        let is_always = self.pull_policy.as_ref().filter(|(policy, _)| policy == "Always");
        add(Setting::PullPolicy, "`imagePullPolicy: Always`", "", is_always.map(|given| given.1));
        add(Setting::PullSecret, "a Secret for the registry", "", origin(&self.pull_secret));
        add(Setting::VerificationKey, "`verificationKey`", "", origin(&self.verification_key));
        add(Setting::Environment, "`vmConfig`", "", origin(&self.vm_config));
        if self.failure.as_ref().is_none_or(|(strategy, _)| strategy == "FAIL_RELOAD") {
            named.push((
                Setting::Restart,
                "`FAIL_RELOAD`".to_owned(),
                origin(&self.failure).unwrap_or(Origin::Default),
            ));
        }
        named
    }

    /// Labels and annotations belong to the object, and not to the filter. Those that a cluster writes are of no use.
    fn read_metadata(&mut self, manifest: &Manifest) {
        let Some(metadata) = manifest.document.get("metadata") else { return };
        for Entry { key, .. } in metadata.entries() {
            if matches!(&*key.text, "labels" | "annotations") {
                self.others.push((format!("metadata.{}", key.text), key.span));
            }
        }
    }

    fn read_istio(&mut self, manifest: &Manifest) {
        let is_extension = !Arc::ptr_eq(&manifest.spec, &manifest.plugin);
        let mut url = None;
        let mut sum = None;
        for holder in [Some(&manifest.spec), is_extension.then_some(&manifest.plugin)].into_iter().flatten() {
            for Entry { key, value, .. } in holder.entries().iter().filter(|entry| !entry.value.is_null()) {
                let text = || value.text().map(|text| (text.to_owned(), value.span.into()));
                match &*key.text {
                    "selector" => {
                        self.selector = value.get("matchLabels").map(|labels| (strings(labels), value.span.into()))
                    }
                    "targetRefs" => {
                        self.targets = Some((value.items().iter().map(target).collect(), value.span.into()))
                    }
                    "targetRef" => self.targets = Some((vec![target(value)], value.span.into())),
                    "match" => self.read_match(value),
                    "phase" => self.phase = text(),
                    "priority" => {
                        self.priority = value.to_value().as_i64().map(|priority| (priority, value.span.into()));
                    }
                    "failStrategy" => self.failure = text(),
                    "url" => url = text(),
                    "sha256" => sum = text().filter(|(sum, _)| !sum.is_empty()),
                    "imagePullPolicy" => self.pull_policy = text(),
                    "imagePullSecret" => self.pull_secret = text(),
                    "verificationKey" => self.verification_key = text(),
                    "vmConfig" => self.vm_config = Some((value.to_value(), value.span.into())),
                    "wasm" | "pluginConfig" | "defaultConfig" | "pluginName" => {}
                    // The filter is one for HTTP in every case.
                    "type" if value.text() != Some("NETWORK") => {}
                    // They are as the filter is without these keys.
                    "defaultConfigDisable" | "matchRules" if value.items().is_empty() && value.text().is_none() => {}
                    other => self.others.push((format!("spec.{other}"), key.span)),
                }
            }
        }
        self.module = url.map(|(url, at)| (module(&url, sum.map(|(sum, _)| sum)), at));
    }

    fn read_match(&mut self, selectors: &Arc<Node>) {
        let items = selectors.items();
        // An element without ports stands for all ports.
        if !items.is_empty() && items.iter().all(|item| !item.list("ports").is_empty()) {
            let ports =
                items.iter().flat_map(|item| item.list("ports")).filter_map(|port| port.get("number")?.number());
            let ports: Vec<u16> = ports.filter_map(|port| port.try_into().ok()).collect();
            self.ports = Some((ports, selectors.span.into())).filter(|(ports, _)| !ports.is_empty());
        }
        let modes = items.iter().filter_map(|item| item.get("mode"));
        // A gateway counts as a client, so the other modes say nothing new.
        let server = modes.filter(|mode| mode.text() == Some("SERVER"));
        self.others.extend(server.map(|mode| ("spec.match[].mode".to_owned(), mode.span)));
    }

    fn read_envoy_filter(&mut self, manifest: &Manifest) {
        let spec = &manifest.spec;
        self.selector = spec.at(&["workloadSelector", "labels"]).map(|labels| (strings(labels), labels.span.into()));
        let targets = spec.get("targetRefs");
        self.targets = targets.map(|refs| (refs.items().iter().map(target).collect(), refs.span.into()));
        self.others.extend(spec.get("priority").map(|priority| ("spec.priority".to_owned(), priority.span)));
        if let Some(patch) = &manifest.patch {
            let port = patch.at(&["match", "listener", "portNumber"]);
            self.ports = port.and_then(|port| Some((vec![port.number()?.try_into().ok()?], port.span.into())));
            let operation = patch.at(&["patch", "operation"]);
            let other = operation.filter(|operation| operation.text() != Some("INSERT_BEFORE"));
            self.others.extend(other.map(|operation| ("patch.operation".to_owned(), operation.span)));
        }
        self.read_envoy(&manifest.plugin, "config");
    }

    /// Reads Envoy's `PluginConfig`.
    fn read_envoy(&mut self, plugin: &Arc<Node>, place: &str) {
        for Entry { key, value, .. } in plugin.entries() {
            match &*key.text {
                "failure_policy" | "failurePolicy" => {
                    self.failure = value.text().map(|policy| (policy.replace("CLOSED", "CLOSE"), value.span.into()));
                }
                "vm_config" | "vmConfig" => self.read_vm(value, place),
                "name" | "root_id" | "rootId" | "configuration" => {}
                other => self.others.push((format!("{place}.{other}"), key.span)),
            }
        }
    }

    fn read_vm(&mut self, vm: &Node, place: &str) {
        for Entry { key, value, .. } in vm.entries() {
            match &*key.text {
                "code" => {
                    self.envoy_code = Some(value.to_value());
                    let file = value.at(&["local", "filename"]).and_then(|file| Some((file.text()?, file.span)));
                    let remote = value.get("remote");
                    let uri = remote.and_then(|remote| remote.either(["http_uri", "httpUri"])?.get("uri"));
                    let sum = remote.and_then(|remote| remote.text_at("sha256")).map(str::to_owned);
                    let uri = uri.and_then(|uri| Some((uri.text()?, uri.span)));
                    self.module = file
                        .map(|(path, at)| (Module::File { path: path.to_owned() }, at.into()))
                        .or(uri.map(|(uri, at)| (module(uri, sum), at.into())));
                }
                "runtime" if value.text() == Some("envoy.wasm.runtime.v8") => {}
                "vm_id" | "vmId" => {}
                other => self.others.push((format!("{place}.vm_config.{other}"), key.span)),
            }
        }
    }

    fn read_policy(&mut self, manifest: &Manifest) {
        self.failure = Some(("FAIL_CLOSE".to_owned(), Origin::Default));
        for Entry { key, value, .. } in manifest.spec.entries() {
            match &*key.text {
                "targetRefs" => self.targets = Some((value.items().iter().map(target).collect(), value.span.into())),
                "targetRef" => self.targets = Some((vec![target(value)], value.span.into())),
                "wasm" => {}
                other => self.others.push((format!("spec.{other}"), key.span)),
            }
        }
        for Entry { key, value, .. } in manifest.plugin.entries() {
            match &*key.text {
                "code" => self.read_policy_code(value),
                "failOpen" => {
                    let word = if value.to_value() == Value::Bool(true) { "FAIL_OPEN" } else { "FAIL_CLOSE" };
                    self.failure = Some((word.to_owned(), value.span.into()));
                }
                "name" | "rootID" | "config" => {}
                other => self.others.push((format!("spec.wasm[].{other}"), key.span)),
            }
        }
    }

    fn read_policy_code(&mut self, code: &Node) {
        let policy = code.get("pullPolicy").and_then(|policy| Some((policy.text()?.to_owned(), policy.span.into())));
        self.pull_policy = policy;
        let (image, http) = (code.get("image"), code.get("http"));
        let Some(source) = image.or(http) else { return };
        let sum = source.text_at("sha256").map(str::to_owned);
        for Entry { key, value, .. } in source.entries() {
            match &*key.text {
                "url" => {
                    let url = value.text().unwrap_or_default();
                    self.module = Some((module(url, sum.clone()), value.span.into()));
                }
                "pullSecretRef" => {
                    let name = value.text_at("name").map(|name| (name.to_owned(), value.span.into()));
                    self.pull_secret = name;
                }
                "sha256" => {}
                other => self.others.push((format!("spec.wasm[].code.{other}"), key.span)),
            }
        }
    }
}

/// Returns the module of a URL in a manifest. `check` says what is wrong with a URL, and it is copied as it is.
fn module(url: &str, sum: Option<String>) -> Module {
    let pinned = match &sum {
        // Without a digest of its own, an image has the checksum as its digest.
        Some(sum) if !url.contains('@') && !url.starts_with("http") => format!("{url}@sha256:{sum}"),
        _ => url.to_owned(),
    };
    match Module::parse(&pinned) {
        Ok(Module::Web { url, sha256 }) => Module::Web { url, sha256: sha256.or(sum) },
        Ok(module) => module,
        Err(_) => Module::Image { url: url.to_owned() },
    }
}

fn target(node: &Arc<Node>) -> Target {
    let text = |key| node.text_at(key).unwrap_or_default().to_owned();
    Target {
        group: text("group"),
        kind: text("kind"),
        name: text("name"),
        section: node.text_at("sectionName").map(str::to_owned),
    }
}

fn strings(node: &Node) -> Vec<(String, String)> {
    let entries = node.entries().iter();
    entries.filter_map(|entry| Some((entry.key.text.clone(), entry.value.text()?.to_owned()))).collect()
}

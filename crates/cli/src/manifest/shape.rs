//! The keys of Istio's WasmPlugin and TrafficExtension, with their types. `check` compares manifests with them, and
//! `schema --manifest` prints them.
//!
//! They are those of Istio 1.31 (istio.io/api, kubernetes/customresourcedefinitions.gen.yaml).

use std::sync::Arc;

use super::{Kind, Manifest, PLUGIN_CONFIG, plugin_config};
use crate::kind::{
    INVALID_MANIFEST_VALUE, MISSING_MANIFEST_KEY, MessageKind, UNKNOWN_API_VERSION, UNKNOWN_MANIFEST_KEY,
};
use crate::source::position::Span;
use crate::words::{describe, nearest, quote_all};
use crate::yaml::{Key, Node, Value};

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    Text,
    /// One of some words.
    Words(&'static [&'static str]),
    Whole {
        least: i64,
        most: i64,
    },
    /// An object of strings.
    Labels,
    /// An object with keys that are not checked.
    Any,
    List(&'static Shape),
    Object(fn() -> Vec<Field>),
    /// The route table.
    Table,
}

/// A key of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field {
    pub(crate) key: &'static str,
    pub(crate) shape: Shape,
    /// The description, a sentence.
    pub(crate) about: &'static str,
    pub(crate) required: bool,
}

const fn field(key: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { key, shape, about, required: false }
}

const fn required(key: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { required: true, ..field(key, shape, about) }
}

/// The keys of a manifest.
pub(crate) fn object(kind: Kind) -> Vec<Field> {
    let spec = match kind {
        Kind::TrafficExtension => traffic_extension,
        _ => wasm_plugin,
    };
    vec![
        required("apiVersion", Shape::Text, "The version of the kind: `extensions.istio.io/v1alpha1`."),
        required("kind", Shape::Text, "The kind of the object."),
        // Kubernetes defines the keys of `metadata`.
        field("metadata", Shape::Any, "The name of the object, its namespace and its labels."),
        required("spec", Shape::Object(spec), "The settings of the filter, such as `url` and `pluginConfig`."),
        field("status", Shape::Any, "Written by Istio."),
    ]
}

fn wasm_plugin() -> Vec<Field> {
    let phases = &["UNSPECIFIED_PHASE", "AUTHN", "AUTHZ", "STATS"];
    let target = "The gateway of the Gateway API that runs the filter, for Istio before 1.22.";
    [placing(phases), vec![field("targetRef", Shape::Object(target_ref), target)], wasm()].concat()
}

fn traffic_extension() -> Vec<Field> {
    let phases = &["UNSPECIFIED", "AUTHN", "AUTHZ", "STATS"];
    let lua = field("lua", Shape::Object(lua), "A filter in Lua, instead of `wasm`.");
    [placing(phases), vec![field("wasm", Shape::Object(wasm), "The module and its configuration."), lua]].concat()
}

/// The keys that say where the filter runs.
fn placing(phases: &'static [&'static str]) -> Vec<Field> {
    const TARGET: &Shape = &Shape::Object(target_ref);
    const MATCH: &Shape = &Shape::Object(traffic);
    vec![
        field("selector", Shape::Object(selector), "The proxies that run the filter, by the labels of their pods."),
        field("targetRefs", Shape::List(TARGET), "The gateways of the Gateway API that run the filter."),
        field("match", Shape::List(MATCH), "The ports on which the filter runs. Default: every port."),
        field(
            "phase",
            Shape::Words(phases),
            "The place in the filter chain. Without it, the filter runs after authentication and authorization.",
        ),
        field(
            "priority",
            Shape::Whole { least: i32::MIN as i64, most: i32::MAX as i64 },
            "The order within the phase: higher numbers run first, and filters without a number last.",
        ),
    ]
}

/// The keys that say which module runs.
fn wasm() -> Vec<Field> {
    vec![
        required(
            "url",
            Shape::Text,
            "Where the module is: `oci://` for an image, `https://` or `http://` for a web server, `file://` for a file in the gateway.",
        ),
        field("sha256", Shape::Text, "The SHA-256 checksum of the module."),
        field(
            "imagePullPolicy",
            Shape::Words(&["UNSPECIFIED_POLICY", "IfNotPresent", "Always"]),
            "When the registry is asked for the image. With `Always`, at every edit.",
        ),
        field("imagePullSecret", Shape::Text, "The Secret with the credentials for the registry."),
        field("verificationKey", Shape::Text, "The public key that verifies signed images."),
        field("pluginConfig", Shape::Table, "The route table."),
        field(
            "pluginName",
            Shape::Text,
            "`ksvc-router`, by which the admission policy and `ksvc-router check` recognize the filter.",
        ),
        field(
            "failStrategy",
            Shape::Words(&["FAIL_CLOSE", "FAIL_OPEN", "FAIL_RELOAD"]),
            "What happens after a crash of the filter. With `FAIL_RELOAD`, it starts again. Default: `FAIL_CLOSE`.",
        ),
        field("vmConfig", Shape::Object(vm), "Settings of the wasm VM."),
        field(
            "type",
            Shape::Words(&["UNSPECIFIED_PLUGIN_TYPE", "HTTP", "NETWORK"]),
            "The kind of filter. This one is for HTTP, which is the default.",
        ),
    ]
}

fn lua() -> Vec<Field> {
    vec![required("inlineCode", Shape::Text, "The code.")]
}

fn selector() -> Vec<Field> {
    vec![field("matchLabels", Shape::Labels, "The labels, such as `istio: ingressgateway`.")]
}

fn target_ref() -> Vec<Field> {
    vec![
        field("group", Shape::Text, "The API group, `gateway.networking.k8s.io` for a Gateway."),
        required("kind", Shape::Text, "The kind, such as `Gateway`."),
        required("name", Shape::Text, "The name of the object."),
        field("namespace", Shape::Text, "Not supported by Istio."),
    ]
}

fn traffic() -> Vec<Field> {
    const PORT: &Shape = &Shape::Object(port);
    vec![
        field(
            "mode",
            Shape::Words(&["UNDEFINED", "CLIENT", "SERVER", "CLIENT_AND_SERVER"]),
            "The direction of the traffic. A gateway counts as `CLIENT`.",
        ),
        field("ports", Shape::List(PORT), "The ports, as the pod of the gateway listens on them."),
    ]
}

fn port() -> Vec<Field> {
    vec![required("number", Shape::Whole { least: 1, most: 65535 }, "The number of the port, such as 8443.")]
}

fn vm() -> Vec<Field> {
    const ENV: &Shape = &Shape::Object(env);
    vec![field("env", Shape::List(ENV), "Environment variables.")]
}

fn env() -> Vec<Field> {
    vec![
        required("name", Shape::Text, "The name of the variable."),
        field("valueFrom", Shape::Words(&["INLINE", "HOST"]), "Whether the value is `value`, or that of the proxy."),
        field("value", Shape::Text, "The value."),
    ]
}

/// An error in the form of a manifest.
#[derive(Debug)]
pub(crate) struct Misshape {
    pub(crate) kind: MessageKind,
    /// The place in the manifest, such as `spec.match[0].ports`.
    pub(crate) place: String,
    pub(crate) at: Span,
    pub(crate) text: String,
}

/// Returns every error in the form of a manifest. Only the keys of WasmPlugins and TrafficExtensions are checked here.
pub(crate) fn misshapes(manifest: &Manifest) -> Vec<Misshape> {
    let mut checker = Checker::default();
    let (document, name) = (&manifest.document, manifest.kind.name());
    checker.version(document, name, manifest.kind.api_versions());
    if let Some(kind) = document.get("kind").filter(|kind| kind.text() != Some(name)) {
        let text = format!("{} is no kind of object that runs a filter; write `{name}`", describe(kind));
        checker.report(INVALID_MANIFEST_VALUE, "kind", kind.span, text);
    }
    if matches!(manifest.kind, Kind::WasmPlugin | Kind::TrafficExtension) {
        checker.object(document, "", &object(manifest.kind));
    }
    checker.found
}

/// Returns the error that a document of some kind has an `apiVersion` that the kind does not have.
pub(crate) fn wrong_version(document: &Node, kind: &str, known: &[&str]) -> Option<Misshape> {
    let mut checker = Checker::default();
    checker.version(document, kind, known);
    checker.found.pop()
}

#[derive(Default)]
struct Checker {
    found: Vec<Misshape>,
}

impl Checker {
    fn report(&mut self, kind: MessageKind, place: &str, at: Span, text: String) {
        self.found.push(Misshape { kind, place: place.to_owned(), at, text });
    }

    fn version(&mut self, document: &Node, kind: &str, known: &[&str]) {
        let Some(version) = document.get("apiVersion").filter(|version| !version.is_null()) else { return };
        if version.text().is_none_or(|version| !known.contains(&version)) {
            let text = format!(
                "{} is no version of a {kind}; write {}",
                describe(version),
                known.iter().map(|version| format!("`{version}`")).collect::<Vec<_>>().join(" or ")
            );
            self.report(UNKNOWN_API_VERSION, "apiVersion", version.span, text);
        }
    }

    fn value(&mut self, node: &Arc<Node>, place: &str, shape: Shape) {
        // Kubernetes takes null for an absent key.
        if node.is_null() {
            return;
        }
        let expected = match (shape, &node.value) {
            (Shape::Object(fields), Value::Map(_)) => return self.object(node, place, &fields()),
            (Shape::List(of), Value::List(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(item, &format!("{place}[{index}]"), *of);
                }
                return;
            }
            (Shape::Labels, Value::Map(_)) => {
                for entry in node.entries() {
                    self.value(&entry.value, &format!("{place}.{}", entry.key.text), Shape::Text);
                }
                return;
            }
            (Shape::Words(words), Value::Text { text, .. }) if !words.contains(&&**text) => {
                let text = match nearest(text, words.iter().copied()) {
                    Some(near) => format!("{text:?} is not a choice here; did you mean `{near}`?"),
                    None => format!("{text:?} is not a choice here; the choices are {}", quote_all(words)),
                };
                return self.report(INVALID_MANIFEST_VALUE, place, node.span, text);
            }
            (Shape::Whole { least, most }, Value::Number(number))
                if number.as_f64().is_some_and(|n| n.fract() == 0.0 && (least as f64..=most as f64).contains(&n)) =>
            {
                return;
            }
            (Shape::Text | Shape::Words(_), Value::Text { .. }) => return,
            // The routing core reports what is wrong with a table.
            (Shape::Any | Shape::Table, _) => return,
            (Shape::Text | Shape::Words(_), _) => "a string".to_owned(),
            (Shape::Whole { least, most }, _) => format!("a whole number from {least} to {most}"),
            (Shape::List(_), _) => "a list".to_owned(),
            (Shape::Object(_) | Shape::Labels, _) => "an object".to_owned(),
        };
        let write = match (&node.value, shape) {
            (Value::Bool(_) | Value::Number(_), Shape::Text) => "it in quotes".to_owned(),
            (Value::Text { text, .. }, Shape::Whole { .. }) if text.parse::<u16>().is_ok() => {
                "it without quotes".to_owned()
            }
            _ => expected.clone(),
        };
        let text = format!("expected {expected}, found {}; write {write}", describe(node));
        self.report(INVALID_MANIFEST_VALUE, place, node.span, text);
    }

    fn object(&mut self, node: &Node, place: &str, fields: &[Field]) {
        let below = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
        let known: Vec<&str> = fields.iter().map(|field| field.key).collect();
        // What is meant as `pluginConfig` is reported as what keeps the table from the filter.
        let table = fields.iter().find(|field| matches!(field.shape, Shape::Table)).and_then(|_| plugin_config(node));
        let mut meant = Vec::new();
        let mut misplaced: Vec<(&Field, Vec<&Key>)> = Vec::new();
        for entry in node.entries() {
            let key = &*entry.key.text;
            if let Some(field) = fields.iter().find(|field| field.key == key) {
                self.value(&entry.value, &below(key), field.shape);
                continue;
            }
            if table.is_some_and(|table| std::ptr::eq(table, entry)) {
                continue;
            }
            let near = nearest(key, known.iter().copied());
            meant.extend(near);
            let text = match (near, fields.iter().find(|field| field.shape.has(key))) {
                (Some(near), _) => format!("unknown key `{key}`; did you mean `{near}`?"),
                // That `spec` is missing says this of all keys at once, and the table has its own message.
                (None, Some(Field { key: "spec", .. })) if node.get("spec").is_none() || key == PLUGIN_CONFIG => {
                    continue;
                }
                (None, Some(field)) => {
                    match misplaced.iter_mut().find(|(home, _)| home.key == field.key) {
                        Some((_, keys)) => keys.push(&entry.key),
                        None => misplaced.push((field, vec![&entry.key])),
                    }
                    continue;
                }
                (None, None) => format!("unknown key `{key}`; the keys here are {}", quote_all(&known)),
            };
            self.report(UNKNOWN_MANIFEST_KEY, &below(key), entry.key.span, text);
        }
        for (home, keys) in misplaced {
            let Some(first) = keys.first() else { continue };
            let (keys, home) = (keys.iter().map(|key| &*key.text).collect::<Vec<_>>(), below(home.key));
            let text = match &keys[..] {
                [key] => format!("unknown key `{key}`; write it below `{home}`"),
                keys => format!("unknown keys {}; write them below `{home}`", quote_all(keys)),
            };
            self.report(UNKNOWN_MANIFEST_KEY, &below(&first.text), first.span, text);
        }
        for Field { key, about, .. } in fields.iter().filter(|field| field.required) {
            let entry = node.entries().iter().find(|entry| entry.key.text == *key);
            if entry.is_none_or(|entry| entry.value.is_null()) && !meant.contains(key) {
                let mut about = about.trim_end_matches('.').to_owned();
                about[..1].make_ascii_lowercase();
                let (at, what) = entry.map_or((node.span, "is missing"), |entry| (entry.key.span, "has no value"));
                self.report(MISSING_MANIFEST_KEY, place, at, format!("`{key}` {what}; write {about}"));
            }
        }
    }
}

impl Shape {
    /// Returns whether this is an object with a key of that name.
    fn has(self, key: &str) -> bool {
        matches!(self, Shape::Object(fields) if fields().iter().any(|field| field.key == key))
    }
}

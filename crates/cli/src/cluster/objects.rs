//! The objects of a cluster, as JSON, and the notes about those that could not be read.

use std::sync::Arc;

use serde_json::Value;

use crate::yaml::Node;

/// A kind of objects in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    pub kind: &'static str,
    pub api_version: &'static str,
    /// The name of the kind in URLs and in the rules of roles.
    pub plural: &'static str,
}

impl Resource {
    const fn new(kind: &'static str, api_version: &'static str, plural: &'static str) -> Self {
        Self { kind, api_version, plural }
    }

    /// Returns the API group; empty for the core group.
    pub fn group(&self) -> &'static str {
        group(self.api_version)
    }

    /// Returns whether an object is of this kind, in any version.
    fn has(&self, object: &Value) -> bool {
        group(text(object, "/apiVersion")) == self.group() && text(object, "/kind") == self.kind
    }
}

pub const WASM_PLUGIN: Resource = Resource::new("WasmPlugin", "extensions.istio.io/v1alpha1", "wasmplugins");
pub const TRAFFIC_EXTENSION: Resource =
    Resource::new("TrafficExtension", "extensions.istio.io/v1alpha1", "trafficextensions");
pub const ENVOY_FILTER: Resource = Resource::new("EnvoyFilter", "networking.istio.io/v1alpha3", "envoyfilters");
pub const ISTIO_GATEWAY: Resource = Resource::new("Gateway", "networking.istio.io/v1", "gateways");
pub const API_GATEWAY: Resource = Resource::new("Gateway", "gateway.networking.k8s.io/v1", "gateways");
pub const SERVICE: Resource = Resource::new("Service", "v1", "services");
pub const POD: Resource = Resource::new("Pod", "v1", "pods");
pub const CONFIG_MAP: Resource = Resource::new("ConfigMap", "v1", "configmaps");
pub const KNATIVE_SERVICE: Resource = Resource::new("Service", "serving.knative.dev/v1", "services");
pub const DOMAIN_MAPPING: Resource = Resource::new("DomainMapping", "serving.knative.dev/v1beta1", "domainmappings");
pub const ADMISSION_POLICY: Resource =
    Resource::new("ValidatingAdmissionPolicy", "admissionregistration.k8s.io/v1", "validatingadmissionpolicies");
pub const ADMISSION_BINDING: Resource = Resource::new(
    "ValidatingAdmissionPolicyBinding",
    "admissionregistration.k8s.io/v1",
    "validatingadmissionpolicybindings",
);

/// The kinds of objects that hold tables.
pub const PLUGINS: [Resource; 3] = [WASM_PLUGIN, TRAFFIC_EXTENSION, ENVOY_FILTER];

/// Objects that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    pub resource: Resource,
    /// `None` for all namespaces, and for objects without one.
    pub namespace: Option<String>,
    pub why: Why,
}

/// Why objects could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The cluster has no such kind, so it has no such objects.
    NoSuchKind,
    /// The user may not read them.
    Forbidden { verb: &'static str },
    /// The API server has answered with this error.
    Failed(String),
}

impl Why {
    /// Returns what the API server has answered.
    pub fn words(&self) -> String {
        match self {
            Self::NoSuchKind => "the cluster has none of the kinds (404)".to_owned(),
            Self::Forbidden { verb } => format!("this user may not `{verb}` them (403)"),
            Self::Failed(message) => message.clone(),
        }
    }
}

/// The objects of a cluster that `doctor` and `status` look at.
#[derive(Debug, Default)]
pub struct Objects {
    /// The major and the minor version of the API server; `None` if it is not known.
    pub version: Option<(u32, u32)>,
    objects: Vec<Value>,
    pub unread: Vec<Unread>,
}

impl Objects {
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Returns the objects of one kind.
    pub fn of(&self, resource: Resource) -> impl Iterator<Item = &Value> {
        self.objects.iter().filter(move |object| resource.has(object))
    }

    /// Returns an object by its name.
    pub fn find(&self, resource: Resource, namespace: &str, name: &str) -> Option<&Value> {
        self.of(resource).find(|object| self::namespace(object) == namespace && self::name(object) == name)
    }

    /// Adds an object. It replaces the object of the same kind, namespace and name.
    pub fn add(&mut self, object: Value) {
        let same = |other: &Value| {
            ["/kind", "/metadata/namespace", "/metadata/name"].iter().all(|at| text(other, at) == text(&object, at))
                && group(text(other, "/apiVersion")) == group(text(&object, "/apiVersion"))
        };
        match self.objects.iter_mut().find(|other| same(other)) {
            Some(other) => *other = object,
            None => self.objects.push(object),
        }
    }

    /// Adds the objects of a file, as if they were applied. An object without a namespace gets `default_namespace`.
    pub fn apply(&mut self, document: &Arc<Node>, default_namespace: &str) {
        if document.text_at("kind") == Some("List") {
            document.list("items").iter().for_each(|item| self.apply(item, default_namespace));
            return;
        }
        let mut object = document.to_value();
        if object.get("kind").is_none() || object.get("apiVersion").is_none() || name(&object).is_empty() {
            return;
        }
        let has_namespace = ![ADMISSION_POLICY, ADMISSION_BINDING].iter().any(|resource| resource.has(&object));
        if has_namespace && namespace(&object).is_empty() && !default_namespace.is_empty() {
            object["metadata"]["namespace"] = default_namespace.into();
        }
        self.add(object);
    }

    /// Returns why the objects of a kind are not known as a whole, if that is so. A kind that the cluster does not have
    /// is known: there are no objects of it.
    pub fn unknown(&self, resource: Resource) -> Option<&Unread> {
        self.unread.iter().find(|unread| unread.resource == resource && unread.why != Why::NoSuchKind)
    }

    /// Returns whether the cluster has no such kind of objects.
    pub fn lacks(&self, resource: Resource) -> bool {
        self.unread.iter().any(|unread| unread.resource == resource && unread.why == Why::NoSuchKind)
    }
}

/// Returns whether a pod runs, as far as its phase says.
pub fn is_running(pod: &Value) -> bool {
    text(pod, "/status/phase") == "Running"
}

/// Returns the containers of a pod, those that start before the others included.
pub fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    list(pod, "/spec/containers").iter().chain(list(pod, "/spec/initContainers"))
}

/// Returns the string at a JSON pointer; an empty one if there is none.
pub fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the elements of the list at a JSON pointer.
pub fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], |list| list)
}

pub fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

/// Returns the namespace and the name of an object: `istio-system/ksvc-router`.
pub fn path(object: &Value) -> String {
    match namespace(object) {
        "" => name(object).to_owned(),
        namespace => format!("{namespace}/{}", name(object)),
    }
}

/// Returns the API group in an `apiVersion`; empty for the core group.
fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// Returns the entries of the object at a JSON pointer whose values are strings, such as labels.
pub fn strings(value: &Value, pointer: &str) -> Vec<(String, String)> {
    let entries = value.pointer(pointer).and_then(Value::as_object);
    let pair = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    entries.into_iter().flatten().filter_map(pair).collect()
}

/// Returns whether an object has all of these labels.
pub fn has_labels(object: &Value, labels: &[(String, String)]) -> bool {
    let its = object.pointer("/metadata/labels");
    labels.iter().all(|(key, value)| its.and_then(|its| its.get(key)).and_then(Value::as_str) == Some(value))
}

/// Writes labels as a message does: `` `istio: ingressgateway` and `app: gateway` ``.
pub fn quote_labels(labels: &[(String, String)]) -> String {
    labels.iter().map(|(key, value)| format!("`{key}: {value}`")).collect::<Vec<_>>().join(" and ")
}

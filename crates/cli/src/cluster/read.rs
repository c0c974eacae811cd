//! Reads the objects that concern an installation from the API server, by GET and LIST alone.
//!
//! What the user may not read, and kinds that the cluster does not have, are noted in `Objects::unread`. Only an API
//! server that does not answer, does not know the user, or returns nothing at all is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::Request;
use ksvc_discovery::KnativeService;
use serde_json::Value;
use tokio::time::timeout;

use super::connect::{ClusterError, Connection, PATIENCE, check_namespace};
use super::finding::one_line;
use super::objects::{
    ADMISSION_BINDING, ADMISSION_POLICY, API_GATEWAY, CONFIG_MAP, DOMAIN_MAPPING, ENVOY_FILTER, ISTIO_GATEWAY,
    KNATIVE_SERVICE, Objects, POD, Resource, SERVICE, TRAFFIC_EXTENSION, Unread, WASM_PLUGIN, Why, namespace, text,
};
use super::plugins::{Plugin, Target};
use crate::manifest::PLUGIN_NAME;
use crate::manifest::gateway::GATEWAY_NAME;
use crate::percent::component;
use crate::source::Source;
use crate::source::position::Position;
use crate::yaml::Node;

/// How many objects the API server returns at a time.
const PAGE: usize = 500;

/// Where Istio and Knative are installed.
#[derive(Debug, Clone)]
pub struct Places {
    /// The namespace of istiod.
    pub istio: String,
    /// The namespace of Knative's ConfigMaps.
    pub knative: String,
}

/// Reads a cluster into `objects`.
pub struct Reader {
    pub connection: Connection,
    pub objects: Objects,
    /// The lists that were asked for, so that none is asked for twice: how the API server refused, if it did.
    asked: BTreeMap<String, Option<(u16, String)>>,
    /// Whether the API server has returned a list or an object.
    has_read: bool,
}

/// The answer to a request.
enum Answer {
    Found(Value),
    Refused(u16, String),
}

impl Reader {
    pub fn new(connection: Connection) -> Self {
        Self { connection, objects: Objects::default(), asked: BTreeMap::new(), has_read: false }
    }

    /// Reads the objects that hold tables.
    pub async fn read_plugins(&mut self) -> Result<(), ClusterError> {
        for resource in [WASM_PLUGIN, TRAFFIC_EXTENSION, ENVOY_FILTER] {
            self.list(resource, None, None).await?;
        }
        Ok(())
    }

    /// Reads the Gateways, the settings of Istio and Knative, and the admission policy.
    pub async fn read_settings(&mut self, places: &Places) -> Result<(), ClusterError> {
        self.read_version().await?;
        for resource in [ISTIO_GATEWAY, API_GATEWAY, DOMAIN_MAPPING] {
            self.list(resource, None, None).await?;
        }
        self.read_mesh(places).await?;
        for name in ["config-domain", "config-network", "config-istio", "config-gateway"] {
            self.get(CONFIG_MAP, Some(&places.knative), name).await?;
        }
        self.get(ADMISSION_POLICY, None, PLUGIN_NAME).await?;
        self.get(ADMISSION_BINDING, None, PLUGIN_NAME).await
    }

    /// Reads the settings of the mesh.
    pub async fn read_mesh(&mut self, places: &Places) -> Result<(), ClusterError> {
        self.get(CONFIG_MAP, Some(&places.istio), "istio").await
    }

    /// Reads the pods with these labels in a namespace.
    pub async fn read_pods_with(&mut self, namespace: &str, labels: &[(String, String)]) -> Result<(), ClusterError> {
        self.list(POD, Some(namespace), Some(&selector(labels))).await
    }

    /// Reads the pods that the plugins select.
    pub async fn read_pods(&mut self, plugins: &[Plugin]) -> Result<(), ClusterError> {
        for plugin in plugins {
            for target in plugin.targets() {
                match target {
                    Target::Labels(labels) => {
                        self.list_everywhere_or(POD, &plugin.namespace, &selector(&labels)).await?;
                    }
                    Target::Gateway(name) => {
                        let selector = format!("{GATEWAY_NAME}={name}");
                        self.list(POD, Some(&plugin.namespace), Some(&selector)).await?;
                    }
                    Target::Other(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Reads what is around the plugins and their pods: Services, Knative Services, and other gateways.
    pub async fn read_surroundings(&mut self, plugins: &[Plugin]) -> Result<(), ClusterError> {
        let mut with_pods: BTreeSet<String> =
            self.objects.of(POD).map(|pod| namespace(pod).to_owned()).filter(|name| !name.is_empty()).collect();
        if with_pods.is_empty() {
            // For the remedy: which labels the pods of gateways have.
            self.list(POD, None, Some(GATEWAY_NAME)).await?;
            self.list(POD, None, Some("istio")).await?;
        }
        with_pods.extend(self.objects.of(API_GATEWAY).map(|gateway| namespace(gateway).to_owned()));
        for name in with_pods {
            self.list(SERVICE, Some(&name), None).await?;
        }
        let services = plugins.iter().flat_map(Plugin::services).map(|service| service.namespace);
        for name in services.collect::<BTreeSet<String>>() {
            self.list(KNATIVE_SERVICE, Some(&name), None).await?;
        }
        Ok(())
    }

    async fn read_version(&mut self) -> Result<(), ClusterError> {
        let why = match self.request("/version").await? {
            Answer::Found(version) if version["major"].is_string() => {
                let number = |pointer| text(&version, pointer).trim_end_matches(|c: char| !c.is_ascii_digit()).parse();
                self.objects.version = number("/major").ok().zip(number("/minor").ok());
                return Ok(());
            }
            // A role may leave it out.
            Answer::Refused(403, _) => return Ok(()),
            Answer::Found(_) => "the answer has no version".to_owned(),
            Answer::Refused(_, message) => message,
        };
        Err(ClusterError::NotAnApiServer { server: self.connection.server.clone(), why })
    }

    /// Returns the objects that were read. It is an error if the API server has returned none of them.
    pub fn into_objects(self) -> Result<Objects, ClusterError> {
        if self.has_read {
            return Ok(self.objects);
        }
        let refusals = self.objects.unread.iter().map(|unread| &unread.why);
        let why = refusals.min_by_key(|why| matches!(why, Why::NoSuchKind)).map_or(String::new(), Why::words);
        Err(ClusterError::NothingReadable { server: self.connection.server, why })
    }

    /// Adds the objects of a kind. If they can't be read, that is noted.
    async fn list(
        &mut self,
        resource: Resource,
        namespace: Option<&str>,
        selector: Option<&str>,
    ) -> Result<(), ClusterError> {
        if let Some((status, message)) = self.try_list(resource, namespace, selector).await? {
            self.note(resource, namespace, "list", status, message);
        }
        Ok(())
    }

    /// Adds the objects of a kind. Returns the status and the message with which the API server refuses.
    async fn try_list(
        &mut self,
        resource: Resource,
        namespace: Option<&str>,
        selector: Option<&str>,
    ) -> Result<Option<(u16, String)>, ClusterError> {
        let mut path = format!("{}?limit={PAGE}", collection(resource, namespace));
        if let Some(selector) = selector {
            path += &format!("&labelSelector={}", component(selector));
        }
        if let Some(refusal) = self.asked.get(&path) {
            return Ok(refusal.clone());
        }
        let (items, refusal) = self.pages(&path).await?;
        self.has_read |= refusal.is_none() || !items.is_empty();
        for item in items {
            self.objects.add(complete(item, resource));
        }
        self.asked.insert(path, refusal.clone());
        Ok(refusal)
    }

    /// Returns the elements of a list, page by page, and the status and the message with which the API server refuses.
    async fn pages(&self, path: &str) -> Result<(Vec<Value>, Option<(u16, String)>), ClusterError> {
        let mut all = Vec::new();
        let mut next = path.to_owned();
        loop {
            match self.request(&next).await? {
                Answer::Found(mut page) => {
                    let Some(Value::Array(items)) = page.get_mut("items").map(Value::take) else {
                        return Ok((all, Some((502, "the answer is not a list of objects".to_owned()))));
                    };
                    all.extend(items);
                    match text(&page, "/metadata/continue") {
                        "" => return Ok((all, None)),
                        token => next = format!("{path}&continue={}", component(token)),
                    }
                }
                Answer::Refused(status, message) => return Ok((all, Some((status, message)))),
            }
        }
    }

    /// Returns the Knative Services of all namespaces or of one.
    pub async fn knative_services(&self, namespace: Option<&str>) -> Result<Vec<KnativeService>, ClusterError> {
        let path = format!("{}?limit={PAGE}", collection(KNATIVE_SERVICE, namespace));
        let refused = |why: String| ClusterError::NoKnativeServices { server: self.connection.server.clone(), why };
        match self.pages(&path).await? {
            (items, None) => {
                let services = items.into_iter().map(serde_json::from_value).collect::<Result<_, _>>();
                services.map_err(|error| refused(format!("an object can't be read: {error}")))
            }
            (_, Some((404, _))) => Err(refused(Why::NoSuchKind.words())),
            (_, Some((403, _))) => Err(refused(Why::Forbidden { verb: "list" }.words())),
            (_, Some((_, message))) => Err(refused(message)),
        }
    }

    /// Adds the objects of a kind with these labels: of every namespace, or of one if the user may not read the others.
    async fn list_everywhere_or(
        &mut self,
        resource: Resource,
        namespace: &str,
        selector: &str,
    ) -> Result<(), ClusterError> {
        match self.try_list(resource, None, Some(selector)).await? {
            None => Ok(()),
            Some(_) => self.list(resource, Some(namespace), Some(selector)).await,
        }
    }

    /// Adds one object, if it exists.
    async fn get(&mut self, resource: Resource, namespace: Option<&str>, name: &str) -> Result<(), ClusterError> {
        match self.request(&format!("{}/{}", collection(resource, namespace), component(name))).await? {
            Answer::Found(object) if super::objects::name(&object) == name => {
                self.has_read = true;
                self.objects.add(complete(object, resource));
            }
            Answer::Found(_) => self.note(resource, namespace, "get", 502, "the answer is not the object".to_owned()),
            Answer::Refused(404, _) => {}
            Answer::Refused(status, message) => self.note(resource, namespace, "get", status, message),
        }
        Ok(())
    }

    fn note(&mut self, resource: Resource, namespace: Option<&str>, verb: &'static str, status: u16, message: String) {
        let why = match status {
            404 => Why::NoSuchKind,
            403 => Why::Forbidden { verb },
            _ => Why::Failed(message),
        };
        let unread = Unread { resource, namespace: namespace.map(str::to_owned), why };
        if !self.objects.unread.contains(&unread) {
            self.objects.unread.push(unread);
        }
    }

    async fn request(&self, path: &str) -> Result<Answer, ClusterError> {
        Ok(match get(&self.connection, path).await? {
            Ok(body) => match serde_json::from_str(&body) {
                Ok(value) => Answer::Found(value),
                Err(error) => Answer::Refused(502, format!("the answer is not JSON: {error}")),
            },
            Err((status, message)) => Answer::Refused(status, message),
        })
    }
}

/// Returns the body of a page of the API server, or the status and the message with which it refuses.
pub(super) async fn get(connection: &Connection, path: &str) -> Result<Result<String, (u16, String)>, ClusterError> {
    let unreachable = |why: String| ClusterError::Unreachable { server: connection.server.clone(), why };
    let request = Request::get(path).body(Vec::new()).map_err(|error| unreachable(error.to_string()))?;
    let answer = timeout(PATIENCE + Duration::from_secs(1), connection.client.request_text(request)).await;
    match answer {
        Err(_) => Err(unreachable(format!("it has not answered within {} seconds", PATIENCE.as_secs()))),
        Ok(Ok(body)) => Ok(Ok(body)),
        Ok(Err(kube::Error::Api(status))) if status.code == 401 => {
            Err(ClusterError::Unauthorized { server: connection.server.clone() })
        }
        Ok(Err(kube::Error::Api(status))) => Ok(Err((status.code, refusal(status.code, &status.message)))),
        Ok(Err(error)) => Err(ClusterError::unreachable(&connection.server, &error)),
    }
}

/// Returns the message of an answer with an error, on one line. A page for browsers has none, and is not shown.
fn refusal(status: u16, message: &str) -> String {
    match one_line(message) {
        message if message.is_empty() || message.starts_with('<') => format!("status {status} without a message"),
        message => message,
    }
}

/// Returns labels as a query has them.
fn selector(labels: &[(String, String)]) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// Returns the path of a kind in the API.
fn collection(resource: Resource, namespace: Option<&str>) -> String {
    let root = if resource.group().is_empty() { "/api" } else { "/apis" };
    let namespace = namespace.map(|name| format!("/namespaces/{}", component(name))).unwrap_or_default();
    format!("{root}/{}{namespace}/{}", resource.api_version, resource.plural)
}

/// Returns an object with its kind, which the elements of a list lack.
fn complete(mut object: Value, resource: Resource) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".to_owned(), resource.api_version.into());
        fields.insert("kind".to_owned(), resource.kind.into());
        // They are long, and say nothing about the object.
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
    }
    object
}

/// Checks the namespaces of the objects in a document of a file.
pub fn check_namespaces(file: &Source, document: &Node) -> Result<(), ClusterError> {
    if document.text_at("kind") == Some("List") {
        return document.list("items").iter().try_for_each(|item| check_namespaces(file, item));
    }
    let Some(node) = document.at(&["metadata", "namespace"]) else { return Ok(()) };
    let Position { line, column } = node.span.start;
    let place = format!("{}:{line}:{column}: `metadata.namespace`", file.name);
    // An empty one counts as none.
    node.text().filter(|name| !name.is_empty()).map_or(Ok(()), |name| check_namespace(&place, name))
}

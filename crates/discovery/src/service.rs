//! The fields of a Knative Service that tables are made from.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer};

/// The prefix of the annotations that this project reads.
pub const PREFIX: &str = "ksvc-router/";

/// The annotation with the matches of a Knative Service, one a line.
pub const MATCH: &str = "ksvc-router/match";

/// The annotation with the name of the table that the matches are for.
pub const TABLE: &str = "ksvc-router/table";

/// A Knative Service, as the API server returns it. Other fields are ignored, and absent and null are the same.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct KnativeService {
    /// The names, labels and annotations.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// What the user wants.
    #[serde(default, deserialize_with = "or_default")]
    pub spec: Spec,
    /// What Knative's controller reports.
    #[serde(default, deserialize_with = "or_default")]
    pub status: Status,
}

/// The metadata of an object.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// The name.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// The namespace.
    #[serde(deserialize_with = "or_default")]
    pub namespace: String,
    /// When the object was created: RFC 3339 in UTC and whole seconds, as the API server writes it.
    pub creation_timestamp: Option<String>,
    /// When the object was deleted, if it waits for its deletion.
    pub deletion_timestamp: Option<String>,
    /// The labels.
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    /// The annotations.
    #[serde(deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
}

/// The specification of a Knative Service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Spec {
    /// What each revision is made of.
    #[serde(deserialize_with = "or_default")]
    pub template: Template,
}

/// The template of a revision.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Template {
    /// The metadata of the revision.
    #[serde(deserialize_with = "or_default")]
    pub metadata: TemplateMetadata,
}

/// The metadata of a revision, in which the annotations of this project have no effect.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TemplateMetadata {
    /// The annotations.
    #[serde(deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
}

/// The status of a Knative Service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The URL of the service, such as `http://orders.shop.example.com`.
    pub url: Option<String>,
    /// The conditions, of which `Ready` counts.
    #[serde(deserialize_with = "or_default")]
    pub conditions: Vec<Condition>,
}

/// A condition of a status.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Condition {
    /// The type, such as `Ready`.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    #[serde(deserialize_with = "or_default")]
    pub status: String,
    /// Why the condition is as it is, for people.
    pub message: Option<String>,
}

/// The namespace and the name of a Knative Service. `Display` writes `NAMESPACE/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The order in which services may claim a path: the oldest first, and services of the same second by their names. A
/// service without a time does not exist in a cluster yet, so it is the youngest.
pub(crate) type Age<'a> = (bool, &'a str, &'a str, &'a str);

impl KnativeService {
    /// Returns the namespace and the name.
    pub fn id(&self) -> ServiceId {
        ServiceId { namespace: self.metadata.namespace.clone(), name: self.metadata.name.clone() }
    }

    /// Returns whether one of its annotations is for this project, or looks as if it were.
    pub fn is_annotated(&self) -> bool {
        let keys = self.metadata.annotations.keys().chain(self.spec.template.metadata.annotations.keys());
        keys.into_iter().any(|key| key.starts_with(PREFIX) || is_similar(key))
    }

    /// Returns the matches in the annotation, each with the number of its line, which counts from 0.
    pub fn matches(&self) -> impl Iterator<Item = (usize, &str)> {
        let text = self.metadata.annotations.get(MATCH).map_or("", |text| text);
        text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty())
    }

    /// Returns the name of the table that the matches are for.
    pub fn table(&self) -> &str {
        self.metadata.annotations.get(TABLE).map_or("default", |name| name.trim())
    }

    pub(crate) fn age(&self) -> Age<'_> {
        let created = self.created().unwrap_or_default();
        (created.is_empty(), created, &self.metadata.namespace, &self.metadata.name)
    }

    /// Returns the time of its creation, if it has the form in which times can be compared as text.
    pub(crate) fn created(&self) -> Option<&str> {
        let is_time = |text: &str| {
            text.len() == FORM.len()
                && text.bytes().zip(FORM.bytes()).all(|(byte, form)| match form {
                    b'0' => byte.is_ascii_digit(),
                    form => byte == form,
                })
        };
        self.metadata.creation_timestamp.as_deref().filter(|text| is_time(text))
    }

    /// Returns the host in its URL, in lower case.
    pub(crate) fn host(&self) -> Option<String> {
        let (_, rest) = self.status.url.as_deref()?.split_once("://")?;
        let host = rest.split(['/', '?', '#']).next()?;
        (!host.is_empty()).then(|| host.to_ascii_lowercase())
    }

    pub(crate) fn ready(&self) -> Option<&Condition> {
        self.status.conditions.iter().find(|condition| condition.kind == "Ready")
    }
}

/// Returns whether the key of an annotation looks like one of this project, and is none: `ksvc-router.io/match`.
pub(crate) fn is_similar(key: &str) -> bool {
    let letters = key.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase());
    !key.starts_with(PREFIX) && letters.collect::<String>().starts_with("ksvcrouter")
}

/// How the API server writes times; each `0` stands for a digit.
const FORM: &str = "0000-00-00T00:00:00Z";

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

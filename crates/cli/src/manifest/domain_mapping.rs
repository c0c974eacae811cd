//! Knative's DomainMappings among the files: which public hosts Knative serves too.

use std::sync::Arc;

use crate::source::Source;
use crate::source::position::Span;
use crate::yaml::Node;

/// A DomainMapping in one of the files. Its name is the host.
#[derive(Debug, Clone)]
pub struct DomainMapping {
    pub source: Arc<Source>,
    pub host: String,
    pub at: Span,
}

/// Returns the DomainMappings of a document.
pub(crate) fn find(source: &Arc<Source>, document: &Node) -> Vec<DomainMapping> {
    match document.text_at("kind") {
        Some("List") => document.list("items").iter().flat_map(|item| find(source, item)).collect(),
        Some("DomainMapping") => {
            let name = document.at(&["metadata", "name"]);
            let host = name.and_then(|name| Some((name.text()?.to_ascii_lowercase(), name.span)));
            host.map(|(host, at)| DomainMapping { source: Arc::clone(source), host, at }).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

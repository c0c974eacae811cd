//! Where the requests of an operation go.

/// A Knative Service or another host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Destination {
    Service { name: String, namespace: Option<String>, tag: Option<String> },
    Host(String),
}

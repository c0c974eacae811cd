//! Makes route tables from the annotations of Knative Services (KSVCs).
//!
//! This crate knows nothing of clusters, files, YAML or a command line: objects come in, tables and findings come out. The
//! command `ksvc-router import ksvc` uses it.
//!
//! The way of the data:
//!
//! 1. `service`: a [`KnativeService`], with the annotations by which it claims matches in a table;
//! 2. `ownership`: a [`Grant`] says which paths a namespace may claim;
//! 3. `discover`: of several services that claim the same, the oldest gets it;
//! 4. `table`: a [`Table`] is a configuration of the filter;
//! 5. `finding`: a [`Finding`] says what is wrong with a claim.

mod discover;
mod finding;
mod ownership;
mod service;
mod table;

pub use discover::{Discovery, discover};
pub use finding::{At, Finding, FindingKind, KINDS};
pub use ownership::{Grant, Namespaces, OwnedPath};
pub use service::{
    Condition, KnativeService, MATCH, Metadata, PREFIX, ServiceId, Spec, Status, TABLE, Template, TemplateMetadata,
};
pub use table::{ClaimedMatch, ClaimedRoute, Table, TableDefinition, Target};

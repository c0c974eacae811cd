//! The binary `ksvc-router` on small files: what it prints, where it points, how it exits.

mod check;
mod explain;
mod manifests;
mod routes;
mod schema;
mod support;
mod test;

//! The binary `ksvc-router` on small files: what it prints, where it points, how it exits.

mod admission;
mod check;
mod dangers;
mod explain;
mod manifests;
mod routes;
mod schema;
mod support;
mod test;

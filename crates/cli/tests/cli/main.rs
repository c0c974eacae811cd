//! Runs the binary `ksvc-router` on small files and checks its output, positions and exit codes.

mod admission;
mod check;
mod dangers;
mod diff;
mod doctor;
mod explain;
mod formats;
mod help;
mod hostile_names;
mod import_ksvc;
mod import_openapi;
mod manifests;
mod mistakes;
mod pipelines;
mod render;
mod routes;
mod schema;
mod status;
mod support;
mod test;

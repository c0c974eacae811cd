//! Runs the binary `ksvc-router` on small files and checks its output, positions and exit codes.

mod admission;
mod check;
mod dangers;
mod diff;
mod doctor;
mod explain;
mod formats;
mod manifests;
mod mistakes;
mod routes;
mod schema;
mod status;
mod support;
mod test;

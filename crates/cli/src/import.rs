//! Makes tables from OpenAPI documents and from the annotations of Knative Services.

pub mod ksvc;
pub mod openapi;

use ksvc_routing::compile;
use serde_json::{Map, Value, json};

use crate::kind::MessageKind;

/// Returns the kinds of messages of all imports.
pub fn kinds() -> Vec<MessageKind> {
    openapi::kinds::OF_OPENAPI.iter().copied().chain(ksvc::kinds()).collect()
}

/// Checks the settings of a table, and the service of its routes, that options of the command line give. The error names the
/// option that is wrong.
fn check_options(settings: &Map<String, Value>, service: Option<&str>) -> Result<(), String> {
    let mut document = settings.clone();
    document.entry("hosts").or_insert_with(|| json!(["*"]));
    let route = service.map(|service| json!({"match": "GET /", "service": service}));
    if route.is_some() {
        document.entry("domain").or_insert_with(|| json!("example.com"));
        document.entry("namespace").or_insert_with(|| json!("default"));
    }
    document.insert("routes".to_owned(), route.into_iter().collect());
    let problems = compile(Value::Object(document).to_string().as_bytes()).problems;
    let Some(problem) = problems.iter().find(|problem| problem.is_error()) else { return Ok(()) };
    let place = problem.place.to_string();
    let option = match place.split(['[', '.']).next().unwrap_or_default() {
        "basePath" => "--base-path",
        "domain" => "--domain",
        "hostTemplate" => "--host-template",
        "namespace" => "--namespace",
        "name" => "--name",
        "routes" => "--service",
        _ => "--host",
    };
    Err(format!("{option}: {}", problem.kind))
}

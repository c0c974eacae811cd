//! The JSON Schemas for editors: of the configuration, and of a whole WasmPlugin with it. `chart` is the schema of the
//! Helm chart's values.

mod chart;

use serde_json::{Map, Value, json};

use crate::admission::schema as refined;
use crate::manifest::Kind;
use crate::manifest::shape::{self, Field, Shape};

pub use chart::chart;

/// A place in the schema of the configuration, and what makes its examples.
type Examples = (&'static str, fn() -> Value);

const EXAMPLES: [Examples; 21] = [
    ("/properties/name", || json!(["shop"])),
    ("/properties/hosts", || json!([["api.example.com"], ["*.example.com", "api.example.org"]])),
    ("/properties/basePath", || json!(["/faas"])),
    ("/properties/domain", || json!(["example.com"])),
    ("/properties/namespace", || json!(["shop"])),
    ("/properties/hostTemplate", || json!(["{service}.{namespace}.{domain}", "{service}-{namespace}.{domain}"])),
    ("/properties/cors", || json!([{"allowOrigins": ["https://app.example.com"]}])),
    ("/properties/routes", || json!([[{"match": "GET /orders/{id}", "service": "orders"}]])),
    ("/properties/routes/items/properties/match", || {
        json!(["GET /orders/{id}", "GET|POST /orders", "ANY /files/{*rest}", ["POST /orders", "PUT /orders/{id}"]])
    }),
    ("/properties/routes/items/properties/service", || json!(["orders"])),
    ("/properties/routes/items/properties/namespace", || json!(["billing"])),
    ("/properties/routes/items/properties/tag", || json!(["canary"])),
    ("/properties/routes/items/properties/host", || json!(["legacy.example.com", "legacy.example.com:8080"])),
    ("/properties/routes/items/properties/redirect", || json!([{"to": "/v2/{id}", "status": 308}])),
    ("/properties/routes/items/properties/respond", || json!([{"status": 200, "body": "pong"}])),
    ("/properties/routes/items/properties/name", || json!(["orders-beta"])),
    ("/properties/routes/items/properties/when", || json!([{"headers": {"x-beta": "true"}}])),
    ("/properties/routes/items/properties/rewritePath", || json!(["/v2/{rest}"])),
    ("/properties/routes/items/properties/redirect/properties/to", || {
        json!(["/v2/{id}", "https://www.example.com/{id}"])
    }),
    ("/properties/requestHeaders", || json!([{"set": {"x-route": "{route}"}}])),
    ("/properties/responseHeaders", || json!([{"remove": ["x-powered-by"]}])),
];

/// Returns the JSON Schema of the configuration.
pub fn configuration() -> Value {
    let mut schema = refined::schema();
    for (pointer, examples) in EXAMPLES {
        if let Some(of) = schema.pointer_mut(pointer) {
            of["examples"] = examples();
        }
    }
    complete(&mut schema);
    schema
}

/// Adds the defaults that descriptions name, and turns the keywords of the admission policy into those of editors.
fn complete(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            let default = keywords.get("description").and_then(Value::as_str).and_then(default_of);
            keywords.extend(default.map(|default| ("default".to_owned(), default)));
            let remedy = keywords.shift_remove(refined::REMEDY).and_then(|remedy| Some(remedy.as_str()?.to_owned()));
            let before_slash = keywords.shift_remove(refined::PATTERN_BEFORE_SLASH);
            if let Some(pattern) = keywords.get_mut("pattern") {
                *pattern =
                    joined(before_slash.as_ref().and_then(Value::as_str), pattern.as_str().unwrap_or_default()).into();
                // Known to the YAML language server, which most editors use.
                keywords
                    .extend(remedy.map(|remedy| ("patternErrorMessage".to_owned(), format!("This {remedy}.").into())));
            }
            keywords.values_mut().for_each(complete);
        }
        Value::Array(elements) => elements.iter_mut().for_each(complete),
        _ => {}
    }
}

/// Returns the value at the end of a description: ``Default: `notFound`.``
fn default_of(description: &str) -> Option<Value> {
    let (_, default) = description.rsplit_once("Default: ")?;
    let default = default.strip_suffix('.')?;
    match default.strip_prefix('`') {
        Some(word) => word.strip_suffix('`').filter(|word| !word.contains('`')).map(Value::from),
        None => serde_json::from_str(default).ok(),
    }
}

/// Returns one pattern for a text: `before`, if it is given, is that for what stands before the first slash.
///
/// The policy writes `(?i:…)`, which JavaScript does not know.
fn joined(before: Option<&str>, pattern: &str) -> String {
    let pattern = pattern.replace("(?i:https?)", "[Hh][Tt][Tt][Pp][Ss]?");
    match (before.and_then(|before| before.strip_suffix('$')), pattern.strip_prefix("^[^/]*")) {
        (Some(before), Some(rest)) => format!("{before}{rest}"),
        _ => pattern,
    }
}

/// Returns the JSON Schema of a WasmPlugin with the configuration under `pluginConfig`.
pub fn manifest() -> Value {
    let mut schema = of_object(&shape::object(Kind::WasmPlugin));
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "A WasmPlugin with a route table of ksvc-router".into();
    let set = |schema: &mut Value, pointer: &str, keywords: Value| {
        if let (Some(Value::Object(of)), Value::Object(keywords)) = (schema.pointer_mut(pointer), keywords) {
            of.extend(keywords);
        }
    };
    set(&mut schema, "/properties/apiVersion", json!({"enum": Kind::WasmPlugin.api_versions()}));
    set(&mut schema, "/properties/kind", json!({"enum": [Kind::WasmPlugin.name()]}));
    for (key, keywords) in [
        (
            "url",
            json!({
                "pattern": r"^((oci|https?)://[^/\s]\S*|file:///\S+|[^:/\s]+(:\d+)?/\S+)$",
                "examples": ["oci://registry.example.com/ksvc-router@sha256:…", "file:///var/lib/ksvc-router/plugin.wasm"],
            }),
        ),
        ("sha256", json!({"pattern": "^[a-f0-9]{64}$"})),
        ("pluginName", json!({"enum": ["ksvc-router"]})),
        ("imagePullPolicy", json!({"examples": ["IfNotPresent"]})),
        ("failStrategy", json!({"examples": ["FAIL_RELOAD"]})),
        ("selector", json!({"examples": [{"matchLabels": {"istio": "ingressgateway"}}]})),
        ("match", json!({"examples": [[{"ports": [{"number": 8443}]}]]})),
    ] {
        set(&mut schema, &format!("/properties/spec/properties/{key}"), keywords);
    }
    schema
}

fn of_object(fields: &[Field]) -> Value {
    let mut properties = Map::new();
    for Field { key, shape, about, .. } in fields {
        let mut schema = of_shape(*shape);
        schema["description"] = (*about).into();
        schema["default"] = default_of(about).unwrap_or_default();
        if let (Value::Object(keywords), None) = (&mut schema, default_of(about)) {
            keywords.shift_remove("default");
        }
        properties.insert((*key).to_owned(), schema);
    }
    let required: Vec<&str> = fields.iter().filter(|field| field.required).map(|field| field.key).collect();
    let mut schema = json!({"type": "object", "additionalProperties": false, "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn of_shape(shape: Shape) -> Value {
    match shape {
        Shape::Text => json!({"type": "string"}),
        Shape::Words(words) => json!({"enum": words}),
        Shape::Whole { least, most } => json!({"type": "integer", "minimum": least, "maximum": most}),
        Shape::Labels => json!({"type": "object", "additionalProperties": {"type": "string"}}),
        Shape::Any => json!({"type": "object"}),
        Shape::List(of) => json!({"type": "array", "items": of_shape(*of)}),
        Shape::Object(fields) => of_object(&fields()),
        Shape::Table => {
            let mut schema = configuration();
            // The schema of the whole manifest says it.
            if let Some(keywords) = schema.as_object_mut() {
                keywords.shift_remove("$schema");
            }
            schema
        }
    }
}

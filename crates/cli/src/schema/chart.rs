//! The JSON Schema of the values of the Helm chart (`charts/ksvc-router/values.schema.json`), with which Helm checks
//! the values before it renders the templates. The route tables and the settings of the WasmPlugin have the same schemas
//! here as in `schema` and `schema --manifest`.
//!
//! Helm can only say which keyword a value does not follow. For a `pattern` that would be the regular expression, and
//! for a `oneOf` the errors of all alternatives. `with_messages` therefore writes these keywords in another way, so
//! that Helm says what to write. The rest of the values, such as the digest, is checked by the templates.

use serde_json::{Map, Value, json};

use super::{configuration, of_shape};
use crate::manifest::Kind;
use crate::manifest::shape::{self, Field, Shape};

/// Returns the schema of the chart's values.
pub fn chart() -> Value {
    let mut schema = object(vec![
        (
            "image",
            "The image with the module `plugin.wasm`.",
            object(vec![
                (
                    "repository",
                    "The image in your registry, without scheme, tag and digest: `registry.example.com/ksvc-router`.",
                    json!({"type": "string"}),
                ),
                (
                    "digest",
                    "The digest of the image itself, not of an image index: `sha256:` and 64 hexadecimal digits.",
                    json!({"type": "string"}),
                ),
                (
                    "url",
                    "For a module that is mounted into the gateway: `file:///var/lib/ksvc-router/plugin.wasm`. Then \
                     `repository` and `digest` are not used.",
                    json!({"type": "string"}),
                ),
                (
                    "pullSecret",
                    "The Secret with the credentials for the registry, in the namespace of the release.",
                    setting("imagePullSecret"),
                ),
            ]),
        ),
        (
            "tables",
            "The route tables, each under the name that its WasmPlugin gets. Required. Each has these keys:",
            json!({"type": "object", "additionalProperties": table()}),
        ),
        (
            "ports",
            "The ports on which the filter runs, as the gateway's pod listens on them: 8443 for HTTPS in an install by \
             istioctl, 443 with Istio's Helm chart `gateway`. An empty list means every port.",
            ports(),
        ),
        (
            "selector",
            "The gateway by the labels of its pods: `matchLabels: { istio: ingressgateway }`. These labels are used if \
             neither `selector` nor `targetRefs` is set.",
            setting("selector"),
        ),
        (
            "targetRefs",
            "The gateway by its Gateway of the Gateway API, instead of `selector`: `[{ group: \
             gateway.networking.k8s.io, kind: Gateway, name: NAME }]`.",
            setting("targetRefs"),
        ),
        (
            "failStrategy",
            "What happens after a crash of the filter. With `FAIL_RELOAD`, Envoy starts it again for the next request.",
            setting("failStrategy"),
        ),
        (
            "admissionPolicy",
            "The policy with which the API server refuses malformed tables at `kubectl apply` (Kubernetes 1.33 or \
             later). It is one for the whole cluster, so enable it in one release only.",
            object(vec![("enabled", "Whether to install the policy.", json!({"type": "boolean"}))]),
        ),
        (
            "prometheusRule",
            "The alerts of docs/monitoring.md, for the Prometheus Operator.",
            object(vec![
                (
                    "enabled",
                    "Whether to install the alerts. The CRD PrometheusRule must exist.",
                    json!({"type": "boolean"}),
                ),
                (
                    "labels",
                    "The labels by which your Prometheus selects its rules, such as `release: kube-prometheus-stack`.",
                    json!({"type": "object", "additionalProperties": {"type": "string"}}),
                ),
            ]),
        ),
        // Helm sets it in a chart that another chart depends on.
        ("global", "The global values of Helm, which this chart does not use.", json!({"type": "object"})),
    ]);
    // The templates read keys of these objects. A `null` in a file of values takes a key away.
    schema["required"] = json!(["image", "admissionPolicy", "prometheusRule"]);
    // The newest version that every Helm knows.
    schema["$schema"] = "http://json-schema.org/draft-07/schema#".into();
    schema["title"] = "The values of the chart ksvc-router".into();
    schema
}

/// Returns the schema of one of `tables`.
fn table() -> Value {
    let mut table = object(vec![
        ("table", "The route table, as `pluginConfig` of a WasmPlugin (docs/configuration.md). Required.", {
            let mut schema = configuration();
            if let Some(keywords) = schema.as_object_mut() {
                keywords.shift_remove("$schema");
            }
            join_alternatives(&mut schema);
            with_messages(&mut schema);
            schema
        }),
        ("ports", "The ports of this table, instead of `ports` below.", ports()),
        (
            "priority",
            "With several tables, the order in which the gateway asks them. Higher numbers come first.",
            setting("priority"),
        ),
        (
            "phase",
            "The place in the filter chain, `AUTHN`, `AUTHZ` or `STATS`. Without it, policies run before the filter.",
            setting("phase"),
        ),
    ]);
    table["required"] = json!(["table"]);
    table
}

/// Returns the schema of an object with these keys, each with its description.
fn object(keys: Vec<(&str, &str, Value)>) -> Value {
    let mut properties = Map::new();
    for (key, about, mut schema) in keys {
        schema["description"] = about.into();
        properties.insert(key.to_owned(), schema);
    }
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

/// Returns the schema of a key of the WasmPlugin's `spec`.
fn setting(key: &str) -> Value {
    of_shape(field(key).shape)
}

fn field(key: &str) -> Field {
    let spec = shape::object(Kind::WasmPlugin).into_iter().find(|field| field.key == "spec").map(|field| field.shape);
    let fields = if let Some(Shape::Object(fields)) = spec { fields() } else { Vec::new() };
    let found = fields.into_iter().find(|field| field.key == key);
    found.unwrap_or_else(|| unreachable!("a WasmPlugin has no key `{key}`"))
}

/// Returns the schema of a list of ports.
fn ports() -> Value {
    json!({"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65535}})
}

/// Joins the alternatives of each `oneOf` that are told apart by their type. The keywords of one type do not affect
/// values of another type.
fn join_alternatives(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            keywords.values_mut().for_each(join_alternatives);
            let Some(Value::Array(alternatives)) = keywords.get_mut("oneOf") else { return };
            for alternative in alternatives.iter_mut().filter(|kind| **kind == json!({"enum": [false]})) {
                *alternative = json!({"type": "boolean", "if": {"const": true}, "then": {"const": false}});
            }
            let types: Option<Vec<Value>> = alternatives.iter().map(|kind| kind.get("type").cloned()).collect();
            let Some(types) = types else { return };
            let mut joined = Map::new();
            joined.insert("type".to_owned(), types.into());
            for alternative in alternatives.iter().filter_map(Value::as_object) {
                let others = alternative.iter().filter(|(key, _)| *key != "type");
                joined.extend(others.map(|(key, value)| (key.clone(), value.clone())));
            }
            keywords.shift_remove("oneOf");
            keywords.extend(joined);
        }
        Value::Array(elements) => elements.iter_mut().for_each(join_alternatives),
        _ => {}
    }
}

/// Adds messages to the patterns, and to the rule that a route has one target. A value that does not follow the rule
/// must be equal to a text, which Helm then shows.
fn with_messages(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            keywords.values_mut().for_each(with_messages);
            let rule = if let Some(message) = keywords.shift_remove("patternErrorMessage") {
                let pattern = keywords.shift_remove("pattern");
                let message = message.as_str().and_then(|text| text.strip_prefix("This ")?.strip_suffix('.'));
                message.zip(pattern).map(|(message, pattern)| {
                    (message.to_owned(), json!({"type": "string", "not": {"pattern": pattern}}))
                })
            } else if let (Some(targets), Some(Value::Object(keys))) =
                (keywords.shift_remove("oneOf"), keywords.get("properties"))
            {
                // A misspelt target has a message already.
                let keys: Vec<&String> = keys.keys().collect();
                let message = "has no target, or more than one; write one of `service`, `host`, `redirect`, `respond`";
                Some((
                    message.to_owned(),
                    json!({"type": "object", "propertyNames": {"enum": keys}, "not": {"oneOf": targets}}),
                ))
            } else {
                None
            };
            if let Some((message, broken)) = rule {
                keywords.insert("if".to_owned(), broken);
                keywords.insert("then".to_owned(), json!({"const": format!("another: this {message}")}));
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(with_messages),
        _ => {}
    }
}

//! The JSON Schema of a table with more rules than keys and types, each with the text of its message.
//!
//! The patterns are read by Go in the policy, and by JavaScript in editors: braces are escaped.
//!
//! A rule is here only if the filter requires it of every document, and if one expression can check it on one value.

use serde_json::{Value, json};

/// The methods of a `match`, and the space after them. The characters of a method are those of RFC 9110, section 5.6.2.
const METHODS: &str = r"^([!#-'*+.^-`~\w-]+\|)*[!#-'*+.^-`~\w-]+ $";
/// The path of a `match`, after anything without a slash. A segment is literal text with parameters; the last one may be
/// `{*name}` or `{**name}`.
const PATH: &str = concat!(
    r"^[^/]*(/(([^/{}\p{Cc}]|\{\{|\}\})*(\{[\w-]+\}([^/{}\p{Cc}]|\{\{|\}\})+)*(\{[\w-]+\})?",
    r"|\{\*\*?[\w-]+\}$))+$"
);
const DNS_LABEL: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
/// A part of the host of a service, with captured values in it.
const CAPTURED_LABEL: &str = r"^([a-z0-9]|\{[\w-]+\})(([a-z0-9-]|\{[\w-]+\})*([a-z0-9]|\{[\w-]+\}))?$";
/// An element of `allowNamespaces`.
const NAMESPACES: &str = r"^(\*|[a-z0-9]([a-z0-9-]*[a-z0-9])?|[a-z0-9][a-z0-9-]*\*)$";
const DNS_NAME: &str = r"^[\w]([\w-]*[\w])?(\.[\w]([\w-]*[\w])?)*$";
const HEADER_NAME: &str = r"^[!#-'*+.^-`|~\w-]+$";

/// The keyword with the text of a message.
pub(crate) const REMEDY: &str = "remedy";

/// The keyword with the pattern for the text before the first slash. A pattern costs its length times that of the text,
/// so two short patterns, one of them for a short text, cost less than one long pattern.
pub(crate) const PATTERN_BEFORE_SLASH: &str = "patternBeforeSlash";

/// The place in the schema, the keywords to add there, and the message if a value does not follow them.
type Refinement = (&'static str, fn() -> Value, &'static str);

const REFINEMENTS: [Refinement; 20] = [
    (
        "/properties/name",
        || json!({"pattern": r"^[\w-]+$"}),
        "can't be part of a metric's name; use letters, digits, `-` and `_`",
    ),
    (
        "/properties/hosts",
        || json!({"minItems": 1}),
        "the list is empty, so no request would be routed; write the public hosts, such as `[api.example.com]`",
    ),
    (
        "/properties/hosts/items",
        || json!({"pattern": r"^(\*|(\*\.)?[\w]([\w.-]*[\w])?|\[[\da-fA-F:.]+\])$"}),
        "is not a host; write a name such as `api.example.com`, `*.example.com`, or `*`",
    ),
    (
        "/properties/basePath",
        || json!({"pattern": "^(/[^/{}?#]+)+$"}),
        "is not a base path; write literal segments such as `/faas`, without a slash at the end",
    ),
    ("/properties/domain", || json!({"pattern": DNS_NAME}), "is not a DNS name; write one such as `example.com`"),
    (
        "/properties/hostTemplate",
        || json!({"pattern": r"^([^{}]|\{(service|namespace|domain)\})*\{service\}([^{}]|\{(service|namespace|domain)\})*$"}),
        "is not a host template; write for example `{service}.{namespace}.{domain}`",
    ),
    ("/properties/namespace", || json!({"pattern": DNS_LABEL}), LABEL),
    (
        "/properties/routes/items/properties/match",
        || json!({PATTERN_BEFORE_SLASH: METHODS, "pattern": PATH}),
        "is not METHODS PATH; write for example `GET /orders/{id}`, `GET|POST /orders` or `ANY /files/{*rest}`, with `{{` and `}}` for literal braces",
    ),
    (
        "/properties/allowNamespaces",
        || json!({"minItems": 1}),
        "the list is empty, so no captured namespace would be allowed; write the namespaces, such as `[shop, team-*]`",
    ),
    (
        "/properties/allowNamespaces/items",
        || json!({"pattern": NAMESPACES}),
        "is not a namespace; write a name such as `shop`, the beginning of names such as `team-*`, or `*`",
    ),
    ("/properties/routes/items/properties/service", || json!({"pattern": CAPTURED_LABEL}), LABEL),
    ("/properties/routes/items/properties/namespace", || json!({"pattern": CAPTURED_LABEL}), LABEL),
    ("/properties/routes/items/properties/tag", || json!({"pattern": CAPTURED_LABEL}), LABEL),
    (
        "/properties/routes/items/properties/host",
        || json!({"pattern": r"^([\w]([\w.-]*[\w])?|\[[\da-fA-F:.]+\])(:\d{1,5})?$"}),
        "is not a host; write one such as `legacy.example.com` or `legacy.example.com:8080`",
    ),
    (
        "/properties/routes/items/properties/rewritePath",
        || json!({"pattern": r"^/([^{}?#\p{Cc}]|\{\{|\}\}|\{[\w-]+\})*$"}),
        "is not a path; write one such as `/v2/{id}`, without a query",
    ),
    (
        "/properties/routes/items/properties/timeout",
        || json!({"pattern": r"^\d+(ms|s|m)$"}),
        "is not a timeout; write a whole number and `ms`, `s` or `m`, such as `30s`",
    ),
    (
        "/properties/routes/items/properties/name",
        || json!({"pattern": r"^\P{Cc}+$"}),
        "is empty or has a control character; write one line of text, or take the key out",
    ),
    (
        "/properties/routes/items/properties/redirect/properties/to",
        || json!({"pattern": r"^(/([^/\s]\S*)?|(?i:https?)://[^{}/?#\s]+([/?#]\S*)?)$"}),
        "does not say where it leads; write a path such as `/v2/{id}`, or a URL such as `https://www.example.com/{id}`",
    ),
    (
        "/properties/routes/items/properties/redirect/properties/status",
        || json!({"enum": [301, 302, 303, 307, 308]}),
        "is not a status for this; write 301, 302, 303, 307 or 308",
    ),
    (
        "/properties/routes/items/properties/respond/properties/status",
        || json!({"minimum": 200, "maximum": 599}),
        "is not a status for this; write a number from 200 to 599",
    ),
];
const LABEL: &str =
    "is not a name for this; write at most 63 lower-case letters, digits and `-`, with a letter or digit at both ends";

/// Returns the JSON Schema of a table with these rules.
pub(crate) fn schema() -> Value {
    let mut schema = ksvc_routing::config::schema();
    for (pointer, keywords, remedy) in REFINEMENTS {
        if let Some(refined) = schema.pointer_mut(pointer) {
            refine(refined, &keywords(), remedy);
        }
    }
    refine_header_names(&mut schema);
    schema
}

/// Adds keywords to a schema. If it accepts several kinds of values, a pattern is added to each kind that has strings.
fn refine(schema: &mut Value, keywords: &Value, remedy: &str) {
    if let Some(kinds) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
        kinds.iter_mut().for_each(|kind| refine(kind, keywords, remedy));
        return;
    }
    if keywords.get("pattern").is_some()
        && let Some(items) = schema.get_mut("items")
    {
        return refine(items, keywords, remedy);
    }
    if let (Some(schema), Some(keywords)) = (schema.as_object_mut(), keywords.as_object()) {
        schema.extend(keywords.clone());
        schema.insert(REMEDY.to_owned(), remedy.into());
    }
}

/// Adds the pattern of header names to the keys of every map that is called `headers`, at any depth.
fn refine_header_names(schema: &mut Value) {
    let Some(keywords) = schema.as_object_mut() else { return };
    for (key, value) in keywords.iter_mut() {
        if let (true, Some(map)) = (key == "headers", value.as_object_mut())
            && map.contains_key("additionalProperties")
        {
            map.insert("propertyNames".to_owned(), json!({"pattern": HEADER_NAME}));
        }
        refine_header_names(value);
        if let Some(kinds) = value.as_array_mut() {
            kinds.iter_mut().for_each(refine_header_names);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_every_refinement_exists() {
        let schema = ksvc_routing::config::schema();
        for (pointer, ..) in REFINEMENTS {
            assert!(schema.pointer(pointer).is_some(), "{pointer}");
        }
    }
}

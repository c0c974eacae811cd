//! What the shape of a table is beyond keys and types: refinements of its JSON Schema, each with the words for what is
//! wrong. Only what every document is held to by the filter, and what one expression can see.

use serde_json::{Value, json};

/// A method or several, a space, and a path: segments that are literal, with one `{name}`, or, last, `{*name}`. The
/// octets of a method are those of RFC 9110, section 5.6.2.
const MATCH: &str = concat!(
    r"^([!#-'*+.^-`~\w-]+\|)*[!#-'*+.^-`~\w-]+ ",
    r"(/(([^/{}\p{Cc}]|{{|}})*({[\w-]+}([^/{}\p{Cc}]|{{|}})*)?|{\*[\w-]+}$))+$"
);
const DNS_LABEL: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
const DNS_NAME: &str = r"^[\w]([\w-]*[\w])?(\.[\w]([\w-]*[\w])?)*$";
const HEADER_NAME: &str = r"^[!#-'*+.^-`|~\w-]+$";

/// Where in the schema, what is added there, and what a message says when it does not hold.
type Refinement = (&'static str, fn() -> Value, &'static str);

const REFINEMENTS: [Refinement; 17] = [
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
        || json!({"pattern": "^([^{}]|{(service|namespace|domain)})*{service}([^{}]|{(service|namespace|domain)})*$"}),
        "is not a host template; write for example `{service}.{namespace}.{domain}`",
    ),
    ("/properties/namespace", || json!({"pattern": DNS_LABEL}), LABEL),
    (
        "/properties/routes/items/properties/match",
        || json!({"pattern": MATCH}),
        "is not METHODS PATH; write for example `GET /orders/{id}`, `GET|POST /orders` or `ANY /files/{*rest}`, with `{{` and `}}` for literal braces",
    ),
    ("/properties/routes/items/properties/service", || json!({"pattern": DNS_LABEL}), LABEL),
    ("/properties/routes/items/properties/namespace", || json!({"pattern": DNS_LABEL}), LABEL),
    ("/properties/routes/items/properties/tag", || json!({"pattern": DNS_LABEL}), LABEL),
    (
        "/properties/routes/items/properties/host",
        || json!({"pattern": r"^([\w]([\w.-]*[\w])?|\[[\da-fA-F:.]+\])(:\d{1,5})?$"}),
        "is not a host; write one such as `legacy.example.com` or `legacy.example.com:8080`",
    ),
    (
        "/properties/routes/items/properties/rewritePath",
        || json!({"pattern": r"^/([^{}?#\p{Cc}]|{{|}}|{[\w-]+})*$"}),
        "is not a path; write one such as `/v2/{id}`, without a query",
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

/// Keyword under which a schema holds what a message says.
pub(super) const REMEDY: &str = "remedy";

/// The JSON Schema of a table, refined.
pub(super) fn schema() -> Value {
    let mut schema = ksvc_routing::config::schema();
    for (pointer, keywords, remedy) in REFINEMENTS {
        if let Some(refined) = schema.pointer_mut(pointer) {
            refine(refined, &keywords(), remedy);
        }
    }
    refine_header_names(&mut schema);
    schema
}

/// Adds keywords; where several kinds of value are taken, to each kind of text.
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

/// What is called `headers`, wherever it is, has names of headers for keys.
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
    fn every_refinement_has_its_place() {
        let schema = ksvc_routing::config::schema();
        for (pointer, ..) in REFINEMENTS {
            assert!(schema.pointer(pointer).is_some(), "{pointer}");
        }
    }
}

//! Translates JSON Schema to CEL: `is_malformed` gives a cheap condition, `errors` gives all messages about a value.
//!
//! Own code because CEL of the API server has no JSON Schema validator, and `pluginConfig` has no schema in Istio's
//! CRD.

use serde_json::Value;

use super::schema::{PATTERN_BEFORE_SLASH, REMEDY};

/// How many characters of a user's text a message quotes.
const QUOTED: usize = 60;

/// The place of a value in messages, as a CEL string expression.
pub(super) enum Place {
    /// The table, whose keys are named without a prefix.
    Table,
    Expression(String),
}

impl Place {
    fn text(&self) -> String {
        match self {
            Self::Table => literal("pluginConfig"),
            Self::Expression(place) => place.clone(),
        }
    }

    fn key(&self, key: &str) -> Self {
        Self::Expression(match self {
            Self::Table => literal(key),
            Self::Expression(place) => concat(place, &literal(&format!(".{key}"))),
        })
    }

    /// The place of a key that is the value of a CEL variable.
    fn variable_key(&self, variable: &str) -> Self {
        Self::Expression(match self {
            Self::Table => variable.to_owned(),
            Self::Expression(place) => concat(&concat(place, "'.'"), variable),
        })
    }

    fn index(&self, variable: &str) -> Self {
        let place = concat(&concat(&self.text(), "'['"), &format!("string({variable})"));
        Self::Expression(concat(&place, "']'"))
    }
}

/// Variables that the messages need, with their expressions: types of a list must be `dyn`, because they differ.
pub(super) const VARIABLES: [(&str, &str); 2] =
    [("unquoted", "[dyn(bool), dyn(int), dyn(double)]"), ("numeric", "[dyn(int), dyn(double)]")];

/// A rule for a value by itself. The rules of a value have an order: each one relies on the rules before it, so only
/// the first broken rule is reported.
enum Rule<'s> {
    Type { types: &'static [&'static str], expected: &'static str },
    Choice(&'s [Value]),
    Pattern(&'s str),
    PatternBeforeSlash(&'s str),
    Minimum(&'s Value),
    Maximum(&'s Value),
    NotEmpty,
}

/// Returns the rules for a value by itself, without those for the values inside it.
fn rules(schema: &Value) -> Vec<Rule<'_>> {
    let mut rules = Vec::new();
    match (schema["enum"].as_array(), type_rule(schema)) {
        (Some(choices), _) => rules.push(Rule::Choice(choices)),
        (None, rule) => rules.extend(rule),
    }
    rules.extend(schema[PATTERN_BEFORE_SLASH].as_str().map(Rule::PatternBeforeSlash));
    rules.extend(schema["pattern"].as_str().map(Rule::Pattern));
    rules.extend(schema.get("minimum").map(Rule::Minimum));
    rules.extend(schema.get("maximum").map(Rule::Maximum));
    if schema["minItems"].as_u64().is_some_and(|least| least > 0) {
        rules.push(Rule::NotEmpty);
    }
    rules
}

fn type_rule(schema: &Value) -> Option<Rule<'_>> {
    let (types, expected): (&[&str], _) = match schema["type"].as_str()? {
        "string" => (&["string"], "a string"),
        "boolean" => (&["bool"], "true or false"),
        "integer" => (&["int", "double"], "a whole number"),
        "array" => (&["list"], "a list"),
        "object" => (&["map"], "an object"),
        "null" => (&["null_type"], "nothing"),
        _ => return None,
    };
    Some(Rule::Type { types, expected })
}

impl Rule<'_> {
    /// Returns the condition that a value breaks the rule.
    fn is_broken(&self, value: &str) -> String {
        match self {
            Self::Type { types: [only], .. } => format!("type({value}) != {only}"),
            Self::Type { types, .. } => {
                types.iter().map(|kind| format!("type({value}) != {kind}")).collect::<Vec<_>>().join(" && ")
            }
            Self::Choice(choices) => format!("!({value} in {})", list(choices)),
            Self::Pattern(pattern) => format!("!{value}.matches({})", raw(pattern)),
            Self::PatternBeforeSlash(pattern) => {
                format!("!{value}.split('/', 2)[0].matches({})", raw(pattern))
            }
            Self::Minimum(minimum) => format!("{value} < {minimum}"),
            Self::Maximum(maximum) => format!("{value} > {maximum}"),
            Self::NotEmpty => format!("{value}.size() == 0"),
        }
    }

    /// Returns the message after the place, as a CEL string.
    fn message(&self, value: &str, schema: &Value) -> String {
        let remedy = schema[REMEDY].as_str();
        match self {
            Self::Type { expected: "a string", .. } => {
                let remedy = format!("(type({value}) in variables.unquoted ? 'it in quotes' : 'a string')");
                concat(&literal(": expected a string; write "), &remedy)
            }
            Self::Type { expected, .. } => literal(&format!(": expected {expected}; write {expected}")),
            Self::Choice(choices) => {
                let words: Vec<String> = choices.iter().map(in_backticks).collect();
                let remedy =
                    remedy.map_or(format!("is not a choice here; write {}", words.join(" or ")), str::to_owned);
                let quoted = match choices.iter().all(Value::is_string) {
                    true => format!("(type({value}) != string ? 'this' : {})", quote(value)),
                    false => number(value),
                };
                concat(&concat("': '", &quoted), &literal(&format!(" {remedy}")))
            }
            Self::NotEmpty => {
                literal(&format!(": {}", remedy.unwrap_or("the list is empty; write at least one element")))
            }
            Self::Pattern(_) | Self::PatternBeforeSlash(_) => {
                let remedy = remedy.unwrap_or("does not have the right form");
                concat(&concat("': '", &quote(value)), &literal(&format!(" {remedy}")))
            }
            Self::Minimum(_) | Self::Maximum(_) => {
                let remedy = remedy.unwrap_or("is out of range");
                concat(&concat("': '", &number(value)), &literal(&format!(" {remedy}")))
            }
        }
    }
}

/// Returns the condition that a value is malformed. It costs as little as possible when it is evaluated.
pub(super) fn is_malformed(value: &str, schema: &Value) -> String {
    any(&conditions(value, schema, 0))
}

fn conditions(value: &str, schema: &Value, depth: usize) -> Vec<String> {
    if let Some(kinds) = kinds(schema) {
        let each: Vec<String> =
            kinds.iter().map(|kind| format!("({})", any(&conditions(value, kind, depth)))).collect();
        return vec![each.join(" && ")];
    }
    let mut all: Vec<String> = rules(schema).iter().map(|rule| rule.is_broken(value)).collect();
    let (key, item) = (format!("k{depth}"), format!("x{depth}"));
    if let Some(properties) = schema["properties"].as_object() {
        all.push(format!("{value}.exists({key}, !({key} in {}))", list_of_keys(properties.keys())));
        all.extend(required(schema).map(|key| format!("!{}", has(value, key))));
        if let Some(alternatives) = alternatives(schema) {
            all.push(format!("{} != 1", count(value, &alternatives)));
        }
        for (keys, property) in groups(properties) {
            let present: Vec<String> = keys.iter().map(|key| has(value, key)).collect();
            let inside = |value: &str| any(&conditions(value, property, depth + 1));
            match keys[..] {
                [only] => all.push(format!("{} && ({})", present[0], inside(&select(value, only)))),
                // A loop costs more than a condition for each key, so it only runs if there is such a key.
                _ => all.push(format!(
                    "({}) && {}.exists({key}, {key} in {value} && ({}))",
                    present.join(" || "),
                    list_of_keys(keys),
                    inside(&format!("{value}[{key}]"))
                )),
            }
        }
    }
    if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
        let mut inside = conditions(&format!("{value}[{key}]"), values, depth + 1);
        inside.extend(name_rules(schema).iter().map(|rule| rule.is_broken(&key)));
        all.push(format!("{value}.exists({key}, {})", any(&inside)));
    }
    if let Some(items) = schema.get("items") {
        all.push(format!("{value}.exists({item}, {})", any(&conditions(&item, items, depth + 1))));
    }
    all
}

/// Returns all messages about a value, as a CEL list of strings.
pub(super) fn errors(value: &str, place: &Place, schema: &Value) -> String {
    error_list(value, place, schema, 0)
}

fn error_list(value: &str, place: &Place, schema: &Value, depth: usize) -> String {
    if let Some(kinds) = kinds(schema) {
        // The messages are those about the kind whose type fits; about the last kind if no type fits.
        let mut chosen = None;
        for kind in kinds.iter().rev() {
            let errors = error_list(value, place, kind, depth);
            chosen = Some(match (chosen, rules(kind).first()) {
                (Some(other), Some(first)) => format!("(!({}) ?\n{errors} :\n{other})", first.is_broken(value)),
                _ => errors,
            });
        }
        return chosen.unwrap_or_else(|| "[]".to_owned());
    }
    let mut errors = inner_errors(value, place, schema, depth);
    for rule in rules(schema).iter().rev() {
        let message = concat(&place.text(), &rule.message(value, schema));
        errors = format!("({} ? [{message}] : {errors})", rule.is_broken(value));
    }
    errors
}

/// Returns the messages about the values inside a value.
fn inner_errors(value: &str, place: &Place, schema: &Value, depth: usize) -> String {
    let mut lists = Vec::new();
    let (key, index, item) = (format!("k{depth}"), format!("i{depth}"), format!("x{depth}"));
    if let Some(properties) = schema["properties"].as_object() {
        let known = properties.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        lists.push(format!(
            "{value}.filter({key}, !({key} in {})).map({key}, {})",
            list_of_keys(properties.keys()),
            concat(&place.variable_key(&key).text(), &literal(&format!(": unknown key; the keys here are {known}")))
        ));
        lists.extend(required(schema).map(|key| {
            let about = properties.get(key).and_then(|property| property["description"].as_str()).unwrap_or_default();
            let message = literal(&format!(": `{key}` is missing; write it: {}", about.trim_end_matches('.')));
            format!("({} ? [] : [{}])", has(value, key), concat(&place.text(), &message))
        }));
        if let Some(alternatives) = alternatives(schema) {
            let names: Vec<String> = alternatives.iter().map(|key| format!("`{key}`")).collect();
            let names = names.join(", ");
            let none = concat(&place.text(), &literal(&format!(": has no target; write one of {names}")));
            let several = concat(&place.text(), &literal(&format!(": has more than one target; keep one of {names}")));
            let count = count(value, &alternatives);
            lists.push(format!("[{count}].filter(n, n != 1).map(n, n == 0 ? {none} : {several})"));
        }
        for (keys, property) in groups(properties) {
            match keys[..] {
                [only] => {
                    let errors = error_list(&select(value, only), &place.key(only), property, depth + 1);
                    lists.push(format!("(!{} ? [] :\n{errors})", has(value, only)));
                }
                _ => {
                    let place = place.variable_key(&key);
                    let errors = error_list(&format!("{value}[{key}]"), &place, property, depth + 1);
                    let keys = list_of_keys(keys);
                    lists.push(format!(
                        "{keys}.filter({key}, {key} in {value}).map({key}, ({errors}).join('; ')).filter(e, e != '')"
                    ));
                }
            }
        }
    }
    if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
        let place = place.variable_key(&key);
        let mut error = first_error(&format!("{value}[{key}]"), &place, values);
        for rule in name_rules(schema) {
            let remedy = literal(": is not a header's name; use letters, digits and `-`, such as `x-example`");
            error = format!("({} ? {} : {error})", rule.is_broken(&key), concat(&place.text(), &remedy));
        }
        lists.push(format!("{value}.map({key}, {error}).filter(e, e != '')"));
    }
    if let Some(items) = schema.get("items") {
        let error = first_error(&item, &place.index(&index), items);
        lists.push(format!("{value}.transformList({index}, {item}, {error}).filter(e, e != '')"));
    }
    if lists.is_empty() { "[]".to_owned() } else { lists.join(" +\n") }
}

/// Returns the first message about a value in a list or a map, as a CEL string; empty if the value is good.
fn first_error(value: &str, place: &Place, schema: &Value) -> String {
    let mut error = "''".to_owned();
    if schema.get("properties").is_some() || schema.get("items").is_some() || schema.get("oneOf").is_some() {
        let message = concat(&place.text(), "': is malformed'");
        error = format!("({} ? {message} : {error})", is_malformed(value, schema));
    }
    for rule in rules(schema).iter().rev() {
        let message = concat(&place.text(), &rule.message(value, schema));
        error = format!("({} ? {message} : {error})", rule.is_broken(value));
    }
    error
}

/// Groups the properties of an object: keys whose values are lists or objects of the same schema form one group, so
/// that one expression serves them all.
fn groups(properties: &serde_json::Map<String, Value>) -> Vec<(Vec<&str>, &Value)> {
    let mut groups: Vec<(Vec<&str>, &Value)> = Vec::new();
    let without_description = |schema: &Value| {
        let mut schema = schema.clone();
        if let Some(keywords) = schema.as_object_mut() {
            keywords.remove("description");
        }
        schema
    };
    for (key, property) in properties {
        let is_nested = property["type"] == "object" || property["type"] == "array";
        let same = |(_, other): &&mut (Vec<&str>, &Value)| {
            is_nested && without_description(other) == without_description(property)
        };
        match groups.iter_mut().find(same) {
            Some((keys, _)) => keys.push(key),
            None => groups.push((vec![key], property)),
        }
    }
    groups
}

/// Returns the kinds of values that are accepted, if there are several.
fn kinds(schema: &Value) -> Option<&Vec<Value>> {
    schema["oneOf"].as_array().filter(|_| schema.get("properties").is_none())
}

/// Returns the keys of which an object must have exactly one.
fn alternatives(schema: &Value) -> Option<Vec<&str>> {
    let each = schema["oneOf"].as_array()?;
    Some(each.iter().filter_map(|one| one["required"][0].as_str()).collect())
}

/// Returns the rules for the keys of a map.
fn name_rules(schema: &Value) -> Vec<Rule<'_>> {
    // The type is not checked: a key of a JSON object is always a string.
    schema.get("propertyNames").map(rules).unwrap_or_default()
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Returns the number of these keys that an object has.
fn count(value: &str, keys: &[&str]) -> String {
    let each: Vec<String> = keys.iter().map(|key| format!("({} ? 1 : 0)", has(value, key))).collect();
    format!("({})", each.join(" + "))
}

fn has(value: &str, key: &str) -> String {
    format!("has({})", select(value, key))
}

fn select(value: &str, key: &str) -> String {
    format!("{value}.{key}")
}

fn any(conditions: &[String]) -> String {
    if conditions.is_empty() { "false".to_owned() } else { conditions.join(" ||\n") }
}

/// Returns a user's text in quotes, cut if it is long.
fn quote(value: &str) -> String {
    format!("strings.quote({value}.size() > {QUOTED} ? {value}.substring(0, {QUOTED}) + '…' : {value})")
}

/// Returns a user's number; `this` for any other value.
fn number(value: &str) -> String {
    format!("(type({value}) in variables.numeric ? string({value}) : 'this')")
}

fn in_backticks(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |word| format!("`{word}`"))
}

fn list(values: &[Value]) -> String {
    let each: Vec<String> =
        values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), literal)).collect();
    format!("[{}]", each.join(", "))
}

fn list_of_keys(keys: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let keys: Vec<String> = keys.into_iter().map(|key| literal(key.as_ref())).collect();
    format!("[{}]", keys.join(", "))
}

/// Returns a text as a CEL string.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

/// Returns two CEL strings as one. Two literals become one literal.
fn concat(one: &str, other: &str) -> String {
    match (one.strip_suffix('\''), other.strip_prefix('\'')) {
        (Some(one), Some(other)) => format!("{one}{other}"),
        _ => format!("{one} + {other}"),
    }
}

/// Returns a regular expression as a CEL string without escapes. None of them has double quotes.
fn raw(pattern: &str) -> String {
    format!("r\"{pattern}\"")
}

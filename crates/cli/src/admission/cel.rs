//! From JSON Schema to CEL: whether a value is misshapen, and what is wrong with it.
//!
//! Both come from one list of `Fault`s. `bad` is as cheap as can be; `problems` says everything.

use serde_json::Value;

use super::schema::REMEDY;

/// Text of a user's that a message quotes.
const QUOTED: usize = 60;

/// Where a value is, for messages.
pub(super) enum Place {
    Root,
    /// A CEL expression for it.
    Expression(String),
}

impl Place {
    /// The place as a CEL string; `pluginConfig` for the whole.
    fn text(&self) -> String {
        match self {
            Self::Root => text("pluginConfig"),
            Self::Expression(place) => place.clone(),
        }
    }

    fn key(&self, key: &str) -> Self {
        Self::Expression(match self {
            Self::Root => text(key),
            Self::Expression(place) => plus(place, &text(&format!(".{key}"))),
        })
    }

    /// The place of a key that is known when the expression runs.
    fn any_key(&self, key: &str) -> Self {
        Self::Expression(match self {
            Self::Root => format!("string({key})"),
            Self::Expression(place) => plus(&plus(place, "'.'"), &format!("string({key})")),
        })
    }

    fn index(&self, index: &str) -> Self {
        let place = plus(&plus(&self.text(), "'['"), &format!("string({index})"));
        Self::Expression(plus(&place, "']'"))
    }
}

/// A way in which a value can be misshapen. Of several, only the first one that holds is asked for: the others rest on
/// its absence.
enum Fault<'s> {
    Type { types: &'static [&'static str], expected: String },
    Choice(&'s [Value]),
    Pattern(&'s str),
    Least(&'s Value),
    Most(&'s Value),
    NoItems,
}

/// The faults that concern a value alone, what is in it aside.
fn faults(schema: &Value) -> Vec<Fault<'_>> {
    let mut faults = Vec::new();
    let choices = schema["enum"].as_array();
    let expected = match schema["type"].as_str() {
        Some("string") => Some((&["string"][..], "a string")),
        Some("boolean") => Some((&["bool"][..], "true or false")),
        Some("integer") => Some((&["int", "double"][..], "a whole number")),
        Some("array") => Some((&["list"][..], "a list")),
        Some("object") => Some((&["map"][..], "an object")),
        Some("null") => Some((&["null_type"][..], "nothing")),
        _ => None,
    };
    if let (Some((types, expected)), None) = (expected, choices) {
        faults.push(Fault::Type { types, expected: expected.to_owned() });
    }
    faults.extend(choices.map(|choices| Fault::Choice(choices)));
    faults.extend(schema["pattern"].as_str().map(Fault::Pattern));
    faults.extend(schema.get("minimum").map(Fault::Least));
    faults.extend(schema.get("maximum").map(Fault::Most));
    if schema["minItems"].as_u64().is_some_and(|least| least > 0) {
        faults.push(Fault::NoItems);
    }
    faults
}

impl Fault<'_> {
    fn holds(&self, value: &str) -> String {
        match self {
            Self::Type { types: [only], .. } => format!("type({value}) != {only}"),
            Self::Type { types, .. } => {
                types.iter().map(|kind| format!("type({value}) != {kind}")).collect::<Vec<_>>().join(" && ")
            }
            Self::Choice(choices) => format!("!({value} in {})", list(choices)),
            Self::Pattern(pattern) => format!("!{value}.matches({})", raw(pattern)),
            Self::Least(least) => format!("{value} < {least}"),
            Self::Most(most) => format!("{value} > {most}"),
            Self::NoItems => format!("{value}.size() == 0"),
        }
    }

    /// The message behind the place, as a CEL string.
    fn message(&self, value: &str, schema: &Value) -> String {
        let remedy = schema[REMEDY].as_str();
        match self {
            Self::Type { expected, .. } => {
                let write = match expected.as_str() {
                    "a string" => {
                        format!("({} ? 'it in quotes' : 'a string')", is_any(value, &["bool", "int", "double"]))
                    }
                    _ => text(expected),
                };
                plus(&text(&format!(": expected {expected}; write ")), &write)
            }
            Self::Choice(choices) => {
                let words: Vec<String> = choices.iter().map(words).collect();
                let remedy =
                    remedy.map_or(format!("is not a choice here; write {}", words.join(" or ")), str::to_owned);
                plus(&said(value, choices.iter().all(Value::is_string)), &text(&format!(" {remedy}")))
            }
            Self::NoItems => text(&format!(": {}", remedy.unwrap_or("the list is empty; write at least one element"))),
            Self::Pattern(_) => {
                plus(&said(value, true), &text(&format!(" {}", remedy.unwrap_or("is not of the right form"))))
            }
            Self::Least(_) | Self::Most(_) => {
                plus(&said(value, false), &text(&format!(" {}", remedy.unwrap_or("is out of range"))))
            }
        }
    }
}

/// Whether a value is misshapen, as a CEL condition.
pub(super) fn bad(value: &str, schema: &Value) -> String {
    any(&conditions(value, schema, 0))
}

fn conditions(value: &str, schema: &Value, depth: usize) -> Vec<String> {
    if let Some(kinds) = kinds(schema) {
        let each: Vec<String> =
            kinds.iter().map(|kind| format!("({})", any(&conditions(value, kind, depth)))).collect();
        return vec![each.join(" && ")];
    }
    let mut all: Vec<String> = faults(schema).iter().map(|fault| fault.holds(value)).collect();
    let inner = |name: &str| format!("{name}{depth}");
    if let Some(properties) = schema["properties"].as_object() {
        let key = inner("k");
        all.push(format!("{value}.exists({key}, !({key} in {}))", keys(schema)));
        all.extend(required(schema).map(|key| format!("!{}", has(value, key))));
        if let Some(alternatives) = alternatives(schema) {
            all.push(format!("{} != 1", count(value, &alternatives)));
        }
        all.extend(properties.iter().map(|(key, property)| {
            let within = any(&conditions(&select(value, key), property, depth + 1));
            format!("{} && ({within})", has(value, key))
        }));
    }
    if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
        let key = inner("k");
        let mut within = conditions(&format!("{value}[{key}]"), values, depth + 1);
        within.extend(conditions_of_names(&key, schema));
        all.push(format!("{value}.exists({key}, {})", any(&within)));
    }
    if let Some(items) = schema.get("items") {
        let item = inner("x");
        all.push(format!("{value}.exists({item}, {})", any(&conditions(&item, items, depth + 1))));
    }
    all
}

fn conditions_of_names(key: &str, schema: &Value) -> Vec<String> {
    schema.get("propertyNames").map(faults).unwrap_or_default().iter().map(|fault| fault.holds(key)).collect()
}

/// Everything that is wrong with a value, as a CEL list of strings.
pub(super) fn problems(value: &str, place: &Place, schema: &Value) -> String {
    problem_lists(value, place, schema, 0)
}

fn problem_lists(value: &str, place: &Place, schema: &Value, depth: usize) -> String {
    if let Some(kinds) = kinds(schema) {
        // The kind whose type fits says what is wrong; of the last one also that no type fits.
        let mut chosen = None;
        for kind in kinds.iter().rev() {
            let said = problem_lists(value, place, kind, depth);
            chosen = Some(match (chosen, faults(kind).first()) {
                (Some(other), Some(first)) => format!("(!({}) ?\n{said} :\n{other})", first.holds(value)),
                _ => said,
            });
        }
        return chosen.unwrap_or_else(|| "[]".to_owned());
    }
    let all_faults = faults(schema);
    let mut said = inner_problems(value, place, schema, depth);
    for fault in all_faults.iter().rev() {
        let message = format!("[{}]", plus(&place.text(), &fault.message(value, schema)));
        said = format!("({} ? {message} : {said})", fault.holds(value));
    }
    said
}

fn inner_problems(value: &str, place: &Place, schema: &Value, depth: usize) -> String {
    let mut lists = Vec::new();
    let (key, index, item) = (format!("k{depth}"), format!("i{depth}"), format!("x{depth}"));
    if let Some(properties) = schema["properties"].as_object() {
        let known = properties.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        lists.push(format!(
            "{value}.filter({key}, !({key} in {})).map({key}, {})",
            keys(schema),
            plus(&place.any_key(&key).text(), &text(&format!(": unknown key; the keys here are {known}")))
        ));
        lists.extend(required(schema).map(|key| {
            let about = properties.get(key).and_then(|property| property["description"].as_str()).unwrap_or_default();
            let message = text(&format!(": `{key}` is missing; write it: {}", about.trim_end_matches('.')));
            format!("({} ? [] : [{}])", has(value, key), plus(&place.text(), &message))
        }));
        if let Some(alternatives) = alternatives(schema) {
            let names: Vec<String> = alternatives.iter().map(|key| format!("`{key}`")).collect();
            let none = text(&format!(": has no target; write one of {}", names.join(", ")));
            let several = text(&format!(": has more than one target; keep one of {}", names.join(", ")));
            let count = count(value, &alternatives);
            let place = place.text();
            lists.push(format!("({count} == 1 ? [] : [{place} + ({count} == 0 ? {none} : {several})])"));
        }
        lists.extend(properties.iter().map(|(key, property)| {
            let within = problem_lists(&select(value, key), &place.key(key), property, depth + 1);
            format!("(!{} ? [] :\n{within})", has(value, key))
        }));
    }
    if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
        let at = place.any_key(&key);
        let inner = format!("{value}[{key}]");
        let mut within = first_problem(&inner, &at, values);
        for fault in schema.get("propertyNames").map(faults).unwrap_or_default() {
            let remedy = text(": is not a header's name; use letters, digits and `-`, such as `x-example`");
            within = format!("({} ? {} : {within})", fault.holds(&key), plus(&at.text(), &remedy));
        }
        lists.push(format!("{value}.map({key}, {within}).filter(said, said != '')"));
    }
    if let Some(items) = schema.get("items") {
        let within = first_problem(&item, &place.index(&index), items);
        lists.push(format!("{value}.transformList({index}, {item}, {within}).filter(said, said != '')"));
    }
    if lists.is_empty() { "[]".to_owned() } else { lists.join(" +\n") }
}

/// The first thing that is wrong with a value in a list or a map, as a CEL string; empty if nothing is.
fn first_problem(value: &str, place: &Place, schema: &Value) -> String {
    let mut said = "''".to_owned();
    if schema.get("properties").is_some() || schema.get("items").is_some() || schema.get("oneOf").is_some() {
        said = format!("({} ? {} : {said})", bad(value, schema), plus(&place.text(), "': is misshapen'"));
    }
    for fault in faults(schema).iter().rev() {
        let message = plus(&place.text(), &fault.message(value, schema));
        said = format!("({} ? {message} : {said})", fault.holds(value));
    }
    said
}

/// The kinds of value that are taken, where there are several.
fn kinds(schema: &Value) -> Option<&Vec<Value>> {
    schema["oneOf"].as_array().filter(|_| schema.get("properties").is_none())
}

/// Keys of which exactly one has to be there.
fn alternatives(schema: &Value) -> Option<Vec<&str>> {
    let each = schema["oneOf"].as_array()?;
    Some(each.iter().filter_map(|one| one["required"][0].as_str()).collect())
}

fn required(schema: &Value) -> impl Iterator<Item = &str> {
    schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn count(value: &str, keys: &[&str]) -> String {
    let each: Vec<String> = keys.iter().map(|key| format!("({} ? 1 : 0)", has(value, key))).collect();
    format!("({})", each.join(" + "))
}

/// The keys of an object as a CEL list.
fn keys(schema: &Value) -> String {
    let keys: Vec<Value> =
        schema["properties"].as_object().into_iter().flat_map(|all| all.keys().cloned()).map(Value::from).collect();
    list(&keys)
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

/// A user's value as a message quotes it, behind the place.
fn said(value: &str, is_text: bool) -> String {
    match is_text {
        true => format!(
            "': ' + (type({value}) != string ? 'this' : strings.quote({value}.size() > {QUOTED} ? {value}.substring(0, {QUOTED}) + '…' : {value}))"
        ),
        false => format!("': ' + ({} ? string({value}) : 'this')", is_any(value, &["int", "double"])),
    }
}

fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |word| format!("`{word}`"))
}

fn list(values: &[Value]) -> String {
    let each: Vec<String> = values.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), text)).collect();
    format!("[{}]", each.join(", "))
}

fn is_any(value: &str, types: &[&str]) -> String {
    types.iter().map(|kind| format!("type({value}) == {kind}")).collect::<Vec<_>>().join(" || ")
}

/// A CEL string.
fn text(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

/// Two CEL strings as one; literals beside each other become one literal.
fn plus(one: &str, other: &str) -> String {
    match (one.strip_suffix('\''), other.strip_prefix('\'')) {
        (Some(one), Some(other)) => format!("{one}{other}"),
        _ => format!("{one} + {other}"),
    }
}

/// A CEL string without escapes, for regular expressions; these have no double quotes.
fn raw(text: &str) -> String {
    format!("r\"{text}\"")
}

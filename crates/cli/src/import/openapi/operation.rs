//! Reads the operations of an OpenAPI document. Webhooks and callbacks are not requests to the API, so they are left out.

use std::collections::HashMap;

use super::document::{At, Located};
use super::kinds::{NO_OPERATIONS, OPENAPI_KEY, OPENAPI_VALUE, REPEATED_OPERATION_ID};
use super::reference::Resolver;
use crate::words::{nearest, short};
use crate::yaml::Value;

/// An operation: a method of a path.
#[derive(Debug)]
pub(super) struct Operation {
    /// The method as a request has it.
    pub(super) method: String,
    /// The path as it is written.
    pub(super) path: String,
    /// Where the path is written.
    pub(super) path_at: At,
    /// Where the method is written.
    pub(super) at: At,
    pub(super) id: Option<String>,
    pub(super) parameters: Vec<Parameter>,
    /// The objects that say something about the operation, from the inside to the outside: the operation, its path item,
    /// the items that this one refers to, and the document.
    pub(super) levels: Vec<Located>,
    /// The servers of the operation, if it has other ones than the document.
    pub(super) servers: Option<Located>,
}

/// A parameter of an operation.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub(super) name: String,
    /// `path`, `query`, `header` or `cookie`.
    pub(super) place: String,
    pub(super) is_rest: bool,
    /// The parameter as it is written, for its examples.
    pub(super) written: Located,
}

impl Operation {
    /// Returns the words for the operation in messages and in the names of cases.
    pub(super) fn title(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(super) fn parameter(&self, place: &str, name: &str) -> Option<&Parameter> {
        let same_name = |known: &str| match place {
            "header" => known.eq_ignore_ascii_case(name),
            _ => known == name,
        };
        self.parameters.iter().find(|parameter| parameter.place == place && same_name(&parameter.name))
    }

    /// Returns the value of a key at the innermost level that has it.
    pub(super) fn innermost(&self, key: &str) -> Option<Located> {
        self.levels.iter().find_map(|level| level.get(key))
    }
}

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// The method of a path item for all methods, in the language of Amazon's gateway.
const ANY: &str = "x-amazon-apigateway-any-method";

/// The other keys of a path item.
const OTHERS: [&str; 5] = ["$ref", "summary", "description", "servers", "parameters"];

/// The keys of this command.
const OWN: [&str; 5] = ["x-ksvc-service", "x-ksvc-namespace", "x-ksvc-tag", "x-ksvc-disable", "x-ksvc-rest"];

/// Returns the operations, sorted by path and method. The order does not depend on that of the document.
pub(super) fn read(root: &Located, resolver: &mut Resolver) -> Vec<Operation> {
    let mut operations = Vec::new();
    check_own_keys(root, resolver);
    if let Some(paths) = object(root.get("paths"), "`paths`", resolver) {
        for entry in paths.node.entries().iter().filter(|entry| !entry.key.text.starts_with("x-")) {
            let mut item = PathItem {
                path: &entry.key.text,
                at: paths.at_key(&entry.key),
                root,
                levels: Vec::new(),
                parameters: Vec::new(),
            };
            item.read(&paths.with(&entry.value), resolver, &mut operations);
        }
    }
    if operations.is_empty() && has_readable_paths(root) {
        let text = "the document has no operations, so there is no table; operations are methods below `paths`";
        resolver.messages.report(NO_OPERATIONS, &root.at(), text);
    }
    operations.sort_by(|a, b| (&a.path, &a.method).cmp(&(&b.path, &b.method)));
    warn_of_repeated_ids(&operations, resolver);
    operations
}

fn warn_of_repeated_ids(operations: &[Operation], resolver: &mut Resolver) {
    let mut known: HashMap<&str, &Operation> = HashMap::new();
    for operation in operations {
        let Some(id) = operation.id.as_deref() else { continue };
        let Some(first) = known.get(id) else {
            known.insert(id, operation);
            continue;
        };
        let text = format!(
            "`{}` has the `operationId` of `{}` too, `{}`, so both routes have this name in logs and metrics; write another one",
            operation.title(),
            first.title(),
            short(id)
        );
        let place = format!("`{}`", first.title());
        resolver.messages.report_pair(REPEATED_OPERATION_ID, &operation.at, text, &first.at, place);
    }
}

/// Returns whether `paths` is an object or absent; anything else has been reported.
fn has_readable_paths(root: &Located) -> bool {
    root.node.get("paths").is_none_or(|paths| paths.is_null() || matches!(paths.value, Value::Map(_)))
}

/// Follows the references of a value that has to be an object. Reports any other value; an absent one and null are
/// nothing.
fn object(value: Option<Located>, what: &str, resolver: &mut Resolver) -> Option<Located> {
    let value = resolver.resolve(&value?)?;
    match value.node.value {
        Value::Map(_) => Some(value),
        Value::Null => None,
        _ => {
            resolver.messages.wrong_type(OPENAPI_VALUE, &value, what, "an object");
            None
        }
    }
}

/// Reports keys that look like those of this command and are none.
fn check_own_keys(value: &Located, resolver: &mut Resolver) {
    for entry in value.node.entries().iter().filter(|entry| entry.key.text.starts_with("x-ksvc-")) {
        let found = &*entry.key.text;
        if !OWN.contains(&found) {
            let like = nearest(found, OWN).map_or_else(
                || format!("the keys are `{}`", OWN.join("`, `")),
                |near| format!("did you mean `{near}`?"),
            );
            let text = format!("there is no key `{found}`; {like}");
            resolver.messages.report(OPENAPI_VALUE, &value.at_key(&entry.key), text);
        }
    }
}

/// A path and what is known of it so far.
struct PathItem<'a> {
    path: &'a str,
    at: At,
    root: &'a Located,
    /// The item, then the items that it refers to.
    levels: Vec<Located>,
    parameters: Vec<Parameter>,
}

impl PathItem<'_> {
    fn read(&mut self, written: &Located, resolver: &mut Resolver, operations: &mut Vec<Operation>) {
        // Beside a reference, an item may have keys of its own, which come first.
        let what = format!("the path item of `{}`", self.path);
        let mut next = Some(written.clone());
        while let Some(item) = next.take() {
            if item.node.get("$ref").is_some() {
                next = object(Some(item.clone()), &what, resolver);
                if next.is_some() || item.node.entries().len() > 1 {
                    self.levels.push(item);
                }
            } else if let Some(item) = object(Some(item), &what, resolver) {
                self.levels.push(item);
            }
        }
        for item in self.levels.clone().iter().rev() {
            check_own_keys(item, resolver);
            read_parameters(item, &mut self.parameters, resolver);
        }
        let mut methods: Vec<String> = Vec::new();
        for item in self.levels.clone() {
            for entry in item.node.entries() {
                let at = item.at_key(&entry.key);
                let value = item.with(&entry.value);
                let key = &*entry.key.text;
                let method = match key {
                    "additionalOperations" if self.is_3_2() => {
                        self.additional(&value, &mut methods, resolver, operations);
                        continue;
                    }
                    ANY => "ANY".to_owned(),
                    "query" if self.is_3_2() => "QUERY".to_owned(),
                    key if METHODS.contains(&key) => key.to_ascii_uppercase(),
                    _ => {
                        self.warn_of_key(key, &at, &entry.value.value, resolver);
                        continue;
                    }
                };
                if !methods.contains(&method) {
                    operations.extend(self.operation(method.clone(), &at, &value, resolver));
                    methods.push(method);
                }
            }
        }
    }

    /// Reads the operations of methods that have no key of their own (OpenAPI 3.2).
    fn additional(
        &self,
        value: &Located,
        methods: &mut Vec<String>,
        resolver: &mut Resolver,
        operations: &mut Vec<Operation>,
    ) {
        let Some(value) = object(Some(value.clone()), "`additionalOperations`", resolver) else { return };
        for entry in value.node.entries().iter().filter(|entry| !entry.key.text.starts_with("x-")) {
            let method = entry.key.text.clone();
            let at = value.at_key(&entry.key);
            // In a table, `ANY` stands for all methods, and `|` is between two.
            if method == "ANY" || method.contains('|') || http::Method::from_bytes(method.as_bytes()).is_err() {
                let text = format!("{} is not the name of one method; write one, such as `COPY`", short(&method));
                resolver.messages.report(OPENAPI_VALUE, &at, text);
            } else if !methods.contains(&method) {
                operations.extend(self.operation(method.clone(), &at, &value.with(&entry.value), resolver));
                methods.push(method);
            }
        }
    }

    /// Returns whether the version of the document has the method `query` and `additionalOperations`.
    fn is_3_2(&self) -> bool {
        self.root.node.get("openapi").is_some_and(|version| {
            version.text().is_some_and(|text| text.starts_with("3.2")) || version.to_value().as_f64() == Some(3.2)
        })
    }

    fn warn_of_key(&self, key: &str, at: &At, value: &Value, resolver: &mut Resolver) {
        if key.starts_with("x-") || OTHERS.contains(&key) || !matches!(value, Value::Map(_)) {
            return;
        }
        let text = match key {
            "additionalOperations" => {
                "`additionalOperations` is read from OpenAPI 3.2 on; write `openapi: 3.2.0` to make routes of it"
                    .to_owned()
            }
            "query" => {
                "`query` is a method from OpenAPI 3.2 on; write `openapi: 3.2.0` to make a route of it".to_owned()
            }
            _ => match nearest(key, METHODS) {
                Some(near) => format!("`{key}` is not a method, so there is no route for it; did you mean `{near}`?"),
                None => format!(
                    "`{key}` is not a method, so there is no route for it; methods are `{}`",
                    METHODS.join("`, `")
                ),
            },
        };
        resolver.messages.report(OPENAPI_KEY, at, text);
    }

    fn operation(&self, method: String, at: &At, value: &Located, resolver: &mut Resolver) -> Option<Operation> {
        let what = format!("the operation `{method} {}`", self.path);
        let operation = object(Some(value.clone()), &what, resolver)?;
        check_own_keys(&operation, resolver);
        let mut parameters = self.parameters.clone();
        read_parameters(&operation, &mut parameters, resolver);
        read_rests(&operation, &mut parameters, resolver);
        let id = operation.get("operationId").filter(|id| !id.node.is_null());
        if let Some(id) = id.as_ref().filter(|id| id.node.text().is_none()) {
            resolver.messages.wrong_type(OPENAPI_VALUE, id, "`operationId`", "a string");
        }
        let id = id.and_then(|id| id.node.text().map(str::to_owned)).filter(|id| !id.is_empty());
        let levels: Vec<Located> = std::iter::once(operation).chain(self.levels.iter().cloned()).collect();
        let servers = levels.iter().find_map(|level| level.get("servers")).filter(|list| !list.node.items().is_empty());
        let levels = levels.into_iter().chain([self.root.clone()]).collect();
        let (path, path_at, at) = (self.path.to_owned(), self.at.clone(), at.clone());
        Some(Operation { method, path, path_at, at, id, parameters, levels, servers })
    }
}

/// Reads the parameters of an operation or a path item. They replace those of the same name and place.
fn read_parameters(item: &Located, parameters: &mut Vec<Parameter>, resolver: &mut Resolver) {
    let Some(list) = item.get("parameters").filter(|list| !list.node.is_null()) else { return };
    if !matches!(list.node.value, Value::List(_)) {
        resolver.messages.wrong_type(OPENAPI_VALUE, &list, "`parameters`", "a list");
    }
    for written in list.items() {
        let Some(written) = object(Some(written), "a parameter", resolver) else { continue };
        let (Some(name), Some(place)) = (written.node.text_at("name"), written.node.text_at("in")) else {
            let text = "a parameter has a `name` and a place, `in`; write both, such as `{name: id, in: path}`";
            resolver.messages.report(OPENAPI_VALUE, &written.at(), text);
            continue;
        };
        check_own_keys(&written, resolver);
        let is_rest = flag(&written, "x-ksvc-rest", resolver).unwrap_or_default();
        let (name, place) = (name.to_owned(), place.to_owned());
        parameters.retain(|known| (&known.name, &known.place) != (&name, &place));
        parameters.push(Parameter { name, place, is_rest, written });
    }
}

/// Reads the names of parameters that an operation lists as rests.
fn read_rests(operation: &Located, parameters: &mut [Parameter], resolver: &mut Resolver) {
    let Some(list) = operation.get("x-ksvc-rest") else { return };
    let names = if list.node.text().is_some() { vec![list.clone()] } else { list.items().collect() };
    if names.is_empty() {
        let expected = "a list of names of parameters";
        resolver.messages.wrong_type(OPENAPI_VALUE, &list, "`x-ksvc-rest` of an operation", expected);
    }
    for name in names {
        let Some(text) = name.node.text() else {
            resolver.messages.wrong_type(OPENAPI_VALUE, &name, "the name of a parameter", "a string");
            continue;
        };
        match parameters.iter_mut().find(|parameter| parameter.place == "path" && parameter.name == text) {
            Some(parameter) => parameter.is_rest = true,
            None => {
                let text =
                    format!("the operation has no path parameter `{text}`; write the name of one of `parameters`");
                resolver.messages.report(OPENAPI_VALUE, &name.at(), text);
            }
        }
    }
}

/// Returns the value of a key that is `true` or `false`. Reports any other value.
pub(super) fn flag(value: &Located, key: &str, resolver: &mut Resolver) -> Option<bool> {
    let flag = value.get(key)?;
    match flag.node.value {
        Value::Bool(flag) => Some(flag),
        _ => {
            resolver.messages.wrong_type(OPENAPI_VALUE, &flag, &format!("`{key}`"), "`true` or `false`");
            None
        }
    }
}

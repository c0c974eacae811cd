//! The tree of a YAML text: aliases and merge keys are already resolved, and keys are strings.

use std::sync::Arc;

use serde_json::Number;

use crate::source::position::Span;

/// A value and where it is written.
#[derive(Debug)]
pub struct Node {
    pub span: Span,
    pub value: Value,
    /// How many values this tree has. A value that aliases repeat counts each time.
    pub(super) size: usize,
}

#[derive(Debug)]
pub enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text { text: String, style: Style },
    List(Vec<Arc<Node>>),
    Map(Vec<Entry>),
}

/// How a string is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A literal block (`|`): each line of the value is a line of the file, only indented.
    Literal,
    Other,
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub key: Key,
    pub value: Arc<Node>,
    /// Whether a merge key brought the entry here; then another entry of the same name does not repeat it.
    pub(super) merged: bool,
}

#[derive(Debug, Clone)]
pub struct Key {
    pub text: String,
    pub span: Span,
    /// The word as written if YAML reads it as a boolean: `on`, for the key `true`.
    pub boolean: Option<String>,
}

impl Key {
    /// Returns the message about a key such as `on`, which `kubectl` turns into `true`: nobody who writes the name of
    /// a header or a parameter means that.
    pub(crate) fn boolean_problem(&self) -> Option<String> {
        let written = self.boolean.as_ref()?;
        Some(format!("`{written}` without quotes is a boolean, so the key is `{}`; write \"{written}\"", self.text))
    }
}

impl Node {
    pub(super) fn new(span: Span, value: Value) -> Self {
        let size = 1 + match &value {
            Value::List(items) => items.iter().map(|item| item.size).sum(),
            Value::Map(entries) => entries.iter().map(|entry| 1 + entry.value.size).sum(),
            _ => 0,
        };
        Self { span, value, size }
    }

    /// Returns the value of `key`; the first value if the key is repeated.
    pub fn get(&self, key: &str) -> Option<&Arc<Node>> {
        self.entries().iter().find(|entry| entry.key.text == key).map(|entry| &entry.value)
    }

    /// Returns the entries of an object; no entries for any other value.
    pub fn entries(&self) -> &[Entry] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// Returns the elements of a list; no elements for any other value.
    pub fn items(&self) -> &[Arc<Node>] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    /// Returns the value that these keys lead to, each one inside the value of the key before it.
    pub fn at(&self, keys: &[&str]) -> Option<&Arc<Node>> {
        let (first, rest) = keys.split_first()?;
        let value = self.get(first)?;
        if rest.is_empty() { Some(value) } else { value.at(rest) }
    }

    /// Returns the value of the first of two keys that exists, because Protobuf JSON has two names for each field.
    pub fn either(&self, keys: [&str; 2]) -> Option<&Arc<Node>> {
        keys.into_iter().find_map(|key| self.get(key))
    }

    /// Returns an object without some of its keys.
    pub(crate) fn without(&self, keys: &[&str]) -> Node {
        let kept = self.entries().iter().filter(|entry| !keys.contains(&entry.key.text.as_str()));
        Node::new(self.span, Value::Map(kept.cloned().collect()))
    }

    /// Returns an object with an empty list for a key that it lacks.
    pub(crate) fn or_empty_list(self, key: &str) -> Node {
        let mut entries = self.entries().to_vec();
        if self.get(key).is_none() {
            let value = Arc::new(Node::new(self.span, Value::List(Vec::new())));
            let key = Key { text: key.to_owned(), span: self.span, boolean: None };
            entries.push(Entry { key, value, merged: false });
        }
        Node::new(self.span, Value::Map(entries))
    }

    pub fn text(&self) -> Option<&str> {
        if let Value::Text { text, .. } = &self.value { Some(text) } else { None }
    }

    /// Returns the value if it is a whole number that is not negative.
    pub fn number(&self) -> Option<u64> {
        if let Value::Number(number) = &self.value { number.as_u64() } else { None }
    }

    /// Returns the elements of the list at `key`; no elements if there is no list.
    pub fn list(&self, key: &str) -> &[Arc<Node>] {
        self.get(key).map_or(&[], |value| value.items())
    }

    /// Returns the string at `key`.
    pub fn text_at(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(|value| value.text())
    }

    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// Returns the value as JSON text, with all keys in the order of the file, repeated keys included.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::new();
        self.write_json(&mut json);
        json
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        match &self.value {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Value::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Value::Text { text, .. } => write_json_string(text, out),
            Value::List(items) => {
                out.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    item.write_json(out);
                }
                out.push(b']');
            }
            Value::Map(entries) => {
                out.push(b'{');
                for (index, Entry { key, value, .. }) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_json_string(&key.text, out);
                    out.push(b':');
                    value.write_json(out);
                }
                out.push(b'}');
            }
        }
    }

    /// Returns the value as a JSON value. Of repeated keys the last one is taken, as in `kubectl`.
    pub fn to_value(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(number) => number.clone().into(),
            Value::Text { text, .. } => text.as_str().into(),
            Value::List(items) => items.iter().map(|item| item.to_value()).collect(),
            Value::Map(entries) => {
                entries.iter().map(|entry| (entry.key.text.clone(), entry.value.to_value())).collect()
            }
        }
    }
}

fn write_json_string(text: &str, out: &mut Vec<u8>) {
    // `Display` of a JSON string writes it with quotes and escapes.
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

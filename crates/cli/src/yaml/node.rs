//! The tree of a YAML text.

use std::sync::Arc;

use serde_json::Number;

use crate::source::position::Span;

#[derive(Debug)]
pub struct Node {
    pub span: Span,
    pub value: Value,
    /// Values in this tree, aliases counted each time.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// On the page as in the value, line by line, but for the indentation.
    Literal,
    Other,
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub key: Key,
    pub value: Arc<Node>,
    /// Came in by a merge key, so another one of that name is no repetition.
    pub(super) merged: bool,
}

#[derive(Debug, Clone)]
pub struct Key {
    pub text: String,
    pub span: Span,
    /// The word as written, where YAML takes it for a boolean: `on`, for the key `true`.
    pub boolean: Option<String>,
}

impl Key {
    /// What is wrong with `on: x`: once `kubectl` has read it, the key is `true`, and nobody who writes a
    /// header's or a parameter's name means that.
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

    /// The value of `key`; the first one where it is repeated.
    pub fn get(&self, key: &str) -> Option<&Arc<Node>> {
        self.entries().iter().find(|entry| entry.key.text == key).map(|entry| &entry.value)
    }

    /// The entries of an object, none for anything else.
    pub fn entries(&self) -> &[Entry] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    /// The elements of a list, none for anything else.
    pub fn items(&self) -> &[Arc<Node>] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    pub fn text(&self) -> Option<&str> {
        if let Value::Text { text, .. } = &self.value { Some(text) } else { None }
    }

    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// As JSON text, keys in order, repeated ones kept.
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

    /// As a JSON value; of repeated keys the last one counts, as in `kubectl`.
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
    // `Display` of a JSON string is its quoted form.
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

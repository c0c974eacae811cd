//! Reads the cases of a file, and reports every error in them.
//!
//! Own code because a deserializer such as serde stops at the first error and does not know columns.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Case, Expected};
use crate::kind::INVALID_CASE;
use crate::load;
use crate::message::Message;
use crate::source::Source;
use crate::source::files::Unreadable;
use crate::source::position::Span;
use crate::words::{describe, quote_all};
use crate::yaml::{Key, Node, Value as Yaml};
use ksvc_explanation::request::Request;
use ksvc_routing::Outcome;

/// Loads the cases of some files. `known` is the path and the text of a file that has been read already. The inner error has
/// all errors in the files.
pub fn load(
    paths: &[PathBuf],
    known: Option<(&Path, &Arc<Source>)>,
) -> Result<Result<Vec<Case>, Vec<Message>>, Unreadable> {
    let (mut all, mut messages) = (Vec::new(), Vec::new());
    for path in paths {
        let source = match known {
            Some((known, source)) if known == path => Ok(Arc::clone(source)),
            _ => load::read(path)?,
        };
        match source.map_err(|message| vec![message]).and_then(|source| read(&source)) {
            Ok(cases) => all.extend(cases),
            Err(errors) => messages.extend(errors),
        }
    }
    Ok(if messages.is_empty() { Ok(all) } else { Err(messages) })
}

/// Reads the cases of a file, from every document that has `cases:`, or returns all errors in them.
pub fn read(source: &Arc<Source>) -> Result<Vec<Case>, Vec<Message>> {
    let documents = load::parse(source).map_err(|message| vec![*message])?;
    let mut reader = Reader { source, messages: Vec::new() };
    let mut cases = Vec::new();
    let mut has_cases = false;
    for document in &documents {
        if let Some(list) = document.get("cases") {
            has_cases = true;
            reader.check_keys(document, &["cases", "pluginConfig", "pluginName"]);
            let items = reader.list(list, "a list of cases");
            cases.extend(items.iter().filter_map(|item| reader.case(item)));
        }
    }
    if !has_cases {
        reader.error(Span::START, "this file has no cases; write `cases:`, a list of `{name, request, expect}`");
    }
    reader.messages.sort_by_key(|message| message.span.start);
    if reader.messages.is_empty() { Ok(cases) } else { Err(reader.messages) }
}

/// Reads cases and collects the errors in them.
struct Reader<'a> {
    source: &'a Arc<Source>,
    messages: Vec<Message>,
}

/// The type of a value in `expect`.
#[derive(Clone, Copy)]
enum Kind {
    Outcome,
    Text,
    Status,
    Params,
    Headers,
}

const EXPECT: [(&str, Kind); 11] = [
    ("outcome", Kind::Outcome),
    ("route", Kind::Text),
    ("match", Kind::Text),
    ("authority", Kind::Text),
    ("path", Kind::Text),
    ("params", Kind::Params),
    ("requestHeaders", Kind::Headers),
    ("responseHeaders", Kind::Headers),
    ("status", Kind::Status),
    ("allow", Kind::Text),
    ("location", Kind::Text),
];

impl<'a> Reader<'a> {
    fn error(&mut self, at: Span, text: impl Into<String>) {
        self.messages.push(Message::new(INVALID_CASE, self.source, at, text));
    }

    /// Reports a value of the wrong type.
    fn wrong_type(&mut self, node: &Node, expected: &str) {
        let quotes = match node.value {
            Yaml::Bool(_) | Yaml::Number(_) if expected.contains("string") => "; write it in quotes",
            _ => "",
        };
        self.error(node.span, format!("expected {expected}, found {}{quotes}", describe(node)));
    }

    /// Reports keys that are unknown or repeated.
    fn check_keys(&mut self, node: &Node, known: &[&str]) {
        let mut seen: Vec<&str> = Vec::new();
        for entry in node.entries() {
            let Key { text, span, .. } = &entry.key;
            if !known.contains(&&**text) {
                self.error(*span, format!("unknown key `{text}`; the keys here are {}", quote_all(known)));
            } else if seen.contains(&&**text) {
                self.error(*span, format!("the key `{text}` is written twice; keep one"));
            }
            seen.push(text);
        }
    }

    fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Arc<Node>] {
        if !matches!(node.value, Yaml::List(_)) {
            self.wrong_type(node, what);
        }
        node.items()
    }

    /// Checks that a value is an object with these keys and no others. Returns `None` if it is not an object.
    fn check_object(&mut self, node: &Node, known: &[&str]) -> Option<()> {
        if matches!(node.value, Yaml::Map(_)) {
            self.check_keys(node, known);
            return Some(());
        }
        self.wrong_type(node, &format!("an object with {}", quote_all(known)));
        None
    }

    fn required<'n>(&mut self, node: &'n Node, key: &str) -> Option<&'n Arc<Node>> {
        let value = node.get(key);
        if value.is_none() {
            self.error(node.span, format!("`{key}` is missing"));
        }
        value
    }

    /// Reports names of headers or parameters that YAML reads as a boolean.
    fn check_names(&mut self, node: &Node) {
        for entry in node.entries() {
            if let Some(text) = entry.key.boolean_problem() {
                self.error(entry.key.span, text);
            }
        }
    }

    fn text<'n>(&mut self, node: &'n Node) -> Option<&'n str> {
        if node.text().is_none() {
            self.wrong_type(node, "a string");
        }
        node.text()
    }

    fn case(&mut self, node: &Arc<Node>) -> Option<Case> {
        self.check_object(node, &["name", "request", "response", "expect"])?;
        let name = self.required(node, "name").and_then(|name| self.text(name));
        let request = self.required(node, "request");
        let url = request.and_then(|request| request.get("url")).and_then(|url| url.text());
        let request = request.and_then(|request| self.request(request));
        let response = node.get("response").map_or(Some(Vec::new()), |response| self.response(response));
        let expect = self.required(node, "expect").and_then(|expect| self.expect(expect));
        Some(Case {
            name: name?.to_owned(),
            source: Arc::clone(self.source),
            at: node.span,
            request: request?,
            url: url?.to_owned(),
            response: response?,
            expect: expect?,
        })
    }

    fn request(&mut self, node: &Node) -> Option<Request> {
        self.check_object(node, &["method", "url", "headers"])?;
        let method = self.required(node, "method").and_then(|method| self.text(method));
        let url = self.required(node, "url").and_then(|url| self.text(url));
        let at = node.get("method").map_or(node.span, |method| method.span);
        let request = Request::checked(method?, url?.as_bytes()).map_err(|error| self.error(at, error.to_string()));
        let mut request = request.ok()?;
        if let Some(headers) = node.get("headers") {
            self.headers(headers, &mut request);
        }
        Some(request)
    }

    /// Reads the headers of the response of the service.
    fn response(&mut self, node: &Node) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
        self.check_object(node, &["headers"])?;
        // The headers of requests and responses are written in the same way.
        let mut sent = Request::new("GET", b"");
        if let Some(headers) = self.required(node, "headers") {
            self.headers(headers, &mut sent);
        }
        Some(sent.headers)
    }

    /// Adds headers to a request. They are written as `{name: value}`, as `{name: [value, value]}`, or, to give them an
    /// order, as `['name: value']`.
    fn headers(&mut self, node: &Node, request: &mut Request) {
        let mut add = |reader: &mut Self, name: Option<&Key>, value: &Node| {
            let Some(text) = reader.text(value) else { return };
            let added = match name {
                Some(name) => request.add_header(name.text.as_bytes(), text.as_bytes()),
                None => request.add_header_line(text.as_bytes()),
            };
            if let Err(error) = added {
                reader.error(name.map_or(value.span, |name| name.span), error.to_string());
            }
        };
        self.check_names(node);
        match &node.value {
            Yaml::Map(entries) => {
                for entry in entries {
                    let name = Some(&entry.key);
                    match &entry.value.value {
                        Yaml::List(values) => values.iter().for_each(|value| add(self, name, value)),
                        _ => add(self, name, &entry.value),
                    }
                }
            }
            Yaml::List(lines) => lines.iter().for_each(|line| add(self, None, line)),
            _ => self.wrong_type(node, "an object of headers, or a list of `name: value`"),
        }
    }

    fn expect(&mut self, node: &Node) -> Option<Vec<Expected>> {
        let known = EXPECT.map(|(field, _)| field);
        self.check_object(node, &known)?;
        let mut expect = Vec::new();
        for (field, kind) in EXPECT {
            let Some(value) = node.get(field) else { continue };
            let mut push = |header: Option<String>, value: &Node| {
                expect.push(Expected { field, header, value: value.to_value(), at: value.span });
            };
            match kind {
                Kind::Outcome if value.text().is_some_and(|word| outcomes().contains(&word)) => push(None, value),
                Kind::Outcome => self.wrong_type(value, &format!("an outcome: {}", quote_all(&outcomes()))),
                Kind::Text => {
                    if self.text(value).is_some() {
                        push(None, value);
                    }
                }
                Kind::Status if matches!(value.value, Yaml::Number(_)) => push(None, value),
                Kind::Status => self.wrong_type(value, "a status, such as 404"),
                Kind::Params if matches!(value.value, Yaml::Map(_)) => {
                    self.check_names(value);
                    if value.entries().iter().all(|entry| self.text(&entry.value).is_some()) {
                        push(None, value);
                    }
                }
                Kind::Params => self.wrong_type(value, "an object of captured values by name"),
                Kind::Headers if matches!(value.value, Yaml::Map(_)) => {
                    self.check_names(value);
                    for entry in value.entries() {
                        let fits = match &entry.value.value {
                            Yaml::Null => true,
                            Yaml::List(values) => values.iter().all(|value| self.text(value).is_some()),
                            _ => self.text(&entry.value).is_some(),
                        };
                        if fits {
                            push(Some(entry.key.text.to_ascii_lowercase()), &entry.value);
                        }
                    }
                }
                Kind::Headers => self.wrong_type(value, "an object of headers by name"),
            }
        }
        if node.entries().is_empty() {
            self.error(
                node.span,
                format!("a case that expects nothing can't fail; write one of {}", quote_all(&known)),
            );
        }
        Some(expect)
    }
}

/// Returns the words for the outcomes.
fn outcomes() -> [&'static str; Outcome::ALL.len()] {
    Outcome::ALL.map(Outcome::as_str)
}

//! A YAML or JSON text as a tree in which every key and value knows its line and column.
//!
//! It is read as `kubectl` reads it: scalars by `scalar`, aliases and merge keys put in their place, keys made
//! strings. One thing is kept that `kubectl` drops: keys written twice, for the routing core reports them.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};
use serde_json::Number;

use crate::position::{Position, Span};
use crate::scalar::{Resolved, resolve};

/// Deeper than any configuration; bounds the recursion of everything that walks a tree.
const MAX_DEPTH: usize = 100;

/// Values that aliases may add to a document; a few lines of nested aliases stand for billions.
const MAX_ALIASED: usize = 1_000_000;

#[derive(Debug)]
pub struct Node {
    pub span: Span,
    pub value: Value,
    /// Values in this tree, aliases counted each time.
    size: usize,
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
    merged: bool,
}

#[derive(Debug, Clone)]
pub struct Key {
    pub text: String,
    pub span: Span,
    /// The word as written, where YAML takes it for a boolean: `on`, for the key `true`.
    pub boolean: Option<String>,
}

impl Node {
    fn new(span: Span, value: Value) -> Self {
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

/// Where the text that is read lies in its file: a manifest may hold JSON text inside a YAML string.
#[derive(Debug, Clone, Copy)]
pub enum Origin {
    File,
    /// A literal block whose first line begins here, so each line lies as far to the right.
    Block(Position),
    /// Some other string, in which nothing can be pointed at.
    Whole(Span),
}

impl Origin {
    fn position(self, at: Position) -> Position {
        match self {
            Self::File => at,
            Self::Block(first) => Position { line: first.line + at.line - 1, column: first.column + at.column - 1 },
            Self::Whole(span) => span.start,
        }
    }

    fn span(self, span: Span) -> Span {
        match self {
            Self::Whole(whole) => whole,
            _ => Span { start: self.position(span.start), end: self.position(span.end) },
        }
    }
}

/// Why a text is no YAML that `kubectl` would take.
#[derive(Debug, Clone, PartialEq)]
pub struct YamlError {
    pub at: Span,
    pub what: YamlProblem,
}

#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum YamlProblem {
    /// The parser's words, and the character that it stopped at.
    Syntax {
        message: String,
        found: Option<char>,
    },
    UnknownAnchor,
    OwnAnchor,
    TooDeep,
    TooManyAliases,
    NoKey,
    NotAKey,
    NotJson {
        word: String,
    },
    Tag {
        tag: String,
        word: String,
    },
    Merge,
}

impl fmt::Display for YamlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { message, found } => {
                write!(f, "this is not YAML: {message}")?;
                match found {
                    _ if message == "invalid indentation" => {
                        f.write_str("; indent what is inside [ ] and { } further than the key before it")
                    }
                    Some('{' | '}') => f.write_str("; inside [ ] and { }, write text that has braces in quotes"),
                    Some('*') => f.write_str("; `*` begins an alias, so write text that begins with it in quotes"),
                    Some('\t') => f.write_str("; indent with spaces"),
                    Some(':') => f.write_str("; write text that has a colon and a space in quotes"),
                    Some('@' | '`' | '%') => f.write_str("; write text that begins so in quotes"),
                    _ => Ok(()),
                }
            }
            Self::UnknownAnchor => f.write_str(
                "`*` begins an alias, and there is no anchor of that name; write text that begins with `*` in quotes",
            ),
            Self::OwnAnchor => f.write_str("the value contains itself; write it out"),
            Self::TooDeep => write!(f, "nested more than {MAX_DEPTH} levels deep; no configuration is"),
            Self::TooManyAliases => {
                write!(f, "aliases add more than {MAX_ALIASED} values; write out what is meant")
            }
            Self::NoKey => f.write_str("a key has no name (null); write it, in quotes if it is `null` or `~`"),
            Self::NotAKey => f.write_str("a list or an object can't be a key; write a string"),
            Self::NotJson { word } => {
                write!(f, "`{word}` is a number that JSON does not have; write it in quotes")
            }
            Self::Tag { tag, word } => write!(f, "\"{word}\" can't be read as `{tag}`; take the tag out"),
            Self::Merge => f.write_str("`<<` merges objects; write an alias of an object, or a list of them"),
        }
    }
}

/// The documents of a text, in order; empty ones included, as null.
pub fn parse(text: &str, origin: Origin) -> Result<Vec<Arc<Node>>, YamlError> {
    let joined = join_surrogates(text);
    let text = joined.as_deref().unwrap_or(text);
    let fail = |error: YamlError| YamlError { at: origin.span(error.at), what: error.what };

    let mut documents = Vec::new();
    let mut builder = Builder::new(origin);
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| fail(syntax_error(text, &error)))?;
        let span = Span::from(span);
        match event {
            // Anchors end with their document.
            Event::DocumentStart(_) => builder = Builder::new(origin),
            Event::DocumentEnd => documents.extend(builder.root.take()),
            event => builder.take(event, span).map_err(fail)?,
        }
    }
    Ok(documents)
}

fn syntax_error(text: &str, error: &ScanError) -> YamlError {
    let at = Position::from(error.marker());
    let found = text.lines().nth(at.line - 1).and_then(|line| line.chars().nth(at.column - 1));
    let what = match error.info() {
        info if info.contains("unknown anchor") => YamlProblem::UnknownAnchor,
        "recursion limit exceeded" => YamlProblem::TooDeep,
        info => YamlProblem::Syntax { message: info.to_owned(), found },
    };
    YamlError { at: Span::point(at), what }
}

/// JSON writes characters beyond U+FFFF as two escapes, which YAML has not. `None` where there are none.
fn join_surrogates(text: &str) -> Option<String> {
    let unit = |at: usize| -> Option<u16> {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut joined = String::new();
    let mut copied = 0;
    let mut from = 0;
    while let Some(found) = text[from..].find('\\') {
        let at = from + found;
        let pair = unit(at).zip(unit(at + 6)).and_then(|(high, low)| {
            (0xD800..0xDC00).contains(&high).then(|| char::decode_utf16([high, low]).next()?.ok()).flatten()
        });
        if let Some(character) = pair {
            joined.push_str(&text[copied..at]);
            joined.push(character);
            copied = at + 12;
            from = copied;
        } else {
            // The escaped character may be a backslash itself.
            let escaped = text[at + 1..].chars().next().map_or(0, char::len_utf8);
            from = at + 1 + escaped;
        }
    }
    (copied > 0).then(|| joined + &text[copied..])
}

/// Builds the tree of one document from the parser's events.
struct Builder {
    origin: Origin,
    open: Vec<Open>,
    anchors: HashMap<usize, Arc<Node>>,
    aliased: usize,
    root: Option<Arc<Node>>,
}

/// A list or an object whose end has not come yet.
struct Open {
    span: Span,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Arc<Node>>),
    Map { entries: Vec<Entry>, key: Option<MapKey> },
}

/// A key that waits for its value.
enum MapKey {
    Key(Key),
    Merge,
}

impl Builder {
    fn new(origin: Origin) -> Self {
        Self { origin, open: Vec::new(), anchors: HashMap::new(), aliased: 0, root: None }
    }

    /// Takes the next event; errors have their place in the text that is read.
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let fail = |what| Err(YamlError { at: span, what });
        match event {
            Event::SequenceStart(anchor, _) => self.begin(span, anchor, Content::List(Vec::new())),
            Event::MappingStart(anchor, _) => self.begin(span, anchor, Content::Map { entries: Vec::new(), key: None }),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { span, anchor, content }) = self.open.pop() else { return Ok(()) };
                let value = match content {
                    Content::List(items) => Value::List(items),
                    Content::Map { entries, .. } => Value::Map(entries),
                };
                let node = Node::new(self.origin.span(Span::point(span.start)), value);
                self.add(node.into(), anchor, span)
            }
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    let own = self.open.iter().any(|open| open.anchor == anchor);
                    return fail(if own { YamlProblem::OwnAnchor } else { YamlProblem::UnknownAnchor });
                };
                self.aliased += node.size;
                if self.aliased > MAX_ALIASED {
                    return fail(YamlProblem::TooManyAliases);
                }
                if self.awaits_key() {
                    return self.key(&node, span, None);
                }
                self.add(node, 0, span)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                if self.awaits_key() && tag.is_none() && plain && text == "<<" {
                    return self.name(MapKey::Merge);
                }
                let literal = style == ScalarStyle::Literal;
                let value = scalar(&text, plain, literal, tag.as_deref(), span)?;
                let node = Arc::new(Node::new(self.origin.span(span), value));
                if !self.awaits_key() {
                    return self.add(node, anchor, span);
                }
                if anchor > 0 {
                    self.anchors.insert(anchor, Arc::clone(&node));
                }
                self.key(&node, span, plain.then_some(&text))
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd => Ok(()),
            Event::DocumentStart(_) | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin(&mut self, span: Span, anchor: usize, content: Content) -> Result<(), YamlError> {
        if self.awaits_key() {
            return Err(YamlError { at: span, what: YamlProblem::NotAKey });
        }
        if self.open.len() == MAX_DEPTH {
            return Err(YamlError { at: span, what: YamlProblem::TooDeep });
        }
        self.open.push(Open { span, anchor, content });
        Ok(())
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { content: Content::Map { key: None, .. }, .. }))
    }

    fn name(&mut self, name: MapKey) -> Result<(), YamlError> {
        if let Some(Open { content: Content::Map { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(name);
        }
        Ok(())
    }

    /// Makes a string of a key, as `kubectl` does.
    fn key(&mut self, node: &Node, at: Span, written: Option<&str>) -> Result<(), YamlError> {
        let (text, boolean) = match &node.value {
            Value::Text { text, .. } => (text.clone(), None),
            Value::Number(number) => (number.to_string(), None),
            Value::Bool(value) => (value.to_string(), written.map(str::to_owned)),
            Value::Null => return Err(YamlError { at, what: YamlProblem::NoKey }),
            Value::List(_) | Value::Map(_) => return Err(YamlError { at, what: YamlProblem::NotAKey }),
        };
        self.name(MapKey::Key(Key { text, span: self.origin.span(at), boolean }))
    }

    /// Puts a finished value where it belongs.
    fn add(&mut self, node: Arc<Node>, anchor: usize, at: Span) -> Result<(), YamlError> {
        if anchor > 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, key }) => match key.take() {
                Some(MapKey::Key(key)) => insert(entries, Entry { key, value: node, merged: false }),
                Some(MapKey::Merge) => merge(entries, &node).map_err(|what| YamlError { at, what })?,
                None => {}
            },
        }
        Ok(())
    }
}

/// What was merged gives way to what is written, and what is written before a merge key gives way to it: the
/// YAML specification says otherwise for the latter, go-yaml v2 does so.
fn insert(entries: &mut Vec<Entry>, entry: Entry) {
    let same = entries.iter_mut().find(|other| (other.merged || entry.merged) && other.key.text == entry.key.text);
    match same {
        Some(other) => *other = entry,
        None => entries.push(entry),
    }
}

fn merge(entries: &mut Vec<Entry>, node: &Node) -> Result<(), YamlProblem> {
    match &node.value {
        Value::Map(merged) => {
            for entry in merged {
                insert(entries, Entry { merged: true, ..entry.clone() });
            }
            Ok(())
        }
        // The first of a list counts most, so it comes last.
        Value::List(nodes) => nodes.iter().rev().try_for_each(|node| match node.value {
            Value::Map(_) => merge(entries, node),
            _ => Err(YamlProblem::Merge),
        }),
        _ => Err(YamlProblem::Merge),
    }
}

/// The value of a scalar: a tag decides, else the quotes, else the word itself.
fn scalar(text: &str, plain: bool, literal: bool, tag: Option<&Tag>, at: Span) -> Result<Value, YamlError> {
    let style = if literal { Style::Literal } else { Style::Other };
    let as_text = || Value::Text { text: text.to_owned(), style };
    let wanted = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
    if wanted == Some("str") || (tag.is_some() && wanted.is_none()) || (tag.is_none() && !plain) {
        return Ok(as_text());
    }
    let value = match resolve(text) {
        Resolved::Null => Value::Null,
        Resolved::Bool(value) => Value::Bool(value),
        Resolved::Number(number) => Value::Number(number),
        Resolved::NotJson => {
            return Err(YamlError { at, what: YamlProblem::NotJson { word: text.to_owned() } });
        }
        Resolved::Text => as_text(),
    };
    let fits = match (wanted, &value) {
        (None, _) | (Some("null"), Value::Null) | (Some("bool"), Value::Bool(_)) => true,
        (Some("timestamp"), Value::Text { .. }) | (Some("float"), Value::Number(_)) => true,
        (Some("int"), Value::Number(number)) => !number.is_f64(),
        _ => false,
    };
    if fits {
        return Ok(value);
    }
    let tag = format!("!!{}", wanted.unwrap_or_default());
    Err(YamlError { at, what: YamlProblem::Tag { tag, word: text.to_owned() } })
}

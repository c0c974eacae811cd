//! Builds the tree of a YAML text from the parser's events.
//!
//! Own code because it follows `kubectl`'s reader (go-yaml v2), which no crate does: scalars, keys, merge keys, limits.

use std::collections::HashMap;
use std::sync::Arc;

use ksvc_routing::config::Route;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Tag};

use super::error::{MAX_ALIASED, MAX_DEPTH};
use super::mistake;
use super::scalar::{Resolved, is_boolean_of_yaml_1_1_only, resolve};
use super::{Entry, Key, Node, Style, Value, YamlError, YamlProblem};
use crate::source::position::{Position, Span};

/// Where a text lies in its file. A manifest may hold JSON text inside a YAML string, and messages about that text
/// still need lines and columns of the file.
#[derive(Debug, Clone, Copy)]
pub enum Origin {
    /// The text is the whole file.
    File,
    /// The text is a literal block. Its first line begins at this position, and every line is indented as much.
    Block(Position),
    /// The text is a string of another style. Positions inside it are unknown, so messages point at the whole string.
    Whole(Span),
}

impl Origin {
    /// Returns the origin of a string's text from the style and the span of the string.
    pub(crate) fn of_text(text: &str, style: Style, span: Span) -> Self {
        match style {
            Style::Literal => {
                // The parser's span begins at the first line that is not blank.
                let blank = text.chars().take_while(|c| *c == '\n').count();
                let Position { line, column } = span.start;
                Self::Block(Position { line: line.saturating_sub(blank), column })
            }
            Style::Other => Self::Whole(span),
        }
    }

    fn position(self, at: Position) -> Position {
        match self {
            Self::File => at,
            Self::Block(first) => Position { line: first.line + at.line - 1, column: first.column + at.column - 1 },
            Self::Whole(span) => span.start,
        }
    }

    pub(crate) fn span(self, span: Span) -> Span {
        match self {
            Self::Whole(whole) => whole,
            _ => Span { start: self.position(span.start), end: self.position(span.end) },
        }
    }
}

impl From<&Marker> for Position {
    fn from(marker: &Marker) -> Self {
        Self { line: marker.line().max(1), column: marker.col() + 1 }
    }
}

impl From<saphyr_parser::Span> for Span {
    fn from(span: saphyr_parser::Span) -> Self {
        Self { start: (&span.start).into(), end: (&span.end).into() }
    }
}

/// What words without quotes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// As in YAML 1.1, which `kubectl` reads: `y`, `no`, `on` and the like are booleans.
    OfKubectl,
    /// As in YAML 1.2, in which only `true` and `false` are.
    OfYaml12,
}

/// Returns the documents of a text in order, as `kubectl` reads them. An empty document is null.
pub fn parse(text: &str, origin: Origin) -> Result<Vec<Arc<Node>>, YamlError> {
    parse_words(text, origin, Words::OfKubectl)
}

/// Returns the documents of a text in order. An empty document is null.
pub fn parse_words(text: &str, origin: Origin, words: Words) -> Result<Vec<Arc<Node>>, YamlError> {
    let joined = join_surrogates(text);
    let text = joined.as_deref().unwrap_or(text);
    documents(text, origin, words).map_err(|error| {
        let is_readable = |text: &str| documents(text, Origin::File, words).is_ok();
        let YamlError { at, what } = mistake::behind(text, error, &is_readable);
        YamlError { at: origin.span(at), what }
    })
}

/// Reads the documents of a text. An error has its position in the text, not in the file.
fn documents(text: &str, origin: Origin, words: Words) -> Result<Vec<Arc<Node>>, YamlError> {
    let mut documents = Vec::new();
    let mut builder = Builder::new(origin, words);
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| syntax_error(text, &error))?;
        let span = Span::from(span);
        match event {
            // Anchors end with their document.
            Event::DocumentStart(_) => builder = Builder::new(origin, words),
            Event::DocumentEnd => documents.extend(builder.root.take()),
            event => builder.add_event(event, span)?,
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

/// Replaces surrogate pairs by their character: JSON writes characters above U+FFFF as two escapes, which YAML does not
/// know. Returns `None` if the text has none.
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
            // Skip the escaped character too: it may be a backslash itself.
            let escaped = text[at + 1..].chars().next().map_or(0, char::len_utf8);
            from = at + 1 + escaped;
        }
    }
    (copied > 0).then(|| joined + &text[copied..])
}

/// Builds the tree of one document from the parser's events.
struct Builder {
    origin: Origin,
    words: Words,
    open: Vec<Open>,
    /// The value of each anchor, by the parser's number for the anchor; 0 means no anchor.
    anchors: HashMap<usize, Arc<Node>>,
    /// How many values aliases have added so far.
    aliased: usize,
    root: Option<Arc<Node>>,
}

/// A list or an object whose end has not been read yet.
struct Open {
    span: Span,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Arc<Node>>),
    Map { entries: Vec<Entry>, key: Option<MapKey> },
}

/// A key whose value has not been read yet.
enum MapKey {
    Key(Key),
    Merge,
}

impl Builder {
    fn new(origin: Origin, words: Words) -> Self {
        Self { origin, words, open: Vec::new(), anchors: HashMap::new(), aliased: 0, root: None }
    }

    /// Adds the next event. Errors have their position in the text, not in the file.
    fn add_event(&mut self, event: Event<'_>, span: Span) -> Result<(), YamlError> {
        let error = |what| Err(YamlError { at: span, what });
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
                    let is_inside = self.open.iter().any(|open| open.anchor == anchor);
                    return error(if is_inside { YamlProblem::OwnAnchor } else { YamlProblem::UnknownAnchor });
                };
                self.aliased += node.size;
                if self.aliased > MAX_ALIASED {
                    return error(YamlProblem::TooManyAliases);
                }
                if self.awaits_key() {
                    return self.set_key(&node, span, None);
                }
                self.add(node, 0, span)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_string = self.words == Words::OfYaml12 && is_boolean_of_yaml_1_1_only(&text);
                let plain = style == ScalarStyle::Plain && !is_string;
                if self.awaits_key() && tag.is_none() && plain && text == "<<" {
                    self.set_map_key(MapKey::Merge);
                    return Ok(());
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
                if plain && let Some(what) = mistaken_key(&text) {
                    return error(what);
                }
                self.set_key(&node, span, plain.then_some(&text))
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd => Ok(()),
            Event::DocumentStart(_) | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin(&mut self, span: Span, anchor: usize, content: Content) -> Result<(), YamlError> {
        if self.awaits_key() {
            return Err(YamlError { at: span, what: YamlProblem::CompositeKey });
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

    fn set_map_key(&mut self, new: MapKey) {
        if let Some(Open { content: Content::Map { key, .. }, .. }) = self.open.last_mut() {
            *key = Some(new);
        }
    }

    /// Turns a value into the string that `kubectl` makes of it when it is a key.
    fn set_key(&mut self, node: &Node, at: Span, written: Option<&str>) -> Result<(), YamlError> {
        let (text, boolean) = match &node.value {
            Value::Text { text, .. } => (text.clone(), None),
            Value::Number(number) => (number.to_string(), None),
            Value::Bool(value) => (value.to_string(), written.map(str::to_owned)),
            Value::Null => return Err(YamlError { at, what: YamlProblem::NullKey }),
            Value::List(_) | Value::Map(_) => return Err(YamlError { at, what: YamlProblem::CompositeKey }),
        };
        self.set_map_key(MapKey::Key(Key { text, span: self.origin.span(at), boolean }));
        Ok(())
    }

    /// Adds a complete value to the list or object that is open, or makes it the root.
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

/// Returns the problem of a key that begins with a dash or with a character that looks like a space.
fn mistaken_key(text: &str) -> Option<YamlProblem> {
    let key = text.strip_prefix('-').filter(|key| Route::KEYS.contains(key));
    if let Some(key) = key {
        return Some(YamlProblem::NoSpace { after: '-', write: format!("- {key}: …") });
    }
    let character = text.chars().next()?;
    let looks_like_space = character.is_whitespace() || matches!(character, '\u{200b}' | '\u{feff}');
    looks_like_space.then_some(YamlProblem::InvisibleIndentation { character })
}

/// Adds an entry. If the new entry or an older one of the same name came from a merge key, the new entry replaces the
/// older one. So a merge key also replaces keys written before it: the YAML specification says otherwise, but go-yaml
/// v2 does so.
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
        // The first object of a list has the highest priority, so it is merged last.
        Value::List(nodes) => nodes.iter().rev().try_for_each(|node| match node.value {
            Value::Map(_) => merge(entries, node),
            _ => Err(YamlProblem::Merge),
        }),
        _ => Err(YamlProblem::Merge),
    }
}

/// Returns the value of a scalar. The type is that of the tag if there is one; text in quotes is a string; any other
/// word is resolved as `kubectl` does.
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

#[cfg(test)]
mod tests {
    use super::{Origin, Words, parse, parse_words};

    #[track_caller]
    fn json(yaml: &str) -> String {
        String::from_utf8(parse(yaml, Origin::File).unwrap()[0].to_json()).unwrap()
    }

    #[test]
    fn keys_keep_their_order_and_repeated_keys_are_kept() {
        assert_eq!(json("b: 1\na: {y1: [x, null], y1: ''}\nb: 2\n"), r#"{"b":1,"a":{"y1":["x",null],"y1":""},"b":2}"#);
    }

    #[test]
    fn keys_become_strings() {
        assert_eq!(json("1: a\n1.5: b\nyes: c\n'yes': d\n"), r#"{"1":"a","1.5":"b","true":"c","yes":"d"}"#);
    }

    /// Each expected value is the output of sigs.k8s.io/yaml v1.6.0.
    #[test]
    fn merge_keys_merge_as_in_kubectl() {
        for (yaml, expected) in [
            // A key after the merge key wins, one before it loses.
            ("{<<: {k: 1, l: 2}, k: 5}", r#"{"k":5,"l":2}"#),
            ("{k: 5, <<: {k: 1, l: 2}}", r#"{"k":1,"l":2}"#),
            // The first of a list wins.
            ("{<<: [{k: 1}, {k: 2, m: 3}]}", r#"{"k":1,"m":3}"#),
            ("{'<<': 1}", r#"{"<<":1}"#),
        ] {
            assert_eq!(json(yaml), expected, "{yaml}");
        }
    }

    #[test]
    fn a_tag_has_priority_over_quotes_and_words() {
        assert_eq!(
            json("[!!str 5, !!int '5', !!float 5, !!null '', !!bool 'yes', ! 12, !foo bar]"),
            r#"["5",5,5,null,true,"12","bar"]"#
        );
        assert!(parse("!!int x", Origin::File).is_err());
    }

    #[test]
    fn json_escapes_are_read() {
        let text = r#"{"a":"\\ud83d \ud83d\ude00 \/ \u00e9 \"\\"}"#;
        let read = parse(text, Origin::File).unwrap()[0].to_value();
        assert_eq!(read, serde_json::from_str::<serde_json::Value>(text).unwrap());
    }

    #[test]
    fn in_yaml_1_2_only_true_and_false_are_booleans() {
        let text = "{y: no, on: [True, false, OFF, ~, 'no'], n: 1}";
        let read = parse_words(text, Origin::File, Words::OfYaml12).unwrap();
        let json = String::from_utf8(read[0].to_json()).unwrap();
        assert_eq!(json, r#"{"y":"no","on":[true,false,"OFF",null,"no"],"n":1}"#);
    }

    #[test]
    fn anchors_end_with_their_document() {
        assert!(parse("a: &x 1\nb: *x\n", Origin::File).is_ok());
        assert!(parse("a: &x 1\n---\nb: *x\n", Origin::File).is_err());
    }
}

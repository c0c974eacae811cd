//! From the parser's events to the tree.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Tag};

use super::error::{MAX_ALIASED, MAX_DEPTH};
use super::scalar::{Resolved, resolve};
use super::{Entry, Key, Node, Style, Value, YamlError, YamlProblem};
use crate::source::position::{Position, Span};

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
    /// The origin of a string's text, from where the string is.
    pub(crate) fn of_text(text: &str, style: Style, span: Span) -> Self {
        match style {
            Style::Literal => {
                // The span begins at the first line that is not blank.
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

#[cfg(test)]
mod tests {
    use super::{Origin, parse};

    #[track_caller]
    fn json(yaml: &str) -> String {
        String::from_utf8(parse(yaml, Origin::File).unwrap()[0].to_json()).unwrap()
    }

    #[test]
    fn keys_keep_their_order_and_repetitions() {
        assert_eq!(json("b: 1\na: {y1: [x, null], y1: ''}\nb: 2\n"), r#"{"b":1,"a":{"y1":["x",null],"y1":""},"b":2}"#);
    }

    #[test]
    fn keys_become_strings() {
        assert_eq!(json("1: a\n1.5: b\nyes: c\n'yes': d\n"), r#"{"1":"a","1.5":"b","true":"c","yes":"d"}"#);
    }

    /// Each was run through sigs.k8s.io/yaml v1.6.0.
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
    fn tags_decide_over_quotes_and_words() {
        assert_eq!(
            json("[!!str 5, !!int '5', !!float 5, !!null '', !!bool 'yes', ! 12, !foo bar]"),
            r#"["5",5,5,null,true,"12","bar"]"#
        );
        assert!(parse("!!int x", Origin::File).is_err());
    }

    #[test]
    fn escapes_of_json_are_read() {
        let text = r#"{"a":"\\ud83d \ud83d\ude00 \/ \u00e9 \"\\"}"#;
        let read = parse(text, Origin::File).unwrap()[0].to_value();
        assert_eq!(read, serde_json::from_str::<serde_json::Value>(text).unwrap());
    }

    #[test]
    fn anchors_end_with_their_document() {
        assert!(parse("a: &x 1\nb: *x\n", Origin::File).is_ok());
        assert!(parse("a: &x 1\n---\nb: *x\n", Origin::File).is_err());
    }
}

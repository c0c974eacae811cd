//! Splits text at its placeholders, such as `{id}`.
//!
//! Patterns, templates and the host template share this syntax. `{{` and `}}` are literal braces.

/// Iterates over the parts of a text. After an error there are no more parts.
pub(super) struct TextParts<'a>(pub(super) &'a str);

pub(super) enum TextPart<'a> {
    Literal(&'a str),
    /// The text between `{` and `}`.
    Placeholder(&'a str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BraceError {
    /// A `{` has no `}`.
    NotClosed,
    /// A `}` has no `{`.
    NotOpened,
}

impl<'a> Iterator for TextParts<'a> {
    type Item = Result<TextPart<'a>, BraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.0;
        if text.is_empty() {
            return None;
        }
        let (literal, rest) = text.split_at_checked(text.bytes().position(is_brace).unwrap_or(text.len()))?;
        if !literal.is_empty() {
            self.0 = rest;
            return Some(Ok(TextPart::Literal(literal)));
        }
        for (double, brace) in [("{{", "{"), ("}}", "}")] {
            if let Some(rest) = text.strip_prefix(double) {
                self.0 = rest;
                return Some(Ok(TextPart::Literal(brace)));
            }
        }
        self.0 = "";
        let Some(inside) = text.strip_prefix('{') else {
            return Some(Err(BraceError::NotOpened));
        };
        match inside.split_once('}') {
            Some((name, rest)) if !name.bytes().any(is_brace) => {
                self.0 = rest;
                Some(Ok(TextPart::Placeholder(name)))
            }
            _ => Some(Err(BraceError::NotClosed)),
        }
    }
}

fn is_brace(byte: u8) -> bool {
    matches!(byte, b'{' | b'}')
}

//! Templates over captured names: a forwarded path, a redirect's location.

use crate::path::normal_literal;
use crate::pattern::{Piece, Pieces};
use crate::problem::What;
use crate::texts::{Text, Texts, TextsBuilder};

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Text),
    /// A captured name; names are shared texts, so that equal ones have equal handles.
    Capture(Text),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Box<[Part]>);

/// How a template's literal text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Literal {
    /// As a path: octets outside `pchar` percent-encoded.
    Path,
    /// As it stands.
    Verbatim,
}

impl Template {
    /// Compiles a text; tells braces that have no counterpart, and what `faults` says of a name.
    pub(crate) fn compile(
        text: &str,
        literals: Literal,
        texts: &mut TextsBuilder,
        mut faults: impl FnMut(&str) -> Vec<What>,
        tell: &mut impl FnMut(What),
    ) -> Option<Self> {
        let mut parts = Vec::new();
        let mut whole = true;
        for piece in Pieces(text) {
            match piece {
                Ok(Piece::Literal(literal)) => parts.push(Part::Literal(match literals {
                    Literal::Path => texts.add(&normal_literal(literal)),
                    Literal::Verbatim => texts.add(literal),
                })),
                Ok(Piece::Name(name)) => {
                    let faults = match name.strip_prefix('*') {
                        Some(name) => vec![What::RestInTemplate { name: name.to_owned() }],
                        None => faults(name),
                    };
                    if faults.is_empty() {
                        parts.push(Part::Capture(texts.shared(name)));
                    }
                    for what in faults {
                        tell(what);
                        whole = false;
                    }
                }
                Err(_) => {
                    tell(What::TemplateBraces { found: text.to_owned() });
                    whole = false;
                }
            }
        }
        whole.then(|| Template(parts.into()))
    }

    /// The text with the captures filled in, as they stood in the request.
    pub(crate) fn render<'a>(&self, texts: &Texts, capture: impl Fn(Text) -> &'a [u8]) -> Vec<u8> {
        let mut rendered = Vec::with_capacity(64);
        for part in &self.0 {
            match part {
                Part::Literal(text) => rendered.extend_from_slice(texts.get(*text).as_bytes()),
                Part::Capture(name) => rendered.extend_from_slice(capture(*name)),
            }
        }
        rendered
    }

    /// As it could have been written.
    pub(crate) fn described(&self, texts: &Texts) -> String {
        let part = |part: &Part| match part {
            Part::Literal(text) => texts.get(*text).replace('{', "{{").replace('}', "}}"),
            Part::Capture(name) => format!("{{{}}}", texts.get(*name)),
        };
        self.0.iter().map(part).collect()
    }
}

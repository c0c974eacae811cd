//! Templates as they are written.

use crate::compile::builder::TableBuilder;
use crate::compile::pattern::{Piece, Pieces};
use crate::path::normal_literal;
use crate::problem::ProblemKind;
use crate::table::schema::{Part, ROUTE, StringId, Template};

/// How a template's literal text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Literal {
    /// As a path: bytes outside `pchar` percent-encoded.
    Path,
    /// As it stands.
    Verbatim,
    /// As it stands, in a header's value, which may name the route.
    Header,
}

impl Template {
    /// Compiles a text; tells braces that have no counterpart, and what `faults` says of a name.
    pub(crate) fn compile(
        text: &str,
        literals: Literal,
        builder: &mut TableBuilder,
        faults: &dyn Fn(&str) -> Vec<ProblemKind>,
        report: &mut dyn FnMut(ProblemKind),
    ) -> Option<Self> {
        let mut parts = Vec::new();
        let mut whole = true;
        for piece in Pieces(text) {
            match piece {
                Ok(Piece::Literal(literal)) => parts.push(Part::Literal(match literals {
                    Literal::Path => builder.add(&normal_literal(literal)),
                    Literal::Verbatim | Literal::Header => builder.add(literal),
                })),
                Ok(Piece::Name(ROUTE)) if literals == Literal::Header => parts.push(Part::Route),
                Ok(Piece::Name(name)) => {
                    let faults = match name.strip_prefix('*') {
                        Some(name) => vec![ProblemKind::RestInTemplate { name: name.to_owned() }],
                        None => faults(name),
                    };
                    if faults.is_empty() {
                        parts.push(Part::Capture(builder.shared(name)));
                    }
                    for kind in faults {
                        report(kind);
                        whole = false;
                    }
                }
                Err(_) => {
                    report(ProblemKind::TemplateBraces { found: text.to_owned() });
                    whole = false;
                }
            }
        }
        whole.then(|| builder.template(parts))
    }

    /// The names that it takes from the path.
    pub(crate) fn captures(self, builder: &TableBuilder) -> impl Iterator<Item = StringId> {
        builder.parts(self).filter_map(|part| match part {
            Part::Capture(name) => Some(name),
            Part::Literal(_) | Part::Route => None,
        })
    }
}

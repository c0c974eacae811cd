//! Compiles templates: text with the names of captured values, such as `/v2/{id}`.

use crate::compile::builder::TableBuilder;
use crate::compile::placeholder::{TextPart, TextParts};
use crate::path::normal_literal;
use crate::problem::ProblemKind;
use crate::table::schema::{Part, ROUTE, StringId, Template};

/// The use of a template, which decides how its text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TemplateKind {
    /// A path. Bytes of literal text that are outside `pchar` are percent-encoded.
    Path,
    /// The location of a redirect. Literal text is used as written.
    Location,
    /// A part of a host. Literal text is used as written.
    Name,
    /// The value of a header. Literal text is used as written, and `{:route}` stands for the name of the route.
    HeaderValue,
}

impl Template {
    /// Compiles a template. Returns `None` if it has errors, which have then been reported: those of its braces, and
    /// those that `name_errors` returns for a name.
    pub(super) fn compile(
        text: &str,
        kind: TemplateKind,
        builder: &mut TableBuilder,
        name_errors: &dyn Fn(&str) -> Vec<ProblemKind>,
        report: &mut dyn FnMut(ProblemKind),
    ) -> Option<Self> {
        let mut parts = Vec::new();
        let mut is_valid = true;
        for part in TextParts(text) {
            match part {
                Ok(TextPart::Literal(literal)) => parts.push(Part::Literal(match kind {
                    TemplateKind::Path => builder.add(&normal_literal(literal)),
                    TemplateKind::Location | TemplateKind::Name | TemplateKind::HeaderValue => builder.add(literal),
                })),
                Ok(TextPart::Placeholder(ROUTE)) if kind == TemplateKind::HeaderValue => parts.push(Part::Route),
                Ok(TextPart::Placeholder(name)) => {
                    let errors = match name.strip_prefix('*') {
                        Some(name) => vec![ProblemKind::RestInTemplate { name: name.to_owned() }],
                        None => name_errors(name),
                    };
                    if errors.is_empty() {
                        parts.push(Part::Capture(builder.shared(name)));
                    }
                    for error in errors {
                        report(error);
                        is_valid = false;
                    }
                }
                Err(_) => {
                    report(ProblemKind::TemplateBraces { found: text.to_owned() });
                    is_valid = false;
                }
            }
        }
        is_valid.then(|| builder.template(parts))
    }

    /// Returns the names of the captured values that the template uses.
    pub(super) fn captures(self, builder: &TableBuilder) -> impl Iterator<Item = StringId> {
        builder.parts(self).filter_map(|part| match part {
            Part::Capture(name) => Some(name),
            Part::Literal(_) | Part::Route => None,
        })
    }
}

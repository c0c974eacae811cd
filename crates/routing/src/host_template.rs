//! Knative's domain template: how a service's host is made of its name, namespace and domain.

use std::borrow::Cow;

use crate::pattern::{Piece, Pieces};
use crate::problem::What;

/// A template that has been checked.
#[derive(Debug, Clone)]
pub(crate) struct HostTemplate<'a>(Cow<'a, str>);

impl Default for HostTemplate<'_> {
    fn default() -> Self {
        HostTemplate(Cow::Borrowed("{service}.{namespace}.{domain}"))
    }
}

impl<'a> HostTemplate<'a> {
    pub(crate) fn read(text: Cow<'a, str>) -> Result<Self, What> {
        if text.contains("{{.") {
            return Err(What::HostTemplateOfGo { found: text.into_owned() });
        }
        for piece in Pieces(&text) {
            match piece {
                Ok(Piece::Name("service" | "namespace" | "domain")) => {}
                Ok(Piece::Name(name)) => return Err(What::HostTemplateField { found: name.to_owned() }),
                Ok(Piece::Literal(literal))
                    if literal.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b)) => {
                }
                Ok(Piece::Literal(_)) => {
                    return Err(What::DnsName { key: "hostTemplate", found: text.into_owned() });
                }
                Err(_) => return Err(What::HostTemplateBraces { found: text.into_owned() }),
            }
        }
        let template = HostTemplate(text);
        if template.needs("service") { Ok(template) } else { Err(What::HostTemplateWithoutService) }
    }

    /// Whether the template has a field.
    pub(crate) fn needs(&self, field: &str) -> bool {
        Pieces(&self.0).any(|piece| matches!(piece, Ok(Piece::Name(name)) if name == field))
    }

    pub(crate) fn render(&self, service: &str, namespace: &str, domain: &str) -> String {
        let mut host = String::new();
        for piece in Pieces(&self.0).flatten() {
            host.push_str(match piece {
                Piece::Literal(literal) => literal,
                Piece::Name("service") => service,
                Piece::Name("namespace") => namespace,
                Piece::Name(_) => domain,
            });
        }
        host
    }
}

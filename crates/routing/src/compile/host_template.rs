//! Knative's domain template: how a service's host is made of its name, namespace and domain.

use std::borrow::Cow;

use crate::compile::pattern::{Piece, Pieces};
use crate::problem::ProblemKind;

/// A template that has been checked, and which fields it has beside `{service}`.
#[derive(Debug, Clone)]
pub(crate) struct HostTemplate<'a> {
    text: Cow<'a, str>,
    pub(crate) needs_namespace: bool,
    pub(crate) needs_domain: bool,
}

impl Default for HostTemplate<'_> {
    fn default() -> Self {
        let text = Cow::Borrowed("{service}.{namespace}.{domain}");
        HostTemplate { text, needs_namespace: true, needs_domain: true }
    }
}

impl<'a> HostTemplate<'a> {
    pub(crate) fn read(text: Cow<'a, str>) -> Result<Self, ProblemKind> {
        if text.contains("{{.") {
            return Err(ProblemKind::HostTemplateOfGo { found: text.into_owned() });
        }
        for piece in Pieces(&text) {
            match piece {
                Ok(Piece::Name("service" | "namespace" | "domain")) => {}
                Ok(Piece::Name(name)) => return Err(ProblemKind::HostTemplateField { found: name.to_owned() }),
                Ok(Piece::Literal(literal))
                    if literal.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b)) => {
                }
                Ok(Piece::Literal(_)) => {
                    return Err(ProblemKind::DnsName { key: "hostTemplate", found: text.into_owned() });
                }
                Err(_) => return Err(ProblemKind::HostTemplateBraces { found: text.into_owned() }),
            }
        }
        let needs = |field| Pieces(&text).any(|piece| matches!(piece, Ok(Piece::Name(name)) if name == field));
        if !needs("service") {
            return Err(ProblemKind::HostTemplateWithoutService);
        }
        Ok(HostTemplate { needs_namespace: needs("namespace"), needs_domain: needs("domain"), text })
    }

    pub(crate) fn render(&self, service: &str, namespace: &str, domain: &str) -> String {
        let mut host = String::with_capacity(self.text.len() + service.len() + namespace.len() + domain.len());
        for piece in Pieces(&self.text).flatten() {
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

//! Knative's domain template: how the host of a service is made from its name, its namespace and the domain.

use std::borrow::Cow;

use crate::compile::placeholder::{TextPart, TextParts};
use crate::problem::ProblemKind;

/// A valid host template.
#[derive(Debug, Clone)]
pub(super) struct HostTemplate<'a> {
    text: Cow<'a, str>,
    /// True if the template has `{namespace}`.
    pub(super) needs_namespace: bool,
    /// True if the template has `{domain}`.
    pub(super) needs_domain: bool,
}

impl Default for HostTemplate<'_> {
    fn default() -> Self {
        let text = Cow::Borrowed("{service}.{namespace}.{domain}");
        HostTemplate { text, needs_namespace: true, needs_domain: true }
    }
}

impl<'a> HostTemplate<'a> {
    pub(super) fn parse(text: Cow<'a, str>) -> Result<Self, ProblemKind> {
        if text.contains("{{.") {
            return Err(ProblemKind::HostTemplateOfGo { found: text.into_owned() });
        }
        for part in TextParts(&text) {
            match part {
                Ok(TextPart::Placeholder("service" | "namespace" | "domain")) => {}
                Ok(TextPart::Placeholder(name)) => {
                    return Err(ProblemKind::HostTemplateField { found: name.to_owned() });
                }
                Ok(TextPart::Literal(literal))
                    if literal.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b)) => {
                }
                Ok(TextPart::Literal(_)) => {
                    return Err(ProblemKind::DnsName { key: "hostTemplate", found: text.into_owned() });
                }
                Err(_) => return Err(ProblemKind::HostTemplateBraces { found: text.into_owned() }),
            }
        }
        let has = |field| TextParts(&text).any(|part| matches!(part, Ok(TextPart::Placeholder(name)) if name == field));
        if !has("service") {
            return Err(ProblemKind::HostTemplateWithoutService);
        }
        Ok(HostTemplate { needs_namespace: has("namespace"), needs_domain: has("domain"), text })
    }

    /// Returns the template as written.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns whether the service and the namespace are in the host, each in labels of its own. Otherwise a captured
    /// service could choose the namespace: `{service}-{namespace}` makes `a-b-c` of both `a` and `b-c`, and `a-b` and
    /// `c`.
    pub(super) fn separates_names(&self) -> bool {
        let fields = |label: &str| label.matches("{service}").count() + label.matches("{namespace}").count();
        self.needs_namespace && self.text.split('.').all(|label| fields(label) <= 1)
    }

    pub(super) fn render(&self, service: &str, namespace: &str, domain: &str) -> String {
        let mut host = String::with_capacity(self.text.len() + service.len() + namespace.len() + domain.len());
        for part in TextParts(&self.text).flatten() {
            host.push_str(match part {
                TextPart::Literal(literal) => literal,
                TextPart::Placeholder("service") => service,
                TextPart::Placeholder("namespace") => namespace,
                TextPart::Placeholder(_) => domain,
            });
        }
        host
    }
}

//! The hosts of targets whose `service`, `namespace` or `tag` is captured from the path.
//!
//! The client chooses such a host, within limits: everything that a template makes must be a DNS label, and a captured
//! namespace must be one that `allowNamespaces` lists.

use crate::decide::template::TemplateValues;
use crate::dns;
use crate::path::Hazard;
use crate::table::RouteTable;
use crate::table::hosts;
use crate::table::schema::{CapturedHost, NamespaceSet, Part, Template};
use crate::table::strings::Strings;

/// The name of the field of a host template that stands for the service, with its tag.
const SERVICE: &[u8] = b"service";

impl RouteTable {
    /// Makes the host of a target for one request. Returns `None` if the captured values make no host, or one in a
    /// namespace that `allowNamespaces` does not list.
    pub(crate) fn captured_host(&self, host: u32, values: &TemplateValues<'_>) -> Result<Option<Vec<u8>>, Hazard> {
        let Some(CapturedHost { service, namespace }) = self.captured_hosts.get(host) else { return Ok(None) };
        let rendered = (service.render(&self.strings, values)?, namespace.render(&self.strings, values)?);
        let (Some(service_name), Some(namespace_name)) = rendered else { return Ok(None) };
        let are_labels = dns::is_label(&service_name) && dns::is_label(&namespace_name);
        if !are_labels || !self.allows_namespace(namespace, &namespace_name) {
            return Ok(None);
        }
        let mut host = Vec::with_capacity(64);
        for part in self.strings.parts(self.settings.host_template) {
            host.extend_from_slice(match part {
                Part::Literal(text) => self.strings.bytes(text),
                Part::Capture(field) if self.strings.bytes(field) == SERVICE => &service_name,
                Part::Capture(_) | Part::Route => &namespace_name,
            });
        }
        // Together with the text around it, a label may be too long.
        Ok(dns::is_name(&host).then_some(host))
    }

    /// Returns whether a name may stand for the namespace of a target. `namespace` is its template.
    fn allows_namespace(&self, namespace: Template, name: &[u8]) -> bool {
        match namespace.literal(&self.strings) {
            Some(literal) => self.strings.bytes(literal) == name,
            None => self.settings.namespaces.contains(&self.strings, name),
        }
    }

    /// Returns whether a host is that of a `service` of the table, or one that captured values could make. With
    /// `allowNamespaces: ["*"]`, hosts with a captured namespace are not among these.
    pub(crate) fn is_ksvc_host(&self, host: &[u8]) -> bool {
        hosts::contains(&self.strings, self.settings.ksvc_hosts, host)
            || (self.captured_hosts.len() > 0 && self.is_captured_host(host))
    }

    #[inline(never)]
    fn is_captured_host(&self, host: &[u8]) -> bool {
        let Some((service, namespace)) = self.split_host(host) else { return false };
        let strings = &self.strings;
        self.captured_hosts.iter().any(|captured| {
            let is_listed = captured.namespace.literal(strings).is_some() || !self.settings.namespaces.any;
            is_listed
                && self.allows_namespace(captured.namespace, namespace)
                && captured.namespace.could_make(strings, namespace)
                && captured.service.could_make(strings, service)
        })
    }

    /// Returns the service, with its tag, and the namespace for which the host template makes a host. Each label of the
    /// template has at most one of these fields.
    fn split_host<'h>(&self, host: &'h [u8]) -> Option<(&'h [u8], &'h [u8])> {
        let (mut service, mut namespace) = (None, None);
        let mut rest = host;
        let mut parts = self.strings.parts(self.settings.host_template).peekable();
        while let Some(part) = parts.next() {
            let field = match part {
                Part::Literal(text) => {
                    rest = rest.strip_prefix(self.strings.bytes(text))?;
                    continue;
                }
                Part::Capture(field) if self.strings.bytes(field) == SERVICE => &mut service,
                Part::Capture(_) | Part::Route => &mut namespace,
            };
            let label = rest.split(|&b| b == b'.').next()?;
            let after = match parts.peek() {
                Some(Part::Literal(text)) => self.strings.bytes(*text).split(|&b| b == b'.').next()?,
                _ => b"",
            };
            let name = label.strip_suffix(after).filter(|name| dns::is_label(name))?;
            rest = rest.get(name.len()..)?;
            if *field.get_or_insert(name) != name {
                return None;
            }
        }
        service.zip(namespace).filter(|_| rest.is_empty())
    }
}

impl NamespaceSet {
    fn contains(self, strings: &Strings, name: &[u8]) -> bool {
        let has_prefix = || strings.list(self.prefixes).any(|prefix| name.starts_with(prefix.as_bytes()));
        self.any || hosts::contains(strings, self.exact, name) || has_prefix()
    }
}

impl Template {
    /// Returns whether captured values could make a text. Each of them is at least one byte. A name that occurs twice may
    /// stand for different values here.
    fn could_make(self, strings: &Strings, text: &[u8]) -> bool {
        let (mut rest, mut captures) = (text, 0);
        let mut parts = strings.parts(self).peekable();
        let find = |text: &[u8], literal: &[u8]| text.windows(literal.len()).position(|window| window == literal);
        while let Some(part) = parts.next() {
            let Part::Literal(literal) = part else {
                captures += 1;
                continue;
            };
            let literal: &[u8] = strings.bytes(literal);
            let at = match (captures, parts.peek()) {
                (0, _) => rest.starts_with(literal).then_some(0),
                (_, None) => rest.len().checked_sub(literal.len()).filter(|_| rest.ends_with(literal)),
                // If the text can be made at all, it can be with the first place of the literal.
                _ => rest.get(captures..).and_then(|text| find(text, literal)).map(|at| at + captures),
            };
            let Some(at) = at.filter(|at| *at >= captures) else { return false };
            rest = rest.get(at + literal.len()..).unwrap_or_default();
            captures = 0;
        }
        if captures == 0 { rest.is_empty() } else { rest.len() >= captures }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::builder::TableBuilder;
    use crate::table::schema::StringId;

    /// A template as a list of literals and of captures, which are empty.
    fn template(builder: &mut TableBuilder, parts: &[&str]) -> Template {
        let part = |text: &&str| match *text {
            "" => Part::Capture(StringId::default()),
            text => Part::Literal(builder.shared(text)),
        };
        let parts = parts.iter().map(part).collect();
        builder.template(parts)
    }

    #[test]
    fn a_template_could_make_exactly_what_its_captures_can_be_filled_in_for() {
        for (parts, made, other) in [
            (&["a"][..], &["a"][..], &["", "aa", "b"][..]),
            (&[""], &["a", "ab"], &[""]),
            (&["", ""], &["ab", "abc"], &["a", ""]),
            (&["x-", ""], &["x-a", "x-x-"], &["x-", "ax-a", ""]),
            (&["", "-x"], &["a-x", "-x-x"], &["-x", "a-xb", ""]),
            (&["", "-", ""], &["a-b", "a-b-c", "---"], &["a-", "-b", "ab", "--"]),
            (&["", "-", "", "-x"], &["a-b-x", "a-b-c-x", "a---x"], &["a-x", "a--x", "-a-x", "a-b-xy"]),
            (&["a", "", "ab", "", "b"], &["axabxb", "aababbb"], &["aabb", "axabb", "axaab"]),
        ] {
            let mut builder = TableBuilder::new(0);
            let template = template(&mut builder, parts);
            let strings = builder.strings();
            for text in made {
                assert!(template.could_make(&strings, text.as_bytes()), "{parts:?} {text}");
            }
            for text in other {
                assert!(!template.could_make(&strings, text.as_bytes()), "{parts:?} {text}");
            }
        }
    }
}

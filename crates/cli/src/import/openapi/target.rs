//! Finds the target of an operation: the service that the document names, that of an extension of another gateway, the
//! one of the first tag, or the one of the command line.

use std::collections::HashMap;

use super::Options;
use super::destination::Destination;
use super::document::{At, Located};
use super::foreign::{self, Foreign};
use super::kinds::{OPENAPI_TARGET, OPENAPI_VALUE, SAME_SERVICE_TAGS};
use super::operation::{Operation, flag};
use super::reference::Resolver;
use crate::yaml::Value;

/// The target of an operation.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) destination: Destination,
    pub(super) rewrite_path: Option<String>,
    pub(super) timeout: Option<String>,
    /// Where the target is written.
    pub(super) at: At,
}

impl Target {
    /// Returns whether requests are treated in the same way.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.destination, &self.rewrite_path, &self.timeout)
            == (&other.destination, &other.rewrite_path, &other.timeout)
    }
}

/// Finds targets, and remembers what has been reported.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// The tag that each name of a service was made of.
    tags: HashMap<String, String>,
    /// The operations without a target, reported together if none has one.
    pub(super) missing: Vec<(String, At)>,
    pub(super) foreign: foreign::Reported,
}

/// The tags of an operation make no service, and the reason has been reported.
struct UnusableTags;

/// What is known about the target of an operation.
pub(super) enum Found {
    Target(Target),
    /// The document says that there is no route.
    Disabled,
    Missing,
}

impl Targets {
    /// Returns the target of an operation. `foreign` is what an extension of another gateway says.
    pub(super) fn find(
        &mut self,
        operation: &Operation,
        foreign: Option<Foreign>,
        options: &Options,
        resolver: &mut Resolver,
    ) -> Found {
        let disabled = operation.levels.iter().find_map(|level| flag(level, "x-ksvc-disable", resolver));
        if disabled == Some(true) || (disabled.is_none() && foreign.as_ref().is_some_and(|foreign| foreign.is_disabled))
        {
            return Found::Disabled;
        }
        let namespace = text(operation, "x-ksvc-namespace", resolver).map(|(text, _)| text);
        let tag = text(operation, "x-ksvc-tag", resolver).map(|(text, _)| text);
        let service = |name: String, at: At, extras: Foreign| {
            let destination = Destination::Service { name, namespace: namespace.clone(), tag: tag.clone() };
            Found::Target(Target { destination, rewrite_path: extras.rewrite_path, timeout: extras.timeout, at })
        };
        let mut extras = foreign.unwrap_or_default();
        if let Some((name, at)) = text(operation, "x-ksvc-service", resolver) {
            return service(name, at, extras);
        }
        if let Some((destination, at)) = extras.destination.take() {
            let destination = match destination {
                Destination::Service { name, namespace: known, .. } => {
                    Destination::Service { name, namespace: known.or(namespace), tag }
                }
                host => host,
            };
            return Found::Target(Target {
                destination,
                rewrite_path: extras.rewrite_path,
                timeout: extras.timeout,
                at,
            });
        }
        if options.service_from_tag {
            match self.service_of_tag(operation, resolver) {
                Ok(Some((name, at))) => return service(name, at, extras),
                Ok(None) => {}
                Err(UnusableTags) => return Found::Missing,
            }
        }
        if let Some(name) = &options.service {
            return service(name.clone(), operation.at.clone(), extras);
        }
        self.missing.push((operation.title(), operation.at.clone()));
        Found::Missing
    }

    /// Makes the name of a service of the first tag: in lower case, with `-` in place of everything but letters and
    /// digits. Returns `None` if the operation has no tag.
    fn service_of_tag(
        &mut self,
        operation: &Operation,
        resolver: &mut Resolver,
    ) -> Result<Option<(String, At)>, UnusableTags> {
        let tags = operation.levels.first().and_then(|operation| operation.get("tags"));
        let Some(tags) = tags.filter(|tags| !tags.node.is_null()) else { return Ok(None) };
        if !matches!(tags.node.value, Value::List(_)) {
            resolver.messages.wrong_type(OPENAPI_VALUE, &tags, "`tags`", "a list of strings");
            return Err(UnusableTags);
        }
        let Some(tag) = tags.items().next() else { return Ok(None) };
        let Some(written) = tag.node.text() else {
            resolver.messages.wrong_type(OPENAPI_VALUE, &tag, "a tag", "a string");
            return Err(UnusableTags);
        };
        let words = written.to_lowercase();
        let words = words.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let mut name = words.collect::<Vec<_>>().join("-");
        name.truncate(63);
        let name = name.trim_matches('-').to_owned();
        if name.is_empty() {
            let text =
                format!("the tag \"{written}\" has no letter or digit that a name can have; write `x-ksvc-service`");
            resolver.messages.report(OPENAPI_TARGET, &tag.at(), text);
            return Err(UnusableTags);
        }
        let first = self.tags.entry(name.clone()).or_insert_with(|| written.to_owned());
        if first != written {
            let text = format!("the tags \"{first}\" and \"{written}\" both become the service `{name}`");
            // Once for each tag.
            *first = written.to_owned();
            resolver.messages.report(SAME_SERVICE_TAGS, &tag.at(), text);
        }
        Ok(Some((name, tag.at())))
    }

    /// Reports the operations without a target.
    pub(super) fn report_missing(&self, root: &Located, count: usize, options: &Options, resolver: &mut Resolver) {
        let write = "write `x-ksvc-service` there, in its path item or at the top of the document, or choose one with";
        let write = match options.service_from_tag {
            true => format!("{write} `--service`, which is for the operations without a tag"),
            false => format!("{write} `--service` or `--service-from tag`"),
        };
        if self.missing.len() > 1 && self.missing.len() == count {
            let text = format!("none of the {count} operations says which service it belongs to; {write}");
            resolver.messages.report(OPENAPI_TARGET, &root.at(), text);
            return;
        }
        for (title, at) in &self.missing {
            let text = format!("nothing says which service `{title}` belongs to; {write}");
            resolver.messages.report(OPENAPI_TARGET, at, text);
        }
    }
}

/// Returns the text of a key at the innermost level that has it.
fn text(operation: &Operation, key: &str, resolver: &mut Resolver) -> Option<(String, At)> {
    let value = operation.innermost(key)?;
    match value.node.text() {
        Some(text) => Some((text.to_owned(), value.at())),
        None => {
            resolver.messages.wrong_type(OPENAPI_VALUE, &value, &format!("`{key}`"), "a string");
            None
        }
    }
}

//! Which namespaces may claim which paths.

use std::collections::BTreeMap;
use std::fmt;

use ksvc_routing::{MatchKey, SegmentKey, compile};
use serde_json::json;

/// The word in an owned path that stands for the name of the namespace that claims.
const OWN_NAME: &str = "{namespace}";

/// Namespaces, and the paths that each of them may claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The namespaces.
    pub namespaces: Namespaces,
    /// The paths. Each one covers itself and everything below it.
    pub paths: Vec<OwnedPath>,
}

impl Grant {
    /// Returns the grant by which every namespace may claim every path.
    pub fn everything() -> Self {
        Self { namespaces: Namespaces::Prefix(String::new()), paths: vec![OwnedPath("/".to_owned())] }
    }
}

/// The namespaces of a grant: one name, a prefix such as `team-*`, or `*` for every namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Namespaces {
    /// The namespace of this name.
    Name(String),
    /// Every namespace whose name begins with this text.
    Prefix(String),
}

impl Namespaces {
    /// Reads a name, a prefix and `*`, or `*`. The error says what is wrong, and what to write instead.
    pub fn read(text: &str) -> Result<Self, String> {
        let is_part = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let (namespaces, part) = match text.strip_suffix('*') {
            Some(prefix) => (Self::Prefix(prefix.to_owned()), prefix),
            None => (Self::Name(text.to_owned()), text),
        };
        let is_name = is_part(part) && !part.starts_with('-') && part.len() <= 63;
        if text.is_empty() || !is_name || matches!(namespaces, Self::Name(_)) && text.ends_with('-') {
            return Err(format!(
                "{text:?} is no namespace; write a name such as `shop`, a prefix such as `team-*`, or `\"*\"` for every \
                 namespace"
            ));
        }
        Ok(namespaces)
    }

    fn has(&self, namespace: &str) -> bool {
        match self {
            Self::Name(name) => name == namespace,
            Self::Prefix(prefix) => namespace.starts_with(prefix.as_str()),
        }
    }
}

/// A path that a namespace may claim, with everything below it: `/orders`, or `/tenants/{id}/orders` with parameters as
/// in `match`. In it, `{namespace}` stands for the name of the namespace that claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedPath(String);

impl OwnedPath {
    /// Reads a path. The error says what is wrong, and what to write instead.
    pub fn read(text: &str) -> Result<Self, String> {
        segments(text, "namespace").map(|_| Self(text.to_owned()))
    }

    /// Returns the path for a namespace.
    fn of(&self, namespace: &str) -> String {
        self.0.replace(OWN_NAME, namespace)
    }
}

impl fmt::Display for OwnedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the segments of an owned path for a namespace.
fn segments(text: &str, namespace: &str) -> Result<Vec<SegmentKey>, String> {
    if text.contains(' ') && !text.starts_with('/') {
        return Err(format!("{text:?} is not a path alone; write the path without methods, such as `/orders`"));
    }
    if text.contains("{{namespace}") {
        return Err(
            "has literal braces around `namespace`; write `{namespace}` for the name of the namespace".to_owned()
        );
    }
    let path = text.replace(OWN_NAME, namespace);
    let element = format!("ANY {path}");
    // Warnings count too: they are about text that may not mean what it seems to.
    let document = json!({"hosts": ["*"], "routes": [{"match": &element, "host": "a.example"}]});
    let problems = compile(document.to_string().as_bytes()).problems;
    if let Some(problem) = problems.into_iter().find(|problem| problem.place.route().is_some()) {
        return Err(problem.kind.to_string().replace(&element, text));
    }
    let mut key = MatchKey::read(&element).map_err(|_| format!("{text:?} can't be read"))?;
    // A final slash says no more than that the path is a prefix. So does a rest that may be none.
    if matches!(key.path.last(), Some(SegmentKey::RestOrNone))
        || key.path.last() == Some(&SegmentKey::Literal(String::new()))
    {
        key.path.pop();
    }
    Ok(key.path)
}

/// The paths that one namespace after the other may claim, read once for each.
pub(crate) struct Ownership<'a> {
    grants: &'a [Grant],
    known: BTreeMap<String, Vec<(String, Vec<SegmentKey>)>>,
}

impl<'a> Ownership<'a> {
    pub(crate) fn new(grants: &'a [Grant]) -> Self {
        Self { grants, known: BTreeMap::new() }
    }

    /// Returns `Ok` if a namespace may claim a path, or else the paths that it may claim.
    pub(crate) fn check(&mut self, namespace: &str, claimed: &[SegmentKey]) -> Result<(), Vec<String>> {
        // In a file, a namespace can have any name, such as `{x}`, which must not become a part of a pattern.
        if !matches!(Namespaces::read(namespace), Ok(Namespaces::Name(_))) {
            return Err(Vec::new());
        }
        let grants = self.grants;
        let read = || {
            let paths = grants.iter().filter(|grant| grant.namespaces.has(namespace)).flat_map(|grant| &grant.paths);
            paths.filter_map(|path| Some((path.of(namespace), segments(&path.0, namespace).ok()?))).collect()
        };
        let owned = self.known.entry(namespace.to_owned()).or_insert_with(read);
        if owned.iter().any(|(_, owned)| covers(owned, claimed)) {
            return Ok(());
        }
        Err(owned.iter().map(|(text, _)| text.clone()).collect())
    }
}

/// Returns whether every path that a pattern matches is one of `owned`, or is below one of them.
fn covers(owned: &[SegmentKey], claimed: &[SegmentKey]) -> bool {
    use SegmentKey::{Literal, Mixed, Parameter, Rest, RestOrNone};
    let Some((first, owned)) = owned.split_first() else { return true };
    let Some((segment, claimed)) = claimed.split_first() else { return false };
    match (first, segment) {
        // A rest is the last segment.
        (RestOrNone, _) => true,
        (Rest, RestOrNone) => false,
        // The first segment of a rest is not empty.
        (Rest, Literal(text)) => !text.is_empty(),
        (Rest, _) => true,
        (Parameter, Literal(text)) => !text.is_empty() && covers(owned, claimed),
        (Parameter, Mixed(_) | Parameter) => covers(owned, claimed),
        // The first segment of the rest can be any, and so can those below it.
        (Parameter, Rest) => owned.is_empty(),
        (Literal(_) | Mixed(_), other) => first == other && covers(owned, claimed),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may_claim(owned: &str, claimed: &str) -> bool {
        let grants = [Grant {
            namespaces: Namespaces::read("team-*").unwrap(),
            paths: vec![OwnedPath::read(owned).unwrap_or_else(|error| panic!("{error}"))],
        }];
        let key = MatchKey::read(&format!("ANY {claimed}")).unwrap();
        Ownership::new(&grants).check("team-a", &key.path).is_ok()
    }

    #[test]
    fn an_owned_path_covers_itself_and_everything_below_it() {
        for owned in ["/orders", "/orders/", "/orders/{**rest}", "/%6Frders", "/", "/{x}"] {
            for claimed in
                ["/orders", "/orders/", "/orders/{id}", "/orders/{**rest}", "/orders/{*rest}", "/orders/a/{b}"]
            {
                assert!(may_claim(owned, claimed), "{owned} {claimed}");
            }
        }
        for claimed in
            ["/", "/order", "/orders2", "/ordersx/a", "/{x}", "/{**rest}", "/{*rest}", "/Orders", "/{x}/orders"]
        {
            assert!(!may_claim("/orders", claimed), "{claimed}");
        }
    }

    #[test]
    fn a_parameter_covers_each_segment_that_is_not_empty() {
        let owned = "/tenants/{id}/orders";
        for claimed in ["/tenants/{t}/orders", "/tenants/7/orders/{id}", "/tenants/a-{b}/orders/{**rest}"] {
            assert!(may_claim(owned, claimed), "{claimed}");
        }
        for claimed in
            ["/tenants/{t}", "/tenants/{t}/other", "/tenants//orders", "/tenants/{**rest}", "/tenants/{*rest}"]
        {
            assert!(!may_claim(owned, claimed), "{claimed}");
        }
        assert!(may_claim("/tenants/{id}", "/tenants/{*rest}"));
        assert!(may_claim("/tenants/{*any}", "/tenants/{*rest}"));
        assert!(!may_claim("/tenants/{*any}", "/tenants/{**rest}"));
        assert!(!may_claim("/tenants/{*any}", "/tenants"));
        assert!(may_claim("/v{n}", "/v{x}/a") && !may_claim("/v{n}", "/w{x}/a"));
    }

    #[test]
    fn the_name_of_the_namespace_can_stand_in_a_path() {
        assert!(may_claim("/{namespace}", "/team-a/orders"));
        assert!(!may_claim("/{namespace}", "/team-b/orders"));
        assert!(may_claim("/t-{namespace}", "/t-team-a"));
    }

    #[test]
    fn namespaces_are_names_and_prefixes() {
        for (text, has) in [("shop", true), ("sh*", true), ("*", true), ("shop-*", false), ("sho", false)] {
            assert_eq!(Namespaces::read(text).unwrap().has("shop"), has, "{text}");
        }
        for text in ["", "Shop", "a*b", "-a", "a-", "a b", "**", "a.b"] {
            assert!(Namespaces::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_that_can_not_be_read_is_refused() {
        for text in ["orders", "GET /orders", "/a/{b", "", "/{**rest}/a", "/:id", "/{{namespace}}"] {
            assert!(OwnedPath::read(text).is_err(), "{text}");
        }
    }
}

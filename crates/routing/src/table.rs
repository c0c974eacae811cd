//! The compiled route table: `decide` says what becomes of a request.

pub(crate) mod conditions;
pub(crate) mod hosts;
pub(crate) mod image;
pub(crate) mod origins;
pub(crate) mod schema;
pub(crate) mod strings;
pub(crate) mod tree;

use std::fmt;
use std::sync::Arc;

use crate::path::{self, BasePath, Hazard, RequestPath};
use crate::table::image::{ImageReader, Rows, Span};
use crate::table::schema::{
    CANDIDATES, CAPTURES, CONDITION_SETS, CONDITIONS, Candidate, Capture, Condition, Conditions, ENTRIES, MatchRow,
    OPERATIONS, Operation, PATTERNS, POLICIES, Policy, RESPONSES, ROUTE_EXTRAS, ROUTES, Response, Route, RouteExtras,
    SETTINGS, Settings, StringId, UNNAMED,
};
use crate::table::strings::Strings;
use crate::table::tree::Tree;

/// A route table. It is never empty of meaning: one compiled from a bad document serves what can be served.
///
/// All of it but `base` lies in its image.
#[derive(Debug, Default)]
pub struct RouteTable {
    image: Arc<Vec<u8>>,
    /// The hash of the document that it was compiled from.
    document: u64,
    pub(crate) base: BasePath,
    pub(crate) settings: Settings,
    pub(crate) strings: Strings,
    pub(crate) tree: Tree,
    /// By the tree's entry: where in `candidates`.
    pub(crate) entries: Rows<Span>,
    pub(crate) candidates: Rows<Candidate>,
    pub(crate) condition_sets: Rows<Conditions>,
    /// Of all sets.
    pub(crate) conditions: Rows<Condition>,
    pub(crate) patterns: Rows<MatchRow>,
    /// Of all patterns.
    captures: Rows<Capture>,
    routes: Rows<Route>,
    extras: Rows<RouteExtras>,
    pub(crate) responses: Rows<Response>,
    /// Of all routes, and of the table.
    pub(crate) operations: Rows<Operation>,
    pub(crate) policies: Rows<Policy>,
    /// The number of the method that most requests have. In a table without routes none is looked for.
    pub(crate) get: u16,
}

impl RouteTable {
    /// Name of the table, for logs and metrics.
    pub fn name(&self) -> &str {
        self.strings.get(self.settings.name)
    }

    /// The table of an image; `None` where it is none of these sources.
    pub(crate) fn read(image: Vec<u8>) -> Option<Self> {
        let image = Arc::new(image);
        let (lists, document) = ImageReader::new(image.clone())?;
        let settings: Settings = lists.list(SETTINGS)?.get(0)?;
        let strings = Strings::read(&lists)?;
        let mut table = RouteTable {
            base: BasePath::new(strings.get(settings.base)),
            settings,
            strings,
            tree: Tree::read(&lists)?,
            entries: lists.list(ENTRIES)?,
            candidates: lists.list(CANDIDATES)?,
            condition_sets: lists.list(CONDITION_SETS)?,
            conditions: lists.list(CONDITIONS)?,
            patterns: lists.list(PATTERNS)?,
            captures: lists.list(CAPTURES)?,
            routes: lists.list(ROUTES)?,
            extras: lists.list(ROUTE_EXTRAS)?,
            responses: lists.list(RESPONSES)?,
            operations: lists.list(OPERATIONS)?,
            policies: lists.list(POLICIES)?,
            image,
            document,
            get: UNNAMED,
        };
        table.get = table.method(b"GET");
        Some(table)
    }

    /// The number of a method.
    pub(crate) fn method(&self, name: &[u8]) -> u16 {
        let place = self.strings.position(self.settings.methods, name);
        place.and_then(|at| u16::try_from(at).ok()).unwrap_or(UNNAMED)
    }

    /// For other threads, which `read` it.
    pub(crate) fn image(&self) -> Arc<Vec<u8>> {
        self.image.clone()
    }

    /// The hash of the document that it was compiled from.
    pub(crate) fn document(&self) -> u64 {
        self.document
    }

    /// How many routes it serves, broken ones aside.
    pub fn route_count(&self) -> usize {
        self.settings.routes as usize
    }

    /// Whether some route, or the table, does something to responses: CORS, their headers, their `location`.
    pub fn changes_responses(&self) -> bool {
        self.settings.plans_responses
    }

    /// How many hosts it has.
    pub fn host_count(&self) -> usize {
        self.settings.hosts.len()
    }

    /// The normal form of a path below `basePath`, to be looked up in the tree.
    pub(crate) fn below<'p>(&self, path: &'p RequestPath<'_>) -> Option<&'p [u8]> {
        // Only an empty path is the root without its slash.
        let is_path = path.raw.is_empty() || path.hazard != Some(Hazard::NoSlash);
        self.base.below(&path.normal).filter(|_| is_path)
    }

    pub(crate) fn chosen<'a>(&'a self, pattern: u32, route: Route, path: &RequestPath<'a>) -> Chosen<'a> {
        Chosen { table: self, pattern, name: route.name, path: path.raw }
    }

    /// Names and values that a pattern captures in a path as it came, in its order; the path is gone through once.
    pub(crate) fn captured<'a>(&'a self, pattern: u32, path: &'a [u8]) -> impl Iterator<Item = (StringId, &'a [u8])> {
        let captures = self.patterns.get(pattern).map_or_else(Span::default, |pattern| pattern.captures);
        let below = self.base.strip(path);
        let mut tail = below.strip_prefix(b"/").unwrap_or(below);
        let mut at = 0;
        self.captures.span(captures).map(move |capture| {
            while at < capture.segment && !tail.is_empty() {
                let slash = tail.iter().position(|&b| b == b'/');
                tail = slash.and_then(|slash| tail.get(slash + 1..)).unwrap_or_default();
                at += 1;
            }
            if capture.rest {
                return (capture.name, tail);
            }
            let segment = tail.split(|&b| b == b'/').next().unwrap_or_default();
            (capture.name, path::without_affixes(segment, capture.prefix as usize, capture.suffix as usize))
        })
    }

    /// What a route has beside its target.
    pub(crate) fn extras(&self, route: Route) -> RouteExtras {
        self.extras.get(route.extras).unwrap_or(RouteExtras::of_most(self.settings.cors))
    }

    /// The route of a pattern.
    pub(crate) fn route(&self, pattern: u32) -> Option<Route> {
        self.routes.get(self.patterns.get(pattern)?.route)
    }
}

/// The route that was found.
#[derive(Clone, Copy)]
pub struct Chosen<'a> {
    pub(crate) table: &'a RouteTable,
    /// An index.
    pub(crate) pattern: u32,
    pub(crate) name: StringId,
    /// As it came, without the query.
    pub(crate) path: &'a [u8],
}

impl<'a> Chosen<'a> {
    /// Its name.
    pub fn route(&self) -> &'a str {
        self.table.strings.get(self.name)
    }

    /// The same, as the host takes it.
    pub fn route_bytes(&self) -> &'a [u8] {
        self.table.strings.bytes(self.name)
    }

    /// Its place in the document: `routes[index]`.
    pub fn index(&self) -> usize {
        self.table.patterns.get(self.pattern).map_or(0, |pattern| pattern.route as usize)
    }

    /// The element of `match` as written.
    pub fn matched(&self) -> &'a str {
        self.table.patterns.get(self.pattern).map_or("", |pattern| self.table.strings.get(pattern.text))
    }

    /// Captured values by name, as they stood in the request.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let strings = &self.table.strings;
        self.captured().map(|(name, value)| (strings.get(name), value))
    }

    pub(crate) fn captured(&self) -> impl Iterator<Item = (StringId, &'a [u8])> + use<'a> {
        self.table.captured(self.pattern, self.path)
    }
}

impl fmt::Debug for Chosen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chosen").field("route", &self.route()).field("matched", &self.matched()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host with threads can share one table.
    #[test]
    fn a_table_can_be_shared_between_threads() {
        fn is_shared<T: Send + Sync>() {}
        is_shared::<RouteTable>();
    }
}

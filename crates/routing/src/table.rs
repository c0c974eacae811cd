//! The compiled route table: its data, and look-ups in it.
//!
//! `compile` builds a [`RouteTable`] from a document, and `decide` uses it for each request. The data of a table lies
//! in one run of bytes, its image, whose format is `schema`.

pub(crate) mod conditions;
pub(crate) mod hosts;
pub(crate) mod image;
pub(crate) mod mixed;
pub(crate) mod origins;
pub(crate) mod schema;
pub(crate) mod strings;
pub(crate) mod tree;

use std::fmt;
use std::sync::Arc;

use crate::path::{self, BasePath, Hazard, RequestPath};
use crate::table::image::{ImageReader, Rows, Span};
use crate::table::schema::{
    CANDIDATES, CAPTURED_HOSTS, CAPTURES, CONDITION_SETS, CONDITIONS, Candidate, Capture, CapturedHost, Condition,
    Conditions, ENTRIES, Extent, MatchRow, OPERATIONS, Operation, PATTERNS, POLICIES, Policy, RESPONSES, ROUTE_EXTRAS,
    ROUTES, Response, Route, RouteExtras, SETTINGS, Settings, StringId, UNNAMED,
};
use crate::table::strings::Strings;
use crate::table::tree::Tree;

/// A compiled route table.
///
/// [`compile`](crate::compile) makes one of every document, and [`decide`](RouteTable::decide) decides on a request
/// with it. The table of a document with errors serves what can be served of it. The default table has no hosts, so it
/// leaves all requests untouched.
///
/// Several threads can share one table.
#[derive(Debug, Default)]
pub struct RouteTable {
    /// The bytes of all rows. `settings`, `base` and `get_method` are copies, kept for quick access.
    image: Arc<Vec<u8>>,
    /// The hash of the document that the table was compiled from.
    document_hash: u64,
    pub(crate) base: BasePath,
    pub(crate) settings: Settings,
    pub(crate) strings: Strings,
    pub(crate) tree: Tree,
    /// For each entry of the tree, its rows of `candidates`.
    pub(crate) entries: Rows<Span>,
    pub(crate) candidates: Rows<Candidate>,
    pub(crate) condition_sets: Rows<Conditions>,
    /// The conditions of all sets.
    pub(crate) conditions: Rows<Condition>,
    pub(crate) patterns: Rows<MatchRow>,
    /// The captures of all patterns.
    pub(crate) captures: Rows<Capture>,
    routes: Rows<Route>,
    extras: Rows<RouteExtras>,
    pub(crate) responses: Rows<Response>,
    /// The different hosts with captured values.
    pub(crate) captured_hosts: Rows<CapturedHost>,
    /// The operations of the table and of all routes.
    pub(crate) operations: Rows<Operation>,
    pub(crate) policies: Rows<Policy>,
    /// The number of `GET`, which most requests have, so that it need not be looked up for them.
    pub(crate) get_method: u16,
}

impl RouteTable {
    /// Returns the name of the table, for logs and metrics: `name` of the document, or `default`. The default table,
    /// which no document was compiled to, has an empty name.
    pub fn name(&self) -> &str {
        self.strings.get(self.settings.name)
    }

    /// Opens the table of an image; `None` if this build has not written the image, or it is cut short.
    pub(crate) fn read(image: Vec<u8>) -> Option<Self> {
        let image = Arc::new(image);
        let (lists, document_hash) = ImageReader::new(image.clone())?;
        let settings: Settings = lists.list(SETTINGS)?.get(0)?;
        let strings = Strings::read(&lists)?;
        let mut table = RouteTable {
            base: BasePath::new(strings.get(settings.base)),
            settings,
            strings,
            tree: Tree::read(&lists, document_hash)?,
            entries: lists.list(ENTRIES)?,
            candidates: lists.list(CANDIDATES)?,
            condition_sets: lists.list(CONDITION_SETS)?,
            conditions: lists.list(CONDITIONS)?,
            patterns: lists.list(PATTERNS)?,
            captures: lists.list(CAPTURES)?,
            routes: lists.list(ROUTES)?,
            extras: lists.list(ROUTE_EXTRAS)?,
            responses: lists.list(RESPONSES)?,
            captured_hosts: lists.list(CAPTURED_HOSTS)?,
            operations: lists.list(OPERATIONS)?,
            policies: lists.list(POLICIES)?,
            image,
            document_hash,
            get_method: UNNAMED,
        };
        table.get_method = table.method_number(b"GET");
        Some(table)
    }

    /// Returns the number of a method; `UNNAMED` if no route names it.
    pub(crate) fn method_number(&self, name: &[u8]) -> u16 {
        let index = self.strings.position(self.settings.methods, name);
        index.and_then(|index| u16::try_from(index).ok()).unwrap_or(UNNAMED)
    }

    /// Returns the image of the table, from which other threads can `read` it.
    pub(crate) fn image(&self) -> Arc<Vec<u8>> {
        self.image.clone()
    }

    /// Returns the hash of the document that the table was compiled from.
    pub(crate) fn document_hash(&self) -> u64 {
        self.document_hash
    }

    /// Returns the low 48 bits of the hash of the document that the table was compiled from, for the gauge `config_hash`.
    /// Metrics are floating-point numbers in many systems, which hold no more than 53 bits exactly.
    pub fn config_hash(&self) -> u64 {
        self.document_hash & 0xffff_ffff_ffff
    }

    /// Returns the number of routes, without those that an error in the document breaks.
    pub fn route_count(&self) -> usize {
        self.settings.routes as usize
    }

    /// Returns whether the table or some route may change responses: for CORS, by `responseHeaders`, or their
    /// `location`.
    pub fn changes_responses(&self) -> bool {
        self.settings.plans_responses
    }

    /// Returns the number of different hosts. A suffix such as `*.example.com` and `*` count as one host each.
    pub fn host_count(&self) -> usize {
        self.settings.hosts.len()
    }

    /// Returns the part of a request's path below `basePath`, in normal form. The tree is searched with it. Returns
    /// `None` if the path is not below `basePath`.
    pub(crate) fn below<'p>(&self, path: &'p RequestPath<'_>) -> Option<&'p [u8]> {
        // A path without a slash at its start matches nothing. Only the empty path counts as the root.
        let is_path = path.raw.is_empty() || path.hazard != Some(Hazard::NoSlash);
        self.base.below(&path.normal).filter(|_| is_path)
    }

    pub(crate) fn chosen<'a>(&'a self, pattern: u32, route: Route, path: &RequestPath<'a>) -> Chosen<'a> {
        Chosen { table: self, pattern, name: route.name, path: path.raw }
    }

    /// Returns the names and values that a pattern captures in a raw path, in the order of the path. The path is gone
    /// through once.
    pub(crate) fn captured<'a>(&'a self, pattern: u32, path: &'a [u8]) -> impl Iterator<Item = (StringId, &'a [u8])> {
        let captures = self.patterns.get(pattern).map_or_else(Span::default, |pattern| pattern.captures);
        let below = self.base.strip(path);
        let mut tail = below.strip_prefix(b"/").unwrap_or(below);
        let mut segment_index = 0;
        // The values of the segment that was last taken apart.
        let mut values = Vec::new();
        self.captures.span(captures).map(move |capture| {
            while segment_index < capture.segment && !tail.is_empty() {
                let slash = tail.iter().position(|&b| b == b'/');
                tail = slash.and_then(|slash| tail.get(slash + 1..)).unwrap_or_default();
                segment_index += 1;
            }
            let segment = || tail.split(|&b| b == b'/').next().unwrap_or_default();
            let value = match capture.extent {
                Extent::Rest => tail,
                Extent::Segment(prefix, suffix) => path::strip_affixes(segment(), prefix as usize, suffix as usize),
                Extent::OneOfSeveral(literals, index) => {
                    if index == 0 {
                        values = mixed::values(&self.strings, literals, segment());
                    }
                    values.get(index as usize).copied().unwrap_or_default()
                }
            };
            (capture.name, value)
        })
    }

    /// Returns the extras of a route, or their defaults.
    pub(crate) fn extras(&self, route: Route) -> RouteExtras {
        self.extras.get(route.extras).unwrap_or(RouteExtras::none(self.settings.cors))
    }

    /// Returns the route of a pattern. `pattern` is an index of `patterns`.
    pub(crate) fn route(&self, pattern: u32) -> Option<Route> {
        self.routes.get(self.patterns.get(pattern)?.route)
    }
}

/// The route that was found for a request, and the element of its `match` that matches.
#[derive(Clone, Copy)]
pub struct Chosen<'a> {
    pub(crate) table: &'a RouteTable,
    /// An index of the table's patterns.
    pub(crate) pattern: u32,
    pub(crate) name: StringId,
    /// The path as it came, without the query.
    pub(crate) path: &'a [u8],
}

impl<'a> Chosen<'a> {
    /// Returns the name of the route: its `name` in the document, or else its first `match`.
    pub fn route(&self) -> &'a str {
        self.table.strings.get(self.name)
    }

    /// Returns the name of the route as bytes, as the host takes it. Unlike [`route`](Chosen::route), it need not check
    /// that they are UTF-8.
    pub fn route_bytes(&self) -> &'a [u8] {
        self.table.strings.bytes(self.name)
    }

    /// Returns the index of the route in the document: it is `routes[index]`.
    pub fn index(&self) -> usize {
        self.table.patterns.get(self.pattern).map_or(0, |pattern| pattern.route as usize)
    }

    /// Returns the element of `match` that matches, as the document has it.
    pub fn matched(&self) -> &'a str {
        self.table.patterns.get(self.pattern).map_or("", |pattern| self.table.strings.get(pattern.text))
    }

    /// Returns the names and values of the parameters, in the order of the path. The values are as they came in the
    /// request, still percent-encoded.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let strings = &self.table.strings;
        self.captured().map(|(name, value)| (strings.get(name), value))
    }

    /// Returns the name and the value of the parameter that captures the rest of the path, `{*name}`. The path ends with
    /// the value.
    pub(crate) fn rest(&self) -> Option<(StringId, &'a [u8])> {
        let captures = self.table.patterns.get(self.pattern)?.captures;
        let last = self.table.captures.span(captures).last().filter(|capture| capture.extent == Extent::Rest)?;
        self.captured().find(|(name, _)| *name == last.name)
    }

    /// Returns the parameters as `params` does, with the ids of their names.
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

    #[test]
    fn a_table_can_be_shared_between_threads() {
        fn can_be_shared<T: Send + Sync>() {}
        can_be_shared::<RouteTable>();
    }
}

//! Compiles a document into a route table, and reports everything that is wrong with the document.
//!
//! [`compile`] reads the keys of the table first (`settings`), then the routes one by one (`routes`, `route`), and then
//! compares the routes with each other (`rivals`).
//!
//! A document with errors yields a table too. A route that an error affects is broken in that table: it answers 503. If
//! the scope can't be read (`hosts` or `basePath`), the table leaves all traffic unchanged. So no request is routed to
//! where the corrected document would not have sent it.

mod bare_prefix;
pub(crate) mod builder;
mod conditions;
mod cors;
mod headers;
pub(crate) mod host_name;
mod host_template;
mod image_builder;
mod match_key;
mod methods;
mod pattern;
mod placeholder;
mod rivals;
mod route;
mod routes;
mod service;
mod settings;
mod target;
mod template;
mod timeout;
mod tree;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::value::RawValue;
use xxhash_rust::xxh64::xxh64;

use crate::compile::builder::TableBuilder;
use crate::compile::image_builder::ImageBuilder;
use crate::compile::tree::TreeBuilder;
use crate::document::config::{Config, Routes};
use crate::document::read::{DocumentReader, Key};
use crate::document::value;
use crate::limits;
use crate::problem::{Place, Problem, ProblemKind};
use crate::table::RouteTable;
use crate::table::image::Span;
use crate::table::schema::{
    CANDIDATES, CAPTURES, Candidate, Cors, ENTRIES, MatchRow, NODES, NamespaceSet, NoMatch, OPERATIONS, Operation,
    PATTERNS, POLICIES, Policy, ROUTE_EXTRAS, ROUTES, Route, SETTINGS, Settings, StringId, TEXTS, Target, Template,
};

use bare_prefix::{BarePrefix, bare_prefixes};
use conditions::{ConditionCount, ConditionSets};
pub use match_key::{MatchKey, SegmentKey};
use methods::MethodNumbers;
pub(crate) use settings::is_table_name;

/// The result of [`compile`]: a route table, and the problems of the document.
#[derive(Debug)]
pub struct Compiled {
    /// The route table. There always is one: a document with errors is served as far as possible.
    pub table: RouteTable,
    /// The errors and warnings: first those of the table's own keys, then those of the routes, in the order of the
    /// routes. At most [`limits::PROBLEMS`] are kept, and errors are kept before warnings.
    pub problems: Vec<Problem>,
    /// The number of errors and warnings that are not in `problems`.
    pub more_problems: usize,
    /// True if the document has a valid `name`, or none. Otherwise [`RouteTable::name`] is the default.
    pub name_is_readable: bool,
    has_errors: bool,
}

impl Compiled {
    /// Returns whether the document has no errors. It may have warnings.
    pub fn is_good(&self) -> bool {
        !self.has_errors
    }
}

/// Compiles a document: the configuration of the plugin in JSON, as Envoy passes it to the plugin.
///
/// This can't fail. Whatever the bytes are, the result has a table, and it lists every error of the document.
///
/// # Examples
///
/// A good document:
///
/// ```
/// let compiled = ksvc_routing::compile(
///     br#"{
///         "hosts": ["api.example.com"],
///         "domain": "example.com",
///         "namespace": "shop",
///         "routes": [{"match": "GET /orders/{id}", "service": "orders"}]
///     }"#,
/// );
/// assert!(compiled.is_good());
/// assert_eq!(compiled.table.route_count(), 1);
/// ```
///
/// A document with an error. The route is broken, and all others would be served:
///
/// ```
/// let compiled = ksvc_routing::compile(
///     br#"{
///         "hosts": ["api.example.com"],
///         "routes": [{"match": "GET /orders/{id}", "hosst": "orders.example.com"}]
///     }"#,
/// );
/// assert!(!compiled.is_good());
/// let problem = &compiled.problems[0];
/// assert!(problem.is_error());
/// assert_eq!(problem.place.to_string(), "routes[0].hosst");
/// assert_eq!(problem.kind.to_string(), "unknown key `hosst`; did you mean `host`?");
/// assert_eq!(compiled.table.route_count(), 0);
/// ```
pub fn compile(document: &[u8]) -> Compiled {
    compile_as(document, hash(document))
}

/// Compiles a document whose hash is already known.
pub(crate) fn compile_as(document: &[u8], hash: u64) -> Compiled {
    if document.len() > limits::DOCUMENT {
        return too_large(document.len(), hash);
    }
    if is_empty(document) {
        return unreadable(ProblemKind::Empty, hash);
    }
    let compiled = value::parse(document).and_then(|json| compile_json(json, document, hash));
    compiled.unwrap_or_else(|error| unreadable(error, hash))
}

/// Returns whether a document is blank or `null`.
fn is_empty(document: &[u8]) -> bool {
    document.iter().all(u8::is_ascii_whitespace) || serde_json::from_slice::<()>(document).is_ok()
}

fn compile_json(json: &RawValue, document: &[u8], hash: u64) -> Result<Compiled, ProblemKind> {
    let mut compiler = Compiler::new(hash);
    let mut settings = compiler.compile(json, document.len(), Vec::new());
    if compiler.reader.is_malformed {
        value::check(document)?;
    }
    let limit_errors = compiler.methods.limit_errors();
    if !limit_errors.is_empty() {
        // A table can't hold these routes, so it gets none of them.
        compiler = Compiler::new(hash);
        settings = compiler.compile(json, document.len(), limit_errors);
    }
    Ok(compiler.finish(settings))
}

/// Returns the result for a document that is not read, because it has too many bytes.
pub(crate) fn too_large(bytes: usize, hash: u64) -> Compiled {
    unreadable(ProblemKind::TooLarge { bytes, limit: limits::DOCUMENT }, hash)
}

/// Returns the result for a document that can't be read at all.
fn unreadable(error: ProblemKind, hash: u64) -> Compiled {
    let mut compiler = Compiler::new(hash);
    compiler.report(Place::default(), error);
    compiler.finish(Settings::default())
}

/// Returns the hash that identifies a document.
pub(crate) fn hash(document: &[u8]) -> u64 {
    xxh64(document, 0)
}

/// The place of a route: `routes[3]`. The [`Place`] is made only if there is something to report.
#[derive(Clone, Copy)]
struct RoutePlace(usize);

impl RoutePlace {
    fn place(self) -> Place {
        Place::default().key("routes").index(self.0)
    }

    fn key(self, key: &'static str) -> Place {
        self.place().key(key)
    }
}

/// The place of an element of a route's `match`: `routes[3].match[1]`.
#[derive(Clone, Copy)]
struct MatchPlace {
    route: RoutePlace,
    /// `None` if `match` is not a list.
    index: Option<usize>,
}

impl MatchPlace {
    /// `index` is the pattern's element of [`Compiler::match_indexes`].
    fn new(pattern: MatchRow, index: u16) -> Self {
        let index = Some(usize::from(index)).filter(|_| index != NOT_IN_LIST);
        MatchPlace { route: RoutePlace(pattern.route as usize), index }
    }

    fn place(self) -> Place {
        let key = self.route.key("match");
        self.index.map_or(key.clone(), |index| key.index(index))
    }
}

/// The index in [`Compiler::match_indexes`] of a `match` that is not a list.
const NOT_IN_LIST: u16 = u16::MAX;

/// A [`Candidate`] that is not in the table yet: its fields, and what is needed to sort it.
struct PendingCandidate {
    entry: u32,
    method: u16,
    unreadable: bool,
    /// True if there may be more conditions, which can't be read.
    unreadable_conditions: bool,
    conditions: u32,
    condition_count: ConditionCount,
    pattern: u32,
}

impl PendingCandidate {
    /// Returns whether it has conditions, or may have some that can't be read.
    fn is_conditional(&self) -> bool {
        self.unreadable_conditions || self.condition_count != (0, 0)
    }

    fn row(&self) -> Candidate {
        let Self { method, unreadable, conditions, pattern, .. } = *self;
        Candidate { method, unreadable, conditions, pattern }
    }
}

/// Compiles one document. Its methods are in the files of this folder.
struct Compiler {
    document_hash: u64,
    name_is_readable: bool,
    reader: DocumentReader,
    builder: TableBuilder,
    tree: TreeBuilder,
    methods: MethodNumbers,
    /// The names of all methods, sorted. Empty until all routes are read.
    method_names: Vec<Box<str>>,
    candidates: Vec<PendingCandidate>,
    conditions: ConditionSets,
    /// The index of each pattern in its `match`, or [`NOT_IN_LIST`]. An `Option` would take twice the memory.
    match_indexes: Vec<u16>,
    /// The hosts of all `service`s without captured values.
    ksvc_hosts: BTreeSet<String>,
    /// The `host`s of all routes, without port.
    other_hosts: BTreeSet<String>,
    /// The texts of `service`, with its tag, and `namespace` of the hosts with captured values, and their indexes.
    captured_hosts: BTreeMap<(String, String), u32>,
    /// The host template with the domain filled in. It is empty if no host has captured values.
    host_template: Template,
    /// The different CORS policies and their numbers.
    policies: HashMap<Policy, u32>,
}

impl Compiler {
    fn new(document_hash: u64) -> Self {
        let mut builder = TableBuilder::new(document_hash);
        Compiler {
            document_hash,
            name_is_readable: false,
            reader: DocumentReader::default(),
            tree: TreeBuilder::new(document_hash, &mut builder),
            builder,
            methods: MethodNumbers::default(),
            method_names: Vec::new(),
            candidates: Vec::new(),
            conditions: ConditionSets::new(),
            match_indexes: Vec::new(),
            ksvc_hosts: BTreeSet::new(),
            other_hosts: BTreeSet::new(),
            captured_hosts: BTreeMap::new(),
            host_template: Template::default(),
            policies: HashMap::new(),
        }
    }

    fn report(&mut self, place: Place, kind: ProblemKind) {
        self.reader.problems.report(place, kind);
    }

    /// Returns the place of a pattern in the document.
    fn match_place(&self, pattern: u32) -> Option<MatchPlace> {
        let row = self.builder.image.get(PATTERNS, pattern)?;
        Some(MatchPlace::new(row, *self.match_indexes.get(pattern as usize)?))
    }

    /// Compiles a document and returns the settings of its table. `limit_errors` says which limits the routes together
    /// are known to exceed. If there are any, the routes are read but not compiled.
    fn compile(&mut self, document: &RawValue, size: usize, limit_errors: Vec<ProblemKind>) -> Settings {
        let config: Option<Config<'_>> = self.reader.value(document);
        let Some(mut config) = config else { return Settings::default() };
        self.name_is_readable = match &config.name {
            Key::Absent => true,
            Key::Broken(_) | Key::Misspelt => false,
            Key::Set(name) => is_table_name(name),
        };
        let routes_are_known = config.routes.get().is_some() && limit_errors.is_empty();
        let routes = std::mem::take(&mut config.routes).into_first();
        let (mut settings, defaults) = self.settings(config);
        for kind in limit_errors {
            self.report(Place::default().key("routes"), kind);
        }
        // Without the routes it is not known which requests they were meant for.
        if !routes_are_known {
            settings.no_match = NoMatch::Broken;
        }
        if let Some(Routes(routes)) = routes {
            self.reserve(routes.len(), size);
            self.compile_routes(&routes, routes_are_known.then_some(&defaults));
        }
        if routes_are_known && self.methods.are_within_limits() {
            let numbers = self.candidates.iter_mut().map(|candidate| &mut candidate.method);
            self.method_names = std::mem::take(&mut self.methods).into_sorted(numbers);
            self.check_rivals();
            self.check_table_templates(&settings);
            self.check_allowed_namespaces(&settings);
        }
        settings
    }

    /// Reserves memory for a number of routes, in a document of a number of bytes: as much as most routes need. This
    /// saves memory, because a list that grows leaves gaps behind it, and a wasm VM never gives memory back.
    fn reserve(&mut self, routes: usize, bytes: usize) {
        self.candidates.reserve(routes + routes / 4);
        self.match_indexes.reserve(routes);
        let image = &mut self.builder.image;
        image.reserve_total(bytes * 3 / 4 + routes * 160);
        image.reserve(PATTERNS, routes);
        image.reserve(ROUTES, routes);
        image.reserve(TEXTS, bytes * 3 / 4);
        image.reserve(CAPTURES, routes / 2);
        image.reserve(NODES, routes);
    }

    /// Reports names in the table's own templates that no route captures. They break the routes that use the templates.
    fn check_table_templates(&mut self, settings: &Settings) {
        let keys = [("requestHeaders", settings.request_headers), ("responseHeaders", settings.response_headers)];
        // Without routes there is nothing to compare with, and an unreadable pattern may have captured any name.
        if keys.iter().all(|(_, operations)| operations.is_empty())
            || self.builder.image.len(PATTERNS) == 0
            || self.candidates.iter().any(|candidate| candidate.unreadable)
        {
            return;
        }
        let mut captured: Vec<StringId> = self.builder.image.iter(CAPTURES).map(|capture| capture.name).collect();
        captured.sort_unstable();
        for (key, operations) in keys {
            let operations: Vec<Operation> = self.builder.image.span(OPERATIONS, operations).collect();
            let mut is_valid = true;
            for operation in operations {
                is_valid &= self.check_table_template(key, operation, &captured);
            }
            if !is_valid {
                break_routes(&mut self.builder.image, |_, route| key == "responseHeaders" || route.target.forwards());
            }
        }
    }

    /// Warns if `allowNamespaces` has no effect, if it allows any namespace, and if `denyDirect` therefore can't cover the
    /// hosts of captured targets.
    fn check_allowed_namespaces(&mut self, settings: &Settings) {
        let place = Place::default().key("allowNamespaces");
        if self.captured_hosts.keys().any(|(_, namespace)| namespace.contains('{')) {
            if settings.namespaces.any {
                let hosts_are_unknown = settings.deny_direct;
                let kind = if hosts_are_unknown { ProblemKind::DirectHostsUnknown } else { ProblemKind::AnyNamespace };
                self.report(place, kind);
            }
        } else if settings.namespaces != NamespaceSet::default() && !self.reader.problems.has_errors() {
            // With an error, some route may have been meant to capture its namespace.
            self.report(place, ProblemKind::NamespacesNotCaptured);
        }
    }

    /// Reports names in one template that are not in `captured`, which is sorted. Returns whether there are none.
    fn check_table_template(&mut self, key: &'static str, operation: Operation, captured: &[StringId]) -> bool {
        let names = operation.template().into_iter().flat_map(|template| template.captures(&self.builder));
        let mut unknown: Vec<StringId> = names.filter(|name| captured.binary_search(name).is_err()).collect();
        unknown.dedup();
        for name in &unknown {
            let name = self.builder.get(*name).to_owned();
            let place = Place::default().key(key).key(operation.key()).named(self.builder.get(operation.name()));
            self.report(place, ProblemKind::CapturedNowhere { name });
        }
        unknown.is_empty()
    }

    /// Writes the rest of the table, after all routes are compiled.
    fn finish(mut self, mut settings: Settings) -> Compiled {
        if self.reader.problems.has_errors() {
            break_routes(&mut self.builder.image, |index, _| self.reader.problems.is_broken(index as usize));
        }
        self.write_candidates();
        let Compiler { document_hash, name_is_readable, mut reader, mut builder, match_indexes, .. } = self;
        let mut policies: Vec<_> = self.policies.into_iter().collect();
        policies.sort_unstable_by_key(|(_, number)| *number);
        builder.image.append(POLICIES, policies.into_iter().map(|(policy, _)| policy));
        self.conditions.write(&mut builder.image);

        settings.uses_cors = settings.cors != Cors::Off;
        settings.plans_responses = settings.rewrite_location || !settings.response_headers.is_empty();
        for route in builder.image.iter(ROUTES) {
            settings.routes += u32::from(!route.is_broken());
        }
        for extras in builder.image.iter(ROUTE_EXTRAS) {
            settings.uses_cors |= extras.cors != Cors::Off;
            settings.plans_responses |= !extras.response_headers.is_empty();
        }
        settings.plans_responses |= settings.uses_cors;
        settings.methods = builder.list(self.method_names.iter().map(|method| &**method));
        settings.host_template = self.host_template;
        if !settings.deny_direct {
            // Only for a `host`, it makes a difference to Knative's probes whether it is a KSVC.
            self.ksvc_hosts.retain(|host| self.other_hosts.contains(host));
        }
        settings.ksvc_hosts = builder.list(self.ksvc_hosts.iter().map(String::as_str));
        settings.other_hosts = builder.list(self.other_hosts.iter().map(String::as_str));
        if settings.name == StringId::default() {
            settings.name = builder.shared("default");
        }
        self.tree.finish(&mut builder);
        builder.image.push(SETTINGS, settings);

        // An image that was just written can be read.
        let table = RouteTable::read(builder.image.finish(document_hash)).unwrap_or_default();
        let has_errors = reader.problems.has_errors();
        if !has_errors {
            let text = |pattern: MatchRow| table.strings.get(pattern.text).to_owned();
            for BarePrefix { pattern, other, paths, write } in bare_prefixes(&table) {
                let row = |pattern| Some((table.patterns.get(pattern)?, *match_indexes.get(pattern as usize)?));
                let (Some((row, index)), Some((other, other_index))) = (row(pattern), row(other)) else { continue };
                let (place, other_place) = (MatchPlace::new(row, index), MatchPlace::new(other, other_index));
                let kind =
                    ProblemKind::BarePrefix { paths, other: other_place.place(), other_text: text(other), write };
                reader.problems.report(place.place(), kind);
            }
        }
        let (problems, more_problems) = reader.problems.finish();
        Compiled { table, problems, more_problems, name_is_readable, has_errors }
    }

    /// Writes the sorted candidates, and for each entry of the tree where its candidates are.
    fn write_candidates(&mut self) {
        let image = &mut self.builder.image;
        let mut entries = vec![Span::default(); self.tree.entries()];
        for candidates in self.candidates.chunk_by(|a, b| a.entry == b.entry) {
            let span = image.append(CANDIDATES, candidates.iter().map(PendingCandidate::row));
            let entry = candidates.first().and_then(|first| entries.get_mut(first.entry as usize));
            entry.into_iter().for_each(|entry| *entry = span);
        }
        image.append(ENTRIES, entries);
    }
}

fn break_routes(image: &mut ImageBuilder, is_broken: impl Fn(u32, &Route) -> bool) {
    for index in 0..image.len(ROUTES) {
        if image.get(ROUTES, index).is_some_and(|route| is_broken(index, &route)) {
            image.edit(ROUTES, index, |route| route.target = Target::Broken);
        }
    }
}

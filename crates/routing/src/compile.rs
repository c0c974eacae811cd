//! From the document as written to the route table, with everything that is wrong on the way.
//!
//! A bad document yields a table too: a route on which an error bears is broken in it (503), and where the
//! scope itself can't be read the table leaves all traffic untouched. So no request goes to where the
//! document, read in whole, would not have sent it.

pub(crate) mod builder;
mod conditions;
mod cors;
mod headers;
pub(crate) mod host_name;
pub(crate) mod host_template;
mod image_builder;
mod methods;
pub(crate) mod pattern;
mod rivals;
mod route;
mod routes;
mod settings;
mod target;
pub(crate) mod template;
pub(crate) mod tree;

use std::collections::{BTreeSet, HashMap};

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
    CANDIDATES, CAPTURES, Candidate, Cors, ENTRIES, NODES, NoMatch, OPERATIONS, Operation, PATTERNS, POLICIES, Policy,
    ROUTE_EXTRAS, ROUTES, Route, SETTINGS, Settings, StringId, TEXTS, Target,
};

use conditions::ConditionSets;
use methods::Methods;
pub(crate) use settings::is_table_name;

/// A document compiled: always a table, and everything that is wrong.
#[derive(Debug)]
pub struct Compiled {
    pub table: RouteTable,
    /// In the order of the document, as far as they belong to a route. The first of them: at most `limits::PROBLEMS`.
    pub problems: Vec<Problem>,
    /// How many there are beyond those.
    pub more_problems: usize,
    /// Whether the table's `name` could be read, or is left to its default.
    pub name_is_readable: bool,
    has_errors: bool,
}

impl Compiled {
    /// No errors; warnings do not count.
    pub fn is_good(&self) -> bool {
        !self.has_errors
    }
}

/// Compiles a plugin configuration: JSON, as Envoy hands it to the plugin.
pub fn compile(document: &[u8]) -> Compiled {
    compile_as(document, hash(document))
}

/// Compiles a document whose hash is known.
pub(crate) fn compile_as(document: &[u8], hash: u64) -> Compiled {
    if document.len() > limits::DOCUMENT {
        return too_large(document.len(), hash);
    }
    if is_empty(document) {
        return unreadable(ProblemKind::Empty, hash);
    }
    match value::check(document) {
        Ok(checked) => read(checked, document.len(), hash),
        Err(problem) => unreadable(problem, hash),
    }
}

fn is_empty(document: &[u8]) -> bool {
    document.iter().all(u8::is_ascii_whitespace) || serde_json::from_slice::<()>(document).is_ok()
}

fn read(document: &RawValue, size: usize, hash: u64) -> Compiled {
    let mut compiler = Compiler::new(hash);
    let mut compiled = compiler.compile(document, size, Vec::new());
    let beyond_limits = compiler.methods.beyond_limits();
    if !beyond_limits.is_empty() {
        compiler = Compiler::new(hash);
        compiled = compiler.compile(document, size, beyond_limits);
    }
    let (settings, name_is_readable) = compiled;
    compiler.finish(settings, name_is_readable)
}

/// What comes of a document that is not even read.
pub(crate) fn too_large(bytes: usize, hash: u64) -> Compiled {
    unreadable(ProblemKind::TooLarge { bytes, limit: limits::DOCUMENT }, hash)
}

fn unreadable(fault: ProblemKind, hash: u64) -> Compiled {
    let mut compiler = Compiler::new(hash);
    compiler.report(Place::default(), fault);
    compiler.finish(Settings::default(), false)
}

/// Tells documents apart.
pub(crate) fn hash(document: &[u8]) -> u64 {
    xxh64(document, 0)
}

/// A route in the document. Its places are made only where there is something to report.
#[derive(Clone, Copy)]
struct At(usize);

impl At {
    fn place(self) -> Place {
        Place::default().key("routes").index(self.0)
    }

    fn key(self, key: &'static str) -> Place {
        self.place().key(key)
    }
}

/// An element of a route's `match`; no index where it is not a list.
#[derive(Clone, Copy)]
struct Element {
    route: At,
    index: Option<usize>,
}

impl Element {
    fn place(self) -> Place {
        let key = self.route.key("match");
        self.index.map_or(key.clone(), |index| key.index(index))
    }
}

/// What stands for the index of a `match` that is not a list.
const NO_LIST: u16 = u16::MAX;

/// A candidate and what it takes to sort it.
struct Claim {
    entry: u32,
    method: u16,
    unreadable: bool,
    unreadable_conditions: bool,
    conditions: u32,
    condition_count: usize,
    pattern: u32,
}

impl Claim {
    /// Whether it asks for conditions, as far as is known.
    fn is_conditional(&self) -> bool {
        self.unreadable_conditions || self.condition_count > 0
    }
}

struct Compiler {
    /// The document's hash.
    document: u64,
    reader: DocumentReader,
    builder: TableBuilder,
    tree: TreeBuilder,
    methods: Methods,
    /// Sorted: what claims refer to once all of them are known.
    method_names: Vec<Box<str>>,
    claims: Vec<Claim>,
    conditions: ConditionSets,
    /// By pattern: its index in a `match` that is a list.
    elements: Vec<u16>,
    targets: BTreeSet<String>,
    /// By value, with their numbers.
    known_policies: HashMap<Policy, u32>,
}

impl Compiler {
    fn new(document: u64) -> Self {
        let mut builder = TableBuilder::new(document);
        Compiler {
            document,
            reader: DocumentReader::default(),
            tree: TreeBuilder::new(&mut builder),
            builder,
            methods: Methods::default(),
            method_names: Vec::new(),
            claims: Vec::new(),
            conditions: ConditionSets::new(),
            elements: Vec::new(),
            targets: BTreeSet::new(),
            known_policies: HashMap::new(),
        }
    }

    #[cold]
    fn report(&mut self, place: Place, kind: ProblemKind) {
        self.reader.problems.report(place, kind);
    }

    /// Where a pattern stands.
    fn element(&self, pattern: u32) -> Option<Element> {
        let route = At(self.builder.image.get(PATTERNS, pattern)?.route as usize);
        let index = self.elements.get(pattern as usize).copied().filter(|index| *index != NO_LIST);
        Some(Element { route, index: index.map(usize::from) })
    }

    /// Takes in a document; what is left is the part of the table that is not of its routes alone, and whether the
    /// table's name could be read. Where the document is known to have more routes than a table can hold, so it is reported,
    /// and none of them is compiled.
    fn compile(&mut self, document: &RawValue, size: usize, too_many: Vec<ProblemKind>) -> (Settings, bool) {
        let config: Option<Config<'_>> = self.reader.value(document);
        let Some(mut config) = config else { return (Settings::default(), false) };
        let name_is_readable = match &config.name {
            Key::Absent => true,
            Key::Broken(_) => false,
            Key::Set(name) => is_table_name(name),
        };
        let routes_are_known = config.routes.get().is_some() && too_many.is_empty();
        let routes = std::mem::take(&mut config.routes).into_first();
        let (mut settings, defaults) = self.settings(config);
        for kind in too_many {
            self.report(Place::default().key("routes"), kind);
        }
        // Which requests the routes were meant for can't be known otherwise.
        if !routes_are_known {
            settings.no_match = NoMatch::Broken;
        }
        if let Some(Routes(routes)) = routes {
            self.expect(routes.len(), size);
            self.routes(&routes, routes_are_known.then_some(&defaults));
        }
        if routes_are_known && self.methods.beyond_limits().is_empty() {
            self.method_names = std::mem::take(&mut self.methods).sorted(&mut self.claims);
            self.report_ambiguities();
            self.report_captured_nowhere(&settings);
        }
        (settings, name_is_readable)
    }

    /// Makes room for so many routes, with as much of everything as most have: a list that grows leaves gaps in memory that
    /// is never given back.
    fn expect(&mut self, routes: usize, bytes: usize) {
        self.claims.reserve(routes + routes / 4);
        self.elements.reserve(routes);
        let lists = &mut self.builder.image;
        lists.reserve_total(bytes * 3 / 4 + routes * 160);
        lists.reserve(PATTERNS, routes);
        lists.reserve(ROUTES, routes);
        lists.reserve(TEXTS, bytes * 3 / 4);
        lists.reserve(CAPTURES, routes / 2);
        lists.reserve(NODES, routes);
    }

    /// Tells names in the table's own templates that no route captures, and breaks the routes that they bear on.
    fn report_captured_nowhere(&mut self, settings: &Settings) {
        // What can't be read may capture anything, and of no routes nothing can be said.
        let operations = [settings.request_headers, settings.response_headers];
        if operations.iter().all(|span| span.is_empty())
            || self.builder.image.len(PATTERNS) == 0
            || self.claims.iter().any(|claim| claim.unreadable)
        {
            return;
        }
        let mut captured: Vec<StringId> = self.builder.image.iter(CAPTURES).map(|capture| capture.name).collect();
        captured.sort_unstable();
        for (key, operations) in ["requestHeaders", "responseHeaders"].into_iter().zip(operations) {
            let operations: Vec<Operation> = self.builder.image.span(OPERATIONS, operations).collect();
            let mut broken = false;
            for operation in operations {
                let names = operation.template().into_iter().flat_map(|template| template.captures(&self.builder));
                let mut unknown: Vec<StringId> = names.filter(|name| captured.binary_search(name).is_err()).collect();
                unknown.dedup();
                for name in unknown {
                    let name = self.builder.get(name).to_owned();
                    let place =
                        Place::default().key(key).key(operation.key()).named(self.builder.get(operation.name()));
                    self.report(place, ProblemKind::CapturedNowhere { name });
                    broken = true;
                }
            }
            if broken {
                break_routes(&mut self.builder.image, |_, route| {
                    key == "responseHeaders" || matches!(route.target, Target::Forward(..))
                });
            }
        }
    }

    fn finish(mut self, mut settings: Settings, name_is_readable: bool) -> Compiled {
        if self.reader.problems.has_errors() {
            break_routes(&mut self.builder.image, |index, _| self.reader.problems.is_broken(index as usize));
        }
        let Compiler { mut builder, .. } = self;
        let mut entries = vec![Span::default(); self.tree.entries()];
        for claims in self.claims.chunk_by(|a, b| a.entry == b.entry) {
            let candidate = |&Claim { method, unreadable, conditions, pattern, .. }: &Claim| Candidate {
                method,
                unreadable,
                conditions,
                pattern,
            };
            let span = builder.image.append(CANDIDATES, claims.iter().map(candidate));
            if let Some(entry) = claims.first().and_then(|claim| entries.get_mut(claim.entry as usize)) {
                *entry = span;
            }
        }
        builder.image.append(ENTRIES, entries);
        let mut policies: Vec<_> = self.known_policies.into_iter().collect();
        policies.sort_unstable_by_key(|(_, number)| *number);
        builder.image.append(POLICIES, policies.into_iter().map(|(policy, _)| policy));
        self.conditions.finish(&mut builder.image);

        settings.uses_cors = settings.cors != Cors::Off;
        settings.plans_responses = settings.rewrite_location || !settings.response_headers.is_empty();
        for route in builder.image.iter(ROUTES) {
            settings.routes += u32::from(!matches!(route.target, Target::Broken));
        }
        for extras in builder.image.iter(ROUTE_EXTRAS) {
            settings.uses_cors |= extras.cors != Cors::Off;
            settings.plans_responses |= !extras.response_headers.is_empty();
        }
        settings.plans_responses |= settings.uses_cors;
        settings.methods = builder.list(self.method_names.iter().map(|method| &**method));
        settings.targets = builder.list(self.targets.iter().map(String::as_str));
        if settings.name == StringId::default() {
            settings.name = builder.shared("default");
        }
        self.tree.finish(&mut builder);
        builder.image.push(SETTINGS, settings);
        // What has just been written can be read.
        let table = RouteTable::read(builder.image.finish(self.document)).unwrap_or_default();
        let has_errors = self.reader.problems.has_errors();
        let (problems, more_problems) = self.reader.problems.finish();
        Compiled { table, problems, more_problems, name_is_readable, has_errors }
    }
}

fn break_routes(lists: &mut ImageBuilder, which: impl Fn(u32, &Route) -> bool) {
    for index in 0..lists.len(ROUTES) {
        if lists.get(ROUTES, index).is_some_and(|route| which(index, &route)) {
            lists.edit(ROUTES, index, |route| route.target = Target::Broken);
        }
    }
}

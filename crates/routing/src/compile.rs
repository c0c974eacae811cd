//! From the document as written to the route table, with everything that is wrong on the way.
//!
//! A bad document yields a table too: a route on which an error bears is broken in it (503), and where the
//! scope itself can't be read the table leaves all traffic untouched. So no request goes to where the
//! document, read in whole, would not have sent it.

mod ambiguity;
mod conditions;
mod cors;
mod headers;
mod route;
mod settings;
mod target;

use std::collections::{BTreeSet, HashMap};

use xxhash_rust::xxh64::xxh64;

use crate::changes::Operation;
use crate::config::Config;
use crate::cors::{Cors, Policy};
use crate::image::{Span, Writer};
use crate::node::Node;
use crate::pattern::Pattern as PathPattern;
use crate::problem::{Place, Problem, Step, What};
use crate::read::{Key, Read, Reader};
use crate::table::{Candidate, Capture, NoMatch, Pattern, Route, RouteTable, Settings, Target};
use crate::texts::{Text, TextsBuilder};
use crate::tree::TreeBuilder;

use conditions::ConditionSets;
pub(crate) use settings::is_table_name;

/// A document compiled: always a table, and everything that is wrong.
#[derive(Debug)]
pub struct Compiled {
    pub table: RouteTable,
    /// In the order of the document, as far as they belong to a route.
    pub problems: Vec<Problem>,
    /// Whether the table's `name` could be read, or is left to its default.
    pub name_is_readable: bool,
}

impl Compiled {
    /// No errors; warnings do not count.
    pub fn is_good(&self) -> bool {
        !self.problems.iter().any(Problem::is_error)
    }
}

/// Compiles a plugin configuration: JSON, as Envoy hands it to the plugin.
pub fn compile(document: &[u8]) -> Compiled {
    let mut reader = Reader::default();
    let config = read(document, &mut reader);
    let name_is_readable = config.as_ref().is_some_and(|config| match &config.name {
        Key::Absent => true,
        Key::Broken => false,
        Key::Set(name) => is_table_name(name),
    });
    let mut compiler = Compiler::new(hash(document), reader.problems);
    let (table, mut problems) = match config {
        Some(config) => compiler.compile(config),
        None => {
            let problems = std::mem::take(&mut compiler.problems);
            (compiler.finish(Settings::default(), Vec::new()), problems)
        }
    };
    problems.sort_by_key(|problem| route_of(&problem.place).map_or(0, |index| index + 1));
    Compiled { table, problems, name_is_readable }
}

/// Tells documents apart.
pub(crate) fn hash(document: &[u8]) -> u64 {
    xxh64(document, 0)
}

fn read<'a>(document: &'a [u8], reader: &mut Reader) -> Option<Config<'a>> {
    if document.iter().all(u8::is_ascii_whitespace) {
        reader.tell(What::Empty);
        return None;
    }
    match serde_json::from_slice::<Node<'a>>(document) {
        Ok(Node::Null) => {
            reader.tell(What::Empty);
            None
        }
        Ok(node) => Config::read(node, reader),
        Err(error) => {
            reader.tell(What::NotJson { message: error.to_string() });
            None
        }
    }
}

/// The route that a place is in.
fn route_of(place: &Place) -> Option<usize> {
    match place.steps() {
        [Step::Key(key), Step::Index(index), ..] if key == "routes" => Some(*index),
        _ => None,
    }
}

/// A route in the document. Its places are made only where there is something to tell.
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

/// An element of `match` that has been read.
struct ReadPattern<'a> {
    text: &'a str,
    element: Element,
    path: PathPattern<'a>,
}

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

struct Compiler {
    /// The document's hash.
    document: u64,
    problems: Vec<Problem>,
    texts: TextsBuilder,
    tree: TreeBuilder,
    methods: Vec<Box<str>>,
    claims: Vec<Claim>,
    conditions: ConditionSets,
    patterns: Vec<Pattern>,
    captures: Vec<Capture>,
    elements: Vec<Element>,
    routes: Vec<Route>,
    operations: Vec<Operation>,
    targets: BTreeSet<String>,
    /// By value, with their numbers.
    known_policies: HashMap<Policy, u32>,
}

impl Compiler {
    fn new(document: u64, problems: Vec<Problem>) -> Self {
        Compiler {
            document,
            problems,
            texts: TextsBuilder::default(),
            tree: TreeBuilder::new(),
            methods: Vec::new(),
            claims: Vec::new(),
            conditions: ConditionSets::new(),
            patterns: Vec::new(),
            captures: Vec::new(),
            elements: Vec::new(),
            routes: Vec::new(),
            operations: Vec::new(),
            targets: BTreeSet::new(),
            known_policies: HashMap::new(),
        }
    }

    fn tell(&mut self, place: Place, what: What) {
        self.problems.push(Problem { place, what });
    }

    fn compile(mut self, mut config: Config<'_>) -> (RouteTable, Vec<Problem>) {
        let routes = std::mem::take(&mut config.routes);
        let (mut settings, defaults) = self.settings(config);
        match routes {
            Key::Set(routes) => {
                self.collect_methods(&routes);
                for (index, route) in routes.iter().enumerate() {
                    self.route(index, route.as_ref(), &defaults);
                }
            }
            // Which requests the routes were meant for can't be known.
            Key::Absent | Key::Broken => settings.no_match = NoMatch::Broken,
        }
        self.tell_ambiguities();
        self.tell_captured_nowhere(&settings);
        let broken = self.broken_routes();
        let problems = std::mem::take(&mut self.problems);
        (self.finish(settings, broken), problems)
    }

    /// Routes with an error of their own; of duplicates, both.
    fn broken_routes(&self) -> Vec<usize> {
        let errors = self.problems.iter().filter(|problem| problem.is_error());
        let places = errors.flat_map(|problem| std::iter::once(&problem.place).chain(problem.other()));
        places.filter_map(route_of).collect()
    }

    /// Tells names in the table's own templates that no route captures, and breaks the routes that they bear on.
    fn tell_captured_nowhere(&mut self, settings: &Settings) {
        // What can't be read may capture anything, and of no routes nothing can be said.
        if self.patterns.is_empty() || self.claims.iter().any(|claim| claim.unreadable) {
            return;
        }
        let mut captured: Vec<Text> = self.captures.iter().map(|capture| capture.name).collect();
        captured.sort_unstable();
        for (key, operations) in
            [("requestHeaders", settings.request_headers), ("responseHeaders", settings.response_headers)]
        {
            for operation in operations.of(&self.operations).to_vec() {
                let names = operation.template().into_iter().flat_map(|template| template.captures(&self.texts));
                let mut unknown: Vec<Text> = names.filter(|name| captured.binary_search(name).is_err()).collect();
                unknown.dedup();
                for name in unknown {
                    let name = self.texts.get(name).to_owned();
                    let place = Place::default().key(key).key(operation.key()).named(self.texts.get(operation.name()));
                    self.tell(place, What::CapturedNowhere { name });
                    for route in &mut self.routes {
                        if key == "responseHeaders" || matches!(route.target, Target::Forward(..)) {
                            route.target = Target::Broken;
                        }
                    }
                }
            }
        }
    }

    fn finish(mut self, mut settings: Settings, broken: Vec<usize>) -> RouteTable {
        for index in broken {
            if let Some(route) = self.routes.get_mut(index) {
                route.target = Target::Broken;
            }
        }
        let mut entries = vec![Span::default(); self.tree.entries()];
        let mut candidates = Vec::with_capacity(self.claims.len());
        for claims in self.claims.chunk_by(|a, b| a.entry == b.entry) {
            let candidate = |&Claim { method, unreadable, conditions, pattern, .. }: &Claim| Candidate {
                method,
                unreadable,
                conditions,
                pattern,
            };
            let span = Span::append(&mut candidates, claims.iter().map(candidate));
            if let Some(entry) = claims.first().and_then(|claim| entries.get_mut(claim.entry as usize)) {
                *entry = span;
            }
        }
        let mut policies: Vec<_> = self.known_policies.into_iter().collect();
        policies.sort_unstable_by_key(|(_, number)| *number);
        let policies: Vec<Policy> = policies.into_iter().map(|(policy, _)| policy).collect();

        settings.routes = self.routes.iter().filter(|route| !matches!(route.target, Target::Broken)).count() as u32;
        settings.uses_cors = settings.cors != Cors::Off || self.routes.iter().any(|route| route.cors != Cors::Off);
        settings.plans_responses = settings.uses_cors
            || settings.rewrite_location
            || !settings.response_headers.is_empty()
            || self.routes.iter().any(|route| !route.response_headers.is_empty());
        settings.methods = self.texts.list(self.methods.iter().map(|method| &**method));
        settings.targets = self.texts.list(self.targets.iter().map(String::as_str));
        if settings.name == Text::default() {
            settings.name = self.texts.shared("default");
        }
        let tree = self.tree.finish(&mut self.texts);

        // In the order in which `RouteTable::read` reads it.
        let mut image = Writer::new(self.document);
        image.list(&[settings]);
        self.texts.write(&mut image);
        tree.write(&mut image);
        image.list(&entries);
        image.list(&candidates);
        self.conditions.write(&mut image);
        image.list(&self.patterns);
        image.list(&self.captures);
        image.list(&self.routes);
        image.list(&self.operations);
        image.list(&policies);
        // What has just been written can be read.
        RouteTable::read(image.finish()).unwrap_or_default()
    }
}

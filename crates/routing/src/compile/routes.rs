//! The routes of a document, read and compiled one by one: none of them outlives its turn.

use std::collections::BTreeMap;

use super::route::pattern_texts;
use super::settings::Defaults;
use super::{Claim, Compiler};
use crate::config::Route;
use crate::limits;
use crate::node::{self, Node, Place, Stop};
use crate::pattern::{Split, is_token};
use crate::problem::What;
use crate::read::Reader;
use crate::search::ANY;

/// The key of the document under which they stand.
pub(super) const ROUTES: &str = "routes";

impl Compiler {
    /// Reads the routes of a document that has been read before, and compiles them; without defaults, it only tells what
    /// can't be read.
    pub(super) fn routes(&mut self, document: &str, defaults: Option<&Defaults<'_>>) {
        // What has been read once can be read.
        let _ = node::parse(document, &mut Routes { compiler: self, defaults, found: false });
    }

    fn take(&mut self, index: usize, route: Option<&Route<'_>>, defaults: &Defaults<'_>) {
        for text in route.into_iter().flat_map(pattern_texts) {
            self.methods.count(text.unwrap_or_default());
        }
        // Beyond the limits they are only counted.
        if self.methods.are_within_limits() {
            self.route(index, route, defaults);
        }
    }
}

/// Goes from the document to its first `routes`, and through these.
struct Routes<'c, 'd> {
    compiler: &'c mut Compiler,
    defaults: Option<&'c Defaults<'d>>,
    found: bool,
}

impl<'a> Place<'a> for Routes<'_, '_> {
    fn reader(&mut self) -> &mut Reader {
        &mut self.compiler.reader
    }

    fn put(&mut self, node: Node<'_, '_, 'a>) -> Result<(), Stop> {
        match node {
            Node::Object(document) => {
                while let Some(key) = document.key()? {
                    if key == ROUTES && !std::mem::replace(&mut self.found, true) {
                        self.reader().enter(ROUTES);
                        document.put(self)?;
                        self.reader().leave();
                    } else {
                        document.skip(&mut self.compiler.reader)?;
                    }
                }
            }
            Node::List(routes) => {
                let mut index = 0;
                while let Some(route) = routes.next(self.reader())? {
                    if let Some(defaults) = self.defaults {
                        self.compiler.take(index, route.as_ref(), defaults);
                    }
                    index += 1;
                }
            }
            Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) => {}
        }
        Ok(())
    }
}

/// The methods that routes name, and how much there is of them.
pub(super) struct Methods {
    /// By name: numbers in the order in which they were found.
    known: BTreeMap<Box<str>, usize>,
    /// Elements of all `match`es.
    patterns: usize,
    /// Methods of all `match`es.
    candidates: usize,
}

impl Default for Methods {
    fn default() -> Self {
        // They have a place of their own.
        let known = BTreeMap::from([("GET".into(), 0), ("HEAD".into(), 1)]);
        Methods { known, patterns: 0, candidates: 0 }
    }
}

impl Methods {
    /// Takes in the methods of an element of `match`.
    fn count(&mut self, text: &str) {
        let named = Split::new(text, b' ').next().unwrap_or_default();
        let methods = || Split::new(named, b'|');
        let count = methods().count();
        self.patterns += 1;
        if count > limits::METHODS_OF_A_MATCH {
            // That is told where they are written; they stand for any.
            self.candidates += 1;
            return;
        }
        self.candidates += count;
        for method in methods() {
            if !self.known.contains_key(method) && is_token(method) && method != "ANY" {
                self.known.insert(method.into(), self.known.len());
            }
        }
    }

    fn are_within_limits(&self) -> bool {
        self.patterns <= limits::PATTERNS
            && self.candidates <= limits::CANDIDATES
            && self.known.len() <= limits::METHODS
    }

    /// Of what there is more than a table can hold.
    pub(super) fn beyond_limits(&self) -> Vec<What> {
        let counts = [
            ("elements of all `match`es together", self.patterns, limits::PATTERNS),
            ("methods of all `match`es together", self.candidates, limits::CANDIDATES),
            ("different methods", self.known.len(), limits::METHODS),
        ];
        let beyond = counts.into_iter().filter(|(_, found, limit)| found > limit);
        let write = "write fewer, or several tables";
        beyond.map(|(of, found, limit)| What::TooMany { found, of, limit, write }).collect()
    }

    /// The number of one that has been counted.
    pub(super) fn number(&self, method: &str) -> Option<u16> {
        self.known.get(method).and_then(|number| u16::try_from(*number).ok())
    }

    /// All of them in order, by which the claims to them are numbered from now on.
    pub(super) fn sorted(self, claims: &mut [Claim]) -> Vec<Box<str>> {
        let mut places = vec![ANY; self.known.len()];
        for (place, number) in (0..).zip(self.known.values()) {
            places.get_mut(*number).into_iter().for_each(|at| *at = place);
        }
        for claim in claims.iter_mut().filter(|claim| claim.method != ANY) {
            claim.method = places.get(usize::from(claim.method)).copied().unwrap_or(ANY);
        }
        self.known.into_keys().collect()
    }
}

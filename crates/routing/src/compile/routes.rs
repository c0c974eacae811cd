//! The routes of a document, read and compiled one by one: none of them outlives its turn.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::route::pattern_texts;
use super::settings::Defaults;
use super::{Claim, Compiler};
use crate::compile::pattern::{STANDARD_METHODS, Split, is_token, standard_method};
use crate::document::config::Route;
use crate::limits;
use crate::problem::{ProblemKind, Step};
use crate::table::schema::ANY;

impl Compiler {
    /// Reads the routes and compiles them. Without defaults it only reports what can't be read.
    pub(super) fn routes(&mut self, routes: &[&RawValue], defaults: Option<&Defaults<'_>>) {
        self.reader.enter("routes");
        for (index, raw) in routes.iter().enumerate() {
            let route = self.reader.at(Step::Index(index), |reader| reader.value::<Route<'_>>(raw));
            if let Some(defaults) = defaults {
                self.take(index, route.as_ref(), defaults);
            }
        }
        self.reader.leave();
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

/// The methods that routes name, and how much there is of them.
pub(super) struct Methods {
    /// By name: numbers in the order in which they were found.
    known: BTreeMap<Box<str>, usize>,
    /// The same of those that most routes name, at hand.
    standard: [Option<u16>; STANDARD_METHODS],
    /// Elements of all `match`es.
    patterns: usize,
    /// Methods of all `match`es.
    candidates: usize,
}

impl Default for Methods {
    fn default() -> Self {
        // They have a place of their own.
        let known = BTreeMap::from([("GET".into(), 0), ("HEAD".into(), 1)]);
        Methods { known, standard: Default::default(), patterns: 0, candidates: 0 }
    }
}

impl Methods {
    /// Takes in the methods of an element of `match`.
    fn count(&mut self, text: &str) {
        let named = Split::new(text, b' ').next().unwrap_or_default();
        self.patterns += 1;
        if named == "ANY" || self.at_hand(named).is_some() {
            self.candidates += 1;
            return;
        }
        let methods = || Split::new(named, b'|');
        let count = methods().count();
        if count > limits::METHODS_OF_A_MATCH {
            // That is reported where they are written; they stand for any.
            self.candidates += 1;
            return;
        }
        self.candidates += count;
        for method in methods() {
            if !self.known.contains_key(method) && is_token(method) && method != "ANY" {
                self.known.insert(method.into(), self.known.len());
            }
            if let Some(number) = standard_method(method).and_then(|at| self.standard.get_mut(at)) {
                *number = self.known.get(method).and_then(|number| u16::try_from(*number).ok());
            }
        }
    }

    fn are_within_limits(&self) -> bool {
        self.patterns <= limits::PATTERNS
            && self.candidates <= limits::CANDIDATES
            && self.known.len() <= limits::METHODS
    }

    /// Of what there is more than a table can hold.
    pub(super) fn beyond_limits(&self) -> Vec<ProblemKind> {
        let counts = [
            ("elements of all `match`es together", self.patterns, limits::PATTERNS),
            ("methods of all `match`es together", self.candidates, limits::CANDIDATES),
            ("different methods", self.known.len(), limits::METHODS),
        ];
        let beyond = counts.into_iter().filter(|(_, found, limit)| found > limit);
        let write = "write fewer, or several tables";
        beyond.map(|(of, found, limit)| ProblemKind::TooMany { found, of, limit, write }).collect()
    }

    /// The number of one that has been counted.
    pub(super) fn number(&self, method: &str) -> Option<u16> {
        self.at_hand(method).or_else(|| self.known.get(method).and_then(|number| u16::try_from(*number).ok()))
    }

    /// As above, of a standard one.
    pub(super) fn at_hand(&self, method: &str) -> Option<u16> {
        self.standard.get(standard_method(method)?).copied().flatten()
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

//! The methods that the routes of a document name.

use std::collections::BTreeMap;

use super::Claim;
use crate::bytes::is_token;
use crate::limits;
use crate::problem::ProblemKind;
use crate::table::schema::ANY;

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
    pub(super) fn count(&mut self, text: &str) {
        let named = text.split(' ').next().unwrap_or_default();
        self.patterns += 1;
        if named == "ANY" || self.at_hand(named).is_some() {
            self.candidates += 1;
            return;
        }
        let methods = || named.split('|');
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

    pub(super) fn are_within_limits(&self) -> bool {
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

/// How many methods RFC 9110, section 9.3, and RFC 5789 define.
pub(crate) const STANDARD_METHODS: usize = 9;

/// The number of one of these.
pub(crate) fn standard_method(method: &str) -> Option<usize> {
    Some(match method {
        "GET" => 0,
        "HEAD" => 1,
        "POST" => 2,
        "PUT" => 3,
        "PATCH" => 4,
        "DELETE" => 5,
        "OPTIONS" => 6,
        "TRACE" => 7,
        "CONNECT" => 8,
        _ => return None,
    })
}

pub(crate) fn is_standard_method(method: &str) -> bool {
    standard_method(method).is_some()
}

//! Numbers the methods that the routes of a document name.

use std::collections::BTreeMap;

use crate::bytes::is_token;
use crate::limits;
use crate::problem::ProblemKind;
use crate::table::schema::ANY;

/// The methods of a document, each with a number, and how much the document has of what the limits count.
///
/// While the routes are read, methods are numbered in the order in which they are found. At the end, [`into_sorted`]
/// numbers them in the order of their names, as the table needs them.
///
/// [`into_sorted`]: MethodNumbers::into_sorted
pub(super) struct MethodNumbers {
    by_name: BTreeMap<Box<str>, usize>,
    /// The number of elements of all `match`es.
    patterns: usize,
    /// The number of methods of all `match`es.
    candidates: usize,
}

impl Default for MethodNumbers {
    fn default() -> Self {
        // Every table has `GET` and `HEAD`, because the search for a route treats them specially.
        let by_name = BTreeMap::from([("GET".into(), 0), ("HEAD".into(), 1)]);
        MethodNumbers { by_name, patterns: 0, candidates: 0 }
    }
}

impl MethodNumbers {
    /// Counts and numbers the methods of one element of `match`.
    pub(super) fn add(&mut self, pattern: &str) {
        let methods = pattern.split(' ').next().unwrap_or_default();
        let count = method_count(methods);
        self.patterns += 1;
        // A pattern with too many methods is reported when it is parsed, and then counts as one for `ANY`.
        if count > limits::METHODS_OF_A_MATCH {
            self.candidates += 1;
            return;
        }
        self.candidates += count;
        for method in methods.split('|') {
            if !self.by_name.contains_key(method) && is_token(method) && method != "ANY" {
                self.by_name.insert(method.into(), self.by_name.len());
            }
        }
    }

    pub(super) fn are_within_limits(&self) -> bool {
        self.patterns <= limits::PATTERNS
            && self.candidates <= limits::CANDIDATES
            && self.by_name.len() <= limits::METHODS
    }

    /// Returns an error for each limit that is exceeded.
    pub(super) fn limit_errors(&self) -> Vec<ProblemKind> {
        let counts = [
            ("elements of all `match`es together", self.patterns, limits::PATTERNS),
            ("methods of all `match`es together", self.candidates, limits::CANDIDATES),
            ("different methods", self.by_name.len(), limits::METHODS),
        ];
        let exceeded = counts.into_iter().filter(|(_, found, limit)| found > limit);
        let write = "write fewer, or several tables";
        exceeded.map(|(of, found, limit)| ProblemKind::TooMany { found, of, limit, write }).collect()
    }

    /// Returns the number of a method that was added.
    pub(super) fn number(&self, method: &str) -> Option<u16> {
        self.by_name.get(method).and_then(|number| u16::try_from(*number).ok())
    }

    /// Returns the names of all methods, sorted. From now on the number of a method is its index, and `numbers` are
    /// changed to it.
    pub(super) fn into_sorted<'n>(self, numbers: impl Iterator<Item = &'n mut u16>) -> Vec<Box<str>> {
        let mut indexes = vec![ANY; self.by_name.len()];
        for (index, number) in (0..).zip(self.by_name.values()) {
            indexes.get_mut(*number).into_iter().for_each(|at| *at = index);
        }
        for number in numbers.filter(|number| **number != ANY) {
            *number = indexes.get(usize::from(*number)).copied().unwrap_or(ANY);
        }
        self.by_name.into_keys().collect()
    }
}

/// Returns the number of methods in a text such as `GET|POST`.
pub(super) fn method_count(methods: &str) -> usize {
    1 + methods.bytes().filter(|&b| b == b'|').count()
}

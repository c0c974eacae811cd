//! The routes of a document, read and compiled one by one: none of them outlives its turn.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::route::pattern_texts;
use super::settings::Defaults;
use super::{Claim, Compiler};
use crate::config::Route;
use crate::limits;
use crate::node::{Name, ValueOf};
use crate::pattern::{Split, is_token};
use crate::problem::{Step, What};
use crate::search::ANY;

/// The key of the document under which they stand.
pub(super) const ROUTES: &str = "routes";

impl Compiler {
    /// Reads the routes of a document that has been read before, and compiles them; without defaults, it only tells what
    /// can't be read.
    pub(super) fn routes(&mut self, document: &str, defaults: Option<&Defaults<'_>>) {
        let routes = Routes { compiler: self, defaults };
        // What has been read once can be read.
        let _ = routes.deserialize(&mut serde_json::Deserializer::from_str(document));
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
}

impl<'a> DeserializeSeed<'a> for Routes<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Routes<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("routes")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut document: A) -> Result<(), A::Error> {
        while let Some(Name(key)) = document.next_key()? {
            if key == ROUTES {
                return document.next_value_seed(self);
            }
            document.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut routes: A) -> Result<(), A::Error> {
        let Routes { compiler, defaults } = self;
        for index in 0.. {
            let route = compiler.reader.at(Step::Key(Cow::Borrowed(ROUTES)), |reader| {
                reader.at(Step::Index(index), |reader| routes.next_element_seed(ValueOf::<Route<'_>>::new(reader)))
            });
            let Some(route) = route? else { break };
            if let Some(defaults) = defaults {
                compiler.take(index, route.as_ref(), defaults);
            }
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

//! Collects the conditions of all routes. Routes with equal conditions share one set.

use std::collections::HashMap;

use crate::compile::builder::TableBuilder;
use crate::compile::image_builder::ImageBuilder;
use crate::table::schema::{CONDITION_SETS, CONDITIONS, Condition, Conditions, Expected, StringId};

/// The conditions of one route. The lists are sorted, so that sets with the same conditions are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct ConditionSet {
    pub(super) headers: Vec<Condition>,
    pub(super) cookies: Vec<Condition>,
    pub(super) query: Vec<Condition>,
}

/// How many conditions a route has: those on headers and cookies, and those on the query. A route with the greater count
/// comes first.
pub(super) type ConditionCount = (usize, usize);

impl ConditionSet {
    pub(super) fn count(&self) -> ConditionCount {
        (self.headers.len() + self.cookies.len(), self.query.len())
    }

    fn all(&self) -> impl Iterator<Item = &Condition> {
        self.headers.iter().chain(&self.cookies).chain(&self.query)
    }

    /// Returns whether some condition accepts more than one value.
    pub(super) fn has_wildcard(&self) -> bool {
        self.all().any(|condition| !matches!(condition.expected, Expected::Equal(_)))
    }

    /// Returns the names of the headers, cookies and parameters that the conditions are about.
    pub(super) fn names(&self) -> Vec<StringId> {
        self.all().map(|condition| condition.name).collect()
    }

    /// Returns whether these conditions hold for every request for which the others hold. Both have the same number of
    /// conditions.
    pub(super) fn follow_from(&self, others: &ConditionSet, builder: &TableBuilder) -> bool {
        let follow = |these: &[Condition], those: &[Condition]| {
            these.len() == those.len()
                && these
                    .iter()
                    .zip(those)
                    .all(|(this, that)| this.name == that.name && follows(this.expected, that.expected, builder))
        };
        follow(&self.headers, &others.headers)
            && follow(&self.cookies, &others.cookies)
            && follow(&self.query, &others.query)
    }
}

/// Returns whether every value that is as `that` expects is also as `this` expects.
fn follows(this: Expected, that: Expected, builder: &TableBuilder) -> bool {
    match (this, that) {
        (Expected::Present, _) => true,
        (Expected::Prefix(prefix), Expected::Equal(text) | Expected::Prefix(text)) => {
            builder.bytes(text).starts_with(builder.bytes(prefix))
        }
        _ => this == that,
    }
}

/// The different sets of conditions in a document, numbered in the order in which they are added. The set without
/// conditions has the number 0.
pub(super) struct ConditionSets {
    by_number: Vec<ConditionSet>,
    numbers: HashMap<ConditionSet, u32>,
}

impl ConditionSets {
    pub(super) fn new() -> Self {
        ConditionSets { by_number: vec![ConditionSet::default()], numbers: HashMap::new() }
    }

    /// Adds a set, unless there is an equal one, and returns its number.
    pub(super) fn add(&mut self, set: ConditionSet) -> u32 {
        if set == ConditionSet::default() {
            return 0;
        }
        if let Some(number) = self.numbers.get(&set) {
            return *number;
        }
        let number = self.by_number.len() as u32;
        self.by_number.push(set.clone());
        self.numbers.insert(set, number);
        number
    }

    pub(super) fn get(&self, number: u32) -> Option<&ConditionSet> {
        self.by_number.get(number as usize)
    }

    /// Writes the sets and their conditions into the table.
    pub(super) fn write(self, image: &mut ImageBuilder) {
        for ConditionSet { headers, cookies, query } in self.by_number {
            let [headers, cookies, query] = [headers, cookies, query].map(|list| image.append(CONDITIONS, list));
            image.push(CONDITION_SETS, Conditions { headers, cookies, query });
        }
    }
}

//! Collects the conditions of all routes. Routes with equal conditions share one set.

use std::collections::HashMap;

use crate::compile::image_builder::ImageBuilder;
use crate::table::schema::{CONDITION_SETS, CONDITIONS, Condition, Conditions, Expected, StringId};

/// The conditions of one route. Both lists are sorted, so that sets with the same conditions are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct ConditionSet {
    pub(super) headers: Vec<Condition>,
    pub(super) query: Vec<Condition>,
}

impl ConditionSet {
    pub(super) fn len(&self) -> usize {
        self.headers.len() + self.query.len()
    }

    /// Returns whether some condition requires only that a header or parameter is present.
    pub(super) fn has_presence(&self) -> bool {
        self.headers.iter().chain(&self.query).any(|condition| condition.expected == Expected::Present)
    }

    /// Returns the names of the headers and parameters that the conditions are about.
    pub(super) fn names(&self) -> Vec<StringId> {
        self.headers.iter().chain(&self.query).map(|condition| condition.name).collect()
    }

    /// Returns whether these conditions hold for every request for which the others hold.
    pub(super) fn follow_from(&self, others: &ConditionSet) -> bool {
        let follow = |these: &[Condition], those: &[Condition]| {
            these.len() == those.len()
                && these.iter().zip(those).all(|(this, that)| {
                    this.name == that.name && (this.expected == that.expected || this.expected == Expected::Present)
                })
        };
        follow(&self.headers, &others.headers) && follow(&self.query, &others.query)
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
        if set.len() == 0 {
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
        for ConditionSet { headers, query } in self.by_number {
            let set = Conditions { headers: image.append(CONDITIONS, headers), query: image.append(CONDITIONS, query) };
            image.push(CONDITION_SETS, set);
        }
    }
}

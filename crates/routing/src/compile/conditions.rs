//! The conditions of all routes, each set of them once.

use std::collections::HashMap;

use crate::compile::image_builder::ImageBuilder;
use crate::table::schema::{CONDITION_SETS, CONDITIONS, Condition, Conditions, Expected, StringId};

/// Of one route. Sorted, so that equal sets are equal values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct ConditionSet {
    pub(super) headers: Vec<Condition>,
    pub(super) query: Vec<Condition>,
}

impl ConditionSet {
    pub(super) fn len(&self) -> usize {
        self.headers.len() + self.query.len()
    }

    /// Whether some condition asks for presence alone.
    pub(super) fn has_presence(&self) -> bool {
        self.headers.iter().chain(&self.query).any(|condition| condition.expected == Expected::Present)
    }

    /// What is asked about, header or parameter.
    pub(super) fn names(&self) -> Vec<StringId> {
        self.headers.iter().chain(&self.query).map(|condition| condition.name).collect()
    }

    /// Whether these conditions hold wherever the others do.
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

/// By number; that of no conditions is 0.
pub(super) struct ConditionSets {
    all: Vec<ConditionSet>,
    known: HashMap<ConditionSet, u32>,
}

impl ConditionSets {
    pub(super) fn new() -> Self {
        let none = ConditionSet::default();
        ConditionSets { all: vec![none.clone()], known: HashMap::from([(none, 0)]) }
    }

    pub(super) fn number(&mut self, set: ConditionSet) -> u32 {
        if set.len() == 0 {
            return 0;
        }
        if let Some(known) = self.known.get(&set) {
            return *known;
        }
        let number = self.all.len() as u32;
        self.known.insert(set.clone(), number);
        self.all.push(set);
        number
    }

    pub(super) fn get(&self, number: u32) -> Option<&ConditionSet> {
        self.all.get(number as usize)
    }

    /// Writes the sets, and the conditions of all of them.
    pub(super) fn finish(self, lists: &mut ImageBuilder) {
        for ConditionSet { headers, query } in self.all {
            let set = Conditions { headers: lists.append(CONDITIONS, headers), query: lists.append(CONDITIONS, query) };
            lists.push(CONDITION_SETS, set);
        }
    }
}

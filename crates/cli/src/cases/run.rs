//! Runs cases with the tables of a gateway.

use std::collections::HashSet;

use ksvc_explanation::decision::explain_with_response;

use super::{Case, Mismatch};
use crate::tables::Tables;

/// A case that has run.
#[derive(Debug)]
pub struct Outcome {
    pub case: Case,
    pub mismatches: Vec<Mismatch>,
}

impl Outcome {
    pub fn passed(&self) -> bool {
        self.mismatches.is_empty()
    }
}

/// Runs all cases. The set has the routes that were chosen: the index of the table and of the route.
pub fn run(tables: &Tables, cases: Vec<Case>) -> (Vec<Outcome>, HashSet<(usize, usize)>) {
    let mut chosen = HashSet::new();
    let outcomes = cases.into_iter().filter_map(|case| {
        let index = tables.deciding(&case.request);
        let table = &tables.as_slice().get(index)?.compiled.table;
        let explanation = explain_with_response(table, &case.request, &case.response);
        chosen.extend(explanation.route_index.map(|route| (index, route)));
        Some(Outcome { mismatches: case.compare(&explanation.fields), case })
    });
    (outcomes.collect(), chosen)
}

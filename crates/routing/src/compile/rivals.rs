//! Routes that get in each other's way: those that can't be told apart, and those that are never chosen.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::{Claim, Compiler};
use crate::limits::CONDITIONAL;
use crate::problem::{Place, ProblemKind};
use crate::table::schema::{PATTERNS, StringId};

impl Compiler {
    /// Sorts the claims into their order of precedence, and tells those that get in each other's way.
    pub(super) fn report_ambiguities(&mut self) {
        self.claims.sort_unstable_by_key(|claim| {
            let rank = (!claim.unreadable_conditions, Reverse(claim.condition_count), claim.pattern);
            (claim.entry, !claim.unreadable, claim.method, rank)
        });
        // By pair of patterns: the methods for which they can't be told apart.
        let mut duplicates: HashMap<(u32, u32), Vec<u16>> = HashMap::new();
        // By pattern: how many of its claims are shadowed, and by which pattern.
        let mut shadowed: HashMap<u32, (usize, u32)> = HashMap::new();
        let mut crowds: Vec<Range<usize>> = Vec::new();
        let mut end = 0;
        for rivals in
            self.claims.chunk_by(|a, b| (a.entry, a.unreadable, a.method) == (b.entry, b.unreadable, b.method))
        {
            let start = end;
            end += rivals.len();
            if rivals.get(CONDITIONAL).is_some_and(Claim::is_conditional) {
                crowds.push(start..end);
            }
            if rivals.len() < 2 || rivals.iter().any(|claim| claim.unreadable) {
                continue;
            }
            let mut first_with: HashMap<u32, u32> = HashMap::new();
            // By what they ask about: only conditions on the same names can shadow each other.
            let mut with_presence: HashMap<Vec<StringId>, Vec<&Claim>> = HashMap::new();
            for (rank, claim) in rivals.iter().enumerate().filter(|(_, claim)| !claim.unreadable_conditions) {
                let conditions = self.conditions.get(claim.conditions);
                if let Some(first) = first_with.get(&claim.conditions) {
                    duplicates.entry((*first, claim.pattern)).or_default().push(claim.method);
                    continue;
                }
                first_with.insert(claim.conditions, claim.pattern);
                // Those beyond the limit are reported for that.
                let Some(conditions) = conditions.filter(|_| rank < CONDITIONAL) else { continue };
                let names = conditions.names();
                let stronger = with_presence.get(&names).into_iter().flatten().find(|other| {
                    self.conditions.get(other.conditions).is_some_and(|others| others.follow_from(conditions))
                });
                if let Some(stronger) = stronger {
                    shadowed.entry(claim.pattern).or_insert((0, stronger.pattern)).0 += 1;
                }
                if conditions.has_presence() {
                    with_presence.entry(names).or_default().push(claim);
                }
            }
        }
        let mut duplicates: Vec<_> = duplicates.into_iter().collect();
        duplicates.sort_unstable();
        for ((first, second), methods) in duplicates {
            let names: Vec<&str> = methods.iter().map(|method| self.method(*method)).collect();
            let methods = format!("both for {}", names.join(", "));
            if let Some((place, other, other_text)) = self.pair(second, first) {
                self.report(place, ProblemKind::Duplicate { other, other_text, methods });
            }
        }
        let mut claims: HashMap<u32, usize> = HashMap::new();
        for claim in self.claims.iter().filter(|claim| shadowed.contains_key(&claim.pattern)) {
            *claims.entry(claim.pattern).or_default() += 1;
        }
        let mut shadowed: Vec<_> = shadowed.into_iter().collect();
        shadowed.sort_unstable();
        for (pattern, (count, by)) in shadowed {
            let all = claims.get(&pattern) == Some(&count);
            if let (true, Some((place, other, other_text))) = (all, self.pair(pattern, by)) {
                self.report(place, ProblemKind::Shadowed { other, other_text });
            }
        }
        self.thin_out(crowds);
    }

    /// Tells routes with conditions beyond the limit, whose place among their rivals one claim takes that no condition
    /// bears on: broken, so that no request goes on to a route that stands behind them.
    fn thin_out(&mut self, crowds: Vec<Range<usize>>) {
        let mut reported = HashSet::new();
        let mut dropped = vec![false; if crowds.is_empty() { 0 } else { self.claims.len() }];
        for crowd in crowds {
            let rivals = self.claims.get(crowd.clone()).unwrap_or_default();
            let found = rivals.iter().filter(|claim| claim.is_conditional()).count();
            let method = rivals.first().map_or("ANY", |claim| self.method(claim.method)).to_owned();
            let (first, last) = (crowd.start + CONDITIONAL, crowd.start + found);
            let surplus: Vec<(u32, bool)> = self
                .claims
                .get(first..last)
                .unwrap_or_default()
                .iter()
                .map(|claim| (claim.pattern, claim.unreadable))
                .collect();
            for (pattern, unreadable) in surplus {
                // What can't be read has been reported, and is broken.
                if let (false, true, Some(element)) = (unreadable, reported.insert(pattern), self.element(pattern)) {
                    let kind = ProblemKind::TooManyConditional { found, method: method.clone(), limit: CONDITIONAL };
                    self.report(element.place(), kind);
                }
            }
            if let Some(claim) = self.claims.get_mut(first) {
                claim.conditions = 0;
            }
            dropped.iter_mut().take(crowd.end).skip(first + 1).for_each(|dropped| *dropped = true);
        }
        if !dropped.is_empty() {
            let mut dropped = dropped.into_iter();
            self.claims.retain(|_| dropped.next() != Some(true));
        }
    }

    fn method(&self, number: u16) -> &str {
        self.method_names.get(usize::from(number)).map_or("ANY", |name| name)
    }

    /// The places of two patterns, and the text of the second.
    fn pair(&self, pattern: u32, other: u32) -> Option<(Place, Place, String)> {
        let place = self.element(pattern)?.place();
        let other_place = self.element(other)?.place();
        let text = self.builder.get(self.builder.image.get(PATTERNS, other)?.text).to_owned();
        Some((place, other_place, text))
    }
}

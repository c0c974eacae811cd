//! Compares rivals: routes for the same path and the same method.
//!
//! Only the conditions and the order in the document decide between rivals. Two rivals with equal conditions are an
//! error, because nothing tells them apart. A rival that is never chosen, because another one is always chosen first,
//! is a warning.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use super::{Compiler, PendingCandidate};
use crate::limits::CONDITIONAL;
use crate::problem::{Place, ProblemKind};
use crate::table::schema::{PATTERNS, StringId};

/// The conflicts between rivals.
#[derive(Default)]
struct Conflicts {
    /// The pairs of patterns that can't be told apart, and the methods for which that is so.
    duplicates: BTreeMap<(u32, u32), Vec<u16>>,
    /// The patterns with candidates that are never chosen, with the number of these and a pattern that is chosen first.
    shadowed: BTreeMap<u32, (usize, u32)>,
    /// The indexes of rivals of which more have conditions than the limit allows.
    crowded: Vec<Range<usize>>,
}

impl Compiler {
    /// Sorts the candidates into their order of precedence, and reports the conflicts between rivals.
    pub(super) fn check_rivals(&mut self) {
        self.candidates.sort_unstable_by_key(|candidate| {
            let rank = (!candidate.unreadable_conditions, Reverse(candidate.condition_count), candidate.pattern);
            (candidate.entry, !candidate.unreadable, candidate.method, rank)
        });
        let conflicts = self.find_conflicts();
        self.report_duplicates(conflicts.duplicates);
        self.report_shadowed(conflicts.shadowed);
        self.limit_conditional(&conflicts.crowded);
    }

    fn find_conflicts(&self) -> Conflicts {
        let mut conflicts = Conflicts::default();
        let mut end = 0;
        let are_rivals = |a: &PendingCandidate, b: &PendingCandidate| {
            (a.entry, a.unreadable, a.method) == (b.entry, b.unreadable, b.method)
        };
        for rivals in self.candidates.chunk_by(are_rivals) {
            let start = end;
            end += rivals.len();
            // The candidates with conditions come first.
            if rivals.get(CONDITIONAL).is_some_and(PendingCandidate::is_conditional) {
                conflicts.crowded.push(start..end);
            }
            if rivals.len() > 1 && !rivals.iter().any(|rival| rival.unreadable) {
                self.compare(rivals, &mut conflicts);
            }
        }
        conflicts
    }

    /// Compares each of these rivals, which are sorted, with those before it.
    fn compare(&self, rivals: &[PendingCandidate], conflicts: &mut Conflicts) {
        let mut first_with: HashMap<u32, u32> = HashMap::new();
        // The rivals that have a condition for mere presence or for a prefix, by the names in their conditions. Only such
        // a rival can shadow another one, and only one with the same names: it has at least as many conditions on headers
        // and cookies as the other one, and with as many of those, at least as many on the query.
        let mut with_wildcard: HashMap<Vec<StringId>, Vec<&PendingCandidate>> = HashMap::new();
        for (rank, rival) in rivals.iter().enumerate().filter(|(_, rival)| !rival.unreadable_conditions) {
            if let Some(first) = first_with.get(&rival.conditions) {
                conflicts.duplicates.entry((*first, rival.pattern)).or_default().push(rival.method);
                continue;
            }
            first_with.insert(rival.conditions, rival.pattern);
            // A rival beyond the limit is reported because of the limit, and not also for being shadowed.
            let conditions = self.conditions.get(rival.conditions).filter(|_| rank < CONDITIONAL);
            let Some(conditions) = conditions else { continue };
            let names = conditions.names();
            let stronger = with_wildcard.get(&names).into_iter().flatten().find(|other| {
                self.conditions
                    .get(other.conditions)
                    .is_some_and(|others| others.follow_from(conditions, &self.builder))
            });
            if let Some(stronger) = stronger {
                conflicts.shadowed.entry(rival.pattern).or_insert((0, stronger.pattern)).0 += 1;
            }
            if conditions.has_wildcard() {
                with_wildcard.entry(names).or_default().push(rival);
            }
        }
    }

    fn report_duplicates(&mut self, duplicates: BTreeMap<(u32, u32), Vec<u16>>) {
        for ((first, second), methods) in duplicates {
            let names: Vec<&str> = methods.iter().map(|method| self.method(*method)).collect();
            let methods = format!("both for {}", names.join(", "));
            if let Some((place, other, other_text)) = self.places(second, first) {
                self.report(place, ProblemKind::Duplicate { other, other_text, methods });
            }
        }
    }

    /// Warns of the patterns of which all candidates are shadowed.
    fn report_shadowed(&mut self, shadowed: BTreeMap<u32, (usize, u32)>) {
        let mut counts: HashMap<u32, usize> = HashMap::new();
        for candidate in self.candidates.iter().filter(|candidate| shadowed.contains_key(&candidate.pattern)) {
            *counts.entry(candidate.pattern).or_default() += 1;
        }
        for (pattern, (count, by)) in shadowed {
            let all = counts.get(&pattern) == Some(&count);
            if let (true, Some((place, other, other_text))) = (all, self.places(pattern, by)) {
                self.report(place, ProblemKind::Shadowed { other, other_text });
            }
        }
    }

    /// Limits how many rivals have conditions, because the search may check the conditions of each of them.
    ///
    /// The routes beyond the limit are reported, so they are broken. Only the first of their candidates is kept, without
    /// its conditions. Every request that gets that far is answered 503 there, so no request reaches a route
    /// after them.
    fn limit_conditional(&mut self, crowded: &[Range<usize>]) {
        if crowded.is_empty() {
            return;
        }
        let mut reported = HashSet::new();
        let mut is_kept = vec![true; self.candidates.len()];
        for range in crowded {
            let rivals = self.candidates.get(range.clone()).unwrap_or_default();
            let found = rivals.iter().filter(|rival| rival.is_conditional()).count();
            let method = rivals.first().map_or("ANY", |rival| self.method(rival.method)).to_owned();
            let beyond = rivals.iter().take(found).skip(CONDITIONAL);
            let beyond: Vec<(u32, bool)> = beyond.map(|rival| (rival.pattern, rival.unreadable)).collect();
            for (pattern, unreadable) in beyond {
                // A route that can't be read has been reported already, and is broken.
                if let (false, true, Some(place)) = (unreadable, reported.insert(pattern), self.match_place(pattern)) {
                    let kind = ProblemKind::TooManyConditional { found, method: method.clone(), limit: CONDITIONAL };
                    self.report(place.place(), kind);
                }
            }
            let first = range.start + CONDITIONAL;
            self.candidates.get_mut(first).into_iter().for_each(|candidate| candidate.conditions = 0);
            is_kept.iter_mut().take(range.end).skip(first + 1).for_each(|is_kept| *is_kept = false);
        }
        let mut is_kept = is_kept.into_iter();
        self.candidates.retain(|_| is_kept.next() == Some(true));
    }

    /// Returns the name of a method.
    fn method(&self, number: u16) -> &str {
        self.method_names.get(usize::from(number)).map_or("ANY", |name| name)
    }

    /// Returns the places of two patterns, and the text of the second.
    fn places(&self, pattern: u32, other: u32) -> Option<(Place, Place, String)> {
        let place = self.match_place(pattern)?.place();
        let other_place = self.match_place(other)?.place();
        let text = self.builder.get(self.builder.image.get(PATTERNS, other)?.text).to_owned();
        Some((place, other_place, text))
    }
}

//! Finds the route that serves a request.
//!
//! Of all routes that match, the first one in this order is chosen: the more specific path (`table/tree.rs` has that
//! order), then the method (`HEAD` before `GET` before `ANY`), then conditions, then the order in the document. A path
//! without a route for the method is passed over. If a path has routes for the method, but their conditions fail, then
//! only routes without conditions are considered at less specific paths.
//!
//! `decide` and `explain` share this search. `explain` additionally keeps a [`Trail`].

use std::ops::ControlFlow;

use crate::request::Head;
use crate::table::RouteTable;
use crate::table::conditions::{ConditionValues, FailedCondition};
use crate::table::schema::{ANY, Candidate, Cors, Entry, UNNAMED};
use crate::table::tree::Ending;

/// Notes what a search does with each candidate that it looks at.
pub(crate) trait Trail: Default {
    /// True if the notes are kept. A search does extra work only for notes that are.
    const KEPT: bool;

    /// A search begins. It replaces what an earlier search of the same request has noted.
    fn begin(&mut self, order: MethodOrder);

    /// A candidate was looked at.
    fn note(&mut self, candidate: Candidate, step: Step);

    /// Adds the notes of a part of the search.
    fn append(&mut self, part: Self);
}

/// The result of looking at a candidate.
pub(crate) enum Step {
    Chosen,
    ConditionFails(FailedCondition),
    /// Its conditions were not asked, because those of a more specific path have failed.
    OnlyUnconditional,
}

/// The trail of `decide`, which keeps nothing.
impl Trail for () {
    const KEPT: bool = false;

    #[inline(always)]
    fn begin(&mut self, _: MethodOrder) {}

    #[inline(always)]
    fn note(&mut self, _: Candidate, _: Step) {}

    #[inline(always)]
    fn append(&mut self, (): ()) {}
}

/// The methods whose routes can serve a request, best first: the request's own, `GET` for a `HEAD` request, and `ANY`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MethodOrder([u16; 3]);

impl MethodOrder {
    fn new(table: &RouteTable, method: &[u8]) -> Self {
        match method {
            b"GET" => MethodOrder([table.get_method, UNNAMED, ANY]),
            b"HEAD" => MethodOrder([table.method_number(method), table.get_method, ANY]),
            _ => MethodOrder([table.method_number(method), UNNAMED, ANY]),
        }
    }

    /// Returns whether routes for this method can serve the request.
    pub(crate) fn has(self, method: u16) -> bool {
        self.0.contains(&method)
    }

    /// Returns the rank of a candidate at its path, lowest first; `None` if it does not serve the method. Candidates of
    /// unreadable patterns come before all others.
    fn rank(self, candidate: Candidate) -> Option<usize> {
        let method = self.0.iter().position(|method| *method == candidate.method)?;
        Some(if candidate.unreadable { Self::UNREADABLE } else { Self::NAMED + method })
    }

    const UNREADABLE: usize = 0;
    /// The rank of candidates that name the request's own method.
    const NAMED: usize = 1;

    /// Returns the candidates of one path that serve the method, best first.
    pub(crate) fn ranked(self, candidates: impl Iterator<Item = Candidate>) -> Vec<Candidate> {
        let mut serving: Vec<_> = candidates.filter(|candidate| self.has(candidate.method)).collect();
        serving.sort_by_key(|candidate| self.rank(*candidate));
        serving
    }
}

/// The result of a search.
pub(crate) enum Found {
    Route {
        pattern: u32,
    },
    /// Some pattern matches the path, but none that does serves the method.
    MethodNotAllowed {
        allow: String,
    },
    Nothing,
}

impl RouteTable {
    /// Finds the route for a method and a path. `below` is the path below `basePath` in its normal form. Without a
    /// head, conditions on headers and cookies count as fulfilled.
    pub(crate) fn find<T: Trail>(
        &self,
        method: &[u8],
        head: Option<&Head<'_>>,
        query: Option<&[u8]>,
        below: &[u8],
        trail: &mut T,
    ) -> Found {
        let order = MethodOrder::new(self, method);
        trail.begin(order);
        let values = ConditionValues::new(head, query);
        let mut search = Search { table: self, order, values, without_method: Vec::new(), conditions_failed: false };
        if let Some(pattern) = search.run(below, trail) {
            return Found::Route { pattern };
        }
        if self.settings.ignore_trailing_slash
            && let Some(toggled) = toggle_trailing_slash(below)
            && let Some(pattern) = search.run(&toggled, trail)
        {
            return Found::Route { pattern };
        }
        match search.allow() {
            Some(allow) => Found::MethodNotAllowed { allow },
            None => Found::Nothing,
        }
    }

    /// Returns the methods that the routes at these entries name, sorted, with the `HEAD` that `GET` implies. `ANY` is
    /// not among them.
    pub(crate) fn method_names(&self, entries: &[Entry]) -> Vec<&str> {
        let mut numbers = Vec::new();
        for candidate in entries.iter().flat_map(|entry| self.candidates(*entry)) {
            insert(&mut numbers, candidate.method);
        }
        // The numbers of methods are in the order of their names.
        let named = numbers.into_iter().filter(|number| *number != ANY);
        let mut names: Vec<&str> =
            named.filter_map(|number| self.strings.at(self.settings.methods, number.into())).collect();
        if names.binary_search(&"GET").is_ok() {
            insert(&mut names, "HEAD");
        }
        names
    }

    /// Returns the entries of all patterns that match a path, in the order of precedence. Where trailing slashes are
    /// ignored, the other form of the path comes second.
    pub(crate) fn matching_entries(&self, below: &[u8]) -> Vec<Entry> {
        let mut entries = self.matching_form(below);
        if let Some(toggled) = toggle_trailing_slash(below).filter(|_| self.settings.ignore_trailing_slash) {
            for entry in self.matching_form(&toggled) {
                if !entries.contains(&entry) {
                    entries.push(entry);
                }
            }
        }
        entries
    }

    fn matching_form(&self, below: &[u8]) -> Vec<Entry> {
        let (mut exact, mut rests) = (Vec::new(), Vec::new());
        self.tree.search(&self.strings, below, &mut |ending, entry| {
            match ending {
                Ending::Exact => exact.push(entry),
                Ending::Unknown if rests.is_empty() => exact.push(entry),
                Ending::Unknown | Ending::Rest => rests.push(entry),
            }
            ControlFlow::Continue(())
        });
        exact.append(&mut rests);
        exact
    }

    /// Returns the first condition of a candidate that the request does not fulfil.
    #[inline(never)]
    fn first_failed(&self, candidate: Candidate, values: &ConditionValues<'_>) -> Option<FailedCondition> {
        let conditions = self.condition_sets.get(candidate.conditions).unwrap_or_default();
        conditions.first_failed(&self.conditions, &self.strings, values)
    }

    fn has_cors(&self, candidate: Candidate) -> bool {
        self.route(candidate.pattern).is_some_and(|route| matches!(self.extras(route).cors, Cors::On(_)))
    }

    /// Returns the candidates of one entry, as the compiler has sorted them.
    pub(crate) fn candidates(&self, entry: Entry) -> impl Iterator<Item = Candidate> + Clone + '_ {
        self.candidates.span(self.entries.get(entry).unwrap_or_default())
    }
}

/// Returns `/a` for `/a/` and the reverse; `None` for the root, which has one form only.
fn toggle_trailing_slash(below: &[u8]) -> Option<Vec<u8>> {
    match below {
        b"" | b"/" => None,
        _ => Some(below.strip_suffix(b"/").map_or_else(|| [below, b"/"].concat(), <[u8]>::to_vec)),
    }
}

struct Search<'s> {
    table: &'s RouteTable,
    order: MethodOrder,
    values: ConditionValues<'s>,
    /// Entries that matched, but have no route for the method.
    without_method: Vec<Entry>,
    /// True if some entry has routes for the method, and the conditions of all of them failed.
    conditions_failed: bool,
}

/// The state of the search among patterns with one kind of ending.
#[derive(Default)]
struct Walk<T> {
    /// The pattern that was found.
    found: Option<u32>,
    /// True if conditions have failed at a more specific path.
    unconditional_only: bool,
    trail: T,
}

impl Search<'_> {
    fn run<T: Trail>(&mut self, below: &[u8], trail: &mut T) -> Option<u32> {
        let table = self.table;
        // Patterns that end with `{*name}` come after all others, but the tree visits them in between. They have two
        // walks, one for each result that the search among the others can have if it finds nothing.
        let mut exact = Walk::default();
        let mut rest = Walk::default();
        let mut rest_unconditional = Walk { unconditional_only: true, ..Walk::default() };
        table.tree.search(&table.strings, below, &mut |ending, entry| match ending {
            Ending::Unknown if rest.found.is_some() => ControlFlow::Continue(()),
            Ending::Exact | Ending::Unknown => {
                self.visit(entry, &mut exact);
                if exact.found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
            Ending::Rest => {
                for walk in [&mut rest, &mut rest_unconditional] {
                    if walk.found.is_none() {
                        self.visit(entry, walk);
                    }
                }
                ControlFlow::Continue(())
            }
        });
        trail.append(exact.trail);
        if exact.found.is_some() {
            return exact.found;
        }
        let rest = if exact.unconditional_only { rest_unconditional } else { rest };
        trail.append(rest.trail);
        rest.found
    }

    /// Looks at the candidates of one entry.
    fn visit<T: Trail>(&mut self, entry: Entry, walk: &mut Walk<T>) {
        let mut has_method = false;
        let mut best: Option<(usize, Candidate)> = None;
        for candidate in self.table.candidates(entry) {
            let Some(rank) = self.order.rank(candidate) else { continue };
            has_method = true;
            if best.is_none_or(|(lowest, _)| rank < lowest) && self.holds(candidate, walk) {
                best = Some((rank, candidate));
                // The candidates are sorted, so that those after this one have a higher rank.
                if rank <= MethodOrder::NAMED {
                    break;
                }
            }
        }
        if let Some((_, candidate)) = best {
            walk.trail.note(candidate, Step::Chosen);
            walk.found = Some(candidate.pattern);
        } else if has_method {
            self.conditions_failed = true;
            walk.unconditional_only = true;
        } else {
            self.without_method.push(entry);
        }
    }

    /// Returns whether the conditions of a candidate allow it to be chosen.
    fn holds<T: Trail>(&self, candidate: Candidate, walk: &mut Walk<T>) -> bool {
        if candidate.conditions == 0 {
            return true;
        }
        if walk.unconditional_only && !T::KEPT {
            return false;
        }
        match self.table.first_failed(candidate, &self.values) {
            Some(failed) => walk.trail.note(candidate, Step::ConditionFails(failed)),
            None if walk.unconditional_only => walk.trail.note(candidate, Step::OnlyUnconditional),
            None => return true,
        }
        false
    }

    /// Returns the value of the `Allow` header, if the method alone kept the request from being served.
    fn allow(&self) -> Option<String> {
        if self.conditions_failed || self.without_method.is_empty() {
            return None;
        }
        let mut names = self.table.method_names(&self.without_method);
        let table_has_cors = matches!(self.table.settings.cors, Cors::On(_));
        let candidates = || self.without_method.iter().flat_map(|entry| self.table.candidates(*entry));
        if table_has_cors
            || self.table.settings.uses_cors && candidates().any(|candidate| self.table.has_cors(candidate))
        {
            insert(&mut names, "OPTIONS");
        }
        Some(names.join(", "))
    }
}

/// Inserts a value into a sorted list, unless the list has it.
pub(crate) fn insert<T: Ord>(sorted: &mut Vec<T>, value: T) {
    if let Err(at) = sorted.binary_search(&value) {
        sorted.insert(at, value);
    }
}

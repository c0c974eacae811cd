//! Which route serves a request: the candidates of the paths that match, in the order of precedence.
//!
//! Path first, then method (`HEAD` before `GET` before `ANY`), then conditions, then file order. A path
//! without a route for the method is passed over; once conditions have failed at a path that has one, only
//! unconditional routes of less specific paths are next.

use std::ops::ControlFlow;

use crate::request::Head;
use crate::table::RouteTable;
use crate::table::conditions::{Failing, Query};
use crate::table::schema::{ANY, Candidate, Cors, Entry, UNNAMED};
use crate::table::tree::Ending;

/// The methods whose routes serve a request, first to last: itself, the one that implies it, and `ANY`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MethodOrder([u16; 3]);

impl MethodOrder {
    pub(crate) fn new(table: &RouteTable, method: &[u8]) -> Self {
        match method {
            b"GET" => MethodOrder([table.get, UNNAMED, ANY]),
            b"HEAD" => MethodOrder([table.method(method), table.get, ANY]),
            _ => MethodOrder([table.method(method), UNNAMED, ANY]),
        }
    }

    pub(crate) fn has(self, method: u16) -> bool {
        self.0.contains(&method)
    }

    /// The turn of a candidate that serves the method. Unreadable ones come first, methods have their turns behind them.
    fn turn(self, candidate: Candidate) -> Option<usize> {
        let turn = self.0.iter().position(|method| *method == candidate.method)?;
        Some(if candidate.unreadable { Self::UNREADABLE } else { Self::NAMED + turn })
    }

    const UNREADABLE: usize = 0;
    /// Of those that name the request's own method.
    const NAMED: usize = 1;

    /// The candidates of an entry that serve the method, first to last.
    pub(crate) fn in_turn(self, candidates: impl Iterator<Item = Candidate>) -> Vec<Candidate> {
        let mut serving: Vec<_> = candidates.filter(|candidate| self.has(candidate.method)).collect();
        serving.sort_by_key(|candidate| self.turn(*candidate));
        serving
    }
}

pub(crate) enum Found {
    Found {
        pattern: u32,
    },
    /// Some pattern matches the path, and none that does serves the method.
    MethodNotAllowed {
        allow: String,
    },
    NotFound,
}

/// What one path has for a request.
enum Offer {
    /// A pattern.
    Found(u32),
    /// Routes for the method, whose conditions don't hold.
    ConditionsFail,
    NoMethod,
}

impl RouteTable {
    /// Finds the route; `below` is the normal form of the path below `basePath`. Without a head, conditions on
    /// headers count as held.
    pub(crate) fn find(&self, method: &[u8], head: Option<&Head<'_>>, query: Option<&[u8]>, below: &[u8]) -> Found {
        let mut search = Search {
            table: self,
            order: MethodOrder::new(self, method),
            head,
            query: Query::new(query),
            matched: Vec::new(),
            conditions_failed: false,
        };
        if let Some(pattern) = search.run(below) {
            return Found::Found { pattern };
        }
        if self.settings.ignore_trailing_slash
            && let Some(toggled) = toggle_trailing_slash(below)
            && let Some(pattern) = search.run(&toggled)
        {
            return Found::Found { pattern };
        }
        match search.allow() {
            Some(allow) => Found::MethodNotAllowed { allow },
            None => Found::NotFound,
        }
    }

    /// The methods that routes of these entries are for, sorted, with the `HEAD` that `GET` implies; `ANY` is none.
    pub(crate) fn method_names(&self, entries: &[Entry]) -> Vec<&str> {
        let mut numbers = Vec::new();
        for candidate in entries.iter().flat_map(|entry| self.candidates(*entry)) {
            insert(&mut numbers, candidate.method);
        }
        // In the order of their names.
        let named = numbers.into_iter().filter(|number| *number != ANY);
        let mut names: Vec<&str> =
            named.filter_map(|number| self.strings.at(self.settings.methods, number.into())).collect();
        if names.binary_search(&"GET").is_ok() {
            insert(&mut names, "HEAD");
        }
        names
    }

    /// The entries of all patterns that match a path, in either of its forms where its final slash does not count.
    pub(crate) fn matching_either(&self, below: &[u8]) -> Vec<Entry> {
        let mut entries = self.matching(below);
        if let Some(toggled) = toggle_trailing_slash(below).filter(|_| self.settings.ignore_trailing_slash) {
            entries.extend(self.matching(&toggled));
        }
        entries
    }

    /// The condition of a candidate that does not hold.
    #[inline(never)]
    pub(crate) fn failing(&self, candidate: Candidate, head: Option<&Head<'_>>, query: &Query<'_>) -> Option<Failing> {
        let conditions = self.condition_sets.get(candidate.conditions).unwrap_or_default();
        conditions.failing(&self.conditions, &self.strings, head, query)
    }

    fn has_cors(&self, candidate: Candidate) -> bool {
        self.route(candidate.pattern).is_some_and(|route| matches!(self.extras(route).cors, Cors::On(_)))
    }

    pub(crate) fn candidates(&self, entry: Entry) -> impl Iterator<Item = Candidate> + Clone + '_ {
        self.candidates.span(self.entries.get(entry).unwrap_or_default())
    }

    /// The entries of all patterns that match, in the order of precedence.
    pub(crate) fn matching(&self, below: &[u8]) -> Vec<Entry> {
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
}

/// `/a` for `/a/` and the reverse; the root has but one form.
pub(crate) fn toggle_trailing_slash(below: &[u8]) -> Option<Vec<u8>> {
    match below {
        b"" | b"/" => None,
        _ => Some(below.strip_suffix(b"/").map_or_else(|| [below, b"/"].concat(), <[u8]>::to_vec)),
    }
}

struct Search<'s> {
    table: &'s RouteTable,
    order: MethodOrder,
    head: Option<&'s Head<'s>>,
    query: Query<'s>,
    /// Paths that matched without a route for the method.
    matched: Vec<Entry>,
    /// Whether some path had routes for the method, whose conditions failed.
    conditions_failed: bool,
}

/// The way through the paths of one ending.
#[derive(Default)]
struct Walk {
    /// A pattern.
    found: Option<u32>,
    /// Conditions have failed at a more specific path.
    unconditional_only: bool,
}

impl Walk {
    fn take(&mut self, offer: Offer) {
        match offer {
            Offer::Found(pattern) => self.found = Some(pattern),
            Offer::ConditionsFail => self.unconditional_only = true,
            Offer::NoMethod => {}
        }
    }
}

impl Search<'_> {
    fn run(&mut self, below: &[u8]) -> Option<u32> {
        let table = self.table;
        // Patterns that end with `{*name}` come after all others, but are met in between: two walks are kept
        // for them, one for each way that the others can end without a find.
        let mut exact = Walk::default();
        let mut rest = Walk::default();
        let mut rest_unconditional = Walk { unconditional_only: true, ..Walk::default() };
        table.tree.search(&table.strings, below, &mut |ending, entry| match ending {
            Ending::Unknown if rest.found.is_some() => ControlFlow::Continue(()),
            Ending::Exact | Ending::Unknown => {
                let offer = self.offer(entry, exact.unconditional_only);
                exact.take(offer);
                if exact.found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
            Ending::Rest => {
                for walk in [&mut rest, &mut rest_unconditional] {
                    if walk.found.is_none() {
                        let offer = self.offer(entry, walk.unconditional_only);
                        walk.take(offer);
                    }
                }
                ControlFlow::Continue(())
            }
        });
        let rest = if exact.unconditional_only { rest_unconditional } else { rest };
        exact.found.or(rest.found)
    }

    fn offer(&mut self, entry: Entry, unconditional_only: bool) -> Offer {
        let mut has_method = false;
        let mut found: Option<(usize, u32)> = None;
        for candidate in self.table.candidates(entry) {
            let Some(turn) = self.order.turn(candidate) else { continue };
            has_method = true;
            if found.is_none_or(|(earliest, _)| turn < earliest) && self.holds(candidate, unconditional_only) {
                found = Some((turn, candidate.pattern));
                // They are sorted: what is behind has a later turn.
                if turn <= MethodOrder::NAMED {
                    break;
                }
            }
        }
        if let Some((_, pattern)) = found {
            return Offer::Found(pattern);
        }
        if has_method {
            self.conditions_failed = true;
            Offer::ConditionsFail
        } else {
            self.matched.push(entry);
            Offer::NoMethod
        }
    }

    fn holds(&self, candidate: Candidate, unconditional_only: bool) -> bool {
        if candidate.conditions == 0 {
            return true;
        }
        !unconditional_only && self.table.failing(candidate, self.head, &self.query).is_none()
    }

    /// The value of `Allow`, where only the method kept the request from being order.
    fn allow(&self) -> Option<String> {
        if self.conditions_failed || self.matched.is_empty() {
            return None;
        }
        let mut names = self.table.method_names(&self.matched);
        let table_has_cors = matches!(self.table.settings.cors, Cors::On(_));
        let candidates = || self.matched.iter().flat_map(|entry| self.table.candidates(*entry));
        if table_has_cors
            || self.table.settings.uses_cors && candidates().any(|candidate| self.table.has_cors(candidate))
        {
            insert(&mut names, "OPTIONS");
        }
        Some(names.join(", "))
    }
}

/// Puts a value into a sorted list, unless it is there.
pub(crate) fn insert<T: Ord>(sorted: &mut Vec<T>, value: T) {
    if let Err(at) = sorted.binary_search(&value) {
        sorted.insert(at, value);
    }
}

//! Finds the route that serves a request.
//!
//! The routes have one order: the more specific path first (`table/tree.rs` has the order of paths), then at one path the
//! method (`HEAD` before `GET` before `ANY`), then conditions, then the order in the document. The search goes through the
//! routes whose path matches in this order, and takes the first one whose method and conditions fit.
//!
//! `decide` and `explain` share this search. `explain` additionally keeps a [`Trail`].

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::path::RequestPath;
use crate::request::Head;
use crate::table::RouteTable;
use crate::table::conditions::{ConditionValues, FailedCondition, HeaderConditions};
use crate::table::schema::{ANY, Candidate, Cors, Entry, Route, UNNAMED};

/// Notes what a search does with each candidate that it looks at.
pub(crate) trait Trail {
    /// A search begins. It replaces what an earlier search of the same request has noted.
    fn begin(&mut self, order: MethodOrder);

    /// A candidate was looked at.
    fn note(&mut self, candidate: Candidate, step: Step);
}

/// The result of looking at a candidate.
pub(crate) enum Step {
    Chosen,
    ConditionFails(FailedCondition),
}

/// The trail of `decide`, which keeps nothing.
impl Trail for () {
    #[inline(always)]
    fn begin(&mut self, _: MethodOrder) {}

    #[inline(always)]
    fn note(&mut self, _: Candidate, _: Step) {}
}

/// The methods whose routes can serve a request, best first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MethodOrder([u16; 4]);

impl MethodOrder {
    /// Returns the methods for a request: its own, `GET` for a `HEAD` request, and `ANY`.
    pub(crate) fn new(table: &RouteTable, method: &[u8]) -> Self {
        match method {
            b"GET" => MethodOrder([table.get_method, ANY, UNNAMED, UNNAMED]),
            b"HEAD" => MethodOrder([table.method_number(method), table.get_method, ANY, UNNAMED]),
            _ => MethodOrder([table.method_number(method), ANY, UNNAMED, UNNAMED]),
        }
    }

    /// Returns the methods for a preflight that a service answers: `OPTIONS`, and those for the announced request.
    pub(crate) fn for_preflight(table: &RouteTable, announced: &[u8]) -> Self {
        let MethodOrder([first, second, third, _]) = MethodOrder::new(table, announced);
        MethodOrder([table.method_number(b"OPTIONS"), first, second, third])
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
    /// The rank of candidates that name the first of the methods.
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
    /// The pattern of a route.
    Route(u32),
    Nothing(NoRoute),
}

/// The result of a search that has found no route.
pub(crate) struct NoRoute {
    /// The entries of all patterns whose path fits, in the order of precedence.
    pub(crate) entries: Vec<Entry>,
    /// True if some of them serves the method, so that its conditions are what does not fit.
    pub(crate) method_is_served: bool,
}

/// A request to find a route for.
pub(crate) struct Request<'r, 'a> {
    pub(crate) head: &'r Head<'a>,
    pub(crate) path: &'r RequestPath<'a>,
    pub(crate) values: ConditionValues<'a>,
    /// The path below `basePath` in its normal form; `None` for a path that no pattern can match.
    pub(crate) below: Option<&'r [u8]>,
}

impl RouteTable {
    /// Finds the first route in the order that fits.
    pub(crate) fn find<T: Trail>(
        &self,
        request: &Request<'_, '_>,
        order: MethodOrder,
        header_conditions: HeaderConditions,
        trail: &mut T,
    ) -> Found {
        trail.begin(order);
        let wanted = Wanted { order, header_conditions, request };
        let mut no_route = NoRoute { entries: Vec::new(), method_is_served: false };
        let mut found = None;
        self.search(request.below, &mut |entry| {
            found = self.look_at(entry, wanted, &mut no_route, trail);
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found.map_or(Found::Nothing(no_route), Found::Route)
    }

    /// Looks at the candidates of one entry. Returns the pattern of the first one that fits.
    fn look_at<T: Trail>(
        &self,
        entry: Entry,
        wanted: Wanted<'_, '_>,
        no_route: &mut NoRoute,
        trail: &mut T,
    ) -> Option<u32> {
        let mut best: Option<(usize, Candidate)> = None;
        for candidate in self.candidates(entry) {
            let Some(rank) = wanted.order.rank(candidate) else { continue };
            no_route.method_is_served = true;
            if best.is_some_and(|(lowest, _)| lowest <= rank) {
                continue;
            }
            let failed = if candidate.conditions == 0 { None } else { self.first_failed(candidate, wanted) };
            match failed {
                Some(failed) => trail.note(candidate, Step::ConditionFails(failed)),
                None => best = Some((rank, candidate)),
            }
            // The candidates are sorted, so that those after this one have no lower rank.
            if best.is_some_and(|(lowest, _)| lowest <= MethodOrder::NAMED) {
                break;
            }
        }
        match best {
            Some((_, candidate)) => {
                trail.note(candidate, Step::Chosen);
                Some(candidate.pattern)
            }
            None => {
                no_route.entries.push(entry);
                None
            }
        }
    }

    /// Returns the entries of all patterns whose path fits, in the order of precedence.
    pub(crate) fn matching_entries(&self, below: Option<&[u8]>) -> Vec<Entry> {
        let mut entries = Vec::new();
        self.search(below, &mut |entry| {
            entries.push(entry);
            ControlFlow::Continue(())
        });
        entries
    }

    /// Visits the entries of all patterns whose path fits, in the order of precedence, until `visit` breaks.
    fn search(&self, below: Option<&[u8]>, visit: &mut impl FnMut(Entry) -> ControlFlow<()>) {
        if let Some(below) = below {
            self.tree.search(&self.strings, below, self.settings.ignore_trailing_slash, visit);
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

    /// Finds the routes of a preflight's path: the pattern for each method that its routes name, and for `asked`, in one
    /// walk. Conditions on headers and cookies count as fulfilled. The names are sorted.
    pub(crate) fn routes_by_method<'s>(
        &'s self,
        request: &Request<'_, '_>,
        asked: &'s str,
    ) -> BTreeMap<&'s str, Option<u32>> {
        let entries = self.matching_entries(request.below);
        let names = self.method_names(&entries).into_iter().chain([asked]);
        let mut routes: BTreeMap<&str, Option<u32>> = names.map(|name| (name, None)).collect();
        fn set(routes: &mut BTreeMap<&str, Option<u32>>, name: &str, pattern: u32) {
            if let Some(route) = routes.get_mut(name) {
                route.get_or_insert(pattern);
            }
        }
        let order = MethodOrder::new(self, b"HEAD");
        let fits = |candidate: &Candidate| {
            let wanted = Wanted { order, header_conditions: HeaderConditions::Fulfilled, request };
            candidate.conditions == 0 || self.first_failed(*candidate, wanted).is_none()
        };
        for entry in entries {
            for unreadable in [true, false] {
                let (mut get, mut any) = (None, None);
                for candidate in self.candidates(entry).filter(|it| it.unreadable == unreadable && fits(it)) {
                    match candidate.method {
                        ANY => _ = any.get_or_insert(candidate.pattern),
                        method => {
                            let name = self.strings.at(self.settings.methods, method.into()).unwrap_or_default();
                            set(&mut routes, name, candidate.pattern);
                            if method == self.get_method {
                                get.get_or_insert(candidate.pattern);
                            }
                        }
                    }
                }
                if let Some(get) = get {
                    set(&mut routes, "HEAD", get);
                }
                if let Some(any) = any {
                    // It serves all methods that are left.
                    routes.values_mut().for_each(|route| _ = route.get_or_insert(any));
                    return routes;
                }
            }
        }
        routes
    }

    /// Returns the value of the `Allow` header for a path that these entries match: all methods that are served there.
    pub(crate) fn allow(&self, entries: &[Entry]) -> String {
        let mut names = self.method_names(entries);
        if self.cors_applies(entries) == Some(true) {
            insert(&mut names, "OPTIONS");
        }
        names.join(", ")
    }

    /// Returns whether CORS is on for a path that these entries match: for some of their routes, or for the table if
    /// there are none. Returns `None` if an error in the document hides that.
    pub(crate) fn cors_applies(&self, entries: &[Entry]) -> Option<bool> {
        let candidates = entries.iter().filter(|_| self.settings.uses_cors).flat_map(|entry| self.candidates(*entry));
        let of_table = Some(self.settings.cors).filter(|_| entries.is_empty());
        let mut applies = Some(false);
        for cors in of_table.into_iter().chain(candidates.map(|candidate| self.cors_of(candidate))) {
            match cors {
                Cors::On(_) => return Some(true),
                Cors::Unknown => applies = None,
                Cors::Off => {}
            }
        }
        applies
    }

    /// Returns the CORS of the filter's own answer for a path that these entries match: that of their first route, or of
    /// the table if there are none. A broken route may have conditions that can't be read, so it may be the first or not.
    pub(crate) fn first_cors(&self, method: &[u8], entries: &[Entry]) -> Cors {
        let Some(first) = entries.first().filter(|_| self.settings.uses_cors) else { return self.settings.cors };
        let order = MethodOrder::new(self, method);
        let candidate = self.candidates(*first).min_by_key(|candidate| {
            let conditions = self.condition_sets.get(candidate.conditions).unwrap_or_default();
            let (headers, query) = conditions.counts();
            (order.rank(*candidate).unwrap_or(usize::MAX), Reverse(headers), Reverse(query), candidate.pattern)
        });
        let cors = candidate.map_or(self.settings.cors, |first| self.cors_of(first));
        let mut others = self.candidates(*first).map(|candidate| self.cors_of(candidate));
        let is_broken = |candidate: Candidate| self.route(candidate.pattern).is_some_and(Route::is_broken);
        match self.candidates(*first).any(is_broken) && others.any(|other| other != cors) {
            true => Cors::Unknown,
            false => cors,
        }
    }

    fn cors_of(&self, candidate: Candidate) -> Cors {
        self.route(candidate.pattern).map_or(Cors::Off, |route| self.extras(route).cors)
    }

    /// Returns the first condition of a candidate that the request does not fulfil.
    #[inline(never)]
    fn first_failed(&self, candidate: Candidate, wanted: Wanted<'_, '_>) -> Option<FailedCondition> {
        let conditions = self.condition_sets.get(candidate.conditions).unwrap_or_default();
        conditions.first_failed(&self.conditions, &self.strings, &wanted.request.values, wanted.header_conditions)
    }

    /// Returns the candidates of one entry, as the compiler has sorted them.
    pub(crate) fn candidates(&self, entry: Entry) -> impl Iterator<Item = Candidate> + Clone + '_ {
        self.candidates.span(self.entries.get(entry).unwrap_or_default())
    }
}

/// What a search looks for.
#[derive(Clone, Copy)]
struct Wanted<'r, 'a> {
    order: MethodOrder,
    header_conditions: HeaderConditions,
    request: &'r Request<'r, 'a>,
}

/// Inserts a value into a sorted list, unless the list has it.
pub(crate) fn insert<T: Ord>(sorted: &mut Vec<T>, value: T) {
    if let Err(at) = sorted.binary_search(&value) {
        sorted.insert(at, value);
    }
}

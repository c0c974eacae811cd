//! Compares the tables of two gateways: which requests they treat differently, found by the compiled tables.
//!
//! 1. `classes` makes one example path for each set of patterns that can match together, of both gateways.
//! 2. If both gateways look at the same things for a path, in the same order, nothing can differ there. Nearly all paths of
//!    a table in which one route was edited are done with this.
//! 3. For every other path, `witness` makes requests: methods, preflights, values for the conditions. `seen` decides each
//!    of them with both gateways. What differs for a client or a service is a difference, with this request as the example.
//! 4. `pairs` says which routes of the two gateways are the same, `report` prints.
//!
//! So every difference that is reported is one, and what was not tried is counted.

mod classes;
mod pairs;
pub mod report;
pub mod seen;
mod witness;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ksvc_routing::{CandidateOutline, HostScope, Outline, PathOutline, PathSegment, RouteTable};

use classes::{Path, Patterns, path_text};
use ksvc_explanation::request::Request;
use pairs::Pairs;
use seen::{RouteId, Seen};
use witness::{Class, TriedValues};

/// How much is tried at most.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Classes of paths for one kind of host.
    pub classes: usize,
    /// Requests for one class.
    pub requests_of_class: usize,
    /// Requests in all.
    pub requests: usize,
    /// Hosts that captured values make.
    pub captured_hosts: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { classes: 400_000, requests_of_class: 4_000, requests: 3_000_000, captured_hosts: 1_000 }
    }
}

/// How a change concerns a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The route is new.
    Added,
    /// The route is gone.
    Removed,
    /// Requests go to another target, or are answered in another way.
    Moved,
    /// Requests go to the same target, but not in the same form, or their responses change.
    Changed,
    /// The route gets requests for which no route was found before.
    More,
    /// The route no longer gets some requests, and no other route gets them.
    Fewer,
    /// Requests for which neither gateway finds a route are treated in another way.
    Unrouted,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Moved => "moved",
            Self::Changed => "changed",
            Self::More => "more",
            Self::Fewer => "fewer",
            Self::Unrouted => "unrouted",
        }
    }
}

/// Requests that one route got before, and one gets now.
#[derive(Debug)]
pub struct Entry {
    pub kind: Kind,
    /// The route before; `None` if no route was found.
    pub old: Option<RouteId>,
    pub new: Option<RouteId>,
    /// The number of classes of paths in which a request differs.
    pub classes: usize,
    /// In what the requests differ.
    pub differences: Vec<&'static str>,
    pub example: Request,
    pub before: Seen,
    pub after: Seen,
}

/// A route with another name in logs, and nothing else that differs.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Renamed {
    pub old: RouteId,
    pub new: RouteId,
    pub before: String,
    pub after: String,
}

/// What was not compared.
#[derive(Debug, Default)]
pub struct NotCompared {
    /// The number of places in the tree of paths at which some classes were not looked at, or not with all requests.
    pub places: usize,
    /// The names of the routes at these places.
    pub routes: BTreeSet<String>,
}

impl NotCompared {
    fn add(&mut self, places: usize, routes: impl IntoIterator<Item = String>) {
        self.places += places;
        if places > 0 {
            self.routes.extend(routes);
        }
    }
}

/// The result of a comparison.
#[derive(Debug)]
pub struct Difference {
    pub entries: Vec<Entry>,
    pub renamed: Vec<Renamed>,
    pub not_compared: NotCompared,
    /// The number of requests that were decided with both gateways.
    pub requests: usize,
    /// The number of classes of paths.
    pub classes: usize,
}

impl Difference {
    /// Returns whether all requests that were tried are treated alike. Names in logs do not count.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// A table with what its comparison needs.
struct Side<'t> {
    table: &'t RouteTable,
    outline: Outline,
    /// The index of each path in `outline.paths`, by its id.
    by_id: HashMap<u32, usize>,
    /// For each path, a number for what the table does there; equal numbers in all tables mean the same.
    keys: Vec<usize>,
    /// For each path, a number for the names of its routes.
    names: Vec<usize>,
    settings: usize,
    /// The names of the routes, by their index.
    route_names: Vec<String>,
}

/// Gives equal texts equal numbers.
#[derive(Default)]
struct Numbers(HashMap<String, usize>);

impl Numbers {
    fn of(&mut self, text: String) -> usize {
        let next = self.0.len();
        *self.0.entry(text).or_insert(next)
    }
}

impl<'t> Side<'t> {
    fn new(table: &'t RouteTable, numbers: &mut Numbers) -> Self {
        let outline = table.outline();
        let mut route_names = Vec::new();
        for line in table.routes() {
            if route_names.len() <= line.index {
                route_names.resize(line.index + 1, String::new());
            }
            route_names[line.index] = line.route.to_owned();
        }
        let name = |candidate: &CandidateOutline| route_names.get(candidate.route).cloned().unwrap_or_default();
        let has_cors = outline.origins != [""; 0];
        let (mut keys, mut names) = (Vec::new(), Vec::new());
        for path in &outline.paths {
            let mut key = String::new();
            // The CORS of an answer of the filter depends on the order of the elements in the document.
            let mut elements: Vec<u32> = path.candidates.iter().map(|candidate| candidate.element).collect();
            elements.sort_unstable();
            elements.dedup();
            for candidate in &path.candidates {
                let CandidateOutline { method, conditions, is_unreadable, element, effect, .. } = candidate;
                let place = has_cors.then(|| elements.binary_search(element).unwrap_or_default());
                key += &format!("{method:?} {conditions:?} {is_unreadable} {place:?} {effect}\n");
            }
            keys.push(numbers.of(key));
            names.push(numbers.of(format!("{:?}", path.candidates.iter().map(name).collect::<Vec<_>>())));
        }
        let by_id = outline.paths.iter().enumerate().map(|(index, path)| (path.id, index)).collect();
        let settings = numbers.of(outline.settings.clone());
        Self { table, outline, by_id, keys, names, settings, route_names }
    }

    /// Returns the names of the routes at a path.
    fn names_at(&self, path: &PathOutline) -> impl Iterator<Item = String> {
        path.candidates.iter().filter_map(|candidate| self.route_names.get(candidate.route).cloned())
    }

    /// Returns whether the table lets an encoded slash stand in the base path, in more places than are tried.
    fn has_long_base(&self) -> bool {
        self.outline.allows_unsafe_paths && self.outline.base.len() > JOINED_SLASHES + 1
    }
}

/// What the tables of one gateway look at for a path.
#[derive(PartialEq, Eq)]
struct LookedAt {
    /// For each table that may decide: its scope, settings and paths in their order.
    tables: Vec<(HostScope, usize, Vec<usize>)>,
    names: Vec<usize>,
}

/// The tables of one gateway that may decide about the requests for some hosts, and their scopes.
type TablesOfHost<'s, 't> = Vec<(HostScope, &'s Side<'t>)>;

fn looked_at(alive: &TablesOfHost<'_, '_>, path: &str) -> LookedAt {
    let mut looked_at = LookedAt { tables: Vec::new(), names: Vec::new() };
    for (scope, side) in alive {
        let Some(paths) = side.table.matching_paths(path.as_bytes()) else {
            if !scope.is_in_scope() {
                looked_at.tables.push((*scope, side.settings, Vec::new()));
            }
            continue;
        };
        let indexes = || paths.iter().filter_map(|id| side.by_id.get(id));
        looked_at.tables.push((*scope, side.settings, indexes().map(|index| side.keys[*index]).collect()));
        looked_at.names.extend(indexes().map(|index| side.names[*index]));
    }
    looked_at
}

/// Compares the tables of two gateways, each in the order in which the gateway asks them.
pub fn compare(old: &[&RouteTable], new: &[&RouteTable], bounds: &Bounds) -> Difference {
    let mut numbers = Numbers::default();
    let old_sides: Vec<Side<'_>> = old.iter().map(|table| Side::new(table, &mut numbers)).collect();
    let new_sides: Vec<Side<'_>> = new.iter().map(|table| Side::new(table, &mut numbers)).collect();
    let mut comparison = Comparison::new(old, new, &old_sides, &new_sides, *bounds);
    comparison.run();
    comparison.finish()
}

/// The routes before and after, and the outcomes where there is none.
type EntryKey = (Option<RouteId>, Option<RouteId>, &'static str, &'static str);

struct Comparison<'s, 't> {
    old: &'s [&'t RouteTable],
    new: &'s [&'t RouteTable],
    old_sides: &'s [Side<'t>],
    new_sides: &'s [Side<'t>],
    bounds: Bounds,
    tried: TriedValues,
    changed_headers: Vec<String>,
    entries: BTreeMap<EntryKey, Entry>,
    renamed: BTreeSet<(RouteId, RouteId)>,
    renamed_list: Vec<Renamed>,
    not_compared: NotCompared,
    requests: usize,
    classes: usize,
}

impl<'s, 't> Comparison<'s, 't> {
    fn new(
        old: &'s [&'t RouteTable],
        new: &'s [&'t RouteTable],
        old_sides: &'s [Side<'t>],
        new_sides: &'s [Side<'t>],
        bounds: Bounds,
    ) -> Self {
        let outlines = || old_sides.iter().chain(new_sides).map(|side| &side.outline);
        let mut changed_headers: Vec<String> = outlines().flat_map(|outline| outline.changed_headers.clone()).collect();
        changed_headers.sort();
        changed_headers.dedup();
        Self {
            old,
            new,
            old_sides,
            new_sides,
            bounds,
            tried: tried_values(&outlines().collect::<Vec<_>>(), &changed_headers),
            changed_headers,
            entries: BTreeMap::new(),
            renamed: BTreeSet::new(),
            renamed_list: Vec::new(),
            not_compared: NotCompared::default(),
            requests: 0,
            classes: 0,
        }
    }

    fn run(&mut self) {
        for side in self.old_sides.iter().chain(self.new_sides).filter(|side| side.has_long_base()) {
            self.not_compared.add(1, side.route_names.iter().cloned());
        }
        for (host, old_scopes, new_scopes) in self.hosts() {
            fn tables_of_host<'s, 't>(sides: &'s [Side<'t>], scopes: &[HostScope]) -> TablesOfHost<'s, 't> {
                let pairs = scopes.iter().copied().zip(sides);
                pairs.filter(|(scope, _)| !scope.is_out_of_scope()).collect()
            }
            let (old, new) = (tables_of_host(self.old_sides, &old_scopes), tables_of_host(self.new_sides, &new_scopes));
            if old.is_empty() && new.is_empty() {
                continue;
            }
            self.compare_host(&host, &old, &new);
        }
    }

    /// Returns one host of each kind: hosts that all tables treat alike.
    fn hosts(&mut self) -> Vec<(String, Vec<HostScope>, Vec<HostScope>)> {
        let captured_hosts = self.captured_hosts();
        let mut hosts: Vec<String> = Vec::new();
        let sides = || self.new_sides.iter().chain(self.old_sides);
        hosts.extend(sides().flat_map(|side| side.outline.exact_hosts.clone()));
        for suffix in sides().flat_map(|side| &side.outline.host_suffixes) {
            hosts.push(self.fresh_host(|number| format!("x{number}.{suffix}"), suffix));
            hosts.push(self.fresh_host(|number| format!("x{number}.y{number}.{suffix}"), suffix));
        }
        hosts.extend(sides().flat_map(|side| side.outline.target_hosts.clone()));
        hosts.extend(captured_hosts);
        hosts.push(self.unknown_host());
        let mut kinds = BTreeSet::new();
        let mut chosen = Vec::new();
        for host in hosts {
            let scopes = |sides: &[Side<'_>]| -> Vec<HostScope> {
                sides.iter().map(|side| side.table.host_scope(host.as_bytes())).collect()
            };
            let (old, new) = (scopes(self.old_sides), scopes(self.new_sides));
            if kinds.insert((old.clone(), new.clone())) {
                chosen.push((host, old, new));
            }
        }
        chosen
    }

    /// Returns the first of these hosts that no table names, neither itself nor by a suffix that is longer than this one.
    fn fresh_host(&self, make: impl Fn(usize) -> String, suffix: &str) -> String {
        let outlines = || self.new_sides.iter().chain(self.old_sides).map(|side| &side.outline);
        let is_named = |host: &String| {
            let is_below = |longer: &String| longer.len() > suffix.len() && host.ends_with(&format!(".{longer}"));
            outlines().any(|outline| outline.exact_hosts.contains(host) || outline.host_suffixes.iter().any(is_below))
        };
        // Each name and each suffix can take only one of them.
        let names = outlines().map(|outline| outline.exact_hosts.len() + outline.host_suffixes.len()).sum::<usize>();
        (1..=names + 1).map(&make).find(|host| !is_named(host)).unwrap_or_else(|| make(1))
    }

    /// Returns a host that no table names, unless by `*`.
    fn unknown_host(&self) -> String {
        self.fresh_host(
            |number| if number == 1 { "other.example.net".to_owned() } else { format!("x.example{number}") },
            "",
        )
    }

    /// Returns hosts that captured values make.
    fn captured_hosts(&mut self) -> BTreeSet<String> {
        let Bounds { captured_hosts, classes, requests_of_class, .. } = self.bounds;
        let mut hosts = BTreeSet::new();
        for side in self.old_sides.iter().chain(self.new_sides).filter(|side| side.outline.has_captured_targets) {
            let host = side.outline.exact_hosts.first().cloned();
            let suffix = side.outline.host_suffixes.first();
            let below = suffix.map(|suffix| self.fresh_host(|number| format!("x{number}.{suffix}"), suffix));
            let host = host.or(below).unwrap_or_else(|| self.unknown_host());
            for path in &side.outline.paths {
                let captured: Vec<&CandidateOutline> =
                    path.candidates.iter().filter(|candidate| candidate.effect.starts_with("captured")).collect();
                if captured.is_empty() {
                    continue;
                }
                let mut patterns = Patterns::new(false);
                patterns.add(&side.outline.base, &path.segments);
                let mut is_cut = false;
                let cut = patterns.walk(classes, &mut |class, final_slash| {
                    if is_cut {
                        return;
                    }
                    let class = Class { authority: &host, path: class, final_slash, candidates: &captured };
                    let requests = witness::captured_requests(&class, &self.tried, requests_of_class);
                    is_cut |= requests.is_cut;
                    for request in requests.list {
                        let seen = Seen::new(&[side.table], &request, &[]);
                        if seen.outcome != "route" {
                            continue;
                        }
                        let host = String::from_utf8_lossy(&seen.authority).into_owned();
                        if hosts.len() < captured_hosts {
                            hosts.insert(host);
                        } else if !hosts.contains(&host) {
                            is_cut = true;
                            return;
                        }
                    }
                });
                self.not_compared.add(usize::from(is_cut) + cut.places, side.names_at(path));
            }
        }
        hosts
    }

    fn compare_host(&mut self, host: &str, old: &TablesOfHost<'_, '_>, new: &TablesOfHost<'_, '_>) {
        let sides = || old.iter().chain(new).filter(|(scope, _)| scope.is_in_scope()).map(|(_, side)| *side);
        for request in
            special_requests(host, &sides().map(|side| &side.outline).collect::<Vec<_>>(), &self.tried.origins)
        {
            self.try_request(&request, &mut BTreeSet::new());
        }
        let allows_unsafe = sides().any(|side| side.outline.allows_unsafe_paths);
        let mut patterns = Patterns::new(allows_unsafe);
        // Each path with its nodes in the tree.
        let mut walked = Vec::new();
        for side in sides() {
            // The base path itself ends a class, even if no route is there.
            patterns.add(&side.outline.base, &[]);
            // An encoded slash in the base path counts for the scope, but not for the routes.
            if allows_unsafe {
                for base in joined_bases(&side.outline.base) {
                    patterns.add(&base, &[PathSegment::RestOrNone]);
                }
            }
            for path in &side.outline.paths {
                walked.push((side, path, patterns.add(&side.outline.base, &path.segments)));
            }
        }
        let limit = self.bounds.classes;
        let cut = patterns.walk(limit, &mut |path, final_slash| {
            self.classes += 1;
            self.compare_class(host, path, final_slash, old, new);
        });
        if cut.places == 0 {
            return;
        }
        self.not_compared.add(cut.places, []);
        for (side, path, nodes) in walked {
            if nodes.iter().any(|node| cut.nodes.contains(node)) {
                self.not_compared.routes.extend(side.names_at(path));
            }
            // Each pattern is at least compared alone.
            let mut alone = Patterns::new(false);
            alone.add(&side.outline.base, &path.segments);
            let mut last = None;
            alone.walk(200, &mut |path, final_slash| {
                if !final_slash {
                    last = Some(path.clone());
                }
            });
            if let Some(path) = last {
                self.compare_class(host, &path, false, old, new);
            }
        }
    }

    fn compare_class(
        &mut self,
        host: &str,
        path: &Path,
        final_slash: bool,
        old: &TablesOfHost<'_, '_>,
        new: &TablesOfHost<'_, '_>,
    ) {
        let text = path_text(path, final_slash);
        let (before, after) = (looked_at(old, &text), looked_at(new, &text));
        if before == after {
            return;
        }
        let mut candidates: Vec<&CandidateOutline> = Vec::new();
        let mut names = BTreeSet::new();
        for (_, side) in old.iter().chain(new) {
            for id in side.table.matching_paths(text.as_bytes()).unwrap_or_default() {
                let Some(path) = side.by_id.get(&id).and_then(|index| side.outline.paths.get(*index)) else { continue };
                candidates.extend(&path.candidates);
                names.extend(side.names_at(path));
            }
        }
        let left = self.bounds.requests.saturating_sub(self.requests);
        // Names alone need no values that only the effect of a route depends on.
        let tried = if before.tables == after.tables { &TriedValues::default() } else { &self.tried };
        let limit = self.bounds.requests_of_class.min(left);
        let class = Class { authority: host, path, final_slash, candidates: &candidates };
        let requests = witness::requests(&class, tried, limit);
        self.not_compared.add(usize::from(requests.is_cut), names);
        let mut found = BTreeSet::new();
        for request in &requests.list {
            self.try_request(request, &mut found);
        }
    }

    /// Decides a request with both gateways. `found` has the entries that were found in the same class.
    fn try_request(&mut self, request: &Request, found: &mut BTreeSet<EntryKey>) {
        self.requests += 1;
        let before = Seen::new(self.old, request, &self.changed_headers);
        let after = Seen::new(self.new, request, &self.changed_headers);
        if before.is_same(&after) {
            if let (Some(old), Some(new)) = (before.route, after.route)
                && before.name != after.name
                && self.renamed.insert((old, new))
            {
                self.renamed_list.push(Renamed { old, new, before: before.name, after: after.name });
            }
            return;
        }
        // Without a route, the outcome says what happens.
        let outcome = |seen: &Seen| match (seen.route, seen.is_untouched()) {
            (Some(_), _) => "",
            (None, true) => "untouched",
            (None, false) => seen.outcome,
        };
        let key = (before.route, after.route, outcome(&before), outcome(&after));
        let is_first_of_class = found.insert(key);
        let differences = before.differences(&after);
        match self.entries.get_mut(&key) {
            Some(entry) => {
                entry.classes += usize::from(is_first_of_class);
                if rank(&differences) < rank(&entry.before.differences(&entry.after)) {
                    entry.example = request.clone();
                    (entry.before, entry.after) = (before, after);
                }
                for difference in differences {
                    if !entry.differences.contains(&difference) {
                        entry.differences.push(difference);
                    }
                }
            }
            None => {
                let (old, new, ..) = key;
                let example = request.clone();
                let kind = Kind::Unrouted;
                self.entries.insert(key, Entry { kind, old, new, classes: 1, differences, example, before, after });
            }
        }
    }

    fn finish(self) -> Difference {
        let pairs = Pairs::new(self.old_sides, self.new_sides);
        let mut entries: Vec<Entry> = self.entries.into_values().collect();
        for entry in &mut entries {
            let moves = rank(&entry.differences) == 0;
            entry.kind = match (entry.old, entry.new) {
                (None, None) => Kind::Unrouted,
                (_, Some(new)) if pairs.is_added(new) && entry.old.is_none_or(|old| !pairs.is_removed(old)) => {
                    Kind::Added
                }
                (Some(old), _) if pairs.is_removed(old) && entry.new.is_none_or(|new| !pairs.is_added(new)) => {
                    Kind::Removed
                }
                (None, Some(_)) => Kind::More,
                (Some(_), None) => Kind::Fewer,
                _ if moves => Kind::Moved,
                _ => Kind::Changed,
            };
        }
        entries.sort_by_key(|entry| (entry.kind, entry.new.is_none(), entry.new, entry.old));
        let mut renamed = self.renamed_list;
        renamed.sort();
        Difference { entries, renamed, not_compared: self.not_compared, requests: self.requests, classes: self.classes }
    }
}

/// Returns 0 if requests go elsewhere, 1 if they arrive in another form, and 2 if only responses differ.
fn rank(differences: &[&str]) -> usize {
    let goes_elsewhere = ["outcome", "authority", "location", "status", "body"];
    let arrives_changed = ["path", "timeout", "requestHeaders"];
    let has = |words: &[&str]| differences.iter().any(|difference| words.contains(difference));
    if has(&goes_elsewhere) {
        0
    } else if has(&arrives_changed) {
        1
    } else {
        2
    }
}

/// Returns what the requests to two gateways may have in them besides methods, paths and conditions.
fn tried_values(outlines: &[&Outline], changed_headers: &[String]) -> TriedValues {
    let mut tried = TriedValues::default();
    let mut origins: BTreeSet<String> = BTreeSet::new();
    for origin in outlines.iter().flat_map(|outline| &outline.origins) {
        match &**origin {
            "*" => {}
            origin => _ = origins.insert(origin.replace('*', "x1")),
        }
    }
    tried.has_cors = outlines.iter().any(|outline| !outline.origins.is_empty());
    tried.origins = origins.into_iter().collect();
    tried.origins.push("https://other.example.net".to_owned());
    let mut values: BTreeSet<String> = BTreeSet::new();
    tried.are_combined = outlines.iter().any(|outline| outline.has_captured_targets);
    if tried.are_combined {
        let namespaces = outlines.iter().flat_map(|outline| &outline.namespaces);
        values.extend(namespaces.map(|name| name.replace('*', "x1")));
        values.extend(["X_1".to_owned(), "x".repeat(63), "x".repeat(64)]);
    }
    let differs = |a: &Outline| outlines.iter().any(|b| a.settings != b.settings);
    let settings_differ = outlines.iter().any(|outline| differs(outline));
    if settings_differ && outlines.iter().any(|outline| outline.allows_unsafe_paths) {
        tried.has_raw_bytes = true;
        values.extend(["x1%2Fx2", "..", "x1%5Cx2"].map(str::to_owned));
    }
    let bases_differ = outlines.iter().any(|a| outlines.iter().any(|b| a.base != b.base));
    if bases_differ && outlines.iter().any(|outline| outline.allows_unsafe_paths) {
        // An encoded slash after the base path counts for the scope, but not for the routes.
        for base in outlines.iter().map(|outline| &outline.base) {
            values.extend((0..=base.len()).map(|from| [&base[from..], &["x1".to_owned()]].concat().join("%2F")));
            values.extend(base.first().map(|_| "%2Fx1".to_owned()));
        }
    }
    tried.values = values.into_iter().collect();
    tried.headers = changed_headers.iter().map(|name| (name.clone(), "client".to_owned())).collect();
    if settings_differ {
        let claims = [
            ("x-forwarded-prefix", "/x1"),
            ("forwarded", "host=x1"),
            ("k-network-hash", "x1"),
            ("knative-serving-tag", "x1"),
            ("user-agent", "kube-probe/1"),
        ];
        tried.headers.extend(claims.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    tried
}

/// The most slashes of a base path that are tried as encoded ones.
const JOINED_SLASHES: usize = 4;

/// Returns the ways to write a base path with encoded slashes.
fn joined_bases(base: &[String]) -> Vec<Vec<String>> {
    let places = base.len().saturating_sub(1).min(JOINED_SLASHES);
    let joined = (1_u32..1 << places).map(|encoded| {
        let mut segments: Vec<String> = Vec::new();
        for (index, text) in base.iter().enumerate() {
            match segments.last_mut() {
                Some(last) if index <= places && encoded >> (index - 1) & 1 == 1 => *last += &format!("%2F{text}"),
                _ => segments.push(text.clone()),
            }
        }
        segments
    });
    joined.collect()
}

/// Returns requests that are not about routes: probes, challenges, and paths that can mean two things. A path that does not
/// begin with `/` is not among them, nor is `OPTIONS *`: Envoy answers those itself, before any filter.
fn special_requests(host: &str, outlines: &[&Outline], origins: &[String]) -> Vec<Request> {
    let mut requests = vec![
        witness::bare("GET", host, "/", &[]),
        witness::bare("GET", host, "/healthz", &[("k-network-probe", "probe")]),
        witness::bare("GET", host, "/x1", &[("k-network-probe", "probe")]),
        witness::bare("GET", host, "/.well-known/acme-challenge/x1", &[]),
    ];
    let mut bases: BTreeSet<String> = BTreeSet::new();
    for outline in outlines {
        let base: String = outline.base.iter().map(|segment| format!("/{segment}")).collect();
        if outline.base.len() > 1 {
            bases.insert(format!("/{}", outline.base.join("%2F")));
        }
        bases.insert(base);
    }
    let hazards = ["/x1%2Fx2", "//x1", "/../x1", "/..", "/x1%5Cx2", "/x1%00", "/x1\\x2", "/x1#x2", "/x1%zz", "/x1 x2"];
    let encoded = ["%2Fx1", "/x1%2F..%2Fx2", "/x1%2F%2Fx2"];
    let mut paths = BTreeSet::new();
    for base in &bases {
        paths.extend(hazards.iter().chain(&encoded).map(|hazard| format!("{base}{hazard}")));
        paths.insert(base.clone());
    }
    paths.retain(|path| path.starts_with('/'));
    for path in &paths {
        let preflights = origins.iter().map(|origin| {
            let headers = [("origin", origin.as_str()), ("access-control-request-method", "GET")];
            witness::bare("OPTIONS", host, path, &headers)
        });
        requests.extend(["GET", "OPTIONS"].map(|method| witness::bare(method, host, path, &[])));
        requests.extend(preflights);
    }
    requests
}

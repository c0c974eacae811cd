//! Compiles one route: its patterns, its conditions, its changes to headers, and its target.

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::conditions::{ConditionCount, ConditionSet};
use super::headers::{Written, forbidden_in_condition, forbidden_in_request, forbidden_in_response};
use super::settings::Defaults;
use super::{Compiler, MatchPlace, NOT_IN_LIST, PendingCandidate, RoutePlace};
use crate::compile::pattern::{Mixed, Pattern, PatternMethods, Segment};
use crate::compile::tree::{MixedLimit, several_literals};
use crate::document::config::{Route as RouteConfig, When};
use crate::document::read::{Key, OneOrMany};
use crate::foreign;
use crate::limits::{MIXED_SEGMENTS, MIXED_SEGMENTS_AT_ONE_PLACE};
use crate::path;
use crate::problem::{Place, ProblemKind, Severity};
use crate::table::image::{NO_INDEX, Span};
use crate::table::schema::{
    ANY, CAPTURES, Capture, Condition, Cors, Expected, Extent, MatchRow, OPERATIONS, PATTERNS, ROUTE_EXTRAS, ROUTES,
    Route, RouteExtras, StringId, Target, UnsafePaths,
};

impl Compiler {
    /// Compiles a route. If the element of `routes` is not an object, `route` is empty, and the result is a broken
    /// route for every request.
    pub(super) fn compile_route(
        &mut self,
        index: usize,
        route: &RouteConfig<'_>,
        is_object: bool,
        defaults: &Defaults<'_>,
    ) {
        let place = RoutePlace(index);
        let mut patterns = self.parse_patterns(route, place);
        let conditions = self.route_conditions(route, place);
        let mut first_text = None;
        for pattern in &mut patterns {
            let text = self.add_pattern(index, pattern, &conditions, defaults);
            first_text = first_text.or(Some(text));
        }
        let name = self.route_name(route, first_text, place);
        let cors = match self.cors(&route.cors, &|| place.key("cors")) {
            // The route may have its own `cors` where it can't be read.
            _ if !is_object || may_contain(route, "cors") => Cors::Unknown,
            Some(own) => own,
            None => defaults.cors,
        };
        let captures = CaptureChecker::new(&patterns, self.reader.problems.room());
        let (request_headers, response_headers) = self.route_headers(route, &captures, place);
        let target = if is_object { self.target(route, &captures, place, defaults) } else { None };
        self.reader.problems.count(captures.omitted.get());
        let target = target.filter(|_| cors != Cors::Unknown);

        let (target, rewrite) = target.unwrap_or((Target::Broken, None));
        let extras = RouteExtras { rewrite, cors, request_headers, response_headers };
        let extras = match extras == RouteExtras::none(defaults.cors) {
            true => NO_INDEX,
            false => self.builder.image.push(ROUTE_EXTRAS, extras),
        };
        self.builder.image.push(ROUTES, Route { name, target, extras });
    }

    /// Parses all elements of a route's `match`. The result is not empty: a route without a readable `match` may have
    /// been meant for any request.
    fn parse_patterns<'a>(&mut self, route: &'a RouteConfig<'_>, place: RoutePlace) -> Vec<ParsedMatch<'a>> {
        let is_list = !matches!(route.patterns, Key::Set(OneOrMany::One(_)));
        let mut patterns = Vec::new();
        for (index, text) in pattern_texts(route).enumerate() {
            let place = MatchPlace { route: place, index: is_list.then_some(index) };
            let pattern = match text {
                Some(text) => Pattern::parse(text, &mut |kind| self.report(place.place(), kind)),
                None => Pattern::unreadable(),
            };
            patterns.push(ParsedMatch { text: text.unwrap_or_default(), place, pattern });
        }
        if patterns.is_empty() {
            let place = MatchPlace { route: place, index: None };
            if route.patterns.get().is_some() {
                self.report(place.place(), ProblemKind::NoMatch);
            }
            patterns.push(ParsedMatch { text: "", place, pattern: Pattern::unreadable() });
        }
        patterns
    }

    /// Adds a pattern to the table, and a candidate for each of its methods. Returns the pattern as written.
    fn add_pattern(
        &mut self,
        route: usize,
        parsed: &mut ParsedMatch<'_>,
        conditions: &RouteConditions,
        defaults: &Defaults<'_>,
    ) -> StringId {
        self.limit_mixed_segments(parsed);
        let ParsedMatch { text, place, pattern } = parsed;
        let number = self.builder.image.len(PATTERNS);
        let entry = self.tree.insert(&pattern.segments, &mut self.builder);
        let candidate = |method| PendingCandidate {
            entry,
            method,
            unreadable: !pattern.is_valid,
            unreadable_conditions: conditions.unreadable,
            conditions: conditions.set,
            condition_count: conditions.count,
            pattern: number,
        };
        match &pattern.methods {
            PatternMethods::Any => self.candidates.push(candidate(ANY)),
            PatternMethods::Named(names) => {
                // Every method was added before, so every one has a number.
                let numbers = names.iter().filter_map(|name| self.methods.number(name));
                self.candidates.extend(numbers.map(candidate));
            }
        }
        let path = text.split_once(' ').map_or("", |(_, path)| path);
        if pattern.is_valid && !defaults.unsafe_paths_are_unknown && !foreign::paths::has_regex(path) {
            self.report_unreachable(&pattern.segments, *place, defaults.unsafe_paths);
        }
        if let Some(warning) = foreign::paths::repeated_base(path, &defaults.base_path) {
            self.report(place.place(), warning);
        }
        let text = self.builder.add(text);
        let captures = self.add_captures(&pattern.segments);
        self.builder.image.push(PATTERNS, MatchRow { route: route as u32, text, captures });
        self.match_indexes.push(place.index.map_or(NOT_IN_LIST, |index| index as u16));
        text
    }

    /// Reports a segment with several parameters that is beyond the limits, and treats it as one that can't be read.
    fn limit_mixed_segments(&mut self, parsed: &mut ParsedMatch<'_>) {
        let segments = &mut parsed.pattern.segments;
        let Some((index, limit)) = self.tree.first_beyond_limits(segments, &self.builder) else { return };
        let (of, limit) = match limit {
            MixedLimit::AtOnePlace => ("this place of the paths", MIXED_SEGMENTS_AT_ONE_PLACE),
            MixedLimit::InAll => ("the table", MIXED_SEGMENTS),
        };
        segments.truncate(index);
        segments.push(Segment::Unknown);
        parsed.pattern.is_valid = false;
        let path = parsed.text.split_once('/').map_or("", |(_, path)| path);
        let segment = path.split('/').nth(index).unwrap_or_default().to_owned();
        self.report(parsed.place.place(), ProblemKind::TooManyMixed { segment, limit, of });
    }

    fn add_captures(&mut self, segments: &[Segment<'_>]) -> Span {
        let start = self.builder.image.len(CAPTURES);
        for (segment_index, segment) in (0u32..).zip(segments) {
            let first = match segment {
                Segment::Rest { .. } => Extent::Rest,
                Segment::Mixed(Mixed { literals, .. }) => match &**literals {
                    [prefix, suffix] => Extent::Segment(prefix.len() as u32, suffix.len() as u32),
                    _ => Extent::OneOfSeveral(several_literals(literals, &mut self.builder), 0),
                },
                _ => Extent::Segment(0, 0),
            };
            for (index, name) in (0u32..).zip(segment.names()) {
                let extent = match first {
                    Extent::OneOfSeveral(literals, _) => Extent::OneOfSeveral(literals, index),
                    other => other,
                };
                let name = self.builder.shared(name);
                self.builder.image.push(CAPTURES, Capture { name, segment: segment_index, extent });
            }
        }
        Span { start, end: self.builder.image.len(CAPTURES) }
    }

    /// Warns of a pattern that matches only paths that `unsafePaths` refuses.
    fn report_unreachable(&mut self, segments: &[Segment<'_>], place: MatchPlace, unsafe_paths: UnsafePaths) {
        // This value adds no hazard of its own, so a hazard of the sample path comes from the literal text.
        const VALUE: &str = "x";
        let mut path = String::new();
        for segment in segments {
            path.push('/');
            match segment {
                Segment::Literal(text) => path.push_str(text),
                Segment::Mixed(mixed) => path.push_str(&mixed.literals.join(VALUE)),
                Segment::Capture { .. } | Segment::Rest { .. } | Segment::Unknown => path.push_str(VALUE),
            }
        }
        let first = path::hazard(path.as_bytes()).filter(|_| !path.is_empty());
        if let Some(hazard) = unsafe_paths.refuse(first, path.as_bytes()) {
            let with_slashes = UnsafePaths::AllowEncodedSlash.refuse(first, path.as_bytes());
            let write = if with_slashes.is_none() { "allowEncodedSlash" } else { "allow" };
            self.report(place.place(), ProblemKind::Unreachable { reason: hazard.describe(), write });
        }
    }

    /// Returns the route's own name. Without a valid one, this is the first element of `match`, or the route's place.
    fn route_name(&mut self, route: &RouteConfig<'_>, first_text: Option<StringId>, place: RoutePlace) -> StringId {
        if let Some(name) = route.name.get() {
            if !name.is_empty() && !name.chars().any(char::is_control) {
                return self.builder.add(name);
            }
            self.report(place.key("name"), ProblemKind::RouteName);
        }
        match first_text.filter(|text| text.length > 0) {
            Some(text) => text,
            None => self.builder.add(&place.place().to_string()),
        }
    }

    /// Compiles the route's own changes to the headers of requests and of responses. Their errors break the route.
    fn route_headers(
        &mut self,
        route: &RouteConfig<'_>,
        captures: &CaptureChecker<'_>,
        place: RoutePlace,
    ) -> (Span, Span) {
        let name_errors = &|name: &str| captures.errors(name);
        let key = &|| place.key("requestHeaders");
        let timeout = self.timeout(route, place);
        let timeout = self.builder.image.append(OPERATIONS, timeout);
        let (request, _) = self.operations(&route.request_headers, key, forbidden_in_request, name_errors);
        let request =
            if request.is_empty() { timeout } else { Span { start: request.start - timeout.len() as u32, ..request } };
        let key = &|| place.key("responseHeaders");
        let (response, _) = self.operations(&route.response_headers, key, forbidden_in_response, name_errors);
        (request, response)
    }

    fn route_conditions(&mut self, route: &RouteConfig<'_>, place: RoutePlace) -> RouteConditions {
        let (set, unreadable) = self.conditions(&route.when, place);
        // An unknown key may have been meant as `when`, unless it is more similar to another key.
        let unreadable = unreadable || may_contain(route, "when");
        RouteConditions { count: set.count(), set: self.conditions.add(set), unreadable }
    }

    /// Compiles `when`. Returns its conditions, and whether some of them can't be read.
    fn conditions(&mut self, when: &Key<Box<When<'_>>>, place: RoutePlace) -> (ConditionSet, bool) {
        let Some(when) = when.get() else { return (ConditionSet::default(), when.is_broken()) };
        let place = place.key("when");
        let headers_place = &|| place.clone().key("headers");
        let (headers, headers_are_valid) = self.headers(&when.headers, headers_place, forbidden_in_condition);
        let (cookies, cookies_are_valid) = self.named_values(&when.cookies, &place, "cookies", cookie_problem);
        let (query, query_is_valid) = self.named_values(&when.query, &place, "query", query_problem);
        let mut sorted = |pairs: Vec<(StringId, &str)>| {
            let conditions = pairs.into_iter().map(|(name, value)| Condition { name, expected: self.expected(value) });
            let mut conditions: Vec<Condition> = conditions.collect();
            conditions.sort_unstable();
            conditions
        };
        let set = ConditionSet { headers: sorted(headers), cookies: sorted(cookies), query: sorted(query) };
        let valid = when.unknown.is_empty() && headers_are_valid && cookies_are_valid && query_is_valid;
        (set, !valid)
    }

    /// Checks conditions on cookies or on the query. Returns the valid ones, and whether all are valid.
    fn named_values<'w>(
        &mut self,
        written: &'w Written<'_>,
        place: &Place,
        key: &'static str,
        problem: fn(&str, &str) -> Option<ProblemKind>,
    ) -> (Vec<(StringId, &'w str)>, bool) {
        let mut valid = Vec::new();
        let mut are_valid = !written.is_broken();
        let mut names = BTreeSet::new();
        for (name, value) in written.get().into_iter().flatten() {
            let problem = match names.insert(name) {
                true => problem(name, value.as_deref().unwrap_or_default()),
                false => Some(ProblemKind::RepeatedKey { key: name.to_string() }),
            };
            let is_error = problem.as_ref().is_some_and(|kind| kind.severity() == Severity::Error);
            if let Some(kind) = problem {
                self.report(place.clone().key(key).named(name), kind);
            }
            match value {
                Some(value) if !is_error => valid.push((self.builder.shared(name), &**value)),
                _ => are_valid = false,
            }
        }
        (valid, are_valid)
    }

    fn expected(&mut self, value: &str) -> Expected {
        match value.strip_suffix('*') {
            Some("") => Expected::Present,
            Some(prefix) => Expected::Prefix(self.builder.shared(prefix)),
            None => Expected::Equal(self.builder.shared(value)),
        }
    }
}

/// Returns the problem of a condition on a cookie, if it has one. No request could fulfil a condition with an error.
fn cookie_problem(name: &str, value: &str) -> Option<ProblemKind> {
    let has_separator = |text: &str| text.contains(|c: char| c == ';' || (c.is_ascii_control() && c != '\t'));
    if name.is_empty() || name.contains('=') || name.starts_with([' ', '\t']) || has_separator(name) {
        return Some(ProblemKind::CookieName { found: name.to_owned() });
    }
    if has_separator(value) {
        return Some(ProblemKind::CookieValue { name: name.to_owned() });
    }
    let unquoted = value.strip_prefix('"')?.strip_suffix('"')?;
    // Without its quotes, a value may mean something else.
    let is_plain = !unquoted.starts_with('"') && !unquoted.ends_with(['"', '*']);
    let write = is_plain.then(|| unquoted.to_owned());
    Some(ProblemKind::QuotedCookie { name: name.to_owned(), found: value.to_owned(), write })
}

/// Returns the problem of a condition on a query parameter, if it has one.
fn query_problem(name: &str, value: &str) -> Option<ProblemKind> {
    if name.is_empty() {
        return Some(ProblemKind::EmptyQueryName);
    }
    let found = [name, value].into_iter().find(|text| text.contains('+'))?;
    Some(ProblemKind::PlusInQuery { found: found.to_owned(), write: found.replace('+', " ") })
}

/// Returns the elements of a route's `match`; `None` for one that is not a string.
pub(super) fn pattern_texts<'r>(route: &'r RouteConfig<'_>) -> impl Iterator<Item = Option<&'r str>> {
    let (one, many) = match route.patterns.get() {
        None => (None, None),
        Some(OneOrMany::One(text)) => (Some(Some(&**text)), None),
        Some(OneOrMany::Many(texts)) => (None, Some(texts)),
    };
    one.into_iter().chain(many.into_iter().flatten().map(|text| text.as_deref()))
}

/// Returns whether an unknown key of a route may have been meant as `key`: it is similar to `key`, or to no key at all.
fn may_contain(route: &RouteConfig<'_>, key: &str) -> bool {
    route.unknown.iter().any(|like| like.is_none_or(|like| like == key))
}

/// An element of a route's `match`.
struct ParsedMatch<'a> {
    /// The pattern as written; empty if it is not a string.
    text: &'a str,
    place: MatchPlace,
    pattern: Pattern<'a>,
}

struct RouteConditions {
    /// The number of the set.
    set: u32,
    /// The numbers of conditions in the set.
    count: ConditionCount,
    /// True if there may be more conditions, which can't be read.
    unreadable: bool,
}

/// Checks that every pattern of a route captures the names that its templates use. Only valid patterns are checked.
pub(super) struct CaptureChecker<'p> {
    patterns: &'p [ParsedMatch<'p>],
    /// Found out only if a template uses a name.
    captured: OnceCell<Captured<'p>>,
    /// The names that each valid pattern captures. Found out only if there is an error.
    names: OnceCell<Vec<HashSet<&'p str>>>,
    /// The number of further errors that will be kept.
    room: Cell<usize>,
    /// The number of errors that were found but not returned.
    omitted: Cell<usize>,
}

/// What the valid patterns of a route capture.
struct Captured<'p> {
    patterns: usize,
    /// For each name the number of patterns that capture it.
    counts: HashMap<&'p str, usize>,
    /// The names under which some pattern captures the rest of the path. If the rest may be empty, the first such pattern
    /// is with it.
    rests: BTreeMap<&'p str, Option<&'p ParsedMatch<'p>>>,
}

impl<'p> CaptureChecker<'p> {
    fn new(patterns: &'p [ParsedMatch<'p>], room: usize) -> Self {
        CaptureChecker {
            patterns,
            captured: OnceCell::new(),
            names: OnceCell::new(),
            room: Cell::new(room),
            omitted: Cell::new(0),
        }
    }

    fn valid_patterns(&self) -> impl Iterator<Item = &'p ParsedMatch<'p>> {
        self.patterns.iter().filter(|parsed| parsed.pattern.is_valid)
    }

    fn captured(&self) -> &Captured<'p> {
        self.captured.get_or_init(|| {
            let mut captured = Captured { patterns: 0, counts: HashMap::new(), rests: BTreeMap::new() };
            for parsed in self.valid_patterns() {
                captured.patterns += 1;
                for name in parsed.pattern.captures() {
                    *captured.counts.entry(name).or_default() += 1;
                }
                if let Some(Segment::Rest { name, may_be_none }) = parsed.pattern.segments.last() {
                    let first = captured.rests.entry(name).or_default();
                    *first = first.or(may_be_none.then_some(parsed));
                }
            }
            captured
        })
    }

    /// Returns the names that every valid pattern captures, in the order of the first pattern.
    pub(super) fn common(&self) -> Vec<&'p str> {
        let Captured { patterns, counts, .. } = self.captured();
        let first = self.valid_patterns().next().into_iter().flat_map(|parsed| parsed.pattern.captures());
        first.filter(|name| counts.get(name) == Some(patterns)).collect()
    }

    /// Returns whether some pattern captures the rest of the path under a name.
    pub(super) fn is_rest(&self, name: &str) -> bool {
        self.captured().rests.contains_key(name)
    }

    /// Returns the names under which some pattern captures a rest that may be empty, each with the path that stands before
    /// the first such rest.
    pub(super) fn empty_rests(&self) -> impl Iterator<Item = (&'p str, &'p str)> {
        self.captured().rests.iter().filter_map(|(name, parsed)| {
            let (_, path) = (*parsed)?.text.split_once(' ')?;
            Some((*name, path.rsplit_once('/')?.0))
        })
    }

    /// Returns an error for each pattern that does not capture a name. If there are any, at least one is returned, and
    /// beyond that no more than will be kept.
    pub(super) fn errors(&self, name: &str) -> Vec<ProblemKind> {
        let Captured { patterns, counts, .. } = self.captured();
        let found = patterns - counts.get(name).copied().unwrap_or_default();
        if found == 0 {
            return Vec::new();
        }
        let returned = found.min(self.room.get().max(1));
        self.room.set(self.room.get().saturating_sub(returned));
        self.omitted.set(self.omitted.get() + found - returned);
        let names = self
            .names
            .get_or_init(|| self.valid_patterns().map(|parsed| parsed.pattern.captures().collect()).collect());
        let patterns = self.valid_patterns().zip(names).filter(|(_, names)| !names.contains(name));
        patterns
            .take(returned)
            .map(|(parsed, _)| ProblemKind::UnknownCapture {
                name: name.to_owned(),
                pattern: parsed.text.to_owned(),
                known: parsed.pattern.captures().map(str::to_owned).collect(),
            })
            .collect()
    }
}

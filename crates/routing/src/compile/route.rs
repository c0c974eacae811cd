//! One route: its matches and conditions, entered into the tree, and where it leads.

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeSet, HashMap};

use super::conditions::ConditionSet;
use super::headers::{forbidden_in_condition, forbidden_in_request, forbidden_in_response};
use super::settings::Defaults;
use super::{At, Claim, Compiler, Element, NO_LIST};
use crate::compile::pattern::{Methods as PatternMethods, Pattern, Segment, captures};
use crate::document::config::{Route as RouteConfig, When};
use crate::document::read::{Key, OneOrMany};
use crate::path;
use crate::problem::ProblemKind;
use crate::table::image::{NO_INDEX, Span};
use crate::table::schema::{
    ANY, CAPTURES, Capture, Condition, Cors, Expected, MatchRow, PATTERNS, ROUTE_EXTRAS, ROUTES, Route, RouteExtras,
    Target,
};

impl Compiler {
    pub(super) fn route(&mut self, index: usize, route: Option<&RouteConfig<'_>>, defaults: &Defaults<'_>) {
        let at = At(index);
        let unreadable;
        let is_object = route.is_some();
        let route = match route {
            Some(route) => route,
            None => {
                unreadable = RouteConfig::default();
                &unreadable
            }
        };
        let patterns = self.read_patterns(route, at);
        let (conditions, mut unreadable_conditions) = self.conditions(&route.when, at);
        // A key that is not known may have been meant for conditions, unless it is more like another.
        unreadable_conditions |= route.unknown.iter().any(|like| matches!(like, None | Some("when")));
        let condition_count = conditions.len();
        let conditions = self.conditions.number(conditions);
        let mut first = None;
        for pattern in &patterns.patterns {
            let ReadPattern { text, element, path } = pattern;
            let segments = patterns.segments(pattern);
            let number = self.builder.image.len(PATTERNS);
            let unreadable = !path.whole;
            let entry = self.tree.insert(segments, &mut self.builder);
            let claim = |method| Claim {
                entry,
                method,
                unreadable,
                unreadable_conditions,
                conditions,
                condition_count,
                pattern: number,
            };
            match path.methods {
                PatternMethods::Any => self.claims.push(claim(ANY)),
                PatternMethods::Named(text) => match self.methods.at_hand(text) {
                    Some(only) => self.claims.push(claim(only)),
                    // All have been counted.
                    None => {
                        let numbers = path.methods.names().filter_map(|name| self.methods.number(name));
                        self.claims.extend(numbers.map(claim));
                    }
                },
            }
            if path.whole && !path.is_harmless && defaults.reject_unsafe {
                self.report_unreachable(segments, *element);
            }
            let text = self.builder.add(text);
            first = first.or(Some(text));
            let captures = self.captures(segments);
            self.builder.image.push(PATTERNS, MatchRow { route: index as u32, text, captures });
            self.elements.push(element.index.map_or(NO_LIST, |index| index as u16));
        }
        let name = match (route.name.get(), first) {
            (Some(name), _) if !name.is_empty() && !name.chars().any(char::is_control) => self.builder.add(name),
            (written, first) => {
                if written.is_some() {
                    self.report(at.key("name"), ProblemKind::RouteName);
                }
                let first = first.filter(|text| text.length > 0);
                first.unwrap_or_else(|| self.builder.add(&at.place().to_string()))
            }
        };
        let cors = self.cors(&route.cors, &|| at.key("cors"));
        // What can't be read, and a key that is not known, may have said anything of it.
        let may_have_cors = |like: &Option<_>| matches!(like, None | Some("cors"));
        let cors = match cors {
            _ if !is_object || route.unknown.iter().any(may_have_cors) => Cors::Unknown,
            Some(own) => own,
            None => defaults.cors,
        };
        let captured = Captured::new(&patterns, self.reader.problems.room());
        let (request_headers, response_headers) = self.route_headers(route, &captured, at);
        let target = if is_object { self.target(route, &captured, at, defaults) } else { None };
        self.reader.problems.count(captured.unreported.get());
        let target = target.filter(|_| cors != Cors::Unknown);
        let (target, rewrite) = target.unwrap_or((Target::Broken, None));
        let extras = RouteExtras { rewrite, cors, request_headers, response_headers };
        let extras = match extras == RouteExtras::none(defaults.cors) {
            true => NO_INDEX,
            false => self.builder.image.push(ROUTE_EXTRAS, extras),
        };
        self.builder.image.push(ROUTES, Route { name, target, extras });
    }

    /// What the route does by itself to the headers of requests, and of responses; its errors break it.
    fn route_headers(&mut self, route: &RouteConfig<'_>, captured: &Captured<'_>, at: At) -> (Span, Span) {
        let faults = &|name: &str| captured.faults(name);
        let place = &|| at.key("requestHeaders");
        let (request, _) = self.operations(&route.request_headers, place, forbidden_in_request, faults);
        let place = &|| at.key("responseHeaders");
        let (response, _) = self.operations(&route.response_headers, place, forbidden_in_response, faults);
        (request, response)
    }

    fn read_patterns<'a>(&mut self, route: &'a RouteConfig<'_>, at: At) -> ReadPatterns<'a> {
        let mut read = ReadPatterns::default();
        let is_list = !matches!(route.patterns, Key::Set(OneOrMany::One(_)));
        for (index, text) in pattern_texts(route).enumerate() {
            let element = Element { route: at, index: is_list.then_some(index) };
            let path = match text {
                Some(text) => Pattern::read(text, &mut read.segments, &mut |kind| self.report(element.place(), kind)),
                None => Pattern::unreadable(&mut read.segments),
            };
            read.patterns.push(ReadPattern { text: text.unwrap_or_default(), element, path });
        }
        if read.patterns.is_empty() {
            let element = Element { route: at, index: None };
            if route.patterns.get().is_some() {
                self.report(element.place(), ProblemKind::NoMatch);
            }
            let path = Pattern::unreadable(&mut read.segments);
            read.patterns.push(ReadPattern { text: "", element, path });
        }
        read
    }

    fn captures(&mut self, segments: &[Segment<'_>]) -> Span {
        let start = self.builder.image.len(CAPTURES);
        for (segment, found) in (0u32..).zip(segments) {
            let (name, prefix, suffix, rest) = match found {
                Segment::Literal(_) | Segment::Unknown => continue,
                Segment::Capture { prefix, name, suffix } => (name, prefix.len() as u32, suffix.len() as u32, false),
                Segment::Rest { name } => (name, 0, 0, true),
            };
            let name = self.builder.shared(name);
            self.builder.image.push(CAPTURES, Capture { name, segment, prefix, suffix, rest });
        }
        Span { start, end: self.builder.image.len(CAPTURES) }
    }

    /// Warns of a pattern that only paths match which are refused before.
    fn report_unreachable(&mut self, segments: &[Segment<'_>], element: Element) {
        let last = segments.len().saturating_sub(1);
        let hazard = segments.iter().enumerate().find_map(|(index, segment)| match segment {
            Segment::Literal(text) if text.is_empty() && index < last => Some(path::Hazard::EmptySegment),
            Segment::Literal(text) => path::hazard_of_segment(text),
            Segment::Capture { prefix, suffix, .. } if prefix.is_empty() && suffix.is_empty() => None,
            Segment::Capture { prefix, suffix, .. } => {
                // Whatever is captured, an affixed segment is no dot segment of its literal text alone.
                [prefix, suffix]
                    .into_iter()
                    .find_map(|text| path::hazard_of_segment(text))
                    .filter(|hazard| *hazard != path::Hazard::DotSegment)
            }
            Segment::Rest { .. } | Segment::Unknown => None,
        });
        if let Some(hazard) = hazard {
            self.report(element.place(), ProblemKind::Unreachable { reason: hazard.describe() });
        }
    }

    /// The conditions of a route, and whether some of them can't be read.
    fn conditions(&mut self, when: &Key<Box<When<'_>>>, at: At) -> (ConditionSet, bool) {
        let mut conditions = ConditionSet::default();
        let Some(when) = when.get() else { return (conditions, when.is_broken()) };
        let place = &|| at.key("when").key("headers");
        let (headers, headers_are_whole) = self.headers(&when.headers, place, forbidden_in_condition);
        for (name, value) in headers {
            let expected = self.expected(value);
            conditions.headers.push(Condition { name, expected });
        }
        let mut unreadable = !when.unknown.is_empty() || !headers_are_whole || when.query.is_broken();
        let mut names = BTreeSet::new();
        for (name, value) in when.query.get().into_iter().flatten() {
            let place = at.key("when").key("query").named(name);
            let fault = if name.is_empty() {
                Some(ProblemKind::EmptyQueryName)
            } else if !names.insert(name) {
                Some(ProblemKind::RepeatedKey { key: name.to_string() })
            } else {
                None
            };
            match (fault, value) {
                (None, Some(value)) => {
                    let name = self.builder.shared(name);
                    let expected = self.expected(value);
                    conditions.query.push(Condition { name, expected });
                }
                (None, None) => unreadable = true,
                (Some(kind), _) => {
                    self.report(place, kind);
                    unreadable = true;
                }
            }
        }
        conditions.headers.sort_unstable();
        conditions.query.sort_unstable();
        (conditions, unreadable)
    }

    fn expected(&mut self, value: &str) -> Expected {
        if value == "*" { Expected::Present } else { Expected::Equal(self.builder.shared(value)) }
    }
}

/// The elements of a route's `match`, read.
#[derive(Default)]
pub(super) struct ReadPatterns<'a> {
    patterns: Vec<ReadPattern<'a>>,
    /// Of all of them.
    segments: Vec<Segment<'a>>,
}

struct ReadPattern<'a> {
    text: &'a str,
    element: Element,
    path: Pattern<'a>,
}

impl<'a> ReadPatterns<'a> {
    fn segments(&self, pattern: &ReadPattern<'_>) -> &[Segment<'a>] {
        self.segments.get(pattern.path.segments.clone()).unwrap_or_default()
    }
}

/// What the patterns of a route capture, as far as they can be read.
pub(super) struct Captured<'p> {
    read: &'p ReadPatterns<'p>,
    /// How many patterns there are, and by name how many of them capture it.
    counts: OnceCell<(usize, HashMap<&'p str, usize>)>,
    /// How many faults would be kept.
    room: Cell<usize>,
    /// How many faults there are beyond those that were returned.
    unreported: Cell<usize>,
}

impl<'p> Captured<'p> {
    fn new(read: &'p ReadPatterns<'p>, room: usize) -> Self {
        Captured { read, counts: OnceCell::new(), room: Cell::new(room), unreported: Cell::new(0) }
    }

    /// The patterns that do not capture a name, as problems: at least one of these, and no more than are kept.
    pub(super) fn faults(&self, name: &str) -> Vec<ProblemKind> {
        let whole = || self.read.patterns.iter().filter(|pattern| pattern.path.whole);
        let captured_by = |pattern: &ReadPattern<'_>| captures(self.read.segments(pattern)).any(|known| known == name);
        let lacking = if let [only] = &*self.read.patterns {
            usize::from(only.path.whole && !captured_by(only))
        } else {
            let (all, counts) = self.counts.get_or_init(|| {
                let mut counts = HashMap::new();
                for name in whole().flat_map(|pattern| captures(self.read.segments(pattern))) {
                    *counts.entry(name).or_default() += 1;
                }
                (whole().count(), counts)
            });
            all - counts.get(name).copied().unwrap_or_default()
        };
        if lacking == 0 {
            return Vec::new();
        }
        let reported = lacking.min(self.room.get().max(1));
        self.room.set(self.room.get().saturating_sub(reported));
        self.unreported.set(self.unreported.get() + lacking - reported);
        whole()
            .filter(|pattern| !captured_by(pattern))
            .take(reported)
            .map(|pattern| ProblemKind::UnknownCapture {
                name: name.to_owned(),
                pattern: pattern.text.to_owned(),
                known: captures(self.read.segments(pattern)).map(str::to_owned).collect(),
            })
            .collect()
    }
}

/// The elements of `match`; `None` for one that is not a string.
pub(super) fn pattern_texts<'r>(route: &'r RouteConfig<'_>) -> impl Iterator<Item = Option<&'r str>> {
    let (one, many) = match route.patterns.get() {
        None => (None, None),
        Some(OneOrMany::One(text)) => (Some(Some(&**text)), None),
        Some(OneOrMany::Many(strings)) => (None, Some(strings)),
    };
    one.into_iter().chain(many.into_iter().flatten().map(|text| text.as_deref()))
}

//! One route: its matches and conditions, entered into the tree, and where it leads.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::conditions::ConditionSet;
use super::headers::{forbidden_in_condition, forbidden_in_request, forbidden_in_response};
use super::settings::Defaults;
use super::{At, Claim, Compiler, Element, ReadPattern};
use crate::condition::{Condition, Expected};
use crate::config::{Route as RouteConfig, When};
use crate::cors::Cors;
use crate::image::Span;
use crate::path;
use crate::pattern::{Methods as PatternMethods, Pattern as PathPattern, Segment, is_token};
use crate::problem::What;
use crate::read::{Key, OneOrMany, most_like};
use crate::search::ANY;
use crate::table::{Capture, Pattern, Route, Target};

impl Compiler {
    /// Numbers the methods in their sorted order, before routes refer to them.
    pub(super) fn collect_methods(&mut self, routes: &[Option<RouteConfig<'_>>]) {
        let mut methods: BTreeSet<&str> = BTreeSet::from(["GET", "HEAD"]);
        let mut before = "";
        for text in routes.iter().flatten().flat_map(pattern_texts).flatten() {
            let named = text.split(' ').next().unwrap_or_default();
            if named != before {
                methods.extend(named.split('|').filter(|method| is_token(method) && *method != "ANY"));
                before = named;
            }
        }
        self.methods = methods.into_iter().take(usize::from(ANY)).map(Box::from).collect();
    }

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
        unreadable_conditions |=
            route.unknown.iter().any(|key| matches!(most_like(key, RouteConfig::KEYS), None | Some("when")));
        let condition_count = conditions.len();
        let conditions = self.conditions.number(conditions);
        let mut first = None;
        for ReadPattern { text, element, path } in &patterns {
            let number = self.patterns.len() as u32;
            let unreadable = !path.whole;
            let entry = self.tree.insert(&path.segments, &mut self.texts);
            let claim = |method| Claim {
                entry,
                method,
                unreadable,
                unreadable_conditions,
                conditions,
                condition_count,
                pattern: number,
            };
            match &path.methods {
                PatternMethods::Any => self.claims.push(claim(ANY)),
                PatternMethods::Named(names) => {
                    for name in names {
                        let found = self.methods.binary_search_by(|known| (**known).cmp(name));
                        match found.ok().and_then(|at| u16::try_from(at).ok()) {
                            Some(method) => self.claims.push(claim(method)),
                            // More methods than there are numbers for.
                            None => self.tell(element.place(), What::Method { found: (*name).to_owned() }),
                        }
                    }
                }
            }
            if path.whole && defaults.reject_unsafe {
                self.tell_unreachable(path, *element);
            }
            let text = self.texts.add(text);
            first = first.or(Some(text));
            let captures = self.captures(&path.segments);
            self.patterns.push(Pattern { route: index as u32, text, captures });
            self.elements.push(*element);
        }
        let name = match (route.name.get(), first) {
            (Some(name), _) if !name.is_empty() && !name.chars().any(char::is_control) => self.texts.add(name),
            (written, first) => {
                if written.is_some() {
                    self.tell(at.key("name"), What::RouteName);
                }
                let first = first.filter(|text| !self.texts.get(*text).is_empty());
                first.unwrap_or_else(|| self.texts.add(&at.place().to_string()))
            }
        };
        let cors = self.cors(&route.cors, || at.key("cors"));
        // What can't be read, and a key that is not known, may have said anything of it.
        let may_have_cors = |key: &Cow<'_, str>| matches!(most_like(key, RouteConfig::KEYS), None | Some("cors"));
        let cors = match cors {
            _ if !is_object || route.unknown.iter().any(may_have_cors) => Cors::Unknown,
            Some(own) => own,
            None => defaults.cors,
        };
        let (request_headers, response_headers) = self.route_headers(route, &patterns, at);
        let target = if is_object { self.target(route, &patterns, at, defaults) } else { None };
        let target = target.filter(|_| cors != Cors::Unknown).unwrap_or(Target::Broken);
        self.routes.push(Route { name, target, cors, request_headers, response_headers });
    }

    /// What the route does by itself to the headers of requests, and of responses; its errors break it.
    fn route_headers(&mut self, route: &RouteConfig<'_>, patterns: &[ReadPattern<'_>], at: At) -> (Span, Span) {
        let faults = |name: &str| unknown_captures(patterns, name);
        let place = || at.key("requestHeaders");
        let (request, _) = self.operations(&route.request_headers, place, forbidden_in_request, faults);
        let place = || at.key("responseHeaders");
        let (response, _) = self.operations(&route.response_headers, place, forbidden_in_response, faults);
        (request, response)
    }

    fn read_patterns<'a>(&mut self, route: &'a RouteConfig<'_>, at: At) -> Vec<ReadPattern<'a>> {
        let mut patterns = Vec::with_capacity(1);
        let is_list = !matches!(route.patterns, Key::Set(OneOrMany::One(_)));
        for (index, text) in pattern_texts(route).enumerate() {
            let element = Element { route: at, index: is_list.then_some(index) };
            let path = match text {
                Some(text) => PathPattern::read(text, &mut |what| self.tell(element.place(), what)),
                None => PathPattern::unreadable(),
            };
            patterns.push(ReadPattern { text: text.unwrap_or_default(), element, path });
        }
        if patterns.is_empty() {
            let element = Element { route: at, index: None };
            if route.patterns.get().is_some() {
                self.tell(element.place(), What::NoMatch);
            }
            patterns.push(ReadPattern { text: "", element, path: PathPattern::unreadable() });
        }
        patterns
    }

    fn captures(&mut self, segments: &[Segment<'_>]) -> Span {
        let texts = &mut self.texts;
        let numbered = (0u32..).zip(segments);
        let captures = numbered.filter_map(|(segment, found)| match found {
            Segment::Literal(_) | Segment::Unknown => None,
            Segment::Capture { prefix, name, suffix } => Some(Capture {
                name: texts.shared(name),
                segment,
                prefix: prefix.len() as u32,
                suffix: suffix.len() as u32,
                rest: false,
            }),
            Segment::Rest { name } => {
                Some(Capture { name: texts.shared(name), segment, prefix: 0, suffix: 0, rest: true })
            }
        });
        Span::append(&mut self.captures, captures)
    }

    /// Warns of a pattern that only paths match which are refused before.
    fn tell_unreachable(&mut self, pattern: &PathPattern<'_>, element: Element) {
        let last = pattern.segments.len().saturating_sub(1);
        let hazard = pattern.segments.iter().enumerate().find_map(|(index, segment)| match segment {
            Segment::Literal(text) if text.is_empty() && index < last => Some(path::Hazard::EmptySegment),
            Segment::Literal(text) => path::hazard_of_segment(text),
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
            self.tell(element.place(), What::Unreachable { reason: hazard.described() });
        }
    }

    /// The conditions of a route, and whether some of them can't be read.
    fn conditions(&mut self, when: &Key<When<'_>>, at: At) -> (ConditionSet, bool) {
        let mut conditions = ConditionSet::default();
        let Some(when) = when.get() else { return (conditions, when.is_broken()) };
        let place = || at.key("when").key("headers");
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
                Some(What::EmptyQueryName)
            } else if !names.insert(name) {
                Some(What::RepeatedKey { key: name.to_string() })
            } else {
                None
            };
            match (fault, value) {
                (None, Some(value)) => {
                    let name = self.texts.shared(name);
                    let expected = self.expected(value);
                    conditions.query.push(Condition { name, expected });
                }
                (None, None) => unreadable = true,
                (Some(what), _) => {
                    self.tell(place, what);
                    unreadable = true;
                }
            }
        }
        conditions.headers.sort_unstable();
        conditions.query.sort_unstable();
        (conditions, unreadable)
    }

    fn expected(&mut self, value: &str) -> Expected {
        if value == "*" { Expected::Present } else { Expected::Equal(self.texts.shared(value)) }
    }
}

/// The patterns of a route that do not capture a name, as problems.
pub(super) fn unknown_captures(patterns: &[ReadPattern<'_>], name: &str) -> Vec<What> {
    patterns
        .iter()
        .filter(|pattern| pattern.path.whole && pattern.path.captures().all(|known| known != name))
        .map(|pattern| What::UnknownCapture {
            name: name.to_owned(),
            pattern: pattern.text.to_owned(),
            known: pattern.path.captures().map(str::to_owned).collect(),
        })
        .collect()
}

/// The elements of `match`; `None` for one that is not a string.
fn pattern_texts<'r>(route: &'r RouteConfig<'_>) -> impl Iterator<Item = Option<&'r str>> {
    let (one, many) = match route.patterns.get() {
        None => (None, None),
        Some(OneOrMany::One(text)) => (Some(Some(&**text)), None),
        Some(OneOrMany::Many(texts)) => (None, Some(texts)),
    };
    one.into_iter().chain(many.into_iter().flatten().map(|text| text.as_deref()))
}

//! The outline of a table: what a tool must know to compare it with another one.
//!
//! [`RouteTable::outline`] lists the patterns in structured form, the conditions of their routes, and what each route does,
//! as a text that is the same for two tables if they do the same. [`RouteTable::host_scope`] and
//! [`RouteTable::matching_paths`] say for one request which part of the table decides about it. So a tool can find out
//! without guessing which requests two tables treat alike, and which it has to try.

use std::fmt::Write as _;

use crate::path::{self, RequestPath};
use crate::table::RouteTable;
use crate::table::hosts::{self, Membership};
use crate::table::image::Span;
use crate::table::mixed;
use crate::table::schema::{
    ANY, AllowedHeaders, AllowedMethods, Candidate, Capture, CapturedHost, Condition, Cors, Expected, Extent, NoMatch,
    Operation, Part, Settings, StringId, Target, Template, UnsafePaths,
};
use crate::table::tree::TreeSegment;

/// The parts of a table on which its decisions depend.
#[derive(Debug, Clone)]
pub struct Outline {
    /// The segments of `basePath`, in normal form.
    pub base: Vec<String>,
    /// The exact names among `hosts`, in lower case.
    pub exact_hosts: Vec<String>,
    /// The suffixes among `hosts`, without the `*.` before them.
    pub host_suffixes: Vec<String>,
    /// True if `hosts` has a `*`.
    pub any_host: bool,
    /// The hosts of targets, without port: those of `host`, and with `denyDirect` also those of `service`.
    pub target_hosts: Vec<String>,
    /// The namespaces of `allowNamespaces`. A prefix ends with `*`.
    pub namespaces: Vec<String>,
    /// The methods that routes name.
    pub methods: Vec<String>,
    /// The origins of all CORS policies, as they could be written in a document.
    pub origins: Vec<String>,
    /// The names of all headers of requests and of responses that the document changes.
    pub changed_headers: Vec<String>,
    /// The settings of the table as a whole, but for its name and its hosts. If they are equal in two tables, so is what
    /// these tables do with requests for which they find the same routes.
    pub settings: String,
    /// True if `unsafePaths` lets paths through that others refuse.
    pub allows_unsafe_paths: bool,
    /// True if some target is made of captured values.
    pub has_captured_targets: bool,
    /// The paths, in no particular order. [`RouteTable::matching_paths`] returns their `id`s.
    pub paths: Vec<PathOutline>,
}

/// All elements of `match` that have the same path but for the names of parameters.
#[derive(Debug, Clone)]
pub struct PathOutline {
    /// The number by which the table refers to the path.
    pub id: u32,
    /// The segments below `basePath`.
    pub segments: Vec<PathSegment>,
    /// One candidate for each method of each element, in the order of precedence.
    pub candidates: Vec<CandidateOutline>,
}

/// A segment of a path pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathSegment {
    /// Literal text in normal form.
    Literal(String),
    /// Literal text and parameters.
    Mixed(MixedSegment),
    /// A parameter alone.
    Parameter,
    /// `{*name}`.
    Rest,
    /// `{**name}`.
    RestOrNone,
    /// The rest of a path that can't be read. It matches everything.
    Unreadable,
}

/// A segment of literal text and parameters, such as `v{major}.{minor}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MixedSegment {
    /// The literal text before each parameter and after the last one, in normal form.
    pub literals: Vec<String>,
    /// The same as characters, in which a percent-encoded byte is one character.
    characters: Vec<String>,
}

impl MixedSegment {
    /// Returns whether the segment of a request matches. `text` is in normal form.
    pub fn matches(&self, text: &str) -> bool {
        mixed::split(self.characters.iter().map(String::as_str), &path::characters(text.as_bytes())).is_some()
    }
}

/// One method of one element of a route's `match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateOutline {
    /// The method; `None` for `ANY`.
    pub method: Option<String>,
    /// The conditions, sorted.
    pub conditions: Vec<ConditionOutline>,
    /// True if some part of the element can't be read.
    pub is_unreadable: bool,
    /// The index of the route in the document.
    pub route: usize,
    /// The number of the element among all elements of the document.
    pub element: u32,
    /// What the route does. Two candidates at the same path with the same effect do the same with a request.
    pub effect: String,
}

/// A condition of a route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConditionOutline {
    /// The part of the request that the condition is about.
    pub part: ConditionPart,
    /// The name of the header, in lower case, of the cookie or of the query parameter.
    pub name: String,
    /// What the condition expects.
    pub expected: ExpectedValue,
}

/// A part of a request that conditions can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ConditionPart {
    Header,
    Cookie,
    Query,
}

/// The value that a condition expects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExpectedValue {
    /// Any value.
    Present,
    /// This value.
    Equal(String),
    /// A value that begins with this text.
    Prefix(String),
}

/// How a table treats the requests for a host. A table treats hosts with the same value alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostScope {
    /// 0 if `hosts` does not have the host; otherwise how it has it.
    membership: u8,
    is_direct: bool,
    probes_pass: bool,
}

impl HostScope {
    /// Returns whether routes are looked for.
    pub fn is_in_scope(self) -> bool {
        self.membership != 0 && !self.is_direct
    }

    /// Returns whether the table leaves all requests for the host untouched.
    pub fn is_out_of_scope(self) -> bool {
        self == HostScope::default()
    }
}

impl RouteTable {
    /// Returns how the table treats the requests for a host.
    pub fn host_scope(&self, authority: &[u8]) -> HostScope {
        let host = &*hosts::normalize_host(authority);
        let membership = self.settings.hosts.membership(&self.strings, host);
        let is_ksvc = self.is_ksvc_host(host);
        let is_other = hosts::contains(&self.strings, self.settings.other_hosts, host);
        let is_direct =
            self.settings.deny_direct && matches!(membership, None | Some(Membership::Any)) && (is_other || is_ksvc);
        let membership = match membership {
            None if !is_direct => return HostScope::default(),
            None => 0,
            Some(Membership::Exact) => 1,
            Some(Membership::Suffix | Membership::Any) => 2,
        };
        HostScope { membership, is_direct, probes_pass: membership != 1 && (!is_other || is_ksvc) }
    }

    /// Returns the paths that match a request's path, with or without its query, in the order in which they are looked at.
    /// Returns `None` if the path is not in the table's scope.
    pub fn matching_paths(&self, path: &[u8]) -> Option<Vec<u32>> {
        if !self.base.contains(path) {
            return None;
        }
        Some(self.matching_entries(self.below(&RequestPath::read(path))))
    }

    /// Returns the outline of the table.
    ///
    /// ```
    /// let compiled = ksvc_routing::compile(
    ///     br#"{"hosts": ["a.example.com"], "routes": [{"match": "GET /orders/{id}", "host": "orders.example.com"}]}"#,
    /// );
    /// let outline = compiled.table.outline();
    /// let path = &outline.paths[0];
    /// assert_eq!(path.segments.len(), 2);
    /// assert_eq!(path.candidates[0].method.as_deref(), Some("GET"));
    /// assert_eq!(compiled.table.matching_paths(b"/orders/42"), Some(vec![path.id]));
    /// ```
    pub fn outline(&self) -> Outline {
        let Settings { hosts, ksvc_hosts, other_hosts, namespaces, methods, unsafe_paths, .. } = self.settings;
        let list = |span: Span| self.strings.list(span).map(str::to_owned);
        let prefixes = list(namespaces.prefixes).map(|prefix| prefix + "*");
        let mut origins: Vec<String> =
            self.policies.iter().flat_map(|policy| self.origin_list(policy.origins)).collect();
        origins.sort();
        origins.dedup();
        let mut changed_headers: Vec<String> =
            self.operations.iter().map(|operation| self.strings.get(operation.name()).to_owned()).collect();
        changed_headers.sort();
        changed_headers.dedup();
        let mut paths = Vec::new();
        self.tree.visit_paths(&self.strings, &mut |id, segments| {
            let segments = segments.iter().cloned().map(PathSegment::from).collect();
            paths.push(PathOutline { id, segments, candidates: self.candidate_outlines(id) });
        });
        Outline {
            base: self.base.normal.split('/').skip(1).map(str::to_owned).collect(),
            exact_hosts: list(hosts.exact).collect(),
            host_suffixes: list(hosts.suffixes).collect(),
            any_host: hosts.any,
            target_hosts: list(ksvc_hosts).chain(list(other_hosts)).collect(),
            namespaces: list(namespaces.exact).chain(prefixes).collect(),
            methods: list(methods).collect(),
            origins,
            changed_headers,
            settings: self.settings_key(),
            allows_unsafe_paths: unsafe_paths != UnsafePaths::Reject,
            has_captured_targets: self.captured_hosts.len() > 0,
            paths,
        }
    }

    fn candidate_outlines(&self, entry: u32) -> Vec<CandidateOutline> {
        let outline = |candidate: Candidate| {
            let Candidate { method, unreadable, conditions, pattern } = candidate;
            Some(CandidateOutline {
                method: (method != ANY)
                    .then(|| self.strings.at(self.settings.methods, method.into()).unwrap_or_default().to_owned()),
                conditions: self.condition_outlines(conditions),
                is_unreadable: unreadable,
                route: self.patterns.get(pattern)?.route as usize,
                element: pattern,
                effect: self.effect(pattern),
            })
        };
        self.candidates(entry).filter_map(outline).collect()
    }

    fn condition_outlines(&self, set: u32) -> Vec<ConditionOutline> {
        let set = self.condition_sets.get(set).unwrap_or_default();
        let text = |id: StringId| self.strings.get(id).to_owned();
        let mut conditions = Vec::new();
        for (part, span) in [
            (ConditionPart::Header, set.headers),
            (ConditionPart::Cookie, set.cookies),
            (ConditionPart::Query, set.query),
        ] {
            conditions.extend(self.conditions.span(span).map(|Condition { name, expected }| ConditionOutline {
                part,
                name: text(name),
                expected: match expected {
                    Expected::Present => ExpectedValue::Present,
                    Expected::Equal(value) => ExpectedValue::Equal(text(value)),
                    Expected::Prefix(prefix) => ExpectedValue::Prefix(text(prefix)),
                },
            }));
        }
        conditions.sort();
        conditions
    }

    /// Returns the settings of the table as a text, without its name, its hosts and what is in the effects of routes.
    fn settings_key(&self) -> String {
        let Settings { strip_base, no_match, ignore_trailing_slash, unsafe_paths, .. } = self.settings;
        let Settings { strip_internal, rewrite_location, cors, uses_cors, namespaces, .. } = self.settings;
        let base = strip_base.then_some(&*self.base.normal);
        let list = |span: Span| self.strings.list(span).collect::<Vec<_>>();
        let namespaces = (list(namespaces.exact), list(namespaces.prefixes), namespaces.any);
        // A broken route may hide a policy, and then it counts whether there is any.
        let has_errors = no_match == NoMatch::Broken
            || (0..).map_while(|pattern| self.route(pattern)).any(|route| route.is_broken());
        format!(
            "{base:?} {no_match:?} {ignore_trailing_slash} {unsafe_paths:?} {strip_internal} {rewrite_location} {} {:?} \
             {namespaces:?}",
            self.cors_key(cors),
            has_errors.then_some(uses_cors),
        )
    }

    /// Returns what the route of a pattern does, as a text. Parameters are named by their place in the path.
    fn effect(&self, pattern: u32) -> String {
        let Some(route) = self.route(pattern) else { return String::new() };
        let own = self.extras(route);
        let template = |template: Template| self.template_key(pattern, template);
        let mut effect = match route.target {
            Target::Forward(authority) => format!("forward {:?}", self.strings.get(authority)),
            Target::Redirect(to, status) => format!("redirect {status} {}", template(to)),
            Target::Respond(response) => match self.responses.get(response) {
                Some(response) => {
                    let headers: Vec<(&str, &str)> = self.strings.pairs(response.headers).collect();
                    format!("respond {} {headers:?} {:?}", response.status, self.strings.get(response.body))
                }
                None => "broken".to_owned(),
            },
            Target::Broken => "broken".to_owned(),
            Target::Captured(host) => match self.captured_hosts.get(host) {
                Some(CapturedHost { service, namespace }) => format!(
                    "captured {} {} {}",
                    self.describe_template(self.settings.host_template),
                    template(service),
                    template(namespace)
                ),
                None => "broken".to_owned(),
            },
        };
        let mut add = |word: &str, value: String| {
            // Writing to a string can't fail.
            let _ = write!(effect, " {word} {value}");
        };
        if let Some(rewrite) = own.rewrite {
            add("rewrite", template(rewrite));
        }
        if own.cors != Cors::Off {
            add("cors", self.cors_key(own.cors));
        }
        let Settings { request_headers, response_headers, .. } = self.settings;
        let request = [request_headers, own.request_headers];
        for (word, spans) in [("request", request), ("response", [response_headers, own.response_headers])] {
            for operation in spans.into_iter().flat_map(|span| self.operations.span(span)) {
                add(word, self.operation_key(pattern, operation));
            }
        }
        effect
    }

    fn operation_key(&self, pattern: u32, operation: Operation) -> String {
        let value = operation.template().map(|template| self.template_key(pattern, template));
        format!("{} {:?} {value:?}", operation.key(), self.strings.get(operation.name()))
    }

    fn template_key(&self, pattern: u32, template: Template) -> String {
        let mut key = String::new();
        for part in self.strings.parts(template) {
            // Writing to a string can't fail.
            let _ = match part {
                Part::Literal(text) => write!(key, "{:?}", self.strings.get(text)),
                Part::Capture(name) => write!(key, "{{{}}}", self.capture_key(pattern, name)),
                Part::Route => {
                    let route = self.route(pattern).map(|route| self.strings.get(route.name));
                    write!(key, "{{route {route:?}}}")
                }
            };
        }
        key
    }

    /// Returns the place of a parameter in the path of a pattern, as a text.
    fn capture_key(&self, pattern: u32, name: StringId) -> String {
        let captures = self.patterns.get(pattern).map_or_else(Span::default, |row| row.captures);
        let base = self.base.normal.bytes().filter(|&b| b == b'/').count();
        let Some(Capture { segment, extent, .. }) = self.captures.span(captures).find(|it| it.name == name) else {
            // No value, or a field of the host template.
            return format!("{:?}", self.strings.get(name));
        };
        let at = base + segment as usize;
        match extent {
            Extent::OneOfSeveral(literals, index) => {
                format!("{at} {:?} {index}", self.strings.list(literals).collect::<Vec<_>>())
            }
            extent => format!("{at} {extent:?}"),
        }
    }

    fn cors_key(&self, cors: Cors) -> String {
        let policy = match cors {
            Cors::Off => return "off".to_owned(),
            Cors::Unknown => return "unknown".to_owned(),
            Cors::On(policy) => self.policies.get(policy),
        };
        let Some(policy) = policy else { return "unknown".to_owned() };
        let text = |id: StringId| self.strings.get(id);
        let methods = match policy.methods {
            AllowedMethods::OfRoutes => "of routes",
            AllowedMethods::Every => "every",
            AllowedMethods::Listed(methods) => text(methods),
        };
        let headers = match policy.headers {
            AllowedHeaders::None => "none",
            AllowedHeaders::Every => "every",
            AllowedHeaders::Listed(headers) => text(headers),
        };
        let mut origins = self.origin_list(policy.origins);
        origins.sort();
        let (expose, max_age) = (policy.expose.map(text), policy.max_age.map(text));
        format!("{origins:?} {methods:?} {headers:?} {expose:?} {} {max_age:?}", policy.credentials)
    }
}

impl From<TreeSegment> for PathSegment {
    fn from(segment: TreeSegment) -> Self {
        match segment {
            TreeSegment::Literal(text) => PathSegment::Literal(text),
            TreeSegment::Mixed(characters) => {
                let literals = characters.iter().map(|text| path::from_characters(text)).collect();
                PathSegment::Mixed(MixedSegment { literals, characters })
            }
            TreeSegment::Parameter => PathSegment::Parameter,
            TreeSegment::Rest => PathSegment::Rest,
            TreeSegment::RestOrNone => PathSegment::RestOrNone,
            TreeSegment::Unreadable => PathSegment::Unreadable,
        }
    }
}

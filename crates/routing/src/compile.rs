//! From the document as written to the route table, with everything that is wrong on the way.
//!
//! A bad document yields a table too: a route on which an error bears is broken in it (503), and where the
//! scope itself can't be read the table leaves all traffic untouched. So no request goes to where the
//! document, read in whole, would not have sent it.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use crate::condition::{Conditions, Expected};
use crate::config::{Config, OnNoMatch, Route as RouteConfig, TrailingSlash, UnsafePaths, When};
use crate::host::{self, HostSet};
use crate::host_template::HostTemplate;
use crate::node::Node;
use crate::path::{self, BasePath};
use crate::pattern::{Methods as PatternMethods, Pattern as PathPattern, Segment, is_token};
use crate::problem::{Place, Problem, Step, What};
use crate::read::{Key, OneOrMany, Read, Reader, most_like};
use crate::search::{ANY, Methods};
use crate::table::{Candidate, Capture, NoMatch, Pattern, Redirect, Respond, Route, RouteTable, Target};
use crate::template::{Literal, Template};
use crate::texts::{Text, TextsBuilder};
use crate::tree::TreeBuilder;

/// A document compiled: always a table, and everything that is wrong.
#[derive(Debug)]
pub struct Compiled {
    pub table: RouteTable,
    /// In the order of the document, as far as they belong to a route.
    pub problems: Vec<Problem>,
    /// Whether the table's `name` could be read, or is left to its default.
    pub name_is_readable: bool,
}

impl Compiled {
    /// No errors; warnings do not count.
    pub fn is_good(&self) -> bool {
        !self.problems.iter().any(Problem::is_error)
    }
}

/// Compiles a plugin configuration: JSON, as Envoy hands it to the plugin.
pub fn compile(document: &[u8]) -> Compiled {
    let mut reader = Reader::default();
    let config = read(document, &mut reader);
    let name_is_readable = config.as_ref().is_some_and(|config| match &config.name {
        Key::Absent => true,
        Key::Broken => false,
        Key::Set(name) => is_table_name(name),
    });
    let mut compiler = Compiler::new(reader.problems);
    let (table, mut problems) = match config {
        Some(config) => compiler.compile(config),
        None => {
            let table = RouteTableParts::untouched();
            let problems = std::mem::take(&mut compiler.problems);
            (compiler.finish(table, Vec::new()), problems)
        }
    };
    problems.sort_by_key(|problem| route_of(&problem.place).map_or(0, |index| index + 1));
    Compiled { table, problems, name_is_readable }
}

fn read<'a>(document: &'a [u8], reader: &mut Reader) -> Option<Config<'a>> {
    if document.iter().all(u8::is_ascii_whitespace) {
        reader.tell(What::Empty);
        return None;
    }
    match serde_json::from_slice::<Node<'a>>(document) {
        Ok(Node::Null) => {
            reader.tell(What::Empty);
            None
        }
        Ok(node) => Config::read(node, reader),
        Err(error) => {
            reader.tell(What::NotJson { message: error.to_string() });
            None
        }
    }
}

/// The route that a place is in.
fn route_of(place: &Place) -> Option<usize> {
    match place.steps() {
        [Step::Key(key), Step::Index(index), ..] if key == "routes" => Some(*index),
        _ => None,
    }
}

pub(crate) fn is_table_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// The part of a table that does not come from routes.
struct RouteTableParts {
    name: Box<str>,
    hosts: HostSet,
    base: BasePath,
    strip_base: bool,
    no_match: NoMatch,
    ignore_trailing_slash: bool,
    reject_unsafe: bool,
    strip_internal: bool,
    deny_direct: bool,
}

impl RouteTableParts {
    /// No host is the table's: nothing is touched.
    fn untouched() -> Self {
        RouteTableParts {
            name: "default".into(),
            hosts: HostSet::default(),
            base: BasePath::default(),
            strip_base: false,
            no_match: NoMatch::NotFound,
            ignore_trailing_slash: false,
            reject_unsafe: true,
            strip_internal: true,
            deny_direct: false,
        }
    }
}

/// What routes take from the table: errors there bear on the routes that need it.
struct Defaults<'a> {
    namespace: Key<Cow<'a, str>>,
    domain: Key<String>,
    host_template: Key<HostTemplate<'a>>,
    /// An error bears on every route.
    all_broken: bool,
    /// An error bears on every route that forwards.
    forwards_broken: bool,
    /// An error bears on every route that forwards the path as it came.
    plain_forwards_broken: bool,
    reject_unsafe: bool,
}

/// A route in the document. Its places are made only where there is something to tell.
#[derive(Clone, Copy)]
struct At(usize);

impl At {
    fn place(self) -> Place {
        Place::default().key("routes").index(self.0)
    }

    fn key(self, key: &'static str) -> Place {
        self.place().key(key)
    }
}

/// An element of a route's `match`; no index where it is not a list.
#[derive(Clone, Copy)]
struct Element {
    route: At,
    index: Option<usize>,
}

impl Element {
    fn place(self) -> Place {
        let key = self.route.key("match");
        self.index.map_or(key.clone(), |index| key.index(index))
    }
}

/// An element of `match` that has been read.
struct ReadPattern<'a> {
    text: &'a str,
    element: Element,
    path: PathPattern<'a>,
}

/// A candidate and what it takes to sort it.
struct Claim {
    entry: u32,
    method: u16,
    unreadable: bool,
    unreadable_conditions: bool,
    conditions: u32,
    condition_count: usize,
    pattern: u32,
}

struct Compiler {
    problems: Vec<Problem>,
    texts: TextsBuilder,
    tree: TreeBuilder,
    methods: Vec<Box<str>>,
    claims: Vec<Claim>,
    conditions: Vec<Conditions>,
    known_conditions: HashMap<Conditions, u32>,
    patterns: Vec<Pattern>,
    elements: Vec<Element>,
    routes: Vec<Route>,
    targets: BTreeSet<Box<str>>,
}

impl Compiler {
    fn new(problems: Vec<Problem>) -> Self {
        Compiler {
            problems,
            texts: TextsBuilder::default(),
            tree: TreeBuilder::new(),
            methods: Vec::new(),
            claims: Vec::new(),
            conditions: vec![Conditions::default()],
            known_conditions: HashMap::from([(Conditions::default(), 0)]),
            patterns: Vec::new(),
            elements: Vec::new(),
            routes: Vec::new(),
            targets: BTreeSet::new(),
        }
    }

    fn tell(&mut self, place: Place, what: What) {
        self.problems.push(Problem { place, what });
    }

    fn compile(mut self, mut config: Config<'_>) -> (RouteTable, Vec<Problem>) {
        let routes = std::mem::take(&mut config.routes);
        let (mut parts, defaults) = self.table(config);
        match routes {
            Key::Set(routes) => {
                self.collect_methods(&routes);
                for (index, route) in routes.iter().enumerate() {
                    self.route(index, route.as_ref(), &defaults);
                }
            }
            // Which requests the routes were meant for can't be known.
            Key::Absent | Key::Broken => parts.no_match = NoMatch::Broken,
        }
        self.tell_ambiguities();
        let broken = self.broken_routes();
        let problems = std::mem::take(&mut self.problems);
        (self.finish(parts, broken), problems)
    }

    fn table<'a>(&mut self, config: Config<'a>) -> (RouteTableParts, Defaults<'a>) {
        let root = Place::default();
        let mut parts = RouteTableParts::untouched();
        let mut defaults = Defaults {
            namespace: config.namespace,
            domain: Key::Absent,
            host_template: Key::Absent,
            all_broken: config.trailing_slash.is_broken() || config.unsafe_paths.is_broken(),
            forwards_broken: config.strip_internal_headers.is_broken(),
            plain_forwards_broken: config.strip_base_path.is_broken(),
            reject_unsafe: config.unsafe_paths.get() != Some(&UnsafePaths::Allow),
        };
        if let Some(name) = config.name.get() {
            if is_table_name(name) {
                parts.name = (&**name).into();
            } else {
                self.tell(root.key("name"), What::TableName { found: name.to_string() });
            }
        }
        parts.no_match = match config.on_no_match {
            Key::Absent | Key::Set(OnNoMatch::NotFound) => NoMatch::NotFound,
            Key::Set(OnNoMatch::PassThrough) => NoMatch::PassThrough,
            Key::Broken => NoMatch::Broken,
        };
        // Where it can't be known whether the slash counts, a route that would be found without it is broken too.
        parts.ignore_trailing_slash =
            config.trailing_slash.get() == Some(&TrailingSlash::Ignore) || config.trailing_slash.is_broken();
        parts.reject_unsafe = defaults.reject_unsafe;
        parts.strip_base = config.strip_base_path.get() == Some(&true);
        parts.strip_internal = config.strip_internal_headers.get() != Some(&false);
        parts.deny_direct = config.deny_direct.get() == Some(&true);
        if parts.strip_base && !config.base_path.is_present() {
            self.tell(root.key("stripBasePath"), What::StripWithoutBase);
        }
        self.hosts(&config.hosts, &mut parts);
        let mut scope_is_readable = true;
        match config.base_path {
            Key::Absent => {}
            Key::Broken => scope_is_readable = false,
            Key::Set(text) => match check_base_path(&text) {
                Ok(()) => parts.base = BasePath::new(&text),
                Err((reason, write)) => {
                    scope_is_readable = false;
                    self.tell(root.key("basePath"), What::BasePath { found: text.into_owned(), reason, write });
                }
            },
        }
        for key in &config.unknown {
            // What a key was meant for is known only by its likeness; it may bear on all routes.
            match most_like(key, Config::KEYS) {
                Some("basePath" | "hosts") => scope_is_readable = false,
                Some("name") => {}
                Some("onNoMatch" | "routes") => parts.no_match = NoMatch::Broken,
                _ => defaults.all_broken = true,
            }
        }
        if !scope_is_readable {
            parts.hosts = HostSet::default();
            parts.deny_direct = false;
        }
        if let Some(namespace) = defaults.namespace.get()
            && !host::is_dns_label(namespace)
        {
            let found = namespace.to_string();
            self.tell(root.key("namespace"), What::DnsLabel { key: "namespace", found });
            defaults.namespace = Key::Broken;
        }
        defaults.domain = match config.domain {
            Key::Absent => Key::Absent,
            Key::Broken => Key::Broken,
            Key::Set(domain) if host::is_dns_name(&domain) => {
                if domain.bytes().any(|b| b.is_ascii_uppercase()) {
                    self.tell(root.key("domain"), What::UpperCaseHost { host: domain.to_string() });
                }
                Key::Set(domain.to_ascii_lowercase())
            }
            Key::Set(domain) => {
                self.tell(root.key("domain"), What::DnsName { key: "domain", found: domain.into_owned() });
                Key::Broken
            }
        };
        defaults.host_template = match config.host_template {
            Key::Absent => Key::Set(HostTemplate::default()),
            Key::Broken => Key::Broken,
            Key::Set(text) => match HostTemplate::read(text) {
                Ok(template) => Key::Set(template),
                Err(what) => {
                    self.tell(root.key("hostTemplate"), what);
                    Key::Broken
                }
            },
        };
        (parts, defaults)
    }

    /// Hosts that can be read are served, even where others can't: a request for them is in scope either way.
    fn hosts(&mut self, hosts: &Key<Vec<Option<Cow<'_, str>>>>, parts: &mut RouteTableParts) {
        let place = Place::default().key("hosts");
        if hosts.get().is_some_and(Vec::is_empty) {
            self.tell(place.clone(), What::NoHosts);
        }
        let hosts = hosts.get().map_or(&[][..], Vec::as_slice);
        let mut readable = 0;
        for (index, text) in hosts.iter().enumerate() {
            let Some(text) = text else { continue };
            let place = place.index(index);
            match host::check_public_host(text) {
                Ok(()) => {
                    readable += 1;
                    parts.hosts.insert(text);
                    if text.bytes().any(|b| b.is_ascii_uppercase()) {
                        self.tell(place, What::UpperCaseHost { host: text.to_string() });
                    } else if text == "*" && parts.no_match == NoMatch::NotFound {
                        self.tell(place, What::AnyHostNotFound);
                    }
                }
                Err((reason, write)) => self.tell(place, What::Host { found: text.to_string(), reason, write }),
            }
        }
        parts.hosts.sort();
        // A host that can't be read may be a target's.
        parts.deny_direct &= readable == hosts.len() && readable > 0;
    }

    /// Numbers the methods in their sorted order, before routes refer to them.
    fn collect_methods(&mut self, routes: &[Option<RouteConfig<'_>>]) {
        let mut methods: BTreeSet<&str> = BTreeSet::from(["GET", "HEAD"]);
        for text in routes.iter().flatten().flat_map(pattern_texts).flatten() {
            let named = text.split(' ').next().unwrap_or_default();
            methods.extend(named.split('|').filter(|method| is_token(method) && *method != "ANY"));
        }
        self.methods = methods.into_iter().take(usize::from(ANY)).map(Box::from).collect();
    }

    fn route(&mut self, index: usize, route: Option<&RouteConfig<'_>>, defaults: &Defaults<'_>) {
        let at = At(index);
        let unreadable = RouteConfig::default();
        let is_object = route.is_some();
        let route = route.unwrap_or(&unreadable);
        let patterns = self.read_patterns(route, at);
        let name = match route.name.get() {
            Some(name) if !name.is_empty() && !name.chars().any(char::is_control) => self.texts.add(name),
            other => {
                if other.is_some() {
                    self.tell(at.key("name"), What::RouteName);
                }
                match pattern_texts(route).flatten().next() {
                    Some(first) => self.texts.shared(first),
                    None => self.texts.add(&at.place().to_string()),
                }
            }
        };
        let (conditions, unreadable_conditions) = self.conditions(&route.when, at);
        let condition_count = conditions.len();
        let conditions = self.intern_conditions(conditions);
        for ReadPattern { text, element, path } in &patterns {
            let number = self.patterns.len() as u32;
            let unreadable = !path.whole;
            let entry = self.tree.insert(&path.segments);
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
                        let method = found.ok().and_then(|at| u16::try_from(at).ok()).unwrap_or(ANY);
                        self.claims.push(claim(method));
                    }
                }
            }
            if path.whole && defaults.reject_unsafe {
                self.tell_unreachable(path, *element);
            }
            let text = self.texts.shared(text);
            let captures = self.captures(&path.segments);
            self.patterns.push(Pattern { route: index as u32, text, captures });
            self.elements.push(*element);
        }
        let target = if is_object { self.target(route, &patterns, at, defaults) } else { None };
        self.routes.push(Route { name, target: target.unwrap_or(Target::Broken) });
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

    fn captures(&mut self, segments: &[Segment<'_>]) -> Box<[Capture]> {
        let numbered = (0u32..).zip(segments);
        numbered
            .filter_map(|(segment, found)| match found {
                Segment::Literal(_) | Segment::Unknown => None,
                Segment::Capture { prefix, name, suffix } => Some(Capture {
                    name: self.texts.shared(name),
                    segment,
                    prefix: prefix.len() as u32,
                    suffix: suffix.len() as u32,
                    rest: false,
                }),
                Segment::Rest { name } => {
                    Some(Capture { name: self.texts.shared(name), segment, prefix: 0, suffix: 0, rest: true })
                }
            })
            .collect()
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
    fn conditions(&mut self, when: &Key<When<'_>>, at: At) -> (Conditions, bool) {
        let mut conditions = Conditions::default();
        let Some(when) = when.get() else { return (conditions, when.is_broken()) };
        let mut unreadable = !when.unknown.is_empty() || when.headers.is_broken() || when.query.is_broken();
        let mut names = BTreeSet::new();
        for (name, value) in when.headers.get().into_iter().flatten() {
            let place = at.key("when").key("headers").named(name);
            let lower = name.to_ascii_lowercase();
            let fault = if !is_token(name) {
                Some(What::HeaderName { found: name.to_string() })
            } else if lower == "host" {
                Some(What::HeaderForbidden {
                    name: lower.clone(),
                    reason: "is the request's host, which `hosts` is for",
                })
            } else if value.as_deref().is_some_and(|value| !is_header_value(value)) {
                Some(What::HeaderValue { name: name.to_string() })
            } else if !names.insert(lower.clone()) {
                Some(What::HeaderRepeated { name: lower.clone() })
            } else {
                None
            };
            match (fault, value) {
                (None, Some(value)) => conditions.headers.push((self.texts.shared(&lower), self.expected(value))),
                (None, None) => unreadable = true,
                (Some(what), _) => {
                    self.tell(place, what);
                    unreadable = true;
                }
            }
        }
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
                (None, Some(value)) => conditions.query.push((self.texts.shared(name), self.expected(value))),
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

    fn intern_conditions(&mut self, conditions: Conditions) -> u32 {
        if let Some(known) = self.known_conditions.get(&conditions) {
            return *known;
        }
        let number = self.conditions.len() as u32;
        self.known_conditions.insert(conditions.clone(), number);
        self.conditions.push(conditions);
        number
    }

    /// Where the route leads; `None` where an error bears on that.
    fn target(
        &mut self,
        route: &RouteConfig<'_>,
        patterns: &[ReadPattern<'_>],
        at: At,
        defaults: &Defaults<'_>,
    ) -> Option<Target> {
        let targets = [
            ("service", route.service.is_present()),
            ("host", route.host.is_present()),
            ("redirect", route.redirect.is_present()),
            ("respond", route.respond.is_present()),
        ];
        let found: Vec<&'static str> = targets.into_iter().filter(|(_, is)| *is).map(|(key, _)| key).collect();
        let target = match found.as_slice() {
            [] => {
                // A misspelt target has been told as an unknown key.
                let misspelt =
                    |key: &Cow<'_, str>| targets.iter().any(|(t, _)| most_like(key, RouteConfig::KEYS) == Some(t));
                if !route.unknown.iter().any(misspelt) {
                    self.tell(at.place(), What::NoTarget);
                }
                return None;
            }
            [target] => *target,
            _ => {
                self.tell(at.place(), What::SeveralTargets { found });
                return None;
            }
        };
        for (key, is_present, with, belongs) in [
            ("namespace", route.namespace.is_present(), "`service`", target == "service"),
            ("tag", route.tag.is_present(), "`service`", target == "service"),
            (
                "rewritePath",
                route.rewrite_path.is_present(),
                "`service` and `host`",
                matches!(target, "service" | "host"),
            ),
        ] {
            if is_present && !belongs {
                self.tell(at.key(key), What::OnlyWith { key, with });
            }
        }
        let authority = match target {
            "service" => self.service(route, at, defaults),
            "host" => self.host(route, at),
            "redirect" => return self.redirect(route, patterns, at).filter(|_| !defaults.all_broken),
            _ => return self.respond(route, at).filter(|_| !defaults.all_broken),
        };
        // A target's host stays closed to direct requests, whatever else is wrong with the route.
        if let Some(authority) = &authority {
            self.targets.insert(String::from_utf8_lossy(host::bare(authority.as_bytes())).into());
        }
        let rewrite = match &route.rewrite_path {
            Key::Absent => None,
            Key::Broken => return None,
            Key::Set(text) => Some(Box::new(self.rewrite_path(text, patterns, at)?)),
        };
        let authority = self.texts.shared(&authority?);
        let broken =
            defaults.all_broken || defaults.forwards_broken || (defaults.plain_forwards_broken && rewrite.is_none());
        (!broken).then_some(Target::Forward { authority, rewrite })
    }

    fn service(&mut self, route: &RouteConfig<'_>, at: At, defaults: &Defaults<'_>) -> Option<String> {
        let mut whole = true;
        for (key, value) in [("service", &route.service), ("namespace", &route.namespace), ("tag", &route.tag)] {
            match value {
                Key::Absent => {}
                Key::Broken => whole = false,
                Key::Set(text) if host::is_dns_label(text) => {}
                Key::Set(text) => {
                    self.tell(at.key(key), What::DnsLabel { key, found: text.to_string() });
                    whole = false;
                }
            }
        }
        let service = route.service.get()?;
        let namespace = match &route.namespace {
            Key::Absent => &defaults.namespace,
            own => own,
        };
        let template = defaults.host_template.get();
        let needs = |field| template.is_some_and(|template: &HostTemplate<'_>| template.needs(field));
        if needs("namespace") && matches!(namespace, Key::Absent) {
            self.tell(at.key("service"), What::Needs { key: "namespace" });
            whole = false;
        }
        if needs("domain") && matches!(defaults.domain, Key::Absent) {
            self.tell(at.key("service"), What::Needs { key: "domain" });
            whole = false;
        }
        let broken = (needs("namespace") && namespace.is_broken()) || (needs("domain") && defaults.domain.is_broken());
        if !whole || broken {
            return None;
        }
        let name = match route.tag.get() {
            Some(tag) => format!("{tag}-{service}"),
            None => service.to_string(),
        };
        let namespace = namespace.get().map_or("", |namespace| namespace);
        let domain = defaults.domain.get().map_or("", |domain| domain);
        let authority = template?.render(&name, namespace, domain);
        if !host::is_dns_name(&authority) {
            self.tell(at.key("service"), What::AuthorityTooLong { authority });
            return None;
        }
        if host::is_cluster_local(&authority) {
            self.tell(at.key("service"), What::ClusterLocalHost { host: authority.clone() });
        }
        Some(authority)
    }

    fn host(&mut self, route: &RouteConfig<'_>, at: At) -> Option<String> {
        let text = route.host.get()?;
        if let Err((reason, write)) = host::check_authority(text) {
            self.tell(at.key("host"), What::TargetHost { found: text.to_string(), reason, write });
            return None;
        }
        let authority = text.to_ascii_lowercase();
        if authority != **text {
            self.tell(at.key("host"), What::UpperCaseHost { host: text.to_string() });
        }
        if host::is_cluster_local(&authority) {
            self.tell(at.key("host"), What::ClusterLocalHost { host: authority.clone() });
        }
        Some(authority)
    }

    fn rewrite_path(&mut self, text: &str, patterns: &[ReadPattern<'_>], at: At) -> Option<Template> {
        let mut whole = true;
        if !text.starts_with('/') {
            self.tell(at.key("rewritePath"), What::RewriteStart { found: text.to_owned() });
            whole = false;
        }
        if let Some(character) = text.chars().find(|c| matches!(c, '?' | '#')) {
            self.tell(at.key("rewritePath"), What::RewriteQuery { character });
            whole = false;
        }
        self.template(text, Literal::Path, patterns, || at.key("rewritePath")).filter(|_| whole)
    }

    fn redirect(&mut self, route: &RouteConfig<'_>, patterns: &[ReadPattern<'_>], at: At) -> Option<Target> {
        let redirect = route.redirect.get()?;
        let place = |key| at.key("redirect").key(key);
        let status = match &redirect.status {
            Key::Absent => Some(308),
            Key::Broken => None,
            Key::Set(status) if matches!(status, 301 | 302 | 303 | 307 | 308) => Some(*status),
            Key::Set(status) => {
                let found = status.to_string();
                self.tell(place("status"), What::Status { found, allowed: "301, 302, 303, 307 or 308" });
                None
            }
        };
        let text = redirect.to.get()?;
        let fault = check_location(text);
        if let Err((reason, write)) = fault {
            self.tell(place("to"), What::RedirectTo { found: text.to_string(), reason, write });
        }
        let to = self.template(text, Literal::Verbatim, patterns, || place("to"))?;
        (fault.is_ok() && redirect.unknown.is_empty())
            .then_some(Target::Redirect(Box::new(Redirect { to, status: status? })))
    }

    fn respond(&mut self, route: &RouteConfig<'_>, at: At) -> Option<Target> {
        let respond = route.respond.get()?;
        let place = |key| at.key("respond").key(key);
        let status = respond.status.get().copied();
        let mut whole = respond.unknown.is_empty() && !respond.headers.is_broken() && !respond.body.is_broken();
        if let Some(status) = status {
            if !(200..=599).contains(&status) {
                let found = status.to_string();
                self.tell(place("status"), What::Status { found, allowed: "a number from 200 to 599" });
                whole = false;
            } else if matches!(status, 204 | 205 | 304) && respond.body.get().is_some_and(|body| !body.is_empty()) {
                self.tell(place("body"), What::BodyForbidden { status });
                whole = false;
            }
        }
        let mut names = BTreeSet::new();
        let mut headers: Vec<(Text, Text)> = Vec::new();
        for (name, value) in respond.headers.get().into_iter().flatten() {
            let place = place("headers").named(name);
            let lower = name.to_ascii_lowercase();
            let fault = if !is_token(name) {
                Some(What::HeaderName { found: name.to_string() })
            } else if let Some(reason) = forbidden_in_answer(&lower) {
                Some(What::HeaderForbidden { name: lower.clone(), reason })
            } else if value.as_deref().is_some_and(|value| !is_header_value(value)) {
                Some(What::HeaderValue { name: name.to_string() })
            } else if !names.insert(lower.clone()) {
                Some(What::HeaderRepeated { name: lower.clone() })
            } else {
                None
            };
            match (fault, value) {
                (None, Some(value)) => headers.push((self.texts.shared(&lower), self.texts.shared(value))),
                (None, None) => whole = false,
                (Some(what), _) => {
                    self.tell(place, what);
                    whole = false;
                }
            }
        }
        let body = self.texts.add(respond.body.get().map_or("", |body| body));
        whole.then_some(Target::Respond(Box::new(Respond { status: status?, headers, body })))
    }

    /// A template over the names that every pattern of the route captures.
    fn template(
        &mut self,
        text: &str,
        literals: Literal,
        patterns: &[ReadPattern<'_>],
        place: impl Fn() -> Place,
    ) -> Option<Template> {
        let problems = &mut self.problems;
        let faults = |name: &str| -> Vec<What> {
            patterns
                .iter()
                .filter(|pattern| pattern.path.whole && pattern.path.captures().all(|known| known != name))
                .map(|pattern| What::UnknownCapture {
                    name: name.to_owned(),
                    pattern: pattern.text.to_owned(),
                    known: pattern.path.captures().map(str::to_owned).collect(),
                })
                .collect()
        };
        let mut tell = |what| problems.push(Problem { place: place(), what });
        Template::compile(text, literals, &mut self.texts, faults, &mut tell)
    }

    /// Sorts the claims into their order of precedence, and tells those that get in each other's way.
    fn tell_ambiguities(&mut self) {
        self.claims.sort_unstable_by_key(|claim| {
            let rank = (!claim.unreadable_conditions, Reverse(claim.condition_count), claim.pattern);
            (claim.entry, !claim.unreadable, claim.method, rank)
        });
        // By pair of patterns: the methods for which they can't be told apart.
        let mut duplicates: HashMap<(u32, u32), Vec<u16>> = HashMap::new();
        // By pattern: how many of its claims are shadowed, and by which pattern.
        let mut shadowed: HashMap<u32, (usize, u32)> = HashMap::new();
        for rivals in
            self.claims.chunk_by(|a, b| (a.entry, a.unreadable, a.method) == (b.entry, b.unreadable, b.method))
        {
            if rivals.len() < 2 || rivals.iter().any(|claim| claim.unreadable) {
                continue;
            }
            let mut first_with: HashMap<u32, u32> = HashMap::new();
            // By what they ask about: only conditions on the same names can shadow each other.
            let mut with_presence: HashMap<Vec<Text>, Vec<&Claim>> = HashMap::new();
            for claim in rivals.iter().filter(|claim| !claim.unreadable_conditions) {
                let conditions = self.conditions.get(claim.conditions as usize);
                if let Some(first) = first_with.get(&claim.conditions) {
                    duplicates.entry((*first, claim.pattern)).or_default().push(claim.method);
                    continue;
                }
                first_with.insert(claim.conditions, claim.pattern);
                let Some(conditions) = conditions else { continue };
                let names = conditions.names();
                let stronger = with_presence.get(&names).into_iter().flatten().find(|other| {
                    self.conditions.get(other.conditions as usize).is_some_and(|others| others.follow_from(conditions))
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
            let names: Vec<&str> = methods
                .iter()
                .map(|method| self.methods.get(usize::from(*method)).map_or("ANY", |name| name))
                .collect();
            let methods = format!("both for {}", names.join(", "));
            if let Some((place, other, other_text)) = self.pair(second, first) {
                self.tell(place, What::Duplicate { other, other_text, methods });
            }
        }
        let mut shadowed: Vec<_> = shadowed.into_iter().collect();
        shadowed.sort_unstable();
        for (pattern, (count, by)) in shadowed {
            let claims = self.claims.iter().filter(|claim| claim.pattern == pattern).count();
            if let (true, Some((place, other, other_text))) = (claims == count, self.pair(pattern, by)) {
                self.tell(place, What::Shadowed { other, other_text });
            }
        }
    }

    /// The places of two patterns, and the text of the second.
    fn pair(&self, pattern: u32, other: u32) -> Option<(Place, Place, String)> {
        let place = self.elements.get(pattern as usize)?.place();
        let other_place = self.elements.get(other as usize)?.place();
        let text = self.texts.get(self.patterns.get(other as usize)?.text).to_owned();
        Some((place, other_place, text))
    }

    /// Routes with an error of their own; of duplicates, both.
    fn broken_routes(&self) -> Vec<usize> {
        let errors = self.problems.iter().filter(|problem| problem.is_error());
        let places = errors.flat_map(|problem| std::iter::once(&problem.place).chain(problem.other()));
        places.filter_map(route_of).collect()
    }

    fn finish(self, parts: RouteTableParts, broken: Vec<usize>) -> RouteTable {
        let mut routes = self.routes;
        for index in broken {
            if let Some(route) = routes.get_mut(index) {
                route.target = Target::Broken;
            }
        }
        let mut entries = vec![(0, 0); self.tree.entries()];
        for (index, claim) in (0u32..).zip(&self.claims) {
            if let Some((start, end)) = entries.get_mut(claim.entry as usize) {
                *start = if *end == 0 { index } else { *start };
                *end = index + 1;
            }
        }
        let claim = |&Claim { method, unreadable, conditions, pattern, .. }: &Claim| Candidate {
            method,
            unreadable,
            conditions,
            pattern,
        };
        let RouteTableParts {
            name,
            hosts,
            base,
            strip_base,
            no_match,
            ignore_trailing_slash,
            reject_unsafe,
            strip_internal,
            deny_direct,
        } = parts;
        RouteTable {
            name,
            hosts,
            base,
            strip_base,
            no_match,
            ignore_trailing_slash,
            reject_unsafe,
            strip_internal,
            deny_direct,
            targets: self.targets.into_iter().collect(),
            texts: self.texts.finish(),
            methods: Methods(self.methods),
            tree: self.tree.finish(),
            entries,
            candidates: self.claims.iter().map(claim).collect(),
            conditions: self.conditions,
            patterns: self.patterns,
            routes,
        }
    }
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

fn check_base_path(text: &str) -> Result<(), (&'static str, String)> {
    let trimmed = text.trim_end_matches('/');
    if trimmed.is_empty() {
        return Err(("takes in every path", "take the key out".into()));
    }
    if !text.starts_with('/') {
        return Err(("does not begin with `/`", format!("write \"/{trimmed}\"")));
    }
    if trimmed != text {
        return Err(("ends with `/`", format!("write \"{trimmed}\"")));
    }
    if text.contains(['{', '}']) {
        return Err(("has a brace, but is literal", "write it without parameters".into()));
    }
    if text.contains(['?', '#']) {
        return Err(("has a query or a fragment", "write the path alone".into()));
    }
    match path::hazard(path::normal_literal(text).as_bytes()) {
        Some(_) => {
            Err(("can mean two paths", "write it without empty, `.` and `..` segments, `%2F`, `%5C` and `%00`".into()))
        }
        None => Ok(()),
    }
}

/// A redirect's location: a path, or a URL whose scheme and host are literal.
fn check_location(text: &str) -> Result<(), (&'static str, &'static str)> {
    const EXAMPLE: &str = "a path such as `/v2/{id}`, or a URL such as `https://www.example.com/{id}`";
    if text.bytes().any(|b| !(0x21..0x7f).contains(&b) || b == b'\\') {
        return Err((
            "has a space, a backslash, a control or a non-ASCII character, as no URL has",
            "it percent-encoded",
        ));
    }
    if text.starts_with("//") {
        return Err(("has a host and no scheme", "the scheme too, such as `https://www.example.com/`"));
    }
    if text.starts_with('/') {
        return Ok(());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(("is neither a path nor a URL", EXAMPLE));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if scheme.contains(['{', '}']) || authority.contains(['{', '}']) {
        return Err(("has a captured value in its scheme or host, so a client could choose them", EXAMPLE));
    }
    if !matches!(scheme, "http" | "https") || host::check_authority(authority).is_err() {
        return Err(("is not a URL of the web", EXAMPLE));
    }
    Ok(())
}

/// RFC 9110, section 5.5, in ASCII and beyond, without white space at its ends.
fn is_header_value(value: &str) -> bool {
    value.trim() == value && !value.chars().any(char::is_control)
}

fn forbidden_in_answer(name: &str) -> Option<&'static str> {
    match name {
        "host" => Some("belongs to requests"),
        "content-length" | "transfer-encoding" | "trailer" => Some("is set by Envoy"),
        "connection" | "keep-alive" | "proxy-connection" | "te" | "upgrade" => Some("concerns one connection only"),
        _ => None,
    }
}

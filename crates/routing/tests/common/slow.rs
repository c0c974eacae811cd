//! A slow but obvious implementation of the decision, to compare the real one with. It has no tree and no index: it
//! tries every element of every `match`, and sorts those that match.
//!
//! It follows `docs/configuration.md` word by word, in what it says about the choice of a route and about unsafe paths.
//! It also makes random tables and requests for the tests.
#![allow(dead_code, reason = "each test uses its part")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use ksvc_routing::Outcome;
use serde_json::{Value, json};

use super::common::{Choices, HOST, Request, Seen, lossy, pick, request};

/// A table as a user writes it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(crate) hosts: Vec<String>,
    pub(crate) base_path: Option<String>,
    pub(crate) strip_base_path: bool,
    pub(crate) ignore_trailing_slash: bool,
    pub(crate) allow_unsafe_paths: bool,
    pub(crate) allow_encoded_slashes: bool,
    pub(crate) pass_through: bool,
    pub(crate) cors: Option<u32>,
    pub(crate) routes: Vec<Route>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) matches: Vec<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) cookies: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    /// The route's own `cors`, if it has one; `Some(None)` turns CORS off.
    pub(crate) cors: Option<Option<u32>>,
}

/// The origin that every `cors` allows. Policies differ by their `maxAge`.
pub(crate) const PAGE: &str = "https://app.example.com";

fn cors_document(max_age: Option<u32>) -> Value {
    max_age.map_or(Value::Null, |max_age| json!({ "allowOrigins": [PAGE], "maxAge": max_age }))
}

impl Table {
    pub(crate) fn document(&self) -> Value {
        let mut document = json!({
            "hosts": self.hosts,
            "domain": "example.com",
            "namespace": "shop",
            "routes": self.routes.iter().map(Route::document).collect::<Vec<_>>(),
        });
        if let Some(base_path) = &self.base_path {
            document["basePath"] = json!(base_path);
            document["stripBasePath"] = json!(self.strip_base_path);
        }
        if self.ignore_trailing_slash {
            document["trailingSlash"] = json!("ignore");
        }
        if self.allow_encoded_slashes {
            document["unsafePaths"] = json!("allowEncodedSlash");
        }
        if self.allow_unsafe_paths {
            document["unsafePaths"] = json!("allow");
        }
        if self.pass_through {
            document["onNoMatch"] = json!("passThrough");
        }
        if self.cors.is_some() {
            document["cors"] = cors_document(self.cors);
        }
        document
    }
}

impl Route {
    fn document(&self) -> Value {
        let mut route = json!({ "name": self.name, "match": self.matches, "service": self.name });
        if let [only] = &*self.matches {
            route["match"] = json!(only);
        }
        let pairs =
            |pairs: &[(String, String)]| Value::Object(pairs.iter().map(|(k, v)| (k.clone(), json!(v))).collect());
        for (key, conditions) in [("headers", &self.headers), ("cookies", &self.cookies), ("query", &self.query)] {
            if !conditions.is_empty() {
                route["when"][key] = pairs(conditions);
            }
        }
        if let Some(cors) = self.cors {
            route["cors"] = cors_document(cors);
        }
        route
    }

    /// Returns the number of conditions on headers and cookies, and of those on the query.
    fn conditions(&self) -> (usize, usize) {
        (self.headers.len() + self.cookies.len(), self.query.len())
    }
}

/// The decision that the reference demands for a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expected {
    OutOfScope,
    Unsafe,
    PassThrough,
    NotFound,
    MethodNotAllowed { allow: String },
    Options { allow: String },
    Route { index: usize, matched: String, params: Vec<(String, String)> },
    Preflight { found: Option<(usize, String)>, max_age: u32, methods: String },
}

impl Expected {
    /// Converts a real decision, to compare it.
    pub(crate) fn of(seen: &Seen) -> Self {
        match seen.outcome {
            Outcome::OutOfScope => Expected::OutOfScope,
            Outcome::PassThrough => Expected::PassThrough,
            Outcome::UnsafePath => Expected::Unsafe,
            Outcome::NotFound => Expected::NotFound,
            Outcome::MethodNotAllowed => {
                Expected::MethodNotAllowed { allow: seen.answers("allow").unwrap().to_owned() }
            }
            Outcome::Options => Expected::Options { allow: seen.answers("allow").unwrap().to_owned() },
            Outcome::Route => {
                let chosen = seen.chosen.clone().unwrap();
                Expected::Route { index: chosen.index, matched: chosen.matched, params: chosen.params }
            }
            Outcome::Preflight => Expected::Preflight {
                found: seen.chosen.clone().map(|chosen| (chosen.index, chosen.matched)),
                max_age: seen.answers("access-control-max-age").unwrap().parse().unwrap(),
                methods: seen.answers("access-control-allow-methods").unwrap_or_default().to_owned(),
            },
            outcome => panic!("{outcome:?}"),
        }
    }
}

/// One byte of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    /// Its normal form: a character, or a triplet `%XX` in upper case.
    normal: String,
    /// The bytes of the request that stand for it.
    raw: Vec<u8>,
}

fn unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~".contains(&b)
}

fn pchar(b: u8) -> bool {
    unreserved(b) || b"!$&'()*+,;=:@".contains(&b)
}

/// Returns the byte that a text begins with as a triplet `%XX`.
fn triplet(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digits = [*high, *low];
    digits.iter().all(u8::is_ascii_hexdigit).then(|| u8::from_str_radix(&lossy(&digits), 16).unwrap())
}

/// Splits the text between two slashes into bytes and normalizes them (RFC 3986, section 6.2.2).
fn units(mut text: &[u8]) -> Vec<Unit> {
    let mut units = Vec::new();
    while let Some(&first) = text.first() {
        let escaped = triplet(text);
        let byte = escaped.unwrap_or(first);
        let as_it_is = if escaped.is_some() { unreserved(byte) } else { pchar(byte) };
        let normal = if as_it_is { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        let length = if escaped.is_some() { 3 } else { 1 };
        units.push(Unit { normal, raw: text[..length].to_vec() });
        text = &text[length..];
    }
    units
}

fn normal(units: &[Unit]) -> Vec<String> {
    units.iter().map(|unit| unit.normal.clone()).collect()
}

/// Returns the normal form of literal text.
pub(crate) fn normal_text(text: &str) -> String {
    let segments = text.split('/').map(|segment| normal(&units(segment.as_bytes())).concat());
    segments.collect::<Vec<_>>().join("/")
}

fn raw(units: &[Unit]) -> Vec<u8> {
    units.iter().flat_map(|unit| unit.raw.clone()).collect()
}

/// A segment of a pattern. Its text is a list of units, so that a suffix `9` does not match the end of `%A9`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(Vec<String>),
    /// The literals before each parameter and after the last one, and the names.
    Mixed {
        literals: Vec<Vec<String>>,
        names: Vec<String>,
    },
    Plain {
        name: String,
    },
    /// The second value is true for `{**name}`.
    Rest {
        name: String,
        may_be_none: bool,
    },
}

/// The rank of a segment, lowest first: literal, mixed (more literal text, then the longer prefix, then fewer parameters,
/// then the literals in the order of their bytes), plain, `{*name}`, `{**name}`.
type Rank = (u8, Reverse<usize>, Reverse<usize>, usize, Vec<String>);

impl Segment {
    fn parse(text: &str) -> Self {
        let (mut literals, mut names) = (vec![String::new()], Vec::new());
        let mut left = text;
        while let Some(first) = left.chars().next() {
            if left.starts_with("{{") || left.starts_with("}}") {
                literals.last_mut().unwrap().push(first);
                left = &left[2..];
            } else if let Some(opened) = left.strip_prefix('{') {
                let (inside, after) = opened.split_once('}').unwrap();
                names.push(inside.to_owned());
                literals.push(String::new());
                left = after;
            } else {
                literals.last_mut().unwrap().push(first);
                left = &left[first.len_utf8()..];
            }
        }
        let literal = |text: &String| normal(&units(text.as_bytes()));
        match (&*literals, &*names) {
            ([only], []) => Segment::Literal(literal(only)),
            ([before, after], [name]) if before.is_empty() && after.is_empty() => match name.trim_start_matches('*') {
                plain if plain == name => Segment::Plain { name: plain.to_owned() },
                rest => Segment::Rest { name: rest.to_owned(), may_be_none: name.starts_with("**") },
            },
            _ => Segment::Mixed { literals: literals.iter().map(literal).collect(), names },
        }
    }

    /// Removes the names of the parameters. Patterns that are equal without names match the same paths.
    fn nameless(mut self) -> Self {
        match &mut self {
            Segment::Literal(_) => {}
            Segment::Mixed { names, .. } => names.iter_mut().for_each(String::clear),
            Segment::Plain { name } | Segment::Rest { name, .. } => name.clear(),
        }
        self
    }

    fn rank(&self) -> Rank {
        let alone = |kind| (kind, Reverse(0), Reverse(0), 0, Vec::new());
        match self {
            Segment::Literal(_) => alone(0),
            Segment::Mixed { literals, names } => {
                let texts = literals.iter().map(|literal| literal.concat()).collect::<Vec<_>>();
                (1, Reverse(texts.concat().len()), Reverse(texts[0].len()), names.len(), texts)
            }
            Segment::Plain { .. } => alone(2),
            Segment::Rest { may_be_none: false, .. } => alone(3),
            Segment::Rest { may_be_none: true, .. } => alone(4),
        }
    }
}

/// Returns the units that each parameter of a mixed segment takes. It tries all ways to split the text, shortest values
/// first, and takes the first one that fits.
fn split_mixed<'u>(literals: &[Vec<String>], text: &'u [Unit]) -> Option<Vec<&'u [Unit]>> {
    let (first, others) = literals.split_first().unwrap();
    if text.len() < first.len() || normal(&text[..first.len()]) != *first {
        return None;
    }
    let text = &text[first.len()..];
    if others.is_empty() {
        return text.is_empty().then(Vec::new);
    }
    (1..=text.len()).find_map(|length| {
        let values = split_mixed(others, &text[length..])?;
        Some([vec![&text[..length]], values].concat())
    })
}

/// A candidate for a request: one method of one element of a route's `match`.
#[derive(Debug, Clone)]
struct Candidate {
    route: usize,
    /// The element as written.
    element: String,
    method: String,
    segments: Vec<Segment>,
}

/// Returns the texts between the slashes. The empty path has none. A path without a slash at its start has no segments.
fn split(path: &[u8]) -> Option<Vec<&[u8]>> {
    match path.split_first() {
        None => Some(Vec::new()),
        Some((b'/', below)) => Some(below.split(|&b| b == b'/').collect()),
        Some(_) => None,
    }
}

/// Returns the candidates of one element. A path `/` is the base path with and without a slash at its end.
fn candidates(table: &Table, index: usize, element: &str) -> Vec<Candidate> {
    let (methods, path) = element.split_once(' ').unwrap();
    let base = table.base_path.as_deref().unwrap_or_default();
    let mut paths = vec![format!("{base}{path}")];
    if path == "/" {
        paths.push(base.to_owned());
    }
    let mut candidates = Vec::new();
    for path in paths {
        let segments = split(path.as_bytes()).unwrap().into_iter().map(|text| Segment::parse(&lossy(text)));
        let segments = segments.collect::<Vec<_>>();
        for method in methods.split('|') {
            candidates.push(Candidate {
                route: index,
                element: element.to_owned(),
                method: method.to_owned(),
                segments: segments.clone(),
            });
        }
    }
    candidates
}

fn all_candidates(table: &Table) -> Vec<Candidate> {
    let elements = table.routes.iter().enumerate();
    let elements = elements.flat_map(|(index, route)| route.matches.iter().map(move |element| (index, element)));
    elements.flat_map(|(index, element)| candidates(table, index, element)).collect()
}

/// Removes elements that have the same path, method and conditions as one before them. Such a table would have errors.
pub(crate) fn without_duplicates(mut table: Table) -> Table {
    let mut seen = Vec::new();
    for index in 0..table.routes.len() {
        let conditions = {
            let route = &table.routes[index];
            let lower = |(name, value): &(String, String)| (name.to_ascii_lowercase(), value.clone());
            (
                route.headers.iter().map(lower).collect::<BTreeSet<_>>(),
                route.cookies.iter().cloned().collect::<BTreeSet<_>>(),
                route.query.iter().cloned().collect::<BTreeSet<_>>(),
            )
        };
        let mut kept = Vec::new();
        for element in std::mem::take(&mut table.routes[index].matches) {
            let keys = candidates(&table, index, &element).into_iter().map(|candidate| {
                let shape = candidate.segments.into_iter().map(Segment::nameless).collect::<Vec<_>>();
                (shape, candidate.method, conditions.clone())
            });
            let keys = keys.collect::<Vec<_>>();
            if !keys.iter().any(|key| seen.contains(key)) {
                seen.extend(keys);
                kept.push(element);
            }
        }
        table.routes[index].matches = kept;
    }
    table.routes.retain(|route| !route.matches.is_empty());
    table
}

/// Returns the captured values as they are in the request, if the path matches.
fn captures(pattern: &[Segment], path: &[Vec<Unit>]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut captured = Vec::new();
    let mut left = path;
    for segment in pattern {
        if let Segment::Rest { name, may_be_none } = segment {
            let segments = left.iter().map(|segment| raw(segment)).collect::<Vec<_>>();
            captured.push((name.clone(), segments.join(&b'/')));
            // The first segment must not be empty, so that a slash alone is no segment.
            return (*may_be_none || left.first().is_some_and(|first| !first.is_empty())).then_some(captured);
        }
        let (first, after) = left.split_first()?;
        match segment {
            Segment::Literal(literal) if *literal == normal(first) => {}
            Segment::Mixed { literals, names } => {
                let values = split_mixed(literals, first)?.into_iter().map(raw);
                captured.extend(names.iter().cloned().zip(values));
            }
            Segment::Plain { name } if !first.is_empty() => captured.push((name.clone(), raw(first))),
            _ => return None,
        }
        left = after;
    }
    left.is_empty().then_some(captured)
}

pub(crate) fn is_unsafe(path: &[u8]) -> bool {
    let Some(below) = path.strip_prefix(b"/") else { return true };
    let segments = below.split(|&b| b == b'/').collect::<Vec<_>>();
    let last = segments.len() - 1;
    segments.iter().enumerate().any(|(index, segment)| {
        let text = normal(&units(segment)).concat();
        let before_semicolon = text.split(';').next().unwrap();
        (segment.is_empty() && index < last)
            || matches!(before_semicolon, "." | "..")
            || ["%2F", "%5C", "%00"].iter().any(|forbidden| text.contains(forbidden))
            || segment.iter().any(|b| !b.is_ascii_graphic() || matches!(b, b'\\' | b'#'))
            || (0..segment.len()).any(|at| segment[at] == b'%' && triplet(&segment[at..]).is_none())
    })
}

/// Decodes valid triplets and leaves malformed ones as they are.
fn decoded(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut left = path;
    while let Some(&first) = left.first() {
        let escaped = triplet(left);
        decoded.push(escaped.unwrap_or(first));
        left = &left[if escaped.is_some() { 3 } else { 1 }..];
    }
    decoded
}

/// Returns whether an element of `hosts` matches a host. Case, port and one final dot do not count. A colon inside
/// brackets belongs to an IPv6 address. Of several other colons, the first one begins the port.
pub(crate) fn host_matches(pattern: &str, authority: &[u8]) -> bool {
    let host = lossy(authority).to_ascii_lowercase();
    let (address, after) = match host.find(']').filter(|_| host.starts_with('[')) {
        Some(at) => host.split_at(at),
        None => ("", &*host),
    };
    let host = format!("{address}{}", after.split(':').next().unwrap());
    let host = host.strip_suffix('.').unwrap_or(&host);
    let pattern = pattern.to_ascii_lowercase();
    match pattern.strip_prefix('*') {
        Some("") => true,
        Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        None => host == pattern,
    }
}

/// Returns whether the conditions of a route hold. For a preflight request, those on headers and cookies always do.
fn holds(route: &Route, request: &Request, query: &[u8], is_preflight: bool) -> bool {
    let header = |name: &str| {
        let named = request.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()));
        let values = named.map(|(_, value)| value.clone()).collect::<Vec<_>>();
        (!values.is_empty()).then(|| values.join(&b','))
    };
    let cookie = |name: &str| {
        let headers = request.headers.iter().filter(|(key, _)| key == b"cookie").map(|(_, value)| lossy(value));
        let pairs = headers.flat_map(|value| {
            value.split(';').map(|pair| pair.trim_matches([' ', '\t']).to_owned()).collect::<Vec<_>>()
        });
        let mut pairs = pairs.filter_map(|pair| pair.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned())));
        let (_, value) = pairs.find(|(known, _)| known == name)?;
        let is_quoted = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
        Some(if is_quoted { value.as_bytes()[1..value.len() - 1].to_vec() } else { value.into_bytes() })
    };
    let parameter = |name: &str| {
        let text = |text: &[u8]| decoded(lossy(text).replace('+', " ").as_bytes());
        let mut parameters = query.split(|&b| b == b'&').map(|pair| pair.splitn(2, |&b| b == b'=').collect::<Vec<_>>());
        let pair = parameters.find(|pair| text(pair[0]) == name.as_bytes())?;
        Some(text(pair.get(1).copied().unwrap_or_default()))
    };
    let fulfils = |expected: &str, found: Option<Vec<u8>>| {
        found.is_some_and(|found| match expected.strip_suffix('*') {
            Some(prefix) => found.starts_with(prefix.as_bytes()),
            None => found == expected.as_bytes(),
        })
    };
    route.headers.iter().all(|(name, expected)| is_preflight || fulfils(expected, header(name)))
        && route.cookies.iter().all(|(name, expected)| is_preflight || fulfils(expected, cookie(name)))
        && route.query.iter().all(|(name, expected)| fulfils(expected, parameter(name)))
}

/// Returns the methods whose routes can serve a request with this method, best first.
fn serving(method: &str) -> Vec<&str> {
    if method == "HEAD" { vec!["HEAD", "GET", "ANY"] } else { vec![method, "ANY"] }
}

/// The place of a path in the order: the ranks of its segments, and whether it fits only with or without a final slash.
type PathOrder = (Vec<Rank>, bool);

/// Returns the candidates whose path matches, each with the place of its path in the order.
fn matching<'c>(table: &Table, candidates: &'c [Candidate], request: &Request) -> Vec<(PathOrder, &'c Candidate)> {
    let forms = segments(table, request);
    let mut matching = Vec::new();
    for candidate in candidates {
        let fits = |form: &Vec<Vec<Unit>>| captures(&candidate.segments, form).is_some();
        if forms.iter().any(fits) {
            let segments = &*candidate.segments;
            let segments = match segments.split_last() {
                Some((Segment::Literal(last), before)) if table.ignore_trailing_slash && last.is_empty() => before,
                _ => segments,
            };
            matching.push(((segments.iter().map(Segment::rank).collect(), !fits(&forms[0])), candidate));
        }
    }
    matching
}

/// Returns the candidates whose path matches, in the order of precedence. Of the methods, `serving` come first.
fn in_order<'c>(table: &Table, candidates: &'c [Candidate], request: &Request, serving: &[&str]) -> Vec<&'c Candidate> {
    let mut matching = matching(table, candidates, request);
    matching.sort_by_key(|(path, candidate)| {
        let method = serving.iter().position(|method| *method == candidate.method).unwrap_or(serving.len());
        let (headers, query) = table.routes[candidate.route].conditions();
        (path.clone(), method, Reverse(headers), Reverse(query), candidate.route)
    });
    matching.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Finds the first candidate that fits the whole request. `serving` are the methods that can serve it, best first.
fn find<'c>(
    table: &Table,
    candidates: &'c [Candidate],
    request: &Request,
    serving: &[&str],
    is_preflight: bool,
) -> Option<&'c Candidate> {
    let (_, query) = forms(table, request);
    let mut in_order = in_order(table, candidates, request, serving).into_iter();
    in_order.find(|candidate| {
        serving.contains(&&*candidate.method) && holds(&table.routes[candidate.route], request, query, is_preflight)
    })
}

/// Decides a request. It must have a method, an authority and a path, and all but the path must be ASCII.
pub(crate) fn decide(table: &Table, request: &Request) -> Expected {
    let authority = request.authority.as_deref().unwrap();
    let whole_path = request.path.as_deref().unwrap();
    let method = lossy(request.method.as_deref().unwrap());
    let (forms, _) = forms(table, request);
    let path = &*forms[0];
    let base = decoded(table.base_path.as_deref().unwrap_or_default().as_bytes());
    let in_base = |path: Vec<u8>| {
        path.strip_prefix(&*base).is_some_and(|below| base.is_empty() || below.is_empty() || below[0] == b'/')
    };
    if !table.hosts.iter().any(|host| host_matches(host, authority))
        || !in_base(decoded(path))
        || (method == "OPTIONS" && whole_path == b"*")
    {
        return Expected::OutOfScope;
    }
    // Where encoded slashes are allowed, they count as slashes for the other rules.
    let plain =
        if table.allow_encoded_slashes { lossy(path).replace("%2F", "/").replace("%2f", "/") } else { lossy(path) };
    let is_plain_unsafe = !path.starts_with(b"/") || is_unsafe(if path.is_ascii() { plain.as_bytes() } else { path });
    if !table.allow_unsafe_paths && is_plain_unsafe {
        return Expected::Unsafe;
    }
    let candidates = all_candidates(table);
    let to_route = |candidate: &Candidate| {
        let params = params(table, candidate, request);
        Expected::Route { index: candidate.route, matched: candidate.element.clone(), params }
    };
    match decide_preflight(table, &candidates, request) {
        Some(Preflight::Answered(expected)) => return expected,
        Some(Preflight::Forwarded(candidate)) => return to_route(candidate),
        None => {}
    }
    let serves = serving(&method);
    if let Some(candidate) = find(table, &candidates, request, &serves, false) {
        return to_route(candidate);
    }
    let matching = in_order(table, &candidates, request, &serves);
    let mut allow = matching.iter().map(|candidate| &*candidate.method).collect::<BTreeSet<_>>();
    if allow.contains("GET") {
        allow.insert("HEAD");
    }
    let cors_applies = match &*matching {
        [] => table.cors.is_some(),
        some => some.iter().any(|candidate| cors_of(table, candidate).is_some()),
    };
    if cors_applies {
        allow.insert("OPTIONS");
    }
    let allow = allow.into_iter().collect::<Vec<_>>().join(", ");
    if table.pass_through {
        Expected::PassThrough
    } else if matching.iter().any(|candidate| serves.contains(&&*candidate.method)) {
        Expected::NotFound
    } else if cors_applies && method == "OPTIONS" {
        Expected::Options { allow }
    } else if matching.is_empty() {
        Expected::NotFound
    } else {
        Expected::MethodNotAllowed { allow }
    }
}

enum Preflight<'c> {
    Answered(Expected),
    /// The service of this candidate gets it.
    Forwarded(&'c Candidate),
}

fn cors_of(table: &Table, candidate: &Candidate) -> Option<u32> {
    table.routes[candidate.route].cors.unwrap_or(table.cors)
}

/// Decides a preflight request. Returns `None` if the request is none, or is handled like any `OPTIONS` request.
fn decide_preflight<'c>(table: &Table, candidates: &'c [Candidate], request: &Request) -> Option<Preflight<'c>> {
    let value = |name: &str| {
        let header = request.headers.iter().find(|(key, _)| key == name.as_bytes());
        header.map(|(_, value)| lossy(value)).filter(|_| request.method.as_deref() == Some(b"OPTIONS"))
    };
    let (asked, _) = value("access-control-request-method").zip(value("origin"))?;
    let serves = serving(&asked);
    let found = find(table, candidates, request, &serves, true);
    let at_path = in_order(table, candidates, request, &serves);
    let cors = match (found, at_path.first()) {
        (Some(candidate), _) => cors_of(table, candidate),
        (None, _) if table.pass_through => None,
        (None, Some(first)) => cors_of(table, first),
        (None, None) => table.cors,
    };
    let Some(max_age) = cors else {
        let serves = [vec!["OPTIONS"], serves].concat();
        let find = |is_preflight| find(table, candidates, request, &serves, is_preflight);
        return find(false).or_else(|| find(true)).map(Preflight::Forwarded);
    };
    let methods = if at_path.is_empty() {
        asked.clone()
    } else {
        // A browser applies the response to every method that it lists, so it must be right for each of them.
        let mut methods = at_path.iter().map(|candidate| candidate.method.clone()).collect::<BTreeSet<_>>();
        methods.extend(["HEAD".to_owned(), asked.clone()]);
        let named_here = |method: &str| {
            let implied = method == "HEAD" && at_path.iter().any(|candidate| candidate.method == "GET");
            implied || method == asked || at_path.iter().any(|candidate| candidate.method == method)
        };
        let same = |method: &String| {
            let candidate = find(table, candidates, request, &serving(method), true);
            let candidate = candidate.filter(|_| method != "ANY" && named_here(method));
            candidate.is_some_and(|candidate| cors_of(table, candidate) == cors)
        };
        methods.into_iter().filter(same).collect::<Vec<_>>().join(", ")
    };
    let found = found.map(|candidate| (candidate.route, candidate.element.clone()));
    Some(Preflight::Answered(Expected::Preflight { found, max_age, methods }))
}

/// Returns the forms of a request's path that are tried, and its query.
fn forms<'r>(table: &Table, request: &'r Request) -> (Vec<Vec<u8>>, &'r [u8]) {
    let whole_path = request.path.as_deref().unwrap();
    let (path, query) = match whole_path.iter().position(|&b| b == b'?') {
        Some(at) => (&whole_path[..at], &whole_path[at + 1..]),
        None => (whole_path, &[][..]),
    };
    let mut forms = vec![path.to_vec()];
    let base = table.base_path.as_deref().map_or(0, |base| base.split('/').count() - 1);
    // The base path itself, and two slashes alone, have one form.
    let below = path.split(|&b| b == b'/').skip(1 + base).collect::<Vec<_>>();
    let is_root = below.len() <= 2 && below.iter().all(|segment| segment.is_empty());
    if table.ignore_trailing_slash && !is_root {
        match path.strip_suffix(b"/") {
            Some(without) => forms.push(without.to_vec()),
            None => forms.push([path, b"/"].concat()),
        }
    }
    (forms, query)
}

/// Returns the candidates whose path matches, in one group for each path, in the order of precedence.
fn by_path<'c>(table: &Table, candidates: &'c [Candidate], request: &Request) -> Vec<Vec<&'c Candidate>> {
    let mut paths = BTreeMap::<PathOrder, Vec<&Candidate>>::new();
    for (path, candidate) in matching(table, candidates, request) {
        paths.entry(path).or_default().push(candidate);
    }
    paths.into_values().collect()
}

/// Returns whether the order in the file matters for a request: two routes fit it that have the same path, the same
/// rank of their method, and the same number of conditions. With CORS, routes matter that do not serve the method.
pub(crate) fn is_settled_by_file_order(table: &Table, request: &Request) -> bool {
    let candidates = all_candidates(table);
    let (_, query) = forms(table, request);
    let method = lossy(request.method.as_deref().unwrap());
    let serving = serving(&method);
    // A preflight request asks for one method, but the response also lists the others.
    let is_preflight = method == "OPTIONS" && request.headers.iter().any(|(name, _)| name == b"origin");
    let uses_cors = table.cors.is_some() || table.routes.iter().any(|route| matches!(route.cors, Some(Some(_))));
    by_path(table, &candidates, request).into_iter().any(|at_path| {
        let fits = |candidate: &&Candidate| {
            let route = &table.routes[candidate.route];
            (serving.contains(&&*candidate.method) && holds(route, request, query, false))
                || (is_preflight && holds(route, request, query, true))
        };
        let conditions = |candidate: &Candidate| table.routes[candidate.route].conditions();
        let (mut ranks, mut others) = (BTreeSet::new(), BTreeSet::new());
        at_path.iter().any(|candidate| {
            (fits(candidate) && !ranks.insert((candidate.method.clone(), conditions(candidate))))
                || (uses_cors && !others.insert(conditions(candidate)))
        })
    })
}

/// Returns the elements of `match` whose path matches as it came, in one group for each path, in the order of precedence.
/// An element is a line with the name of its route, its methods and the whole path.
pub(crate) fn paths_in_turn(table: &Table, request: &Request) -> Vec<Vec<String>> {
    let table = &Table { ignore_trailing_slash: false, ..table.clone() };
    let candidates = all_candidates(table);
    let base = table.base_path.as_deref().unwrap_or_default();
    let line = |candidate: &Candidate| {
        let (methods, path) = candidate.element.split_once(' ').unwrap();
        let path = if path == "/" && !base.is_empty() { "" } else { path };
        format!("{} {methods} {base}{path}", table.routes[candidate.route].name)
    };
    by_path(table, &candidates, request).into_iter().map(|at_path| at_path.into_iter().map(line).collect()).collect()
}

/// Returns all elements of `match` that match some form of the path: the name of the route, and the element as written.
pub(crate) fn considered(table: &Table, request: &Request) -> BTreeSet<(String, String)> {
    let candidates = all_candidates(table);
    let matching = matching(table, &candidates, request).into_iter();
    matching.map(|(_, candidate)| (table.routes[candidate.route].name.clone(), candidate.element.clone())).collect()
}

/// Returns the segments of each form of the path.
fn segments(table: &Table, request: &Request) -> Vec<Vec<Vec<Unit>>> {
    let base = table.base_path.as_deref().map_or(0, |base| base.split('/').count() - 1);
    let forms = forms(table, request).0;
    let segments = forms.iter().filter_map(|form| {
        let mut segments = split(form)?;
        // The base path is the same with and without a final slash.
        if segments.len() == base + 1 && segments[base].is_empty() {
            segments.pop();
        }
        Some(segments.into_iter().map(units).collect::<Vec<_>>())
    });
    segments.collect()
}

/// Returns the values of the parameters as they are in the request, whichever form of the path matches.
fn params(table: &Table, candidate: &Candidate, request: &Request) -> Vec<(String, String)> {
    let captured = segments(table, request).iter().find_map(|form| captures(&candidate.segments, form));
    captured.unwrap().into_iter().map(|(name, value)| (name, lossy(&value))).collect()
}

/// The alphabets are small, so that patterns often collide with each other and with the requests.
#[rustfmt::skip]
const SEGMENTS: &[&str] = &[
    "a", "b", "ab", "a.b", "%61", "é", "%C3%A9", "%c3%a9", "c%25", "c%", "a;b", "{{a}}", "{x}", "{y}", "a{x}", "{x}b",
    "a{x}b", "{x}.b", "%C3%A9{x}", "{x}%A9", "{x}9", "c%25{x}", "{x}a{y}", "{x}.{y}", "{x}b{y}b", "a{x}b{y}", "{x}9{y}",
    "{x}%A9{y}a",
];
/// These are so few that in most tables several routes match a request, and methods and conditions decide.
const FEW_SEGMENTS: &[&str] = &["a", "a", "{x}", "{y}", "a{x}", "{x}b", "{x}a{y}"];
const HAZARDOUS: &[&str] = &["", ".", "..", "%2f", "a%2Fb", "..;a", "{x}%2F", "%5C"];
const REST: &[&str] = &["{*rest}", "{*r}", "{**rest}"];
const METHODS: &[&str] =
    &["GET", "GET", "POST", "HEAD", "ANY", "ANY", "GET|POST", "POST|HEAD", "PUT|DELETE|GET", "QUERY"];
const REQUEST_METHODS: &[&str] = &["GET", "GET", "POST", "HEAD", "PUT", "QUERY", "OPTIONS", "get"];
const VALUES: &[&str] = &["1", "2", "*", "1*", "1 2", "1 *"];
#[rustfmt::skip]
const REQUEST_SEGMENTS: &[&str] = &[
    "a", "b", "ab", "aab", "a.b", "%61", "%61b", "%C3%A9", "%c3%A9", "c%25", "c%25a", "a;b", "%7Ba%7d", "ab9", "1",
    "%C3%A9a%A9", "1a2", "aabb", "1.2.b", "1b2b", "a%A99%C3%A9a",
];
#[rustfmt::skip]
const REQUEST_HAZARDS: &[&str] = &[
    "", "", ".", "..", "%2e", ".%2E", "..;a", ".;", "%2f", "a%2Fb", "1%2F", "%5c", "a\\b", "%00", "c%", "c%zz", "é",
    "a#", "\x07", "...", "a^b", "a%2Fb", "%2f%2F", "..%2Fa", "%2E%2e%2fa", "a%2F", "%2Fa", "a%2f.",
];
const BASES: &[&str] = &["/a", "/a/b", "/é", "/c%25"];
const HOSTS: &[&str] = &["api.example.com", "*.wild.example.com", "*", "API.example.com"];
#[rustfmt::skip]
const REQUEST_HOSTS: &[&str] = &[
    "api.example.com", "API.Example.com:8443", "api.example.com.", "api.example.com.:80", "x.wild.example.com",
    "x.y.wild.example.com", "wild.example.com", "xwild.example.com", "other.example.com", "[::1]:80",
];

#[rustfmt::skip]
const QUERIES: &[&str] = &[
    "", "", "", "?", "?v=1", "?v=2&w+x=1", "?w%20x=2", "?x=/a/../b&v", "?v=1&v=2", "?vv=1?v=1", "?v=1+2&%77+x=1%202",
    "?v=1%2b2", "?w%2Bx=1", "?v=12",
];
#[rustfmt::skip]
const COOKIES: &[&str] = &[
    "v=1", "v=2; c d=1", " v=1 2 ;c d=2;v=2", "v", "V=1; =1; v=", "v=\"1\"", "v=\"1; c d=\"1 2\"", "\tc d=12\t;;v=%31",
    "\x0cv=1; c d=1\x0c",
];

pub(crate) fn random_table<C: Choices>(rng: &mut C) -> Table {
    let allow_unsafe_paths = rng.one_in(4);
    let (segments, at_most, one_in) = if rng.coin() { (SEGMENTS, 4, 6) } else { (FEW_SEGMENTS, 3, 3) };
    let route = |rng: &mut C, index: usize| {
        let elements = if rng.one_in(4) { 2 + rng.below(2) } else { 1 };
        let conditions = |rng: &mut C, names: &[&str]| {
            let mut conditions: Vec<(String, String)> = Vec::new();
            for name in names {
                if rng.one_in(one_in) {
                    conditions.push(((*name).to_owned(), pick(rng, VALUES).to_owned()));
                }
            }
            conditions
        };
        Route {
            name: format!("r{index}"),
            matches: (0..elements).map(|_| random_element(rng, segments, at_most, allow_unsafe_paths)).collect(),
            headers: conditions(rng, &["x-a", "X-B"]),
            cookies: conditions(rng, &["v", "c d"]),
            query: conditions(rng, &["v", "w x"]),
            cors: match rng.below(6) {
                4 => Some(None),
                5 => Some(Some(u32::from(rng.coin()))),
                _ => None,
            },
        }
    };
    let base_path = rng.one_in(3).then(|| pick(rng, BASES).to_owned());
    let routes = rng.below(9);
    let cors = rng.one_in(4).then(|| u32::from(rng.coin()));
    without_duplicates(Table {
        hosts: if rng.coin() { vec![HOST.into()] } else { vec![pick(rng, HOSTS).into()] },
        strip_base_path: base_path.is_some() && rng.coin(),
        base_path,
        ignore_trailing_slash: rng.one_in(3),
        allow_unsafe_paths,
        allow_encoded_slashes: !allow_unsafe_paths && rng.one_in(3),
        pass_through: rng.one_in(5),
        cors,
        routes: (0..routes).map(|index| route(rng, index)).collect(),
    })
}

fn random_element(rng: &mut impl Choices, segments: &[&str], at_most: usize, hazardous: bool) -> String {
    let mut path = String::new();
    for position in 0..rng.below(at_most) {
        let from = if hazardous && rng.one_in(6) { HAZARDOUS } else { segments };
        // A path may have a name only once.
        let segment = pick(rng, from).replace("{x}", &format!("{{x{position}}}"));
        let segment = segment.replace("{y}", &format!("{{y{position}}}"));
        path = format!("{path}/{segment}");
    }
    if path.is_empty() || rng.one_in(5) {
        path.push('/');
        if rng.coin() {
            path.push_str(pick(rng, REST));
        }
    }
    format!("{} {path}", pick(rng, METHODS))
}

pub(crate) fn random_request(rng: &mut impl Choices, table: &Table) -> Request {
    let mut path = String::new();
    if let Some(base) = table.base_path.as_deref().filter(|_| !rng.one_in(10)) {
        path.push_str(&match rng.below(8) {
            5 => base.replace('a', "%61"),
            6 => base.replace("/b", "%2Fb"),
            7 => base.replace("%25", "%"),
            _ => base.replace('é', "%C3%a9"),
        });
    }
    // Requests often follow a pattern, so that long patterns are matched too.
    let elements = table.routes.iter().flat_map(|route| &route.matches).collect::<Vec<_>>();
    let followed = (!rng.one_in(3) && !elements.is_empty()).then(|| elements[rng.below(elements.len())].clone());
    let followed = followed.map(|element| element.split_once("/").unwrap().1.to_owned());
    let segments = match &followed {
        Some(pattern) => pattern.split('/').map(str::to_owned).collect(),
        None => vec!["{x}".to_owned(); rng.below(5)],
    };
    for segment in segments {
        let from = if rng.one_in(12) { REQUEST_HAZARDS } else { REQUEST_SEGMENTS };
        let other = pick(rng, from);
        path.push('/');
        path.push_str(&match rng.below(8) {
            7 => other.to_owned(),
            _ => filled(&segment, other).replace('é', if rng.coin() { "%C3%A9" } else { "%c3%a9" }),
        });
    }
    match rng.below(32) {
        20..24 => path.push('/'),
        24..28 => drop(path.pop()),
        28 if !path.is_empty() => drop(path.remove(0)),
        29..32 => path.push_str("/a"),
        _ => {}
    }
    path.push_str(pick(rng, QUERIES));
    let host = if rng.one_in(8) { pick(rng, REQUEST_HOSTS).to_owned() } else { table.hosts[0].replace('*', "x") };
    let method = pick(rng, REQUEST_METHODS);
    let is_preflight = rng.one_in(6);
    let mut request = request(if is_preflight { "OPTIONS" } else { method }, &path).host(&host);
    if is_preflight {
        request = request.header("origin", PAGE).header("access-control-request-method", method);
    }
    for name in ["x-a", "x-b"] {
        for _ in 0..[0, 0, 0, 1, 1, 2][rng.below(6)] {
            request = request.header(name, pick(rng, &["1", "2", "", "1 2"]));
        }
    }
    for _ in 0..[0, 0, 0, 1, 1, 2][rng.below(6)] {
        request = request.header("cookie", pick(rng, COOKIES));
    }
    request
}

/// Returns a segment of a pattern with a text in place of its parameter.
fn filled(segment: &str, text: &str) -> String {
    if segment.starts_with("{{") {
        return segment.replace("{{", "%7B").replace("}}", "%7D");
    }
    let mut filled = String::new();
    let mut rest = segment;
    while let Some((literal, parameter)) = rest.split_once('{') {
        filled.push_str(literal);
        filled.push_str(text);
        rest = parameter.split_once('}').unwrap().1;
    }
    filled + rest
}

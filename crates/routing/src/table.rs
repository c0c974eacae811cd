//! The compiled route table: `decide` says what becomes of a request.

use std::borrow::Cow;

use crate::condition::Conditions;
use crate::decision::{Answer, Change, Chosen, Decision, Forward, Outcome, Untouched};
use crate::head::Head;
use crate::host::{self, HostSet, Membership};
use crate::path::{self, BasePath, Hazard, RequestPath};
use crate::search::{Found, Methods, Verdict};
use crate::template::Template;
use crate::texts::{Text, Texts};
use crate::tree::Tree;
use crate::{answer, internal};

/// A route table. It is never empty of meaning: one compiled from a bad document serves what can be served.
#[derive(Debug)]
pub struct RouteTable {
    pub(crate) settings: Settings,
    /// Hosts of all targets, without port, lower case, sorted.
    pub(crate) targets: Vec<Box<str>>,
    pub(crate) texts: Texts,
    pub(crate) methods: Methods,
    pub(crate) tree: Tree,
    /// By the tree's entry: where its candidates begin and end.
    pub(crate) entries: Vec<(u32, u32)>,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) conditions: Vec<Conditions>,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) routes: Vec<Route>,
}

/// The part of a table that does not come from its routes.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) name: Box<str>,
    pub(crate) hosts: HostSet,
    pub(crate) base: BasePath,
    pub(crate) strip_base: bool,
    pub(crate) no_match: NoMatch,
    pub(crate) ignore_trailing_slash: bool,
    pub(crate) reject_unsafe: bool,
    pub(crate) strip_internal: bool,
    pub(crate) deny_direct: bool,
}

impl Settings {
    /// No host is the table's: nothing is touched.
    pub(crate) fn untouched() -> Self {
        Settings {
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

/// What becomes of a request in scope that no route serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoMatch {
    NotFound,
    PassThrough,
    /// Whether it should pass can't be known.
    Broken,
}

/// A route's claim to one method of one path. Those of an entry are sorted: unreadable ones first, then by
/// method, then by precedence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) method: u16,
    /// Its pattern can't be read in whole: it stands before its equals, so that none of them gets what may
    /// have been meant for it.
    pub(crate) unreadable: bool,
    /// An index; `Conditions::default()`'s is 0.
    pub(crate) conditions: u32,
    pub(crate) pattern: u32,
}

/// An element of `match`.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) route: u32,
    /// As written.
    pub(crate) text: Text,
    pub(crate) captures: Box<[Capture]>,
}

/// Where a captured value stands in the path below `basePath`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capture {
    pub(crate) name: Text,
    pub(crate) segment: u32,
    /// Lengths of the literal text around it, in normal form.
    pub(crate) prefix: u32,
    pub(crate) suffix: u32,
    /// It takes all segments from there.
    pub(crate) rest: bool,
}

#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) name: Text,
    pub(crate) target: Target,
}

#[derive(Debug)]
pub(crate) enum Target {
    Forward {
        authority: Text,
        rewrite: Option<Box<Template>>,
    },
    Redirect(Box<Redirect>),
    Respond(Box<Respond>),
    /// An error of the document bears on it.
    Broken,
}

#[derive(Debug)]
pub(crate) struct Redirect {
    pub(crate) to: Template,
    pub(crate) status: u16,
}

#[derive(Debug)]
pub(crate) struct Respond {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(Text, Text)>,
    pub(crate) body: Text,
}

impl RouteTable {
    /// Name of the table, for logs and metrics.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// How many routes it serves, broken ones aside.
    pub fn route_count(&self) -> usize {
        self.routes.iter().filter(|route| !matches!(route.target, Target::Broken)).count()
    }

    /// How many hosts it has.
    pub fn host_count(&self) -> usize {
        self.settings.hosts.len()
    }

    /// What is to be done with a request. `already_routed` tells whether another table has routed it; it is
    /// asked only where that can be.
    pub fn decide<'a>(&'a self, head: &Head<'a>, already_routed: impl FnOnce() -> bool) -> Decision<'a> {
        const OUT_OF_SCOPE: Decision<'static> = Decision::Untouched(Untouched::OutOfScope);
        let Some(path) = head.path else { return OUT_OF_SCOPE };
        let host = host::bare(head.authority.unwrap_or_default());
        let membership = self.settings.hosts.membership(host);
        let direct = self.settings.deny_direct
            && matches!(membership, None | Some(Membership::Any))
            && host::contains(&self.targets, host);
        // A host that is named in `hosts` is public, no KSVC's, so that a probe of it is a request like others.
        let is_probe = membership != Some(Membership::Exact) && internal::is_network_probe(head, path);
        if (membership.is_none() && !direct) || is_probe {
            return OUT_OF_SCOPE;
        }
        // A routed request carries `x-forwarded-host`: without it the filter state need not be read.
        let routed = head.has("x-forwarded-host") && already_routed();
        if direct && !routed {
            return match path.starts_with(b"/.well-known/acme-challenge/") {
                true => OUT_OF_SCOPE,
                false => Decision::Answer(answer::denied_direct(head)),
            };
        }
        if membership.is_none() || routed || (path == b"*" && head.method == Some(b"OPTIONS")) {
            return OUT_OF_SCOPE;
        }
        let raw = path.split(|&b| b == b'?').next().unwrap_or_default();
        if !self.settings.base.holds(raw) {
            return OUT_OF_SCOPE;
        }
        self.decide_in_scope(head, path)
    }

    fn decide_in_scope<'a>(&'a self, head: &Head<'a>, whole_path: &'a [u8]) -> Decision<'a> {
        let path = RequestPath::read(whole_path);
        let hazard = if self.settings.reject_unsafe { path.hazard } else { None };
        if let Some(hazard) = hazard {
            return Decision::Answer(answer::unsafe_path(head, hazard));
        }
        let (Some(method), true) = (readable(head.method), readable(head.authority).is_some()) else {
            return Decision::Answer(answer::unreadable(head));
        };
        let verdict = match self.settings.base.below(&path.normal) {
            // Only an empty path is the root without its slash.
            Some(below) if path.raw.is_empty() || path.hazard != Some(Hazard::NoSlash) => {
                self.find(method, head, &path, below)
            }
            _ => Verdict::NotFound,
        };
        match (verdict, self.settings.no_match) {
            (Verdict::Found(found), _) => self.act(found, head, whole_path, &path),
            (_, NoMatch::PassThrough) => Decision::Untouched(Untouched::PassThrough),
            (_, NoMatch::Broken) => Decision::Answer(answer::broken_table(head)),
            (Verdict::MethodNotAllowed { allow }, NoMatch::NotFound) => {
                Decision::Answer(answer::method_not_allowed(head, allow))
            }
            (Verdict::NotFound, NoMatch::NotFound) => Decision::Answer(answer::not_found(head)),
        }
    }

    fn act<'a>(&'a self, found: Found, head: &Head<'a>, whole_path: &'a [u8], path: &RequestPath<'a>) -> Decision<'a> {
        let Some((pattern, route)) = self.pattern(found.pattern) else {
            return Decision::Answer(answer::broken_table(head));
        };
        let below = self.settings.base.strip(path.raw);
        let captures = Captures { list: &pattern.captures, below, texts: &self.texts };
        let chosen = Chosen {
            route: self.texts.get(route.name),
            matched: self.texts.get(pattern.text),
            index: pattern.route as usize,
            captures,
        };
        match &route.target {
            Target::Forward { authority, rewrite } => {
                let mut stripped = false;
                let forwarded = match rewrite {
                    Some(template) => {
                        let rewritten = template.render(&self.texts, |name| captures.get(name));
                        if let (true, Some(hazard)) = (self.settings.reject_unsafe, path::hazard(&rewritten)) {
                            return Decision::Answer(answer::unsafe_rewrite(head, chosen, hazard));
                        }
                        Some(rewritten)
                    }
                    None if self.settings.strip_base => {
                        stripped = true;
                        Some(if below.is_empty() { b"/".to_vec() } else { below.to_vec() })
                    }
                    None => None,
                };
                let forwarded = forwarded.map(|path_alone| with_query(path_alone, path.query));
                let forwarded = forwarded.filter(|forwarded| forwarded != whole_path);
                let authority = self.texts.get(*authority);
                let mut changes = Vec::with_capacity(6);
                changes.push(Change::Set(":authority", authority.as_bytes().into()));
                changes.push(Change::Set("x-forwarded-host", head.authority.unwrap_or_default().into()));
                if let Some(forwarded) = &forwarded {
                    changes.push(Change::Set(":path", forwarded.clone().into()));
                    changes.push(Change::Set("x-envoy-original-path", whole_path.into()));
                }
                if stripped {
                    changes.push(Change::Set("x-forwarded-prefix", self.settings.base.normal.as_bytes().into()));
                }
                if self.settings.strip_internal {
                    internal::strip(head, &mut changes);
                }
                Decision::Forward(Forward { chosen, authority, path: forwarded, changes })
            }
            Target::Redirect(redirect) => {
                let location = redirect.to.render(&self.texts, |name| captures.get(name));
                // A captured `/` behind a leading one would name a host: `//evil.example`.
                // So would a control octet between the two, which browsers leave out.
                let leads_away = matches!(location.get(..2), Some(b"//" | b"/\\"));
                if leads_away || location.iter().any(u8::is_ascii_control) {
                    return Decision::Answer(answer::unsafe_rewrite(head, chosen, Hazard::EmptySegment));
                }
                let location = match location.contains(&b'?') {
                    true => location,
                    false => with_query_before_fragment(location, path.query),
                };
                Decision::Answer(Answer {
                    outcome: Outcome::Redirect,
                    chosen: Some(chosen),
                    status: redirect.status,
                    headers: vec![(Cow::Borrowed("location"), location.into())],
                    body: Cow::Borrowed(b""),
                    grpc_status: None,
                })
            }
            Target::Respond(respond) => {
                let text = |text: Text| self.texts.get(text);
                let header = |&(name, value): &(Text, Text)| (text(name).into(), text(value).as_bytes().into());
                Decision::Answer(Answer {
                    outcome: Outcome::Respond,
                    chosen: Some(chosen),
                    status: respond.status,
                    headers: respond.headers.iter().map(header).collect(),
                    body: text(respond.body).as_bytes().into(),
                    grpc_status: None,
                })
            }
            Target::Broken => Decision::Answer(answer::broken_route(head, chosen)),
        }
    }

    pub(crate) fn pattern(&self, index: u32) -> Option<(&Pattern, &Route)> {
        let pattern = self.patterns.get(index as usize)?;
        Some((pattern, self.routes.get(pattern.route as usize)?))
    }
}

/// A pseudo header that can be read: it is there, and all ASCII.
fn readable(value: Option<&[u8]>) -> Option<&[u8]> {
    value.filter(|value| !value.is_empty() && value.is_ascii())
}

fn with_query(mut path: Vec<u8>, query: Option<&[u8]>) -> Vec<u8> {
    if let Some(query) = query {
        path.push(b'?');
        path.extend_from_slice(query);
    }
    path
}

fn with_query_before_fragment(mut location: Vec<u8>, query: Option<&[u8]>) -> Vec<u8> {
    let at = location.iter().position(|&b| b == b'#').unwrap_or(location.len());
    let fragment = location.split_off(at);
    let mut location = with_query(location, query);
    location.extend(fragment);
    location
}

/// The captured values of one request, as they stood in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Captures<'a> {
    list: &'a [Capture],
    /// The path below `basePath`, as it came.
    below: &'a [u8],
    texts: &'a Texts,
}

impl<'a> Captures<'a> {
    /// The value of a name; templates are compiled with names that are there.
    fn get(&self, name: Text) -> &'a [u8] {
        self.list.iter().find(|capture| capture.name == name).map(|capture| self.value(capture)).unwrap_or_default()
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.list.iter().map(move |capture| (self.texts.get(capture.name), self.value(capture)))
    }

    fn value(&self, capture: &Capture) -> &'a [u8] {
        let mut tail = self.below.strip_prefix(b"/").unwrap_or(self.below);
        for _ in 0..capture.segment {
            let slash = tail.iter().position(|&b| b == b'/');
            tail = slash.and_then(|slash| tail.get(slash + 1..)).unwrap_or_default();
        }
        if capture.rest {
            return tail;
        }
        let segment = tail.split(|&b| b == b'/').next().unwrap_or_default();
        path::without_affixes(segment, capture.prefix as usize, capture.suffix as usize)
    }
}

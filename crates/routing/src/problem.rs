//! What is wrong with a document: the place, what is wrong, and what to write instead.
//!
//! Problems are data. The same ones are printed by the command line, with file and line, and by the
//! filter into Envoy's log, with the place alone.

use std::borrow::Cow;
use std::fmt;

use crate::limits;

/// One step from the document's root towards a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Key(Cow<'static, str>),
    Index(usize),
}

impl Step {
    /// A key that the user has chosen. Of a long one there is what a message quotes.
    pub(crate) fn named(key: &str) -> Self {
        Step::Key(Cow::Owned(quoted(key).into_owned()))
    }
}

/// What a message quotes of the user's text: a long one is cut.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    let cut = text.char_indices().nth(limits::QUOTED).and_then(|(at, _)| text.get(..at));
    cut.map_or(Cow::Borrowed(text), |cut| Cow::Owned(format!("{cut}…")))
}

/// Where in the document: `routes[3].match[1]`. Empty for the document itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place(Vec<Step>);

impl Place {
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    pub(crate) fn new(steps: &[Step]) -> Self {
        Place(steps.to_vec())
    }

    /// The route that it is in.
    pub(crate) fn route(&self) -> Option<usize> {
        match self.steps() {
            [Step::Key(key), Step::Index(index), ..] if key == "routes" => Some(*index),
            _ => None,
        }
    }

    pub(crate) fn key(&self, key: &'static str) -> Self {
        self.with(Step::Key(Cow::Borrowed(key)))
    }

    pub(crate) fn named(&self, key: &str) -> Self {
        self.with(Step::named(key))
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        self.with(Step::Index(index))
    }

    fn with(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Place(steps)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if !is_plain(key) => write!(f, "[{key:?}]")?,
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// An error keeps what it bears on from being served; a warning is reported and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub place: Place,
    pub kind: ProblemKind,
}

impl Problem {
    pub fn severity(&self) -> Severity {
        match self.kind {
            ProblemKind::ClusterLocalHost { .. }
            | ProblemKind::UpperCaseHost { .. }
            | ProblemKind::AnyHostNotFound
            | ProblemKind::Shadowed { .. }
            | ProblemKind::Unreachable { .. }
            | ProblemKind::QueryInPath
            | ProblemKind::FinalSpace
            | ProblemKind::ForeignSyntax { .. }
            | ProblemKind::MethodCase { .. }
            | ProblemKind::StripWithoutBase => Severity::Warning,
            _ => Severity::Error,
        }
    }

    pub fn is_error(&self) -> bool {
        self.severity() == Severity::Error
    }

    /// The other of two routes that get in each other's way.
    pub fn other(&self) -> Option<&Place> {
        match &self.kind {
            ProblemKind::Duplicate { other, .. } | ProblemKind::Shadowed { other, .. } => Some(other),
            _ => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.0.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        self.kind.fmt(f)
    }
}

/// Collects what is wrong with a document. It keeps no more than can be read, but knows of each error which routes it
/// breaks, and how many there are.
#[derive(Default)]
pub(crate) struct Problems {
    kept: Vec<Problem>,
    errors: usize,
    warnings: usize,
    /// By route: whether there is an error in it, or about it.
    broken: Vec<bool>,
}

impl Problems {
    #[cold]
    #[inline(never)]
    pub(crate) fn report(&mut self, place: Place, kind: ProblemKind) {
        let problem = Problem { place, kind };
        let reported = if problem.is_error() {
            for route in std::iter::once(&problem.place).chain(problem.other()).filter_map(Place::route) {
                self.break_route(route);
            }
            &mut self.errors
        } else {
            &mut self.warnings
        };
        *reported += 1;
        if *reported <= limits::PROBLEMS {
            let Problem { place, mut kind } = problem;
            kind.abridge();
            self.kept.push(Problem { place, kind });
        }
    }

    /// Counts errors that are like one that has been reported.
    pub(crate) fn count(&mut self, errors: usize) {
        self.errors += errors;
    }

    /// How many errors more would be kept.
    pub(crate) fn room(&self) -> usize {
        limits::PROBLEMS.saturating_sub(self.errors)
    }

    pub(crate) fn break_route(&mut self, route: usize) {
        if self.broken.len() <= route {
            self.broken.resize(route + 1, false);
        }
        if let Some(broken) = self.broken.get_mut(route) {
            *broken = true;
        }
    }

    /// Whether a route has an error of its own; of duplicates, both have.
    pub(crate) fn is_broken(&self, route: usize) -> bool {
        self.broken.get(route) == Some(&true)
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Those that are kept, as far as they belong to a route in the order of routes, and how many there are beyond.
    pub(crate) fn finish(mut self) -> (Vec<Problem>, usize) {
        // Errors go before warnings.
        let mut warnings = limits::PROBLEMS.saturating_sub(self.errors);
        self.kept.retain(|problem| {
            problem.is_error() || {
                let room = warnings > 0;
                warnings = warnings.saturating_sub(1);
                room
            }
        });
        self.kept.sort_by_key(|problem| problem.place.route().map_or(0, |index| index + 1));
        let more = (self.errors + self.warnings).saturating_sub(self.kept.len());
        (self.kept, more)
    }
}

/// What is wrong. `Display` says it together with what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProblemKind {
    // The document as such.
    Empty,
    NotJson { message: String },
    TooLarge { bytes: usize, limit: usize },
    TooManyValues { limit: usize },
    TooMany { found: usize, of: &'static str, limit: usize, write: &'static str },
    TooLong { of: &'static str, bytes: usize, limit: usize },
    WrongType { expected: &'static str, found: String, write: &'static str },
    NoValue { expected: &'static str },
    UnknownKey { key: String, like: Option<&'static str>, known: &'static [&'static str] },
    RepeatedKey { key: String },
    MissingKey { key: &'static str, write: &'static str },
    NoSuchChoice { found: String, choices: &'static [&'static str] },

    // The table.
    TableName { found: String },
    NoHosts,
    Host { found: String, reason: &'static str, write: String },
    BasePath { found: String, reason: &'static str, write: String },
    DnsLabel { key: &'static str, found: String },
    DnsName { key: &'static str, found: String },
    HostTemplateField { found: String },
    HostTemplateWithoutService,
    HostTemplateBraces { found: String },
    HostTemplateOfGo { found: String },
    AnyHostNotFound,
    StripWithoutBase,

    // A route's target.
    NoTarget,
    SeveralTargets { found: Vec<&'static str> },
    OnlyWith { key: &'static str, with: &'static str },
    Needs { key: &'static str },
    AuthorityTooLong { authority: String },
    TargetHost { found: String, reason: &'static str, write: String },
    ClusterLocalHost { host: String },
    UpperCaseHost { host: String },
    Status { found: String, allowed: &'static str },
    BodyForbidden { status: u16 },
    RedirectTo { found: String, reason: &'static str, write: &'static str },
    HeaderName { found: String },
    HeaderForbidden { name: String, reason: &'static str },
    HeaderRepeated { name: String },
    HeaderValue { name: String },
    EmptyQueryName,
    RouteName,

    // CORS.
    NoOrigins,
    CorsOrigin { found: String, reason: &'static str, write: String },
    CorsMethod { found: String },
    AnyOriginWithCredentials,
    ExposeAnyWithCredentials,

    // A route's match.
    NoMatch,
    NoPath { found: String },
    NoMethod { found: String },
    SeveralSpaces { found: String },
    Method { found: String },
    MethodRepeated { method: String },
    AnyAmongMethods,
    MethodCase { found: String },
    PathStart { found: String },
    BraceOpen { segment: String },
    BraceClosed { segment: String },
    CaptureName { found: String, write: Option<String> },
    CaptureRepeated { name: String },
    SeveralCaptures { segment: String },
    RestAffixed { segment: String },
    RestNotLast { segment: String },
    TooManySegments { found: usize, limit: usize },
    ControlCharacter,
    FinalSpace,
    QueryInPath,
    ForeignSyntax { segment: String, write: String },
    Unreachable { reason: &'static str },
    Duplicate { other: Place, other_text: String, methods: String },
    Shadowed { other: Place, other_text: String },
    TooManyConditional { found: usize, method: String, limit: usize },

    // A template.
    TemplateBraces { found: String },
    UnknownCapture { name: String, pattern: String, known: Vec<String> },
    CapturedNowhere { name: String },
    RestInTemplate { name: String },
    RewriteStart { found: String },
    RewriteQuery { character: char },
}

impl ProblemKind {
    /// Cuts what it quotes of the document.
    fn abridge(&mut self) {
        /// Names that are listed.
        const LISTED: usize = 20;
        use ProblemKind::*;
        let cut = |text: &mut String| {
            if let Cow::Owned(cut) = quoted(text) {
                *text = cut;
            }
        };
        match self {
            // Every one, so that a new one is not forgotten.
            Empty
            | TooLarge { .. }
            | TooManyValues { .. }
            | TooMany { .. }
            | TooLong { .. }
            | NoValue { .. }
            | MissingKey { .. }
            | NoHosts
            | HostTemplateWithoutService
            | AnyHostNotFound
            | StripWithoutBase
            | NoTarget
            | SeveralTargets { .. }
            | OnlyWith { .. }
            | Needs { .. }
            | BodyForbidden { .. }
            | EmptyQueryName
            | RouteName
            | NoOrigins
            | AnyOriginWithCredentials
            | ExposeAnyWithCredentials
            | NoMatch
            | AnyAmongMethods
            | TooManySegments { .. }
            | ControlCharacter
            | FinalSpace
            | QueryInPath
            | Unreachable { .. }
            | RewriteQuery { .. } => {}
            // It quotes as much.
            WrongType { .. } => {}
            NotJson { message: text }
            | UnknownKey { key: text, .. }
            | RepeatedKey { key: text }
            | NoSuchChoice { found: text, .. }
            | TableName { found: text }
            | DnsLabel { found: text, .. }
            | DnsName { found: text, .. }
            | HostTemplateField { found: text }
            | HostTemplateBraces { found: text }
            | HostTemplateOfGo { found: text }
            | AuthorityTooLong { authority: text }
            | ClusterLocalHost { host: text }
            | UpperCaseHost { host: text }
            | Status { found: text, .. }
            | RedirectTo { found: text, .. }
            | HeaderName { found: text }
            | HeaderForbidden { name: text, .. }
            | HeaderRepeated { name: text }
            | HeaderValue { name: text }
            | CorsMethod { found: text }
            | NoPath { found: text }
            | NoMethod { found: text }
            | SeveralSpaces { found: text }
            | Method { found: text }
            | MethodRepeated { method: text }
            | MethodCase { found: text }
            | PathStart { found: text }
            | BraceOpen { segment: text }
            | BraceClosed { segment: text }
            | CaptureRepeated { name: text }
            | SeveralCaptures { segment: text }
            | RestAffixed { segment: text }
            | RestNotLast { segment: text }
            | Shadowed { other_text: text, .. }
            | TooManyConditional { method: text, .. }
            | TemplateBraces { found: text }
            | CapturedNowhere { name: text }
            | RestInTemplate { name: text }
            | RewriteStart { found: text } => cut(text),
            Host { found, write, .. }
            | BasePath { found, write, .. }
            | TargetHost { found, write, .. }
            | CorsOrigin { found, write, .. }
            | ForeignSyntax { segment: found, write }
            | Duplicate { other_text: found, methods: write, .. } => {
                cut(found);
                cut(write);
            }
            CaptureName { found, write } => {
                cut(found);
                write.iter_mut().for_each(cut);
            }
            UnknownCapture { name, pattern, known } => {
                cut(name);
                cut(pattern);
                if known.len() > LISTED {
                    known.truncate(LISTED);
                    known.push("…".to_owned());
                }
                known.iter_mut().for_each(cut);
            }
        }
    }
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use ProblemKind::*;
        match self {
            Empty => f.write_str("the configuration is empty; write at least `hosts` and `routes`"),
            NotJson { message } => {
                write!(f, "the configuration can't be read as JSON: {message}; write one object with `hosts` and `routes`")
            },
            TooLarge { bytes, limit } => write!(
                f,
                "the configuration has {bytes} bytes, more than {limit}, and is not read; write fewer routes, or several tables"
            ),
            TooManyValues { limit } => write!(
                f,
                "the configuration has more than {limit} values, and is not read; write fewer routes, or several tables"
            ),
            TooMany { found, of, limit, write } => write!(f, "{found} {of}, more than {limit}; {write}"),
            TooLong { of, bytes, limit } => write!(f, "the {of} has {bytes} bytes, more than {limit}; shorten it"),
            WrongType { expected, found, write } => write!(f, "expected {expected}, found {found}; write {write}"),
            NoValue { expected } => write!(f, "has no value; write {expected}, or take the key out"),
            UnknownKey { key, like: Some(like), .. } => {
                write!(f, "unknown key `{key}`; did you mean `{like}`?")
            }
            UnknownKey { key, like: None, known } => {
                write!(f, "unknown key `{key}`; the keys here are `{}`", known.join("`, `"))
            }
            RepeatedKey { key } => write!(f, "the key `{key}` is written twice; keep one"),
            MissingKey { key, write } => write!(f, "`{key}` is missing; write {write}"),
            NoSuchChoice { found, choices } => {
                write!(f, "\"{found}\" is not a choice here; write {}", Listed(choices))
            }

            TableName { found } => write!(
                f,
                "\"{found}\" can't be part of a metric's name; use letters, digits, `-` and `_`"
            ),
            NoHosts => f.write_str(
                "the list is empty, so no request would be routed; write the public hosts, such as `[api.example.com]`",
            ),
            Host { found, reason, write } => write!(f, "\"{found}\" {reason}; write {write}"),
            BasePath { found, reason, write } => write!(f, "\"{found}\" {reason}; {write}"),
            DnsLabel { key, found } => write!(
                f,
                "\"{found}\" is not a name for `{key}`; write at most 63 lower-case letters, digits and `-`, with a letter or digit at both ends"
            ),
            DnsName { key, found } => write!(
                f,
                "\"{found}\" is not a DNS name; `{key}` is made of labels of letters, digits and `-`, joined by dots, such as `example.com`"
            ),
            HostTemplateField { found } => write!(
                f,
                "unknown field `{{{found}}}`; the fields are `{{service}}`, `{{namespace}}` and `{{domain}}`"
            ),
            HostTemplateWithoutService => f.write_str(
                "has no `{service}`, so every service would have the same host; write for example `{service}.{namespace}.{domain}`",
            ),
            HostTemplateBraces { found } => write!(
                f,
                "\"{found}\" has a brace without its counterpart; write for example `{{service}}.{{namespace}}.{{domain}}`"
            ),
            HostTemplateOfGo { found } => write!(
                f,
                "\"{found}\" is written in Go's template language; write its fields as `{{service}}.{{namespace}}.{{domain}}`"
            ),
            AnyHostNotFound => f.write_str(
                "`*` takes in every host of the gateway, and `onNoMatch: notFound` then answers 404 for all of them; name the hosts, or write `onNoMatch: passThrough`",
            ),
            StripWithoutBase => {
                f.write_str("has no effect without `basePath`; add `basePath`, or take this key out")
            }

            NoTarget => f.write_str("has no target; write one of `service`, `host`, `redirect` or `respond`"),
            SeveralTargets { found } => {
                write!(f, "has {} targets, `{}`; keep one", found.len(), found.join("` and `"))
            }
            OnlyWith { key, with } => {
                write!(f, "`{key}` has no meaning here: it goes with {with}; take it out")
            }
            Needs { key: "namespace" } => f.write_str(
                "has no namespace; write `namespace` in this route or for the whole table",
            ),
            Needs { key } => write!(f, "needs `{key}` to make the host; write `{key}` for the table"),
            AuthorityTooLong { authority } => write!(
                f,
                "the host \"{authority}\" is longer than DNS allows (63 characters a label, 253 in all); shorten the names"
            ),
            TargetHost { found, reason, write } => write!(f, "\"{found}\" {reason}; write {write}"),
            ClusterLocalHost { host } => write!(
                f,
                "\"{host}\" is a cluster-local host, which the gateway's external listener does not know (404); use the service's external domain"
            ),
            UpperCaseHost { host } => write!(
                f,
                "hosts are compared and written in lower case; write \"{}\"",
                host.to_ascii_lowercase()
            ),
            Status { found, allowed } => write!(f, "{found} is not a status for this; write {allowed}"),
            BodyForbidden { status } => {
                write!(f, "an answer with status {status} has no body; take `body` out, or write another status")
            }
            RedirectTo { found, reason, write } => write!(f, "\"{found}\" {reason}; write {write}"),
            HeaderName { found } => write!(
                f,
                "\"{found}\" is not a header's name; use letters, digits and `-`, such as `x-example`"
            ),
            HeaderForbidden { name, reason } => write!(f, "the header `{name}` {reason}; take it out"),
            HeaderRepeated { name } => write!(
                f,
                "the header `{name}` is written twice (case does not count); keep one"
            ),
            HeaderValue { name } => write!(
                f,
                "the value of `{name}` has a control character, or a space at its start or end; take it out"
            ),
            RouteName => f.write_str("is empty or has a control character; write one line of text, or take the key out"),
            EmptyQueryName => f.write_str("a query parameter has a name; write it in place of \"\""),

            NoOrigins => f.write_str(
                "the list is empty, so no page could call; write the origins, such as `[https://app.example.com]`, or `cors: false`",
            ),
            CorsOrigin { found, reason, write } => write!(f, "\"{found}\" {reason}; write {write}"),
            CorsMethod { found } => write!(
                f,
                "\"{found}\" is not a method; write one token for each, such as `PUT`, or `\"*\"` for every method"
            ),
            AnyOriginWithCredentials => f.write_str(
                "`*` and `allowCredentials` together would let every page act as its visitor, and browsers refuse it; name the origins, or take `allowCredentials` out",
            ),
            ExposeAnyWithCredentials => f.write_str(
                "with `allowCredentials`, browsers take `*` for the name of a header; name the headers",
            ),

            NoMatch => f.write_str("the list is empty, so the route is never chosen; write for example `GET /orders/{id}`"),
            NoPath { found } => write!(
                f,
                "\"{found}\" has no path; write methods, one space and a path, such as `{found} /orders`"
            ),
            NoMethod { found } => write!(
                f,
                "\"{found}\" names no method; write for example `GET {0}`, `GET|POST {0}`, or `ANY {0}` for every method",
                found.trim_start()
            ),
            SeveralSpaces { found } => write!(
                f,
                "\"{found}\" has more than one space before its path; write \"{}\"",
                found.split_whitespace().collect::<Vec<_>>().join(" ")
            ),
            Method { found } => write!(
                f,
                "\"{found}\" is not a method; write tokens joined by `|`, such as `GET|POST`, or `ANY`"
            ),
            MethodRepeated { method } => write!(f, "the method {method} is named twice; keep one"),
            AnyAmongMethods => f.write_str("ANY takes in every method; write it alone, or leave it out"),
            MethodCase { found } => write!(
                f,
                "methods are compared with case, and \"{found}\" is not \"{}\"; write it in upper case",
                found.to_ascii_uppercase()
            ),
            PathStart { found } => write!(f, "the path \"{found}\" does not begin with `/`; write \"/{found}\""),
            BraceOpen { segment } => write!(
                f,
                "in \"{segment}\" a brace is opened and not closed; write `{{name}}` for a parameter, `{{{{` for a literal brace"
            ),
            BraceClosed { segment } => write!(
                f,
                "in \"{segment}\" a brace is closed and was not opened; write `{{name}}` for a parameter, `}}}}` for a literal brace"
            ),
            CaptureName { found, write } => {
                write!(f, "\"{{{found}}}\" does not name a parameter; ")?;
                match write {
                    Some(write) => write!(f, "write `{write}`"),
                    None => f.write_str("use letters, digits, `_` and `-`, such as `{id}`"),
                }
            }
            CaptureRepeated { name } => {
                write!(f, "the parameter `{{{name}}}` is named twice in one path; rename one")
            }
            SeveralCaptures { segment } => write!(
                f,
                "\"{segment}\" has more than one parameter in one segment; keep one, with a literal prefix and suffix"
            ),
            RestAffixed { segment } => write!(
                f,
                "in \"{segment}\" a `{{*name}}` stands beside literal text; let it be a segment of its own"
            ),
            RestNotLast { segment } => write!(
                f,
                "\"{segment}\" is not the last segment; `{{*name}}` takes all segments that follow, so write `{{name}}` for one segment, or end the path here"
            ),
            TooManySegments { found, limit } => {
                write!(f, "the path has {found} segments, more than {limit}; shorten it, or end it with `{{*rest}}`")
            }
            ControlCharacter => f.write_str("has a control character, such as a line break; write one line of text"),
            FinalSpace => f.write_str("ends with a space, which is read as a literal `%20`; take it out, or write `%20`"),
            QueryInPath => f.write_str(
                "the query takes no part in matching, so `?` is read as a literal `%3F`; for a query parameter use `when: {query: …}`",
            ),
            ForeignSyntax { segment, write } => write!(
                f,
                "\"{segment}\" is matched as it is written; if it is meant as a parameter, write \"{write}\""
            ),
            Unreachable { reason } => write!(
                f,
                "can never be chosen: {reason} is refused before matching; change the path, or write `unsafePaths: allow`"
            ),
            Duplicate { other, other_text, methods } => write!(
                f,
                "can't be told apart from {other} (\"{other_text}\"): same path, same conditions, {methods}; remove one, or tell them apart by method or `when`"
            ),
            Shadowed { other, other_text } => write!(
                f,
                "can never be chosen: wherever its conditions hold, {other} (\"{other_text}\") is chosen first; remove it, or give it more conditions"
            ),
            TooManyConditional { found, method, limit } => write!(
                f,
                "is one of {found} routes with conditions at this path for {method}, more than {limit}, and comes after these; tell routes apart by path, or let the service do it"
            ),

            TemplateBraces { found } => write!(
                f,
                "\"{found}\" has a brace without its counterpart; write `{{name}}` for a captured value, `{{{{` and `}}}}` for literal braces"
            ),
            UnknownCapture { name, pattern, known } if known.is_empty() => write!(
                f,
                "`{{{name}}}` is not captured by \"{pattern}\", which captures nothing; add the parameter to the path, or take it out here"
            ),
            UnknownCapture { name, pattern, known } => write!(
                f,
                "`{{{name}}}` is not captured by \"{pattern}\"; it captures {}",
                Listed(&known.iter().map(|n| format!("{{{n}}}")).collect::<Vec<_>>())
            ),
            CapturedNowhere { name } => write!(
                f,
                "`{{{name}}}` is captured by no route; add the parameter to a path, or take it out here"
            ),
            RestInTemplate { name } => write!(f, "a template names the captured text alone; write `{{{name}}}`"),
            RewriteStart { found } => write!(f, "\"{found}\" does not begin with `/`; write \"/{found}\""),
            RewriteQuery { character } => write!(
                f,
                "a path has no `{character}`: the request's query is kept as it came; take it out, or write `%{:02X}` for a literal one",
                *character as u32
            ),
        }
    }
}

/// Words in a message: "`a`, `b` or `c`".
pub(crate) struct Listed<'a, T>(pub(crate) &'a [T]);

impl<T: AsRef<str>> fmt::Display for Listed<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.0.iter().enumerate() {
            let before = match index {
                0 => "",
                _ if index + 1 == self.0.len() => " or ",
                _ => ", ",
            };
            write!(f, "{before}`{}`", word.as_ref())?;
        }
        Ok(())
    }
}

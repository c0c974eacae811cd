//! Requests and decisions in a form that tests can write and compare. Some helpers are for all tests, and some also for
//! the fuzz targets.
#![allow(
    dead_code,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "each test uses its part; a test may panic"
)]

pub(crate) mod shared_data;

use std::fmt;

use ksvc_routing::{Answer, Change, Chosen, Decision, Head, Outcome, Problem, RouteTable, compile};
use serde_json::Value;

/// The head of a request, which owns its bytes.
#[derive(Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: Option<Vec<u8>>,
    pub(crate) authority: Option<Vec<u8>>,
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Vec<u8>)>,
    /// True if the filter state says that another table has already routed the request.
    pub(crate) routed: bool,
}

/// The public host in nearly every test.
pub(crate) const HOST: &str = "api.example.com";

/// Makes a request to [`HOST`].
pub(crate) fn request(method: &str, path: &str) -> Request {
    Request { method: Some(method.into()), authority: Some(HOST.into()), path: Some(path.into()), ..Request::default() }
}

impl Request {
    pub(crate) fn host(mut self, host: &str) -> Self {
        self.authority = Some(host.into());
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Marks the request as routed by another table, which has set the header and the filter state.
    pub(crate) fn already_routed(mut self) -> Self {
        self.routed = true;
        self.header("x-forwarded-host", "elsewhere.example.com")
    }

    pub(crate) fn grpc(self) -> Self {
        self.header("content-type", "application/grpc")
    }

    pub(crate) fn with_head<T>(&self, then: impl FnOnce(&Head<'_>) -> T) -> T {
        let headers = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>();
        let mut head = Head::read(&headers);
        head.method = self.method.as_deref();
        head.authority = self.authority.as_deref();
        head.path = self.path.as_deref();
        then(&head)
    }

    /// Returns the headers of the response that the client gets, if the service sends these.
    pub(crate) fn answered_with(&self, table: &RouteTable, sent: &[(&str, &str)]) -> Vec<(String, String)> {
        let bytes = sent.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect::<Vec<_>>();
        let mut headers =
            sent.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>();
        self.with_head(|head| {
            let decision = table.decide(head, || self.routed);
            let Decision::Forward(forward) = &decision else { panic!("{self:?} is not forwarded: {decision:?}") };
            for change in forward.response.iter().flat_map(|plan| table.respond(plan, &bytes)) {
                if !matches!(change, Change::Add(..)) {
                    headers.retain(|(name, _)| name != change.name());
                }
                if let Change::Set(name, value) | Change::Add(name, value) = &change {
                    headers.push(((*name).to_owned(), lossy(value)));
                }
            }
        });
        headers
    }

    /// Decides the request with a table.
    pub(crate) fn on(&self, table: &RouteTable) -> Seen {
        self.with_head(|head| Seen::of(&table.decide(head, || self.routed)))
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |part: &Option<Vec<u8>>| part.as_ref().map_or("(none)".to_owned(), |part| lossy(part));
        write!(f, "{} {}{}", text(&self.method), text(&self.authority), text(&self.path))?;
        for (name, value) in &self.headers {
            write!(f, " -H '{}: {}'", lossy(name), lossy(value))?;
        }
        Ok(())
    }
}

/// A complete decision as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) outcome: Outcome,
    pub(crate) chosen: Option<Choice>,
    pub(crate) authority: String,
    /// The forwarded path, if it changes.
    pub(crate) path: Option<String>,
    pub(crate) set: Vec<(String, String)>,
    pub(crate) added: Vec<(String, String)>,
    pub(crate) removed: Vec<String>,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) grpc_status: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) route: String,
    pub(crate) matched: String,
    pub(crate) index: usize,
    pub(crate) params: Vec<(String, String)>,
}

impl Choice {
    fn of(chosen: &Chosen<'_>) -> Self {
        Choice {
            route: chosen.route().to_owned(),
            matched: chosen.matched().to_owned(),
            index: chosen.index(),
            params: chosen.params().map(|(name, value)| (name.to_owned(), lossy(value))).collect(),
        }
    }
}

impl Seen {
    pub(crate) fn of(decision: &Decision<'_>) -> Self {
        let mut seen = Seen {
            outcome: decision.outcome(),
            chosen: None,
            authority: String::new(),
            path: None,
            set: Vec::new(),
            added: Vec::new(),
            removed: Vec::new(),
            status: 0,
            headers: Vec::new(),
            body: String::new(),
            grpc_status: None,
        };
        match decision {
            Decision::Untouched(_) => {}
            Decision::Forward(forward) => {
                seen.chosen = Some(Choice::of(&forward.chosen));
                seen.authority = lossy(&forward.authority);
                seen.path = forward.path().map(lossy);
                for change in forward.all_changes() {
                    match change {
                        Change::Set(name, value) => seen.set.push((name.to_owned(), lossy(&value))),
                        Change::Add(name, value) => seen.added.push((name.to_owned(), lossy(&value))),
                        Change::Remove(name) => seen.removed.push(name.to_owned()),
                    }
                }
            }
            Decision::Answer(Answer { chosen, status, headers, body, grpc_status, .. }) => {
                seen.chosen = chosen.as_ref().map(Choice::of);
                seen.status = *status;
                seen.headers = headers.iter().map(|(name, value)| (name.to_string(), lossy(value))).collect();
                seen.body = lossy(body);
                seen.grpc_status = *grpc_status;
            }
        }
        seen
    }

    /// Removes the index of the route, which depends on the other routes of the document.
    pub(crate) fn without_place(mut self) -> Self {
        self.chosen.iter_mut().for_each(|chosen| chosen.index = 0);
        self
    }

    /// Returns the value to which a header of the request is set.
    pub(crate) fn sets(&self, name: &str) -> Option<&str> {
        find(&self.set, name)
    }

    /// Returns the value of a header of the response that is made in the gateway.
    pub(crate) fn answers(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    pub(crate) fn route(&self) -> &str {
        self.chosen.as_ref().map_or("", |chosen| &chosen.route)
    }

    pub(crate) fn params(&self) -> Vec<(&str, &str)> {
        let params = self.chosen.iter().flat_map(|chosen| &chosen.params);
        params.map(|(name, value)| (&**name, &**value)).collect()
    }
}

/// Returns the value of a name. The name must not occur twice.
fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut found = pairs.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
    let (_, value) = found.next()?;
    assert!(found.next().is_none(), "{name} occurs twice: {pairs:?}");
    Some(value)
}

pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Compiles a document that must have no errors.
pub(crate) fn good(document: &Value) -> RouteTable {
    let compiled = compile(document.to_string().as_bytes());
    let errors = compiled.problems.iter().filter(|problem| problem.is_error()).map(Problem::to_string);
    let errors = errors.collect::<Vec<_>>();
    assert!(errors.is_empty(), "errors in a good document: {errors:#?}\n{document:#}");
    compiled.table
}

/// Compiles a document that must have errors.
pub(crate) fn bad(document: &Value) -> RouteTable {
    let compiled = compile(document.to_string().as_bytes());
    assert!(compiled.problems.iter().any(Problem::is_error), "no error in a bad document: {document:#}");
    compiled.table
}

/// Returns a generator of random numbers and its seed, which is for the message of a failure. The seed comes from the
/// environment variable `KSVC_ROUTING_SEED`, or is random.
pub(crate) fn seeded_rng() -> (fastrand::Rng, u64) {
    let seed = std::env::var("KSVC_ROUTING_SEED").ok().map(|seed| seed.parse().expect("KSVC_ROUTING_SEED is a number"));
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    (fastrand::Rng::with_seed(seed), seed)
}

/// A source of choices: a generator of random numbers, or the bytes of a fuzzer.
pub(crate) trait Choices {
    /// Returns a number below `end`, which is not 0. A source without bytes left returns 0, so 0 should be the plain
    /// choice.
    fn below(&mut self, end: usize) -> usize;

    fn coin(&mut self) -> bool {
        self.below(2) == 1
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }
}

impl Choices for fastrand::Rng {
    fn below(&mut self, end: usize) -> usize {
        self.usize(..end)
    }
}

pub(crate) fn pick<'a, T: ?Sized>(choices: &mut impl Choices, from: &[&'a T]) -> &'a T {
    from[choices.below(from.len())]
}

//! What the filter is to do with a request: everything is decided here, it only carries it out.

use std::borrow::Cow;
use std::fmt;

use crate::decide::response::ResponsePlan;
use crate::table::RouteTable;
use crate::table::schema::StringId;

#[derive(Debug)]
pub enum Decision<'a> {
    /// Left as it came: not a header is touched.
    Untouched(Untouched),
    /// Sent on to another authority.
    Forward(Forward<'a>),
    /// Answered in the gateway.
    Answer(Answer<'a>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untouched {
    OutOfScope,
    /// In scope, no route, `onNoMatch: passThrough`.
    PassThrough,
}

#[derive(Debug)]
pub struct Forward<'a> {
    pub chosen: Chosen<'a>,
    /// What `:authority` is set to.
    pub authority: &'a [u8],
    /// What `x-forwarded-host` is set to: the authority as it came.
    pub forwarded_host: &'a [u8],
    /// What is changed of the request's headers beside these two, `:path` included. Most requests get nothing more.
    pub changes: Vec<Change<'a>>,
    /// What is to become of the response: for `RouteTable::respond`, once its head comes. `None`: nothing.
    pub response: Option<Box<ResponsePlan>>,
}

impl Forward<'_> {
    /// `:path`, query included, where it changes.
    pub fn path(&self) -> Option<&[u8]> {
        // No operation of the user's writes a pseudo header.
        self.changes.iter().find_map(|change| match change {
            Change::Set(":path", value) => Some(&**value),
            _ => None,
        })
    }

    /// All changes to the request's headers, in the order in which the filter makes them.
    pub fn all_changes(&self) -> impl Iterator<Item = Change<'_>> {
        let first = [(":authority", self.authority), ("x-forwarded-host", self.forwarded_host)];
        let first = first.into_iter().map(|(name, value)| Change::Set(name, value.into()));
        first.chain(self.changes.iter().map(Change::borrowed))
    }
}

/// A change to the headers of a request or a response. They are carried out one after the other.
#[derive(Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// Replaces every value that the header has.
    Set(&'a str, Cow<'a, [u8]>),
    /// Leaves the values that the header has, and adds one.
    Add(&'a str, Cow<'a, [u8]>),
    /// Removes every value; only for headers that are there.
    Remove(&'a str),
}

#[derive(Debug)]
pub struct Answer<'a> {
    pub outcome: Outcome,
    /// The route that answers, where one was found.
    pub chosen: Option<Chosen<'a>>,
    pub status: u16,
    pub headers: OwnHeaders<'a>,
    pub body: Cow<'a, [u8]>,
    /// For gRPC clients; `None` leaves it to Envoy's mapping of the status.
    pub grpc_status: Option<u8>,
}

/// Headers of an answer of the filter's own.
pub(crate) type OwnHeaders<'a> = Vec<(Cow<'a, str>, Cow<'a, [u8]>)>;

/// The route that was found.
#[derive(Clone, Copy)]
pub struct Chosen<'a> {
    pub(crate) table: &'a RouteTable,
    /// An index.
    pub(crate) pattern: u32,
    pub(crate) name: StringId,
    /// As it came, without the query.
    pub(crate) path: &'a [u8],
}

impl<'a> Chosen<'a> {
    /// Its name.
    pub fn route(&self) -> &'a str {
        self.table.strings.get(self.name)
    }

    /// The same, as the host takes it.
    pub fn route_bytes(&self) -> &'a [u8] {
        self.table.strings.bytes(self.name)
    }

    /// Its place in the document: `routes[index]`.
    pub fn index(&self) -> usize {
        self.table.patterns.get(self.pattern).map_or(0, |pattern| pattern.route as usize)
    }

    /// The element of `match` as written.
    pub fn matched(&self) -> &'a str {
        self.table.patterns.get(self.pattern).map_or("", |pattern| self.table.strings.get(pattern.text))
    }

    /// Captured values by name, as they stood in the request.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let strings = &self.table.strings;
        self.captured().map(|(name, value)| (strings.get(name), value))
    }

    pub(crate) fn captured(&self) -> impl Iterator<Item = (StringId, &'a [u8])> + use<'a> {
        self.table.captured(self.pattern, self.path)
    }
}

impl fmt::Debug for Chosen<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chosen").field("route", &self.route()).field("matched", &self.matched()).finish()
    }
}

/// What became of a request, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    Route,
    Redirect,
    Respond,
    Preflight,
    NotFound,
    MethodNotAllowed,
    UnsafePath,
    DeniedDirect,
    BrokenRoute,
    PassThrough,
    OutOfScope,
}

impl Outcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Route => "route",
            Outcome::Redirect => "redirect",
            Outcome::Respond => "respond",
            Outcome::Preflight => "preflight",
            Outcome::NotFound => "notFound",
            Outcome::MethodNotAllowed => "methodNotAllowed",
            Outcome::UnsafePath => "unsafePath",
            Outcome::DeniedDirect => "deniedDirect",
            Outcome::BrokenRoute => "brokenRoute",
            Outcome::PassThrough => "passThrough",
            Outcome::OutOfScope => "outOfScope",
        }
    }

    /// Whether routes were looked at.
    pub(crate) fn is_in_scope(self) -> bool {
        !matches!(self, Outcome::OutOfScope | Outcome::DeniedDirect | Outcome::UnsafePath)
    }
}

impl Decision<'_> {
    pub fn outcome(&self) -> Outcome {
        match self {
            Decision::Untouched(Untouched::OutOfScope) => Outcome::OutOfScope,
            Decision::Untouched(Untouched::PassThrough) => Outcome::PassThrough,
            Decision::Forward(_) => Outcome::Route,
            Decision::Answer(answer) => answer.outcome,
        }
    }
}

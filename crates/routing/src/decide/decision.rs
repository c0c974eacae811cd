//! What the filter is to do with a request: everything is decided here, it only carries it out.

use std::borrow::Cow;

use crate::decide::headers::{Change, OwnHeaders, Rendered};
use crate::table::Chosen;
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

/// What is to become of the response of one request. It has all that is needed from the request, and is small.
#[derive(Debug)]
pub struct ResponsePlan {
    pub(crate) location: Option<Public>,
    pub(crate) operations: Vec<Rendered<'static>>,
    pub(crate) cors: Option<Granted>,
}

/// Where the client believes to be, for locations that name the target.
#[derive(Debug)]
pub(crate) struct Public {
    pub(crate) scheme: &'static str,
    pub(crate) authority: Box<[u8]>,
    pub(crate) target: StringId,
    /// `basePath` was taken from the path.
    pub(crate) stripped: bool,
    /// `:path`, where the scheme is `http`.
    pub(crate) asked: Option<Box<[u8]>>,
}

/// What a policy says of the origin of a request.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) policy: u32,
    /// The value of `access-control-allow-origin`, where the origin is allowed.
    pub(crate) origin: Option<Box<[u8]>>,
}

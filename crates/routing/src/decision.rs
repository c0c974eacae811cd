//! What the filter is to do with a request: everything is decided here, it only carries it out.

use std::borrow::Cow;

use crate::response::ResponsePlan;
use crate::table::Captures;
use crate::texts::Text;

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
    /// All changes to the request's headers, `:authority` and `:path` included.
    pub changes: Vec<Change<'a>>,
    /// What is to become of the response: for `RouteTable::respond`, once its head comes. `None`: nothing.
    pub response: Option<Box<ResponsePlan>>,
}

impl Forward<'_> {
    /// The authority as it will be written.
    pub fn authority(&self) -> Option<&[u8]> {
        self.written(":authority")
    }

    /// `:path`, query included, where it changes.
    pub fn path(&self) -> Option<&[u8]> {
        self.written(":path")
    }

    /// No operation of the user's writes a pseudo header.
    fn written(&self, pseudo_header: &str) -> Option<&[u8]> {
        self.changes.iter().find_map(|change| match change {
            Change::Set(name, value) if *name == pseudo_header => Some(&**value),
            _ => None,
        })
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
    pub headers: Vec<(Cow<'a, str>, Cow<'a, [u8]>)>,
    pub body: Cow<'a, [u8]>,
    /// For gRPC clients; `None` leaves it to Envoy's mapping of the status.
    pub grpc_status: Option<u8>,
}

/// The route that was found.
#[derive(Debug, Clone, Copy)]
pub struct Chosen<'a> {
    pub(crate) name: Text,
    pub(crate) text: Text,
    /// Its place in the document: `routes[index]`.
    pub index: usize,
    pub(crate) captures: Captures<'a>,
}

impl<'a> Chosen<'a> {
    /// Its name.
    pub fn route(&self) -> &'a str {
        self.captures.texts.get(self.name)
    }

    /// The element of `match` as written.
    pub fn matched(&self) -> &'a str {
        self.captures.texts.get(self.text)
    }

    /// Captured values by name, as they stood in the request.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.captures.iter()
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

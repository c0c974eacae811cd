//! The decision on a request: what the filter has to do with it.
//!
//! Everything is decided in this crate. The filter only carries a [`Decision`] out: it changes headers or answers, and
//! later passes the [`ResponsePlan`] to `RouteTable::respond`.

use std::borrow::Cow;

use crate::decide::headers::{Change, RenderedOperation};
use crate::table::Chosen;
use crate::table::schema::StringId;

/// The decision on a request.
#[derive(Debug)]
pub enum Decision<'a> {
    /// Let it pass as it came, without changing any header.
    Untouched(Untouched),
    /// Change its headers and let it pass, so that Envoy sends it to another authority.
    Forward(Forward<'a>),
    /// Answer it in the gateway.
    Answer(Answer<'a>),
}

/// The reason why a request is left untouched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untouched {
    /// It is not for this table. For example, its host is not one of the table's hosts, its path is not below
    /// `basePath`, it is a probe of Knative, or another table has routed it.
    OutOfScope,
    /// It is in the table's scope, but no route was found, and `onNoMatch` is `passThrough`.
    PassThrough,
}

/// The decision to forward a request.
#[derive(Debug)]
pub struct Forward<'a> {
    /// The chosen route.
    pub chosen: Chosen<'a>,
    /// The new value of `:authority`.
    pub authority: Cow<'a, [u8]>,
    /// The new value of `x-forwarded-host`: the authority as it came.
    pub forwarded_host: &'a [u8],
    /// The other changes to the request's headers, `:path` included. Most requests have none.
    pub changes: Vec<Change<'a>>,
    /// The plan for the response. The filter keeps it, and passes it to
    /// [`RouteTable::respond`](crate::RouteTable::respond) when the response headers arrive. `None` if the response
    /// stays as it is.
    pub response: Option<Box<ResponsePlan>>,
}

impl Forward<'_> {
    /// Returns the new value of `:path`, with the query; `None` if the path does not change.
    pub fn path(&self) -> Option<&[u8]> {
        // `requestHeaders` can't change pseudo headers, so there is no other change to `:path`.
        self.changes.iter().find_map(|change| match change {
            Change::Set(":path", value) => Some(&**value),
            _ => None,
        })
    }

    /// Returns all changes to the request's headers, in the order in which the filter makes them: first `:authority`
    /// and `x-forwarded-host`, then `changes`.
    pub fn all_changes(&self) -> impl Iterator<Item = Change<'_>> {
        let first = [(":authority", &*self.authority), ("x-forwarded-host", self.forwarded_host)];
        let first = first.into_iter().map(|(name, value)| Change::Set(name, value.into()));
        first.chain(self.changes.iter().map(Change::reborrow))
    }
}

/// A response that the filter sends instead of forwarding the request.
#[derive(Debug)]
pub struct Answer<'a> {
    /// The kind of answer.
    pub outcome: Outcome,
    /// The chosen route, if one was found.
    pub chosen: Option<Chosen<'a>>,
    /// The HTTP status.
    pub status: u16,
    /// Names, in lower case, and values.
    pub headers: Vec<(Cow<'a, str>, Cow<'a, [u8]>)>,
    /// The body. To a gRPC client it is the message of the status.
    pub body: Cow<'a, [u8]>,
    /// The gRPC status for gRPC clients; `None` if Envoy derives it from the HTTP status.
    pub grpc_status: Option<u8>,
}

/// The result for a request, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is forwarded to the target of a route.
    Route,
    /// A route redirects it.
    Redirect,
    /// A route answers it itself.
    Respond,
    /// It is a CORS preflight, and is answered.
    Preflight,
    /// It is a plain `OPTIONS` request, which no route serves, to a path with CORS, and is answered.
    Options,
    /// It is answered with 404: no route matches its path, or the path names no service that the route could forward it
    /// to.
    NotFound,
    /// It is answered with 405: routes match its path, but none serves its method.
    MethodNotAllowed,
    /// It is answered with 400: its path is ambiguous, or would be after a rewrite; or its method or host is missing or
    /// not ASCII.
    UnsafePath,
    /// It is answered with 404: it names the host of a target directly, which `denyDirect` forbids.
    DeniedDirect,
    /// It is answered with 503: an error in the document concerns its route, or the whole table.
    BrokenRoute,
    /// It is left untouched: it is in scope, but no route was found.
    PassThrough,
    /// It is left untouched: it is not for this table.
    OutOfScope,
}

impl Outcome {
    /// All outcomes, in the order in which the documentation lists them.
    pub const ALL: [Self; 12] = [
        Self::Route,
        Self::Redirect,
        Self::Respond,
        Self::Options,
        Self::Preflight,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::UnsafePath,
        Self::DeniedDirect,
        Self::BrokenRoute,
        Self::PassThrough,
        Self::OutOfScope,
    ];

    /// Returns the name of the outcome, such as `notFound`. The command line and response code details use it.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Route => "route",
            Outcome::Redirect => "redirect",
            Outcome::Respond => "respond",
            Outcome::Preflight => "preflight",
            Outcome::Options => "options",
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
    /// Returns the result for the request, in one word.
    pub fn outcome(&self) -> Outcome {
        match self {
            Decision::Untouched(Untouched::OutOfScope) => Outcome::OutOfScope,
            Decision::Untouched(Untouched::PassThrough) => Outcome::PassThrough,
            Decision::Forward(_) => Outcome::Route,
            Decision::Answer(answer) => answer.outcome,
        }
    }
}

/// The plan for the response to one request.
///
/// It holds everything that is needed from the request, and is small, so that it can be kept until the response
/// arrives.
#[derive(Debug)]
pub struct ResponsePlan {
    /// The public URL, to which a `location` is turned back; `None` if the `location` stays.
    pub(crate) location: Option<PublicUrl>,
    /// Operations on the headers, in their order.
    pub(crate) operations: Vec<RenderedOperation<'static>>,
    /// The CORS headers to set; `None` if CORS is off.
    pub(crate) cors: Option<CorsPlan>,
}

/// The URL by which the client has made the request, for a `location` that names the target instead.
#[derive(Debug)]
pub(crate) struct PublicUrl {
    pub(crate) scheme: &'static str,
    pub(crate) authority: Box<[u8]>,
    /// The authority of the target.
    pub(crate) target: TargetAuthority,
    /// The part of the public path that was taken off before the request was forwarded, such as `basePath`, in normal
    /// form. It is empty if nothing was.
    pub(crate) prefix: Box<[u8]>,
    /// The `:path` of the request, if its scheme is `http`.
    pub(crate) http_path: Option<Box<[u8]>>,
}

/// The authority to which a request is forwarded.
#[derive(Debug)]
pub(crate) enum TargetAuthority {
    /// A string of the table.
    Literal(StringId),
    /// Made of captured values, for one request.
    Rendered(Box<[u8]>),
}

/// The CORS policy for the response to one request.
#[derive(Debug)]
pub(crate) struct CorsPlan {
    /// An index of the table's policies.
    pub(crate) policy: u32,
    /// The value of `access-control-allow-origin`; `None` if the request has no origin or the policy does not allow it.
    pub(crate) allowed_origin: Option<Box<[u8]>>,
}

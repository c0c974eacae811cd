//! The error responses of the filter itself: `application/problem+json` (RFC 9457), or a status with a message for gRPC
//! clients.
//!
//! No error response repeats anything of the request.

use std::borrow::Cow;

use crate::decide::decision::{Answer, Outcome};
use crate::path::Hazard;
use crate::request::Head;
use crate::table::Chosen;

/// The gRPC status for a method that does not exist.
const UNIMPLEMENTED: u8 = 12;

/// The part of an error response that is the same for all errors of a kind.
struct ErrorKind {
    outcome: Outcome,
    status: u16,
    title: &'static str,
    grpc_status: Option<u8>,
}

const NOT_FOUND: ErrorKind =
    ErrorKind { outcome: Outcome::NotFound, status: 404, title: "Not Found", grpc_status: Some(UNIMPLEMENTED) };
const METHOD_NOT_ALLOWED: ErrorKind = ErrorKind {
    outcome: Outcome::MethodNotAllowed,
    status: 405,
    title: "Method Not Allowed",
    grpc_status: Some(UNIMPLEMENTED),
};
const UNSAFE_PATH: ErrorKind =
    ErrorKind { outcome: Outcome::UnsafePath, status: 400, title: "Bad Request", grpc_status: None };
const DENIED_DIRECT: ErrorKind =
    ErrorKind { outcome: Outcome::DeniedDirect, status: 404, title: "Not Found", grpc_status: Some(UNIMPLEMENTED) };
const BROKEN: ErrorKind =
    ErrorKind { outcome: Outcome::BrokenRoute, status: 503, title: "Service Unavailable", grpc_status: None };

impl ErrorKind {
    #[inline(never)]
    fn answer<'a>(self, head: &Head<'_>, detail: &str, chosen: Option<Chosen<'a>>) -> Answer<'a> {
        let ErrorKind { outcome, status, title, grpc_status } = self;
        let (headers, body) = if head.is_grpc() {
            (Vec::new(), detail.to_owned())
        } else {
            // The texts need no escaping: all of them are literals of this crate.
            let body = format!("{{\"title\":\"{title}\",\"status\":{status},\"detail\":\"{detail}\"}}");
            (vec![(Cow::Borrowed("content-type"), Cow::Borrowed(b"application/problem+json".as_slice()))], body)
        };
        Answer { outcome, chosen, status, headers, body: body.into_bytes().into(), grpc_status }
    }
}

pub(crate) fn not_found<'a>(head: &Head<'_>) -> Answer<'a> {
    NOT_FOUND.answer(head, "No route matches the path of this request.", None)
}

/// Answers a request whose captured values make no host that may be a target.
pub(crate) fn no_such_service<'a>(head: &Head<'_>, chosen: Chosen<'a>) -> Answer<'a> {
    NOT_FOUND.answer(head, "The path of this request names no service.", Some(chosen))
}

pub(crate) fn method_not_allowed<'a>(head: &Head<'_>, allow: String) -> Answer<'a> {
    let mut answer =
        METHOD_NOT_ALLOWED.answer(head, "No route of this path serves the method; see the Allow header.", None);
    answer.headers.push((Cow::Borrowed("allow"), allow.into_bytes().into()));
    answer
}

/// Answers a plain `OPTIONS` request with the methods of its path.
pub(crate) fn options<'a>(allow: String) -> Answer<'a> {
    Answer {
        outcome: Outcome::Options,
        chosen: None,
        status: 204,
        headers: vec![(Cow::Borrowed("allow"), allow.into_bytes().into())],
        body: Cow::Borrowed(b""),
        grpc_status: None,
    }
}

pub(crate) fn unsafe_path<'a>(head: &Head<'_>, hazard: Hazard) -> Answer<'a> {
    UNSAFE_PATH.answer(head, &format!("The request has {}.", hazard.describe()), None)
}

pub(crate) fn unsafe_rewrite<'a>(head: &Head<'_>, chosen: Chosen<'a>, hazard: Hazard) -> Answer<'a> {
    UNSAFE_PATH.answer(head, &format!("The request leads to {}.", hazard.describe()), Some(chosen))
}

pub(crate) fn unreadable<'a>(head: &Head<'_>) -> Answer<'a> {
    UNSAFE_PATH.answer(head, "The method or the host of the request is missing or not ASCII.", None)
}

pub(crate) fn denied_direct<'a>(head: &Head<'_>) -> Answer<'a> {
    DENIED_DIRECT.answer(head, "This host is not served here.", None)
}

pub(crate) fn broken_route<'a>(head: &Head<'_>, chosen: Chosen<'a>) -> Answer<'a> {
    BROKEN.answer(head, "The route of this request has an error in its configuration.", Some(chosen))
}

pub(crate) fn broken_table<'a>(head: &Head<'_>) -> Answer<'a> {
    BROKEN.answer(head, "The route table has an error in its configuration.", None)
}

//! Hostile input: malformed and ambiguous messages, sent to real Envoy over raw sockets ([`http1`], [`http2`]), and the
//! most that a request can cost ([`worst_case`]).

mod gateway;
mod http1;
mod http2;
mod worst_case;

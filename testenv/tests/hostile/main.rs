//! What no honest client sends and no sensible table holds: malformed and ambiguous messages through real Envoy over
//! raw sockets ([`http1`], [`http2`]), and the worst that a request can cost ([`worst_case`]).

mod gateway;
mod http1;
mod http2;
mod worst_case;

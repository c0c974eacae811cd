//! What no honest client sends and no sensible table holds: the worst that a request can cost, in wasm instructions
//! ([`worst_case`]).

mod worst_case;

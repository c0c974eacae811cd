//! From a request to a decision.

pub(crate) mod cors;
pub(crate) mod decision;
pub(crate) mod error;
pub(crate) mod forward;
pub(crate) mod headers;
pub(crate) mod response;
pub(crate) mod search;
pub(crate) mod template;

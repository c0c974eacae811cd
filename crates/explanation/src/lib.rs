//! What a route table does with a request, for people and programs: the decision as JSON, and the reasons for it.
//!
//! This crate is pure, like the core whose decisions it describes: it knows nothing of files, YAML or the command line.

pub mod decision;
pub mod gateway;
mod mistake;
pub mod nearest;
pub mod request;

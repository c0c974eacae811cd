//! What the filter decides, apart from proxy-wasm, Envoy, files and YAML.
//!
//! A document goes through `config` (as written) and `compile` into a `RouteTable`, with every problem on
//! the way; a request's head goes through `RouteTable::decide` into a `Decision`. `adopt` says which
//! document a process serves when a new one comes.

mod act;
mod adopt;
mod answer;
mod changes;
mod compile;
mod condition;
pub mod config;
mod cors;
mod decision;
mod draft;
mod explain;
mod head;
mod host;
mod host_template;
mod image;
mod internal;
pub mod limits;
mod lists;
mod node;
mod octets;
mod path;
mod pattern;
mod problem;
mod read;
mod response;
mod search;
mod table;
mod template;
mod texts;
mod tree;

pub use adopt::{Adoption, Edition, Hash, Judgement, Memory, Served, adopt};
pub use compile::{Compiled, compile};
pub use decision::{Answer, Change, Chosen, Decision, Forward, Outcome, Untouched};
pub use explain::{Considered, Explanation, Line, Verdict};
pub use head::{Head, Headers};
pub use problem::{Place, Problem, Severity, Step, What};
pub use response::ResponsePlan;
pub use table::RouteTable;

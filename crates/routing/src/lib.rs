//! What the filter decides, apart from proxy-wasm, Envoy, files and YAML.
//!
//! A document goes through `config` (as written) and `compile` into a `RouteTable`, with every problem on
//! the way; a request's head goes through `RouteTable::decide` into a `Decision`. `roll_out` says which
//! document a process serves when a new one comes.

mod bytes;
mod compile;
mod decide;
mod document;
mod explain;
mod knative;
pub mod limits;
mod path;
mod problem;
mod request;
mod rollout;
mod table;
mod telemetry;

pub use compile::{Compiled, compile};
pub use decide::decision::{Answer, Decision, Forward, Outcome, ResponsePlan, Untouched};
pub use decide::headers::Change;
pub use document::config;
pub use explain::{Considered, ConsideredRoute, Explanation, Line};
pub use problem::{CATALOGUE, CatalogueEntry, Example, Place, Problem, ProblemKind, Severity, ShortText, Step};
pub use request::{Head, Headers};
pub use rollout::{DocumentId, Hash, Judgement, Rollout, ServedFrom, SharedData, roll_out};
pub use table::{Chosen, RouteTable};
pub use telemetry::{Counter, Gauge};

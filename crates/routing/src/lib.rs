//! The core of ksvc-router: compiles route tables, and decides what the filter does with a request.
//!
//! This crate knows nothing of proxy-wasm, Envoy, files or YAML. It reads bytes and returns values; the plugin and the
//! command line do the rest.
//!
//! # The way of a document
//!
//! A document is a plugin configuration in JSON. It is read as written ([`config`] has its types), then [`compile`]
//! turns it into a [`RouteTable`]. Errors do not stop that: [`Compiled::problems`] has all of them, each with its
//! [`Place`] in the document, and the table serves what can be served.
//!
//! When a new document arrives at a running gateway, [`roll_out`] decides whether it is served, or the last good one.
//!
//! # The way of a request
//!
//! The headers of a request become a [`Head`]. [`RouteTable::decide`] returns a [`Decision`]: leave the request
//! untouched, forward it to the service of a route, or answer it. If the response has to be changed too, the decision
//! has a [`ResponsePlan`], and [`RouteTable::respond`] returns the changes when the response headers arrive.
//!
//! [`RouteTable::explain`] and [`RouteTable::routes`] show the same to people, and [`RouteTable::outline`] to tools that
//! compare tables.
//!
//! # Example
//!
//! ```
//! use ksvc_routing::{Decision, Head, compile};
//!
//! // From a document to a table.
//! let compiled = compile(
//!     br#"{
//!         "hosts": ["api.example.com"],
//!         "domain": "example.com",
//!         "namespace": "shop",
//!         "routes": [
//!             {"match": "GET /orders/{id}", "service": "orders"},
//!             {"match": "POST /orders", "service": "orders-write"}
//!         ]
//!     }"#,
//! );
//! assert!(compiled.problems.is_empty());
//!
//! // From the head of a request to a decision.
//! let headers: Vec<(&[u8], &[u8])> =
//!     vec![(b":method", b"GET"), (b":authority", b"api.example.com"), (b":path", b"/orders/42?full=1")];
//! let head = Head::read(&headers);
//! match compiled.table.decide(&head, || false) {
//!     Decision::Forward(forward) => {
//!         assert_eq!(*forward.authority, *b"orders.shop.example.com");
//!         assert_eq!(forward.chosen.matched(), "GET /orders/{id}");
//!         assert_eq!(forward.chosen.params().next(), Some(("id", &b"42"[..])));
//!     }
//!     Decision::Answer(answer) => panic!("answered with {}", answer.status),
//!     Decision::Untouched(_) => panic!("left untouched"),
//! }
//! ```

mod bytes;
mod compile;
mod decide;
mod dns;
mod document;
mod explain;
mod foreign;
mod knative;
pub mod limits;
mod outline;
mod path;
mod problem;
mod request;
mod rollout;
mod table;
mod telemetry;

pub use bytes::is_token;
pub use compile::{Compiled, MatchKey, SegmentKey, compile};
pub use decide::decision::{Answer, Decision, Forward, Outcome, ResponsePlan, Untouched};
pub use decide::headers::Change;
pub use decide::scope::OutOfScope;
pub use document::config;
pub use explain::{Considered, ConsideredRoute, Explanation, Line, UnsafePart};
pub use outline::{
    CandidateOutline, ConditionOutline, ConditionPart, ExpectedValue, HostScope, MixedSegment, Outline, PathOutline,
    PathSegment,
};
pub use problem::{
    CATALOGUE, CatalogueEntry, Example, Instead, PathEdit, Place, Problem, ProblemKind, Remedy, Severity, ShortText,
    Step,
};
pub use request::{Head, Headers};
pub use rollout::{DocumentId, Hash, Judgement, Rollout, ServedFrom, SharedData, roll_out};
pub use table::{Chosen, RouteTable};
pub use telemetry::{Counter, Gauge};

//! A small proxy-wasm host: runs `dist/plugin.wasm` as Envoy would, without Envoy.
//!
//! It keeps the state that Envoy keeps (header maps, filter state, shared data, metrics, logs) and changes it as
//! Envoy does, so that tests ask what became of a request and not which calls the module made. What the module
//! costs is counted on the way: host calls by name, wasm instructions, bytes across the border, memory.
//!
//! The names are Envoy's: a [`Process`] holds what all threads share; each [`Vm`] stands for one thread's
//! instance of the module with its environment; a [`Root`] is one plugin in it, and takes configurations and
//! requests; an [`Exchange`] is one request on its way through the filter.
//!
//! Where the module does what no filter may (a trap, an import that Envoy lacks, a header that would split the
//! message), the host panics and says which callback it was and what was logged last.

mod abi;
mod exchange;
mod instance;
mod module;
mod process;
mod state;
mod vm;
mod wasi;

pub use abi::{HOST_CALLS, UNUSED_CALLS};
pub use exchange::{Exchange, Head, Verdict};
pub use module::Module;
pub use process::Process;
pub use state::{Counts, HeaderMap, Level, LocalResponse, Log, Pair};
pub use vm::{Root, Vm};
pub use wasi::WASI_CALLS;

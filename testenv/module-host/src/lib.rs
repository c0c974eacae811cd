//! A small proxy-wasm host for tests. It runs `dist/plugin.wasm` as Envoy does, without Envoy.
//!
//! It keeps the state that Envoy keeps (header maps, filter state, shared data, metrics, logs) and changes it as Envoy
//! does, so that a test checks what happened to a request and not which calls the module made. It also counts what the
//! module costs: host calls by name, wasm instructions, bytes that are copied in and out, and memory.
//!
//! The parts are named after Envoy's. A [`Process`] holds what all threads share. A [`Vm`] is the instance of the
//! module on one thread, with its environment. A [`Root`] is one plugin in a VM; it receives configurations and
//! requests. An [`Exchange`] is one request on its way through the filter.
//!
//! When the module does what it must not do (a trap, an import beyond [`HOST_CALLS`], a header that would split the
//! message), the host panics. The panic names the callback and repeats the last log lines.
//!
//! The host is our own code because no crate offers a proxy-wasm host that a test can inspect.

mod abi;
mod exchange;
mod guest;
mod instance;
mod module;
mod process;
mod state;
mod vm;
mod wasi;

pub use abi::HOST_CALLS;
pub use exchange::{Exchange, Head, Verdict};
pub use module::Module;
pub use process::Process;
pub use state::{Counts, HeaderMap, Level, LocalResponse, Log, Pair};
pub use vm::{Root, Vm};

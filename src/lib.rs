#![cfg(target_family = "wasm")]
//! ksvc-router as a proxy-wasm plugin. The host calls `callbacks`; a document goes to `plugin`, a request to `filter`,
//! and what is to be done with either is decided in `ksvc_routing`. Every call back to the host is `host`'s.

mod callbacks;
mod filter;
mod host;
mod metrics;
mod plugin;

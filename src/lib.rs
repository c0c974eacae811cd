#![cfg(target_family = "wasm")]
//! ksvc-router as a proxy-wasm plugin: the adapter between Envoy and `ksvc_routing`, which makes every decision.
//!
//! Envoy calls the SDK, `proxy_wasm`, and the SDK calls the two contexts that are implemented here. A
//! [`plugin::Plugin`] receives the configuration documents and holds the table that serves. A [`filter::Filter`]
//! handles one request and its response.
//!
//! The SDK exports a function for every callback of proxy-wasm, and Envoy calls each one that a module exports. It also
//! imports a function for every call to Envoy. `cargo xtask build` keeps only those that this plugin needs, so a new
//! callback or call must be added to `EXPORTS` or `IMPORTS` in `xtask/src/build.rs`.

mod filter;
mod host;
mod metrics;
mod plugin;

use proxy_wasm::types::LogLevel;

proxy_wasm::main! {{
    // Passes everything on to Envoy, which has its own log level. A panic is logged as well.
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|_| Box::<plugin::Plugin>::default());
}}

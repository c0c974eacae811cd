#![cfg(target_family = "wasm")]
//! The proxy-wasm adapter.

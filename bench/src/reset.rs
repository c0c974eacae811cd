//! A filter that restores the request that the client sent, at little cost: it sets `:authority` to the public host and
//! removes `x-forwarded-host`, from which our filter would see that another table has routed the request.
//!
//! The Lua filter is the only native filter that may write `:authority`, so this filter is a wasm module. It is written by
//! hand and exports the only callback that it needs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Writes the module to the folder.
pub fn write(folder: &Path, host: &str) -> Result<PathBuf> {
    let path = folder.join("reset.wasm");
    let module = wat::parse_str(text(host)).context("the reset module")?;
    std::fs::write(&path, module)?;
    Ok(path)
}

fn text(host: &str) -> String {
    let length = host.len();
    format!(
        r#"(module
  (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) ":authority")
  (data (i32.const 16) "x-forwarded-host")
  (data (i32.const 32) "{host}")
  ;; The host allocates memory only for the plugin's configuration, which is empty.
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $replace (i32.const 0) (i32.const 0) (i32.const 10) (i32.const 32) (i32.const {length})))
    (drop (call $remove (i32.const 0) (i32.const 16) (i32.const 16)))
    (i32.const 0)))"#
    )
}

//! A filter that crashes on demand.

use anyhow::Result;

/// Returns a module that traps on a request with the header `x-trap` and adds `x-filtered` to all other requests. With
/// `refuses`, it refuses every configuration that is not empty.
pub(crate) fn module(refuses: bool) -> Result<Vec<u8>> {
    let text = format!(
        r#"
        (module
          (import "env" "proxy_get_header_map_value"
            (func $get (param i32 i32 i32 i32 i32) (result i32)))
          (import "env" "proxy_add_header_map_value"
            (func $add (param i32 i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1)
          (global $next (mut i32) (i32.const 4096))
          (data (i32.const 16) "x-trap")
          (data (i32.const 32) "x-filtered")
          (data (i32.const 48) "yes")
          (func (export "proxy_abi_version_0_2_1"))
          (func (export "proxy_on_memory_allocate") (param i32) (result i32)
            (local $at i32)
            (local.set $at (global.get $next))
            (global.set $next (i32.add (global.get $next) (local.get 0)))
            (local.get $at))
          (func (export "proxy_on_context_create") (param i32 i32))
          (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
          (func (export "proxy_on_configure") (param i32 i32) (result i32)
            (if (result i32) (i32.and (i32.const {refuses}) (i32.gt_s (local.get 1) (i32.const 0)))
              (then (i32.const 0))
              (else (i32.const 1))))
          (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (if (i32.eqz (call $get (i32.const 0) (i32.const 16) (i32.const 6) (i32.const 64) (i32.const 68)))
              (then (unreachable)))
            (drop (call $add (i32.const 0) (i32.const 32) (i32.const 10) (i32.const 48) (i32.const 3)))
            (i32.const 0))
          (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
          (func (export "proxy_on_log") (param i32))
          (func (export "proxy_on_delete") (param i32)))
        "#,
        refuses = i32::from(refuses),
    );
    Ok(wat::parse_str(text)?)
}

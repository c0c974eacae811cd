//! What the module can ask of its host, and be asked by it: exactly these lists. An import beyond them is a way to do,
//! or to fail at, what it has no use for; an export beyond them is a callback that Envoy makes for every request.

use module_host::Module;

/// What the filter calls.
const HOST_CALLS: &[&str] = &[
    "env.proxy_add_header_map_value",
    "env.proxy_define_metric",
    "env.proxy_get_buffer_bytes",
    "env.proxy_get_header_map_pairs",
    "env.proxy_get_property",
    "env.proxy_get_shared_data",
    "env.proxy_increment_metric",
    "env.proxy_log",
    "env.proxy_record_metric",
    "env.proxy_remove_header_map_value",
    "env.proxy_replace_header_map_value",
    "env.proxy_send_local_response",
    "env.proxy_set_property",
    "env.proxy_set_shared_data",
];

/// What the SDK's traits could call: each has a method for it that the filter inherits and never calls. The host of
/// these tests traps at each of them.
const UNUSED_CALLS: &[&str] = &[
    "env.proxy_call_foreign_function",
    "env.proxy_close_stream",
    "env.proxy_continue_stream",
    "env.proxy_dequeue_shared_queue",
    "env.proxy_done",
    "env.proxy_enqueue_shared_queue",
    "env.proxy_get_current_time_nanoseconds",
    "env.proxy_get_header_map_value",
    "env.proxy_get_status",
    "env.proxy_grpc_call",
    "env.proxy_grpc_cancel",
    "env.proxy_grpc_close",
    "env.proxy_grpc_send",
    "env.proxy_grpc_stream",
    "env.proxy_http_call",
    "env.proxy_register_shared_queue",
    "env.proxy_resolve_shared_queue",
    "env.proxy_set_buffer_bytes",
    "env.proxy_set_header_map_pairs",
    "env.proxy_set_tick_period_milliseconds",
];

/// What Rust's standard library does: the environment, a panic's message, a hash map's seed. No files, no sockets, no clock.
const WASI_CALLS: &[&str] = &[
    "wasi_snapshot_preview1.environ_get",
    "wasi_snapshot_preview1.environ_sizes_get",
    "wasi_snapshot_preview1.fd_write",
    "wasi_snapshot_preview1.proc_exit",
    "wasi_snapshot_preview1.random_get",
];

/// What Envoy calls: for each stream its beginning, the two heads and its end, and nothing for bodies and the log.
const EXPORTS: &[&str] = &[
    "_initialize",
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_memory_allocate",
    "proxy_on_request_headers",
    "proxy_on_response_headers",
];

fn sorted(lists: &[&[&'static str]]) -> Vec<&'static str> {
    let mut all = lists.concat();
    all.sort_unstable();
    all
}

#[test]
fn module_imports_what_is_listed_and_nothing_else() {
    assert_eq!(Module::plugin().imports(), sorted(&[HOST_CALLS, UNUSED_CALLS, WASI_CALLS]));
}

#[test]
fn module_exports_what_is_listed_and_nothing_else() {
    assert_eq!(Module::plugin().exports(), sorted(&[EXPORTS]));
}

/// A path of the machine that built it would be in the bytes, and make them differ from anybody else's.
#[test]
fn module_holds_no_path_of_the_machine_that_built_it() {
    let module = std::fs::read(testenv::plugin().expect("`cargo xtask build` has run")).expect("it can be read");
    let holds = |path: &str| module.windows(path.len()).any(|window| window == path.as_bytes());
    let repository = testenv::repository().canonicalize().expect("it is there");
    let home = std::env::var("HOME").unwrap_or_default();
    for path in [repository.to_str().unwrap_or_default(), &format!("{home}/.")] {
        assert!(path.len() < 3 || !holds(path), "dist/plugin.wasm holds {path}");
    }
}

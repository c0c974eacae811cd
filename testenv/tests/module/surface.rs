//! The module's imports and exports are exactly these lists. Another import would let it do more than it needs, and
//! another export would be a callback that Envoy makes for every request. `cargo xtask build` deletes the rest.

use module_host::Module;

/// The calls to Envoy.
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

/// The calls of Rust's standard library: the environment, the message of a panic, the seed of a hash map. There are no
/// files, sockets or clock.
const WASI_CALLS: &[&str] = &[
    "wasi_snapshot_preview1.environ_get",
    "wasi_snapshot_preview1.environ_sizes_get",
    "wasi_snapshot_preview1.fd_write",
    "wasi_snapshot_preview1.proc_exit",
    "wasi_snapshot_preview1.random_get",
];

/// The callbacks. For each stream there are four: its beginning, the two heads, and its end. There is none for bodies
/// and the log.
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
fn module_imports_exactly_the_listed_functions() {
    assert_eq!(Module::plugin().imports(), sorted(&[HOST_CALLS, WASI_CALLS]));
}

#[test]
fn module_exports_exactly_the_listed_items() {
    assert_eq!(Module::plugin().exports(), sorted(&[EXPORTS]));
}

/// A path of the machine that built the module would make its bytes differ from those of other machines.
#[test]
fn module_contains_no_path_of_the_machine_that_built_it() {
    let module = std::fs::read(testenv::plugin().expect("`cargo xtask build` has run")).expect("it can be read");
    let holds = |path: &str| module.windows(path.len()).any(|window| window == path.as_bytes());
    let repository = testenv::repository().canonicalize().expect("it exists");
    let home = std::env::var("HOME").unwrap_or_default();
    for path in [repository.to_str().unwrap_or_default(), &format!("{home}/.")] {
        assert!(path.len() < 3 || !holds(path), "dist/plugin.wasm contains {path}");
    }
}

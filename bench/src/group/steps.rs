//! The cost of a filter by callback and host call: wasm modules written by hand, each of which does one thing more than the
//! one before it. The last one makes all the calls that a routing filter needs. The code of these modules costs almost
//! nothing, so their cost is that of the host.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};
use serde_json::json;
use tempfile::TempDir;

use super::filter::{COPIES, Chains, NO_OP, link, no_op, ours};
use crate::ecds;
use crate::results::Quantity;
use crate::run::Run;
use crate::table::{RequestKind, Shape, Table};

/// A call that a module makes in its callback for the request headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    ReadAllHeaders,
    ReadThreeHeaders,
    SetAuthority,
    SetForwardedHost,
    SetFilterState,
    Count,
}

struct Step {
    name: &'static str,
    /// The callbacks that the module exports, besides that for the request headers.
    callbacks: &'static [&'static str],
    calls: &'static [Call],
}

const START: &[&str] = &["proxy_on_context_create"];
const RESPONSE: &[&str] = &["proxy_on_context_create", "proxy_on_response_headers"];
const END: &[&str] = &["proxy_on_context_create", "proxy_on_response_headers", "proxy_on_delete"];
const ALL: &[&str] = &[
    "proxy_on_context_create",
    "proxy_on_response_headers",
    "proxy_on_delete",
    "proxy_on_response_body",
    "proxy_on_done",
    "proxy_on_log",
];

use Call::{Count, ReadAllHeaders, ReadThreeHeaders, SetAuthority, SetFilterState, SetForwardedHost};

/// The number of times that all chains are started: one process differs from another by as much as a step costs.
const STARTS: usize = 5;

/// A step in brackets is not part of the steps after it.
const STEPS: &[Step] = &[
    Step { name: "callback for the request headers", callbacks: &[], calls: &[] },
    Step { name: "… and for the start of the stream", callbacks: START, calls: &[] },
    Step { name: "… and for the response headers", callbacks: RESPONSE, calls: &[] },
    Step { name: "(… and for the end of the stream)", callbacks: END, calls: &[] },
    Step { name: "(… and for the end, the log and the response body)", callbacks: ALL, calls: &[] },
    Step { name: "(… reads three headers, one call each)", callbacks: RESPONSE, calls: &[ReadThreeHeaders] },
    Step { name: "… reads all headers in one call", callbacks: RESPONSE, calls: &[ReadAllHeaders] },
    Step { name: "… replaces `:authority`", callbacks: RESPONSE, calls: &[ReadAllHeaders, SetAuthority] },
    Step {
        name: "… sets `x-forwarded-host`",
        callbacks: RESPONSE,
        calls: &[ReadAllHeaders, SetAuthority, SetForwardedHost],
    },
    Step {
        name: "… stores the route's name in filter state",
        callbacks: RESPONSE,
        calls: &[ReadAllHeaders, SetAuthority, SetForwardedHost, SetFilterState],
    },
    Step {
        name: "… increments a counter",
        callbacks: RESPONSE,
        calls: &[ReadAllHeaders, SetAuthority, SetForwardedHost, SetFilterState, Count],
    },
];

pub(super) fn measure(run: &mut Run) -> Result<()> {
    let folder = TempDir::new()?;
    let table = Table::new(Shape::Static, 1000);
    let mut filters = vec![("control", None), (NO_OP, Some(no_op(run)?))];
    for (number, step) in STEPS.iter().enumerate() {
        let file = folder.path().join(format!("{number}.wasm"));
        fs::write(&file, wat::parse_str(step.text()).with_context(|| step.name)?)?;
        filters.push((step.name, Some(ecds::wasm(&file, &json!({}), 1)?)));
    }
    filters.push(("ours", Some(ours(run, &table)?)));
    let mut costs = vec![Vec::new(); filters.len()];
    for _ in 0..STARTS {
        let mut chains = Chains::default();
        for (name, filter) in &filters {
            chains.start(run, &link(filter.clone()), COPIES).context(*name)?;
            chains.add_candidate(name, table.requests(RequestKind::Hit, 200))?;
        }
        for (costs, of_start) in costs.iter_mut().zip(chains.cost_per_copy(run)?) {
            costs.extend(of_start);
        }
    }
    for ((name, _), cost) in filters.iter().zip(&costs).skip(1) {
        run.record(Quantity::StepCpu, name, ("", 0), "", cost, Some((NO_OP, &costs[1])));
    }
    Ok(())
}

impl Step {
    /// Returns the module in WebAssembly's text format.
    fn text(&self) -> String {
        let mut body = String::new();
        for call in self.calls {
            let text = match call {
                Call::ReadAllHeaders => "call $pairs (i32.const 0) (i32.const 256) (i32.const 260)",
                Call::ReadThreeHeaders => {
                    for (at, length) in [(0, 10), (48, 5), (64, 7)] {
                        let _ = writeln!(
                            body,
                            "(drop (call $get (i32.const 0) (i32.const {at}) (i32.const {length}) (i32.const 256) (i32.const 260)))"
                        );
                    }
                    continue;
                }
                Call::SetAuthority => {
                    "call $replace (i32.const 0) (i32.const 0) (i32.const 10) (i32.const 128) (i32.const 24)"
                }
                Call::SetForwardedHost => {
                    "call $replace (i32.const 0) (i32.const 16) (i32.const 16) (i32.const 160) (i32.const 15)"
                }
                Call::SetFilterState => "call $property (i32.const 80) (i32.const 17) (i32.const 128) (i32.const 24)",
                Call::Count => "call $increment (i32.load (i32.const 512)) (i64.const 1)",
            };
            let _ = writeln!(body, "(drop ({text}))");
        }
        let mut callbacks = String::new();
        for name in self.callbacks {
            let (parameters, result) = match *name {
                "proxy_on_context_create" => ("i32 i32", ""),
                "proxy_on_delete" | "proxy_on_log" => ("i32", ""),
                "proxy_on_done" => ("i32", "1"),
                _ => ("i32 i32 i32", "0"),
            };
            let (result_type, value) = if result.is_empty() {
                (String::new(), String::new())
            } else {
                ("(result i32)".to_owned(), format!("(i32.const {result})"))
            };
            let _ = writeln!(callbacks, r#"(func (export "{name}") (param {parameters}) {result_type} {value})"#);
        }
        format!(
            r#"(module
  (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) ":authority")
  (data (i32.const 16) "x-forwarded-host")
  (data (i32.const 48) ":path")
  (data (i32.const 64) ":method")
  (data (i32.const 80) "ksvc_router.route")
  (data (i32.const 128) "items-14.shop.example.co")
  (data (i32.const 160) "api.example.com")
  ;; There is one request at a time and no data is kept, so every allocation can use the same memory.
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (drop (call $define (i32.const 0) (i32.const 80) (i32.const 17) (i32.const 512)))
    (i32.const 1))
  {callbacks}
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    {body}
    (i32.const 0)))"#
        )
    }
}

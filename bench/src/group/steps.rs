//! Where a request's time goes: modules written by hand, each of which does one thing more than the one before it, down
//! to what a filter that routes can't do without. Their own code costs next to nothing, so what they cost is the host's.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};
use serde_json::json;
use tempfile::TempDir;

use super::filter::{COPIES, Chains, NO_OP, link, no_op, ours};
use crate::ecds;
use crate::results::Quantity;
use crate::run::Bench;
use crate::table::{Request, Shape, Table};

/// What a module does when a request's head has come, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    ReadHead,
    ReadThree,
    SetAuthority,
    SetForwardedHost,
    SetFilterState,
    Count,
}

struct Step {
    name: &'static str,
    /// Callbacks beside that for the request's head.
    callbacks: &'static [&'static str],
    acts: &'static [Act],
}

const BEGINNING: &[&str] = &["proxy_on_context_create"];
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

use Act::{Count, ReadHead, ReadThree, SetAuthority, SetFilterState, SetForwardedHost};

/// How often all are started anew: one process differs from another by as much as a step costs.
const STARTS: usize = 5;

/// Those in brackets are left out by the next.
const STEPS: &[Step] = &[
    Step { name: "called for the request's head", callbacks: &[], acts: &[] },
    Step { name: "… and for the stream's beginning", callbacks: BEGINNING, acts: &[] },
    Step { name: "… and for the response's head", callbacks: RESPONSE, acts: &[] },
    Step { name: "(… and for the stream's end)", callbacks: END, acts: &[] },
    Step { name: "(… and for its end, its log and the response's body)", callbacks: ALL, acts: &[] },
    Step { name: "(… asks for three headers)", callbacks: RESPONSE, acts: &[ReadThree] },
    Step { name: "… asks for all headers at once", callbacks: RESPONSE, acts: &[ReadHead] },
    Step { name: "… replaces `:authority`", callbacks: RESPONSE, acts: &[ReadHead, SetAuthority] },
    Step {
        name: "… sets `x-forwarded-host`", callbacks: RESPONSE, acts: &[ReadHead, SetAuthority, SetForwardedHost]
    },
    Step {
        name: "… leaves the route's name in filter state",
        callbacks: RESPONSE,
        acts: &[ReadHead, SetAuthority, SetForwardedHost, SetFilterState],
    },
    Step {
        name: "… counts the request",
        callbacks: RESPONSE,
        acts: &[ReadHead, SetAuthority, SetForwardedHost, SetFilterState, Count],
    },
];

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let folder = TempDir::new()?;
    let table = Table::new(Shape::Static, 1000);
    let mut filters = vec![("control", None), (NO_OP, Some(no_op(bench)?))];
    for (number, step) in STEPS.iter().enumerate() {
        let file = folder.path().join(format!("{number}.wasm"));
        fs::write(&file, wat::parse_str(step.text()).with_context(|| step.name)?)?;
        filters.push((step.name, Some(ecds::wasm(&file, &json!({}), 1)?)));
    }
    filters.push(("ours", Some(ours(bench, &table)?)));
    let mut costs = vec![Vec::new(); filters.len()];
    for _ in 0..STARTS {
        let mut chains = Chains::default();
        for (name, filter) in &filters {
            chains.start(bench, &link(filter.clone()), COPIES).context(*name)?;
            chains.ask(name, table.requests(Request::Hit, 200))?;
        }
        for (costs, of_start) in costs.iter_mut().zip(chains.per_copy(bench)?) {
            costs.extend(of_start);
        }
    }
    for ((name, _), cost) in filters.iter().zip(&costs).skip(1) {
        bench.note(Quantity::StepCpu, name, ("", 0), "", cost, Some((NO_OP, &costs[1])));
    }
    Ok(())
}

impl Step {
    fn text(&self) -> String {
        let mut body = String::new();
        for act in self.acts {
            let call = match act {
                Act::ReadHead => "call $pairs (i32.const 0) (i32.const 256) (i32.const 260)",
                Act::ReadThree => {
                    for (at, length) in [(0, 10), (48, 5), (64, 7)] {
                        let _ = writeln!(
                            body,
                            "(drop (call $get (i32.const 0) (i32.const {at}) (i32.const {length}) (i32.const 256) (i32.const 260)))"
                        );
                    }
                    continue;
                }
                Act::SetAuthority => {
                    "call $replace (i32.const 0) (i32.const 0) (i32.const 10) (i32.const 128) (i32.const 24)"
                }
                Act::SetForwardedHost => {
                    "call $replace (i32.const 0) (i32.const 16) (i32.const 16) (i32.const 160) (i32.const 15)"
                }
                Act::SetFilterState => "call $property (i32.const 80) (i32.const 17) (i32.const 128) (i32.const 24)",
                Act::Count => "call $increment (i32.load (i32.const 512)) (i64.const 1)",
            };
            let _ = writeln!(body, "(drop ({call}))");
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
  ;; One request at a time, and nothing is kept: the same room will do for all.
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

//! `bench steps`: where a request's time goes. Modules written by hand, each of which does one thing more than the one
//! before it, down to what a filter that routes can't do without; their code costs next to nothing, so what they cost is
//! the host's.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;
use tempfile::TempDir;

use crate::chain::{Chain, Link};
use crate::contest::{self, Contestant, Pace, combine};
use crate::ecds;
use crate::load::{CONNECTIONS, Load};
use crate::results::Spread;
use crate::table::{HOST, Request, Shape, Table};

/// What a module does when a request's head has come, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    ReadHead,
    ReadThree,
    SetAuthority,
    SetForwardedHost,
    AddForwardedHost,
    SetFilterState,
    Count,
}

struct Step {
    name: &'static str,
    /// Callbacks beside that for the request's head.
    callbacks: &'static [&'static str],
    acts: &'static [Act],
}

const CREATE: &[&str] = &["proxy_on_context_create"];
const DELETE: &[&str] = &["proxy_on_delete"];
const STREAM: &[&str] = &["proxy_on_context_create", "proxy_on_delete"];
const RESPONSE: &[&str] = &["proxy_on_context_create", "proxy_on_delete", "proxy_on_response_headers"];
const ALL: &[&str] = &[
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_response_headers",
    "proxy_on_response_body",
    "proxy_on_done",
    "proxy_on_log",
];

const STEPS: &[Step] = &[
    Step { name: "one callback, for the request's head", callbacks: &[], acts: &[] },
    Step { name: "(… the stream's beginning)", callbacks: CREATE, acts: &[] },
    Step { name: "(… the stream's end)", callbacks: DELETE, acts: &[] },
    Step { name: "(… a counter)", callbacks: &[], acts: &[Act::Count] },
    Step { name: "… the stream's beginning and end", callbacks: STREAM, acts: &[] },
    Step { name: "… the response's head", callbacks: RESPONSE, acts: &[] },
    Step { name: "(… its body, done and log)", callbacks: ALL, acts: &[] },
    Step { name: "(… three single headers)", callbacks: RESPONSE, acts: &[Act::ReadThree] },
    Step { name: "… all headers in one call", callbacks: RESPONSE, acts: &[Act::ReadHead] },
    Step { name: "… `:authority` replaced", callbacks: RESPONSE, acts: &[Act::ReadHead, Act::SetAuthority] },
    Step {
        name: "(… `x-forwarded-host` replaced)",
        callbacks: RESPONSE,
        acts: &[Act::ReadHead, Act::SetAuthority, Act::SetForwardedHost],
    },
    Step {
        name: "… `x-forwarded-host` added",
        callbacks: RESPONSE,
        acts: &[Act::ReadHead, Act::SetAuthority, Act::AddForwardedHost],
    },
    Step {
        name: "… the route's name in filter state",
        callbacks: RESPONSE,
        acts: &[Act::ReadHead, Act::SetAuthority, Act::AddForwardedHost, Act::SetFilterState],
    },
];

/// Prints what each step costs, and what the filter itself does.
pub fn run(envoy: &Path, no_op: &Path, copies: u32, pace: Pace) -> Result<()> {
    let folder = TempDir::new()?;
    let table = Table::new(Shape::Static, 1000);
    let mut filters = vec![
        ("(the chain without it)", None),
        ("SDK filter that does nothing", Some(ecds::wasm(no_op, &json!({}), 1)?)),
    ];
    for (number, step) in STEPS.iter().enumerate() {
        let file = folder.path().join(format!("{number}.wasm"));
        fs::write(&file, wat::parse_str(step.text()).with_context(|| step.name)?)?;
        filters.push((step.name, Some(ecds::wasm(&file, &json!({}), 1)?)));
    }
    filters.push(("ksvc-router, hit", Some(ecds::wasm(&testenv::plugin()?, &table.document(), 1)?)));
    let (mut chains, mut contestants) = (Vec::new(), Vec::new());
    for (name, filter) in filters {
        let link = Link { reset: Some(HOST), filter, ..Link::default() };
        let chain = Chain::start(envoy, &link, copies).context(name)?;
        let load = Load::open(chain.envoy.address, CONNECTIONS, table.requests(Request::Hit, 200))?;
        contestants.push(Contestant { name: name.to_owned(), load, meter: chain.meter.clone() });
        chains.push(chain);
    }
    let values = contest::run(&mut contestants, pace)?;
    let alone = values.iter().map(|chain| combine(chain, &values[0], |chain, without| (chain - without) / f64::from(copies)));
    let alone: Vec<_> = alone.skip(1).collect();
    println!("{:<42} {:>7} {:>9} {:>16}", "", "ns", "x no-op", "spread");
    for (contestant, costs) in contestants.iter().skip(1).zip(&alone) {
        let Spread { least, median, most, .. } = Spread::of(&combine(costs, &alone[0], |cost, no_op| cost / no_op));
        let spread = format!("{least:.2} to {most:.2}");
        println!("{:<42} {:>7.0} {median:>9.2} {spread:>16}", contestant.name, Spread::of(costs).median);
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
                Act::AddForwardedHost => {
                    "call $add (i32.const 0) (i32.const 16) (i32.const 16) (i32.const 160) (i32.const 15)"
                }
                Act::SetFilterState => {
                    "call $property (i32.const 80) (i32.const 17) (i32.const 128) (i32.const 24)"
                }
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
            let (result_type, value) =
                if result.is_empty() { (String::new(), String::new()) } else { ("(result i32)".to_owned(), format!("(i32.const {result})")) };
            let _ = writeln!(callbacks, r#"(func (export "{name}") (param {parameters}) {result_type} {value})"#);
        }
        format!(
            r#"(module
  (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
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

//! The gateway with a Lua filter that does the minimum of what ours does. It finds literal paths in a hash table. If the
//! table has parameters, it uses a tree of tables, with one level for each segment.

use std::fmt::Write;

use serde_json::{Value, json};

use super::bare;
use crate::gateway::Parts;
use crate::table::{BASE, HOST, Table};

pub(super) fn parts(table: &Table) -> Parts {
    Parts { filter: Some(typed_config(table)), ..bare::parts() }
}

pub(super) fn typed_config(table: &Table) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua",
        "default_source_code": {"inline_string": source(table)},
    })
}

fn source(table: &Table) -> String {
    // The routes are a text, which the script parses once: a table literal in Lua is limited in its number of constants.
    let mut routes = String::new();
    for route in &table.routes {
        let _ = writeln!(routes, "{} {} {}", route.method, route.path, route.authority());
    }
    let (build, find) = if table.has_parameters() { (BUILD_TREE, FIND_IN_TREE) } else { (BUILD_HASH, FIND_IN_HASH) };
    let base = BASE.len();
    format!(
        r#"
local table_text = [[
{routes}]]
local root = {{}}
for method, path, authority in table_text:gmatch("(%S+) (%S+) (%S+)\n") do
  {build}
end
table_text = nil

local function find(path)
  {find}
end

function envoy_on_request(handle)
  local headers = handle:headers()
  if headers:get(":authority") ~= "{HOST}" then return end
  local path = headers:get(":path")
  if path:sub(1, {base}) ~= "{BASE}" or path:byte({base} + 1) ~= 47 then return end
  local query = path:find("?", 1, true)
  path = path:sub({base} + 1, query and query - 1)
  local methods = find(path)
  if not methods then
    handle:respond({{[":status"] = "404"}}, "no route matches this path")
    return
  end
  local authority = methods[headers:get(":method")]
  if not authority then
    local allowed = {{}}
    for method in pairs(methods) do allowed[#allowed + 1] = method end
    handle:respond({{[":status"] = "405", allow = table.concat(allowed, ", ")}}, "no route has this method")
    return
  end
  headers:replace(":authority", authority)
  headers:replace("x-forwarded-host", "{HOST}")
  handle:clearRouteCache()
end
"#
    )
}

const BUILD_HASH: &str = "root[path] = root[path] or {}; root[path][method] = authority";
const FIND_IN_HASH: &str = "return root[path]";

const BUILD_TREE: &str = r#"local node = root
  for segment in path:gmatch("/([^/]*)") do
    if segment:sub(1, 1) == "{" then segment = "*" end
    node[segment] = node[segment] or {}
    node = node[segment]
  end
  node[0] = node[0] or {}
  node[0][method] = authority"#;
/// Prefers the literal, and tries the parameter if the literal leads to no route.
const FIND_IN_TREE: &str = r#"local function walk(node, from)
    local slash = path:find("/", from, true)
    local segment = path:sub(from, slash and slash - 1)
    for _, next in ipairs({node[segment] or false, node["*"] or false}) do
      if next then
        local found
        if slash then found = walk(next, slash + 1) else found = next[0] end
        if found then return found end
      end
    end
  end
  return walk(root, 2)"#;

//! The core of ksvc-router for a page in a browser. The page that `ksvc-router routes --as html` writes contains this crate
//! as WebAssembly, so that it explains a request exactly as the command line does.

use ksvc_explanation::gateway::{NamedTable, explain};
use ksvc_explanation::request::Request;
use ksvc_routing::{Compiled, compile};
use serde::Deserialize;
use serde_json::json;
use wasm_bindgen::prelude::wasm_bindgen;

/// A table as the page contains it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageTable {
    name: String,
    file: String,
    line: usize,
    hosts: Vec<String>,
    base_path: String,
    /// The configuration in JSON, as the filter gets it.
    configuration: String,
}

/// The tables of a gateway, in the order in which it asks them.
#[wasm_bindgen]
pub struct Gateway(Vec<(PageTable, Compiled)>);

#[wasm_bindgen]
impl Gateway {
    /// Compiles the tables of the page, which are a list in JSON.
    #[wasm_bindgen(constructor)]
    pub fn new(tables: &str) -> Result<Self, String> {
        let tables: Vec<PageTable> = serde_json::from_str(tables).map_err(|error| error.to_string())?;
        let compiled = tables.into_iter().map(|table| {
            let compiled = compile(table.configuration.as_bytes());
            (table, compiled)
        });
        Ok(Self(compiled.collect()))
    }

    /// Explains a request. `headers` has a line `name: value` for each header. Returns a JSON object: `explanation` is what
    /// `ksvc-router explain --format json` prints, `route` is the index of the chosen route in its table, and `changes` has
    /// each change of a header. The error is a sentence for the user.
    pub fn explain(&self, method: &str, url: &str, headers: &str) -> Result<String, String> {
        let mut request = Request::checked(method, url.as_bytes()).map_err(|error| error.to_string())?;
        for line in headers.lines().filter(|line| !line.trim().is_empty()) {
            request.add_header_line(line.as_bytes()).map_err(|error| format!("{line}: {error}"))?;
        }
        let named: Vec<NamedTable<'_>> = self.0.iter().map(named).collect();
        let headers = request.header_refs();
        let head = request.head(&headers);
        let reasons = explain(&named, &request, &head).ok_or("There is no table.")?;
        let table = reasons.passed.len();
        let changes = &reasons.decision.changes;
        let changes = changes.iter().map(|(of, change)| json!({"of": of, "change": change}));
        let explained = json!({
            "explanation": reasons.to_json(),
            "table": table,
            "route": reasons.decision.route_index,
            "changes": changes.collect::<serde_json::Value>(),
        });
        Ok(explained.to_string())
    }
}

fn named((table, compiled): &(PageTable, Compiled)) -> NamedTable<'_> {
    NamedTable {
        table: &compiled.table,
        name: &table.name,
        file: &table.file,
        line: table.line,
        hosts: table.hosts.iter().map(String::as_str).collect(),
        base_path: &table.base_path,
    }
}

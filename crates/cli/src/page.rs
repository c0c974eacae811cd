//! The page of `routes --as html`, `diff --as html` and `serve`: one HTML file that shows the tables and explains requests in
//! the browser, with the same core as `explain`, and without a network.
//!
//! Its scripts are in `page/assets`, and this module puts everything together. The browser runs no other script than these:
//! the page names the hash of each one in its Content-Security-Policy.

pub mod difference;
pub mod routes;

use std::fmt;

use data_encoding::BASE64;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::tables::{Table, Tables};

const TEMPLATE: &str = include_str!("page/assets/page.html");
const STYLE: &str = include_str!("page/assets/page.css");

/// The scripts in their order.
const SCRIPTS: [&str; 11] = [
    include_str!("page/assets/elements.js"),
    include_str!("page/assets/tree.js"),
    include_str!("page/assets/list.js"),
    include_str!("page/assets/filters.js"),
    include_str!("page/assets/messages.js"),
    include_str!("page/assets/gateway.js"),
    include_str!("page/assets/request.js"),
    include_str!("page/assets/reload.js"),
    include_str!("page/assets/routes.js"),
    include_str!("page/assets/difference.js"),
    include_str!("page/assets/start.js"),
];

/// The core for the browser, if this program was built with it: the compressed WebAssembly, and the JavaScript that calls it.
/// They are in the folder that the variable names at build time, by its absolute path.
#[cfg(feature = "page")]
const CORE: Option<(&[u8], &str)> = Some((
    include_bytes!(concat!(env!("KSVC_ROUTER_PAGE"), "/core.wasm.gz")),
    include_str!(concat!(env!("KSVC_ROUTER_PAGE"), "/core.js")),
));
#[cfg(not(feature = "page"))]
const CORE: Option<(&[u8], &str)> = None;

/// What a page shows.
#[derive(Debug)]
pub struct Page {
    /// What the scripts show.
    data: Value,
    /// The tables of each gateway whose decisions the page explains, as the core reads them.
    gateways: Vec<Value>,
}

/// This build of the program does not contain the core for the browser.
#[derive(Debug)]
pub struct NoCore;

impl fmt::Display for NoCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "this build of ksvc-router does not contain the page; take the program of a release, or the \
             dist/ksvc-router of `cargo xtask build`",
        )
    }
}

impl std::error::Error for NoCore {}

/// Returns whether this build of the program can make a page.
pub fn is_available() -> bool {
    CORE.is_some()
}

impl Page {
    /// Makes the page of a server. It loads itself again when the server has another version. Returns the version, which is
    /// the same for the same page, also after a restart of the server. A newer program makes another page.
    pub(crate) fn live(mut self) -> (Self, String) {
        let mut hash = Sha256::new();
        let (module, core) = CORE.unwrap_or_default();
        for part in [TEMPLATE, STYLE, core].into_iter().chain(SCRIPTS) {
            hash.update(part);
        }
        hash.update(module);
        for shown in [&self.data].into_iter().chain(&self.gateways) {
            hash.update(shown.to_string());
        }
        let version = BASE64.encode(&hash.finalize());
        self.data["live"] = version.as_str().into();
        (self, version)
    }

    /// Returns the HTML.
    pub fn to_html(&self) -> Result<String, NoCore> {
        let (module, core) = CORE.ok_or(NoCore)?;
        Ok(self.fill(module, core))
    }

    fn fill(&self, module: &[u8], core: &str) -> String {
        let script = SCRIPTS.concat();
        let connections = if self.data.get("live").is_some() { "'self'" } else { "'none'" };
        let policy = format!(
            "default-src 'none'; base-uri 'none'; form-action 'none'; connect-src {connections}; style-src '{}'; \
             script-src '{}' '{}' 'wasm-unsafe-eval'",
            hash(STYLE),
            hash(&script),
            hash(core)
        );
        let gateways = self.gateways.iter().map(|tables| {
            format!("<script type=\"application/json\" class=\"gateway\">{}</script>", in_script(tables))
        });
        let gateways = gateways.collect::<Vec<_>>().join("\n");
        let value = |name: &str| match name {
            "policy" => policy.clone(),
            "version" => env!("CARGO_PKG_VERSION").to_owned(),
            "style" => STYLE.to_owned(),
            "data" => in_script(&self.data),
            "script" => script.clone(),
            "gateways" => gateways.clone(),
            "module" => BASE64.encode(module),
            "core" => core.to_owned(),
            other => unreachable!("the template has {other}"),
        };
        let (start, rest) = TEMPLATE.split_once("{{").unwrap_or((TEMPLATE, ""));
        let parts = rest.split("{{").filter_map(|part| part.split_once("}}"));
        parts.fold(start.to_owned(), |html, (name, text)| html + &value(name) + text)
    }
}

/// Returns JSON for an element `script`, which ends at the first `</script`.
fn in_script(json: &Value) -> String {
    json.to_string().replace('<', "\\u003c")
}

/// Returns the hash of a script or a style sheet for a Content-Security-Policy.
fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64.encode(&Sha256::digest(text)))
}

/// Returns the tables as the core in the browser reads them.
fn for_core(tables: &Tables) -> Value {
    let table = |table: &Table| {
        let named = table.named();
        serde_json::json!({
            "name": named.name,
            "file": named.file,
            "line": named.line,
            "hosts": named.hosts,
            "basePath": named.base_path,
            "configuration": String::from_utf8_lossy(&table.configuration.json()),
        })
    };
    tables.as_slice().iter().map(table).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Page, SCRIPTS, STYLE};

    #[test]
    fn no_text_of_a_table_can_end_a_script() {
        let hostile = "</script><script>alert(1)</script><!-- {{core}} {{data}}";
        let page = Page { data: json!({"title": hostile}), gateways: vec![json!([hostile])] };
        let html = page.fill(b"module", "core()");
        assert!(!html.contains("alert(1)</script>") && !html.contains("<!-- {{"), "{html}");
        assert_eq!(html.matches("<script").count(), html.matches("</script>").count());
        assert_eq!(html.matches("core()").count(), 1, "a name in braces was replaced in a text of the table");
    }

    #[test]
    fn our_scripts_and_styles_can_stand_in_a_page() {
        for text in SCRIPTS.into_iter().chain([STYLE]) {
            let lower = text.to_lowercase();
            assert!(["</script", "</style", "<!--"].iter().all(|end| !lower.contains(end)), "{text}");
        }
    }
}

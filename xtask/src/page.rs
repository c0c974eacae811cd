//! The core of the page that `ksvc-router routes --as html` writes: WebAssembly for a browser, and the JavaScript that calls
//! it, which wasm-bindgen generates.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use flate2::{Compression, GzBuilder};
use wasm_bindgen_cli_support::Bindgen;

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// The environment variable that names the folder of these files while the command line is built with its feature `page`.
pub(crate) const VARIABLE: &str = "KSVC_ROUTER_PAGE";

/// The files: the module, compressed because every page contains it, and the JavaScript.
pub(crate) const FILES: [&str; 2] = ["core.wasm.gz", "core.js"];

/// Returns the folder in `dist/` with the files.
pub(crate) fn folder() -> Result<PathBuf> {
    Ok(testenv::repository().join("dist/page").canonicalize()?)
}

/// Makes the files in this folder from the module that the compiler made.
pub(crate) fn bind(module: &Path, folder: &Path) -> Result<()> {
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).out_name("core").typescript(false).omit_default_module_path(true);
    bindgen.remove_name_section(true).remove_producers_section(true).no_modules(true)?;
    bindgen.generate(folder)?;
    let script = fs::read_to_string(folder.join("core.js"))?;
    let lower = script.to_lowercase();
    let is_plain = ["</script", "<!--"].iter().all(|end| !lower.contains(end));
    ensure!(is_plain, "the JavaScript of wasm-bindgen would end the script of a page");
    let module = folder.join("core_bg.wasm");
    let bytes = fs::read(&module).with_context(|| format!("wasm-bindgen left no {}", module.display()))?;
    // Without a time or a name, so that the bytes are always the same.
    let mut compressed = GzBuilder::new().write(File::create(folder.join("core.wasm.gz"))?, Compression::best());
    std::io::Write::write_all(&mut compressed, &bytes)?;
    compressed.finish()?;
    Ok(())
}

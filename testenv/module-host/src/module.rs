//! A compiled module: the plugin as shipped, or any other.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use wasmtime::{Config, Engine};

/// A compiled module, with the bytes that it was made of.
pub struct Module {
    pub(crate) engine: Engine,
    pub(crate) module: wasmtime::Module,
    size: usize,
}

impl Module {
    /// The plugin as shipped, compiled once for all tests of a run.
    ///
    /// # Panics
    /// Where `dist/plugin.wasm` is missing or is not a wasm module.
    pub fn plugin() -> &'static Module {
        static PLUGIN: OnceLock<Module> = OnceLock::new();
        PLUGIN.get_or_init(|| {
            let path = plugin_path();
            match std::fs::read(&path) {
                Ok(bytes) => Module::new(&bytes),
                Err(error) => panic!("{}: {error}: run `cargo xtask build` first", path.display()),
            }
        })
    }

    /// # Panics
    /// Where `bytes` is not a wasm module.
    pub fn new(bytes: &[u8]) -> Module {
        let mut config = Config::new();
        config.consume_fuel(true);
        let engine = Engine::new(&config).expect("this machine can run wasm");
        let module =
            wasmtime::Module::new(&engine, bytes).unwrap_or_else(|error| panic!("not a wasm module: {error:?}"));
        Module { engine, module, size: bytes.len() }
    }

    /// In bytes, as shipped.
    pub fn size(&self) -> usize {
        self.size
    }

    /// `module.name` of every import, sorted.
    pub fn imports(&self) -> Vec<String> {
        let mut imports: Vec<String> =
            self.module.imports().map(|import| format!("{}.{}", import.module(), import.name())).collect();
        imports.sort();
        imports
    }

    /// The names of all exports, sorted.
    pub fn exports(&self) -> Vec<String> {
        let mut exports: Vec<String> = self.module.exports().map(|export| export.name().to_owned()).collect();
        exports.sort();
        exports
    }
}

fn plugin_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist/plugin.wasm")
}

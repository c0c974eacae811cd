//! A compiled module: the plugin that is released, or any other.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use wasmtime::{Config, Engine};

/// A compiled module.
pub struct Module {
    pub(crate) engine: Engine,
    pub(crate) module: wasmtime::Module,
    size: usize,
}

impl Module {
    /// Returns the plugin that is released. All tests of a run share one compilation.
    ///
    /// # Panics
    /// If `dist/plugin.wasm` is missing or is not a wasm module.
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

    /// Compiles a module.
    ///
    /// # Panics
    /// If `bytes` is not a wasm module.
    pub fn new(bytes: &[u8]) -> Module {
        let mut config = Config::new();
        config.consume_fuel(true);
        let engine = Engine::new(&config).expect("this machine can run wasm");
        let module =
            wasmtime::Module::new(&engine, bytes).unwrap_or_else(|error| panic!("not a wasm module: {error:?}"));
        Module { engine, module, size: bytes.len() }
    }

    /// Returns the size of the file in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns every import as `module.name`, sorted.
    pub fn imports(&self) -> Vec<String> {
        let mut imports: Vec<String> =
            self.module.imports().map(|import| format!("{}.{}", import.module(), import.name())).collect();
        imports.sort();
        imports
    }

    /// Returns the names of all exports, sorted.
    pub fn exports(&self) -> Vec<String> {
        let mut exports: Vec<String> = self.module.exports().map(|export| export.name().to_owned()).collect();
        exports.sort();
        exports
    }
}

fn plugin_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dist/plugin.wasm")
}

//! Deletes exports from a linked wasm module, with everything that only they used.
//!
//! The proxy-wasm SDK exports a function for every callback of the ABI, and the linker can't be told to leave some out.
//! Envoy calls each callback that a module exports: at every part of a body, and at the end of every stream.

use anyhow::{Result, ensure};
use walrus::{ModuleConfig, passes};

/// Returns the module with only these exports, and without custom sections, which hold names for debuggers and the like.
/// The same module always gives the same bytes.
///
/// # Errors
/// If `module` is not a wasm module, or lacks one of the exports.
pub(crate) fn keep_exports(module: &[u8], exports: &[&str]) -> Result<Vec<u8>> {
    let mut config = ModuleConfig::new();
    config.generate_name_section(false).generate_producers_section(false);
    let mut module = config.parse(module)?;

    let (kept, deleted): (Vec<_>, Vec<_>) = module.exports.iter().partition(|export| exports.contains(&&*export.name));
    for name in exports {
        ensure!(kept.iter().any(|export| export.name == *name), "the module has no export `{name}`");
    }
    for id in deleted.into_iter().map(|export| export.id()).collect::<Vec<_>>() {
        module.exports.delete(id);
    }
    for id in module.customs.iter().map(|(id, _)| id).collect::<Vec<_>>() {
        module.customs.delete(id);
    }
    passes::gc::run(&mut module);
    Ok(module.emit_wasm())
}

#[cfg(test)]
mod tests {
    use walrus::Module;

    use super::*;

    const MODULE: &str = r#"
        (module
          (import "env" "needed" (func $needed))
          (import "env" "not_needed" (func $not_needed))
          (memory (export "memory") 1)
          (global $count (mut i32) (i32.const 0))
          (func $shared (call $needed))
          (func $only_b (call $not_needed) (global.set $count (i32.const 1)))
          (func (export "a") (call $shared))
          (func (export "b") (call $shared) (call $only_b))
          (data (i32.const 0) "data")
          (@custom "target_features" "names")
          (@producers (language "Rust" "2024")))
    "#;

    fn pruned(exports: &[&str]) -> Result<Vec<u8>> {
        keep_exports(&wat::parse_str(MODULE)?, exports)
    }

    #[test]
    fn only_listed_exports_and_what_they_use_remain() -> Result<()> {
        let module = Module::from_buffer(&pruned(&["memory", "a"])?)?;
        let exports: Vec<_> = module.exports.iter().map(|export| &*export.name).collect();
        assert_eq!(exports, ["memory", "a"]);
        let imports: Vec<_> = module.imports.iter().map(|import| &*import.name).collect();
        assert_eq!(imports, ["needed"]);
        assert_eq!(module.funcs.iter().count(), 3, "`needed`, `$shared` and `a`");
        assert_eq!((module.globals.iter().count(), module.data.iter().count()), (0, 1));
        Ok(())
    }

    #[test]
    fn names_and_other_custom_sections_are_gone() -> Result<()> {
        let before = wat::parse_str(MODULE)?;
        let after = pruned(&["memory", "a", "b"])?;
        for section in ["name", "only_b", "target_features", "producers"] {
            let holds = |module: &[u8]| module.windows(section.len()).any(|bytes| bytes == section.as_bytes());
            assert!(holds(&before) && !holds(&after), "{section}");
        }
        Ok(())
    }

    #[test]
    fn same_module_gives_the_same_bytes() -> Result<()> {
        assert_eq!(pruned(&["memory", "a"])?, pruned(&["memory", "a"])?);
        Ok(())
    }

    #[test]
    fn missing_export_is_an_error() {
        let error = pruned(&["memory", "c"]).expect_err("there is no export `c`");
        assert_eq!(error.to_string(), "the module has no export `c`");
    }
}

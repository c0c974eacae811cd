//! Reduces a linked wasm module to the exports that Envoy needs and the imports that the plugin uses.
//!
//! The proxy-wasm SDK exports a function for every callback of the ABI, and the linker can't be told to leave some out.
//! Envoy calls each callback that a module exports: for every part of a body, and at the end of every stream.
//!
//! The SDK's traits also have a method for every host call, HTTP calls and the clock included. The plugin inherits
//! these methods, and the linker can't see that it never calls them. Without the import, the module can't make such a
//! call at all.

use anyhow::{Result, ensure};
use walrus::{ExportId, FunctionId, Import, ImportKind, Module, ModuleConfig, passes};

/// Returns the module with only these exports and imports, and without custom sections, which hold names for debuggers
/// and the like. Code that only the deleted exports used is deleted too. An import that is deleted but still used
/// becomes a function that traps. Imports are written as `module.name`. The same module always gives the same bytes.
///
/// # Errors
/// If `module` is not a wasm module, or does not have one of the exports or imports.
pub(crate) fn prune(module: &[u8], exports: &[&str], imports: &[&str]) -> Result<Vec<u8>> {
    let mut config = ModuleConfig::new();
    config.generate_name_section(false).generate_producers_section(false);
    let mut module = config.parse(module)?;
    for section in module.customs.iter().map(|(id, _)| id).collect::<Vec<_>>() {
        module.customs.delete(section);
    }
    delete_exports(&mut module, exports)?;
    passes::gc::run(&mut module);
    delete_imports(&mut module, imports)?;
    Ok(module.emit_wasm())
}

fn delete_exports(module: &mut Module, kept: &[&str]) -> Result<()> {
    for name in kept {
        ensure!(module.exports.iter().any(|export| export.name == *name), "the module has no export `{name}`");
    }
    let deleted = module.exports.iter().filter(|export| !kept.contains(&&*export.name));
    for export in deleted.map(|export| export.id()).collect::<Vec<ExportId>>() {
        module.exports.delete(export);
    }
    Ok(())
}

fn delete_imports(module: &mut Module, kept: &[&str]) -> Result<()> {
    let name = |import: &Import| format!("{}.{}", import.module, import.name);
    for kept in kept {
        ensure!(module.imports.iter().any(|import| name(import) == *kept), "the module has no import `{kept}`");
    }
    let deleted = module.imports.iter().filter(|import| !kept.contains(&&*name(import)));
    let functions = deleted.filter_map(|import| match import.kind {
        ImportKind::Function(function) => Some(function),
        _ => None,
    });
    for function in functions.collect::<Vec<FunctionId>>() {
        module.replace_imported_func(function, |(body, _)| {
            body.unreachable();
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = r#"
        (module
          (import "env" "used" (func $used (param i32) (result i32)))
          (import "env" "inherited" (func $inherited (param i32) (result i32)))
          (import "env" "used_by_b" (func $used_by_b))
          (memory (export "memory") 1)
          (table (export "table") 1 funcref)
          (elem (i32.const 0) func $method)
          (global $count (mut i32) (i32.const 0))
          (func $method (param i32) (result i32) (call $inherited (local.get 0)))
          (func $only_b (call $used_by_b) (global.set $count (i32.const 1)))
          (func (export "a") (drop (call $used (i32.const 1))))
          (func (export "b") (call $only_b))
          (data (i32.const 0) "data")
          (@custom "target_features" "+simd")
          (@producers (language "Rust" "2024")))
    "#;

    fn pruned(exports: &[&str], imports: &[&str]) -> Result<Vec<u8>> {
        prune(&wat::parse_str(MODULE)?, exports, imports)
    }

    #[test]
    fn only_listed_exports_and_what_they_use_remain() -> Result<()> {
        let module = Module::from_buffer(&pruned(&["memory", "a"], &["env.used"])?)?;
        let exports: Vec<_> = module.exports.iter().map(|export| &*export.name).collect();
        assert_eq!(exports, ["memory", "a"]);
        let imports: Vec<_> = module.imports.iter().map(|import| &*import.name).collect();
        assert_eq!(imports, ["used"]);
        assert_eq!(module.funcs.iter().count(), 2, "`used` and `a`");
        assert_eq!((module.globals.iter().count(), module.data.iter().count()), (0, 1));
        Ok(())
    }

    #[test]
    fn import_that_is_used_but_not_listed_becomes_a_trap() -> Result<()> {
        let module = Module::from_buffer(&pruned(&["memory", "table", "a"], &["env.used"])?)?;
        assert_eq!(module.imports.iter().count(), 1);
        let functions: Vec<_> = module.funcs.iter_local().map(|(_, function)| function.size()).collect();
        assert_eq!(functions.len(), 3, "`a`, `$method`, and what `inherited` has become");
        assert!(functions.contains(&1), "one has a single instruction: {functions:?}");
        Ok(())
    }

    #[test]
    fn custom_sections_are_gone() -> Result<()> {
        let before = wat::parse_str(MODULE)?;
        let after = pruned(&["memory", "a", "b"], &["env.used", "env.used_by_b"])?;
        for text in ["name", "only_b", "target_features", "producers"] {
            let holds = |module: &[u8]| module.windows(text.len()).any(|bytes| bytes == text.as_bytes());
            assert!(holds(&before) && !holds(&after), "{text}");
        }
        Ok(())
    }

    #[test]
    fn same_module_gives_the_same_bytes() -> Result<()> {
        let pruned = || pruned(&["memory", "table", "a"], &["env.used"]);
        assert_eq!(pruned()?, pruned()?);
        Ok(())
    }

    #[test]
    fn missing_export_or_import_is_an_error() {
        let error =
            |exports: &[&str], imports: &[&str]| pruned(exports, imports).expect_err("it is missing").to_string();
        assert_eq!(error(&["a", "c"], &["env.used"]), "the module has no export `c`");
        assert_eq!(error(&["a"], &["env.used", "env.other"]), "the module has no import `env.other`");
    }
}

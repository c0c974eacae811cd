//! Cargo's own tools, of a pinned version: built once, and kept for all clones.

use std::path::PathBuf;

use anyhow::Result;

use crate::step::{self, cargo};

/// The program `name` of the crate of that name; installed where it lacks, which takes minutes.
pub(crate) fn installed(name: &str, version: &str) -> Result<PathBuf> {
    let root = testenv::cache_folder()?.join(format!("{name}-{version}"));
    let program = root.join("bin").join(name);
    if !program.is_file() {
        let mut install = cargo(["install", "--locked", name, "--version", version, "--root"]);
        // Not with the project's own settings, and not into its target folder.
        install.arg(&root).current_dir(std::env::temp_dir()).env_remove("CARGO_TARGET_DIR");
        step::run(&format!("Installing {name} {version}"), install)?;
    }
    Ok(program)
}

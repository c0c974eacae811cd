//! Installs Cargo tools in a pinned version. All clones of the repository share them.

use std::path::PathBuf;

use anyhow::Result;

use crate::step::{self, cargo};

/// Returns the path of a tool. If it is not installed yet, this installs the crate with its name, which takes minutes.
pub(crate) fn installed(name: &str, version: &str) -> Result<PathBuf> {
    let root = testenv::cache_folder()?.join(format!("{name}-{version}"));
    let program = root.join("bin").join(name);
    if !program.is_file() {
        let mut install = cargo(["install", "--locked", name, "--version", version, "--root"]);
        // Runs outside the repository, so that neither the project's settings nor its target folder are used.
        install.arg(&root).current_dir(std::env::temp_dir()).env_remove("CARGO_TARGET_DIR");
        step::run(&format!("Installing {name} {version}"), install)?;
    }
    Ok(program)
}

//! `cargo xtask build`: builds what is released into `dist/`. Every test and benchmark uses these files.
//!
//! The plugin is reproducible: the same sources give the same bytes, in every folder and on every machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use oci_artifacts::sha256;
use tempfile::TempDir;

use crate::page;
use crate::prune::prune;
use crate::step::{self, cargo};

const TARGET: &str = "wasm32-wasip1";

/// The exports of the plugin: its memory and the functions that Envoy calls. The linker also exports every other
/// callback, and Envoy would call each of those for every request. The SDK frees a context in `proxy_on_delete`.
const EXPORTS: [&str; 9] = [
    "_initialize",
    "memory",
    "proxy_abi_version_0_2_1",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_delete",
    "proxy_on_memory_allocate",
    "proxy_on_request_headers",
    "proxy_on_response_headers",
];

/// The functions that the plugin calls: Envoy's, and those for Rust's standard library. Any other call traps, so a new
/// one must be added here.
const IMPORTS: [&str; 19] = [
    "env.proxy_add_header_map_value",
    "env.proxy_define_metric",
    "env.proxy_get_buffer_bytes",
    "env.proxy_get_header_map_pairs",
    "env.proxy_get_property",
    "env.proxy_get_shared_data",
    "env.proxy_increment_metric",
    "env.proxy_log",
    "env.proxy_record_metric",
    "env.proxy_remove_header_map_value",
    "env.proxy_replace_header_map_value",
    "env.proxy_send_local_response",
    "env.proxy_set_property",
    "env.proxy_set_shared_data",
    "wasi_snapshot_preview1.environ_get",
    "wasi_snapshot_preview1.environ_sizes_get",
    "wasi_snapshot_preview1.fd_write",
    "wasi_snapshot_preview1.proc_exit",
    "wasi_snapshot_preview1.random_get",
];

pub(crate) fn all() -> Result<()> {
    plugin()?;
    page()?;
    command_line()
}

pub(crate) fn plugin() -> Result<()> {
    install_target(TARGET)?;
    keep(&Places::here()?.build_plugin("Building the plugin, dist/plugin.wasm")?, "plugin.wasm")
}

/// Builds the core for the page that `ksvc-router routes --as html` writes.
pub(crate) fn page() -> Result<()> {
    install_target(page::TARGET)?;
    let built = Places::here()?.build_page("Building the core of the page, dist/page")?;
    page::FILES.into_iter().try_for_each(|name| keep(&built.join(name), &format!("page/{name}")))
}

/// Builds the filter that does nothing, with which the benchmarks compare the plugin. It stays in the target folder, as
/// the linker made it.
pub(crate) fn no_op() -> Result<()> {
    let build = cargo(["build", "--locked", "--profile", "plugin", "--target", TARGET, "-p", "no-op"]);
    step::run("Building the filter that does nothing", build)
}

/// Builds the plugin and the core of the page from a copy of their sources in another folder, without any earlier build,
/// and compares the two.
pub(crate) fn reproduce() -> Result<()> {
    let elsewhere = Elsewhere::new()?;
    let again = elsewhere.places().build_plugin("Building the plugin again, from a copy in another folder")?;
    compare(&again, "plugin.wasm")?;
    let again = elsewhere.places().build_page("Building the core of the page again, from a copy in another folder")?;
    page::FILES.into_iter().try_for_each(|name| compare(&again.join(name), &format!("page/{name}")))
}

/// Compares a file in `dist/` with what a copy of the sources gives.
fn compare(again: &Path, name: &str) -> Result<()> {
    let again = fs::read(again)?;
    let released = fs::read(testenv::repository().join("dist").join(name))?;
    ensure!(
        again == released,
        "dist/{name} (sha256 {}) differs from what a copy of its sources gives ({}): it contains a path or something else \
         of this machine, or it was built from other sources",
        sha256(&released),
        sha256(&again)
    );
    eprintln!("    {name}: the same bytes, sha256 {}", sha256(&again));
    Ok(())
}

/// A copy of the sources in a temporary folder, without any earlier build.
pub(crate) struct Elsewhere {
    _folder: TempDir,
    places: Places,
}

impl Elsewhere {
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let places = Places { sources: at("sources"), target: at("built"), cargo: at("cargo") };
        copy(testenv::repository(), &places.sources)?;
        // Another home of cargo with the same downloads.
        fs::create_dir(&places.cargo)?;
        std::os::unix::fs::symlink(cargo_home()?.join("registry"), places.cargo.join("registry"))?;
        Ok(Self { _folder: folder, places })
    }

    pub(crate) fn places(&self) -> &Places {
        &self.places
    }
}

/// The folders of a build. None of these paths may appear in what is released.
pub(crate) struct Places {
    pub(crate) sources: PathBuf,
    pub(crate) target: PathBuf,
    cargo: PathBuf,
}

impl Places {
    /// Returns the places of this repository.
    pub(crate) fn here() -> Result<Self> {
        Ok(Self { sources: testenv::repository().canonicalize()?, target: target_folder()?, cargo: cargo_home()? })
    }

    /// Builds the plugin and reduces it to the exports and imports that it needs. Returns the path of the module.
    fn build_plugin(&self, what: &str) -> Result<PathBuf> {
        let build = self.cargo_build(&["--profile", "plugin", "--target", TARGET, "-p", "ksvc-router"], &[])?;
        step::run(what, build)?;
        let linked = self.target.join(TARGET).join("plugin/ksvc_router.wasm");
        let module = fs::read(&linked).with_context(|| format!("the build left no {}", linked.display()))?;
        let pruned = linked.with_file_name("plugin.wasm");
        fs::write(&pruned, prune(&module, &EXPORTS, &IMPORTS)?)?;
        Ok(pruned)
    }

    /// Builds the core of the page. Returns the folder with its files.
    fn build_page(&self, what: &str) -> Result<PathBuf> {
        let build = self.cargo_build(&["--profile", "page", "--target", page::TARGET, "-p", "ksvc-page"], &[])?;
        step::run(what, build)?;
        let folder = self.target.join(page::TARGET).join("page");
        page::bind(&folder.join("ksvc_page.wasm"), &folder.join("bound"))?;
        Ok(folder.join("bound"))
    }

    /// Returns `cargo build` with these arguments and compiler flags. What it builds does not depend on the folders.
    pub(crate) fn cargo_build(&self, arguments: &[&str], compiler_flags: &[&str]) -> Result<Command> {
        let mut build = cargo(["build", "--locked"]);
        build.args(arguments);
        build.current_dir(&self.sources).env("CARGO_HOME", &self.cargo).env("CARGO_TARGET_DIR", &self.target);
        // The message of a panic contains the path of its source file. This variable also overrides flags that were set
        // elsewhere.
        let compiler = self.ask_compiler("--print=sysroot")?;
        let standard_library = PathBuf::from(compiler).join("lib/rustlib/src/rust");
        let mut flags = OsString::new();
        for (path, name) in [
            (&self.sources, "/ksvc-router".to_owned()),
            (&self.target, "/target".to_owned()),
            (&self.cargo, "/cargo".to_owned()),
            (&standard_library, format!("/rustc/{}", self.commit_of_compiler()?)),
        ] {
            if !flags.is_empty() {
                flags.push("\u{1f}");
            }
            flags.push("--remap-path-prefix=");
            flags.push(path);
            flags.push(format!("={name}"));
        }
        for flag in compiler_flags {
            flags.push("\u{1f}");
            flags.push(flag);
        }
        build.env("CARGO_ENCODED_RUSTFLAGS", flags);
        Ok(build)
    }

    fn commit_of_compiler(&self) -> Result<String> {
        let version = self.ask_compiler("-vV")?;
        let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: "));
        Ok(commit.context("rustc -vV prints no commit-hash")?.to_owned())
    }

    fn ask_compiler(&self, what: &str) -> Result<String> {
        let mut compiler = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        let output = compiler.arg(what).current_dir(&self.sources).output().context("cannot start rustc")?;
        ensure!(output.status.success(), "rustc {what} failed ({})", output.status);
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }
}

fn cargo_home() -> Result<PathBuf> {
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".cargo"));
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home);
    Ok(home.context("neither CARGO_HOME nor HOME is set, so cargo's downloads can't be found")?.canonicalize()?)
}

fn target_folder() -> Result<PathBuf> {
    let target = testenv::target_folder();
    fs::create_dir_all(&target)?;
    Ok(target.canonicalize()?)
}

/// Copies the sources, without build results and git's data.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    copy_but(from, to, &["target", "dist", ".git"])
}

fn copy_but(from: &Path, to: &Path, left_out: &[&str]) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        match entry.file_type()? {
            kind if kind.is_dir() && !left_out.contains(&&*name.to_string_lossy()) => {
                copy_but(&entry.path(), &to.join(name), &[])?;
            }
            kind if kind.is_file() => _ = fs::copy(entry.path(), to.join(name))?,
            _ => {}
        }
    }
    Ok(())
}

fn command_line() -> Result<()> {
    let mut build = cargo(["build", "--release", "-p", "ksvc-router-cli", "--features", "page"]);
    build.env(page::VARIABLE, page::folder()?);
    step::run("Building the command line, dist/ksvc-router", build)?;
    keep(&testenv::target_folder().join("release/ksvc-router"), "ksvc-router")
}

/// Adds a target of the compiler if rustup reports that it is missing. Without rustup, the message of cargo says what is missing.
pub(crate) fn install_target(target: &str) -> Result<()> {
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "list", "--installed"]).current_dir(testenv::repository()).stderr(Stdio::null());
    let Ok(listed) = rustup.output() else { return Ok(()) };
    if !listed.status.success() || String::from_utf8_lossy(&listed.stdout).lines().any(|line| line == target) {
        return Ok(());
    }
    let mut add = Command::new("rustup");
    add.args(["target", "add", target]).current_dir(testenv::repository());
    step::run(&format!("Installing the Rust target {target}"), add)
}

/// Copies an artifact to `dist/` and then renames it, so that a reader sees the old file or the new one, never a part.
fn keep(artifact: &Path, name: &str) -> Result<()> {
    let kept = testenv::repository().join("dist").join(name);
    let new = kept.with_added_extension("new");
    fs::create_dir_all(kept.parent().context("a file is in a folder")?)?;
    fs::copy(artifact, &new).with_context(|| format!("the build left no {}", artifact.display()))?;
    fs::rename(&new, &kept)?;
    let built = fs::read(&kept)?;
    let shown = Path::new("dist").join(name);
    eprintln!("    {}: {} kB, sha256 {}", shown.display(), built.len() / 1000, sha256(&built));
    Ok(())
}

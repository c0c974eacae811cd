//! `cargo xtask build`: what is released, into `dist/`. Every test and benchmark uses these bytes.
//!
//! The plugin is reproducible: the same sources give the same bytes, wherever they lie and whoever builds them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::step::{self, cargo};

const TARGET: &str = "wasm32-wasip1";

pub(crate) fn all() -> Result<()> {
    plugin()?;
    command_line()
}

pub(crate) fn plugin() -> Result<()> {
    install_target()?;
    let places =
        Places { sources: testenv::repository().canonicalize()?, target: target_folder()?, cargo: cargo_home()? };
    step::run("Building the plugin, dist/plugin.wasm", places.build()?)?;
    keep(&places.artifact(), "plugin.wasm")
}

/// Builds the filter that does nothing, with which the benchmarks compare the plugin; it stays in the target folder.
pub(crate) fn no_op() -> Result<()> {
    let build = cargo(["build", "--locked", "--profile", "plugin", "--target", TARGET, "-p", "no-op"]);
    step::run("Building the filter that does nothing", build)
}

/// Builds the plugin once more, from a copy of its sources in another place with nothing built before, and compares.
pub(crate) fn reproduce() -> Result<()> {
    let elsewhere = tempfile::tempdir()?;
    let at = |name: &str| elsewhere.path().join(name);
    let places = Places { sources: at("sources"), target: at("built"), cargo: at("cargo") };
    copy(testenv::repository(), &places.sources)?;
    // Another home of cargo, with the same downloads in it.
    fs::create_dir(&places.cargo)?;
    std::os::unix::fs::symlink(cargo_home()?.join("registry"), places.cargo.join("registry"))?;
    step::run("Building the plugin again, from a copy in another place", places.build()?)?;
    let (again, released) = (fs::read(places.artifact())?, fs::read(testenv::plugin()?)?);
    ensure!(
        again == released,
        "dist/plugin.wasm (sha256 {}) is not what a copy of its sources gives ({}): a path, or something else of this \
         machine, is in it, or it was built from other sources",
        sha256(&released),
        sha256(&again)
    );
    eprintln!("    the same bytes, sha256 {}", sha256(&again));
    Ok(())
}

/// Where a build finds and leaves things. None of it may be seen in the plugin.
struct Places {
    sources: PathBuf,
    target: PathBuf,
    cargo: PathBuf,
}

impl Places {
    fn build(&self) -> Result<Command> {
        let mut build = cargo(["build", "--locked", "--profile", "plugin", "--target", TARGET, "-p", "ksvc-router"]);
        build.current_dir(&self.sources).env("CARGO_HOME", &self.cargo).env("CARGO_TARGET_DIR", &self.target);
        // A panic's message says where in the sources it was. Also in place of flags that others may have set.
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
        build.env("CARGO_ENCODED_RUSTFLAGS", flags);
        Ok(build)
    }

    fn artifact(&self) -> PathBuf {
        self.target.join(TARGET).join("plugin/ksvc_router.wasm")
    }

    fn commit_of_compiler(&self) -> Result<String> {
        let said = self.ask_compiler("-vV")?;
        let commit = said.lines().find_map(|line| line.strip_prefix("commit-hash: "));
        Ok(commit.context("rustc -vV says no commit-hash")?.to_owned())
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
    Ok(home.context("neither CARGO_HOME nor HOME says where cargo keeps what it fetches")?.canonicalize()?)
}

fn target_folder() -> Result<PathBuf> {
    let target = testenv::target_folder();
    fs::create_dir_all(&target)?;
    Ok(target.canonicalize()?)
}

/// The sources, without what is made of them.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        match entry.file_type()? {
            kind if kind.is_dir() && !["target", "dist", ".git"].contains(&&*name.to_string_lossy()) => {
                copy(&entry.path(), &to.join(name))?;
            }
            kind if kind.is_file() => _ = fs::copy(entry.path(), to.join(name))?,
            _ => {}
        }
    }
    Ok(())
}

fn command_line() -> Result<()> {
    let build = cargo(["build", "--release", "-p", "ksvc-router-cli"]);
    step::run("Building the command line, dist/ksvc-router", build)?;
    keep(&testenv::target_folder().join("release/ksvc-router"), "ksvc-router")
}

/// Adds the wasm target where rustup says that it lacks. Without rustup, cargo's own message has to do.
fn install_target() -> Result<()> {
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "list", "--installed"]).current_dir(testenv::repository()).stderr(Stdio::null());
    let Ok(listed) = rustup.output() else { return Ok(()) };
    if !listed.status.success() || String::from_utf8_lossy(&listed.stdout).lines().any(|line| line == TARGET) {
        return Ok(());
    }
    let mut add = Command::new("rustup");
    add.args(["target", "add", TARGET]).current_dir(testenv::repository());
    step::run(&format!("Installing the Rust target {TARGET}"), add)
}

/// Copies an artifact to `dist/` and moves it into place: who reads it sees the old or the new, never half.
fn keep(artifact: &Path, name: &str) -> Result<()> {
    let dist = testenv::repository().join("dist");
    fs::create_dir_all(&dist)?;
    let new = dist.join(format!("{name}.new"));
    fs::copy(artifact, &new).with_context(|| format!("the build left no {}", artifact.display()))?;
    fs::rename(&new, dist.join(name))?;
    let built = fs::read(dist.join(name))?;
    let shown = Path::new("dist").join(name);
    eprintln!("    {}: {} kB, sha256 {}", shown.display(), built.len() / 1000, sha256(&built));
    Ok(())
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

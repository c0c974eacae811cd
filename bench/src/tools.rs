//! The programs and modules of a run: Envoy, this project's module, the no-op module, and the other proxies if they are
//! installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

pub struct Tools {
    pub envoy: PathBuf,
    pub module: PathBuf,
    pub no_op: PathBuf,
    /// The program that is built from `bench/go-proxy`.
    pub go_proxy: Option<PathBuf>,
    pub nginx: Option<PathBuf>,
    /// For each missing program, why it is missing: `nginx: not installed`.
    pub missing: Vec<String>,
}

impl Tools {
    pub fn find() -> Result<Self> {
        let mut missing = Vec::new();
        let mut note = |found: Result<PathBuf>| found.map_err(|error| missing.push(format!("{error:#}"))).ok();
        let (go_proxy, nginx) = (note(go_proxy()), note(nginx()));
        Ok(Self {
            envoy: testenv::envoy::find()?,
            module: testenv::plugin()?,
            no_op: no_op()?,
            go_proxy,
            nginx,
            missing,
        })
    }

    /// Returns the name and the version of each program and module.
    pub fn versions(&self) -> Result<Vec<(String, String)>> {
        // `FOLDER/envoy  version: COMMIT/VERSION/Clean/RELEASE/BoringSSL`: the results must not name the folder.
        let envoy = output_of(Command::new(&self.envoy).arg("--version"))?;
        let version = envoy.split_once("version: ").and_then(|(_, version)| version.split('/').nth(1));
        let mut versions = vec![
            ("Envoy".to_owned(), version.with_context(|| format!("envoy --version: {envoy}"))?.to_owned()),
            ("rustc".to_owned(), output_of(Command::new("rustc").arg("--version")).unwrap_or_default()),
        ];
        if self.go_proxy.is_some() {
            versions.push(("Go".to_owned(), output_of(Command::new("go").arg("version"))?));
        }
        if let Some(nginx) = &self.nginx {
            versions.push(("nginx".to_owned(), output_of(Command::new(nginx).arg("-v"))?));
        }
        for (name, module) in [("module", &self.module), ("no-op", &self.no_op)] {
            versions.push((name.to_owned(), format!("{} bytes, sha256 {}", size(module)?, sha256(module)?)));
        }
        Ok(versions)
    }
}

/// Returns the module of the no-op filter, which is built from `bench/no-op`.
pub fn no_op() -> Result<PathBuf> {
    let path = testenv::target_folder().join("wasm32-wasip1/plugin/no_op.wasm");
    ensure!(path.is_file(), "{} is missing: run `cargo xtask bench` or `cargo xtask test`", path.display());
    Ok(path)
}

fn go_proxy() -> Result<PathBuf> {
    let program = testenv::target_folder().canonicalize()?.join("go-proxy");
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&program).arg(".").current_dir(testenv::repository().join("bench/go-proxy"));
    // The program uses only the standard library, so nothing may be downloaded.
    build.env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=mod").env("GOPROXY", "off").env("GOWORK", "off");
    output_of(&mut build).context("go: cannot build bench/go-proxy")?;
    Ok(program)
}

fn nginx() -> Result<PathBuf> {
    for folder in std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).chain(["/usr/sbin".into()]) {
        let path = folder.join("nginx");
        if path.is_file() {
            output_of(Command::new(&path).arg("-v"))?;
            return Ok(path);
        }
    }
    bail!("nginx: not installed")
}

/// Runs a program and returns what it prints to its standard output and its standard error.
fn output_of(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    ensure!(output.status.success(), "{name} failed ({}): {text}", output.status);
    Ok(text)
}

fn size(file: &Path) -> Result<u64> {
    Ok(std::fs::metadata(file)?.len())
}

fn sha256(file: &Path) -> Result<String> {
    use sha2::{Digest, Sha256};
    Ok(Sha256::digest(std::fs::read(file)?).iter().map(|byte| format!("{byte:02x}")).collect())
}

//! Builds the programs of the control plane with `go build`, from `testenv/istio/go.mod`. All clones of the repository
//! share the result in the user's cache folder, in a subfolder whose name is a hash of everything that it is built
//! from.
//!
//! It is written by hand because Istio publishes no binaries of pilot-agent and istiod outside of container images.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::{cache_folder, repository};

/// The version of Envoy that this version of Istio ships.
pub const ENVOY: &str = "1.39.3";

/// The file names of the programs. `server` is etcd, named after its Go package.
const PROGRAMS: [&str; 6] = ["server", "kube-apiserver", "kubectl", "pilot-discovery", "pilot-agent", "istioctl"];

/// The files of Istio's sources that are needed at run time: its CRDs, and the template of Envoy's bootstrap.
const FILES: [&str; 2] =
    ["manifests/charts/base/files/crd-all.gen.yaml", "tools/packaging/common/envoy_bootstrap.json"];

/// The release that is linked into kube-apiserver. Without one, it reports version 0 and serves no stable API.
const KUBERNETES: (&str, &str, &str) = ("v1.36.3", "1", "36");

/// The built programs.
#[derive(Debug, Clone)]
pub struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// Returns the programs in the cache folder. Builds them if they are not there, which takes ten minutes or more on
    /// two cores.
    pub fn find_or_build() -> Result<Self> {
        let folder = cache_folder()?.join(format!("control-plane-{:016x}", build_hash()?));
        let tools = Self { folder };
        if !tools.is_complete() {
            tools.build()?;
        }
        Ok(tools)
    }

    pub fn etcd(&self) -> PathBuf {
        self.program("server")
    }

    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }

    /// Returns the folder with all programs, for `PATH`.
    pub fn programs(&self) -> PathBuf {
        self.folder.join("bin")
    }

    pub fn crds(&self) -> PathBuf {
        self.folder.join("crd-all.gen.yaml")
    }

    pub fn bootstrap_template(&self) -> PathBuf {
        self.folder.join("envoy_bootstrap.json")
    }

    fn is_complete(&self) -> bool {
        PROGRAMS.iter().all(|name| self.program(name).is_file())
            && self.crds().is_file()
            && self.bootstrap_template().is_file()
    }

    fn build(&self) -> Result<()> {
        let version = go(&["version"]).output().ok().filter(|output| output.status.success());
        ensure!(
            version.is_some(),
            "the control plane is built from Go modules, but there is no `go` on PATH: install Go 1.26 or later \
             (https://go.dev/dl)"
        );
        eprintln!("==> Building Istio's control plane into {}", self.folder.display());
        eprintln!("    (once for all clones: 1.3 GB of Go modules, about ten minutes on two cores)");
        let begun = Instant::now();
        download()?;
        let parent = self.folder.parent().context("the cache folder has a parent")?;
        fs::create_dir_all(parent)?;
        // Built in a temporary folder and then renamed, so that half a build is never used.
        let work = tempfile::Builder::new().prefix("building-").tempdir_in(parent)?;
        compile(&work.path().join("bin"))?;

        let istio = output(&mut go(&["list", "-m", "-f", "{{.Dir}}", "istio.io/istio"]))?;
        for file in FILES {
            let from = Path::new(istio.trim()).join(file);
            let name = from.file_name().context("a file")?;
            fs::copy(&from, work.path().join(name)).with_context(|| format!("Istio's sources have no {file}"))?;
        }
        if let Err(error) = fs::rename(work.path(), &self.folder)
            && !self.is_complete()
        {
            return Err(error).with_context(|| format!("cannot move the programs to {}", self.folder.display()));
        }
        eprintln!("    {:.0} s", begun.elapsed().as_secs_f64());
        Ok(())
    }
}

/// Downloads the modules. This has an error message of its own, because only this part needs the network.
fn download() -> Result<()> {
    let status = go(&["mod", "download"]).status().context("cannot start go")?;
    ensure!(
        status.success(),
        "the Go modules of the control plane can't be downloaded ({status}); the messages of `go` are above. \
         `go env GOPROXY` shows where Go looks for them"
    );
    Ok(())
}

fn compile(into: &Path) -> Result<()> {
    fs::create_dir_all(into)?;
    let packages = output(&mut go(&["list", "-deps", "tool"]))?.lines().count();
    let (version, major, minor) = KUBERNETES;
    let variable = "-X k8s.io/component-base/version.git";
    let link_flags = format!("-s -w {variable}Version={version} {variable}Major={major} {variable}Minor={minor}");
    let mut build = go(&["build", "-v", "-ldflags", &link_flags, "-o"]);
    // With `-v`, go names each package that it compiles. It does not name those that it finds in its cache.
    let mut build = build.arg(into).arg("tool").stderr(Stdio::piped()).spawn().context("cannot start go")?;
    let output = BufReader::new(build.stderr.take().context("the messages of go")?);
    let terminal = std::io::stderr().is_terminal();
    let interval = if terminal { Duration::from_millis(200) } else { Duration::from_secs(30) };
    let (mut compiled, mut shown, mut messages) = (0, Instant::now(), Vec::new());
    for line in output.lines() {
        let line = line?;
        if line.contains(' ') || line.starts_with('#') {
            messages.push(line);
            continue;
        }
        compiled += 1;
        if shown.elapsed() >= interval {
            let (start, end) = if terminal { ("\r", "") } else { ("", "\n") };
            eprint!("{start}    compiled {compiled} packages of at most {packages}{end}");
            shown = Instant::now();
        }
    }
    if terminal {
        eprintln!();
    }
    let status = build.wait()?;
    ensure!(status.success(), "go build failed ({status}):\n{}", messages.join("\n"));
    Ok(())
}

/// Returns a go command in the folder of the control plane's module. It works without C, so that it needs nothing but a
/// Go toolchain.
fn go(arguments: &[&str]) -> Command {
    let mut go = Command::new("go");
    go.args(arguments)
        .current_dir(module_folder())
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly")
        .env("GOWORK", "off");
    go.stdin(Stdio::null());
    go
}

fn module_folder() -> PathBuf {
    repository().join("testenv/istio")
}

/// Returns a hash that changes with every version of a program and with the way it is built.
fn build_hash() -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    for file in ["go.mod", "go.sum"] {
        fs::read(module_folder().join(file)).with_context(|| format!("testenv/istio/{file}"))?.hash(&mut hasher);
    }
    (PROGRAMS, FILES, KUBERNETES, env::consts::ARCH).hash(&mut hasher);
    Ok(hasher.finish())
}

fn output(command: &mut Command) -> Result<String> {
    let output =
        command.output().with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
    if !output.status.success() {
        bail!("{command:?} failed ({}):\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

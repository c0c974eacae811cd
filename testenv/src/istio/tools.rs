//! The programs of the control plane, built by `go build` from `testenv/istio/go.mod` and kept for all clones in the
//! user's cache folder, under a name made of everything that they are built from.

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

/// Envoy as this version of Istio ships it.
pub const ENVOY: &str = "1.39.3";

/// The programs by their file names; etcd's is `server`, after its Go package.
const PROGRAMS: [&str; 6] = ["server", "kube-apiserver", "kubectl", "pilot-discovery", "pilot-agent", "istioctl"];

/// What of Istio's sources is needed while it runs: its CRDs, and the template of Envoy's bootstrap.
const FILES: [&str; 2] =
    ["manifests/charts/base/files/crd-all.gen.yaml", "tools/packaging/common/envoy_bootstrap.json"];

/// The release that kube-apiserver says it is; without, it takes itself for version 0 and serves no stable API.
const KUBERNETES: (&str, &str, &str) = ("v1.36.3", "1", "36");

/// The built programs.
#[derive(Debug, Clone)]
pub struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// Those of the cache folder; builds them where they lack, which takes ten minutes and more on two cores.
    pub fn find_or_build() -> Result<Self> {
        let folder = cache_folder()?.join(format!("control-plane-{:016x}", identity()?));
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

    /// The folder with all programs, for PATH.
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
            "the control plane is built from its Go modules, and there is no `go` on PATH: install Go 1.26 or later \
             (https://go.dev/dl)"
        );
        eprintln!("==> Building Istio's control plane into {}", self.folder.display());
        eprintln!("    (once for all clones: 1.3 GB of Go modules, about ten minutes on two cores)");
        let begun = Instant::now();
        download()?;
        let parent = self.folder.parent().context("the cache folder has a parent")?;
        fs::create_dir_all(parent)?;
        // Built beside its place and moved there whole: half a build is never taken for one.
        let work = tempfile::Builder::new().prefix("building-").tempdir_in(parent)?;
        compile(&work.path().join("bin"))?;

        let istio = output(&mut go(&["list", "-m", "-f", "{{.Dir}}", "istio.io/istio"]))?;
        for file in FILES {
            let from = Path::new(istio.trim()).join(file);
            let name = from.file_name().context("a file")?;
            fs::copy(&from, work.path().join(name)).with_context(|| format!("Istio's sources lack {file}"))?;
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

/// Fetches the modules; an error of its own, since this part needs the network.
fn download() -> Result<()> {
    let status = go(&["mod", "download"]).status().context("cannot start go")?;
    ensure!(
        status.success(),
        "the Go modules of the control plane can't be had ({status}); its messages are above. `go env GOPROXY` says \
         where Go looks for them"
    );
    Ok(())
}

fn compile(into: &Path) -> Result<()> {
    fs::create_dir_all(into)?;
    let packages = output(&mut go(&["list", "-deps", "tool"]))?.lines().count();
    let (version, major, minor) = KUBERNETES;
    let named = "-X k8s.io/component-base/version.git";
    let link = format!("-s -w {named}Version={version} {named}Major={major} {named}Minor={minor}");
    let mut build = go(&["build", "-v", "-ldflags", &link, "-o"]);
    // `-v` names each package that is compiled; what a cache already holds is not named.
    let mut build = build.arg(into).arg("tool").stderr(Stdio::piped()).spawn().context("cannot start go")?;
    let said = BufReader::new(build.stderr.take().context("go's messages")?);
    let terminal = std::io::stderr().is_terminal();
    let every = if terminal { Duration::from_millis(200) } else { Duration::from_secs(30) };
    let (mut compiled, mut shown, mut messages) = (0, Instant::now(), Vec::new());
    for line in said.lines() {
        let line = line?;
        if line.contains(' ') || line.starts_with('#') {
            messages.push(line);
            continue;
        }
        compiled += 1;
        if shown.elapsed() >= every {
            let (lead, end) = if terminal { ("\r", "") } else { ("", "\n") };
            eprint!("{lead}    compiled {compiled} packages of at most {packages}{end}");
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

/// Go in the folder of the control plane's module; without C, so that a Go toolchain is all it needs.
fn go(arguments: &[&str]) -> Command {
    let mut go = Command::new("go");
    go.args(arguments)
        .current_dir(module())
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "-mod=readonly")
        .env("GOWORK", "off");
    go.stdin(Stdio::null());
    go
}

fn module() -> PathBuf {
    repository().join("testenv/istio")
}

/// Changes with every version of a program and with how it is built.
fn identity() -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    for file in ["go.mod", "go.sum"] {
        fs::read(module().join(file)).with_context(|| format!("testenv/istio/{file}"))?.hash(&mut hasher);
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

//! Builds programs with `go build` from the Go modules of the repository, which have a `go.mod` and, except for
//! `testenv/grafana`, `testenv/collector` and `testenv/kubelet`, no code. All clones of the repository share the result in
//! the user's cache folder, in a subfolder whose name contains a hash of everything that the programs are built from.
//!
//! It is written by hand because these programs are published only in container images.

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

/// Programs that are built together, from one Go module.
#[derive(Debug, Hash)]
pub struct Programs {
    /// What the programs are, for messages.
    pub what: &'static str,
    /// How much has to be downloaded and how long the build takes on two cores, for messages.
    pub cost: &'static str,
    /// The name of the folder in the cache folder, without the hash.
    pub folder: &'static str,
    /// The folder with `go.mod`, from the root of the repository.
    pub module: &'static str,
    /// The file name and the Go package of each program.
    pub programs: &'static [(&'static str, &'static str)],
    /// The flags of the linker, besides `-s -w`.
    pub link_flags: &'static str,
    /// The files and folders of the sources that are needed at run time: the Go module, the path in it, and the name
    /// that the copy gets.
    pub sources: &'static [(&'static str, &'static str, &'static str)],
}

/// The folder of built programs.
#[derive(Debug, Clone)]
pub struct Built {
    folder: PathBuf,
}

impl Programs {
    /// Returns the programs in the cache folder. Builds them if they are not there.
    pub fn find_or_build(&self) -> Result<Built> {
        let built = Built { folder: cache_folder()?.join(format!("{}-{:016x}", self.folder, self.hash()?)) };
        if !self.are_in(&built) {
            self.build(&built)?;
        }
        Ok(built)
    }

    fn are_in(&self, built: &Built) -> bool {
        self.programs.iter().all(|(name, _)| built.program(name).is_file())
            && self.sources.iter().all(|(_, _, name)| built.source(name).exists())
    }

    fn build(&self, into: &Built) -> Result<()> {
        let version = self.go(&["version"]).output().ok().filter(|output| output.status.success());
        ensure!(
            version.is_some(),
            "{} must be built from Go modules, but there is no `go` on PATH: install Go 1.26 or later \
             (https://go.dev/dl)",
            self.what
        );
        eprintln!("==> Building {} into {}", self.what, into.folder.display());
        eprintln!("    (once for all clones: {})", self.cost);
        let begun = Instant::now();
        self.download()?;
        let parent = into.folder.parent().context("the cache folder has a parent")?;
        fs::create_dir_all(parent)?;
        // Built in a temporary folder and then renamed, so that half a build is never used.
        let work = tempfile::Builder::new().prefix("building-").tempdir_in(parent)?;
        let unfinished = Built { folder: work.path().to_owned() };
        if !self.programs.is_empty() {
            self.compile(&unfinished)?;
        }
        for (module, path, name) in self.sources {
            let module = output(&mut self.go(&["list", "-m", "-f", "{{.Dir}}", module]))?;
            copy(&Path::new(module.trim()).join(path), &unfinished.source(name))?;
        }
        if let Err(error) = fs::rename(work.path(), &into.folder)
            && !self.are_in(into)
        {
            return Err(error).with_context(|| format!("cannot move the programs to {}", into.folder.display()));
        }
        eprintln!("    {:.0} s", begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// Downloads the modules. This has an error message of its own, because only this part needs the network.
    fn download(&self) -> Result<()> {
        let status = self.go(&["mod", "download"]).status().context("cannot start go")?;
        ensure!(
            status.success(),
            "the Go modules of {} can't be downloaded ({status}); the messages of `go` are above. `go env GOPROXY` \
             shows where Go looks for them",
            self.what
        );
        Ok(())
    }

    fn compile(&self, into: &Built) -> Result<()> {
        fs::create_dir_all(into.programs())?;
        let packages = self.programs.iter().map(|(_, package)| *package);
        let dependencies: Vec<&str> = ["list", "-deps"].into_iter().chain(packages).collect();
        let mut progress = Progress::new(output(&mut self.go(&dependencies))?.lines().count());
        let link_flags = format!("-s -w {}", self.link_flags);
        for (name, package) in self.programs {
            let mut build = self.go(&["build", "-v", "-ldflags", &link_flags, "-o"]);
            // With `-v`, go names each package that it compiles. It does not name those that it finds in its cache.
            build.arg(into.program(name)).arg(package).stderr(Stdio::piped());
            let mut build = build.spawn().context("cannot start go")?;
            let mut messages = Vec::new();
            for line in BufReader::new(build.stderr.take().context("the messages of go")?).lines() {
                let line = line?;
                if line.contains(' ') || line.starts_with('#') {
                    messages.push(line);
                } else {
                    progress.compiled();
                }
            }
            let status = build.wait()?;
            ensure!(status.success(), "go build {package} failed ({status}):\n{}", messages.join("\n"));
        }
        progress.end();
        Ok(())
    }

    /// Returns a go command in the folder of the module. It works without C, so that it needs nothing but a Go
    /// toolchain.
    fn go(&self, arguments: &[&str]) -> Command {
        let mut go = Command::new("go");
        go.args(arguments).current_dir(repository().join(self.module)).stdin(Stdio::null());
        go.env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=readonly").env("GOWORK", "off");
        go
    }

    /// Returns a hash that changes with every version of a program and with the way it is built.
    fn hash(&self) -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        for file in ["go.mod", "go.sum"] {
            let file = Path::new(self.module).join(file);
            fs::read(repository().join(&file)).with_context(|| file.display().to_string())?.hash(&mut hasher);
        }
        let folder = repository().join(self.module);
        let files = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        let mut files = files.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "go"));
        files.sort();
        for file in files {
            fs::read(&file).with_context(|| file.display().to_string())?.hash(&mut hasher);
        }
        (self, env::consts::ARCH).hash(&mut hasher);
        Ok(hasher.finish())
    }
}

impl Built {
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs().join(name)
    }

    fn programs(&self) -> PathBuf {
        self.folder.join("bin")
    }

    /// Returns the copy of a file or folder of the sources.
    pub fn source(&self, name: &str) -> PathBuf {
        self.folder.join("sources").join(name)
    }
}

/// Shows how many packages are compiled: all the time on a terminal, and every 30 s in a log.
struct Progress {
    compiled: usize,
    packages: usize,
    terminal: bool,
    shown: Instant,
}

impl Progress {
    fn new(packages: usize) -> Self {
        Self { compiled: 0, packages, terminal: std::io::stderr().is_terminal(), shown: Instant::now() }
    }

    fn compiled(&mut self) {
        self.compiled += 1;
        let interval = if self.terminal { Duration::from_millis(200) } else { Duration::from_secs(30) };
        if self.shown.elapsed() >= interval {
            let (start, end) = if self.terminal { ("\r", "") } else { ("", "\n") };
            eprint!("{start}    compiled {} packages of at most {}{end}", self.compiled, self.packages);
            self.shown = Instant::now();
        }
    }

    fn end(&self) {
        if self.terminal {
            eprintln!();
        }
    }
}

/// Copies a file, or a folder with everything in it. Go's module cache is read-only, but the copies can be deleted.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let missing = || format!("the sources have no {}", from.display());
    if !from.is_dir() {
        fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
        let content = fs::read(from).with_context(missing)?;
        return fs::write(to, content).with_context(|| format!("cannot write {}", to.display()));
    }
    for entry in from.read_dir().with_context(missing)? {
        let name = entry?.file_name();
        copy(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

fn output(command: &mut Command) -> Result<String> {
    let output =
        command.output().with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
    if !output.status.success() {
        bail!("{command:?} failed ({}):\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

//! `cargo xtask fuzz`: runs the fuzz targets of `fuzz/`, starting from their committed corpora.
//!
//! It uses coverage without a sanitizer: the fuzzed code has no `unsafe`, and so the pinned stable toolchain is enough.
//! `cargo fuzz` only builds the targets. They are run from here, so that several run in parallel and the inputs that
//! they find go to a working corpus outside the repository.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::thread::available_parallelism;

use anyhow::{Context, Result, bail, ensure};

use crate::step;
use crate::tool;

const CARGO_FUZZ: &str = "0.13.2";

/// The targets, each with the maximum length of its inputs in bytes, and the number of inputs of a run without a time,
/// which takes about half a minute.
const TARGETS: [(&str, u32, u32); 5] = [
    ("configuration", 4096, 20_000),
    ("decide", 512, 50_000),
    ("hosts", 512, 500_000),
    ("paths", 512, 300_000),
    ("templates", 512, 500_000),
];

/// The time in seconds and the memory in MB that an input may use. More counts as a failure.
const LIMITS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=1024"];

pub(crate) struct Options {
    /// The names of the targets to run. If there are none, all targets run.
    pub(crate) targets: Vec<String>,
    /// How long each target runs, with random inputs. Without it, each target runs with a number of inputs that are the
    /// same on every machine, so that a failure can be repeated.
    pub(crate) seconds: Option<u32>,
    /// Whether the committed corpora are replaced by what was found.
    pub(crate) keep: bool,
    /// Runs this input alone.
    pub(crate) input: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut targets = Vec::new();
    for (name, length, runs) in TARGETS {
        if options.targets.is_empty() || options.targets.iter().any(|target| target == name) {
            targets.push(Target { name, length, runs });
        }
    }
    if let Some(unknown) = options.targets.iter().find(|target| TARGETS.iter().all(|(name, ..)| name != target)) {
        bail!("there is no target {unknown}; the targets are {}", TARGETS.map(|(name, ..)| name).join(", "));
    }
    build()?;
    if let Some(input) = &options.input {
        let [target] = &*targets else { bail!("name the target of the input") };
        let mut command = target.command();
        command.arg(std::path::absolute(input)?);
        return step::run(&format!("{} with {}", target.name, input.display()), command).map(|()| ExitCode::SUCCESS);
    }
    let parallel = available_parallelism().map_or(1, usize::from);
    let each = match options.seconds {
        Some(seconds) => format!("{seconds} s for each target"),
        None => "a fixed number of inputs for each target".to_owned(),
    };
    eprintln!("==> Fuzzing: {each}, {parallel} in parallel; logs in {}", folder().display());
    let mut failed = false;
    for group in targets.chunks(parallel) {
        let running = group.iter().map(|target| target.start(options.seconds)).collect::<Result<Vec<_>>>()?;
        for (target, child) in group.iter().zip(running) {
            failed |= !target.finish(child)?;
        }
    }
    if options.keep && !failed {
        for target in &targets {
            target.keep()?;
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn build() -> Result<()> {
    let mut build = Command::new(tool::installed("cargo-fuzz", CARGO_FUZZ)?);
    build.args(["build", "--sanitizer", "none", "--target-dir"]).arg(folder()).current_dir(testenv::repository());
    step::run("Building the fuzz targets (needs a C++ compiler, for libFuzzer)", build)
}

/// Returns the folder of everything that is built or found and is not committed.
fn folder() -> PathBuf {
    testenv::target_folder().join("fuzz")
}

struct Target {
    name: &'static str,
    length: u32,
    /// The number of inputs of a run without a time.
    runs: u32,
}

impl Target {
    /// Returns the command that runs the target, which contains libFuzzer.
    fn command(&self) -> Command {
        let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let mut command = Command::new(folder().join(triple).join("release").join(self.name));
        command.args(LIMITS).arg(format!("-max_len={}", self.length)).current_dir(testenv::repository());
        command.arg(format!("-artifact_prefix={}/", self.artifacts().display()));
        command
    }

    /// Returns the folder of the committed corpus, which is small.
    fn committed(&self) -> PathBuf {
        testenv::repository().join("fuzz/corpus").join(self.name)
    }

    /// Returns the folder of the working corpus, to which all runs on this machine add.
    fn working(&self) -> PathBuf {
        folder().join("corpus").join(self.name)
    }

    /// Returns an empty folder for the inputs that a run with a fixed number finds.
    fn empty(&self) -> Result<PathBuf> {
        let empty = folder().join("found").join(self.name);
        if empty.exists() {
            fs::remove_dir_all(&empty)?;
        }
        fs::create_dir_all(&empty)?;
        Ok(empty)
    }

    fn artifacts(&self) -> PathBuf {
        Path::new("fuzz/artifacts").join(self.name)
    }

    fn log(&self) -> PathBuf {
        folder().join(format!("{}.log", self.name))
    }

    fn start(&self, seconds: Option<u32>) -> Result<Child> {
        for folder in [self.working(), self.committed(), testenv::repository().join(self.artifacts())] {
            fs::create_dir_all(folder)?;
        }
        let log = File::create(self.log())?;
        let mut command = self.command();
        command.arg("-dict=fuzz/tokens.dict").stdout(log.try_clone()?).stderr(log);
        match seconds {
            Some(seconds) => command.arg(format!("-max_total_time={seconds}")).arg(self.working()),
            // Nothing but the code and the committed corpus may influence the inputs.
            None => command.args(["-seed=1", "-reload=0"]).arg(format!("-runs={}", self.runs)).arg(self.empty()?),
        };
        command.arg(self.committed());
        command.spawn().with_context(|| format!("cannot start the target {}", self.name))
    }

    /// Waits until the target ends and prints the result. Returns whether no input has failed.
    fn finish(&self, mut child: Child) -> Result<bool> {
        let status = child.wait()?;
        let log = String::from_utf8_lossy(&fs::read(self.log())?).into_owned();
        if status.success() {
            let runs = log.lines().find_map(|line| line.strip_prefix("Done ")).unwrap_or("unknown number of runs");
            let cover = log.lines().rfind(|line| line.contains(" cov: ")).and_then(|line| line.split_once(" cov: "));
            let cover = cover.and_then(|(_, behind)| behind.split_whitespace().next()).unwrap_or("?");
            eprintln!("    {:<14} {runs}, {cover} places in the code reached", self.name);
            return Ok(true);
        }
        let is_error = |line: &str| line.contains("panicked at") || line.contains("ERROR: libFuzzer");
        let messages = log.lines().skip_while(|line| !is_error(line));
        messages.take(40).for_each(|line| eprintln!("{line}"));
        let input = log.lines().find_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path);
        let name = self.name;
        match input {
            Some(input) => {
                eprintln!(
                    "error: {name}: failed with the input {input}\n  to repeat: cargo xtask fuzz {name} --input {input}"
                );
            }
            None => eprintln!("error: {name}: ended with {status}; see {}", self.log().display()),
        }
        Ok(false)
    }

    /// Replaces the committed corpus by the fewest inputs that reach the same code as both corpora together.
    fn keep(&self) -> Result<()> {
        let smallest = folder().join("kept").join(self.name);
        if smallest.exists() {
            fs::remove_dir_all(&smallest)?;
        }
        fs::create_dir_all(&smallest)?;
        fs::create_dir_all(self.committed())?;
        let mut merge = self.command();
        // Counts only which code is reached and not how often. Otherwise the corpus would have megabytes.
        merge.args(["-set_cover_merge=1", "-use_counters=0", "-verbosity=0"]);
        merge.arg(&smallest).arg(self.committed()).arg(self.working());
        merge.stdout(File::create(self.log())?).stderr(File::options().append(true).open(self.log())?);
        step::run(&format!("Keeping the corpus of {}", self.name), merge)?;
        let kept = fs::read_dir(&smallest)?.collect::<Result<Vec<_>, _>>()?;
        ensure!(!kept.is_empty(), "the merge of {} left no input; see {}", self.name, self.log().display());
        // The old corpus stays until the new one is complete.
        let new = self.committed().with_extension("new");
        fs::create_dir_all(&new)?;
        let mut size = 0;
        for entry in &kept {
            size += fs::copy(entry.path(), new.join(entry.file_name()))?;
        }
        fs::remove_dir_all(self.committed())?;
        fs::rename(&new, self.committed())?;
        eprintln!("    {} inputs, {} kB", kept.len(), size / 1000);
        Ok(())
    }
}

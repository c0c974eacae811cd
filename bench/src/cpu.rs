//! The CPU time of processes and threads, as the scheduler accounts for it. Time in which something else has the CPU does
//! not count.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Reads the CPU time of some processes or threads.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    sources: Vec<Source>,
}

#[derive(Debug, Clone)]
enum Source {
    /// All threads of a process and of its children.
    Process(u32),
    MainThread(u32),
    /// The threads of a process whose names have this prefix.
    Threads(u32, &'static str),
}

impl Meter {
    /// Measures Envoy's workers, without its main thread.
    pub fn workers(envoy: u32) -> Self {
        Self { sources: vec![Source::Threads(envoy, "wrk:worker_")] }
    }

    /// Measures the first thread of a process. In Envoy, this thread receives the configuration.
    pub fn main_thread(process: u32) -> Self {
        Self { sources: vec![Source::MainThread(process)] }
    }

    /// Measures whole processes, with their children.
    pub fn processes(ids: impl IntoIterator<Item = u32>) -> Self {
        Self { sources: ids.into_iter().map(Source::Process).collect() }
    }

    /// Returns the nanoseconds on a CPU so far. The account of a running thread is as old as its last scheduler tick.
    pub fn read(&self) -> Result<u64> {
        let mut sum = 0;
        for source in &self.sources {
            sum += match source {
                Source::Process(id) => process(*id)?,
                Source::MainThread(id) => cpu_time(Path::new(&format!("/proc/{id}/task/{id}")))?,
                Source::Threads(id, prefix) => threads(*id, prefix)?,
            };
        }
        Ok(sum)
    }
}

fn process(id: u32) -> Result<u64> {
    let mut sum = threads(id, "")?;
    for task in tasks(id)? {
        let file = task.join("children");
        let children = fs::read_to_string(&file);
        let children =
            children.with_context(|| format!("cannot read {}: the kernel must provide it", file.display()))?;
        for child in children.split_whitespace() {
            sum += process(child.parse()?)?;
        }
    }
    Ok(sum)
}

fn threads(id: u32, prefix: &str) -> Result<u64> {
    let mut sum = 0;
    for task in tasks(id)? {
        if fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with(prefix)) {
            sum += cpu_time(&task)?;
        }
    }
    Ok(sum)
}

fn tasks(id: u32) -> Result<Vec<PathBuf>> {
    let folder = format!("/proc/{id}/task");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {folder}: has the process ended?"))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

fn cpu_time(task: &Path) -> Result<u64> {
    let file = task.join("schedstat");
    let text = fs::read_to_string(&file)
        .with_context(|| format!("cannot read {}: the kernel must provide it", file.display()))?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}

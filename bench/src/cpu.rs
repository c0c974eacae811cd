//! The CPU that processes have used, by the scheduler's own accounts: not wall time, and nobody else's.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Whose CPU counts.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    of: Vec<Of>,
}

#[derive(Debug, Clone)]
enum Of {
    /// Every thread of it and of its children.
    Process(u32),
    MainThread(u32),
    /// The threads whose names begin so.
    Threads(u32, &'static str),
}

impl Meter {
    /// Envoy's workers, without its main thread.
    pub fn workers(envoy: u32) -> Self {
        Self { of: vec![Of::Threads(envoy, "wrk:worker_")] }
    }

    /// The thread that a process began with: of Envoy, the one that takes configuration in.
    pub fn main_thread(process: u32) -> Self {
        Self { of: vec![Of::MainThread(process)] }
    }

    /// Whole processes, with their children.
    pub fn processes(ids: impl IntoIterator<Item = u32>) -> Self {
        Self { of: ids.into_iter().map(Of::Process).collect() }
    }

    /// Nanoseconds on a CPU so far. A thread that runs right now is accounted up to its last tick.
    pub fn read(&self) -> Result<u64> {
        let mut sum = 0;
        for of in &self.of {
            sum += match of {
                Of::Process(id) => process(*id)?,
                Of::MainThread(id) => on_cpu(Path::new(&format!("/proc/{id}/task/{id}")))?,
                Of::Threads(id, prefix) => threads(*id, prefix)?,
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
        let children = children.with_context(|| format!("no {}: a kernel with it is needed", file.display()))?;
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
            sum += on_cpu(&task)?;
        }
    }
    Ok(sum)
}

fn tasks(id: u32) -> Result<Vec<PathBuf>> {
    let folder = format!("/proc/{id}/task");
    let entries = fs::read_dir(&folder).with_context(|| format!("no {folder}: has the process ended?"))?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
}

fn on_cpu(task: &Path) -> Result<u64> {
    let file = task.join("schedstat");
    let told =
        fs::read_to_string(&file).with_context(|| format!("no {}: a kernel with it is needed", file.display()))?;
    Ok(told.split(' ').next().unwrap_or_default().parse()?)
}

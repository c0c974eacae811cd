//! The machine and the date of a run.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::results::Machine;
use crate::tools::Tools;

pub fn machine(tools: &Tools) -> Result<Machine> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let field = |text: &str, name: &str| -> Option<String> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let kilobytes: Option<u64> = field(&memory, "MemTotal").and_then(|total| total.strip_suffix(" kB")?.parse().ok());
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(Machine {
        processor: field(&processors, "model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cores: std::thread::available_parallelism()?.get(),
        memory_bytes: kilobytes.context("/proc/meminfo has no MemTotal")? * 1024,
        kernel: release.trim().split('-').next().unwrap_or_default().to_owned(),
        versions: tools.versions()?,
    })
}

/// Returns today's date in UTC.
pub fn date() -> Result<String> {
    let output = Command::new("date").args(["-u", "+%F"]).output().context("cannot start date")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

//! The groups of measurements. Each group can be run alone.

mod chains;
mod filter;
mod gateway;
mod latency;
mod loading;
mod steps;

use std::time::Instant;

use anyhow::{Context, Result};

use crate::run::Run;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Group {
    /// CPU of one filter alone, isolated by chains of copies
    Filter,
    /// CPU of the filter by callback and host call
    Steps,
    /// CPU of the gateway against the number of routes
    Gateway,
    /// CPU of the gateway and every proxy in front of it
    Chains,
    /// Latency at a fixed rate
    Latency,
    /// Memory of a table, and the CPU and time to load it
    Loading,
}

impl Group {
    pub const ALL: [Self; 6] = [Self::Filter, Self::Steps, Self::Gateway, Self::Chains, Self::Latency, Self::Loading];

    /// Measures the group and adds the measurements to the results of the run.
    pub fn measure(self, run: &mut Run) -> Result<()> {
        eprintln!("==> {self:?}");
        let begun = Instant::now();
        let done = match self {
            Self::Filter => filter::measure(run),
            Self::Steps => steps::measure(run),
            Self::Gateway => gateway::measure(run),
            Self::Chains => chains::measure(run),
            Self::Latency => latency::measure(run),
            Self::Loading => loading::measure(run),
        };
        done.with_context(|| format!("{self:?}"))?;
        eprintln!("    {:.0} s", begun.elapsed().as_secs_f64());
        Ok(())
    }
}

//! What is measured, in groups that can be run alone.

mod chains;
mod filter;
mod gateway;
mod latency;
mod loading;
mod steps;

use std::time::Instant;

use anyhow::{Context, Result};

use crate::run::Bench;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Group {
    /// One filter alone, by chains of copies
    Filter,
    /// Where the filter's time goes, call by call
    Steps,
    /// The gateway's CPU against the number of routes
    Gateway,
    /// The CPU of all processes of whole chains
    Chains,
    /// Latency at a fixed rate
    Latency,
    /// Memory, and what it costs to take up a table
    Loading,
}

impl Group {
    pub const ALL: [Self; 6] = [Self::Filter, Self::Steps, Self::Gateway, Self::Chains, Self::Latency, Self::Loading];

    /// Measures, into the results.
    pub fn run(self, bench: &mut Bench) -> Result<()> {
        eprintln!("==> {self:?}");
        let begun = Instant::now();
        let done = match self {
            Self::Filter => filter::run(bench),
            Self::Steps => steps::run(bench),
            Self::Gateway => gateway::run(bench),
            Self::Chains => chains::run(bench),
            Self::Latency => latency::run(bench),
            Self::Loading => loading::run(bench),
        };
        done.with_context(|| format!("{self:?}"))?;
        eprintln!("    {:.0} s", begun.elapsed().as_secs_f64());
        Ok(())
    }
}

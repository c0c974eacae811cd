//! What is measured, in groups that can be run alone.

mod chains;
mod filter;
mod gateway;
mod latency;
mod loading;
mod steps;

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::contest::{self, Contestant, Pace, combine};
use crate::results::{Latency, Measurement, Quantity, Ratio, Results, Spread};
use crate::table::{Request, Table};
use crate::tools::Tools;
use crate::variant::{System, Variant};

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
}

/// One run.
pub struct Bench {
    pub tools: Tools,
    pub upstream: SocketAddr,
    /// Numbers of routes, the smallest first.
    pub sizes: Vec<usize>,
    pub pace: Pace,
    pub latency: latency::Pace,
    /// How often a table is taken up.
    pub edits: usize,
    pub results: Results,
}

pub use latency::Pace as LatencyPace;

impl Bench {
    /// Measures, into the results.
    pub fn run(&mut self, group: Group) -> Result<()> {
        eprintln!("==> {group:?}");
        let begun = Instant::now();
        let done = match group {
            Group::Filter => filter::run(self),
            Group::Steps => steps::run(self),
            Group::Gateway => gateway::run(self),
            Group::Chains => chains::run(self),
            Group::Latency => latency::run(self),
            Group::Loading => loading::run(self),
        };
        done.with_context(|| format!("{group:?}"))?;
        eprintln!("    {:.0} s", begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// Those of the variants that are there and can do the table; what can't is noted.
    fn able(&mut self, variants: &[Variant], table: &Table) -> Vec<Variant> {
        let mut able = variants.to_vec();
        able.retain(|variant| variant.is_available(&self.tools));
        able.retain(|variant| match variant.refuses(table) {
            None => true,
            Some(reason) => {
                self.skip(format!("{}: {} routes, {}: {reason}", variant.name(), table.routes.len(), table.name));
                false
            }
        });
        able
    }

    fn skip(&mut self, what: String) {
        if !self.results.skipped.contains(&what) {
            eprintln!("    left out: {what}");
            self.results.skipped.push(what);
        }
    }

    fn start(&self, variant: Variant, table: &Table) -> Result<System> {
        variant.start(&self.tools, table, self.upstream)
    }

    fn latency(&mut self, latency: Latency) {
        self.results.latencies.push(latency);
    }

    /// `against` are the values of the same rounds that these are divided by, and whose they are.
    fn note(
        &mut self,
        quantity: Quantity,
        variant: &str,
        table: (&str, usize),
        request: &str,
        values: &[f64],
        against: Option<(&str, &[f64])>,
    ) {
        let value = Spread::of(values);
        let ratio = against.map(|(against, held)| Ratio {
            against: against.to_owned(),
            spread: Spread::of(&combine(values, held, |value, held| value / held)),
        });
        let shown = ratio
            .as_ref()
            .map_or_else(String::new, |ratio| format!("{:>8.2} x {}", ratio.spread.median, ratio.against));
        eprintln!(
            "    {:<11} {variant:<16} {:<11} {:>6} {request:<12} {:>12.0} {:>12.0} {:>12.0} {shown}",
            format!("{quantity:?}"),
            table.0,
            table.1,
            value.least,
            value.median,
            value.most
        );
        self.results.measurements.push(Measurement {
            quantity,
            variant: variant.to_owned(),
            table: table.0.to_owned(),
            routes: table.1,
            request: request.to_owned(),
            value,
            ratio,
        });
    }
}

/// Systems that run, and what they are asked.
#[derive(Default)]
struct Field {
    systems: Vec<System>,
    contestants: Vec<Contestant>,
    /// Of each contestant.
    asked: Vec<(Variant, Request)>,
}

impl Field {
    /// Starts a system, and has it measured with each of these requests that it can tell.
    fn add(&mut self, system: System, table: &Table, requests: &[Request], whole_chain: bool) -> Result<()> {
        for request in requests {
            let Some(load) = system.load(table, *request)? else { continue };
            let meter = if whole_chain { system.meter() } else { system.gateway_meter() };
            let name = format!("{}, {}, {}", system.variant.name(), table.name, request.name());
            self.contestants.push(Contestant { name, load, meter });
            self.asked.push((system.variant, *request));
        }
        self.systems.push(system);
        Ok(())
    }

    /// Measures all of them, and notes each beside the first.
    fn run(mut self, bench: &mut Bench, quantity: Quantity, table: &Table) -> Result<()> {
        let values = contest::run(&mut self.contestants, bench.pace)?;
        for ((variant, request), held) in self.asked.iter().zip(&values) {
            let against = Some((self.asked[0].0.name(), &values[0][..]));
            let of = (&*table.name, table.routes.len());
            bench.note(quantity, variant.name(), of, request.name(), held, against);
        }
        Ok(())
    }
}

//! One run of the benchmark: what it is done with, and what it has measured so far.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;

use crate::contest::{self, Contestant, Pace, combine};
use crate::results::{Latency, Measurement, Quantity, Ratio, Results, Spread};
use crate::table::{Request, Table};
use crate::tools::Tools;
use crate::variant::{System, Variant};

/// One run.
pub struct Bench {
    pub tools: Tools,
    pub upstream: SocketAddr,
    /// Numbers of routes, the smallest first.
    pub sizes: Vec<usize>,
    pub pace: Pace,
    pub latency: LatencyPace,
    /// How often a table is taken up.
    pub edits: usize,
    pub results: Results,
}

impl Bench {
    /// Those of the variants that are there and can do the table; what can't is noted.
    pub(crate) fn able(&mut self, variants: &[Variant], table: &Table) -> Vec<Variant> {
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

    pub(crate) fn start(&self, variant: Variant, table: &Table) -> Result<System> {
        variant.start(&self.tools, table, self.upstream)
    }

    pub(crate) fn latency(&mut self, latency: Latency) {
        self.results.latencies.push(latency);
    }

    /// `against` are the values of the same rounds that these are divided by, and whose they are.
    pub(crate) fn note(
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

#[derive(Debug, Clone, Copy)]
pub struct LatencyPace {
    /// Requests a second.
    pub rate: u32,
    pub rounds: usize,
    /// Of each variant in each round.
    pub turn: Duration,
}

/// Systems that run, and what they are asked.
#[derive(Default)]
pub(crate) struct Field {
    systems: Vec<System>,
    contestants: Vec<Contestant>,
    /// Of each contestant.
    asked: Vec<(Variant, Request)>,
}

impl Field {
    /// Starts a system, and has it measured with each of these requests that it can tell.
    pub(crate) fn add(&mut self, system: System, table: &Table, requests: &[Request], whole_chain: bool) -> Result<()> {
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
    pub(crate) fn run(mut self, bench: &mut Bench, quantity: Quantity, table: &Table) -> Result<()> {
        let values = contest::run(&mut self.contestants, bench.pace)?;
        for ((variant, request), held) in self.asked.iter().zip(&values) {
            let against = Some((self.asked[0].0.name(), &values[0][..]));
            let of = (&*table.name, table.routes.len());
            bench.note(quantity, variant.name(), of, request.name(), held, against);
        }
        Ok(())
    }
}

//! One run of the benchmark: its settings, and the results so far.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;

use crate::results::{Measurement, Quantity, Ratio, Results, Spread};
use crate::rounds::{self, Candidate, Schedule, combine};
use crate::table::{RequestKind, Table};
use crate::tools::Tools;
use crate::variant::{System, Variant};

pub struct Run {
    pub tools: Tools,
    pub upstream: SocketAddr,
    /// Numbers of routes, the smallest first.
    pub sizes: Vec<usize>,
    pub schedule: Schedule,
    pub latency: LatencySchedule,
    /// The number of edits to a new table that are measured.
    pub edits: usize,
    pub results: Results,
}

#[derive(Debug, Clone, Copy)]
pub struct LatencySchedule {
    /// Requests per second.
    pub rate: u32,
    pub rounds: usize,
    /// The time for which each variant runs in each round.
    pub turn: Duration,
}

impl Run {
    /// Returns the variants that are installed and support the table. Records those that do not support it as skipped.
    pub(crate) fn supported(&mut self, variants: &[Variant], table: &Table) -> Vec<Variant> {
        let mut supported = variants.to_vec();
        supported.retain(|variant| variant.is_available(&self.tools));
        supported.retain(|variant| match variant.reason_to_skip(table) {
            None => true,
            Some(reason) => {
                self.skip(format!("{}: {} routes, {}: {reason}", variant.name(), table.routes.len(), table.name));
                false
            }
        });
        supported
    }

    fn skip(&mut self, what: String) {
        if !self.results.skipped.contains(&what) {
            eprintln!("    skipped: {what}");
            self.results.skipped.push(what);
        }
    }

    pub(crate) fn start(&self, variant: Variant, table: &Table) -> Result<System> {
        variant.start(&self.tools, table, self.upstream)
    }

    /// Prints a measurement and adds it to the results.
    ///
    /// `table` is the name of the table and its number of routes. `against` is the name of another variant and its values
    /// of the same rounds, to which the ratio is made.
    pub(crate) fn record(
        &mut self,
        quantity: Quantity,
        variant: &str,
        table: (&str, usize),
        request: &str,
        values: &[f64],
        against: Option<(&str, &[f64])>,
    ) {
        let value = Spread::of(values);
        let ratio = against.map(|(against, others)| Ratio {
            against: against.to_owned(),
            spread: Spread::of(&combine(values, others, |value, other| value / other)),
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

/// Systems that run at the same time and are measured in the same rounds.
#[derive(Default)]
pub(crate) struct Comparison {
    systems: Vec<System>,
    candidates: Vec<Candidate>,
    /// The variant and the kind of request of each candidate.
    kinds: Vec<(Variant, RequestKind)>,
}

impl Comparison {
    /// Adds a system, with one candidate for each of these kinds of requests that the variant supports.
    pub(crate) fn add(
        &mut self,
        system: System,
        table: &Table,
        requests: &[RequestKind],
        whole_chain: bool,
    ) -> Result<()> {
        for request in requests {
            let Some(load) = system.load(table, *request)? else { continue };
            let meter = if whole_chain { system.meter() } else { system.gateway_meter() };
            let name = format!("{}, {}, {}", system.variant.name(), table.name, request.name());
            self.candidates.push(Candidate { name, load, meter });
            self.kinds.push((system.variant, *request));
        }
        self.systems.push(system);
        Ok(())
    }

    /// Measures all candidates and records each of them with its ratio to the first.
    pub(crate) fn measure(mut self, run: &mut Run, quantity: Quantity, table: &Table) -> Result<()> {
        let values = rounds::run(&mut self.candidates, run.schedule)?;
        for ((variant, request), own_values) in self.kinds.iter().zip(&values) {
            let against = Some((self.kinds[0].0.name(), &values[0][..]));
            let table = (&*table.name, table.routes.len());
            run.record(quantity, variant.name(), table, request.name(), own_values, against);
        }
        Ok(())
    }
}

//! Latency at a fixed rate, the variants in turn.

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::paced;
use crate::results;
use crate::run::{Bench, LatencyPace};
use crate::table::{Request, Shape, Table};
use crate::variant::Variant;

const VARIANTS: [Variant; 6] =
    [Variant::Bare, Variant::NoOp, Variant::Ours, Variant::Go, Variant::Nginx, Variant::SecondPass];
const ROUTES: usize = 1000;

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let LatencyPace { rate, rounds, turn } = bench.latency;
    let table = Table::new(Shape::Parameters, ROUTES);
    let mut systems = Vec::new();
    for variant in bench.able(&VARIANTS, &table) {
        systems.push((bench.start(variant, &table)?, Histogram::<u64>::new(3)?));
    }
    for round in 0..=rounds {
        for (system, histogram) in &mut systems {
            let Some(requests) = system.variant.requests(&table, Request::Hit) else { continue };
            // The first warms up.
            let turn = if round == 0 { turn / 10 } else { turn };
            let latencies = paced::run(system.address(), &requests, rate, turn)?;
            if round > 0 {
                histogram.add(latencies)?;
            }
        }
    }
    for (system, histogram) in &systems {
        let percentiles: Vec<_> = PERCENTILES.iter().map(|at| (*at, microseconds(histogram, *at))).collect();
        let shown = [50.0, 90.0, 99.0, 99.9].map(|at| format!("{:>8.0}", microseconds(histogram, at)));
        eprintln!("    {:<22} {} us at 50, 90, 99, 99.9 %", system.variant.name(), shown.join(" "));
        bench.latency(results::Latency {
            variant: system.variant.name().to_owned(),
            routes: ROUTES,
            rate,
            requests: histogram.len(),
            percentiles,
        });
    }
    Ok(())
}

const PERCENTILES: [f64; 24] = [
    0.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 75.0, 80.0, 85.0, 90.0, 92.5, 95.0, 97.0, 98.0, 99.0, 99.5,
    99.7, 99.9, 99.95, 99.97, 99.99,
];

/// The histogram holds nanoseconds.
fn microseconds(histogram: &Histogram<u64>, percentile: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let nanoseconds = histogram.value_at_percentile(percentile) as f64;
    nanoseconds / 1e3
}

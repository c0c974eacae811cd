//! Latency at a fixed rate. The variants take turns.

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::paced;
use crate::results::Latency;
use crate::run::{LatencySchedule, Run};
use crate::table::{RequestKind, Shape, Table};
use crate::variant::Variant;

const VARIANTS: [Variant; 6] =
    [Variant::Bare, Variant::NoOp, Variant::Ours, Variant::Go, Variant::Nginx, Variant::SecondPass];
const ROUTES: usize = 1000;

pub(super) fn measure(run: &mut Run) -> Result<()> {
    let LatencySchedule { rate, rounds, turn } = run.latency;
    let table = Table::new(Shape::Parameters, ROUTES);
    let mut systems = Vec::new();
    for variant in run.supported(&VARIANTS, &table) {
        systems.push((run.start(variant, &table)?, Histogram::<u64>::new(3)?));
    }
    for round in 0..=rounds {
        for (system, histogram) in &mut systems {
            let Some(requests) = system.variant.requests(&table, RequestKind::Hit) else { continue };
            // The first round warms up.
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
        run.results.latencies.push(Latency {
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

/// Returns a percentile of a histogram of nanoseconds.
fn microseconds(histogram: &Histogram<u64>, percentile: f64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let nanoseconds = histogram.value_at_percentile(percentile) as f64;
    nanoseconds / 1e3
}

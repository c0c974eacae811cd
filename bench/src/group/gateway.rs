//! The CPU of the gateway's process, with a service behind it, against the number of routes.

use anyhow::Result;

use crate::results::Quantity;
use crate::run::{Comparison, Run};
use crate::table::{RequestKind, Shape, Table};
use crate::variant::Variant;

const VARIANTS: [Variant; 6] =
    [Variant::Bare, Variant::NoOp, Variant::Ours, Variant::Lua, Variant::Native, Variant::MatcherTree];

pub(super) fn measure(run: &mut Run) -> Result<()> {
    for routes in run.sizes.clone() {
        measure_table(run, &Table::new(Shape::Static, routes), &[RequestKind::Hit])?;
        measure_table(run, &Table::new(Shape::Parameters, routes), &RequestKind::ALL)?;
    }
    measure_table(run, &Table::public_api(), &RequestKind::ALL)
}

fn measure_table(run: &mut Run, table: &Table, requests: &[RequestKind]) -> Result<()> {
    let mut comparison = Comparison::default();
    for variant in run.supported(&VARIANTS, table) {
        comparison.add(run.start(variant, table)?, table, requests, false)?;
    }
    comparison.measure(run, Quantity::GatewayCpu, table)
}

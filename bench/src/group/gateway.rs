//! The CPU of the gateway's process, with a service behind it, against the number of routes.

use anyhow::Result;

use crate::results::Quantity;
use crate::run::{Bench, Field};
use crate::table::{Request, Shape, Table};
use crate::variant::Variant;

const VARIANTS: [Variant; 6] =
    [Variant::Bare, Variant::NoOp, Variant::Ours, Variant::Lua, Variant::Native, Variant::MatcherTree];

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    for routes in bench.sizes.clone() {
        measure(bench, &Table::new(Shape::Static, routes), &[Request::Hit])?;
        measure(bench, &Table::new(Shape::Parameters, routes), &Request::ALL)?;
    }
    measure(bench, &Table::public_api(), &Request::ALL)
}

fn measure(bench: &mut Bench, table: &Table, requests: &[Request]) -> Result<()> {
    let mut field = Field::default();
    for variant in bench.able(&VARIANTS, table) {
        field.add(bench.start(variant, table)?, table, requests, false)?;
    }
    field.run(bench, Quantity::GatewayCpu, table)
}

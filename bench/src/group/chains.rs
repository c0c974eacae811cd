//! The CPU of all processes between a client and its service, for the chains that users have.

use anyhow::Result;

use crate::results::Quantity;
use crate::run::{Bench, Field};
use crate::table::{Request, Shape, Table};
use crate::variant::Variant;

const VARIANTS: [Variant; 5] = [Variant::Bare, Variant::Ours, Variant::Go, Variant::Nginx, Variant::SecondPass];

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    for table in [Table::new(Shape::Parameters, 1), Table::new(Shape::Parameters, 1000), Table::public_api()] {
        let mut field = Field::default();
        for variant in bench.able(&VARIANTS, &table) {
            field.add(bench.start(variant, &table)?, &table, &[Request::Hit], true)?;
        }
        field.run(bench, Quantity::ChainCpu, &table)?;
    }
    Ok(())
}

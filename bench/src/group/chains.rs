//! The CPU of all processes between a client and its service, for the chains of proxies that users have.

use anyhow::Result;

use crate::results::Quantity;
use crate::run::{Comparison, Run};
use crate::table::{RequestKind, Shape, Table};
use crate::variant::Variant;

const VARIANTS: [Variant; 5] = [Variant::Bare, Variant::Ours, Variant::Go, Variant::Nginx, Variant::SecondPass];

pub(super) fn measure(run: &mut Run) -> Result<()> {
    for table in [Table::new(Shape::Parameters, 1), Table::new(Shape::Parameters, 1000), Table::public_api()] {
        let mut comparison = Comparison::default();
        for variant in run.supported(&VARIANTS, &table) {
            comparison.add(run.start(variant, &table)?, &table, &[RequestKind::Hit], true)?;
        }
        comparison.measure(run, Quantity::ChainCpu, &table)?;
    }
    Ok(())
}

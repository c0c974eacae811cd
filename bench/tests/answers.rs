//! Every variant that is measured answers right: what it is to be compared for is the same work.

use std::net::SocketAddr;

use anyhow::Result;
use bench::table::{Shape, Table};
use bench::tools::Tools;
use bench::upstream;
use bench::variant::Variant;

fn starts(variant: Variant, tools: &Tools, upstream: SocketAddr) -> Result<()> {
    // A start ends with requests of every kind, each of which must have the right status and reach the right service.
    let mut parameters = Table::public_api();
    if variant.refuses(&parameters).is_some() {
        parameters = Table::new(Shape::Parameters, 20);
    }
    for table in [Table::new(Shape::Static, 20), parameters] {
        variant.start(tools, &table, upstream)?;
    }
    Ok(())
}

#[test]
fn every_variant_routes_each_request_to_its_service() {
    let tools = Tools::find().unwrap();
    for absent in &tools.absent {
        println!("left out: {absent}");
    }
    let upstream = upstream::start().unwrap();
    let present = Variant::ALL.into_iter().filter(|variant| variant.is_available(&tools));
    let wrong: Vec<_> = present.filter_map(|variant| starts(variant, &tools, upstream).err()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

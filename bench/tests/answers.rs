//! Every measured variant gives the right responses, so that the benchmark compares the same work.

use std::net::SocketAddr;

use anyhow::Result;
use bench::table::{Shape, Table};
use bench::tools::Tools;
use bench::upstream;
use bench::variant::Variant;

fn starts(variant: Variant, tools: &Tools, upstream: SocketAddr) -> Result<()> {
    // `start` sends requests of every kind and checks the status of each response and the service that it comes from.
    let mut parameters = Table::public_api();
    if variant.reason_to_skip(&parameters).is_some() {
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
    for missing in &tools.missing {
        println!("skipped: {missing}");
    }
    let upstream = upstream::start().unwrap();
    let available = Variant::ALL.into_iter().filter(|variant| variant.is_available(&tools));
    let errors: Vec<_> = available.filter_map(|variant| starts(variant, &tools, upstream).err()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

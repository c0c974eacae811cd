//! `bench compare A.wasm B.wasm …` measures the cost of one copy of each module, and that of the no-op filter.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use crate::chain::{Chain, Link};
use crate::ecds;
use crate::load::{CONNECTIONS, Load};
use crate::results::Spread;
use crate::rounds::{self, Candidate, Schedule, combine};
use crate::table::{HOST, RequestKind, Shape, Table};

pub struct Options {
    pub modules: Vec<PathBuf>,
    pub no_op: PathBuf,
    pub routes: usize,
    pub copies: u32,
    pub schedule: Schedule,
    /// The number of times that all chains are started. The memory layout of a process affects its speed by chance, so the
    /// spread must contain several processes.
    pub starts: usize,
}

/// Measures the modules and prints the results.
pub fn run(envoy: &Path, options: &Options) -> Result<()> {
    let Options { modules, routes, copies, schedule, starts, .. } = options;
    println!(
        "{routes} routes, {copies} copies; {starts} starts of {} rounds of {} ms each; smallest/median/largest value",
        schedule.rounds,
        schedule.turn.as_millis()
    );
    for (shape, request) in
        [(Shape::Static, RequestKind::Hit), (Shape::Parameters, RequestKind::Hit), (Shape::Static, RequestKind::Miss)]
    {
        let table = Table::new(shape, *routes);
        let mut control = Vec::new();
        let mut costs = vec![Vec::new(); modules.len() + 1];
        for _ in 0..*starts {
            let values = values(envoy, options, &table, request)?;
            control.extend(&values[0]);
            for (costs, chain) in costs.iter_mut().zip(&values[1..]) {
                costs.extend(combine(chain, &values[0], |chain, control| (chain - control) / f64::from(*copies)));
            }
        }
        println!("\n{:<40} {:>23} {:>20}", format!("{} {}", request.name(), shape.name()), "ns per copy", "x no-op");
        println!("{:<40} {:>23}", "(the whole chain without the filter)", shown(&control, 0));
        let names = modules.iter().map(|module| module.display().to_string());
        for (name, cost) in ["no-op".to_owned()].into_iter().chain(names).zip(&costs) {
            let ratio = combine(cost, &costs[0], |cost, no_op| cost / no_op);
            println!("{name:<40} {:>23} {:>20}", shown(cost, 0), shown(&ratio, 2));
        }
    }
    Ok(())
}

/// Returns the values of the chain without copies, of the no-op filter, and of each module.
fn values(envoy: &Path, options: &Options, table: &Table, request: RequestKind) -> Result<Vec<Vec<f64>>> {
    let document = table.document();
    let link = |filter| Link { reset: Some(HOST), filter, ..Link::default() };
    let mut links = vec![
        ("control".to_owned(), link(None)),
        ("no-op".to_owned(), link(Some(ecds::wasm(&options.no_op, &json!({}), 1)?))),
    ];
    for module in &options.modules {
        links.push((module.display().to_string(), link(Some(ecds::wasm(module, &document, 1)?))));
    }
    let (mut chains, mut candidates) = (Vec::new(), Vec::new());
    for (number, (name, link)) in links.into_iter().enumerate() {
        let chain = Chain::start(envoy, &link, options.copies).with_context(|| name.clone())?;
        for route in table.sample().into_iter().take(20) {
            let (path, is_routed) = (request.path(route), number >= 2 && request == RequestKind::Hit);
            let authority = if is_routed { route.authority() } else { HOST.to_owned() };
            chain.check("GET", HOST, &path, &authority).with_context(|| name.clone())?;
        }
        let load = Load::open(chain.envoy.address, CONNECTIONS, table.requests(request, 200))?;
        candidates.push(Candidate { name, load, meter: chain.meter.clone() });
        chains.push(chain);
    }
    rounds::run(&mut candidates, options.schedule)
}

fn shown(values: &[f64], decimals: usize) -> String {
    let Spread { least, median, most, .. } = Spread::of(values);
    format!("{least:.decimals$}/{median:.decimals$}/{most:.decimals$}")
}

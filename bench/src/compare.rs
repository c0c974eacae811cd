//! `bench compare A.wasm B.wasm …`: what one copy of each module costs, beside the filter that does nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;

use crate::chain::{Chain, Link};
use crate::contest::{self, Contestant, Pace, combine};
use crate::ecds;
use crate::load::{CONNECTIONS, Load};
use crate::results::Spread;
use crate::table::{HOST, Request, Shape, Table};

pub struct Options {
    pub modules: Vec<PathBuf>,
    pub no_op: PathBuf,
    pub routes: usize,
    pub copies: u32,
    pub pace: Pace,
    /// How often all is started anew: what luck a process has with its memory is in the spread as well.
    pub starts: usize,
}

/// Prints as it goes.
pub fn run(envoy: &Path, options: &Options) -> Result<()> {
    let Options { modules, routes, copies, pace, starts, .. } = options;
    println!(
        "{routes} routes, {copies} copies; {starts} starts of {} rounds of {} ms each; least/median/most",
        pace.rounds,
        pace.turn.as_millis()
    );
    for (shape, request) in
        [(Shape::Static, Request::Hit), (Shape::Parameters, Request::Hit), (Shape::Static, Request::Miss)]
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
        println!("\n{:<40} {:>23} {:>20}", format!("{} {}", request.name(), shape.name()), "ns a copy", "x no-op");
        println!("{:<40} {:>23}", "(the chain without them, all of it)", shown(&control, 0));
        let names = modules.iter().map(|module| module.display().to_string());
        for (name, cost) in ["no-op".to_owned()].into_iter().chain(names).zip(&costs) {
            let ratio = combine(cost, &costs[0], |cost, no_op| cost / no_op);
            println!("{name:<40} {:>23} {:>20}", shown(cost, 0), shown(&ratio, 2));
        }
    }
    Ok(())
}

/// Of the chain without copies, of the filter that does nothing, and of each module.
fn values(envoy: &Path, options: &Options, table: &Table, request: Request) -> Result<Vec<Vec<f64>>> {
    let document = table.document();
    let link = |filter| Link { reset: Some(HOST), filter, ..Link::default() };
    let mut links = vec![
        ("control".to_owned(), link(None)),
        ("no-op".to_owned(), link(Some(ecds::wasm(&options.no_op, &json!({}), 1)?))),
    ];
    for module in &options.modules {
        links.push((module.display().to_string(), link(Some(ecds::wasm(module, &document, 1)?))));
    }
    let (mut chains, mut contestants) = (Vec::new(), Vec::new());
    for (number, (name, link)) in links.into_iter().enumerate() {
        let chain = Chain::start(envoy, &link, options.copies).with_context(|| name.clone())?;
        for route in table.sample().into_iter().take(20) {
            let (path, routed) = (request.path(route), number >= 2 && request == Request::Hit);
            let authority = if routed { route.authority() } else { HOST.to_owned() };
            chain.check("GET", HOST, &path, &authority).with_context(|| name.clone())?;
        }
        let load = Load::open(chain.envoy.address, CONNECTIONS, table.requests(request, 200))?;
        contestants.push(Contestant { name, load, meter: chain.meter.clone() });
        chains.push(chain);
    }
    contest::run(&mut contestants, options.pace)
}

fn shown(values: &[f64], decimals: usize) -> String {
    let Spread { least, median, most, .. } = Spread::of(values);
    format!("{least:.decimals$}/{median:.decimals$}/{most:.decimals$}")
}

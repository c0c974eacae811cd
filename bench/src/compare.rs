//! `bench compare A.wasm B.wasm …`: what one copy of each module costs, beside the filter that does nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testenv::http1::Request;

use crate::chain::{AUTHORITY, Chain, Link};
use crate::contest::{self, Contestant, Pace, combine};
use crate::envoy::Plugin;
use crate::load::{Load, Requests};
use crate::results::Spread;
use crate::table::{BASE, HOST, Shape, Table, head};

/// Enough that the worker is never idle.
const CONNECTIONS: usize = 8;

pub struct Options {
    pub modules: Vec<PathBuf>,
    pub no_op: PathBuf,
    pub routes: usize,
    pub copies: u32,
    pub pace: Pace,
}

/// What is asked of the modules.
struct Case {
    name: &'static str,
    table: Table,
    requests: Requests,
    /// Whether the modules are to route them.
    routed: bool,
}

/// Prints as it goes.
pub fn run(envoy: &Path, options: &Options) -> Result<()> {
    let Options { modules, no_op, routes, copies, pace } = options;
    let [literal, parameters] = Shape::ALL.map(|shape| Table::new(shape, *routes));
    let miss = Requests { heads: vec![head("GET", HOST, "/other/v1/shops-3/items-14/details")], status: 200 };
    let cases = [
        Case { name: "hit, static", requests: literal.hits(), table: literal.clone(), routed: true },
        Case { name: "hit, parameters", requests: parameters.hits(), table: parameters, routed: true },
        Case { name: "miss (other path)", requests: miss, table: literal, routed: false },
    ];
    println!("{routes} routes, {copies} copies, {} rounds of {:?}: least/median/most", pace.rounds, pace.turn);
    for case in cases {
        let plugin =
            |module: &Path, document| Link::Wasm(Plugin { name: "ksvc-router", module: module.to_owned(), document });
        let mut links = vec![("control".to_owned(), Link::Control), ("no-op".to_owned(), plugin(no_op, json!({})))];
        for module in modules {
            links.push((module.display().to_string(), plugin(module, case.table.document())));
        }
        let mut chains = Vec::new();
        let mut contestants = Vec::new();
        for (number, (name, link)) in links.into_iter().enumerate() {
            let chain = Chain::start(envoy, &link, *copies, HOST).with_context(|| name.clone())?;
            case.check(&chain, number >= 2).with_context(|| format!("{name}: {}", case.name))?;
            let load = Load::open(chain.envoy.address, CONNECTIONS, case.requests.clone())?;
            contestants.push(Contestant { name, load, meter: chain.meter.clone() });
            chains.push(chain);
        }
        let values = contest::run(&mut contestants, *pace)?;
        println!("\n{}", case.name);
        println!("{:<40} {:>23} {:>20}", "", "ns a copy", "× no-op");
        let [control, others @ ..] = &values[..] else { unreachable!("the control is first") };
        let alone: Vec<_> = others
            .iter()
            .map(|chain| combine(chain, control, |chain, control| (chain - control) / f64::from(*copies)))
            .collect();
        println!("{:<40} {:>23}", "(control chain, all of it)", shown(Spread::of(control), 0));
        for (contestant, costs) in contestants.iter().skip(1).zip(&alone) {
            let ratio = combine(costs, &alone[0], |cost, no_op| cost / no_op);
            println!(
                "{:<40} {:>23} {:>20}",
                contestant.name,
                shown(Spread::of(costs), 0),
                shown(Spread::of(&ratio), 2)
            );
        }
    }
    Ok(())
}

fn shown(spread: Spread, decimals: usize) -> String {
    format!("{:.decimals$}/{:.decimals$}/{:.decimals$}", spread.least, spread.median, spread.most)
}

impl Case {
    /// What comes out of the chain is what should.
    fn check(&self, chain: &Chain, routes: bool) -> Result<()> {
        let expected = |authority: String| if routes && self.routed { authority } else { HOST.to_owned() };
        for route in self.table.sample().into_iter().take(20) {
            let path = if self.routed { route.example() } else { route.example().replace(BASE, "/other") };
            let response = Request::new(&route.method, HOST, &path).send(chain.envoy.address)?;
            let authority = response.header(AUTHORITY).unwrap_or_default();
            let expected = expected(route.authority());
            ensure!(
                response.status == 200 && authority == expected,
                "{path} came out with {} {authority:?}, not with {expected:?}\n{}",
                response.status,
                chain.envoy.log_tail()
            );
        }
        Ok(())
    }
}

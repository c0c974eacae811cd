//! What one copy of a filter costs, by chains of copies.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::chain::{Chain, Link};
use crate::contest::{self, Contestant, combine};
use crate::ecds;
use crate::load::{CONNECTIONS, Load, Requests};
use crate::results::Quantity;
use crate::run::Bench;
use crate::table::{HOST, OTHER, Request, Shape, Table, head};
use crate::variant;

pub(super) const COPIES: u32 = 20;
/// What the filter that does nothing is called.
pub(super) const NO_OP: &str = "no-op";
/// A host that no table is asked about.
const OTHER_HOST: &str = "api.example.org";

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    for routes in bench.sizes.clone() {
        copies(bench, &Table::new(Shape::Static, routes))?;
        let table = Table::new(Shape::Parameters, routes);
        copies(bench, &table)?;
        one_copy(bench, &table)?;
    }
    let table = Table::public_api();
    copies(bench, &table)?;
    one_copy(bench, &table)?;
    other_host(bench, &Table::new(Shape::Static, 1000))?;
    route_selection(bench)
}

/// Chains that run, the first of which is the control of all others.
#[derive(Default)]
pub(super) struct Chains {
    chains: Vec<Chain>,
    contestants: Vec<Contestant>,
    /// Which chain each contestant is.
    which: Vec<usize>,
}

impl Chains {
    pub(super) fn start(&mut self, bench: &Bench, link: &Link, copies: u32) -> Result<&Chain> {
        self.chains.push(Chain::start(&bench.tools.envoy, link, copies)?);
        self.chains.last().context("just pushed")
    }

    /// Has the last chain measured with these.
    pub(super) fn ask(&mut self, name: &str, requests: Requests) -> Result<()> {
        let chain = self.chains.last().context("a chain comes first")?;
        let load = Load::open(chain.envoy.address, CONNECTIONS, requests)?;
        self.contestants.push(Contestant { name: name.to_owned(), load, meter: chain.meter.clone() });
        self.which.push(self.chains.len() - 1);
        Ok(())
    }

    fn run(&mut self, bench: &Bench) -> Result<Vec<Vec<f64>>> {
        contest::run(&mut self.contestants, bench.pace)
    }

    /// Nanoseconds a copy, round by round.
    pub(super) fn per_copy(&mut self, bench: &Bench) -> Result<Vec<Vec<f64>>> {
        let values = self.run(bench)?;
        let cost = |(held, which): (&Vec<f64>, &usize)| {
            let copies = f64::from(self.chains[*which].copies);
            combine(held, &values[0], |chain, control| (chain - control) / copies)
        };
        Ok(values.iter().zip(&self.which).map(cost).collect())
    }
}

pub(super) fn link(filter: Option<Value>) -> Link {
    Link { reset: Some(HOST), filter, ..Link::default() }
}

pub(super) fn no_op(bench: &Bench) -> Result<Value> {
    ecds::wasm(&bench.tools.no_op, &json!({}), 1)
}

pub(super) fn ours(bench: &Bench, table: &Table) -> Result<Value> {
    ecds::wasm(&bench.tools.module, &table.document(), 1)
}

fn copies(bench: &mut Bench, table: &Table) -> Result<()> {
    let mut chains = Chains::default();
    let mut names = Vec::new();
    for (name, filter) in [
        ("control", None),
        (NO_OP, Some(no_op(bench)?)),
        ("ours", Some(ours(bench, table)?)),
        ("lua", Some(variant::lua(table))),
    ] {
        let routes = !["control", NO_OP].contains(&name);
        let chain = chains.start(bench, &link(filter), COPIES).with_context(|| name.to_owned())?;
        for request in [Request::Hit, Request::Miss] {
            for route in table.sample().into_iter().take(10) {
                let authority = if routes && request == Request::Hit { route.authority() } else { HOST.to_owned() };
                let path = request.path(route);
                chain.check(&route.method, HOST, &path, &authority).with_context(|| name.to_owned())?;
            }
        }
        // What the table is does not matter to those that don't look at the request.
        let requests = if routes { &[Request::Hit, Request::Miss][..] } else { &[Request::Hit] };
        for request in requests {
            chains.ask(name, table.requests(*request, 200))?;
            names.push((name, request.name()));
        }
    }
    let costs = chains.per_copy(bench)?;
    for ((name, request), cost) in names.iter().zip(&costs).skip(1) {
        let request = if *name == NO_OP { "" } else { request };
        let of = (&*table.name, table.routes.len());
        bench.note(Quantity::FilterCpu, name, of, request, cost, Some((NO_OP, &costs[1])));
    }
    Ok(())
}

/// Requests for a host that the filter has nothing to do with.
fn other_host(bench: &mut Bench, table: &Table) -> Result<()> {
    let mut chains = Chains::default();
    for (name, filter) in [("control", None), (NO_OP, Some(no_op(bench)?)), ("ours", Some(ours(bench, table)?))] {
        let link = Link { reset: Some(OTHER_HOST), filter, ..Link::default() };
        let path = table.routes[0].example();
        chains.start(bench, &link, COPIES)?.check("GET", OTHER_HOST, &path, OTHER_HOST)?;
        chains.ask(name, Requests { heads: vec![head("GET", OTHER_HOST, &path)], status: 200 })?;
    }
    let costs = chains.per_copy(bench)?;
    let of = (&*table.name, table.routes.len());
    bench.note(Quantity::FilterCpu, "ours", of, "other host", &costs[2], Some((NO_OP, &costs[1])));
    Ok(())
}

/// One copy alone, without resets, beside an Envoy without filters. The figures scatter more, but a copy that comes first
/// costs more than one behind another of its kind: it finds neither its code nor the routes of this request in the
/// processor's caches, makes the filter state that the others overwrite, and has the route selected anew. So are measured
/// the answers of the filter's own, which end a request: what they cost beyond a 200 that a native route gives.
fn one_copy(bench: &mut Bench, table: &Table) -> Result<()> {
    let mut chains = Chains::default();
    let mut names = Vec::new();
    chains.start(bench, &Link::default(), 1)?;
    chains.ask("control", table.requests(Request::Hit, 200))?;
    for (name, filter) in [(NO_OP, no_op(bench)?), ("ours", ours(bench, table)?), ("lua", variant::lua(table))] {
        chains.start(bench, &Link { filter: Some(filter), ..Link::default() }, 1)?;
        let kinds: &[_] = match name {
            NO_OP => &[(Request::Hit, 200)],
            "lua" => &[(Request::Hit, 200), (Request::Miss, 200)],
            _ => &[(Request::Hit, 200), (Request::Miss, 200), (Request::NotFound, 404), (Request::NotAllowed, 405)],
        };
        for (request, status) in kinds {
            chains.ask(name, table.requests(*request, *status))?;
            names.push((name, request.name()));
        }
    }
    let costs = chains.per_copy(bench)?;
    for ((name, request), cost) in names.iter().zip(&costs[1..]) {
        let request = if *name == NO_OP { "" } else { request };
        let of = (&*table.name, table.routes.len());
        bench.note(Quantity::FilterCpu, &format!("{name}, one copy"), of, request, cost, Some((NO_OP, &costs[1])));
    }
    Ok(())
}

/// What it costs to select the route anew, which any filter that writes `:authority` makes necessary and the chains leave
/// out: a native filter asks for the route, once behind resets and once without.
fn route_selection(bench: &mut Bench) -> Result<()> {
    let mut chains = Chains::default();
    let heads = vec![head("GET", HOST, &format!("{OTHER}/v1/shops-3/items-14/details"))];
    for (reset, asks_for_route) in [(None, false), (None, true), (Some(HOST), false), (Some(HOST), true)] {
        chains.start(bench, &Link { reset, asks_for_route, filter: None }, COPIES)?;
        chains.ask("route selection", Requests { heads: heads.clone(), status: 200 })?;
    }
    let values = chains.per_copy(bench)?;
    let asked = combine(&values[3], &values[2], |both, resets| both - resets);
    let selection = combine(&asked, &values[1], |anew, once| anew - once);
    bench.note(Quantity::FilterCpu, "route selection", ("one route", 1), "", &selection, None);
    Ok(())
}

//! The cost of one copy of a filter, isolated by chains of copies.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::chain::{Chain, Link};
use crate::ecds;
use crate::load::{CONNECTIONS, Load, Requests};
use crate::results::Quantity;
use crate::rounds::{self, Candidate, combine};
use crate::run::Run;
use crate::table::{HOST, OTHER, RequestKind, Shape, Table, head};
use crate::variant;

pub(super) const COPIES: u32 = 20;
/// The name of the no-op filter in the results.
pub(super) const NO_OP: &str = "no-op";
/// A host that no table contains.
const OTHER_HOST: &str = "api.example.org";

pub(super) fn measure(run: &mut Run) -> Result<()> {
    for routes in run.sizes.clone() {
        copies(run, &Table::new(Shape::Static, routes))?;
        let table = Table::new(Shape::Parameters, routes);
        copies(run, &table)?;
        one_copy(run, &table)?;
    }
    let table = Table::public_api();
    copies(run, &table)?;
    one_copy(run, &table)?;
    other_host(run, &Table::new(Shape::Static, 1000))?;
    route_selection(run)
}

/// Chains that run at the same time. The first is the control of all others.
#[derive(Default)]
pub(super) struct Chains {
    chains: Vec<Chain>,
    candidates: Vec<Candidate>,
    /// The index of the chain of each candidate.
    chain_of_candidate: Vec<usize>,
}

impl Chains {
    pub(super) fn start(&mut self, run: &Run, link: &Link, copies: u32) -> Result<&Chain> {
        self.chains.push(Chain::start(&run.tools.envoy, link, copies)?);
        self.chains.last().context("the chain was not added")
    }

    /// Adds a candidate, which sends these requests to the last chain.
    pub(super) fn add_candidate(&mut self, name: &str, requests: Requests) -> Result<()> {
        let chain = self.chains.last().context("there is no chain yet")?;
        let load = Load::open(chain.envoy.address, CONNECTIONS, requests)?;
        self.candidates.push(Candidate { name: name.to_owned(), load, meter: chain.meter.clone() });
        self.chain_of_candidate.push(self.chains.len() - 1);
        Ok(())
    }

    /// Measures all candidates. Returns nanoseconds per copy: for each candidate, one value per round.
    pub(super) fn cost_per_copy(&mut self, run: &Run) -> Result<Vec<Vec<f64>>> {
        let values = rounds::run(&mut self.candidates, run.schedule)?;
        let cost = |(values_of_candidate, chain): (&Vec<f64>, &usize)| {
            let copies = f64::from(self.chains[*chain].copies);
            combine(values_of_candidate, &values[0], |chain, control| (chain - control) / copies)
        };
        Ok(values.iter().zip(&self.chain_of_candidate).map(cost).collect())
    }
}

pub(super) fn link(filter: Option<Value>) -> Link {
    Link { reset: Some(HOST), filter, ..Link::default() }
}

pub(super) fn no_op(run: &Run) -> Result<Value> {
    ecds::wasm(&run.tools.no_op, &json!({}), 1)
}

pub(super) fn ours(run: &Run, table: &Table) -> Result<Value> {
    ecds::wasm(&run.tools.module, &table.document(), 1)
}

fn copies(run: &mut Run, table: &Table) -> Result<()> {
    let mut chains = Chains::default();
    let mut names = Vec::new();
    for (name, filter) in [
        ("control", None),
        (NO_OP, Some(no_op(run)?)),
        ("ours", Some(ours(run, table)?)),
        ("lua", Some(variant::lua(table))),
    ] {
        let selects_routes = !["control", NO_OP].contains(&name);
        let chain = chains.start(run, &link(filter), COPIES).with_context(|| name.to_owned())?;
        for request in [RequestKind::Hit, RequestKind::Miss] {
            for route in table.sample().into_iter().take(10) {
                let authority =
                    if selects_routes && request == RequestKind::Hit { route.authority() } else { HOST.to_owned() };
                let path = request.path(route);
                chain.check(&route.method, HOST, &path, &authority).with_context(|| name.to_owned())?;
            }
        }
        // The others do not look at the request, so its kind makes no difference.
        let requests = if selects_routes { &[RequestKind::Hit, RequestKind::Miss][..] } else { &[RequestKind::Hit] };
        for request in requests {
            chains.add_candidate(name, table.requests(*request, 200))?;
            names.push((name, request.name()));
        }
    }
    let costs = chains.cost_per_copy(run)?;
    for ((name, request), cost) in names.iter().zip(&costs).skip(1) {
        let request = if *name == NO_OP { "" } else { request };
        let name_and_size = (&*table.name, table.routes.len());
        run.record(Quantity::FilterCpu, name, name_and_size, request, cost, Some((NO_OP, &costs[1])));
    }
    Ok(())
}

/// Measures requests for a host that is not the table's.
fn other_host(run: &mut Run, table: &Table) -> Result<()> {
    let mut chains = Chains::default();
    for (name, filter) in [("control", None), (NO_OP, Some(no_op(run)?)), ("ours", Some(ours(run, table)?))] {
        let link = Link { reset: Some(OTHER_HOST), filter, ..Link::default() };
        let path = table.routes[0].example();
        chains.start(run, &link, COPIES)?.check("GET", OTHER_HOST, &path, OTHER_HOST)?;
        chains.add_candidate(name, Requests { heads: vec![head("GET", OTHER_HOST, &path)], status: 200 })?;
    }
    let costs = chains.cost_per_copy(run)?;
    let name_and_size = (&*table.name, table.routes.len());
    run.record(Quantity::FilterCpu, "ours", name_and_size, "other host", &costs[2], Some((NO_OP, &costs[1])));
    Ok(())
}

/// Measures one copy alone, without reset filters, against an Envoy without filters. The figures scatter more, but the
/// first copy costs more than a copy behind another one: neither its code nor the routes of this request are in the
/// CPU's caches, it creates the filter state that the other copies overwrite, and Envoy selects the route again after it.
///
/// The responses that the filter itself sends end a request, so they can only be measured in this way: their cost is what
/// they take beyond a 200 from a native route.
fn one_copy(run: &mut Run, table: &Table) -> Result<()> {
    let mut chains = Chains::default();
    let mut names = Vec::new();
    chains.start(run, &Link::default(), 1)?;
    chains.add_candidate("control", table.requests(RequestKind::Hit, 200))?;
    for (name, filter) in [(NO_OP, no_op(run)?), ("ours", ours(run, table)?), ("lua", variant::lua(table))] {
        chains.start(run, &Link { filter: Some(filter), ..Link::default() }, 1)?;
        let kinds: &[_] = match name {
            NO_OP => &[(RequestKind::Hit, 200)],
            "lua" => &[(RequestKind::Hit, 200), (RequestKind::Miss, 200)],
            _ => &[
                (RequestKind::Hit, 200),
                (RequestKind::Miss, 200),
                (RequestKind::NotFound, 404),
                (RequestKind::NotAllowed, 405),
            ],
        };
        for (request, status) in kinds {
            chains.add_candidate(name, table.requests(*request, *status))?;
            names.push((name, request.name()));
        }
    }
    let costs = chains.cost_per_copy(run)?;
    for ((name, request), cost) in names.iter().zip(&costs[1..]) {
        let request = if *name == NO_OP { "" } else { request };
        let name_and_size = (&*table.name, table.routes.len());
        run.record(
            Quantity::FilterCpu,
            &format!("{name}, one copy"),
            name_and_size,
            request,
            cost,
            Some((NO_OP, &costs[1])),
        );
    }
    Ok(())
}

/// Measures the cost of selecting the route again, which every filter that writes `:authority` causes, and which the chains
/// leave out. A native filter asks for the route: in one chain behind reset filters, in another without them.
fn route_selection(run: &mut Run) -> Result<()> {
    let mut chains = Chains::default();
    let heads = vec![head("GET", HOST, &format!("{OTHER}/v1/shops-3/items-14/details"))];
    for (reset, asks_for_route) in [(None, false), (None, true), (Some(HOST), false), (Some(HOST), true)] {
        chains.start(run, &Link { reset, asks_for_route, filter: None }, COPIES)?;
        chains.add_candidate("route selection", Requests { heads: heads.clone(), status: 200 })?;
    }
    let values = chains.cost_per_copy(run)?;
    let with_resets = combine(&values[3], &values[2], |both, resets| both - resets);
    let selection = combine(&with_resets, &values[1], |with, without| with - without);
    run.record(Quantity::FilterCpu, "route selection", ("one route", 1), "", &selection, None);
    Ok(())
}

//! Requests that show what each worker serves. A connection stays with the worker that accepted it, and Envoy counts
//! the connections of each worker, so it is known which worker has answered.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use testenv::gateway::Gateway;
use testenv::http1::{Connection, Request, Response};
use testenv::stand_in::Report;

use crate::document::{Outcome, Owner, PATHS, SERVICES};

/// A path below [`OURS`](crate::document::OURS) that a policy may deny.
pub(crate) const DENIED: &str = "/faas/orders/denied";

/// The outcomes of the requests of one probe.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The outcomes for each owner, in the order of [`PATHS`].
    pub(crate) outcomes: Vec<Vec<Outcome>>,
    pub(crate) denied: Outcome,
    /// The worker that has answered. It is `None` if Envoy closed the connection during the probe, as it does with the
    /// connections of an old listener.
    pub(crate) worker: Option<String>,
}

/// Sends all requests over one connection, or over several if Envoy closes it.
pub(crate) fn probe(gateway: &Gateway, owners: &[Owner]) -> Result<Seen> {
    let before = connections(gateway)?;
    let (mut seen, opened) = probe_address(gateway.address(), owners)?;
    let after = connections(gateway)?;
    let mut changed = after.into_iter().filter(|(worker, count)| before.get(worker) != Some(count));
    seen.worker = changed.next().map(|(worker, _)| worker).filter(|_| opened == 1 && changed.next().is_none());
    Ok(seen)
}

/// Sends all requests without finding out which worker answers. Also returns the number of connections that were
/// needed.
pub(crate) fn probe_address(to: SocketAddr, owners: &[Owner]) -> Result<(Seen, usize)> {
    let mut prober = Prober { to, connection: None, opened: 0 };
    let mut outcomes = Vec::new();
    for owner in owners {
        let paths = PATHS.iter().map(|path| prober.get("api.example.com", &format!("{}{path}", owner.base_path)));
        outcomes.push(paths.collect::<Result<_>>()?);
    }
    let denied = prober.get("api.example.com", DENIED)?;
    // Traffic outside the scope of both tables must stay untouched, whatever happens to the tables.
    for (host, path) in [("api.example.com", "/elsewhere/orders/1"), ("www.example.com", "/faas/orders/1")] {
        let outcome = prober.get(host, path)?;
        ensure!(outcome == Outcome::Untouched, "{host}{path} is outside the scope of every table: {outcome:?}");
    }
    Ok((Seen { outcomes, denied, worker: None }, prober.opened))
}

struct Prober {
    to: SocketAddr,
    connection: Option<Connection>,
    opened: usize,
}

impl Prober {
    fn get(&mut self, host: &str, path: &str) -> Result<Outcome> {
        let request = Request::get(host, path);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                self.opened += 1;
                Connection::open(self.to)?
            }
        };
        let response = match connection.send(&request) {
            Ok(response) => response,
            // Envoy closed the connection between two requests, which HTTP/1.1 allows. Try again with a new one.
            Err(_) if self.opened < 10 => {
                self.opened += 1;
                connection = Connection::open(self.to)?;
                connection.send(&request).with_context(|| format!("{host}{path}"))?
            }
            Err(error) => return Err(error.context(format!("{host}{path}"))),
        };
        if response.header("connection") != Some("close") {
            self.connection = Some(connection);
        }
        outcome(&response, host).with_context(|| format!("{host}{path}"))
    }
}

fn outcome(response: &Response, host: &str) -> Result<Outcome> {
    if response.status != 200 {
        return Ok(Outcome::Status(response.status));
    }
    let arrived: Report = serde_json::from_slice(&response.body).with_context(|| response.text())?;
    let forwarded_host = arrived.header("x-forwarded-host");
    if arrived.authority == host {
        ensure!(forwarded_host.is_none(), "the request was not routed, but changed: {arrived:?}");
        return Ok(Outcome::Untouched);
    }
    ensure!(forwarded_host == Some(host), "the request was routed without its public host: {arrived:?}");
    let service = arrived.authority.strip_suffix(".shop.example.com");
    match SERVICES.iter().find(|known| Some(**known) == service) {
        Some(service) => Ok(Outcome::Service(service)),
        None => bail!("the request reached a service that no document names: {arrived:?}"),
    }
}

/// Returns how many connections each worker has accepted.
fn connections(gateway: &Gateway) -> Result<BTreeMap<String, u64>> {
    Ok(gateway.stats(r"^listener\.127.*\.worker_[0-9]+\.downstream_cx_total$")?.into_iter().collect())
}

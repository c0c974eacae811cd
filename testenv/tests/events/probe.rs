//! Requests that show what each worker serves. A connection stays with the worker that took it, and Envoy counts the
//! connections of each, so one answer after another can be told apart by its worker.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use testenv::gateway::Gateway;
use testenv::http1::{Connection, Request, Response};
use testenv::stand_in::Report;

use crate::document::{Answer, Owner, PATHS, SERVICES};

/// A path that a policy may deny, below [`OURS`](crate::document::OURS).
pub(crate) const DENIED: &str = "/faas/orders/denied";

/// What a connection was answered.
#[derive(Debug)]
pub(crate) struct Seen {
    /// In the order of the owners, and of [`PATHS`].
    pub(crate) answers: Vec<Vec<Answer>>,
    pub(crate) denied: Answer,
    /// Who answered; `None` where Envoy closed the connection meanwhile, as it does with those of an old listener.
    pub(crate) worker: Option<String>,
}

/// Asks all over one connection, or over several if Envoy closes them.
pub(crate) fn ask(gateway: &Gateway, owners: &[Owner]) -> Result<Seen> {
    let before = connections(gateway)?;
    let (mut seen, opened) = ask_at(gateway.address(), owners)?;
    let after = connections(gateway)?;
    let mut more = after.into_iter().filter(|(worker, count)| before.get(worker) != Some(count));
    seen.worker = more.next().map(|(worker, _)| worker).filter(|_| opened == 1 && more.next().is_none());
    Ok(seen)
}

/// The same without a look at who answered; and how many connections it took.
pub(crate) fn ask_at(to: SocketAddr, owners: &[Owner]) -> Result<(Seen, usize)> {
    let mut asking = Asking { to, connection: None, opened: 0 };
    let mut answers = Vec::new();
    for owner in owners {
        let paths = PATHS.iter().map(|path| asking.get("api.example.com", &format!("{}{path}", owner.base_path)));
        answers.push(paths.collect::<Result<_>>()?);
    }
    let denied = asking.get("api.example.com", DENIED)?;
    // Whatever becomes of the tables, nobody else's traffic is touched.
    for (host, path) in [("api.example.com", "/elsewhere/orders/1"), ("www.example.com", "/faas/orders/1")] {
        let answer = asking.get(host, path)?;
        ensure!(answer == Answer::Untouched, "{host}{path}, which is in no table's scope: {answer:?}");
    }
    Ok((Seen { answers, denied, worker: None }, asking.opened))
}

struct Asking {
    to: SocketAddr,
    connection: Option<Connection>,
    opened: usize,
}

impl Asking {
    fn get(&mut self, host: &str, path: &str) -> Result<Answer> {
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
            // It was closed between two requests, which HTTP/1.1 allows; a new one has to do.
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
        answer(&response, host).with_context(|| format!("{host}{path}"))
    }
}

fn answer(response: &Response, host: &str) -> Result<Answer> {
    if response.status != 200 {
        return Ok(Answer::Status(response.status));
    }
    let arrived: Report = serde_json::from_slice(&response.body).with_context(|| response.text())?;
    let forwarded_host = arrived.header("x-forwarded-host");
    if arrived.authority == host {
        ensure!(forwarded_host.is_none(), "it passed, but not as it was sent: {arrived:?}");
        return Ok(Answer::Untouched);
    }
    ensure!(forwarded_host == Some(host), "it was routed without its public host: {arrived:?}");
    let service = arrived.authority.strip_suffix(".shop.example.com");
    match SERVICES.iter().find(|known| Some(**known) == service) {
        Some(service) => Ok(Answer::Service(service)),
        None => bail!("it arrived where no document sends it: {arrived:?}"),
    }
}

/// How many connections each worker has taken.
fn connections(gateway: &Gateway) -> Result<BTreeMap<String, u64>> {
    Ok(gateway.stats(r"^listener\.127.*\.worker_[0-9]+\.downstream_cx_total$")?.into_iter().collect())
}

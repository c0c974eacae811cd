//! A steady load on the gateway while a test changes something. No load generator compares each response with what the
//! test expects of it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testenv::http1::{Connection, Request, Response};

use crate::api::PATIENCE;

/// The time between a response and the next request of a client. It leaves time on the two cores for everything else.
const PAUSE: Duration = Duration::from_millis(5);

/// A client, which keeps its connection as long as the gateway does.
pub(crate) struct Client {
    to: SocketAddr,
    connection: Option<Connection>,
    /// How many connections it has opened.
    pub(crate) opened: usize,
}

impl Client {
    pub(crate) fn new(to: SocketAddr) -> Self {
        Self { to, connection: None, opened: 0 }
    }

    /// Sends a request, once.
    pub(crate) fn send(&mut self, request: &Request) -> Result<Response> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                self.opened += 1;
                Connection::open_within(PATIENCE, self.to)?
            }
        };
        let response = connection.send(request)?;
        // The gateway ends its connections when another test adds or deletes a WasmPlugin, and announces it like this.
        if response.header("connection") != Some("close") {
            self.connection = Some(connection);
        }
        Ok(response)
    }
}

/// Runs `work` while this many clients send requests to the gateway. `client` returns, for the number of a client, the
/// function that sends its next request and checks the response. Returns what `work` returns, and the number of
/// requests. It is an error if one request has failed.
pub(crate) fn under_load<T, E: FnMut(&mut Client) -> Result<()>>(
    to: SocketAddr,
    clients: usize,
    client: impl Fn(usize) -> E + Sync,
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, usize)> {
    let done = AtomicBool::new(false);
    let run = |number: usize| {
        let (mut connection, mut exchange) = (Client::new(to), client(number));
        let (mut sent, mut errors) = (0, Vec::new());
        while !done.load(Ordering::Relaxed) {
            sent += 1;
            errors.extend(exchange(&mut connection).err());
            thread::sleep(PAUSE);
        }
        (sent, errors)
    };
    let (worked, outcomes) = thread::scope(|scope| {
        let threads: Vec<_> = (0..clients).map(|number| scope.spawn(move || run(number))).collect();
        let stop = Stop(&done);
        let worked = work();
        drop(stop);
        let outcomes: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("a client panicked")).collect();
        (worked, outcomes)
    });
    let sent = outcomes.iter().map(|(sent, _)| sent).sum();
    let errors: Vec<_> = outcomes.iter().flat_map(|(_, errors)| errors).collect();
    if let Some(first) = errors.first() {
        let text = format!("{} of {sent} requests failed, the first with: {first:#}", errors.len());
        match worked {
            Ok(_) => bail!(text),
            Err(error) => return Err(error).context(text),
        }
    }
    Ok((worked?, sent))
}

/// Sets the flag when it is dropped, even by a panic.
pub(crate) struct Stop<'a>(pub(crate) &'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

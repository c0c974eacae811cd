//! HTTP/1.1 requests at a fixed rate. The latency of a request counts from the time at which the request was due, not from
//! the time at which it was sent, so a stall counts for every request that it delays.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::prctl::set_timerslack;
use nix::sys::signal::SigSet;

use crate::load::{Connection, PATIENCE, Requests};

/// Enough that a connection is always free, unless the gateway stalls.
const CONNECTIONS: usize = 32;

/// Sends requests for this long, and returns the latencies of all of them in nanoseconds.
pub fn run(to: SocketAddr, requests: &Requests, rate: u32, length: Duration) -> Result<Histogram<u64>> {
    // Otherwise the kernel may wake this thread up to 50 µs late, to let the CPU sleep.
    set_timerslack(1)?;
    let mut connections = (0..CONNECTIONS).map(|_| Connection::open(to)).collect::<Result<Vec<_>>>()?;
    // For each connection in use, the time at which its request was due.
    let mut busy: Vec<Option<Instant>> = vec![None; CONNECTIONS];
    let mut free: VecDeque<usize> = (0..CONNECTIONS).collect();
    let mut latencies = Histogram::<u64>::new(3)?;
    let interval = Duration::from_secs(1) / rate;
    let count = length.as_nanos() / interval.as_nanos();
    let (mut sent, mut received, mut next) = (0u32, 0, 0);
    let begun = Instant::now();
    while received < count {
        let due = begun + interval * sent;
        let now = Instant::now();
        if u128::from(sent) < count
            && now >= due
            && let Some(number) = free.pop_front()
        {
            connections[number].send(requests.take(&mut next))?;
            busy[number] = Some(due);
            sent += 1;
            continue;
        }
        let wait = if u128::from(sent) < count && !free.is_empty() { due - now } else { PATIENCE };
        let waiting: Vec<usize> = (0..CONNECTIONS).filter(|number| busy[*number].is_some()).collect();
        let mut polled: Vec<PollFd> =
            waiting.iter().map(|number| PollFd::new(connections[*number].stream.as_fd(), PollFlags::POLLIN)).collect();
        let ready = ppoll(&mut polled, Some(wait.into()), Some(SigSet::empty()))?;
        ensure!(ready > 0 || wait < PATIENCE, "no response within {PATIENCE:?}");
        let ready: Vec<usize> = waiting
            .iter()
            .zip(&polled)
            .filter(|(_, polled)| polled.any().unwrap_or_default())
            .map(|(number, _)| *number)
            .collect();
        for number in ready {
            // A response is so small that it arrives in one piece, so this read does not block.
            connections[number].receive(requests.status)?;
            let due = busy[number].take().context("a response on a connection without a request")?;
            latencies.record(u64::try_from(due.elapsed().as_nanos())?)?;
            received += 1;
            free.push_back(number);
        }
    }
    Ok(latencies)
}

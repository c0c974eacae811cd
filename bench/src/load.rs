//! HTTP/1.1 requests over persistent connections, sent by one thread at little cost: the bytes of all requests are made
//! beforehand, and of a response only its end is searched.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// Requests that are sent in turn, again and again, and the status that each of them must get.
#[derive(Debug, Clone)]
pub struct Requests {
    pub heads: Vec<Vec<u8>>,
    pub status: u16,
}

/// Enough that one worker is never idle.
pub const CONNECTIONS: usize = 32;

/// A closed loop: each connection sends its next request when it has received a response.
pub struct Load {
    connections: Vec<Connection>,
    requests: Requests,
    next: usize,
}

impl Load {
    pub fn open(to: SocketAddr, connections: usize, requests: Requests) -> Result<Self> {
        let connections = (0..connections).map(|_| Connection::open(to)).collect::<Result<_>>()?;
        Ok(Self { connections, requests, next: 0 })
    }

    /// Sends requests for this long, waits for the last response, and returns the number of requests.
    pub fn run(&mut self, length: Duration) -> Result<u64> {
        let deadline = Instant::now() + length;
        let mut count = 0;
        let Self { connections, requests, next } = self;
        for connection in connections.iter_mut() {
            connection.send(requests.take(next))?;
        }
        // One worker answers the connections in about this order.
        while Instant::now() < deadline {
            for connection in connections.iter_mut() {
                connection.receive(requests.status)?;
                count += 1;
                connection.send(requests.take(next))?;
            }
        }
        for connection in connections.iter_mut() {
            connection.receive(requests.status)?;
            count += 1;
        }
        Ok(count)
    }
}

impl Requests {
    pub(crate) fn take(&self, next: &mut usize) -> &[u8] {
        let head = &self.heads[*next];
        *next = (*next + 1) % self.heads.len();
        head
    }
}

/// Longer than any response takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(to: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(to).with_context(|| format!("cannot connect to {to}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, buffer: vec![0; 16 * 1024] })
    }

    pub(crate) fn send(&mut self, head: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(head)?)
    }

    /// Reads one whole response, which must have this status.
    pub(crate) fn receive(&mut self, status: u16) -> Result<()> {
        let mut filled = 0;
        loop {
            ensure!(filled < self.buffer.len(), "a response of more than {} bytes", self.buffer.len());
            let read = self.stream.read(&mut self.buffer[filled..]).context("no response")?;
            ensure!(read > 0, "the connection was closed before the response ended");
            filled += read;
            if let Some(actual) = status_of_whole(&self.buffer[..filled])? {
                if actual != status {
                    let text = String::from_utf8_lossy(&self.buffer[..filled]);
                    bail!("status {actual}, expected {status}:\n{text}");
                }
                return Ok(());
            }
        }
    }
}

/// Returns the status of a response, or `None` if more of the response is to come.
fn status_of_whole(response: &[u8]) -> Result<Option<u16>> {
    let Some(end) = find(response, b"\r\n\r\n") else { return Ok(None) };
    let head = &response[..end + 2];
    let length = match find(head, b"\r\ncontent-length: ").or_else(|| find(head, b"\r\nContent-Length: ")) {
        Some(at) => {
            let digits = head[at + 18..].iter().take_while(|byte| byte.is_ascii_digit());
            digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
        }
        None => bail!("a response without content-length:\n{}", String::from_utf8_lossy(response)),
    };
    let status = std::str::from_utf8(&head[9..12])?.parse()?;
    Ok((response.len() >= end + 4 + length).then_some(status))
}

pub(crate) fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

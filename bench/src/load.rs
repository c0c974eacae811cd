//! HTTP/1.1 over connections that are kept, from one thread and cheaply: what it sends is made beforehand, and of an
//! answer it reads no more than where it ends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// A request, again and again or in turn with others, and the status that answers each.
#[derive(Debug, Clone)]
pub struct Requests {
    pub heads: Vec<Vec<u8>>,
    pub status: u16,
}

/// Enough that one worker is never idle.
pub const CONNECTIONS: usize = 32;

/// Connections in a closed loop: the next request goes out when an answer is in.
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

    /// Goes on for so long, until the last answer is in; tells how many there were.
    pub fn run(&mut self, length: Duration) -> Result<u64> {
        let deadline = Instant::now() + length;
        let mut count = 0;
        let Self { connections, requests, next } = self;
        for connection in connections.iter_mut() {
            connection.send(requests.take(next))?;
        }
        // In turn: one worker answers them about in this order.
        while Instant::now() < deadline {
            for connection in connections.iter_mut() {
                connection.answer(requests.status)?;
                count += 1;
                connection.send(requests.take(next))?;
            }
        }
        for connection in connections.iter_mut() {
            connection.answer(requests.status)?;
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

/// Nothing that is measured takes this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
    filled: usize,
}

impl Connection {
    pub(crate) fn open(to: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(to).with_context(|| format!("nobody listens at {to}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { stream, read: vec![0; 16 * 1024], filled: 0 })
    }

    pub(crate) fn send(&mut self, head: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(head)?)
    }

    /// Reads one whole answer.
    pub(crate) fn answer(&mut self, status: u16) -> Result<()> {
        self.filled = 0;
        loop {
            ensure!(self.filled < self.read.len(), "an answer of more than {} octets", self.read.len());
            let read = self.stream.read(&mut self.read[self.filled..]).context("no answer")?;
            ensure!(read > 0, "the connection was closed in place of an answer");
            self.filled += read;
            if let Some(answered) = whole(&self.read[..self.filled])? {
                if answered != status {
                    let text = String::from_utf8_lossy(&self.read[..self.filled]);
                    bail!("answered {answered} in place of {status}:\n{text}");
                }
                return Ok(());
            }
        }
    }
}

/// The status of an answer that is there whole.
pub(crate) fn whole(answer: &[u8]) -> Result<Option<u16>> {
    let Some(end) = find(answer, b"\r\n\r\n") else { return Ok(None) };
    let head = &answer[..end + 2];
    let length = match find(head, b"\r\ncontent-length: ").or_else(|| find(head, b"\r\nContent-Length: ")) {
        Some(at) => {
            let digits = head[at + 18..].iter().take_while(|octet| octet.is_ascii_digit());
            digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
        }
        None => bail!("an answer without content-length:\n{}", String::from_utf8_lossy(answer)),
    };
    let status = std::str::from_utf8(&head[9..12])?.parse()?;
    Ok((answer.len() >= end + 4 + length).then_some(status))
}

pub(crate) fn find(octets: &[u8], what: &[u8]) -> Option<usize> {
    octets.windows(what.len()).position(|window| window == what)
}

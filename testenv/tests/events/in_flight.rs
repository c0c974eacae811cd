//! A request that is under way while events come.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// A request whose body is not at its end, and an answer that has begun.
pub(crate) struct Held {
    connection: TcpStream,
    answered: Vec<u8>,
}

impl Held {
    /// Sends half a request to a path that every table passes, or its target answers.
    pub(crate) fn begin(to: SocketAddr, path: &str) -> Result<Self> {
        let mut connection = TcpStream::connect(to)?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        let head = format!("POST {path} HTTP/1.1\r\nhost: api.example.com\r\nx-stand-in: stream\r\n");
        connection.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n6\r\nbefore\r\n").as_bytes())?;
        let mut held = Self { connection, answered: Vec::new() };
        held.read_until("before")?;
        Ok(held)
    }

    /// Sends the rest, and has to get the rest.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.connection.write_all(b"5\r\nafter\r\n0\r\n\r\n")?;
        self.read_until("after")?;
        self.read_until("0\r\n\r\n")
    }

    fn read_until(&mut self, awaited: &str) -> Result<()> {
        let mut piece = [0; 4096];
        while !self.answered.windows(awaited.len()).any(|window| window == awaited.as_bytes()) {
            let read = self.connection.read(&mut piece);
            let read = read.with_context(|| format!("a request under way got no more than {:?}", self.text()))?;
            ensure!(read > 0, "a request under way was cut off after {:?}", self.text());
            self.answered.extend(&piece[..read]);
        }
        Ok(())
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.answered).into_owned()
    }
}
